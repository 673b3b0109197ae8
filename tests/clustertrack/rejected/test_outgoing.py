"""What is sent in place of a rejected record."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from samples import CLUSTERS, CVRS, SOURCE, event

from brokers.partitioning import key_hash
from brokers.record_headers import read_headers
from clustertrack.rejected.outgoing import Outgoing, as_edited, as_replay, company_of
from clustertrack.rejected.records import RejectedRecord, WrittenAddress, read_address, replays_of
from schemas.addresses import RecordAddress
from schemas.errors import UsageFault
from schemas.events import Activity, read_event
from schemas.faults import Fault
from sources.topic_producer import MAX_RECORD

PLACE = RecordAddress("activity.events.v1", 0, 3, 17)
PARTITIONS = 12
NOW = 1_790_000_000_000
NEW_ID = "169527f4-e5f9-50ba-9f8f-3a8d575c56a8"
"""The id of an event that was edited in place of the record."""
STRUCTURED = ("content-type", b"application/cloudevents+json; charset=utf-8")


def record(value: bytes | None = None, **changes: Any) -> RejectedRecord:
    """A rejected record; its value is a valid event unless said otherwise."""
    fields: dict[str, Any] = {
        "place": PLACE,
        "log_time": datetime(2026, 11, 1, tzinfo=UTC),
        "source": SOURCE,
        "faults": (Fault("source", "unknown_source", SOURCE),),
        "headers": (),
        "key": b"%08d" % CVRS[0],
        "payload": event() if value is None else value,
    }
    return RejectedRecord(**{**fields, **changes})


def replay(rejected: RejectedRecord, limit: int = 3) -> Outgoing:
    """The record once more; fails where it is refused."""
    made = as_replay(rejected, partitions=PARTITIONS, limit=limit, can_return=True)
    assert isinstance(made, Outgoing), made
    return made


def accepted(value: bytes) -> tuple[Activity, dict[str, Any]]:
    """The activity of an event that has no fault, and what it carries."""
    found = read_event(value, None, NOW, CLUSTERS)
    assert isinstance(found, tuple)
    return found


def edit(rejected: RejectedRecord, value: object) -> Outgoing:
    """The edited record; fails where it is refused."""
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    made = as_edited(rejected, text, partitions=PARTITIONS, can_return=True)
    assert isinstance(made, Outgoing), made
    return made


def home(company: int) -> int:
    """The partition of a company."""
    return key_hash(b"%08d" % company) % PARTITIONS


def test_a_replay_is_the_record_itself():
    """Key, value and headers as they came, in their order, then two headers of ours and the line that it came from."""
    headers = (
        ("x-crm", b"\xff"),
        ("content-type", b"application/cloudevents+json"),
        ("x-crm", b""),
        ("ct-line", b"a.csv:2"),
    )
    rejected = record(headers=headers)
    assert replay(rejected) == Outgoing(
        partition=home(CVRS[0]),
        key=rejected.key,
        value=rejected.payload,
        headers=(*headers[:-1], ("ct-replays", b"1"), ("ct-replay-of", b"activity.events.v1/3/17"), headers[-1]),
        replays=1,
        edited=False,
    )


def test_headers_of_the_pipeline_are_replaced():
    """What told of the old record's way is dropped, replays are counted on, an edit stays named; null says nothing."""
    headers = (
        ("ct-origin", b"activity.events.v1/1/5"),
        ("CT-Replays", b"1"),
        ("ct-replay-of", b"activity.events.v1/1/1"),
        ("ct-edited-from", b"activity.events.v1/0/0"),
        ("ct-reason", b"misrouted"),
        ("ce_nothing", None),
        ("traceparent", b"00-1"),
    )
    made = replay(record(headers=headers))
    assert made.headers == (
        ("traceparent", b"00-1"),
        ("ct-replays", b"2"),
        ("ct-replay-of", b"activity.events.v1/3/17"),
        ("ct-edited-from", b"activity.events.v1/0/0"),
    )
    assert made.replays == 2


