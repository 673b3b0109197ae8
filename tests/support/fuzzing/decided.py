"""Target `batch`: many records, decided on together. `register`: records of the company register."""

import json
from collections.abc import Mapping, Sequence
from typing import Final

from judging import CLUSTERS
from twins import Record

from brokers.topics import COMPANIES, DERIVED_BYTES, EVENT_BYTES, EVENTS
from fuzzing.cases import ARRIVED, decoded
from fuzzing.holds import kept, sound_faults, storable
from schemas.company import read_company
from schemas.ledger import NO_PARTITION
from streams import decide as deciding
from streams import reference_step as companies
from streams.company_register import Register
from streams.decide import MARK, Batch, Output, PartitionInfo

LARGEST: Final = {"events": EVENT_BYTES, "enriched": DERIVED_BYTES, "rejected": DERIVED_BYTES}
_BATCH_BYTES: Final = 200
"""What Kafka adds to a batch of one record, at most."""
Marks = dict[bytes, bytes]


def batch(data: bytes) -> None:
    """Every record has one receipt, in order; repeating records or splitting batches differently gives the same."""
    case = decoded(data)
    place = PartitionInfo(EVENTS, case.setting(0) % 2, case.setting(1) % 3, 1 + case.setting(2) % 3)
    if place.partition >= place.partitions:
        place = place._replace(partition=0)
    records = case.consumed()
    condemned = {n: "not_storable" for n in range(len(records)) if n < 8 and case.setting(3) >> n & 1}
    whole = _decided(place, records, {}, condemned)
    one_receipt_each(whole, place, records)
    fitting(whole.outputs)
    storable(whole.rows)
    _marked(whole, place)
    _enriched(whole)
    _again(whole, place, records, condemned)
    _in_pieces(whole, place, records, condemned, case.setting(4))


def _decided(place: PartitionInfo, records: Sequence[Record], marks: Marks, condemned: Mapping[int, str]) -> Batch:
    return deciding.process_batch(
        place,
        records,
        seen=lambda keys: [marks.get(key) for key in keys],
        register=Register(),
        clusters=CLUSTERS,
        condemned=condemned,
    )


def one_receipt_each(found: Batch, place: PartitionInfo, records: Sequence[Record]) -> None:
    """One receipt for each record, in order; a rejected one is kept, with its faults."""
    receipts = found.rows.receipts
    assert [receipt.offset for receipt in receipts] == [record.offset for record in records]
    rejected = {row.offset: row for row in found.rows.rejected}
    assert list(rejected) == [receipt.offset for receipt in receipts if receipt.status == "rejected"]
    assert len(rejected) == len(found.rows.rejected)
    counted = 0
    for receipt, record in zip(receipts, records, strict=True):
        assert receipt.log_time == record.timestamp
        assert (receipt.topic, receipt.topic_epoch, receipt.partition) == place[:3]
        receipt.source.encode()
        assert len(receipt.source) <= 200
        assert receipt.reason == "" or receipt.status in ("rejected", "rerouted")
        assert (receipt.sent_to == NO_PARTITION) == (receipt.status != "rerouted")
        assert receipt.origin_partition != place.partition
        if receipt.status == "rejected":
            row = rejected[record.offset]
            sound_faults(row.faults)
            assert row.faults[0].code == receipt.reason
            kept(row, record.key, record.value)
        elif receipt.status in ("accepted", "retracted"):
            activity = found.rows.activities[counted]
            counted += 1
            assert (activity.activity_id, activity.revision) == (receipt.activity_id, receipt.revision)
            assert activity.is_deleted == int(receipt.status == "retracted")
    assert counted == len(found.rows.activities)
    assert len(found.outputs) == sum(receipt.status != "duplicate" for receipt in receipts)


def fitting(outputs: Sequence[Output]) -> None:
    """Each output fits in its topic, and its header names can be written."""
    for output in outputs:
        size = len(output.key or b"") + len(output.value or b"")
        size += sum(len(name.encode()) + len(value or b"") + 10 for name, value in output.headers)
        assert size + _BATCH_BYTES <= LARGEST[output.to], (output.to, size)
        assert output.value is not None or output.to == "rejected"


def _marked(found: Batch, place: PartitionInfo) -> None:
    firsts = [receipt.offset for receipt in found.rows.receipts if receipt.status in ("accepted", "retracted")]
    marks = [MARK.unpack(mark[: MARK.size]) for mark in found.marks.values()]
    assert [offset for _, offset, _ in marks] == firsts
    assert {epoch for epoch, _, _ in marks} <= {place.topic_epoch}


def _enriched(found: Batch) -> None:
    values = [output.value for output in found.outputs if output.to == "enriched"]
    for value, activity in zip(values, found.rows.activities, strict=True):
        document = json.loads(value or b"")
        assert document["data"]["revision"] == str(activity.revision)
        assert document["data"]["company"]["cvr"] in (activity.company_id, f"{activity.company_id:08d}")
        assert set(document["data"]["basis"]) == {*activity.reported, *activity.derived}
        assert document["subject"] == str(activity.company_id)


def _again(whole: Batch, place: PartitionInfo, records: Sequence[Record], condemned: Mapping[int, str]) -> None:
    """After a crash the same rows; published once more, duplicates."""
    same = _decided(place, records, whole.marks, condemned)
    assert (same.rows, same.outputs) == (whole.rows, whole.outputs)
    if condemned:
        return
    later = [Record(r.offset + 1000, r.value, r.timestamp, r.key, r.headers) for r in records]
    repeated = _decided(place, later, whole.marks, {})
    expected = ["duplicate" if r.status in ("accepted", "retracted") else r.status for r in whole.rows.receipts]
    assert [receipt.status for receipt in repeated.rows.receipts] == expected
    assert not repeated.rows.activities
    assert not repeated.marks


def _in_pieces(
    whole: Batch, place: PartitionInfo, records: Sequence[Record], condemned: Mapping[int, str], where: int
) -> None:
    cut = where % (len(records) + 1)
    first = _decided(place, records[:cut], {}, condemned)
    second = _decided(place, records[cut:], first.marks, condemned)
    first.rows.extend(second.rows)
    assert first.rows == whole.rows
    assert first.outputs + second.outputs == whole.outputs
    assert first.marks | second.marks == whole.marks


# ---- the register

_DAYS: Final = (-100, 0, 17_000, 17_897, 65_535)


def register(data: bytes) -> None:
    """A record is a version of a company or is rejected; a version is the same after it was written and read."""
    case = decoded(data)
    records = case.consumed()
    place = PartitionInfo(COMPANIES, 0, 0, 1)
    found = companies.process_companies(place, records, condemned={})
    known = Register()
    by_offset = {row.offset: row for row in found.rows.rejected}
    assert len(by_offset) + len(found.rows.companies) == len(records)
    rows = iter(found.rows.companies)
    for record in records:
        if record.offset in by_offset:
            sound_faults(by_offset[record.offset].faults)
            kept(by_offset[record.offset], record.key, record.value)
            continue
        row = next(rows)
        assert row.known_at == record.timestamp == ARRIVED + record.offset
        version = row.version
        assert version.key == record.key
        assert read_company(version.key, version.to_json(), record.timestamp) == version
        assert 10_000_000 <= version.cvr <= 99_999_999
        assert 0 <= version.revision <= record.timestamp + 600_000
        assert version.employees is None or 0 <= version.employees < 10_000_000
        known.apply(version)
        for day in _DAYS:
            json.loads(known.company_as_at(version.cvr, day))
    assert not found.rows.receipts
    fitting(found.outputs)
    storable(found.rows)
