"""Events of a file, judged as the worker will: the same faults, in sentences that say what to do."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judging import ARRIVED, CLUSTERS, ENDED, SHARED, TYPE
from pydantic_core import to_json
from samples import SOURCE

from brokers.judging import LARGEST, Judge
from brokers.record_headers import STRUCTURED
from schemas.envelope import EventData
from schemas.faults import CODES, Fault
from schemas.indicators import EVENT_TYPES
from sources.files.event_builder import Event
from sources.files.judged_rows import ADVICE, FileJudge, refusals, together

NOT_OF_A_ROW = {
    "too_many_headers",
    "unreadable",
    "invalid_header",
    "tombstone",
    "misrouted",
    "unprocessable",
    "not_storable",
    "set_aside",
}
"""`publish` writes headers and keys itself, and nothing of these can be known before a record is sent."""

TEXTS = st.sampled_from(
    ["WS-1", "til ane@example.dk", "010190-1234", "", " ", "x" * 201, "x" * 501, "Æ\u200b", "\\u0040"]
)
DATA = st.fixed_dictionaries(
    {},
    optional={
        "activity_id": TEXTS,
        "occurred_on": st.sampled_from(["2018-05-03", "2018-05-02", "1999-12-31", "2030-01-01", "03-05-2018", ""]),
        "outcomes": st.lists(st.sampled_from(["new_ideas", "new_products", "ideas"]), max_size=3),
        "cluster": st.sampled_from(["food-bio", "kelp", "wool", "none"]),
        "membership": st.sampled_from(["member", "boss"]),
        "reason": TEXTS,
        "title": TEXTS,
    },
)
EVENTS = st.builds(
    lambda one, data: {"specversion": "1.0", **one, "datacontenttype": "application/json", "data": data},
    st.fixed_dictionaries(
        {
            "id": TEXTS,
            "source": st.sampled_from([SOURCE, ENDED, SHARED, "https://crm.unknown.example", ""]),
            "type": st.sampled_from([*map(TYPE.format, EVENT_TYPES), TYPE.format("x"), "org.clustertrack.a"]),
            "subject": st.sampled_from(["13748136", "13585628", "13585627", "SE 556036079301", "Ane Hansen", ""]),
            "time": st.sampled_from(
                ["2018-05-03T14:05:09Z", "2018-05-03T23:30:00+02:00", "2018-05-03 14:05", "1999-01-01T00:00:00Z", ""]
            ),
        }
    ),
    DATA,
)


SOUND = {
    "id": "e-1",
    "source": SOURCE,
    "type": TYPE.format("company.joined"),
    "subject": "13748136",
    "time": "2018-05-03T14:05:09Z",
}
ALMOST = st.builds(
    lambda other, names: {
        **other,
        **{name: sound for name, sound in SOUND.items() if name not in names},
        "data": {
            "occurred_on": "2018-05-01",
            "activity_id": "WS-1",
            **{name: said for name, said in other["data"].items() if name in names},
        },
    },
    EVENTS,
    st.sets(st.sampled_from(["id", "source", "type", "subject", "time", *EventData.__annotations__]), max_size=2),
)
"""Events that are sound but for two fields at most: of most of them the parts have been accepted before."""


@given(st.lists(EVENTS | ALMOST, max_size=40), st.booleans())
def test_a_made_event_is_judged_as_its_record(events: list[dict[str, Any]], allowed: bool):
    """Remembering what was accepted changes nothing: each event has the faults that the worker finds in its bytes."""
    judge, worker = (
        FileJudge(CLUSTERS, ARRIVED, allow_personal_data=allowed),
        Judge(CLUSTERS, allow_personal_data=allowed),
    )
    for one in [*events, *events]:
        value = to_json(one)
        found = worker.record(None, value, (STRUCTURED,), ARRIVED)
        assert judge(Event(None, value, one))[1] == (found if isinstance(found, list) else [])


def test_a_day_that_follows_from_the_time_is_judged_each_time():
    """The cluster ended between two events that differ in nothing but their time."""
    judge = FileJudge(CLUSTERS, ARRIVED, allow_personal_data=False)
    for time, codes in (("2018-05-02T10:00:00Z", []), ("2018-05-03T10:00:00Z", ["outside_cluster_span"])):
        one = {"specversion": "1.0", **SOUND, "source": ENDED, "time": time, "datacontenttype": "application/json"}
        event = {**one, "data": {}}
        assert [fault.code for fault in judge(Event(None, to_json(event), event))[1]] == codes


def test_a_value_that_is_too_long():
    """The limit of a record is that of key, value and headers together, as the worker takes it."""
    event = {"specversion": "1.0", "id": "x" * LARGEST}
    (fault,) = FileJudge(CLUSTERS, ARRIVED, allow_personal_data=False)(Event(None, to_json(event), event))[1]
    assert fault.code == "too_long"


def test_every_fault_of_a_row_has_advice():
    """There is a sentence about what to do for each code that a row can have."""
    assert set(ADVICE) == set(CODES) - NOT_OF_A_ROW


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        pytest.param(
            Fault("data.occurred_on", "date_too_early", "1899-12-31"),
            "export.csv line 7: occurred_on: the day is before 2000 (1899-12-31): correct the year",
            id="value",
        ),
        pytest.param(
            Fault("data.activity_id", "missing", ""),
            "export.csv line 7: activity_id: a required field is absent or null: fill it in",
            id="no value",
        ),
    ],
)
def test_sentences(fault: Fault, text: str):
    """A fault names file, line, field, value and what to do."""
    assert [str(one) for one in refusals("export.csv", 7, [fault], sent=False)] == [text]


def test_faults_together():
    """In the list of refused rows all faults of a row are in one."""
    faults = [Fault("subject", "empty", ""), Fault("", "too_long", "9"), Fault("subject", "missing", "")]
    one = together(refusals("export.csv", 7, faults, sent=False))
    assert one.field == "subject"
    assert one.reason.count("; ") == 2
