"""Questions of publishers against a collector in memory: who may ask what, and what is refused."""

import asyncio
import json
import threading
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from collector_bench import KEY, OTHER_KEY, WATER, Bench
from samples import SOURCE, event

from reports.receipts import compare
from reports.receipts.answer_model import STATES
from schemas.errors import UsageFault
from schemas.event_time import COPENHAGEN
from sources.collector.api_questions import STATE
from sources.collector.questions import MOST_IDS, Comparable, LedgerAwayError, QuestionLimits, Questions, Seen

DAYS = b"from=2018-05-01&to=2018-05-31"
EVENT_ID = "WS-1@2018-05-03T14:05:09Z"


class MemoryLedger:
    """Repeats what it was asked."""

    def __init__(self) -> None:
        self.problem: Exception | None = None
        self.held = threading.Event()
        self.held.set()
        self.state = ""

    def event(self, seen: Seen, source: str, event_id: str, *, confirmed: bool) -> Mapping[str, Any]:
        return self._said(list(seen.sources), source, event_id, confirmed)

    def activity(self, seen: Seen, source: str, activity_id: str) -> Mapping[str, Any]:
        return self._said(list(seen.sources), source, activity_id)

    def days(self, seen: Seen, first: date, last: date) -> Mapping[str, Any]:
        return self._said(list(seen.sources), str(first), str(last))

    def rejected(self, seen: Seen, first: date, last: date) -> Mapping[str, Any]:
        return self._said("rejected", list(seen.sources), str(first), str(last))

    def compare(self, seen: Seen, listed: Comparable) -> Mapping[str, Any]:
        return self._said(list(seen.sources), listed.source, listed.listed, str(listed.first))

    def _said(self, *asked: Any) -> Mapping[str, Any]:
        assert self.held.wait(10)
        if self.problem is not None:
            raise self.problem
        return {"state": self.state} if self.state else {"asked": asked}


class Desk(Bench):
    """A collector in memory that answers questions."""

    def __init__(self, **limits: Any) -> None:
        super().__init__()
        self.ledger = MemoryLedger()
        given = {"at_once": 2, "per_second": 100, "burst_seconds": 1, "answer_seconds": 5, "body_bytes": 1_000_000}
        self.questions = Questions(self.collector, self.ledger, QuestionLimits(**{**given, **limits}))

    def ask(self, question: str, *arguments: Any, key: str = KEY, **options: Any) -> Any:
        """Status and document of an answer."""
        headers = [(b"authorization", b"Bearer " + key.encode())]
        return self._read(asyncio.run(getattr(self.questions, question)(headers, *arguments, **options)))

    def compare(self, body: bytes, content_type: bytes = b"application/json; charset=utf-8") -> Any:
        """The same for a list."""

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        headers = [(b"authorization", b"Bearer " + KEY.encode()), (b"content-type", content_type)]
        return self._read(asyncio.run(self.questions.compare(headers, receive, arrived=True)))

    @staticmethod
    def _read(answer: Any) -> Any:
        said = json.loads(answer.body)
        if answer.status != 200:
            assert answer.media_type == "application/problem+json"
            assert said["detail"]
            return answer.status, said["code"]
        assert answer.headers["Cache-Control"] == "no-store"
        return answer.status, said.get("asked", said)


@pytest.fixture
def desk() -> Iterator[Desk]:
    """One with room for two questions."""
    made = Desk()
    yield made
    made.questions.close()


def test_an_event_is_asked_about(desk: Desk):
    """By its source and id; what this process has just confirmed is known to be on Kafka."""
    query = f"source={SOURCE}&id={EVENT_ID}".encode()
    assert desk.ask("event", query) == (200, [[SOURCE], SOURCE, EVENT_ID, False])
    desk.send(event())
    assert desk.ask("event", query) == (200, [[SOURCE], SOURCE, EVENT_ID, True])
    assert desk.ask("event", f"source={SOURCE}&activity=%C3%A6+1".encode()) == (200, [[SOURCE], SOURCE, "æ 1"])


