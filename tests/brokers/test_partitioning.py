"""The partition of a company: Java's murmur2 of its CVR number."""

import pytest
from aiokafka.partitioner import murmur2
from hypothesis import given
from hypothesis import strategies as st

from brokers.partitioning import key_hash, partition_of


@pytest.mark.parametrize(
    ("company_id", "partition"),
    [
        pytest.param(13748136, 1, id="13748136"),
        pytest.param(13585628, 5, id="13585628"),
        pytest.param(10150817, 8, id="10150817"),
        pytest.param(24256790, 6, id="24256790"),
    ],
)
def test_known_places(company_id: int, partition: int):
    """The place of a company among 12 partitions can never change: its events would be on two."""
    assert partition_of(company_id, 12) == partition


@pytest.mark.parametrize(
    ("key", "hashed"),
    [
        # From Apache Kafka's own UtilsTest.testMurmur2.
        pytest.param(b"21", -973932308, id="two bytes"),
        pytest.param(b"foobar", -790332482, id="six bytes"),
        pytest.param(b"a-little-bit-long-string", -985981536, id="24 bytes"),
        pytest.param(b"a-little-bit-longer-string", -1486304829, id="26 bytes"),
        pytest.param(b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971, id="48 bytes"),
        pytest.param(b"abc", 479470107, id="three bytes"),
    ],
)
def test_key_hash_is_javas(key: bytes, hashed: int):
    """Keys hash as Kafka's Java client hashes them, so that every client agrees on a company's partition."""
    assert key_hash(key) == hashed & 0x7FFFFFFF


def java(data: bytes) -> int:
    """org.apache.kafka.common.utils.Utils.murmur2, written down from its Java source."""
    mask, m = 0xFFFFFFFF, 0x5BD1E995
    h = 0x9747B28C ^ len(data)
    whole = len(data) // 4 * 4
    for at in range(0, whole, 4):
        k = int.from_bytes(data[at : at + 4], "little") * m & mask
        k = (k ^ k >> 24) * m & mask
        h = h * m & mask ^ k
    if rest := data[whole:]:
        h = (h ^ int.from_bytes(rest, "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15


@given(st.integers(10_000_000, 99_999_999), st.integers(1, 500))
def test_other_clients_choose_the_same(company_id: int, partitions: int):
    """Java's clients and aiokafka place the key of 8 digits where the worker looks for it."""
    key = b"%d" % company_id
    assert partition_of(company_id, partitions) == (java(key) & 0x7FFFFFFF) % partitions
    assert partition_of(company_id, partitions) == (murmur2(key) & 0x7FFFFFFF) % partitions
    assert partition_of(company_id, partitions) == key_hash(key) % partitions


def test_companies_are_spread():
    """No partition has much more than its share."""
    counts = [0] * 12
    for company_id in range(20_000_000, 20_012_000):
        counts[partition_of(company_id, 12)] += 1
    assert 800 < min(counts) <= max(counts) < 1200
