"""kafka-python's consumers, changed to read batches within bounds, valid or not (see `brokers.batches`), and the end
of its producers.

Commands read with kafka-python; workers read with aiokafka: `brokers.record_batches`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from kafka import KafkaConsumer, KafkaProducer
from kafka.errors import KafkaTimeoutError
from kafka.record import memory_records
from kafka.record.default_records import DefaultRecordBatch

from brokers.batches import read_batch, unpacked
from brokers.connection import KafkaConnection

_CLOSE_SECONDS: Final = 1


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


def close_producer(producer: KafkaProducer) -> None:
    """Close at once: everything was flushed, or has failed and is reported, so there is nothing worth waiting for."""
    try:
        producer.close(timeout=_CLOSE_SECONDS)
    except KafkaTimeoutError:
        # kafka-python 3.0 gives up here with its thread running.
        producer._sender.force_close()
        producer._sender.join(_CLOSE_SECONDS)
    finally:
        # Else it tries again, noisily, when the object is collected.
        producer._closed = True