def test_what_was_rejected_over_http_is_remembered(desk: Desk):
    """It is nowhere else; once it is accepted, the ledger is believed."""
    bad = event(type="org.clustertrack.workshop.attend.v1")
    desk.ledger.state = "unknown"
    query = f"source={SOURCE}&id={EVENT_ID}".encode()
    desk.send(bad, publish=False)
    assert "refused" not in desk.ask("event", query)[1]
    assert desk.send(bad)[0] == 422
    said = desk.ask("event", query)[1]
    assert (said["state"], [one["code"] for one in said["refused"][0]["faults"]]) == ("rejected", ["unknown_type"])
    assert said["sentence"].startswith(f"Event {EVENT_ID} was rejected over HTTP on ")
    today = datetime.now(COPENHAGEN).date()
    for first, number in ((today, 1), (today + timedelta(days=1), 0)):
        span = f"from={first}&to={today + timedelta(days=1)}".encode()
        assert len(desk.ask("of_days", "food-bio", span, rejected=True)[1]["refused"]) == number
    desk.send(event())
    assert desk.ask("event", query)[1] == {"state": "unknown"}


def test_days_are_asked_about(desk: Desk):
    """Of all sources of the cluster, or of one."""
    expected = [[SOURCE], "2018-05-01", "2018-05-31"]
    of_source = DAYS + b"&source=" + SOURCE.encode()
    assert desk.ask("of_days", "food-bio", DAYS, rejected=False) == (200, ["food-bio", *expected][1:])
    assert desk.ask("of_days", "food-bio", of_source, rejected=True) == (200, ["rejected", *expected])


def test_whose_key_it_is(desk: Desk):
    """Its cluster, with name and sources; the ledger is not asked."""
    desk.ledger.problem = LedgerAwayError()
    cluster = {"slug": "food-bio", "name": "food-bio", "sources": [SOURCE]}
    assert desk.ask("clusters") == (200, {"clusters": [cluster]})


def test_a_list_is_compared(desk: Desk):
    """Ids, or ids with hashes."""
    given: dict[str, Any] = {"source": SOURCE, "ids": ["a", "b"], "from": "2018-05-01", "to": "2018-05-01"}
    assert desk.compare(json.dumps(given).encode()) == (200, [[SOURCE], SOURCE, {"a": None, "b": None}, "2018-05-01"])
    given = {"source": SOURCE, "ids": {"a": "00", "b": None}}
    assert desk.compare(json.dumps(given).encode()) == (200, [[SOURCE], SOURCE, {"a": "00", "b": None}, "None"])
    assert desk.budget.held == 0


@pytest.mark.parametrize(
    ("question", "arguments"),
    [
        pytest.param("event", (f"source={WATER}&id=1".encode(),), id="event"),
        pytest.param("event", (b"source=https://unknown.example&activity=1",), id="activity of an unknown source"),
        pytest.param("of_days", ("water", DAYS), id="cluster"),
        pytest.param("of_days", ("food-bio", DAYS + f"&source={WATER}".encode()), id="source of a day"),
    ],
)
def test_what_is_of_others_is_not_answered(desk: Desk, question: str, arguments: tuple[Any, ...]):
    """The ledger is not asked."""
    options: Any = {"rejected": False} if question == "of_days" else {}
    assert desk.ask(question, *arguments, **options) == (403, "other_cluster")
    assert desk.ask(question, *arguments, key=OTHER_KEY, **options) == (401, "no_valid_key")


@pytest.mark.parametrize("twice", ['"ids":["a"],"ids":["b"]', '"ids":{"a":null,"a":"00"}'], ids=["list", "id"])
def test_a_name_that_is_there_twice(desk: Desk, twice: str):
    """Parsers differ in which of the two counts."""
    assert desk.compare(f'{{"source":"{SOURCE}",{twice}}}'.encode()) == (400, "invalid_question")


def test_a_list_of_others_is_not_compared(desk: Desk):
    """As it is with other questions."""
    assert desk.compare(json.dumps({"source": WATER, "ids": []}).encode()) == (403, "other_cluster")


