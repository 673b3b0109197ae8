"""The pure step: what happens to each record, and what is stored, produced and marked."""

import json
from datetime import date
from typing import Any

import pytest
from deciding import ELSEWHERE, HERE, PARTITIONS, PLACE, decide
from samples import CLUSTERS, SOURCE, event
from twins import Record

from schemas.company import CompanyVersion
from schemas.indicators import PIPELINE_VERSION
from schemas.ledger import Receipt
from schemas.revisions import version_key, with_pipeline
from streams.company_register import Register
from streams.decide import MARK, MARK_AHEAD, Batch, process_batch

COMPANY = HERE[0]
SOUND = event(COMPANY)
RETRACTION = event(
    COMPANY, type="org.clustertrack.activity.retracted.v1", data={"occurred_on": ..., "reason": "entered twice"}
)


def statuses(batch: Batch) -> list[str]:
    return [receipt.status for receipt in batch.rows.receipts]


NOON = 1_525_348_800_000
"""3 May 2018, 12:00 UTC."""


def told(time: str, **fields: Any) -> bytes:
    """A version of WS-1 recorded at a time of 3 or 4 May 2018."""
    return event(COMPANY, time=f"2018-05-{time}Z", **fields)


# ---- what is dated after its arrival


def test_a_forged_retraction_does_not_outlive_the_correction():
    """A retraction dated 23:59 h ahead loses to the owner's correction that is made the minute after it arrived."""
    forged = event(
        COMPANY,
        time="2018-05-04T11:59:00Z",
        type="org.clustertrack.activity.retracted.v1",
        data={"occurred_on": ..., "reason": "forged"},
    )
    records = [
        Record(0, told("03T10:00:00"), timestamp=NOON - 3_600_000),
        Record(1, forged, timestamp=NOON),
        Record(2, told("03T12:00:30", data={"title": "still true"}), timestamp=NOON + 60_000),
    ]
    batch = decide(records)
    assert statuses(batch) == ["accepted", "retracted", "accepted"]
    newest = max(batch.rows.activities, key=lambda row: row.revision)
    assert newest.details == '{"title":"still true"}'
    assert [row.recorded_at for row in batch.rows.activities][1] == NOON + 86_340_000, "the claim is kept as it came"


@pytest.mark.parametrize("later", [60_000, 5 * 3_600_000], ids=["still ahead", "no longer ahead"])
def test_a_repeat_of_what_was_ahead_is_a_duplicate(later: int):
    """The same version at another arrival is not a new one: the first arrival is its place, and its receipt says so."""
    ahead = told("03T14:00:00")
    first = decide([Record(0, ahead, timestamp=NOON)])
    (row,) = first.rows.activities
    batch = decide([Record(1, ahead, timestamp=NOON + later)], marks=first.marks)
    assert statuses(batch) == ["duplicate"]
    assert [receipt.revision for receipt in batch.rows.receipts] == [row.revision]
    assert batch.marks == {}
    again = decide([Record(0, ahead, timestamp=NOON)], marks=first.marks)
    assert (again.rows, again.marks) == (first.rows, {})


def test_versions_that_arrive_at_once_keep_their_order():
    """A CRM whose clock is two hours fast sends a file: its newest version is still the newest."""
    times = ["03T13:00:00", "03T13:59:59", "03T13:30:00"]
    batch = decide([Record(n, told(time), timestamp=NOON) for n, time in enumerate(times)])
    rows = sorted(batch.rows.activities, key=lambda row: row.revision)
    assert [row.recorded_at - NOON for row in rows] == [3_600_000, 5_400_000, 7_199_000]
    assert {row.revision >> 64 for row in rows} == {NOON}


