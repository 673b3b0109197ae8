"""Reads the records of one batch within bounds: the bytes that Kafka stores -> records, valid or not.

Client libraries unpack a whole batch, make an object of every header and give up at a name that is not UTF-8. Here at
most `KEPT` bytes of a record and `KEPT_HEADERS` headers are kept, a longer value with its length and SHA-256, and an
offset at which nothing can be read is reported as such. Only message format 2, the only one that brokers have written
since Kafka 3.0.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from struct import Struct
from typing import Any, Final, NamedTuple, Protocol

from brokers.unpacking import DamagedError, pieces

KEPT: Final = 1 << 20
"""Bytes of a record up to which it is kept whole, and those that are kept of a longer value. Kafka lets no larger batch
through, so only what was compressed can be longer."""
KEPT_HEADERS: Final = 1024
"""Most headers of a record that are kept: a few more than an event may have, for those that the pipeline adds."""
_LONG_HEADERS: Final = 64 << 10
"""Most bytes of headers that are kept of a record that is not kept whole."""
UNPACKED: Final = 512 << 20
"""Most bytes that one batch may unpack to; as sent, it has at most 1 MB."""

HEADER_WEIGHT: Final = 100
"""Bytes of memory that a header takes on top of its text."""

HEADER: Final = Struct(">qiibIhiqqqhii")
"""Base offset, length, leader epoch, magic, CRC, attributes, last offset delta, first and largest timestamp, producer
id and epoch, base sequence, number of records."""
_LONGEST_NUMBER: Final = 63
"""Bits, in steps of seven, that a number has at most."""
_CODEC: Final = 0x07
_LOG_APPEND_TIME: Final = 0x08


class Record(Protocol):
    """A record as the Kafka client gives it."""

    @property
    def offset(self) -> int:
        """Kafka's offset."""

    @property
    def timestamp(self) -> int:
        """Milliseconds since 1970 UTC, by LogAppendTime."""

    @property
    def key(self) -> bytes | None:
        """As it came."""

    @property
    def value(self) -> bytes | None:
        """As it came."""

    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]:
        """As they came."""


class Cut(NamedTuple):
    """Why a record was not read whole, and what it was."""

    code: str
    """Code of the fault: `too_long`, `too_many_headers` or `unreadable`."""
    value: str
    """Value of the fault: a number of bytes or headers, or what is wrong."""
    size: int
    """Bytes of the whole value; 0 if unknown."""
    sha256: bytes
    """Of the whole value; empty where it was kept whole, or could not be read to its end."""


@dataclass(slots=True)
class BoundedRecord:
    """A record with the fields that both client libraries give theirs."""

    offset: int
    timestamp: int
    """Milliseconds since 1970 UTC."""
    timestamp_type: int
    key: bytes | None = None
    value: bytes | None = None
    headers: list[tuple[str, bytes | None]] = field(default_factory=list)
    cut: Cut | None = None
    checksum: None = None

    @property
    def size_in_bytes(self) -> int:
        """Bytes of what was kept; kafka-python counts them."""
        return len(self.key or b"") + len(self.value or b"")

    def validate_crc(self) -> bool:
        """The batch has the checksum; kafka-python asks each record too."""
        return True


def cut_of(record: object) -> Cut | None:
    """What of a record could not be read or kept; None for one that is whole."""
    return record.cut if isinstance(record, BoundedRecord) else None


def weight(record: Any) -> int:  # noqa: ANN401  (of any client library)
    """About how many bytes of memory a record takes."""
    return len(record.value or b"") + len(record.key or b"") + HEADER_WEIGHT * len(record.headers)


class BatchHeader(NamedTuple):
    """What comes before the records of a batch."""

    base_offset: int
    codec: int
    last_delta: int
    first_timestamp: int
    max_timestamp: int
    append_time: bool
    records: int

    @classmethod
    def of(cls, batch: bytes | memoryview) -> "BatchHeader":
        """Read it; struct.error where the batch is shorter."""
        base, _, _, _, _, attributes, last, first, largest, _, _, _, records = HEADER.unpack_from(batch)
        return cls(base, attributes & _CODEC, last, first, largest, bool(attributes & _LOG_APPEND_TIME), records)

    def record(self, delta: int, time_delta: int = 0) -> BoundedRecord:
        """A record of the batch, empty."""
        timestamp = self.max_timestamp if self.append_time else self.first_timestamp + time_delta
        return BoundedRecord(self.base_offset + delta, timestamp, int(self.append_time))


def unpacked(batch: bytes | memoryview) -> Iterator[bytes]:
    """What follows the header of a batch, unpacked piece by piece; raises DamagedError where that ends."""
    codec = BatchHeader.of(batch).codec
    body = bytes(batch[HEADER.size :])
    return pieces(codec, body) if codec else iter((body,))