@pytest.mark.parametrize(
    "query",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"source=" + SOURCE.encode(), id="source alone"),
        pytest.param(b"source=a&id=1&activity=2", id="both"),
        pytest.param(b"source=a&source=b&id=1", id="twice"),
        pytest.param(b"source=a&id=1&key=k", id="unknown"),
        pytest.param(b"source=a&id=%C0%A0", id="no UTF-8"),
        pytest.param(b"source=a&id=\xff", id="no ASCII"),
        pytest.param(b"&".join([b"id=1"] * 50), id="many"),
    ],
)
def test_questions_that_cannot_be_read(desk: Desk, query: bytes):
    """They are refused before the ledger is asked."""
    assert desk.ask("event", query) == (400, "invalid_question")


@pytest.mark.parametrize(
    "query", [b"", b"from=2018-05-01", b"from=yesterday&to=2018-05-01", b"from=20180501&to=2018-05-01", DAYS + b"&x=1"]
)
def test_days_that_cannot_be_read(desk: Desk, query: bytes):
    """Both are needed, as YYYY-MM-DD."""
    assert desk.ask("of_days", "food-bio", query, rejected=False) == (400, "invalid_question")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param(b"", 400, id="empty"),
        pytest.param(b"[" * 100_000, 400, id="deep"),
        pytest.param(b'{"source":"\xff"}', 400, id="no UTF-8"),
        pytest.param(b'{"source":"a"}', 400, id="no ids"),
        pytest.param(b'{"source":"a","ids":[1]}', 400, id="numbers"),
        pytest.param(b'{"source":"a","ids":[],"x":1}', 400, id="unknown field"),
        pytest.param(b'{"source":"a","ids":[],"from":"2018-05-01"}', 400, id="one day"),
        pytest.param(b'{"source":"a","ids":[],"from":"2018-05-01","to":"x"}', 400, id="no day"),
        pytest.param(b'{"source":"a","ids":[' + b'"a",' * 10_000 + b'"a"]}', 400, id="too many ids"),
        pytest.param(b" " * 1_000_001, 413, id="too large"),
    ],
)
def test_lists_that_cannot_be_read(desk: Desk, body: bytes, status: int):
    """What is wrong is one sentence."""
    assert desk.compare(body)[0] == status
    assert desk.compare(body, b"text/plain")[0] == 415
    assert desk.budget.held == 0


@pytest.mark.parametrize(
    ("problem", "status", "code"),
    [
        pytest.param(UsageFault("Too many days."), 400, "invalid_question", id="refused"),
        pytest.param(LedgerAwayError("gone"), 503, "ledger_away", id="away"),
    ],
)
def test_what_the_ledger_does_not_answer(desk: Desk, problem: Exception, status: int, code: str):
    """Its reason is said where the publisher can do something about it."""
    desk.ledger.problem = problem
    assert desk.ask("of_days", "food-bio", DAYS, rejected=False) == (status, code)


def test_a_ledger_that_takes_too_long():
    """The answer does not wait for it, and no more questions are begun than there are threads."""
    desk = Desk(answer_seconds=0.05)
    desk.ledger.held.clear()
    found = [desk.ask("of_days", "food-bio", DAYS, rejected=False) for _ in range(3)]
    assert found == [(503, "ledger_away"), (503, "ledger_away"), (503, "busy")]
    desk.ledger.held.set()
    desk.questions.close()


def test_a_key_asks_at_its_rate():
    """Questions have a rate of their own."""
    desk = Desk(per_second=0.5, burst_seconds=2)
    found = [desk.ask("clusters")[0] for _ in range(3)]
    assert found == [200, 200, 429]
    assert desk.send(event())[0] == 202
    desk.questions.close()


def test_the_same_as_in_the_reports():
    """Layers of the product may not know each other, and the two say the same."""
    assert MOST_IDS == compare.MOST_IDS
    assert set(STATE["enum"]) == STATES.keys()
