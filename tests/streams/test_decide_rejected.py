"""The pure step: records that are refused, how they are kept, and the sizes and headers that are read."""

import json
from typing import Any

import pytest
from deciding import ELSEWHERE, HERE, PLACE, decide
from samples import SOURCE, event
from twins import Record

from brokers.judging import LARGEST, MAX_HEADERS, MAX_OWN_BYTES, MAX_OWN_HEADERS
from streams.decide import MARK

COMPANY = HERE[0]
SOUND = event(COMPANY)


# ---- rejected


def test_a_rejected_record_is_kept_as_it_came():
    """Ledger and topic hold the bytes, the headers and every fault."""
    value, headers = b'{"broken": \xff', (("a", b"\x00\xff"), ("a", None))
    batch = decide([Record(11, value, timestamp=5, key=b"\xfe", headers=headers)])
    (rejection,) = batch.rows.rejected
    assert (rejection.topic, rejection.topic_epoch, rejection.partition, rejection.offset) == (PLACE[0], 0, 0, 11)
    assert (rejection.key, rejection.payload, rejection.headers) == (b"\xfe", value, headers)
    assert (rejection.log_time, rejection.source) == (5, "")
    assert [fault.code for fault in rejection.faults] == ["invalid_utf8"]
    (output,) = batch.outputs
    assert (output.to, output.partition, output.key, output.value) == ("rejected", 0, b"\xfe", value)
    assert output.headers[:2] == [*headers]
    (receipt,) = batch.rows.receipts
    assert (receipt.status, receipt.reason, receipt.log_time) == ("rejected", "invalid_utf8", 5)
    assert (receipt.activity_id, receipt.revision) == ("", 0)
    assert batch.marks == {}


def test_the_rejected_topic_says_why():
    """Headers name the reason, the place and all faults as JSON, behind the record's own headers."""
    ours = [("ct-reason", b"mine"), ("ct-origin", b"mine"), ("ct-faults", b"mine")]
    value = event(COMPANY, subject="12345678", data={"outcomes": ["\u00e6"], "cpr": "010190-1234"})
    (output,) = decide([Record(11, value, headers=ours)]).outputs
    assert output.headers[:3] == ours
    headers = dict(output.headers)
    assert headers["ct-reason"] == b"extra_field"
    assert headers["ct-origin"] == b"activity.events.v1/0/11"
    assert json.loads(headers["ct-faults"] or b"") == [
        {"field": "data.cpr", "code": "extra_field", "value": "***"},
        {"field": "subject", "code": "invalid_cvr_checksum", "value": "12345678"},
        {"field": "data.outcomes", "code": "unknown_outcome", "value": "\u00e6"},
    ]


def test_a_tombstone_is_rejected():
    """A record without a value is not an event, and affects no other."""
    batch = decide([Record(0, None, key=b"13748136")])
    assert [receipt.reason for receipt in batch.rows.receipts] == ["tombstone"]
    assert batch.rows.rejected[0].payload is None
    assert batch.outputs[0].value is None


@pytest.mark.parametrize(
    ("value", "headers", "source"),
    [
        pytest.param(event(subject="1"), (), SOURCE, id="in the value"),
        pytest.param(event(source="x", subject="1"), (), "x", id="unknown"),
        pytest.param(event(source=5), (), "", id="a number"),
        pytest.param(event(source="x" * 201), (), "", id="too long"),
        pytest.param(b"[]", (), "", id="no object"),
        pytest.param(b"{", (), "", id="broken"),
        pytest.param(b"{", (("ce_source", b"urn:x"), ("ce_id", b"1")), "urn:x", id="in a header"),
        pytest.param(b"{", (("CE_Source", b"\xff"),), "\ufffd", id="unreadable"),
    ],
)
def test_the_source_of_a_rejected_record(value: bytes, headers: tuple[tuple[str, bytes], ...], source: str):
    """Whose record it was is said where it can be read."""
    batch = decide([Record(0, value, headers=headers)])
    assert [rejection.source for rejection in batch.rows.rejected] == [source]
    assert [receipt.source for receipt in batch.rows.receipts] == [source]


