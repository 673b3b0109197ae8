"""Requests against a collector in memory: keys, limits, judgement, answers."""

import asyncio
import gzip
import itertools
import json
from collections.abc import Callable, MutableMapping
from typing import Any

import pytest
from collector_bench import ATTRIBUTES, BATCH, DATA, KEY, LINES, OTHER_KEY, STRUCTURED, WATER, WATER_KEY, Bench
from samples import CVRS, SOURCE, event

from sources.collector.collector import Answer
from sources.collector.delivery import NotTakenError


def batch(*events: bytes) -> bytes:
    return b"[" + b",".join(events) + b"]"


BAD = event(company=12345678)
FOREIGN = event(source=WATER)


def test_an_event_is_accepted_with_its_place():
    """The record is the bytes that were sent, under the company's number."""
    bench = Bench()
    status, said = bench.send(event())
    assert status == 202
    place = {"topic": "activity.events.v1", "partition": 0, "offset": 0}
    only = {"index": 0, "id": "WS-1@2018-05-03T14:05:09Z", "source": SOURCE, "status": "accepted", **place}
    assert said == {"accepted": 1, "rejected": 0, "unconfirmed": 0, "events": [only]}
    [record] = bench.delivery.sent
    assert (record.key, record.value) == (b"13748136", event())
    assert list(record.headers) == [("content-type", b"application/cloudevents+json")]


def test_the_same_event_again_is_answered_and_not_sent():
    """With its first place; other bytes under the same id are another record, on which the workers decide."""
    bench = Bench()
    bench.send(event())
    status, said = bench.send(event())
    assert (status, said["events"][0]["offset"], len(bench.delivery.sent)) == (202, 0, 1)
    status, said = bench.send(event(data={"title": "x"}))
    assert (status, said["events"][0]["offset"], len(bench.delivery.sent)) == (202, 1, 2)


@pytest.mark.parametrize(
    ("events", "status", "statuses"),
    [
        pytest.param([], 202, "", id="none"),
        pytest.param([event(), event(activity="b")], 202, "aa", id="all good"),
        pytest.param([BAD, event(), b"7"], 207, "rar", id="some bad"),
        pytest.param([BAD, BAD], 422, "rr", id="all bad"),
        pytest.param([FOREIGN, FOREIGN], 403, "rr", id="all of another cluster"),
        pytest.param([FOREIGN, BAD], 422, "rr", id="bad, one of another cluster"),
        pytest.param([event(), FOREIGN], 207, "ar", id="one of another cluster"),
    ],
)
@pytest.mark.parametrize("publish", [True, False], ids=["published", "validated"])
def test_the_status_says_how_many(events: list[bytes], status: int, statuses: str, publish: bool):
    """One answer for each event, in the order sent; the good ones are published. Validating publishes nothing."""
    bench = Bench()
    answer = bench.answer(batch(*events), BATCH, publish=publish)
    said = json.loads(answer.body)
    assert answer.status == status
    assert answer.media_type == ("application/problem+json" if status == 403 else "application/json")
    assert "".join(one["status"][0] for one in said["events"]) == statuses
    assert [one["index"] for one in said["events"]] == list(range(len(events)))
    assert (said["accepted"], said["rejected"]) == (statuses.count("a"), statuses.count("r"))
    assert len(bench.delivery.sent) == (statuses.count("a") if publish else 0)
    assert said.get("published", True) is publish


def test_all_faults_of_an_event():
    """Each with its field, code, value and what to do."""
    faulty = event(company=12345678, time="yesterday", specversion="2", data={"email": "x@example.org"})
    status, said = Bench().send(faulty)
    faults = {one["field"]: one for one in said["events"][0]["faults"]}
    assert status == 422
    assert {name: one["code"] for name, one in faults.items()} == {
        "subject": "invalid_cvr_checksum",
        "time": "invalid_time",
        "specversion": "unsupported_specversion",
        "data.email": "extra_field",
    }
    assert faults["subject"]["value"] == "12345678"
    assert faults["data.email"]["value"] == "***"
    assert faults["time"]["message"] == "not an RFC 3339 time: write it as 2018-05-03T14:05:09+02:00"


