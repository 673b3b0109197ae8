"""Is Kafka there, and does it have the topic? Asked before any work, so that the answer comes at once and in words."""

import logging
from collections.abc import Mapping
from typing import Any, Final

from kafka.errors import KafkaError, UnknownTopicOrPartitionError

from brokers.admin import CheckedAdmin
from brokers.explain import address, await_usable, explain, failed, needing
from schemas.errors import Unreachable

CONNECT_MS: Final = 10_000
"""Milliseconds for the first connection, and for the answer to one request."""

NOTHING_SENT: Final = "nothing was sent"


class TopicMissing(Unreachable):
    """The broker answers, the topic does not exist; nothing was sent."""


def require_topic(client: Mapping[str, Any], topic: str, *, needs: str, timeout_ms: int = CONNECT_MS) -> str:
    """Make sure that the topic can be used. Returns the brokers' addresses in words.

    Args:
        client: where the brokers are and how to log in (`Settings.kafka_client_config()`).
        topic: its name.
        needs: the right that the caller will use: Write or Read. Kafka hides a topic from users without one.
        timeout_ms: for connecting, and for the answer.

    Raises:
        KafkaUnreachable, NotAllowed, KafkaRefuses, TopicMissing
    """
    # kafka-python reports every failed connection as a warning; the sentences below say it better.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    servers = address(client)
    await_usable(client, 0, note=NOTHING_SENT)
    try:
        admin = CheckedAdmin(**client, request_timeout_ms=timeout_ms, bootstrap_timeout_ms=timeout_ms)
        try:
            (described,) = admin.describe_topics([topic])
        finally:
            admin.close()
    except (KafkaError, OSError) as error:
        raise explain(client, error, note=NOTHING_SENT) from error
    code = described["error_code"]
    if code == UnknownTopicOrPartitionError.errno:
        raise TopicMissing(
            f"topic {topic!r} does not exist at {servers}: run `clustertrack migrate` first; nothing was sent"
        )
    if (refused := failed(code)) is not None:
        raise explain(client, needing(refused, needs, "topic", topic), note=NOTHING_SENT)
    return servers


def first_line(error: BaseException) -> str:
    """What an error says, short enough for a sentence."""
    return (str(error).split("\n", 1)[0].strip() or type(error).__name__)[:200]
