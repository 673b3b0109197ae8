"""Target `wire`: the bytes of a batch of records, as a broker might give them, damaged in any way that it lets pass."""

import struct
from collections.abc import Sequence
from typing import Any, Final

import wire
from judging import CLUSTERS

from brokers.topics import EVENTS
from fuzzing.cases import Case, decoded
from fuzzing.decided import fitting, one_receipt_each
from fuzzing.holds import storable
from streams import decide as deciding
from streams.company_register import Register
from streams.decide import PartitionInfo

_CODEC_AT, _LAST_DELTA, _COUNT = 22, 23, 57
"""Where in the header of a batch they are."""
BASE: Final = 1000
KEPT: Final = 1 << 20
"""Bytes of a value that a reader gives at most."""


def wire_bytes(data: bytes) -> None:
    """Each offset of a batch is given once, read or reported as unreadable; the next batch is read as if alone."""
    case = decoded(data)
    if not case.records:
        return  # no broker takes a batch without records
    raws = [one.raw for one in case.records]
    whole = wire.batch_bytes(raws, codec=wire.CODECS[case.setting(0) % len(wire.CODECS)], base=BASE)
    damaged = _damaged(whole, case)
    last = struct.unpack_from(">i", damaged, _LAST_DELTA)[0]
    after = wire.batch_bytes(raws[:1], base=BASE + last + 1)
    records = list(wire.read_batches(damaged + after))
    assert records, "nothing was read"
    assert records[-1].offset == BASE + last + 1, "the next batch was not read"
    _given(records[:-1], last, whole=damaged == whole)
    if damaged == whole:
        _as_written(records[:-1], case)
    decided = deciding.process_batch(
        PartitionInfo(EVENTS, 0, 0, 3),
        records,
        seen=lambda keys: [None] * len(keys),
        register=Register(),
        clusters=CLUSTERS,
        condemned={},
    )
    one_receipt_each(decided, PartitionInfo(EVENTS, 0, 0, 3), records)
    fitting(decided.outputs)
    storable(decided.rows)


def _damaged(whole: bytes, case: Case) -> bytes:
    """The batch with some bytes changed, and a checksum that agrees. A broker checks number against last offset."""
    changed = bytearray(whole)
    for number in range(case.setting(1) % 4):
        where, what = case.setting(2 + 2 * number), case.setting(3 + 2 * number)
        body = len(changed) - wire.HEAD_SIZE
        if body <= 0:
            break
        # Near the beginning byte by byte, where lengths are; anywhere in the rest.
        at = wire.HEAD_SIZE + (where % body if number % 2 == 0 else where * body // 256)
        if what < 250:
            changed[at] = what
        elif what < 253:
            del changed[at : at + 1 + where % 16]
        else:
            changed[at:at] = bytes([what]) * (1 + where)
    if case.setting(8) == 1:  # more or fewer records than there are
        count = 1 + case.setting(9)
        struct.pack_into(">i", changed, _COUNT, count)
        struct.pack_into(">i", changed, _LAST_DELTA, count - 1)
    if case.setting(11):  # another codec than it was packed by
        changed[_CODEC_AT] = changed[_CODEC_AT] & ~7 | case.setting(11) % 8
    if case.setting(10):
        changed += changed[wire.HEAD_SIZE :] * (case.setting(10) % 4)
    return wire.with_checksum(bytes(changed))


def _given(records: Sequence[Any], last: int, *, whole: bool) -> None:
    offsets = [record.offset for record in records]
    expected = range(BASE, BASE + last + 1)
    if whole:
        assert offsets == list(expected), (last, offsets[:20])
    # Of a damaged one offsets can be left out: compaction leaves the same gaps.
    assert offsets == sorted(set(offsets) & set(expected)), (last, offsets[:20])
    for record in records:
        assert len(record.value or b"") <= KEPT
        assert len(record.key or b"") <= KEPT
        for name, _ in record.headers:
            name.encode()


def _as_written(records: Sequence[Any], case: Case) -> None:
    for record, one in zip(records, case.records, strict=False):
        if getattr(record, "cut", None) is None:
            assert (record.key, record.value) == (one.key, one.value)
            assert list(record.headers) == one.text_headers
        else:
            assert len(one.text_headers) > 1000 or len(one.value or b"") > KEPT // 2, record.cut