def test_an_answer_does_not_grow_without_end():
    """After so many faults only the first of each further event is listed, and how many are left out."""
    extensions: dict[str, Any] = {f"x{n}": [] for n in range(50)}
    bad = event(**extensions)
    _, said = Bench(lines_bytes=10_000_000, held_bytes=10_000_000).send(b"\n".join([bad] * 300), LINES)
    listed = [len(one["faults"]) for one in said["events"]]
    assert listed[0] == 50
    assert listed[-1] == 1
    assert said["events"][-1]["faults_left_out"] == 49
    assert sum(listed) < 10_300


def test_binary_mode():
    """The attributes are headers, here and in the record."""
    bench = Bench()
    status, said = bench.send(DATA, "application/json; charset=utf-8", **ATTRIBUTES)
    assert (status, said["events"][0]["id"]) == (202, "7")
    [record] = bench.delivery.sent
    assert record.value == DATA
    assert dict(record.headers)["content-type"] == b"application/json; charset=utf-8"
    assert dict(record.headers)["ce_time"] == b"2018-05-03T14:05:09Z"


def test_lines_are_judged_one_by_one():
    """A line that is no event is one rejected event."""
    status, said = Bench().send(b"\n".join([event(), b"", BAD, b"{", event(activity="b")]), LINES)
    assert status == 207
    assert [one["status"] for one in said["events"]] == ["accepted", "rejected", "rejected", "accepted"]


def test_an_event_that_is_too_long():
    """It is rejected alone, in a list and in lines."""
    long = event(data={"title": "x" * 1_100_000})
    bench = Bench(body_bytes=5_000_000, lines_bytes=5_000_000, held_bytes=20_000_000)
    for content_type, body in ((STRUCTURED, long), (BATCH, batch(long, event())), (LINES, long + b"\n" + event())):
        _, said = bench.send(body, content_type)
        assert said["events"][0]["faults"][0]["code"] == "too_long"
        assert all(one["status"] == "accepted" for one in said["events"][1:])


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({"authorization": ""}, 401, id="none"),
        pytest.param({"authorization": f"Bearer {OTHER_KEY}"}, 401, id="unknown"),
        pytest.param({"authorization": f"Basic {KEY}"}, 401, id="another scheme"),
        pytest.param({"authorization": f"Bearer {KEY}"}, 202, id="bearer"),
        pytest.param({"authorization": f"bearer  {KEY} "}, 202, id="bearer, spelt otherwise"),
        pytest.param({"authorization": "", "x_api_key": KEY}, 202, id="X-API-Key"),
        pytest.param({"authorization": f"Bearer {OTHER_KEY}", "x_api_key": KEY}, 401, id="two"),
        pytest.param({"authorization": f"Bearer {WATER_KEY}"}, 403, id="another cluster's"),
    ],
)
def test_keys(headers: dict[str, Any], status: int):
    """Nothing is published without one, nor for another cluster; the body of a stranger is not read."""
    bench = Bench()
    answer = bench.answer(event(), **headers)
    assert answer.status == status
    assert len(bench.delivery.sent) == (status == 202)
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)


