"""Events: what is refused, with which faults, and what the faults show."""

from typing import Any

import pytest
from judging import ENDED, RETRACTED, SHARED, TYPE, accepted, altered, read, refused
from samples import SOURCE, event

from schemas.faults import CODES, MASK, MAX_FAULTS

CASES = [
    # (changes of the envelope, changes of data, faults)
    pytest.param({"specversion": "0.3"}, {}, [("specversion", "unsupported_specversion")], id="specversion 0.3"),
    pytest.param({"specversion": ...}, {}, [("specversion", "missing")], id="no specversion"),
    pytest.param({"specversion": 1.0}, {}, [("specversion", "invalid_type")], id="specversion as number"),
    pytest.param({"id": ...}, {}, [("id", "missing")], id="no id"),
    pytest.param({"id": ""}, {}, [("id", "empty")], id="empty id"),
    pytest.param({"id": "\u00a0\t "}, {}, [("id", "empty")], id="blank id"),
    pytest.param({"id": "x" * 201}, {}, [("id", "too_long")], id="id too long"),
    pytest.param({"id": 5}, {}, [("id", "invalid_type")], id="id as number"),
    pytest.param({"id": ""}, {"occurred_on": ...}, [("id", "empty")], id="empty id, no day"),
    pytest.param({"source": ...}, {}, [("source", "missing")], id="no source"),
    pytest.param({"source": ""}, {}, [("source", "empty")], id="empty source"),
    pytest.param({"source": "https://crm.example"}, {}, [("source", "unknown_source")], id="unknown source"),
    pytest.param({"source": SOURCE.upper()}, {}, [("source", "unknown_source")], id="source in capitals"),
    pytest.param({"type": None}, {}, [("type", "missing")], id="null type"),
    pytest.param({"type": ""}, {}, [("type", "empty")], id="empty type"),
    pytest.param({"type": "workshop.attended"}, {}, [("type", "unknown_type")], id="type without prefix"),
    pytest.param({"type": TYPE.format("meeting.held")}, {}, [("type", "unknown_type")], id="unknown type"),
    pytest.param(
        {"type": "org.clustertrack.workshop.attended.v2"}, {}, [("type", "unknown_type_version")], id="another version"
    ),
    pytest.param(
        {"type": "org.clustertrack.activity.retracted.v2"},
        {"occurred_on": ...},
        [("type", "unknown_type_version")],
        id="another version of a retraction",
    ),
    pytest.param({"type": "org.clustertrack.workshop.attended"}, {}, [("type", "unknown_type")], id="no version"),
    pytest.param({"subject": ...}, {}, [("subject", "missing")], id="no subject"),
    pytest.param({"subject": ""}, {}, [("subject", "empty")], id="empty subject"),
    pytest.param({"subject": 13748136}, {}, [("subject", "invalid_type")], id="subject as number"),
    pytest.param({"subject": "1374813"}, {}, [("subject", "invalid_cvr_length")], id="seven digits"),
    pytest.param({"subject": "13748137"}, {}, [("subject", "invalid_cvr_checksum")], id="wrong check digit"),
    pytest.param({"subject": "DE123456789"}, {}, [("subject", "unsupported_identifier")], id="German company"),
    pytest.param({"time": ...}, {}, [("time", "missing")], id="no time"),
    pytest.param({"time": 1525349109}, {}, [("time", "invalid_type")], id="time as number"),
    pytest.param({"time": "yesterday"}, {}, [("time", "invalid_time")], id="no RFC 3339"),
    pytest.param({"time": "2018-05-03T14:05:09"}, {}, [("time", "time_without_zone")], id="no zone"),
    pytest.param({"time": "1999-05-03T14:05:09Z"}, {}, [("time", "time_too_early")], id="too early"),
    pytest.param({"time": "2018-05-06T14:05:09Z"}, {}, [("time", "time_in_future")], id="in the future"),
    pytest.param(
        {"datacontenttype": "text/csv"}, {}, [("datacontenttype", "unsupported_content_type")], id="data as CSV"
    ),
    pytest.param({"datacontenttype": 5}, {}, [("datacontenttype", "invalid_type")], id="content type as number"),
    pytest.param({f"x{n}": "a" for n in range(60)}, {}, [("", "too_many_fields")], id="many attributes"),
    pytest.param({"data": ...}, {}, [("data", "missing")], id="no data"),
    pytest.param({"data": None}, {}, [("data", "missing")], id="null data"),
    pytest.param({"data": "WS-1"}, {}, [("data", "invalid_type")], id="data as text"),
    pytest.param({"data": [{}]}, {}, [("data", "invalid_type")], id="data as list"),
    pytest.param({"type": RETRACTED, "data": ...}, {}, [("data", "missing")], id="retraction without data"),
    pytest.param({"data_base64": "e30="}, {}, [("data_base64", "not_allowed")], id="data as base64, too"),
    pytest.param(
        {"data": ..., "data_base64": "e30="}, {}, [("data", "missing"), ("data_base64", "not_allowed")], id="base64"
    ),
    pytest.param({}, {"activity_id": ""}, [("data.activity_id", "empty")], id="empty activity"),
    pytest.param({}, {"activity_id": " "}, [("data.activity_id", "empty")], id="blank activity"),
    pytest.param({}, {"activity_id": "x" * 201}, [("data.activity_id", "too_long")], id="activity too long"),
    pytest.param({}, {"activity_id": 5}, [("data.activity_id", "invalid_type")], id="activity as number"),
    pytest.param(
        {},
        {"activity_id": 5, "occurred_on": ...},
        [("data.activity_id", "invalid_type")],
        id="activity as number, no day",
    ),
    pytest.param({}, {"occurred_on": ...}, [("data.occurred_on", "missing")], id="no day"),
    pytest.param({}, {"occurred_on": "3 May"}, [("data.occurred_on", "invalid_date")], id="no date"),
    pytest.param({}, {"occurred_on": 20180503}, [("data.occurred_on", "invalid_type")], id="date as number"),
    pytest.param({}, {"occurred_on": "1999-12-31"}, [("data.occurred_on", "date_too_early")], id="day too early"),
    pytest.param({}, {"occurred_on": "2020-05-03"}, [("data.occurred_on", "date_too_late")], id="day too late"),
    pytest.param({"source": ENDED}, {}, [("data.occurred_on", "outside_cluster_span")], id="no cluster any more"),
    pytest.param({"source": SHARED}, {}, [("data.cluster", "cluster_required")], id="which cluster"),
    pytest.param({}, {"cluster": "kelp"}, [("data.cluster", "not_a_cluster_of_source")], id="not its cluster"),
    pytest.param({}, {"cluster": 5}, [("data.cluster", "invalid_type")], id="cluster as number"),
    pytest.param({"source": SHARED}, {"cluster": 5}, [("data.cluster", "invalid_type")], id="which one, as number"),
    pytest.param({}, {"outcomes": ["new_jobs"]}, [("data.outcomes", "unknown_outcome")], id="unknown outcome"),
    pytest.param({}, {"outcomes": ["New_Ideas"]}, [("data.outcomes", "unknown_outcome")], id="outcome in capitals"),
    pytest.param({}, {"outcomes": "new_ideas"}, [("data.outcomes", "invalid_type")], id="outcomes as text"),
    pytest.param({}, {"outcomes": ["new_ideas"] * 101}, [("data.outcomes", "too_long")], id="outcomes without end"),
    pytest.param(
        {},
        {"outcomes": ["new_jobs", 5, "new_ideas", None, "more"]},
        [
            ("data.outcomes.1", "invalid_type"),
            ("data.outcomes.3", "missing"),
            ("data.outcomes", "unknown_outcome"),
            ("data.outcomes", "unknown_outcome"),
        ],
        id="outcomes of all kinds",
    ),
    pytest.param({}, {"membership": "member"}, [("data.membership", "not_allowed")], id="member of a workshop"),
    pytest.param(
        {"type": TYPE.format("company.joined")},
        {"membership": "guest"},
        [("data.membership", "unknown_membership")],
        id="guest",
    ),
    pytest.param(
        {"type": TYPE.format("company.joined")},
        {"membership": ""},
        [("data.membership", "unknown_membership")],
        id="empty membership",
    ),
    pytest.param({}, {"title": "x" * 501}, [("data.title", "too_long")], id="title too long"),
    pytest.param({}, {"workshop_id": "x" * 501}, [("data.workshop_id", "too_long")], id="workshop too long"),
    pytest.param({}, {"project_id": "x" * 501}, [("data.project_id", "too_long")], id="project too long"),
    pytest.param({}, {"product_id": "x" * 501}, [("data.product_id", "too_long")], id="product too long"),
    pytest.param({}, {"reason": "x" * 501}, [("data.reason", "too_long")], id="reason too long"),
    pytest.param({}, {"title": {"da": "x"}}, [("data.title", "invalid_type")], id="title as object"),
    pytest.param({}, {"email": "ane@example.dk"}, [("data.email", "extra_field")], id="e-mail address"),
    pytest.param({}, {"cpr": None}, [("data.cpr", "extra_field")], id="unknown field, if null"),
    pytest.param({}, {"title": "for ane@example.dk"}, [("data.title", "personal_data")], id="address in a title"),
    pytest.param({"id": "WS/010190-1234"}, {}, [("id", "personal_data")], id="CPR number in an id"),
    pytest.param({"cprnr": "0101901234"}, {}, [("cprnr", "personal_data")], id="word and number in an extension"),
    pytest.param({"weight": 1.5}, {}, [("weight", "invalid_type")], id="extension as fraction"),
    pytest.param({"weight": 1.0}, {}, [("weight", "invalid_type")], id="extension as fraction that is whole"),
    pytest.param({"shard": 2**31}, {}, [("shard", "invalid_type")], id="extension beyond 32 bits"),
    pytest.param({"contact": {"name": "Ane"}}, {}, [("contact", "invalid_type")], id="extension as object"),
    pytest.param({"tags": ["a"], "more": []}, {}, [("tags", "invalid_type"), ("more", "invalid_type")], id="as list"),
]


