"""What is in the folder of a broker: the heads of the batches of a partition, with the codec they are in."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

HEAD: Final = struct.Struct(">qiibIhiqqqhii")
"""Of a batch of format v2, up to the number of its records: see Kafka's DefaultRecordBatch."""
_BEFORE: Final = 12
"""Bytes of offset and length, which the length does not count."""


class Stored(NamedTuple):
    """A batch as the broker keeps it."""

    first: int
    last: int
    codec: int
    producer_id: int
    transactional: bool
    control: bool
    size: int


def batches(broker: Path, topic: str, partition: int) -> list[Stored]:
    """The batches of a partition in their order. `broker` is its folder (`clustertrack.local.kafka.KafkaNode`)."""
    segments = sorted((broker / "log" / f"{topic}-{partition}").glob("*.log"))
    return [batch for segment in segments for batch in _read(segment.read_bytes())]


def _read(data: bytes) -> Iterator[Stored]:
    at = 0
    while at + HEAD.size <= len(data):
        offset, length, _, magic, _, attributes, delta, _, _, producer, _, _, _ = HEAD.unpack_from(data, at)
        if length == 0:
            return  # the file is longer than its content
        assert magic == 2, f"format v{magic} at {at}"
        flags = attributes & 16, attributes & 32
        yield Stored(offset, offset + delta, attributes & 7, producer, bool(flags[0]), bool(flags[1]), length + _BEFORE)
        at += _BEFORE + length
