"""Header names that are not UTF-8 must not stop a worker (see schemas.headernames).

aiokafka decodes a name while it unpacks a fetch. Here the batch that holds a bad one is read once more, with escapes.
"""

from collections.abc import Iterator
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatch, _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords, _MemoryRecordsPy

from schemas.headernames import Readable


class _Batch:
    """A batch of records like aiokafka's, whose iteration does not end at a bad header name."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._batch = DefaultRecordBatch(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __next__(self) -> Any:
        return next(self._batch)

    def __iter__(self) -> Iterator[Any]:
        read = 0
        try:
            for record in self._batch:
                yield record
                read += 1
        except UnicodeDecodeError:
            again = _DefaultRecordBatchPy(self._data)
            again._maybe_uncompress()  # noqa: SLF001 - see test_faust_contract
            again._buffer = Readable(again._buffer)  # noqa: SLF001 - see test_faust_contract
            for number, record in enumerate(again):
                if number >= read:
                    yield record


class ReadableRecords(_MemoryRecordsPy):  # type: ignore[misc]
    """Takes the place of aiokafka's MemoryRecords in its fetcher."""

    def next_batch(self, *args: Any) -> Any:
        """The next batch, or None."""
        data = self._next_slice
        batch = super().next_batch(*args)
        return _Batch(data) if isinstance(batch, DefaultRecordBatch) else batch


def install() -> None:
    """Make aiokafka's consumers of this process read such records."""
    if fetcher.MemoryRecords is MemoryRecords:
        fetcher.MemoryRecords = ReadableRecords
