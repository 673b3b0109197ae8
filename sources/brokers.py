"""Is Kafka there, and does it have the topic? Asked before any work, so that the answer comes at once and in words."""

import logging
import socket
from collections.abc import Mapping
from typing import Any, Final

from kafka import KafkaAdminClient
from kafka.errors import KafkaError, UnknownTopicOrPartitionError, for_code

from schemas.errors import Unreachable

CONNECT_MS: Final = 10_000
"""Milliseconds for the first connection, and for the answer to one request."""


class KafkaUnreachable(Unreachable):
    """No broker answers; nothing was sent."""


class TopicMissing(Unreachable):
    """The broker answers, the topic does not exist; nothing was sent."""


def require_topic(client: Mapping[str, Any], topic: str, *, timeout_ms: int = CONNECT_MS) -> str:
    """Make sure that the topic can be used. Returns the brokers' addresses in words.

    Args:
        client: where the brokers are and how to log in (`Settings.kafka_client_config()`).
        topic: its name.
        timeout_ms: for connecting, and for the answer.

    Raises:
        KafkaUnreachable, TopicMissing
    """
    # kafka-python reports every failed connection as a warning; the sentences below say it better.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    servers = ",".join(client["bootstrap_servers"])
    # Asked first: kafka-python tries for the whole time limit, and forgets to close its sockets when it fails.
    if not any(_listens(server, timeout_ms / 1000) for server in client["bootstrap_servers"]):
        raise unreachable(servers, "nothing listens there")
    try:
        admin = KafkaAdminClient(**client, request_timeout_ms=timeout_ms, bootstrap_timeout_ms=timeout_ms)
        try:
            (described,) = admin.describe_topics([topic])
        finally:
            admin.close()
    except (KafkaError, OSError) as error:
        raise unreachable(servers, first_line(error)) from error
    code = described["error_code"]
    if code == UnknownTopicOrPartitionError.errno:
        raise TopicMissing(
            f"topic {topic!r} does not exist at {servers}: run `clustertrack migrate` first; nothing was sent"
        )
    if code:
        raise unreachable(servers, f"topic {topic!r}: {for_code(code).__name__}")
    return servers


def unreachable(servers: str, reason: str) -> KafkaUnreachable:
    """The error in words."""
    return KafkaUnreachable(
        f"Kafka at {servers} cannot be reached ({reason}): start it or correct KAFKA_BOOTSTRAP_SERVERS; "
        "nothing was sent"
    )


def first_line(error: BaseException) -> str:
    """What an error says, short enough for a sentence."""
    return (str(error).split("\n", 1)[0].strip() or type(error).__name__)[:200]


def _listens(server: str, seconds: float) -> bool:
    host, _, port = server.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), seconds).close()
    except OSError:
        return False
    return True
