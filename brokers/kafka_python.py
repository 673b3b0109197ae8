"""kafka-python's consumers of this process read batches within bounds, whatever is in them (see `brokers.batches`).

Commands read with kafka-python; workers read with aiokafka: `streams.record_batches`.
"""

from collections.abc import Iterator
from typing import Any

from kafka.record import memory_records
from kafka.record.default_records import DefaultRecordBatch

from brokers.batches import read_batch, unpacked


class BoundedBatch(DefaultRecordBatch):  # type: ignore[misc]
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
