from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import errors

from schemas.errors import CheckFailed
from streams.membership import check, explained

GROUP = "clustertrack-an-id"


def client(pending: BaseException | None = None, ended: BaseException | None = None) -> Any:
    """As much of aiokafka's consumer as is looked at."""
    task = SimpleNamespace(done=lambda: ended is not None, cancelled=lambda: False, exception=lambda: ended)
    return SimpleNamespace(_coordinator=SimpleNamespace(_pending_exception=pending, _coordination_task=task))


@pytest.mark.parametrize(
    ("error", "word"),
    [
        pytest.param(errors.InconsistentGroupProtocolError(), "another program consumes", id="foreign consumer"),
        pytest.param(errors.GroupAuthorizationFailedError(GROUP), "the right Read on the group", id="right on group"),
        pytest.param(errors.TopicAuthorizationFailedError({"t"}), "the right Read on a topic", id="right on topic"),
        pytest.param(errors.InvalidSessionTimeoutError(), "CLUSTERTRACK_SESSION_SECONDS", id="session"),
        pytest.param(errors.KafkaError("GroupMaxSizeReachedError()"), "group.max.size", id="full group, as text"),
        pytest.param(errors.KafkaError("UnknownError 120"), "UnknownError 120", id="an error that nobody knows"),
        pytest.param(errors.UnsupportedVersionError(), "broker does not know", id="old broker"),
    ],
)
def test_what_aiokafka_has_given_up_ends_the_worker(error: BaseException, word: str) -> None:
    """Whatever the coordinator keeps for a user who does not ask is raised, with the group and the way out."""
    for stuck in (client(pending=error), client(ended=error)):
        with pytest.raises(CheckFailed, match=GROUP) as lost:
            check(stuck, GROUP)
        assert word in str(lost.value)
        assert "\n" not in str(lost.value)


def test_a_member_or_a_consumer_to_be_is_left_alone() -> None:
    """No consumer yet, no coordinator yet, or one that is at work: nothing is raised."""
    check(None, GROUP)
    check(SimpleNamespace(_coordinator=None), GROUP)
    check(client(), GROUP)


def test_looking_takes_nothing_away() -> None:
    """The error stays for the thread of the consumer, whose future must not be touched from another one."""
    stuck = client(pending=errors.InconsistentGroupProtocolError())
    with pytest.raises(CheckFailed):
        check(stuck, GROUP)

    assert stuck._coordinator._pending_exception is not None
    assert "InconsistentGroupProtocolError" in explained(GROUP, stuck._coordinator._pending_exception)
