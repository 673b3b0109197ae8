"""Batches of records as Kafka stores them, made byte by byte: any codec, any content, with a correct checksum."""

import gzip
import struct
from collections.abc import Callable, Sequence

import cramjam
import lz4.frame
import zstandard
from aiokafka.record.util import calc_crc32c

HEADER = struct.Struct(">qiibIhiqqqhii")
APPEND_TIME = 0x08
TIME = 1_600_000_000_000


def xerial(plain: bytes) -> bytes:
    """Snappy as Java writes it: blocks behind a mark."""
    parts = [b"\x82SNAPPY\x00" + struct.pack(">ii", 1, 1)]
    for start in range(0, len(plain), 32768):
        block = bytes(cramjam.snappy.compress_raw(plain[start : start + 32768]))
        parts.append(struct.pack(">i", len(block)) + block)
    return b"".join(parts)


PACK: dict[str, tuple[int, Callable[[bytes], bytes]]] = {
    "none": (0, bytes),
    "gzip": (1, gzip.compress),
    "snappy": (2, xerial),
    "snappy in one block": (2, lambda plain: bytes(cramjam.snappy.compress_raw(plain))),
    "lz4": (3, lz4.frame.compress),
    "lz4 with linked blocks": (3, lambda plain: lz4.frame.compress(plain, block_linked=True, content_checksum=True)),
    "zstd": (4, zstandard.ZstdCompressor().compress),
    "zstd of unknown size": (4, zstandard.ZstdCompressor(write_content_size=False).compress),
}
"""Kafka's number of a codec, and how it packs."""


def varint(number: int) -> bytes:
    """A signed number of variable length."""
    rest = (number << 1) ^ (number >> 63)
    out = bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)


def text(value: bytes | None) -> bytes:
    """Bytes with their length in front."""
    return varint(-1) if value is None else varint(len(value)) + value


def record(
    delta: int,
    value: bytes | None,
    key: bytes | None = None,
    headers: Sequence[tuple[bytes, bytes | None]] = (),
) -> bytes:
    """A record of a batch."""
    content = b"".join([text(name) + text(content) for name, content in headers])
    body = b"\0" + varint(0) + varint(delta) + text(key) + text(value) + varint(len(headers)) + content
    return varint(len(body)) + body


def packed(plain: bytes, records: int, codec: str = "none", base: int = 0, body: bytes | None = None) -> bytes:
    """A batch of the records in `plain`; or with any other body."""
    number, pack = PACK[codec]
    content = pack(plain) if body is None else body
    head = (49 + len(content), 0, 2, 0, number | APPEND_TIME, records - 1, TIME, TIME, -1, -1, -1, records)
    data = bytearray(HEADER.pack(base, *head) + content)
    data[17:21] = calc_crc32c(bytes(data[21:])).to_bytes(4, "big")
    return bytes(data)


def batch(records: Sequence[bytes], codec: str = "none", base: int = 0) -> bytes:
    """A batch of these records."""
    return packed(b"".join(records), len(records), codec, base)
