"""How aiokafka's consumers of this process read what they fetched: within bounds, no matter what a publisher sent.

aiokafka unpacks a whole batch at once, on the event loop, and gives up at what it cannot read; so one record could end
a worker again and again. Here a batch is unpacked up to `QUICK` bytes at once, which is every ordinary one. What is
larger is read by `brokers.batches` in a thread, a portion for each fetch, so that group membership stays alive, and
records are handed on until they weigh `PORTION`.
"""

import asyncio
from collections import deque
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from functools import wraps
from itertools import chain
from threading import Lock
from typing import Any, Final

from aiokafka.consumer import fetcher
from aiokafka.consumer.fetcher import FetchResult, PartitionRecords
from aiokafka.errors import KafkaError
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.memory_records import _MemoryRecordsPy
from aiokafka.structs import TopicPartition

from brokers.batches import HEADER, BatchHeader, BoundedRecord, Cut, read_batch, unpacked, weight
from brokers.unpacking import DamagedError

QUICK: Final = 4 << 20
"""Bytes of a batch that are unpacked at once: some hundredths of a second."""
PORTION: Final = 1 << 20
"""Weight of the records that one fetch hands on of a partition: what is decided on at once has to stay short."""
_PORTION_RECORDS: Final = 2000
_SHORT: Final = 128 << 10
"""Bytes of a record that aiokafka's own parser may read: it makes an object of each header, of which a record of this
size can have 65,000."""
_ATTRIBUTES: Final = slice(21, 23)
"""Where in the header of a batch its codec is."""

_fetched_records: Final = fetcher.Fetcher.fetched_records


@dataclass(frozen=True, slots=True)
class Pause:
    """Placeholder for the records that a batch has not unpacked yet."""

    offset: int


class RecordBatch:
    """A batch of records like aiokafka's that never fails on its content.

    Args:
        data: the batch as Kafka stores it.
        skip: offsets that were set aside; if all are, nothing of the batch is looked at.
    """

    def __init__(self, data: memoryview, skip: Container[int]) -> None:
        self._data, self._skip = data, skip
        self._batch = DefaultRecordBatch(data)
        self._reader: Iterator[BoundedRecord] | None = None
        self._ready: deque[BoundedRecord] = deque()
        self._filling = Lock()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def validate_crc(self) -> bool:
        """Whether the batch arrived as it was sent; not checked for one that was set aside."""
        return self._set_aside() or bool(self._batch.validate_crc())

    def __next__(self) -> Any:
        """The next record of a control batch, which Kafka itself writes."""
        return next(self._batch)

    def __iter__(self) -> Iterator[Any]:
        """The records, and a `Pause` wherever `fill` has to be called before there are more."""
        if self._set_aside():
            yield from self._unread()
            return
        begun: list[bytes] = []
        body, whole = unpacked(self._data), False
        try:
            while not whole and sum(map(len, begun)) <= QUICK:
                piece = next(body, b"")
                begun.append(piece)
                whole = not piece
        except DamagedError:
            body, whole = unpacked(self._data), False
        else:
            body = chain(begun, body)
        plain = b"".join(begun)
        if whole and (len(plain) <= _SHORT or longest(plain) <= _SHORT):
            yield from self._quickly(plain)
            return
        self._reader = read_batch(self._data, body)
        if whole:
            yield from self._reader
            self._reader = None
            return
        yield from self._slowly()

    def _quickly(self, plain: bytes) -> Iterator[Any]:
        """By aiokafka's parser; what that cannot read is read again by ours, from that record on."""
        header = bytearray(self._data[: HEADER.size])
        header[_ATTRIBUTES] = (int.from_bytes(header[_ATTRIBUTES], "big") & ~0x07).to_bytes(2, "big")
        read, last, end = 0, self._batch.base_offset - 1, self._batch.next_offset
        try:
            for record in DefaultRecordBatch(bytes(header) + plain):
                if not last < record.offset < end:
                    raise ValueError(record.offset)  # noqa: TRY301  (what aiokafka does not ask, ours reports)
                last = record.offset
                yield record
                read += 1
        except (KafkaError, ValueError):
            for number, bounded in enumerate(read_batch(self._data, iter((plain,)))):
                if number >= read:
                    yield bounded

    def _slowly(self) -> Iterator[Any]:
        position = self._batch.base_offset
        while self._ready or self._reader is not None:
            if not self._ready:
                yield Pause(position)
                if not self._ready:
                    self.fill()
            while self._ready:
                record = self._ready.popleft()
                position = record.offset + 1
                yield record

    def fill(self) -> None:
        """Read a portion of records; in a thread, since it may take a second or two."""
        with self._filling:
            total = 0
            while self._reader is not None and total < PORTION and len(self._ready) < _PORTION_RECORDS:
                record = next(self._reader, None)
                if record is None:
                    self._reader = None
                else:
                    self._ready.append(record)
                    total += weight(record)

    @property
    def pauses(self) -> bool:
        """Whether `fill` has to be called."""
        return self._reader is not None and not self._ready

    def _set_aside(self) -> bool:
        batch = self._batch
        return bool(self._skip) and all(n in self._skip for n in range(batch.base_offset, batch.next_offset))

    def _unread(self) -> Iterator[BoundedRecord]:
        header = BatchHeader.of(self._data)
        for delta in range(header.last_delta + 1):
            record = header.record(delta)
            record.cut = Cut("set_aside", "", 0, b"")
            yield record


