"""Has the worker's consumer group refused it permanently?

aiokafka keeps such an error until someone fetches, and stops trying to join. A worker without partitions fetches
nothing: it would wait silently, even after the cause is gone. So the heartbeat checks.

    CheckFailed
    └── CheckFailed    the group does not let the worker in, or has put it out, and no waiting changes that
"""

from collections.abc import Mapping
from typing import Any, Final

from schemas.errors import CheckFailed

WHAT_TO_DO: Final[Mapping[str, str]] = {
    "InconsistentGroupProtocolError": "another program consumes as this group, in another way than workers do: find "
    "it with `kafka-consumer-groups.sh --describe --members`, and stop it",
    "GroupAuthorizationFailedError": "the worker's user lacks the right Read on the group: give it an ACL for that",
    "TopicAuthorizationFailedError": "the worker's user lacks the right Read on a topic: give it an ACL for that, "
    "docs/operators.md lists them",
    "InvalidSessionTimeoutError": "set CLUSTERTRACK_SESSION_SECONDS to what the broker's group.min.session.timeout.ms "
    "and group.max.session.timeout.ms allow",
    "GroupMaxSizeReachedError": "the group has as many members as the broker's group.max.size allows: start fewer "
    "workers, or raise it",
    "FencedInstanceIdError": "another worker has taken its place in the group: stop one of the two",
    "UnsupportedVersionError": "the broker does not know a request that the worker needs: use Kafka 3.0 or newer",
}
"""Error of the group protocol -> its cause and the way out. Any other one ends the worker just as well."""


def check(client: Any, group: str) -> None:  # noqa: ANN401  (aiokafka has no types)
    """Raise CheckFailed if aiokafka's coordinator has given up. Only reads, since the client lives in another thread.

    Args:
        client: aiokafka's consumer; None before there is one.
        group: the consumer group, for the sentence.
    """
    coordinator: Any = getattr(client, "_coordinator", None)
    if coordinator is None or (task := getattr(coordinator, "_coordination_task", None)) is None:
        return
    # aiokafka retries what may pass with time; it has stopped trying for the errors that it keeps for its user.
    error = coordinator._pending_exception  # noqa: SLF001  (see test_faust_contract)
    if error is None and task.done() and not task.cancelled():
        error = task.exception()
    if error is not None:
        raise CheckFailed(explained(group, error)) from error


def explained(group: str, error: BaseException) -> str:
    """One sentence that names the group, what happened, and what to do."""
    names = [type(error).__name__, *(name for name in WHAT_TO_DO if name in str(error))]
    name = next((name for name in names if name in WHAT_TO_DO), names[0])
    what = WHAT_TO_DO.get(name, "start the worker again; if it ends again, look into the broker's log")
    detail = "" if name in WHAT_TO_DO else f": {str(error)[:200]}"
    return f"The consumer group {group} refuses the worker ({name}{detail}): {what}."