def read_batch(batch: bytes | memoryview, body: Iterator[bytes]) -> Iterator[BoundedRecord]:
    """The records of a batch, one for each offset.

    Args:
        batch: the batch as Kafka stores it.
        body: its records, as `unpacked` gives them.
    """
    header = BatchHeader.of(batch)
    stream = _Stream(body)
    last = -1
    try:
        for _ in range(header.records):
            record = _read_record(stream, header, last)
            last = record.offset - header.base_offset
            yield record
    except DamagedError as error:
        # Kafka has given these offsets out, so each of them is accounted for.
        cut = Cut("unreadable", str(error), 0, b"")
        for delta in range(last + 1, header.last_delta + 1):
            record = header.record(delta)
            record.cut = cut
            yield record


def _read_record(stream: "_Stream", header: BatchHeader, before: int) -> BoundedRecord:
    length = stream.number()
    begin = stream.position
    stream.skip(1)  # attributes: Kafka defines none
    time_delta, delta = stream.number(), stream.number()
    if not before < delta <= header.last_delta:
        raise DamagedError(f"a record claims offset {header.base_offset + delta}, which is not the next one")
    record = header.record(delta, time_delta)
    size = 0
    try:
        record.key, _, _ = stream.text(KEPT)
        record.value, size, sha256 = stream.text(KEPT)
        number = stream.number()
        left = length - (stream.position - begin)
        if number < 0 or left < 2 * number:
            raise DamagedError("a record claims more headers than it has bytes")  # noqa: TRY301  (one record, one place)
        if number > KEPT_HEADERS:
            record.cut = Cut("too_many_headers", str(number), size, sha256)
        elif length > KEPT:
            record.cut = Cut("too_long", str(length), size, sha256)
        end = stream.position + (KEPT if length <= KEPT else _LONG_HEADERS)
        while len(record.headers) < min(number, KEPT_HEADERS) and stream.position < end:
            record.headers.append(stream.header())
        stream.skip(length - (stream.position - begin))
    except DamagedError as error:
        record.cut = Cut("unreadable", str(error), size, b"")
        stream.go_on_at(begin + length)
    return record


class _Stream:
    """The records of a batch, read from front to back; what was passed is forgotten."""

    def __init__(self, body: Iterator[bytes]) -> None:
        self._body, self._piece, self._next, self._before = body, b"", 0, 0
        self._damage: DamagedError | None = None

    @property
    def position(self) -> int:
        """Bytes that were read."""
        return self._before + self._next

    def number(self) -> int:
        """A signed number of variable length."""
        value = shift = 0
        while True:
            if self._next == len(self._piece):
                self._more()
            byte = self._piece[self._next]
            self._next += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:  # noqa: PLR2004  (the last byte of a number)
                return (value >> 1) ^ -(value & 1)
            shift += 7
            if shift > _LONGEST_NUMBER:
                raise DamagedError("a number in a record is too long")

    def text(self, keep: int) -> tuple[bytes | None, int, bytes]:
        """Bytes after their length, -1 for none: those that are kept, their full number, SHA-256 of longer ones."""
        size = self.number()
        if size < 0:
            return None, 0, b""
        if size <= keep:
            return b"".join(self._read(size)), size, b""
        kept, seen = [], 0
        digest = hashlib.sha256()
        for part in self._read(size):
            digest.update(part)
            if seen < keep:
                kept.append(part[: keep - seen])
                seen += len(kept[-1])
        return b"".join(kept), size, digest.digest()

    def header(self) -> tuple[str, bytes | None]:
        """A header. Kafka says that its name is text; brokers do not check it."""
        name, _, _ = self.text(KEPT)
        value, _, _ = self.text(KEPT)
        return (name or b"").decode("utf-8", "backslashreplace"), value

    def skip(self, number: int) -> None:
        """Skip this many bytes."""
        if number < 0:
            raise DamagedError("a record is longer than it claims")
        for _ in self._read(number):
            pass

    def go_on_at(self, position: int) -> None:
        """After a damaged record the next one may be intact; if it cannot be reached, nothing more can be read."""
        try:
            self.skip(position - self.position)
        except DamagedError as error:
            self._damage = self._damage or error
            self._piece, self._next = b"", 0

    def _read(self, number: int) -> Iterator[bytes]:
        while number:
            if self._next == len(self._piece):
                self._more()
            part = self._piece[self._next : self._next + number]
            self._next += len(part)
            number -= len(part)
            yield part

    def _more(self) -> None:
        """The next piece. Once it has raised DamagedError, it always does."""
        self._before += self._next
        self._piece, self._next = b"", 0
        if self._damage is None:
            try:
                self._piece = next(self._body, b"")
                if not self._piece:
                    raise DamagedError("the batch ends before its last record")  # noqa: TRY301  (one place that remembers)
                if self._before > UNPACKED:
                    raise DamagedError(f"the batch unpacks to more than {UNPACKED} bytes")  # noqa: TRY301  (the same)
            except DamagedError as error:
                self._damage, self._piece = error, b""
        if self._damage is not None:
            raise self._damage