def test_what_a_ledger_holds_already_keeps_its_place():
    """A mark from before the rule has no arrival: the version keeps the place that it claimed."""
    ahead = told("03T14:00:00")
    (key,) = decide([Record(0, ahead, timestamp=NOON)]).marks
    older = {key: MARK.pack(0, 0, PIPELINE_VERSION)}
    for offset, status in ((0, "accepted"), (1, "duplicate")):
        (receipt,) = decide([Record(offset, ahead, timestamp=NOON)], marks=older).rows.receipts
        assert (receipt.status, receipt.revision >> 64) == (status, NOON + 7_200_000)


def test_the_arrival_on_the_right_partition_counts():
    """A header that a publisher can write moves no version: what is ahead is ordered as of its record's own arrival."""
    headers = [("ct-origin", b"activity.events.v1/1/0"), ("ct-arrived", b"0")]
    batch = decide([Record(0, told("03T14:00:00"), timestamp=NOON, headers=headers)])
    assert [row.revision >> 64 for row in batch.rows.activities] == [NOON]
    assert [MARK_AHEAD.unpack(mark)[-1] for mark in batch.marks.values()] == [NOON]


# ---- first occurrences and repeats


def test_an_accepted_record():
    """A first occurrence has a row, a receipt that points at it, an output and a mark."""
    batch = decide([Record(7, SOUND, timestamp=1_700_000_000_000)])
    (row,) = batch.rows.activities
    assert row.activity_id == "WS-1"
    assert batch.rows.receipts == [
        Receipt(
            topic="activity.events.v1",
            topic_epoch=0,
            partition=0,
            offset=7,
            status="accepted",
            reason="",
            source=SOURCE,
            log_time=1_700_000_000_000,
            activity_id="WS-1",
            revision=row.revision,
            pipeline_version=PIPELINE_VERSION,
        )
    ]
    assert [output.to for output in batch.outputs] == ["enriched"]
    assert batch.marks == {version_key(SOURCE, "WS-1", row.revision): MARK.pack(0, 7, PIPELINE_VERSION)}
    assert batch.rows.rejected == []


def test_a_retraction_has_its_own_status():
    """A retraction is a version like any other; its receipt says what it is."""
    batch = decide([Record(0, RETRACTION)])
    assert statuses(batch) == ["retracted"]
    assert [row.is_deleted for row in batch.rows.activities] == [1]
    assert len(batch.marks) == 1


def test_a_repeat_in_the_batch_is_a_duplicate():
    """Only the first occurrence has a row; the receipt of the second names that row."""
    batch = decide([Record(3, SOUND), Record(4, event(COMPANY, id="published again"))])
    assert statuses(batch) == ["accepted", "duplicate"]
    (row,) = batch.rows.activities
    assert [receipt.revision for receipt in batch.rows.receipts] == [row.revision] * 2
    assert {receipt.activity_id for receipt in batch.rows.receipts} == {"WS-1"}
    assert len(batch.outputs) == 1
    assert [MARK.unpack(mark)[1] for mark in batch.marks.values()] == [3]


def test_a_repeat_of_an_earlier_batch_is_a_duplicate():
    """The marks of earlier batches count, and are not written again."""
    first = decide([Record(3, SOUND)])
    batch = decide([Record(4, SOUND)], marks=first.marks)
    assert statuses(batch) == ["duplicate"]
    assert batch.rows.activities == []
    assert batch.outputs == []
    assert batch.marks == {}


def test_the_same_record_again_is_no_duplicate():
    """A record that is read again after a crash has the same result and rows; its repeat is still a repeat."""
    records = [Record(3, SOUND), Record(4, SOUND), Record(5, RETRACTION)]
    first = decide(records)
    again = decide(records, marks=first.marks)
    assert statuses(again) == ["accepted", "duplicate", "retracted"]
    assert again.rows == first.rows
    assert again.outputs == first.outputs