@pytest.mark.parametrize(
    ("make", "status", "code"),
    [
        pytest.param(lambda b: b.answer(b"{}", "application/json"), 415, "unsupported_media_type", id="media type"),
        pytest.param(
            lambda b: b.answer(event(), content_encoding="br"), 415, "unsupported_encoding", id="unknown encoding"
        ),
        pytest.param(
            lambda b: b.answer(event(), content_encoding="gzip"), 400, "damaged_gzip", id="no gzip, though it says so"
        ),
        pytest.param(
            lambda b: b.answer(gzip.compress(event())[:-9], content_encoding="gzip"), 400, "damaged_gzip", id="cut off"
        ),
        pytest.param(
            lambda b: b.answer(gzip.compress(b"") * 200, content_encoding="gzip"), 400, "damaged_gzip", id="empty parts"
        ),
        pytest.param(
            lambda b: b.answer(gzip.compress(bytes(5 << 20)), content_encoding="gzip"), 413, "body_too_large", id="bomb"
        ),
        pytest.param(lambda b: b.answer(bytes(200_001)), 413, "body_too_large", id="too large"),
        pytest.param(lambda b: b.answer(b"", content_length="200001"), 413, "body_too_large", id="says so"),
        pytest.param(lambda b: b.answer(b"[", BATCH), 400, "unreadable_body", id="no list"),
        pytest.param(lambda b: b.answer(batch(*[b"1"] * 21), BATCH), 413, "too_many_events", id="too many"),
        pytest.param(lambda b: b.answer(b"[[" + b"[]," * 50_000 + b"1]]", BATCH), 413, "too_many_parts", id="parts"),
        pytest.param(lambda b: b.answer(b"\n" * 1000, LINES), 413, "too_many_events", id="blank lines"),
        pytest.param(lambda b: asyncio.run(b.serve([b"{", b'"'])), 408, "too_slow", id="half a body"),
    ],
)
def test_requests_that_are_refused_as_a_whole(make: Callable[[Bench], Answer], status: int, code: str):
    """With problem details; nothing is published, and nothing stays held."""
    bench = Bench()
    answer = make(bench)
    said = json.loads(answer.body)
    assert (answer.status, said["status"], said["code"]) == (status, status, code)
    assert answer.media_type == "application/problem+json"
    assert said["type"] == "about:blank"
    assert said["detail"]
    assert bench.delivery.sent == []
    assert bench.budget.held == 0


def test_gzip_in_several_parts():
    """As `gzip` writes files that were appended to."""
    body = gzip.compress(event()[:50]) + gzip.compress(event()[50:])
    assert Bench().send(body, content_encoding="gzip")[0] == 202


def test_a_client_that_goes_away_is_not_answered():
    """What it had sent of an event is forgotten."""
    bench = Bench()
    assert asyncio.run(bench.serve([b"{", None])) is None
    assert bench.delivery.sent == []


@pytest.mark.parametrize(
    ("pieces", "status", "code"),
    [
        pytest.param([event() + b"\n", b"{"], 408, "too_slow", id="slow"),
        pytest.param([event() + b"\n", b"x" * 400_001], 413, "body_too_large", id="too large"),
        pytest.param([event() + b"\n", b"1\n" * 300], 413, "too_many_events", id="too many"),
        pytest.param([event() + b"\n", b"1\n" * 299 + b"1", b""], 413, "too_many_events", id="one too many, unended"),
    ],
)
def test_lines_that_end_badly(pieces: list[bytes], status: int, code: str):
    """What was sent before is answered for."""
    bench = Bench()
    answer = asyncio.run(bench.serve(list(pieces), LINES))
    said = json.loads(answer.body)
    assert (answer.status, said["code"]) == (status, code)
    assert said["events"][0]["status"] == "accepted"
    assert len(bench.delivery.sent) == 1


@pytest.mark.parametrize("end", [b"", b"\n"], ids=["no end", "end"])
def test_as_many_lines_as_there_may_be(end: bytes):
    """All of them are answered for, whether the last one has an end or not."""
    status, said = Bench().send(b"\n".join([event()] * 300) + end, LINES)
    assert (status, len(said["events"])) == (202, 300)


def test_kafka_confirms_a_part():
    """The answer says which are kept, and which may be sent again; those are not remembered as confirmed."""
    bench = Bench()
    bench.delivery.confirms = 2
    events = [event(activity=f"WS-{n}") for n in range(3)]
    answer = bench.answer(batch(*events), BATCH)
    said = json.loads(answer.body)
    assert (answer.status, said["code"], answer.headers["Retry-After"]) == (503, "unconfirmed", "5")
    assert [one["status"] for one in said["events"]] == ["accepted", "accepted", "unconfirmed"]
    bench.delivery.confirms = 10
    assert bench.send(batch(*events), BATCH)[0] == 202
    assert len(bench.delivery.sent) == 4


@pytest.mark.parametrize(("away", "code"), [(True, "kafka_away"), (False, "busy")], ids=["away", "full"])
@pytest.mark.parametrize("content_type", [BATCH, LINES], ids=["batch", "lines"])
def test_nothing_is_taken(away: bool, code: str, content_type: str):
    """What is rejected is rejected, the rest may be sent again."""
    bench = Bench()
    bench.delivery.refuses = NotTakenError(away=away)
    body = batch(BAD, event()) if content_type == BATCH else BAD + b"\n" + event()
    answer = bench.answer(body, content_type)
    said = json.loads(answer.body)
    assert (answer.status, said["code"]) == (503, code)
    assert [one["status"] for one in said["events"]] == ["rejected", "unconfirmed"]
    assert int(answer.headers["Retry-After"]) > 0