def longest(plain: bytes) -> int:
    """Length of the longest of the consecutive records, or of all of them where that is unknown."""
    found = position = 0
    try:
        while position < len(plain):
            value = shift = 0
            while True:
                byte = plain[position]
                position += 1
                value |= (byte & 0x7F) << shift
                if byte < 0x80:  # noqa: PLR2004  (the last byte of a number)
                    break
                shift += 7
            value >>= 1  # a negative one would be odd, and is read by the bounded reader
            position += value
            found = max(found, value)
    except IndexError:
        return len(plain)
    return found


class BoundedRecords(_MemoryRecordsPy):  # type: ignore[misc]  # aiokafka has no types
    """Takes the place of aiokafka's MemoryRecords in its fetcher."""

    skip: Container[int] = ()
    current: RecordBatch | None = None
    """The batch that is being read."""

    def next_batch(self, *args: Any) -> Any:
        """The next batch, or None."""
        data = self._next_slice
        batch = super().next_batch(*args)
        self.current = RecordBatch(data, self.skip) if isinstance(batch, DefaultRecordBatch) else None
        return self.current or batch


class LightRecords(PartitionRecords):  # type: ignore[misc]  # aiokafka has no types
    """Takes the place of aiokafka's PartitionRecords in its fetcher.

    aiokafka copies each record into a larger object, through three generators one in the other; the worker needs none
    of what that adds. A tenth of the worker's time.
    """

    topics: frozenset[str] = frozenset()
    """Topics whose records nobody expects to be a ConsumerRecord; Faust does for all others."""
    set_aside: Mapping[tuple[str, int], Container[int]] = {}
    """Topic and partition -> offsets whose records are not to be looked at."""

    def __init__(self, tp: TopicPartition, records: Any, *args: Any, **kwargs: Any) -> None:
        records.skip = self.set_aside.get((tp.topic, tp.partition), ())
        super().__init__(tp, records, *args, **kwargs)

    def __iter__(self) -> Iterator[Any]:
        """What is left: the inner iterator itself."""
        return iter(self._records_iterator or ())

    def _consumer_record(self, tp: TopicPartition, record: Any) -> Any:
        if tp.topic in self.topics or type(record) is Pause:
            return record
        return super()._consumer_record(tp, record)


class BoundedFetch(FetchResult):  # type: ignore[misc]  # aiokafka has no types
    """Takes the place of aiokafka's FetchResult: what one fetch brought of a partition."""

    _partition_records: Any

    @property
    def pausing(self) -> RecordBatch | None:
        """The batch on which it waits."""
        batch = self._partition_records._records.current if self._partition_records else None  # noqa: SLF001  (see test_faust_contract)
        return batch if batch is not None and batch.pauses else None

    def getall(self, max_records: int | None = None) -> list[Any]:
        """As aiokafka's, but also ends at a pause, and when the records weigh enough."""
        if not self.check_assignment(self._topic_partition) or not self.has_more():
            return []
        taken: list[Any] = []
        records: Any = self._partition_records
        total = 0
        for record in records:
            if type(record) is Pause:
                records.next_fetch_offset = record.offset  # the iterator has counted it as a record
                break
            taken.append(record)
            total += weight(record)
            if total >= PORTION or len(taken) == max_records:
                break
        else:
            self._update_position()
            self._partition_records = None
            return taken
        self._update_position()
        return taken


@wraps(_fetched_records)
async def fetched_records(self: Any, *args: Any, **kwargs: Any) -> Any:
    """As aiokafka's, after batches that pause have gone on."""
    for result in list(self._records.values()):
        if type(result) is BoundedFetch and (batch := result.pausing) is not None:
            await asyncio.to_thread(batch.fill)
    return await _fetched_records(self, *args, **kwargs)


def install(topics: frozenset[str]) -> None:
    """Make aiokafka's consumers of this process read so; records of these topics are not copied."""
    LightRecords.topics = topics
    fetcher.MemoryRecords = BoundedRecords
    fetcher.PartitionRecords = LightRecords
    fetcher.FetchResult = BoundedFetch
    fetcher.Fetcher.fetched_records = fetched_records