BINARY = (("ce_specversion", b"1.0"), ("ce_subject", b"DK 13 74 81 36"), ("content-type", b"application/json"))


@pytest.mark.parametrize(
    ("rejected", "partition"),
    [
        pytest.param(record(), home(CVRS[0]), id="structured"),
        pytest.param(record(event(CVRS[3]), key=b"any"), home(CVRS[3]), id="key of another company"),
        pytest.param(record(key=None), home(CVRS[0]), id="no key"),
        pytest.param(record(b"{}", headers=BINARY), home(13748136), id="binary mode"),
        pytest.param(record(b"{}", headers=(*BINARY, ("CE_subject", b"x"))), 3, id="two subjects"),
        pytest.param(record(event(subject="12345678")), 3, id="wrong CVR number"),
        pytest.param(record(event(subject=7)), 3, id="subject that is no text"),
        pytest.param(record(b"{"), 3, id="not JSON"),
        pytest.param(record(b"[1]"), 3, id="no object"),
        pytest.param(record(b"\xff\xfe"), 3, id="no text"),
        pytest.param(record(headers=(("content-type", b"\xff"),)), 3, id="unreadable content type"),
        pytest.param(record(b"{", place=PLACE._replace(partition=14)), 2, id="partition that is gone"),
    ],
)
def test_a_replay_goes_to_the_partition_of_its_company(rejected: RejectedRecord, partition: int):
    """Anywhere in the topic; where no company can be read, it stays where it was."""
    assert replay(rejected).partition == partition


def test_a_misrouted_record_is_accepted_after_its_replay():
    """On the right partition and without its stale origin, nothing of its misfortune is left."""
    rejected = record(headers=(("ct-origin", b"elsewhere/0/1"), STRUCTURED))
    made = replay(rejected)
    assert made.partition == home(CVRS[0])
    assert "ct-origin" not in dict(made.headers)
    judged = read_event(made.value, read_headers(made.headers).event, NOW, CLUSTERS)
    assert isinstance(judged, tuple)


@pytest.mark.parametrize(
    ("headers", "count"),
    [
        pytest.param((), 0, id="never"),
        pytest.param((("ct-replays", b"2"),), 2, id="twice"),
        pytest.param((("ct-replays", b"2"), ("CT-REPLAYS", b"3")), 3, id="the last counts"),
        pytest.param((("ct-replays", b"-1"),), 0, id="negative"),
        pytest.param((("ct-replays", "٣".encode()),), 0, id="digits of another script"),
        pytest.param((("ct-replays", b"99999"),), 0, id="absurd"),
        pytest.param((("ct-replays", None),), 0, id="null"),
    ],
)
def test_replays_are_counted_by_a_header(headers, count: int):
    """What is no number was not written by us."""
    assert replays_of(headers) == count


@pytest.mark.parametrize(
    ("rejected", "can_return", "why"),
    [
        pytest.param(record(headers=(("ct-replays", b"3"),)), True, "3 times and always rejected", id="at the limit"),
        pytest.param(record(headers=(("ct-replays", b"9"),)), True, "which is the limit", id="beyond the limit"),
        pytest.param(record(payload=None), True, "no value", id="tombstone"),
        pytest.param(record(), False, "compacted", id="register"),
        pytest.param(record(b"x" * MAX_RECORD), True, "more than the topic takes", id="too large"),
        pytest.param(record(headers=(("h", b"x" * MAX_RECORD),)), True, "more than", id="too large a header"),
    ],
)
def test_what_is_not_sent_again(rejected: RejectedRecord, can_return: bool, why: str):
    """A sentence says why, and what to do instead."""
    refused = as_replay(rejected, partitions=PARTITIONS, limit=3, can_return=can_return)
    assert isinstance(refused, str)
    assert why in refused