@pytest.mark.parametrize(("envelope", "data", "faults"), CASES)
def test_what_is_refused(envelope: dict[str, Any], data: dict[str, Any], faults: list[tuple[str, str]]):
    """A sound event with one thing wrong has exactly the fault of that thing."""
    assert refused(altered(envelope, data)) == faults


@pytest.mark.parametrize(
    ("envelope", "data"),
    [
        pytest.param({"id": "x" * 200}, {"activity_id": "æ" * 200}, id="ids of 200 characters"),
        pytest.param({}, {"title": "æ" * 500}, id="title of 500 characters"),
        pytest.param({}, {"title": "", "workshop_id": ""}, id="empty details"),
        pytest.param({}, {"reason": "late"}, id="a reason without a retraction"),
        pytest.param({"datacontenttype": "application/json; charset=utf-8"}, {}, id="parameter"),
        pytest.param({"datacontenttype": "application/vnd.clustertrack+json"}, {}, id="a kind of JSON"),
        pytest.param({"datacontenttype": None, "data_base64": None}, {}, id="null attributes"),
        pytest.param({"id": "a\0b"}, {"activity_id": "\0", "title": "a\0b"}, id="NUL"),
        pytest.param({"shard": 2**31 - 1, "other": -(2**31), "sampled": False, "note": ""}, {}, id="extensions"),
    ],
)
def test_what_is_just_right(envelope: dict[str, Any], data: dict[str, Any]):
    """A value at the limit is read."""
    assert accepted(event(**envelope, data=data))


