"""Header names that are not UTF-8 must not stop a command that reads with kafka-python (see schemas.headernames).

Workers read with aiokafka: `streams.headernames`.
"""

from typing import Any

from kafka.errors import CorruptRecordError
from kafka.record import memory_records
from kafka.record.default_records import DefaultRecordBatch

from schemas.headernames import Readable


class ReadableBatch(DefaultRecordBatch):  # type: ignore[misc]
    """A batch of records like kafka-python's, whose iteration does not end at a bad header name."""

    _buffer: Any

    def __next__(self) -> Any:  # noqa: ANN401 - a record of a library without types
        try:
            return super().__next__()
        except CorruptRecordError as error:
            if not isinstance(error.__context__, UnicodeDecodeError):
                raise
        # It stands before that record still. The rest is read so, which is slow.
        self._buffer = Readable(self._buffer)
        return super().__next__()

    next = __next__


def install() -> None:
    """Make kafka-python's consumers of this process read such records."""
    memory_records.DefaultRecordBatch = ReadableBatch
