"""What people read about an event: every state in words."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from reports.receipts.answer_model import STATES, Answer, Carried, CountedAs, Rejected, Version
from reports.receipts.sentences import sentence
from schemas.addresses import RecordAddress
from schemas.faults import Fault

ARRIVED = datetime(2026, 7, 1, 12, 5, tzinfo=UTC)
DAY = date(2018, 5, 3)
RECORD = Carried(RecordAddress("activity.events.v1", 0, 2, 17), ARRIVED, "accepted")
FIRST = Version(
    "e1", ARRIVED, ARRIVED, False, "13748136", "workshop.attended", DAY, "food-bio", False, (), (), "", (RECORD,)
)  # fmt: skip
SECOND = FIRST._replace(event_id="e2")
GONE = FIRST._replace(event_id="e3", retracts=True, day=None)
COUNTED = CountedAs(
    2018, DAY, "food-bio", ("new_ideas",), (), "13748136", "Mejeri", "10-19", "company", in_register=True
)
REJECTED = Rejected(RECORD, "e1", "A", (Fault("time", "missing", ""),), "", None, None, superseded=False)


def answer(state: Any, **more: Any) -> Answer:
    return Answer(source="crm", event_id=more.pop("event_id", "e1"), activity_id="A", state=state, **more)


COUNTS = (
    "It counts in 2018, with its day 2018-05-03, in companies helped; new ideas (reported); for Mejeri (CVR 13748136), "
    "with 10-19 employees."
)
AT = "on 2026-07-01 at 14:05"
REPEATS = f"Event e9 repeats event e1, which was received {AT}."
NOWHERE = (
    "Event e1 is not in the ledger, and everything that was received has been read. Send it, or ask for it by the id "
    "that it was sent with. Rejected events are kept for 90 days."
)
WRONG = (
    f"Event e1 was rejected and does not count. What is wrong, as received {AT}: time: a required field is absent or "
    "null."
)
SAID = {
    "accepted": (answer("accepted", version=FIRST, counted=COUNTED), f"Event e1 was accepted {AT}. {COUNTS}"),
    "a retraction": (
        answer("accepted", version=GONE, event_id="e3"),
        "Event e3 was accepted: it retracts activity A, which does not count.",
    ),
    "corrected": (
        answer("corrected", version=FIRST, by=SECOND, counted=COUNTED),
        f"Event e1 was accepted; event e2, received {AT}, corrects it. {COUNTS}",
    ),
    "retracted": (
        answer("retracted", version=FIRST, by=GONE),
        f"Event e1 was retracted by event e3, received {AT}: it does not count.",
    ),
    "duplicate": (
        answer("duplicate", version=FIRST, event_id="e9", counted=COUNTED),
        f"{REPEATS} {COUNTS}",
    ),
    "duplicate of what was retracted": (
        answer("duplicate", version=FIRST, by=GONE, event_id="e9"),
        f"{REPEATS} Its activity was retracted by event e3: it does not count.",
    ),
    "rejected": (
        answer("rejected", rejected=(REJECTED,)),
        f"{WRONG} Fix it and send it again.",
    ),
    "discarded": (
        answer("rejected", rejected=(REJECTED._replace(closed="discarded"),)),
        f"{WRONG} An operator has closed it: nothing is to be done.",
    ),
    "waiting": (
        answer("waiting", unread=True),
        "Event e1 is not counted yet: records wait to be read. Ask again in a minute.",
    ),
    "waiting, or not sent": (
        answer("waiting"),
        "Event e1 is not in the ledger: it was not received, or has not been read yet.",
    ),
    "unknown": (
        answer("unknown", unread=False),
        NOWHERE,
    ),
    "accepted, with a rejected one": (
        answer("accepted", version=FIRST, counted=COUNTED, rejected=(REJECTED,)),
        f"Event e1 was accepted {AT}. {COUNTS} 1 rejected record about it waits for somebody.",
    ),
}


@pytest.mark.parametrize("case", SAID)
def test_what_is_said(case: str):
    """Each state in plain sentences."""
    given, said = SAID[case]
    assert sentence(given) == said


def test_all_states_are_said():
    """No state is left out above."""
    assert {given.state for given, _ in SAID.values()} == set(STATES)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "other"}, "a public body or institution: these are counted apart from companies."),
        ({"in_register": False, "name": "", "size_band": "unknown"}, "for CVR 13748136, which the register lacks: its"),
        ({"size_band": "unknown"}, "whose size is unknown."),
        ({"company": "24256790"}, "for Mejeri (CVR 24256790), into which CVR 13748136 was merged, with 10-19"),
    ],
    ids=["other", "not in the register", "no size", "merged"],
)
def test_how_a_company_counts(change: dict, said: str):
    """What is special about the company is said."""
    assert said in sentence(answer("accepted", version=FIRST, counted=COUNTED._replace(**change)))
