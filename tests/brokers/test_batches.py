"""Records of a batch are read within bounds, with any content."""

import hashlib
import struct
import tracemalloc
import zlib

import pytest
from batches import PACK, batch, packed, record, varint

from brokers import batches
from brokers.batches import KEPT, KEPT_HEADERS, BoundedRecord, Cut, read_batch, unpacked

CODECS = list(PACK)
LONG = KEPT + 12346


def read(data: bytes) -> list[BoundedRecord]:
    """All records of a batch."""
    return list(read_batch(data, unpacked(data)))


@pytest.mark.parametrize("codec", CODECS)
def test_what_was_sent_is_read(codec: str) -> None:
    """Keys, values and headers, null, empty and long, with every codec and each of its forms."""
    sent: list[tuple[bytes | None, bytes, list[tuple[bytes, bytes | None]]]] = [
        (b"key", b"value", [(b"a", b"1"), (b"a", None)]),
        (None, None, []),
        (b"", b"", [(b"", b"")]),
        (None, bytes(range(256)) * 4000, [(b"\xff\xc3\xa6", b"\xff")]),
    ]
    data = batch([record(n, value, key, headers) for n, (key, value, headers) in enumerate(sent)], codec, base=70)
    found = read(data)
    assert [(r.offset, r.key, r.value, r.cut) for r in found] == [
        (70 + n, key, value, None) for n, (key, value, _) in enumerate(sent)
    ]
    assert [r.headers for r in found] == [[("a", b"1"), ("a", None)], [], [("", b"")], [("\\xff\u00e6", b"\xff")]]
    assert {(r.timestamp, r.timestamp_type) for r in found} == {(1_600_000_000_000, 1)}


@pytest.mark.parametrize("codec", CODECS)
def test_a_long_value_is_cut(codec: str) -> None:
    """Its beginning is kept, with the length and SHA-256 of the whole; its neighbours are read as they were."""
    value = b"ab" * (LONG // 2)
    data = batch([record(0, b"before"), record(1, value, b"key", [(b"n", b"v")]), record(2, b"behind")], codec)
    before, long, behind = read(data)
    assert (before.value, behind.value, behind.cut) == (b"before", b"behind", None)
    assert (long.key, long.value, long.headers) == (b"key", value[:KEPT], [("n", b"v")])
    assert long.cut is not None
    assert long.cut[0] == "too_long"
    assert long.cut[2:] == (len(value), hashlib.sha256(value).digest())


def test_headers_are_counted_before_they_are_read() -> None:
    """Of more than 1,024 the first ones are kept; what follows the record is read."""
    many = [(b"n", b"v")] * 300_000
    first, second = read(batch([record(0, b"{}", headers=many), record(1, b"next")]))
    assert first.cut == Cut("too_many_headers", "300000", 2, b"")
    assert first.headers == [("n", b"v")] * KEPT_HEADERS
    assert (second.value, second.cut) == (b"next", None)


@pytest.mark.parametrize("codec", ["gzip", "lz4", "zstd"])
def test_memory_does_not_follow_what_is_unpacked(codec: str) -> None:
    """300 MB of blanks in some kB are read in pieces; their length and SHA-256 are reported."""
    size = 300_000_000
    head = record(0, b"good")
    body = b"\0" + varint(0) + varint(1) + varint(-1) + varint(size)
    plain = head + varint(len(body) + size + 1) + body + b" " * size + varint(0)
    data = packed(plain, 2, codec)
    del plain
    tracemalloc.start()
    try:
        good, blank = read(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert good.value == b"good"
    assert blank.cut is not None
    digest = hashlib.sha256()
    for _ in range(300):
        digest.update(b" " * 1_000_000)
    assert (blank.cut.code, blank.cut.size, blank.cut.sha256) == ("too_long", size, digest.digest())
    assert peak < 16 << 20


def test_more_than_may_be_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    """What follows is not read, but reported offset by offset."""
    monkeypatch.setattr(batches, "UNPACKED", 2 << 20)
    data = batch([record(0, b"first"), record(1, b" " * (10 << 20)), record(2, b"x"), record(3, b"y")], "gzip", base=5)
    found = read(data)
    assert [r.offset for r in found] == [5, 6, 7, 8]
    assert [r.cut and r.cut.code for r in found] == [None, "unreadable", "unreadable", "unreadable"]
    assert found[1].cut is not None
    assert found[1].cut.size == 0 or len(found[1].value or b"") <= KEPT


def _empty_gzip(frames: int) -> bytes:
    packer = zlib.compressobj(wbits=31)
    return (packer.compress(b"") + packer.flush()) * frames


BROKEN = {
    "cut": lambda good: good[: len(good) // 2],
    "noise": lambda _: b"\x1f\x8b" + bytes(range(256)),
    "nothing": lambda _: b"",
    "50,000 empty frames": lambda good: _empty_gzip(50_000) + good,
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_damaged_batch_is_accounted_for(how: str) -> None:
    """Every offset that Kafka gave out is reported, once and in order."""
    plain = b"".join([record(n, b"value %d" % n * 50) for n in range(20)])
    found = read(packed(plain, 20, "gzip", body=BROKEN[how](PACK["gzip"][1](plain))))
    assert [r.offset for r in found] == list(range(20))
    assert found[-1].cut is not None
    assert found[-1].cut.code == "unreadable"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(varint(2**40) + b"abc", id="one block"),
        pytest.param(b"\x82SNAPPY\x00" + struct.pack(">iii", 1, 1, 7) + varint(2**30) + b"ab", id="xerial"),
        pytest.param(b"\x82SNAPPY\x00" + struct.pack(">iii", 1, 1, -7), id="negative block"),
    ],
)
def test_snappy_that_claims_to_be_long(body: bytes) -> None:
    """No memory is allocated for what a block claims but cannot hold."""
    tracemalloc.start()
    try:
        (found,) = read(packed(b"", 1, "snappy", body=body))
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    assert found.cut is not None
    assert found.cut.code == "unreadable"


def test_damage_in_one_record() -> None:
    """The others of the batch are read, where the damaged one still says how long it is."""
    body = b"\0" + varint(0) + varint(1) + varint(-1) + varint(3) + b"abc" + varint(90) + b"too few"
    plain = record(0, b"before") + varint(len(body)) + body + record(2, b"behind")
    found = read(packed(plain, 3))
    assert [r.value for r in found][::2] == [b"before", b"behind"]
    assert [r.cut and r.cut.code for r in found] == [None, "unreadable", None]


@pytest.mark.parametrize("delta", [-1, 0, 7, 2**40])
def test_offsets_are_those_of_the_batch(delta: int) -> None:
    """A record that claims an offset other than the next is not believed."""
    found = read(packed(record(0, b"a") + record(delta, b"b") + record(2, b"c"), 3, base=100))
    assert [r.offset for r in found] == [100, 101, 102]
    assert [r.cut is None for r in found] == [True, False, False]
