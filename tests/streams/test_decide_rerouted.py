"""Records that lie on the wrong partition: they are sent on once, and count where they arrive."""

import pytest
from deciding import ELSEWHERE, HERE, PLACE, decide, home
from samples import SOURCE, event
from twins import Record

from schemas.ledger import NO_PARTITION
from streams.decide import Batch

COMPANY = HERE[0]
SOUND = event(COMPANY)


def statuses(batch: Batch) -> list[str]:
    return [receipt.status for receipt in batch.rows.receipts]


def test_a_record_on_the_wrong_partition_is_sent_on():
    """It goes to its company's partition as it came, with a note of where it was; the receipt says so."""
    company = ELSEWHERE[0]
    headers = (("trace", b"\xff"), ("trace", None), ("content-type", b"application/cloudevents+json"))
    batch = decide([Record(9, event(company), key=b"any", headers=headers)])
    (output,) = batch.outputs
    assert (output.to, output.partition) == ("events", home(company))
    assert (output.key, output.value) == (b"any", event(company))
    assert output.headers == [*headers, ("ct-origin", b"activity.events.v1/0/9")]
    (receipt,) = batch.rows.receipts
    assert (receipt.status, receipt.reason) == ("rerouted", "wrong_partition")
    assert (receipt.source, receipt.activity_id, receipt.revision) == (SOURCE, "", 0)
    assert (receipt.sent_to, receipt.origin_partition) == (home(company), NO_PARTITION)
    assert (batch.rows.activities, batch.rows.rejected) == ([], [])
    assert batch.marks == {}


def test_a_record_is_sent_on_once():
    """What was sent on and still is wrong could go on forever: it is rejected, with where it came from."""
    origin = ("ct-origin", b"activity.events.v1/2/5")
    batch = decide([Record(9, event(ELSEWHERE[0]), headers=(origin,))])
    assert [(r.status, r.reason, r.source) for r in batch.rows.receipts] == [("rejected", "misrouted", SOURCE)]
    (rejection,) = batch.rows.rejected
    assert rejection.faults == (("", "misrouted", "activity.events.v1/2/5"),)
    assert [output.to for output in batch.outputs] == ["rejected"]


def test_a_record_that_was_sent_on_arrives():
    """On the right partition an origin does not matter."""
    batch = decide([Record(9, SOUND, headers=(("ct-origin", b"activity.events.v1/2/5"),))])
    assert statuses(batch) == ["accepted"]


def test_a_record_is_sent_on_and_arrives():
    """From any partition a record reaches its company's in one step, and is accepted there."""
    company = ELSEWHERE[0]
    (output,) = decide([Record(9, event(company))]).outputs
    there = PLACE._replace(partition=output.partition)
    batch = decide([Record(0, output.value, key=output.key, headers=output.headers)], place=there)
    assert statuses(batch) == ["accepted"]
    (receipt,) = batch.rows.receipts
    assert (receipt.origin_partition, receipt.origin_offset, receipt.sent_to) == (0, 9, NO_PARTITION)


@pytest.mark.parametrize(
    ("header", "origin"),
    [
        pytest.param(b"activity.events.v1/2/5", (2, 5), id="another partition"),
        pytest.param(b"activity.events.v1/2/9999999999999999999", (2, 9999999999999999999), id="largest"),
        pytest.param(b"activity.events.v1/0/5", (NO_PARTITION, 0), id="the same partition"),
        pytest.param(b"activity.events.v1/70000/5", (NO_PARTITION, 0), id="a partition that is not there"),
        pytest.param(b"other/2/5", (NO_PARTITION, 0), id="another topic"),
        pytest.param(b"activity.events.v1/2/10000000000000000000", (NO_PARTITION, 0), id="too many digits"),
        pytest.param("activity.events.v1/2/\u0665".encode(), (NO_PARTITION, 0), id="digits of another script"),
        pytest.param(b"\xff\x00/", (NO_PARTITION, 0), id="no text"),
        pytest.param(b"", (NO_PARTITION, 0), id="empty"),
        pytest.param(None, (NO_PARTITION, 0), id="none"),
    ],
)
def test_where_a_record_was_before(header: bytes | None, origin: tuple[int, int]):
    """A receipt of any status keeps the origin; what a publisher wrote into the header cannot harm."""
    batch = decide(
        [Record(9, SOUND, headers=(("ct-origin", header),)), Record(10, b"{", headers=(("ct-origin", header),))]
    )
    assert statuses(batch) == ["accepted", "rejected"]
    assert [(r.origin_partition, r.origin_offset) for r in batch.rows.receipts] == [origin, origin]


def test_origins_of_a_topic_that_was_recreated():
    """Its offsets begin at 0 again: what drops records of one origin must not drop those of another epoch."""
    again = PLACE._replace(topic_epoch=2)
    records = [Record(9, SOUND), Record(10, b"{"), Record(11, event(ELSEWHERE[0]))]
    origins = [dict(output.headers)["ct-origin"] for output in decide(records, place=again).outputs]
    assert origins == [b"activity.events.v1@2/0/%d" % offset for offset in (9, 10, 11)]
    came = [Record(12, SOUND, headers=(("ct-origin", b"activity.events.v1%b/2/5" % e),)) for e in (b"@2", b"@1", b"")]
    found = [(r.origin_partition, r.origin_offset) for r in decide(came, place=again).rows.receipts]
    assert found == [(2, 5), (NO_PARTITION, 0), (NO_PARTITION, 0)]


def test_repeats_are_sent_on_unseen():
    """Only the worker of the right partition knows what is a repeat."""
    batch = decide([Record(0, event(ELSEWHERE[0])), Record(1, event(ELSEWHERE[0]))])
    assert statuses(batch) == ["rerouted", "rerouted"]


def test_what_cannot_be_read_is_not_sent_on():
    """Without a sound subject it is unknown where a record belongs."""
    assert statuses(decide([Record(0, event(subject="12345678"))])) == ["rejected"]
