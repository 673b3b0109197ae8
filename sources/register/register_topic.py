"""What a compacted topic says now: read once, from its beginning to the end noted at the start."""

import time
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from kafka import TopicPartition

from brokers.admin import CONNECT_MS, NOTHING_SENT, require_topic
from brokers.connection import KafkaConnection
from brokers.explain import KafkaUnreachable, explained, right
from brokers.kafka_python import consumer
from schemas.faults import Fault

_POLL_MS: Final = 500
_PATIENCE: Final = 30.0
"""Seconds without a single record before Kafka counts as gone."""

Progress = Callable[[int, int], object]
"""Called with (records passed, records in all)."""
_Version = TypeVar("_Version")


def read_topic(
    kafka: KafkaConnection,
    topic: str,
    read: Callable[[bytes | None, bytes | None, int], _Version | list[Fault]],
    progress: Progress,
    *,
    patience: float = _PATIENCE,
) -> Iterator[_Version]:
    """Every version on the topic, superseded ones included. Records that cannot be read are passed over.

    Args:
        kafka: where the brokers are.
        topic: must exist.
        read: makes a version of a record's key, value and arrival in ms, or says what is wrong with it.
        progress: called with how far it is.
        patience: seconds without any progress before giving up.

    Raises:
        KafkaUnreachable, CheckFailed, Unreachable
    """
    require_topic(kafka, topic, needs="Read")
    with (
        explained(kafka, needs=right("Read", "topic", topic), note=NOTHING_SENT),
        consumer(
            kafka,
            timeout_ms=CONNECT_MS,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            max_poll_records=1_000,
        ) as reader,
    ):
        partitions = [TopicPartition(topic, number) for number in sorted(reader.partitions_for_topic(topic) or ())]
        reader.assign(partitions)
        begins, ends = reader.beginning_offsets(partitions), reader.end_offsets(partitions)
        reader.seek_to_beginning(*partitions)
        total = sum(ends[place] - begins[place] for place in partitions)
        unread = {place for place in partitions if ends[place] > begins[place]}
        deadline = time.monotonic() + patience
        while unread:
            fetched = reader.poll(timeout_ms=_POLL_MS)
            for records in fetched.values():
                for record in records:
                    version = read(record.key, record.value, record.timestamp)
                    if not isinstance(version, list):
                        yield version
            # A compacted topic has holes: only the position says how far it is.
            positions = {place: reader.position(place) for place in unread}
            before, unread = len(unread), {place for place in unread if positions[place] < ends[place]}
            progress(total - sum(ends[place] - positions[place] for place in unread), total)
            if fetched or len(unread) < before:
                deadline = time.monotonic() + patience
            elif time.monotonic() > deadline:
                raise KafkaUnreachable(
                    f"Kafka at {kafka.address} stopped answering while {topic!r} was read: repeat the command when it "
                    "is back; nothing was sent"
                )