def test_the_limit_says_what_to_do():
    """At the limit only an edit or a discard is left, and the sentence names both."""
    refused = as_replay(record(headers=(("ct-replays", b"3"),)), partitions=PARTITIONS, limit=3, can_return=True)
    assert refused == (
        "it was sent again 3 times and always rejected, which is the limit: fix it (clustertrack rejected replay "
        "activity.events.v1/3/17 --edit FILE) or discard it with a note"
    )


def test_an_edited_record_is_a_new_event():
    """A new id, the key and partition of the company it now has, the old record named, the replays counted from 0."""
    rejected = record(event(subject="12345678"), key=b"12345678", headers=(("ct-replays", b"3"), ("x", b"y")))
    corrected = json.loads(event(CVRS[2]))
    made = edit(rejected, corrected)
    assert json.loads(made.value) == {**corrected, "id": NEW_ID}
    assert made.headers == (("x", b"y"), STRUCTURED, ("ct-edited-from", b"activity.events.v1/3/17"))
    assert (made.key, made.partition) == (b"%08d" % CVRS[2], home(CVRS[2]))
    assert (made.replays, made.edited) == (0, True)


def test_an_edit_that_is_sent_twice_is_one_event():
    """Its id follows from the address of the rejected record, also where the file has none: it is counted once."""
    corrected = event(data={"activity_id": ..., "occurred_on": ...}, id=...)
    first, second = (edit(record(), corrected) for _ in range(2))
    other = edit(record(place=PLACE._replace(offset=18)), corrected)
    assert first == second
    judged, elsewhere = (accepted(made.value) for made in (first, other))
    assert (judged[0].event_id, judged[0].activity_id) == (NEW_ID, NEW_ID)
    assert elsewhere[0].activity_id != NEW_ID


def test_an_edited_event_stays_the_same_activity():
    """An event whose id was its activity keeps that, and the Danish day of its time: its publisher may correct it."""
    broken = json.loads(event(time="2018-05-03T23:30:00+00:00", data={"activity_id": ..., "occurred_on": ...}))
    made = edit(record(b"{"), broken)
    sent = json.loads(made.value)
    assert sent["id"] == NEW_ID
    assert sent["data"] == {"activity_id": broken["id"], "occurred_on": "2018-05-04"}
    (was, _), (now, _) = (accepted(json.dumps(e).encode()) for e in (broken, sent))
    assert was._replace(event_id="") == now._replace(event_id="")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param({"activity_id": "WS-1@2018-05-03T14:05:09Z", "occurred_on": ...}, id="its id as activity"),
        pytest.param({"activity_id": ..., "occurred_on": "2018-02-01"}, id="day given"),
        pytest.param({"activity_id": "WS-9", "occurred_on": "2018-02-01"}, id="both given"),
    ],
)
def test_the_edited_event_counts_as_the_old_one_would(data):
    """Same activity and same day as the event of that file under its old id."""
    corrected = event(data=data)
    (was, _), (now, _) = accepted(corrected), accepted(edit(record(), corrected).value)
    assert was._replace(event_id="") == now._replace(event_id="")


def test_an_edited_retraction_gets_no_day():
    """A retraction takes none, and always names its activity."""
    data = {"activity_id": "WS-1", "occurred_on": ..., "reason": "entered twice"}
    retraction = event(type="org.clustertrack.activity.retracted.v1", data=data)
    sent = json.loads(edit(record(), retraction).value)
    assert sent["data"] == {"activity_id": "WS-1", "reason": "entered twice"}


def binary(**attributes: str) -> tuple[tuple[str, bytes], ...]:
    """Headers of a valid event in binary mode."""
    whole = json.loads(event())
    named = {**{name: value for name, value in whole.items() if name != "data"}, **attributes}
    return (*((f"ce_{name}", value.encode()) for name, value in named.items()), ("content-type", b"application/json"))