@pytest.mark.parametrize(
    ("epoch", "offset", "status"),
    [
        pytest.param(0, 3, "accepted", id="the same record"),
        pytest.param(1, 3, "duplicate", id="its offset in a topic that was re-created"),
        pytest.param(0, 2, "duplicate", id="another offset, before it"),
        pytest.param(0, 4, "duplicate", id="another offset, behind it"),
    ],
)
def test_a_mark_names_one_record(epoch: int, offset: int, status: str):
    """Offsets start at 0 again in a topic that was deleted and re-created, so the epoch is part of the place."""
    first = decide([Record(3, SOUND)])
    batch = decide([Record(offset, SOUND)], marks=first.marks, place=PLACE._replace(topic_epoch=epoch))
    assert statuses(batch) == [status]


def test_the_same_record_passes_a_newer_pipeline():
    """A record that an upgraded worker reads again is still the first occurrence."""
    older = {key: MARK.pack(0, 3, 200) for key in decide([Record(3, SOUND)]).marks}
    batch = decide([Record(3, SOUND)], marks=older)
    assert statuses(batch) == ["accepted"]
    assert batch.rows.receipts[0].revision == batch.rows.activities[0].revision


def test_places_of_any_size_are_distinguished():
    """Epoch and offset keep all of their bits in a mark."""
    far = PLACE._replace(topic_epoch=65_535)
    first = decide([Record(2**63 - 1, SOUND)], place=far)
    assert statuses(decide([Record(2**63 - 1, SOUND)], place=far, marks=first.marks)) == ["accepted"]
    assert statuses(decide([Record(2**63 - 2, SOUND)], place=far, marks=first.marks)) == ["duplicate"]


def test_a_duplicate_names_the_row_of_the_pipeline_that_wrote_it():
    """The ledger holds the row of the first occurrence as the pipeline of that time wrote it."""
    first = decide([Record(3, SOUND)])
    older = {key: MARK.pack(0, 3, 200) for key in first.marks}
    (receipt,) = decide([Record(4, SOUND)], marks=older).rows.receipts
    assert receipt.status == "duplicate"
    assert receipt.revision == with_pipeline(first.rows.activities[0].revision, 200)
    assert receipt.pipeline_version == PIPELINE_VERSION


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(event(HERE[1]), id="company"),
        pytest.param(event(COMPANY, "WS-2"), id="activity"),
        pytest.param(event(COMPANY, time="2018-05-03T14:05:10Z"), id="time"),
        pytest.param(event(COMPANY, data={"outcomes": []}), id="outcomes"),
        pytest.param(RETRACTION, id="retraction"),
    ],
)
def test_any_difference_is_another_version(other: bytes):
    """A correction is accepted, never taken for a repeat."""
    batch = decide([Record(0, SOUND), Record(1, other), Record(2, SOUND)])
    assert [status == "duplicate" for status in statuses(batch)] == [False, False, True]


def test_marks_are_asked_for_once():
    """The state is read once a batch, for the sound records only, and not at all without any."""
    asked: list[list[bytes]] = []

    def seen(keys: list[bytes]) -> list[Any]:
        asked.append(keys)
        return [None] * len(keys)

    def run(records: list[Record]) -> None:
        process_batch(PLACE, records, seen=seen, register=Register(), clusters=CLUSTERS, condemned={})

    run([Record(0, SOUND), Record(1, b"{"), Record(2, event(COMPANY, "WS-2"))])
    run([Record(3, b"{")])
    run([])
    assert [len(keys) for keys in asked] == [2]


# ---- enriched


def test_the_enriched_event():
    """The event with its company as at the day, the basis of each outcome and its place among the versions."""
    value = event(COMPANY, subject=f"DK {COMPANY}", traceparent="00-1", data={"title": "\u00c6", "outcomes": None})
    batch = decide([Record(7, value, key=b"any", headers=(("x", b"y"),))])
    (output,) = batch.outputs
    assert (output.to, output.partition, output.key) == ("enriched", 0, b"%08d" % COMPANY)
    assert output.headers == [
        ("content-type", b"application/cloudevents+json; charset=utf-8"),
        ("ct-origin", b"activity.events.v1/0/7"),
    ]
    sent, enriched = json.loads(value), json.loads(output.value or b"")
    assert enriched == {
        **sent,
        "subject": f"{COMPANY:08d}",
        "data": {
            **sent["data"],
            "company": {"cvr": f"{COMPANY:08d}", "known": False, "as_at": "2018-05-03"},
            "basis": {"new_competencies": "derived"},
            "revision": str(batch.rows.activities[0].revision),
            "registry_revision": 0,
        },
    }


