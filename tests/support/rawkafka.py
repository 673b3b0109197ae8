"""Records that no client library writes: batches built byte by byte, sent as they are.

Header names are bytes, header values may be null, neither key nor value is needed, and a batch can be compressed.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy

CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
_ANY_SIZE = 2**30


class Raw(NamedTuple):
    """A record as it is on the wire."""

    value: bytes | None
    key: bytes | None = None
    headers: Sequence[tuple[bytes, bytes | None]] = ()


class Parcel(NamedTuple):
    """Records that travel in one batch to one partition."""

    partition: int
    records: Sequence[Raw]
    codec: str = "none"


class _Name:
    """A header name that encodes to the bytes that it was made of."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def encode(self, *_: object) -> bytes:
        return self._raw


def wire_size(parcel: Parcel) -> int:
    """Bytes of the batch as Kafka counts them."""
    return len(_built(parcel)._build())


def send_raw(bootstrap: str, topic: str, parcels: Sequence[Parcel]) -> list[list[int]]:
    """Send batches in their order; gives the offsets of the records of each. Raises aiokafka's KafkaError."""
    return asyncio.run(_send(bootstrap, topic, parcels))


async def _send(bootstrap: str, topic: str, parcels: Sequence[Parcel]) -> list[list[int]]:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", max_request_size=_ANY_SIZE)
    await producer.start()
    try:
        futures = [await producer.send_batch(_built(p), topic, partition=p.partition) for p in parcels]
        confirmed = await asyncio.gather(*futures)
    finally:
        await producer.stop()
    return [
        list(range(first.offset, first.offset + len(parcel.records)))
        for first, parcel in zip(confirmed, parcels, strict=True)
    ]


def _built(parcel: Parcel) -> BatchBuilder:
    batch = BatchBuilder(_ANY_SIZE, 0)
    # The compiled builder takes nothing but text for a name.
    builder: Any = _DefaultRecordBatchBuilderPy(2, CODECS[parcel.codec], 0, -1, -1, 0, _ANY_SIZE)
    batch._builder = builder
    for record in parcel.records:
        headers: Any = [(_Name(name), value) for name, value in record.headers]
        batch.append(timestamp=None, key=record.key, value=record.value, headers=headers)
    batch.close()
    return batch