def test_the_data_of_a_record_in_binary_mode_is_edited():
    """The attributes stay in their headers, with a new id; the data keeps naming the activity."""
    made = edit(record(b"{", headers=binary(id="old-id")), {"title": "Bread"})
    headers = dict(made.headers)
    assert (headers["ce_id"], headers["ce_source"]) == (NEW_ID.encode(), SOURCE.encode())
    assert json.loads(made.value) == {"title": "Bread", "activity_id": "old-id", "occurred_on": "2018-05-03"}
    assert company_of(made.value, made.headers) == CVRS[0]
    assert isinstance(read_event(made.value, read_headers(made.headers).event, NOW, CLUSTERS), tuple)


def test_a_whole_event_replaces_a_record_in_binary_mode():
    """Where the headers are what is wrong, a file with the whole event fixes them."""
    made = edit(record(b"{}", headers=(("ce_id", b"\xff"), ("content-type", b"image/png"), ("x", b"y"))), event())
    assert [name for name, _ in made.headers] == ["x", "content-type", "ct-edited-from"]
    assert isinstance(read_event(made.value, read_headers(made.headers).event, NOW, CLUSTERS), tuple)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        pytest.param(b"{", "not JSON", id="no JSON"),
        pytest.param(b"\xff", "not JSON", id="no text"),
        pytest.param(b"[]", "not one JSON object", id="list"),
        pytest.param(b"", "not JSON", id="empty file"),
    ],
)
def test_an_edit_must_be_an_object(value: bytes, words: str):
    """What could not even be given an id is not sent."""
    with pytest.raises(UsageFault, match=words):
        edit(record(), value)


def test_an_edit_that_is_still_wrong_is_sent():
    """The worker is the judge: no id of an activity is invented where none can be told, and the place stays."""
    made = edit(record(), {"source": SOURCE, "time": "yesterday", "id": 7, "data": []})
    assert json.loads(made.value) == {"source": SOURCE, "time": "yesterday", "id": NEW_ID, "data": []}
    assert (made.key, made.partition) == (record().key, PLACE.partition)
    made = edit(record(), {"id": "a", "time": "0001-01-01T00:00:00+14:00", "data": {}})
    assert json.loads(made.value)["data"] == {"activity_id": "a"}


@pytest.mark.parametrize(
    ("topic", "command"),
    [
        pytest.param("companies.v1", "companies load FILE", id="register"),
        pytest.param("registry.v1", "registry load FILE", id="registry"),
        pytest.param("keys.v1", "keys create or revoke", id="keys"),
    ],
)
def test_compacted_topics_take_no_single_records(topic: str, command: str):
    """Neither again nor edited; the command that sends a new version is named."""
    one = record(place=PLACE._replace(topic=topic))
    for said in (
        as_edited(one, b"{}", partitions=4, can_return=False),
        as_replay(one, partitions=4, limit=3, can_return=False),
    ):
        assert f"send a new version (clustertrack {command}) and discard it" in str(said)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        pytest.param("activity.events.v1/2/17", WrittenAddress("activity.events.v1", None, 2, 17), id="plain"),
        pytest.param("a_b-c@1/0/0", WrittenAddress("a_b-c", 1, 0, 0), id="epoch"),
    ],
)
def test_places_are_read_as_they_are_written(text: str, place: WrittenAddress):
    """A place reads back; without an epoch, none is guessed."""
    assert read_address(text) == place
    assert str(place) == text


@pytest.mark.parametrize("text", ["", "topic/1", "topic/1/-2", "topic/1/2/3", "to pic/1/2", "topic/x/2", "t/1/٣"])
def test_other_texts_are_no_places(text: str):
    """One sentence, with an example."""
    with pytest.raises(UsageFault, match="for example"):
        read_address(text)


def test_a_place_names_its_epoch_only_where_there_was_another():
    """The first life of a topic is its plain name."""
    assert str(RecordAddress("t", 0, 1, 2)) == "t/1/2"
    assert str(RecordAddress("t", 3, 1, 2)) == "t@3/1/2"
