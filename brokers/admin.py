"""kafka-python's admin client, which reads an error in an answer as an empty value, with those errors raised.

Also answers the question that comes before any work with a topic: can it be used?
"""

from collections.abc import Iterable
from typing import Any, Final, Self

from kafka.admin import KafkaAdminClient
from kafka.errors import GroupIdNotFoundError, UnknownTopicOrPartitionError

from brokers.connection import KafkaConnection
from brokers.explain import await_usable, explain, explained, failed, needing
from schemas.errors import Unreachable

CONNECT_MS: Final = 10_000
"""Milliseconds for the first connection, and for the answer to one request."""

NOTHING_SENT: Final = "nothing was sent"


class CheckedAdmin(KafkaAdminClient):  # type: ignore[misc]  # kafka-python has no types
    """Raises the error of a topic or a group where the base class leaves its settings or its members out."""

    @classmethod
    def connect(cls, kafka: KafkaConnection, *, timeout_ms: int = CONNECT_MS, **options: Any) -> Self:
        """A client; `timeout_ms` is for connecting, and for each answer. `options` are the base class's."""
        return cls(
            **kafka.for_kafka_python(), request_timeout_ms=timeout_ms, bootstrap_timeout_ms=timeout_ms, **options
        )

    @classmethod
    def _describe_configs_process_responses(cls, responses: Iterable[Any], config_filter: Any = "modified") -> Any:
        for response in responses:
            for result in response.results:
                error = failed(result.error_code, result.error_message)
                # A topic that is just being created or deleted: its settings are left out.
                if error is not None and not isinstance(error, UnknownTopicOrPartitionError):
                    raise needing(error, "DescribeConfigs", "topic", result.resource_name)
        return super()._describe_configs_process_responses(responses, config_filter)

    def _describe_groups_process_response(self, response: Any) -> Any:
        for group in response.groups:
            error = failed(group.error_code)
            if error is not None and not isinstance(error, GroupIdNotFoundError):  # nobody is in it yet
                raise needing(error, "Describe", "group", group.group_id)
        return super()._describe_groups_process_response(response)


def require_topic(kafka: KafkaConnection, topic: str, *, needs: str, timeout_ms: int = CONNECT_MS) -> None:
    """Make sure that the topic can be used.

    Args:
        kafka: where the brokers are.
        topic: its name.
        needs: the right that the caller will use: Write or Read. Kafka hides a topic from users without one.
        timeout_ms: for connecting, and for the answer.

    Raises:
        KafkaUnreachable, CheckFailed, Unreachable
    """
    await_usable(kafka, 0, note=NOTHING_SENT)
    with explained(kafka, note=NOTHING_SENT):
        admin = CheckedAdmin.connect(kafka, timeout_ms=timeout_ms)
        try:
            (described,) = admin.describe_topics([topic])
        finally:
            admin.close()
    code = described["error_code"]
    if code == UnknownTopicOrPartitionError.errno:
        raise Unreachable(
            f"topic {topic!r} does not exist at {kafka.address}: run `clustertrack migrate` first; nothing was sent"
        )
    if (refused := failed(code)) is not None:
        raise explain(kafka, needing(refused, needs, "topic", topic), note=NOTHING_SENT)
