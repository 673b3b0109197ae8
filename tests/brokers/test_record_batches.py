"""aiokafka's consumers read any batch, within bounds."""

from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c
from aiokafka.structs import TopicPartition
from batches import PACK, record
from batches import batch as batch_of

from brokers import record_batches
from brokers.batches import weight
from brokers.record_batches import PORTION, BoundedFetch, BoundedRecords, LightRecords

PLACE = TopicPartition("activity.events.v1", 3)
CRC = 17  # where the checksum of a batch is, and what it covers begins 4 bytes later


@pytest.fixture(autouse=True)
def as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """The patch is removed after each test."""
    for owner, name in [(fetcher, "MemoryRecords"), (fetcher, "PartitionRecords"), (fetcher, "FetchResult")]:
        monkeypatch.setattr(owner, name, getattr(owner, name))
    monkeypatch.setattr(fetcher.Fetcher, "fetched_records", fetcher.Fetcher.fetched_records)


def batch(names: list[bytes]) -> bytes:
    """A batch of one record for each name; every name has two bytes."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1_000_000)
    for offset, _ in enumerate(names):
        builder.append(offset, 1_600_000_000_000, b"key", b"value-%d" % offset, headers=[("~~", b"\xfe"), ("x", None)])
    data = bytearray(builder.build())
    for name in names:
        place = data.index(b"~~")
        data[place : place + 2] = name
    data[CRC : CRC + 4] = calc_crc32c(bytes(data[CRC + 4 :])).to_bytes(4, "big")
    return bytes(data)


def test_aiokafka_itself_still_fails() -> None:
    """When this fails, the module is no longer needed."""
    with pytest.raises(UnicodeDecodeError):
        list(MemoryRecords(batch([b"\xff\xfe"])).next_batch())


@pytest.mark.parametrize("bad", [0, 1, 3], ids=str)
def test_every_record_of_the_batch_is_read_once(bad: int) -> None:
    """Wherever the bad name is; the others are unchanged."""
    names = [b"ok"] * 4
    names[bad] = b"\xff\xfe"
    records = BoundedRecords(batch(names))
    assert records.has_next()
    read = records.next_batch()
    assert read.validate_crc()
    found = [(record.offset, record.key, record.value, record.headers) for record in read]
    expected = ["ok"] * 4
    expected[bad] = "\\xff\\xfe"
    assert found == [(n, b"key", b"value-%d" % n, [(expected[n], b"\xfe"), ("x", None)]) for n in range(4)]
    assert read.next_offset == 4
    assert not records.has_next()


def taken(data: bytes, offset: int = 0) -> list[list[Any]]:
    """Everything of a fetch, in the portions in which a consumer gets it."""
    record_batches.install(frozenset({PLACE.topic}))
    records = LightRecords(PLACE, BoundedRecords(data), None, offset, None, None, check_crcs=True, isolation_level=1)
    position = SimpleNamespace(paused=False, position=offset)
    position.consumed_to = partial(setattr, position, "position")
    assignment = SimpleNamespace(active=True, state_value=lambda _: position)
    fetch = BoundedFetch(PLACE, assignment=assignment, partition_records=records, backoff=0)
    portions = []
    while fetch.has_more():
        if waiting := fetch.pausing:
            waiting.fill()
        portions.append(fetch.getall(500))
        assert position.position == (portions[-1][-1].offset + 1 if portions[-1] else position.position)
    return portions


@pytest.mark.parametrize("codec", PACK)
def test_batches_follow_each_other(codec: str) -> None:
    """Small ones, one that unpacks to much, and small ones again: each record once, in portions of bounded weight."""
    large = [record(n, b" " * (1 << 20)) for n in range(12)]
    data = b"".join(
        [
            batch_of([record(n, b"%d" % n) for n in range(700)], codec),
            batch_of(large, codec, base=700),
            batch_of([record(n, b"%d" % n) for n in range(3)], codec, base=712),
        ]
    )
    portions = taken(data)
    assert [r.offset for portion in portions for r in portion] == list(range(715))
    assert max(sum(map(weight, portion)) for portion in portions) <= PORTION + (1 << 20)
    assert max(map(len, portions)) <= 500


def test_a_fetch_begins_within_a_batch() -> None:
    """What lies before its offset is passed over, in a batch of any size."""
    data = batch_of([record(n, b" " * (1 << 20)) for n in range(12)], "gzip")
    assert [r.offset for portion in taken(data, 5) for r in portion] == list(range(5, 12))


def test_a_record_with_many_headers_makes_few_objects() -> None:
    """Aiokafka would make one of each: here some thousand are kept."""
    data = batch_of([record(0, b"a", headers=[(b"n", b"")] * 2_000_000), record(1, b"b")], "gzip")
    [[many, good]] = [portion for portion in taken(data) if portion]
    assert many.cut.code == "too_many_headers"
    assert (len(many.headers), good.value) == (1024, b"b")


def test_a_batch_that_was_set_aside_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even its checksum: each of its offsets is reported, and the next batch is read."""
    bad = bytearray(batch_of([record(0, b"a"), record(1, b"b")], "zstd", base=3))
    bad[-1] ^= 0xFF
    monkeypatch.setattr(LightRecords, "set_aside", {(PLACE.topic, PLACE.partition): {3: "why", 4: "why"}})
    [found] = taken(bytes(bad) + batch_of([record(0, b"next")], base=5), 3)
    assert [(r.offset, r.cut and r.cut.code) for r in found[:2]] == [(3, "set_aside"), (4, "set_aside")]
    assert found[2].value == b"next"
