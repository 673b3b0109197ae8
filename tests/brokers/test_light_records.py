"""Records that are not copied hold the same as aiokafka's copies."""

from collections.abc import Iterator
from itertools import islice

import pytest
from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.structs import ConsumerRecord, TopicPartition

from brokers import record_batches
from brokers.record_batches import BoundedRecords, LightRecords

TOPIC = "activity.events.v1"
READ = ("offset", "timestamp", "timestamp_type", "key", "value")
HEADERS: list[list[tuple[str, bytes | None]]] = [[], [("content-type", b"a"), ("content-type", b"b")], [("x", None)]]


def batches() -> bytes:
    """Two batches: five records with and without key, value and headers, and two more."""
    data = b""
    for first, number in ((0, 5), (5, 2)):
        builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1_000_000)
        for n in range(number):
            key, value = (None if n == 1 else b"key"), (None if n == 2 else b"value-%d" % n)
            builder.append(n, 1_600_000_000_000 + n, key, value, headers=HEADERS[n % 3])
        data += first.to_bytes(8, "big") + bytes(builder.build())[8:]
    return data


def unpacked(kind: type[PartitionRecords], offset: int) -> PartitionRecords:
    """A fetch from an offset on."""
    place = TopicPartition(TOPIC, 3)
    return kind(place, BoundedRecords(batches()), None, offset, None, None, check_crcs=True, isolation_level=1)


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    """The patch is removed after each test."""
    yield
    record_batches.install(frozenset())


@pytest.mark.parametrize("offset", [0, 3], ids=["whole", "from the middle"])
def test_the_same_records(offset: int) -> None:
    """Field by field, from the beginning of a batch and from its middle, in portions as `getmany` takes them."""
    record_batches.install(frozenset({TOPIC}))
    light, whole = unpacked(LightRecords, offset), unpacked(PartitionRecords, offset)
    found = [*islice(light, 2), *light]
    expected = list(whole)
    assert len(found) == len(expected) == 7 - offset
    for one, other in zip(found, expected, strict=True):
        assert [getattr(one, name) for name in READ] == [getattr(other, name) for name in READ]
        assert tuple(one.headers) == other.headers
    assert light.next_fetch_offset == whole.next_fetch_offset == 7


def test_the_position_follows_what_was_taken() -> None:
    """A portion ends after its last record: the next fetch continues there."""
    record_batches.install(frozenset({TOPIC}))
    light = unpacked(LightRecords, 0)
    assert [record.offset for record in islice(light, 3)] == [0, 1, 2]
    assert light.next_fetch_offset == 3


def test_other_topics_are_left_alone() -> None:
    """Faust reads changelog records by fields that only the copies have."""
    record_batches.install(frozenset({"another"}))
    assert {type(record) for record in unpacked(LightRecords, 0)} == {ConsumerRecord}
