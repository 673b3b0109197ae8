"""Events: any bytes are read or refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judging import ENDED, RETRACTED, SHARED, TYPE, accepted, altered, read, refused
from samples import SOURCE, event

from schemas.faults import CODES, MASK, Fault
from schemas.indicators import EVENT_TYPES

# ---- JSON

SOUND = event()


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        pytest.param(None, ("", "tombstone"), id="tombstone"),
        pytest.param(b"", ("", "invalid_json"), id="empty"),
        pytest.param(b" \n", ("", "invalid_json"), id="blank"),
        pytest.param(b"null", ("", "invalid_json"), id="null"),
        pytest.param(b"[" + SOUND + b"]", ("", "invalid_json"), id="list of events"),
        pytest.param(b'"x"', ("", "invalid_json"), id="text"),
        pytest.param(SOUND[:-1], ("", "invalid_json"), id="cut"),
        pytest.param(SOUND + b"x", ("", "invalid_json"), id="more behind it"),
        pytest.param(SOUND + b"\n" + SOUND, ("", "invalid_json"), id="two events"),
        pytest.param(SOUND.replace(b'"', b"'"), ("", "invalid_json"), id="single quotes"),
        pytest.param(SOUND[:-1] + b",}", ("", "invalid_json"), id="trailing comma"),
        pytest.param(b"\xef\xbb\xbf" + SOUND, ("", "invalid_json"), id="byte order mark"),
        pytest.param(event(id="\u00e6").decode("unicode_escape").encode("latin-1"), ("", "invalid_utf8"), id="latin-1"),
        pytest.param(SOUND.decode().encode("utf-16"), ("", "invalid_utf8"), id="UTF-16"),
        pytest.param(event(id="a\ud800"), ("", "invalid_json"), id="lone surrogate"),
        pytest.param(SOUND.replace(b"WS-1", b"W\nS"), ("", "invalid_json"), id="newline in a text"),
        pytest.param(event(x=float("nan")), ("", "invalid_json"), id="NaN in an extension"),
        pytest.param(event(id=float("inf")), ("", "invalid_json"), id="infinity for an id"),
        pytest.param(event(data={"title": float("-inf")}), ("", "invalid_json"), id="infinity in data"),
        pytest.param(b"[" * 100_000, ("", "invalid_json"), id="deep"),
        pytest.param(b'{"a":' * 100_000, ("", "invalid_json"), id="deep objects"),
        pytest.param(
            event(x=0).replace(b'"x": 0', b'"x": ' + b"[" * 10_000 + b"]" * 10_000),
            ("", "invalid_json"),
            id="deep inside",
        ),
        pytest.param(
            event(x=0).replace(b'"x": 0', b'"x": ' + b"[" * 150 + b"]" * 150), ("x", "invalid_type"), id="less deep"
        ),
        pytest.param(event(x=0).replace(b'"x": 0', b'"x": 1' + b"0" * 50_000), ("", "invalid_json"), id="huge number"),
        pytest.param(event(x=0).replace(b'"x": 0', b'"x": 1' + b"0" * 4000), ("x", "invalid_type"), id="large number"),
        pytest.param(event(x=0).replace(b'"x": 0', b'"x": 1e999'), ("x", "invalid_type"), id="number beyond floats"),
    ],
)
def test_what_is_no_json_of_an_event(value: bytes | None, fault: tuple[str, str]):
    """Only one JSON object in UTF-8 is an event; anything else is one fault and never an exception."""
    assert refused(value) == [fault]


def test_the_place_of_broken_json_is_reported():
    """A publisher learns where to look."""
    assert read(b'{"id": \n x}') == [Fault("", "invalid_json", "expected value at line 2 column 2")]
    assert read(b'{"id": "\xe6"}') == [Fault("", "invalid_utf8", "byte 8: 0xe6")]


def test_of_a_repeated_name_the_last_counts():
    """As in most parsers; to find the first would cost every event more than it is worth."""
    twice = SOUND.replace(b'"id": ', b'"id": "first", "id": ').replace(
        b'"activity_id": ', b'"activity_id": 5, "activity_id": '
    )
    assert accepted(twice) == accepted(SOUND)


# ---- any input

names = st.sampled_from([*json.loads(SOUND), "data_base64", "datacontenttype", "x"])
inner = st.sampled_from([*json.loads(SOUND)["data"], "outcomes", "cluster", "membership", "reason", "title", "cpr"])
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=[]))
texts = st.sampled_from(
    ["", " ", "1.0", SOURCE, SHARED, ENDED, RETRACTED, "13748136", "2018-05-03", "new_ideas", "member"]
)
anything = st.recursive(
    scalars | texts,
    lambda part: st.lists(part, max_size=3) | st.dictionaries(inner | names, part, max_size=3),
    max_leaves=8,
)
events = st.builds(
    altered, st.dictionaries(names, anything | texts, max_size=3), st.dictionaries(inner, anything | texts, max_size=4)
)


@given(
    st.binary() | st.text().map(str.encode) | st.builds(lambda cut, at: cut[:at], st.just(SOUND), st.integers(0, 400))
)
def test_any_bytes_are_read_or_refused(value: bytes):
    """Any bytes give a row or a fault, never an exception."""
    found = read(value)
    assert isinstance(found, tuple) or found


@given(events)
def test_any_event_is_read_or_refused(value: bytes):
    """Any values in the fields give a row or known faults, fit to be stored, and the same ones again."""
    found = read(value)
    assert found == read(value)
    if isinstance(found, list):
        assert found
        for one in found:
            assert one.code in CODES
            assert "".join(one).encode("utf-8")


FIELD_CHANGES: dict[str, Any] = {
    "specversion": ["1.0", "2.0"],
    "source": [SOURCE, SHARED, ENDED, "https://crm.example"],
    "type": [*map(TYPE.format, EVENT_TYPES), "org.clustertrack.workshop.attended.v3", "x"],
    "subject": ["13748136", "12345678", "DE1", "1"],
    "time": ["2018-05-03T14:05:09Z", "2018-05-03T14:05:09", "x", "1999-01-01T00:00:00Z", "2019-01-01T00:00:00Z"],
    "datacontenttype": ["application/json", "text/csv"],
}
DATA_CHANGES: dict[str, Any] = {
    "activity_id": [..., "WS-1"],
    "occurred_on": [..., "2018-05-03", "2018-02-30", "1999-01-01", "2020-01-01"],
    "outcomes": [..., [], ["new_ideas"], ["x"], ["x", "y"]],
    "cluster": [..., "kelp", "food-bio"],
    "membership": [..., "member", "x"],
    "reason": [..., "late", " "],
}


@given(
    st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in FIELD_CHANGES.items()}),
    st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in DATA_CHANGES.items()}),
)
def test_a_fault_of_structure_hides_no_other(envelope: dict[str, Any], data: dict[str, Any]):
    """What an event means is judged alike on the fast path and next to a fault of structure."""
    alone = read(event(**envelope, data=data))
    faults = [] if isinstance(alone, tuple) else alone
    both = read(event(**envelope, data={**data, "cpr": 0}, x=[]))
    assert isinstance(both, list)
    assert sorted(both) == sorted([Fault("data.cpr", "extra_field", MASK), Fault("x", "invalid_type", MASK), *faults])
