"""kafka-python's consumers, changed to read batches within bounds, valid or not (see `brokers.batches`).

Commands read with kafka-python; workers read with aiokafka: `brokers.record_batches`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kafka import KafkaConsumer
from kafka.record import memory_records
from kafka.record.default_records import DefaultRecordBatch

from brokers.batches import read_batch, unpacked
from brokers.connection import KafkaConnection


class BoundedBatch(DefaultRecordBatch):  # type: ignore[misc]  # kafka-python has no types
    """A batch of records like kafka-python's, whose iteration never ends at what it holds."""

    def __iter__(self) -> Iterator[Any]:
        """The records; those of a control batch, which Kafka itself writes, as kafka-python reads them."""
        if self.is_control_batch:
            return self
        data = bytes(self._buffer)
        return read_batch(data, unpacked(data))


def install() -> None:
    """Make kafka-python's consumers of this process read so."""
    memory_records.DefaultRecordBatch = BoundedBatch


@contextmanager
def consumer(kafka: KafkaConnection, *, timeout_ms: int, **options: Any) -> Iterator[KafkaConsumer]:
    """A consumer without a group, closed at the end.

    Args:
        kafka: where the brokers are.
        timeout_ms: for connecting, and for each answer.
        options: what else kafka-python's consumer takes.
    """
    install()
    opened = KafkaConsumer(
        **kafka.for_kafka_python(),
        group_id=None,
        enable_auto_commit=False,
        request_timeout_ms=timeout_ms,
        bootstrap_timeout_ms=timeout_ms,
        **options,
    )
    try:
        yield opened
    finally:
        opened.close()
