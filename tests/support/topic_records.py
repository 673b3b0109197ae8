"""What a topic of a real Kafka holds."""

import time
from typing import Any, Final

from kafka import KafkaConsumer, TopicPartition

_SECONDS: Final = 60
"""To read all of it."""


def records_of(bootstrap: str, topic: str, partitions: int) -> list[Any]:
    """All records, by partition and offset; those of aborted transactions were never published."""
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    try:
        places = [TopicPartition(topic, number) for number in range(partitions)]
        consumer.assign(places)
        ends = consumer.end_offsets(places)
        found: list[Any] = []
        deadline = time.monotonic() + _SECONDS
        while any(consumer.position(place) < ends[place] for place in places):
            if time.monotonic() > deadline:
                raise AssertionError(f"{topic} cannot be read to its end")
            for records in consumer.poll(timeout_ms=500).values():
                found += records
    finally:
        consumer.close()
    return sorted(found, key=lambda record: (record.partition, record.offset))