def test_all_faults_are_reported_at_once():
    """Structure and meaning, envelope and data: a publisher learns everything from one refusal, in this order."""
    value = event(
        specversion="0.3",
        id="",
        source="https://crm.example",
        type="org.clustertrack.workshop.attended.v2",
        subject="12345678",
        time="2018-05-03T14:05:09",
        datacontenttype="text/csv",
        data_base64="e30=",
        contact={"name": "Ane"},
        data={"occurred_on": "2018-02-30", "cpr": "0", "title": 5, "outcomes": ["x"], "membership": "guest"},
    )
    assert sorted(refused(value)) == [
        ("contact", "invalid_type"),
        ("data.cpr", "extra_field"),
        ("data.membership", "unknown_membership"),
        ("data.occurred_on", "invalid_date"),
        ("data.outcomes", "unknown_outcome"),
        ("data.title", "invalid_type"),
        ("data_base64", "not_allowed"),
        ("datacontenttype", "unsupported_content_type"),
        ("id", "empty"),
        ("source", "unknown_source"),
        ("specversion", "unsupported_specversion"),
        ("subject", "invalid_cvr_checksum"),
        ("time", "time_without_zone"),
        ("type", "unknown_type_version"),
    ]


def test_every_code_has_a_case():
    """Every code that an event can have has an example in this file."""
    listed: list[Any] = [case.values[2] for case in CASES]
    shown = {code for faults in listed for _, code in faults} | {"invalid_json", "invalid_utf8", "tombstone"}
    elsewhere = {"too_many_headers", "unreadable", "misrouted", "unprocessable", "not_storable", "invalid_header"}
    elsewhere.add("set_aside")
    assert shown | elsewhere == set(CODES)


