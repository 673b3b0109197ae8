"""What the topic of the company register says now: read once, from its beginning to the end noted at the start."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from brokers import kafka_python
from brokers.connection import CONNECT_MS, NOTHING_SENT, require_topic
from brokers.explain import KafkaUnreachable, explain, right
from schemas.company import CompanyVersion, read_company

_POLL_MS: Final = 500
_PATIENCE: Final = 30.0
"""Seconds without a single record before Kafka counts as gone."""

Progress = Callable[[int, int], object]
"""Told (records passed, records in all)."""


def read_topic(
    client: Mapping[str, Any], topic: str, progress: Progress, *, patience: float = _PATIENCE
) -> Iterator[CompanyVersion]:
    """Every version on the topic, superseded ones included. Records that cannot be read are passed over.

    Args:
        client: where the brokers are and how to log in.
        topic: must exist.
        progress: told how far it is.
        patience: seconds without any progress before giving up.

    Raises:
        KafkaUnreachable, NotAllowed, KafkaRefuses, TopicMissing
    """
    servers = require_topic(client, topic, needs="Read")
    with _consumer(client, topic) as consumer:
        partitions = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
        consumer.assign(partitions)
        begins, ends = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
        consumer.seek_to_beginning(*partitions)
        total = sum(ends[place] - begins[place] for place in partitions)
        unread = {place for place in partitions if ends[place] > begins[place]}
        deadline = time.monotonic() + patience
        while unread:
            fetched = consumer.poll(timeout_ms=_POLL_MS)
            for records in fetched.values():
                for record in records:
                    version = read_company(record.key, record.value, record.timestamp)
                    if isinstance(version, CompanyVersion):
                        yield version
            # A compacted topic has holes: only the position says how far it is.
            positions = {place: consumer.position(place) for place in unread}
            before, unread = len(unread), {place for place in unread if positions[place] < ends[place]}
            progress(total - sum(ends[place] - positions[place] for place in unread), total)
            if fetched or len(unread) < before:
                deadline = time.monotonic() + patience
            elif time.monotonic() > deadline:
                raise KafkaUnreachable(
                    f"Kafka at {servers} stopped answering while {topic!r} was read: repeat the command when it is "
                    "back; nothing was sent"
                )


@contextmanager
def _consumer(client: Mapping[str, Any], topic: str) -> Iterator[KafkaConsumer]:
    kafka_python.install()
    consumer = None
    try:
        consumer = KafkaConsumer(
            **client,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            max_poll_records=1_000,
            request_timeout_ms=CONNECT_MS,
            bootstrap_timeout_ms=CONNECT_MS,
        )
        yield consumer
    except (KafkaError, OSError) as error:
        raise explain(client, error, needs=right("Read", "topic", topic), note=NOTHING_SENT) from error
    finally:
        if consumer is not None:
            consumer.close()