def test_every_line_is_answered_while_nothing_is_taken():
    """Also the last one, which no line end follows, and those of later pieces."""
    bench = Bench()
    bench.delivery.refuses = NotTakenError(away=True)
    lines = [event(activity=f"WS-{number}") for number in range(5)]
    answer = asyncio.run(bench.serve([b"\n".join(lines[:3]), b"\n" + lines[3] + b"\n" + lines[4], b""], LINES))
    said = json.loads(answer.body)
    assert (answer.status, said["code"], said["unconfirmed"]) == (503, "kafka_away", 5)


def test_what_takes_long_to_judge_counts_for_more(monkeypatch: pytest.MonkeyPatch):
    """A key whose events need the CPU for a second has used what it may send in a second."""
    bench = Bench(events_per_second=10, burst_seconds=1)
    assert bench.answer(BAD).status == 422
    assert bench.answer(BAD).status == 422
    monkeypatch.setattr("sources.collector.work.time.thread_time", itertools.count().__next__)
    assert bench.answer(BAD).status == 422
    assert bench.answer(BAD).status == 429


def test_personal_data_is_masked_in_answers():
    """Also in the id that an answer repeats."""
    _, said = Bench().send(event(id="jens@example.dk", source="https://x.example/jens@example.dk"))
    assert "jens@" not in json.dumps(said)


@pytest.mark.parametrize("registry", [True, False], ids=["keys", "registry"])
def test_what_is_not_known_yet(registry: bool):
    """Before all keys are read a revoked one would work; before there is a registry nothing can be judged."""
    bench = Bench()
    if registry:
        bench.waits_for = "the keys are being read"
    else:
        bench.collector.inspector = None
    answer = bench.answer(event())
    assert (answer.status, json.loads(answer.body)["code"], answer.headers["Retry-After"]) == (503, "not_ready", "5")


def test_a_key_that_sends_too_much():
    """It waits, and others do not; a list that is larger than what is left is taken, and waited for afterwards."""
    bench = Bench(events_per_second=2, burst_seconds=2)
    assert bench.send(batch(*[event(activity=f"WS-{n}") for n in range(10)]), BATCH)[0] == 202
    answer = bench.answer(event())
    assert (answer.status, json.loads(answer.body)["code"]) == (429, "rate_limited")
    assert int(answer.headers["Retry-After"]) in (3, 4)
    assert bench.answer(FOREIGN, authorization=f"Bearer {WATER_KEY}").status == 202


def test_too_many_requests_at_once():
    """Those beyond the limit are sent away at once, however slow the others are."""
    bench = Bench(idle_seconds=5, body_seconds=5)

    async def run() -> list[int]:
        slow = [asyncio.create_task(bench.collector.serve(HEADERS, never, publish=True)) for _ in range(4)]
        await asyncio.sleep(0)
        answer = await bench.collector.serve(HEADERS, never, publish=True)
        for task in slow:
            task.cancel()
        await asyncio.gather(*slow, return_exceptions=True)
        return [answer.status]

    async def never() -> MutableMapping[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    assert asyncio.run(run()) == [503]


HEADERS = [(b"authorization", b"Bearer " + KEY.encode()), (b"content-type", STRUCTURED.encode())]


def test_bodies_do_not_take_more_memory_than_there_is():
    """A body for which there is no room is sent away."""
    bench = Bench(held_bytes=100_000)
    answer = bench.answer(bytes(150_000))
    assert (answer.status, json.loads(answer.body)["code"]) == (503, "busy")


def test_events_of_many_companies():
    """Each record goes to the partition of its company."""
    bench = Bench()
    bench.send(batch(*[event(company=company, activity=f"A-{company}") for company in CVRS]), BATCH)
    assert [record.key for record in bench.delivery.sent] == [b"%08d" % company for company in CVRS]