@pytest.mark.parametrize(
    ("data", "value"),
    [
        pytest.param({"email": "ane@example.dk"}, MASK, id="unknown field"),
        pytest.param({"title": {"name": "Ane"}}, MASK, id="object in a known field"),
        pytest.param({"outcomes": [["Ane"]]}, MASK, id="list in a list"),
        pytest.param({"cluster": "kelp"}, "kelp", id="known field"),
        pytest.param({"title": "x" * 501}, "x" * 200, id="known field, long"),
    ],
)
def test_values_that_may_be_personal_are_hidden(data: dict[str, Any], value: str):
    """A fault shows the value of a field that the schema knows, and hides the rest."""
    found = read(event(data=data))
    assert isinstance(found, list)
    assert [one.value for one in found] == [value]


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(altered({"data": "Ane Hansen"}, {}), id="data"),
        pytest.param(event(subject="Ane Hansen"), id="subject"),
        pytest.param(event(contact=["Ane Hansen"]), id="extension"),
        pytest.param(event(data_base64="Ane Hansen"), id="base64"),
        pytest.param(b'{"name": "Ane Hansen"', id="broken JSON"),
        pytest.param(b'{"name": "Ane Hansen\xff"}', id="broken UTF-8"),
        pytest.param(b'["Ane Hansen"]', id="no object"),
    ],
)
def test_no_name_is_repeated(value: bytes):
    """What may be a person's name is not copied from the record into its faults."""
    assert "Ane" not in str(read(value))


def test_the_list_of_faults_ends():
    """A record of nothing but faults must not grow many times its size: the list has to fit next to it."""
    many = {f"f{n}": 0 for n in range(50)}
    wrong: dict[str, Any] = {f"g{n}": [] for n in range(50)}
    assert len(refused(event(data={**many, "outcomes": ["x"] * 100}, **wrong))) == MAX_FAULTS


@pytest.mark.parametrize("number", [65, 5_000, 90_000], ids=str)
@pytest.mark.parametrize("value", ["", [], 1.5], ids=["text", "list", "fraction"])
def test_fields_are_counted_before_they_are_judged(number: int, value: object):
    """One fault says how many there are, for an event of any size and attributes of any content."""
    many: dict[str, Any] = {f"f{n}": value for n in range(number)}
    assert refused(event(**many)) == [("", "too_many_fields")]
    assert refused(event(data=many)) == [("", "too_many_fields")]
