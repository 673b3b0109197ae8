"""kafka-python's consumers read any batch, for the commands that read topics."""

import pytest
from kafka.errors import CorruptRecordError
from kafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from kafka.record.memory_records import MemoryRecords

from brokers import kafka_python
from brokers.kafka_python import BoundedBatch

NAMES = [b"ok", b"\xff\xfe", b"ok", b"\xe6\xf8"]


class _Name(str):
    """A header name that encodes to the bytes that it was made of."""

    __slots__ = ("raw",)
    raw: bytes

    def encode(self, *_: object) -> bytes:
        return self.raw


def batch(compression: int = 0) -> bytes:
    """A batch of one record for each name."""
    builder = DefaultRecordBatchBuilder(2, compression, 0, -1, -1, -1, 1_000_000)
    for offset, raw in enumerate(NAMES):
        name = _Name(raw.decode("latin-1"))
        name.raw = raw
        builder.append(offset, 1_600_000_000_000, b"key", b"value-%d" % offset, headers=[(name, b"\xfe"), ("x", None)])
    return bytes(builder.build())


def test_kafka_python_itself_still_fails() -> None:
    """When this fails, the module is no longer needed."""
    with pytest.raises(CorruptRecordError):
        list(DefaultRecordBatch(batch()))


@pytest.mark.parametrize("compression", [0, 1], ids=["plain", "gzip"])
def test_every_record_of_the_batch_is_read_once(compression: int) -> None:
    """The bad names as escapes, all else as it was."""
    read = [(r.offset, r.key, r.value, r.headers) for r in BoundedBatch(batch(compression))]
    names = ["ok", "\\xff\\xfe", "ok", "\\xe6\\xf8"]
    assert read == [(n, b"key", b"value-%d" % n, [(names[n], b"\xfe"), ("x", None)]) for n in range(4)]


def test_what_is_corrupt_is_accounted_for() -> None:
    """Of a batch that is cut every offset is still reported."""
    read = list(BoundedBatch(batch()[:-3]))
    assert [(r.offset, r.cut is None) for r in read] == [(0, True), (1, True), (2, True), (3, False)]


def test_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """kafka-python's consumers make their batches of the class that is put in its place."""
    from kafka.record import memory_records  # noqa: PLC0415  (what is patched)

    monkeypatch.setattr(memory_records, "DefaultRecordBatch", DefaultRecordBatch)
    kafka_python.install()
    assert len(list(MemoryRecords(batch()).next_batch())) == 4
