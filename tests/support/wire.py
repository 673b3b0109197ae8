"""Batches of records that were written down, as bytes; and how the worker reads them."""

import struct
from collections.abc import Iterator, Sequence
from typing import Any, Final

from batches import HEADER, PACK, packed, record
from crc32c import crc32c
from rawkafka import Raw

from brokers.record_batches import BoundedRecords, Pause

CODECS: Final = tuple(PACK)
HEAD_SIZE: Final = HEADER.size
_LENGTH_FROM, _CRC_AT, _CRC_FROM = 12, 17, 21


def batch_bytes(records: Sequence[Raw], *, codec: str = "none", base: int = 0) -> bytes:
    """A batch as a broker gives it."""
    plain = b"".join([record(n, raw.value, raw.key, raw.headers) for n, raw in enumerate(records)])
    return packed(plain, len(records), codec, base)


def with_checksum(batch: bytes) -> bytes:
    """The batch with the length and the checksum that its bytes have now: a broker has checked both."""
    changed = bytearray(batch)
    struct.pack_into(">i", changed, 8, len(changed) - _LENGTH_FROM)
    struct.pack_into(">I", changed, _CRC_AT, crc32c(bytes(changed[_CRC_FROM:])))
    return bytes(changed)


def read_batches(batches: bytes) -> Iterator[Any]:
    """The records of batches as the worker's Kafka client gives them."""
    reader = BoundedRecords(batches)
    while (batch := reader.next_batch()) is not None:
        yield from (found for found in batch if type(found) is not Pause)
