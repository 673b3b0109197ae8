"""Records whose header names are no text."""

import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c

from streams.headernames import ReadableRecords

CRC = 17  # where the checksum of a batch stands, and what it covers begins 4 bytes later


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
    """When this fails, the module has become superfluous."""
    with pytest.raises(UnicodeDecodeError):
        list(MemoryRecords(batch([b"\xff\xfe"])).next_batch())


@pytest.mark.parametrize("bad", [0, 1, 3], ids=str)
def test_every_record_of_the_batch_is_read_once(bad: int) -> None:
    """Wherever the bad name stands; the others are as they were."""
    names = [b"ok"] * 4
    names[bad] = b"\xff\xfe"
    records = ReadableRecords(batch(names))
    assert records.has_next()
    read = records.next_batch()
    assert read.validate_crc()
    found = [(record.offset, record.key, record.value, record.headers) for record in read]
    expected = ["ok"] * 4
    expected[bad] = "\\xff\\xfe"
    assert found == [(n, b"key", b"value-%d" % n, [(expected[n], b"\xfe"), ("x", None)]) for n in range(4)]
    assert read.next_offset == 4
    assert not records.has_next()
