"""Rejected records as text: complete, in columns, and harmless to a terminal."""

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest

from clustertrack.rejected.actions import Done, Story
from clustertrack.rejected.outgoing import Outgoing
from clustertrack.rejected.records import Action, RejectedRecord
from clustertrack.rejected.rejected_text import SHOWN, Would, list_text, outcome, replayed_text, show_text
from clustertrack.rejected.replay import Refused, Results
from clustertrack.rejected.store import About, Count, Listed, Page
from schemas.addresses import RecordAddress
from schemas.fault_codes import MEANINGS
from schemas.faults import Fault
from schemas.visible import visible

ARRIVED = datetime(2026, 11, 1, 12, 30, 5, tzinfo=UTC)
PLACE, THERE = RecordAddress("activity.events.v1", 0, 2, 17), RecordAddress("activity.events.v1", 0, 3, 40)
FAULTS = (Fault("source", "unknown_source", "x"), Fault("data.name", "extra_field", "***"))


def listed(offset: int = 17, **changes: Any) -> Listed:
    """A line of the list."""
    line = Listed(PLACE._replace(offset=offset), ARRIVED, "https://crm.example", FAULTS, 0, 12, interrupted=False)
    return line._replace(**changes)


def record(**changes: Any) -> RejectedRecord:
    """A rejected record with nothing but its faults."""
    fields: dict[str, Any] = {
        "place": PLACE,
        "log_time": ARRIVED,
        "source": "",
        "faults": FAULTS,
        "headers": (),
        "key": None,
    }
    return RejectedRecord(**{**fields, "payload": None, **changes})


def action(kind: Any, **changes: Any) -> Action:
    """Something that was done."""
    return Action(PLACE, uuid.UUID(int=1), kind, ARRIVED, "anna", **changes)


def test_the_list():
    """A line each, the state at its end, what it is about below, the counts, and how to go on."""
    page = Page([listed(1), listed(2, replays=3), listed(3, interrupted=True, source="a\x1b[2J\nb")], more=True)
    lines = list_text(page, Count(1200, 1100), limit=3, width=120).splitlines()
    assert lines[0].split() == ["place", "arrived", "reason", "replays"]
    assert lines[1].split() == ["activity.events.v1/2/1", "2026-11-01", "12:30:05Z", "unknown_source", "0"]
    assert lines[2] == "  https://crm.example"
    assert lines[3].endswith("3        at the limit")
    assert lines[5].endswith("0        interrupted")
    assert "a\\x1b[2J\\nb" in lines[6]
    assert lines[-2:] == ["1,200 open (1,100 different)", "the next ones: --after activity.events.v1/2/3"]


def test_an_empty_list():
    """No table without rows."""
    assert list_text(Page([], more=False), Count(0, 0), limit=3, width=120) == "0 open\n"


@pytest.mark.parametrize("width", [80, 120])
def test_what_a_record_is_about(width: int):
    """Company, activity, day, and the line of the file; within the width of the screen."""
    about = About("13748136", "WS-17/13748136", "2018-05-03", "medlemsm\x1bøder 2018.csv", 1_204)
    made = list_text(Page([listed(about=about)], more=False), Count(1, 1), limit=3, width=width)
    assert (
        " ".join(made.split("\n")[2:4])
        .split("  ")[1]
        .startswith("company 13748136, activity WS-17/13748136, on 2018-05-03, ")
    )
    assert "medlemsm\\x1bøder 2018.csv line 1,204, " in " ".join(made.split())
    assert max(map(len, made.split("\n"))) <= width


@pytest.mark.parametrize(
    ("topic", "about", "line"),
    [
        pytest.param(
            "registry.v1", About(document="registry version garbage"), "registry version garbage", id="registry"
        ),
        pytest.param("companies.v1", About("13748136"), "company 13748136", id="register"),
        pytest.param("activity.events.v1", About("13748136"), "company 13748136, source unknown", id="event"),
    ],
)
def test_only_events_have_a_source(topic: str, about: About, line: str):
    """A version of the registry or of a key is called what it is, and lacks no company and no source."""
    one = listed(place=PLACE._replace(topic=topic), source="", about=about)
    assert list_text(Page([one], more=False), Count(1, 1), limit=3, width=120).split("\n")[2] == f"  {line}"


