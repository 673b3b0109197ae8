"""Batches of records as bytes of Kafka's format (version 2), packed by any codec; and how the worker reads them."""

import gzip
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import cramjam
from aiokafka.record._crc32c import crc as crc32c
from rawkafka import Raw

try:
    from streams.record_batches import BoundedRecords, Pause
except ImportError:
    from streams.headernames import ReadableRecords as BoundedRecords
    Pause = None

NONE, GZIP, SNAPPY, LZ4, ZSTD = range(5)
CODECS: Final = {"none": NONE, "gzip": GZIP, "snappy": SNAPPY, "lz4": LZ4, "zstd": ZSTD}
_PACKERS: Final[dict[int, Callable[[bytes], bytes]]] = {
    NONE: lambda plain: plain,
    GZIP: lambda plain: gzip.compress(plain, 6),
    SNAPPY: lambda plain: bytes(cramjam.snappy.compress_raw(plain)),
    LZ4: lambda plain: bytes(cramjam.lz4.compress(plain)),
    ZSTD: lambda plain: bytes(cramjam.zstd.compress(plain)),
}
_HEAD: Final = struct.Struct(">qiibIhiqqqhii")
"""Base offset, length, leader epoch, magic, CRC, attributes, last offset delta, first and last timestamp, producer id,
producer epoch, base sequence, number of records."""
HEAD_SIZE: Final = _HEAD.size
_LENGTH_FROM, _CRC_AT, _CRC_FROM = 12, 17, 21
LOG_APPEND_TIME: Final = 8
"""Attribute: the time of a record is that of its arrival."""
ARRIVED: Final = 1_600_000_000_000


def batch_bytes(records: Sequence[Raw], *, codec: int = NONE, base_offset: int = 0, arrived: int = ARRIVED) -> bytes:
    """A batch as a broker gives it."""
    body = b"".join([_record(number, record) for number, record in enumerate(records)])
    return sealed(body=_PACKERS[codec](body), records=len(records), codec=codec, base=base_offset, arrived=arrived)


def sealed(*, body: bytes, records: int, codec: int = NONE, base: int = 0, arrived: int = ARRIVED) -> bytes:
    """A batch around bytes that say they are packed records."""
    head = _HEAD.pack(
        base, 0, 0, 2, 0, codec | LOG_APPEND_TIME, max(0, records - 1), arrived, arrived, -1, -1, -1, records
    )
    return with_checksum(head + body)


def with_checksum(batch: bytes) -> bytes:
    """The batch with the length and the checksum that its bytes have now: a broker has checked both."""
    changed = bytearray(batch)
    struct.pack_into(">i", changed, 8, len(changed) - _LENGTH_FROM)
    struct.pack_into(">I", changed, _CRC_AT, crc32c(bytes(changed[_CRC_FROM:])))
    return bytes(changed)


def _record(number: int, record: Raw) -> bytes:
    parts = [b"\0\0", _varint(number), _sized(record.key), _sized(record.value), _varint(len(record.headers))]
    parts += [_sized(part) for header in record.headers for part in header]
    body = b"".join(parts)
    return _varint(len(body)) + body


def _sized(part: bytes | None) -> bytes:
    return b"\x01" if part is None else _varint(len(part)) + part


def _varint(number: int) -> bytes:
    """A signed number in zigzag form."""
    left = (number << 1) ^ (number >> 63)
    out = bytearray()
    while left > 127:
        out.append(left & 127 | 128)
        left >>= 7
    out.append(left)
    return bytes(out)


def read_batches(batches: bytes) -> Iterator[Any]:
    """The records of batches as the worker's Kafka client gives them."""
    reader = BoundedRecords(batches)
    while (batch := reader.next_batch()) is not None:
        yield from (record for record in batch if Pause is None or type(record) is not Pause)