@pytest.mark.parametrize("code", ["unprocessable", "not_storable"])
def test_a_condemned_record_is_rejected_unread(code: str):
    """A record that broke the worker is not looked at again; the next occurrence is the first one then."""
    batch = decide([Record(0, SOUND), Record(1, SOUND)], condemned={0: code})
    assert [(r.status, r.reason) for r in batch.rows.receipts] == [("rejected", code), ("accepted", "")]
    assert batch.rows.rejected[0].faults == (("", code, ""),)
    assert batch.rows.rejected[0].payload == SOUND
    assert [MARK.unpack(mark)[1] for mark in batch.marks.values()] == [1]


class Booby:
    """A record that kills every process that reads it."""

    offset, timestamp = 1, 5

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was touched")


def test_a_record_that_was_set_aside_is_not_touched():
    """Nothing but its place and time is read or kept; the others go on."""
    untouched: Any = Booby()
    batch = decide([Record(0, SOUND), untouched, Record(2, b"{")], condemned={1: "set_aside"})
    assert [(r.offset, r.status, r.reason) for r in batch.rows.receipts] == [
        (0, "accepted", ""),
        (1, "rejected", "set_aside"),
        (2, "rejected", "invalid_json"),
    ]
    kept = batch.rows.rejected[0]
    assert (kept.offset, kept.log_time, kept.source, kept.headers, kept.key, kept.payload) == (1, 5, "", (), None, None)
    assert kept.faults == (("", "set_aside", ""),)
    (_, output, _) = batch.outputs
    assert (output.to, output.key, output.value) == ("rejected", None, None)
    assert dict(output.headers)["ct-reason"] == b"set_aside"


def test_the_faults_of_one_record_stay_small():
    """A record of nothing but faults fits its topic with all its faults."""
    fields = {f"\U0001f41f{n}" * 70: 0 for n in range(3000)}
    (output,) = decide([Record(0, event(data=fields))]).outputs
    assert len(dict(output.headers)["ct-faults"] or b"") < 200_000


# ---- sizes


def padded(size: int, **fields: Any) -> bytes:
    """An event of a given size."""
    sound = event(COMPANY, **fields)
    return sound + b" " * (size - len(sound))


def test_the_largest_record_that_is_read():
    """What is larger could not be sent on or enriched within the limits of the topics: it is refused at once."""
    batch = decide([Record(0, padded(LARGEST)), Record(1, padded(LARGEST + 1)), Record(2, padded(LARGEST), key=b"k")])
    assert [(r.status, r.reason) for r in batch.rows.receipts] == [
        ("accepted", ""),
        ("rejected", "too_long"),
        ("rejected", "too_long"),
    ]
    assert batch.rows.rejected[0].faults == (("", "too_long", str(LARGEST + 1)),)
    assert batch.outputs[1].value == padded(LARGEST + 1)


def test_headers_count():
    """A record is as large as its headers make it."""
    batch = decide([Record(0, SOUND, headers=(("x", b"x" * LARGEST),)), Record(1, SOUND, headers=(("x", b"x"),))])
    assert [receipt.reason for receipt in batch.rows.receipts] == ["too_long", ""]


AT_THE_LIMIT = {
    "headers": Record(7, event(ELSEWHERE[0]), headers=[(f"h{n}", b"") for n in range(MAX_HEADERS)]),
    "bytes": Record(7, event(ELSEWHERE[0]) + b" " * (LARGEST - len(event(ELSEWHERE[0])))),
    "bytes of headers": Record(
        7, event(ELSEWHERE[0]), headers=[("h", b"x" * (LARGEST - len(event(ELSEWHERE[0])) - 11))]
    ),
}
"""Records that are as large as they may be, of another partition."""


@pytest.mark.parametrize("limit", AT_THE_LIMIT)
def test_what_the_pipeline_adds_does_not_count(limit: str):
    """A record that is right as it came is right on the partition to which it is sent on, and as a replay."""
    record = AT_THE_LIMIT[limit]
    (sent,) = decide([record]).outputs
    assert sent.to == "events"
    replayed = [*sent.headers, ("ct-replays", b"1"), ("ct-replay-of", b"activity.events.v1@12/65535/" + b"9" * 19)]
    arrived = Record(8, sent.value, key=sent.key, headers=replayed)
    batch = decide([arrived], place=PLACE._replace(partition=sent.partition))
    assert [receipt.status for receipt in batch.rows.receipts] == ["accepted"]