def test_the_company_is_added_as_at_the_day():
    """The company as it was on the day of the activity is added to it."""
    register = Register()
    for first, name in ((date(2010, 1, 1), "before"), (date(2018, 5, 4), "after")):
        register.apply(CompanyVersion(cvr=COMPANY, valid_from=first, revision=1, name=name, employees=49, nuts="DK032"))
    (output,) = decide([Record(0, SOUND)], register=register).outputs
    company = json.loads(output.value or b"")["data"]["company"]
    assert (company["known"], company["name"], company["size_band"], company["region"]) == (
        True,
        "before",
        "20-49",
        "DK03",
    )


@pytest.mark.parametrize(
    ("outcomes", "basis"),
    [
        pytest.param(..., {"new_competencies": "derived"}, id="derived"),
        pytest.param([], {}, id="none"),
        pytest.param(
            ["new_ideas", "new_competencies"], dict.fromkeys(["new_competencies", "new_ideas"], "reported"), id="two"
        ),
    ],
)
def test_the_basis_of_outcomes(outcomes: Any, basis: dict[str, str]):
    """A reader sees of each outcome whether the cluster reported it."""
    (output,) = decide([Record(0, event(COMPANY, data={"outcomes": outcomes}))]).outputs
    assert json.loads(output.value or b"")["data"]["basis"] == basis


def test_the_order_of_records_is_kept():
    """Rows and outputs come in the order of the records."""
    values = [event(COMPANY, f"WS-{n}") if n % 3 else b"{" for n in range(30)]
    batch = decide([Record(n, value) for n, value in enumerate(values)])
    assert [receipt.offset for receipt in batch.rows.receipts] == list(range(30))
    assert [row.activity_id for row in batch.rows.activities] == [f"WS-{n}" for n in range(30) if n % 3]
    assert [rejection.offset for rejection in batch.rows.rejected] == list(range(0, 30, 3))
    origins = [dict(output.headers)["ct-origin"] for output in batch.outputs]
    assert origins == [b"activity.events.v1/0/%d" % n for n in range(30)]


def test_companies_of_the_samples():
    """The tests above have companies on the partition, and others."""
    assert len(HERE) >= 2
    assert ELSEWHERE
    assert PARTITIONS > 1


# ---- extensions


@pytest.mark.parametrize("content_type", ["application/json", None, ...], ids=["JSON", "null", "absent"])
def test_extensions_that_are_on_no_list_are_left_out_and_counted(content_type: Any):
    """The event is counted; those that are known stay, and one without a value is no loss."""
    more: dict[str, Any] = {"traceparent": "00-1", "partitionkey": "1", "nickname": "Ane", "salary": 3, "empty": None}
    batch = decide([Record(0, event(COMPANY, datacontenttype=content_type, **more))])
    (output,) = batch.outputs
    sent = json.loads(output.value or b"")
    assert statuses(batch) == ["accepted"]
    assert {"traceparent", "partitionkey"} < sent.keys()
    assert not {"nickname", "salary", "empty"} & sent.keys()
    assert batch.dropped_extensions == 2


@pytest.mark.parametrize("content_type", ["application/json", None, ...], ids=["JSON", "null", "absent"])
def test_one_extension_alone_is_left_out(content_type: Any):
    """With any number of other fields."""
    batch = decide([Record(0, event(COMPANY, datacontenttype=content_type, nickname="Ane"))])
    assert b"nickname" not in (batch.outputs[0].value or b"")
    assert batch.dropped_extensions == 1