@pytest.mark.parametrize("code", ["invalid_registry", "invalid_key", "invalid_legal_form", "unknown_source"])
def test_every_code_has_its_meaning(code: str):
    """Whichever topic it is of."""
    text = show_text(record(faults=(Fault("x", code, "y"),)), Story(status=""))
    assert f"x  {code}  y  {MEANINGS[code]}" in text


def test_a_record_without_anything():
    """What is not there is said to be not there; each fault says what it means."""
    text = show_text(record(), Story(status=""))
    assert "none: its topic has no receipts" in text
    assert "headers\n  none\n\nkey\n  none\n\npayload\n  none: a tombstone\n" in text
    assert "data.name  extra_field     ***  the schema has no such field; nothing about people may enter" in text


@pytest.mark.parametrize(
    ("payload", "shown"),
    [
        pytest.param(b'{"a":\r\n\t"\xc3\xa6"}', '3 bytes\n  {"a":\n      "æ"}', id="text"),
        pytest.param(b"", "0 bytes\n  \n", id="empty"),
        pytest.param(b"a\rb", "  00000000  61 0d 62 ", id="carriage return"),
        pytest.param("a\u202eb".encode(), "61 e2 80 ae 62 ", id="letters that run backwards"),
        pytest.param(bytes(range(17)), "  00000010  10      ", id="two lines of bytes"),
    ],
)
def test_payloads(payload: bytes, shown: str):
    """Text as it is; what could play tricks, or is no text, as a hex dump."""
    assert shown in show_text(record(payload=payload), Story(status="rejected"))


def test_headers_and_history():
    """Headers in order, bytes that are no text in hex; what was done, by whom, with its note."""
    made = show_text(
        record(headers=(("x", b"\xff"), ("x", None), ("\x07", "æ".encode())), key=b"\x00"),
        Story(status="rejected", done=[Done(action("discarded", note="a\ttest"), "", "")], replay_of=THERE),
    )
    assert "headers\n  x: 0xff\n  x: null\n  \\x07: æ\n" in made
    assert "sent for  activity.events.v1/3/40" in made
    assert "2026-11-01 12:30:05Z  anna  discarded  a\\ttest" in made


@pytest.mark.parametrize(
    ("done", "words"),
    [
        pytest.param(Done(action("replayed", replays=2, to=THERE), "accepted", ""),
                     "sent again (2) as activity.events.v1/3/40: accepted", id="accepted"),
        pytest.param(Done(action("replayed", replays=1, to=THERE), "rejected", "missing"),
                     "sent again (1) as activity.events.v1/3/40: rejected again: missing", id="rejected"),
        pytest.param(Done(action("replayed", edited=True, to=THERE), "pending", ""),
                     "edited, sent as activity.events.v1/3/40: not counted yet", id="edited"),
        pytest.param(Done(action("replaying"), "", ""), "a replay began, its result was not noted", id="interrupted"),
        pytest.param(Done(action("discarded"), "", ""), "discarded", id="discarded"),
    ],
)  # fmt: skip
def test_outcomes(done: Done, words: str):
    """Each state has its words."""
    assert outcome(done) == words


def test_what_a_replay_did():
    """The first records, how many more, what was refused and why, the number."""
    results = Results()
    results.replayed.extend([action("replayed", to=THERE)] * (SHOWN + 5))
    results.refused.append(Refused(PLACE, "it has no value"))
    lines = replayed_text(results, [], dry_run=False).splitlines()
    assert lines[0] == "activity.events.v1/2/17 -> activity.events.v1/3/40"
    assert lines[SHOWN:] == [
        "... and 5 more",
        "activity.events.v1/2/17 stays: it has no value",
        "replayed 25 records",
    ]


def test_what_a_replay_would_do():
    """A dry run says how each would be judged here."""
    sent = Outgoing(3, None, b"{}", (), 1, edited=False)
    would = [Would(PLACE, "activity.events.v1/3", sent, []), Would(PLACE, "activity.events.v1/3", sent, list(FAULTS))]
    assert replayed_text(Results(), would, dry_run=True).splitlines() == [
        "activity.events.v1/2/17 -> activity.events.v1/3: would be accepted",
        "activity.events.v1/2/17 -> activity.events.v1/3: would be rejected again: unknown_source, extra_field",
        "would replay 2 records; judged as workers would now, by the registry in force",
    ]


def test_visible_text_keeps_letters():
    """Danish letters and blanks stay, lone surrogates and control characters are escaped."""
    assert visible("Ærø og Å\x00\ud800\u200b") == "Ærø og Å\\x00\\ud800\\u200b"