@pytest.mark.parametrize("limit", AT_THE_LIMIT)
def test_what_was_sent_on_is_kept_as_it_came(limit: str):
    """If it is rejected there, its origin and all its bytes are kept."""
    (sent,) = decide([AT_THE_LIMIT[limit]]).outputs
    record = Record(8, sent.value, key=sent.key, headers=sent.headers)
    batch = decide([record], place=PLACE._replace(partition=next(n for n in range(3) if n not in (0, sent.partition))))
    (receipt,) = batch.rows.receipts
    assert (receipt.reason, receipt.origin_partition, receipt.origin_offset) == ("misrouted", 0, 7)
    assert list(batch.rows.rejected[0].headers) == sent.headers
    assert batch.rows.rejected[0].source
    assert batch.outputs[0].value == sent.value


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        pytest.param([("h", b"")] * MAX_HEADERS + [("ct-x", b"")] * MAX_OWN_HEADERS, "", id="as many as may be"),
        pytest.param([("h", b"")] * (MAX_HEADERS + 1), "too_many_headers", id="one more"),
        pytest.param([("ct-x", b"")] * (MAX_HEADERS + MAX_OWN_HEADERS + 1), "too_many_headers", id="only own ones"),
        pytest.param([("ct-x", b"x" * (MAX_OWN_BYTES + LARGEST))], "too_long", id="a long one"),
    ],
)
def test_what_claims_to_be_the_pipelines_own_is_bounded(headers: list[tuple[str, bytes | None]], reason: str):
    """Anyone can write such headers, so they are free of charge up to a bound only."""
    (receipt,) = decide([Record(0, SOUND, headers=headers)]).rows.receipts
    assert receipt.reason == reason


def test_a_record_beyond_the_rejected_topic_is_kept_by_the_ledger():
    """Compression brings any size past the broker: then the topic says what it was, and the ledger holds the bytes."""
    huge = padded(3_000_000)
    batch = decide([Record(4, huge, key=b"k", headers=(("h", b"h"),))])
    (rejection,) = batch.rows.rejected
    assert (rejection.payload, rejection.key, rejection.headers) == (huge, b"k", (("h", b"h"),))
    assert rejection.source == ""
    (output,) = batch.outputs
    assert (output.key, output.value) == (None, None)
    assert [name for name, _ in output.headers] == ["ct-reason", "ct-faults", "ct-origin"]


# ---- headers


@pytest.mark.parametrize(
    ("headers", "faults"),
    [
        pytest.param([("Content-Type", b"application/cloudevents+json")], [], id="capitals"),
        pytest.param([("content-type", b"application/cloudevents+json")] * 2, [], id="the same twice"),
        pytest.param([("traceparent", b"\xff"), ("x", None)], [], id="others"),
        pytest.param(
            [("content-type", b"application/cloudevents+json"), ("content-type", b"application/json")],
            [("datacontenttype", "invalid_header")],
            id="two modes",
        ),
        pytest.param(
            [("Content-type", b"application/cloudevents+json"), ("content-Type", None)],
            [("datacontenttype", "invalid_header")],
            id="a mode and none",
        ),
    ],
)
def test_headers_of_an_event(headers: list[tuple[str, bytes | None]], faults: list[tuple[str, str]]):
    """Names are read without regard to case; the same header with two values counts as neither."""
    batch = decide([Record(0, SOUND, headers=headers)])
    assert [(f.field, f.code) for rejection in batch.rows.rejected for f in rejection.faults] == faults


@pytest.mark.parametrize(
    "ids", [[b"a", b"b"], [b"a", b"b", b"b"], [b"a", b"b", b"a"], [None, b"a"], [b"a", None], [b"", b"a"]]
)
def test_an_attribute_twice(ids: list[bytes | None]):
    """An attribute with two values is rejected in either order, and shown with both."""
    sound = json.loads(SOUND)
    headers = [(f"ce_{name}", value.encode()) for name, value in sound.items() if name not in {"data", "id"}]
    batch = decide([Record(0, json.dumps(sound["data"]).encode(), headers=[*headers, *(("ce_id", i) for i in ids)])])
    (rejection,) = batch.rows.rejected
    assert [(f.field, f.code) for f in rejection.faults] == [("id", "invalid_header")]
