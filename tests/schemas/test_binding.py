"""The Kafka binding of CloudEvents 1.0: which headers make which event."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judging import ARRIVED, CLUSTERS
from samples import event

from schemas.events import Activity, read_event
from schemas.faults import CODES, MASK, Fault

Headers = dict[str, bytes | None]
SOUND = json.loads(event())
DATA = json.dumps(SOUND["data"]).encode()
ATTRIBUTES: Headers = {f"ce_{name}": value.encode() for name, value in SOUND.items() if name != "data"}
JSON = {"content-type": b"application/json"}
BINARY = ATTRIBUTES | JSON


def read(value: bytes | None, headers: Headers | None) -> tuple[Activity, dict[str, Any]] | list[Fault]:
    return read_event(value, headers, ARRIVED, CLUSTERS)


def refused(value: bytes | None, headers: Headers) -> list[tuple[str, str]]:
    """Field and code of each fault of an event that must have some."""
    found = read(value, headers)
    assert isinstance(found, list), found
    return [(one.field, one.code) for one in found]


PLAIN = read(event(), None)
assert isinstance(PLAIN, tuple)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"content-type": b"application/cloudevents+json"}, id="content type"),
        pytest.param({"content-type": b"application/cloudevents+json; charset=utf-8"}, id="parameter"),
        pytest.param({"content-type": b" Application/CloudEvents+JSON ;charset=UTF-8"}, id="capitals and spaces"),
        pytest.param({"content-type": b"application/cloudevents+json"} | ATTRIBUTES, id="attributes with it"),
        pytest.param(
            {"content-type": b"application/cloudevents+json", "ce_id": b"\xff", "ce_time": b"x"}, id="rubbish with it"
        ),
        pytest.param({"content-type": None}, id="null content type"),
        pytest.param({"content-type": None, "ce_specversion": None}, id="null headers"),
    ],
)
def test_structured_mode(headers: Headers):
    """The content type decides: the value is the whole event, and headers that repeat it do not count."""
    assert read(event(), headers) == PLAIN


@pytest.mark.parametrize(
    "content_type",
    [
        pytest.param(b"application/json", id="JSON"),
        pytest.param(b"application/json; charset=utf-8", id="parameter"),
        pytest.param(b"Application/JSON;charset=UTF-8", id="capitals"),
        pytest.param(b"application/vnd.clustertrack.v1+json", id="a kind of JSON"),
        pytest.param(None, id="null"),
        pytest.param(..., id="none"),
    ],
)
def test_binary_mode(content_type: Any):
    """Headers are the attributes, the value is the data; the row is that of the same event in structured mode."""
    headers = ATTRIBUTES | ({} if content_type is ... else {"content-type": content_type})
    found = read(DATA, headers)
    assert isinstance(found, tuple), found
    assert found[0] == PLAIN[0]
    sent = content_type.decode() if isinstance(content_type, bytes) else "application/json"
    assert isinstance(PLAIN, tuple)
    assert found[1] == PLAIN[1] | {"datacontenttype": sent}


def test_attributes_are_not_percent_encoded():
    """Kafka headers are plain UTF-8: what looks like an escape is one of the publisher's own."""
    found = read(DATA, BINARY | {"ce_id": "å%20%C3".encode()})
    assert isinstance(found, tuple)
    assert found[0].event_id == "å%20%C3"


def test_extensions_of_both_modes_pass_through():
    """An extension attribute is handed on; one that is null is unset."""
    found = read(DATA, BINARY | {"ce_traceparent": b"00-1", "ce_gone": None})
    assert isinstance(found, tuple)
    assert isinstance(PLAIN, tuple)
    assert found[1] == PLAIN[1] | {"datacontenttype": "application/json", "traceparent": "00-1"}


def test_the_value_is_the_data():
    """Headers that would be the data or its type are not; the value and the content type are."""
    found = read(DATA, BINARY | {"ce_data": b"x", "ce_datacontenttype": b"text/csv"})
    assert isinstance(found, tuple)
    assert found[0] == PLAIN[0]
    assert found[1]["datacontenttype"] == "application/json"


@pytest.mark.parametrize("headers", [pytest.param(h, id=i) for i, h in {"binary": BINARY, "structured": JSON}.items()])
def test_no_data_is_a_tombstone(headers: Headers):
    """A record without a value is no activity in any mode."""
    assert refused(None, headers) == [("", "tombstone")]


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        pytest.param(b"", ("data", "invalid_json"), id="empty"),
        pytest.param(b"null", ("data", "missing"), id="null"),
        pytest.param(b"[]", ("data", "invalid_type"), id="list"),
        pytest.param(b'"e30="', ("data", "invalid_type"), id="text"),
        pytest.param(DATA[:-1], ("data", "invalid_json"), id="cut"),
        pytest.param(b'{"title": NaN}', ("data", "invalid_json"), id="NaN"),
        pytest.param(b'{"title": "\xe6"}', ("data", "invalid_utf8"), id="latin-1"),
        pytest.param(b"[" * 100_000, ("data", "invalid_json"), id="deep"),
    ],
)
def test_data_that_cannot_be_read(value: bytes, fault: tuple[str, str]):
    """The data is one JSON object; what is wrong with it hides nothing in the attributes."""
    assert refused(value, BINARY) == [fault]
    both = refused(value, BINARY | {"ce_subject": b"12345678", "ce_time": None})
    assert sorted(both) == sorted([fault, ("subject", "invalid_cvr_checksum"), ("time", "missing")])


@pytest.mark.parametrize(
    "content_type",
    [
        pytest.param(b"application/cloudevents-batch+json", id="batch"),
        pytest.param(b"application/cloudevents+avro", id="Avro"),
        pytest.param(b"application/cloudevents", id="no format"),
        pytest.param(b"application/cloudevents+xml; charset=utf-8", id="XML"),
    ],
)
def test_formats_that_are_not_read(content_type: bytes):
    """Of the formats only JSON is read, one event a record; the others cannot be checked further."""
    for headers in ({}, ATTRIBUTES, ATTRIBUTES | {"ce_subject": b"12345678"}):
        found = refused(event(), headers | {"content-type": content_type})
        assert found == [("datacontenttype", "unsupported_content_type")]


@pytest.mark.parametrize(
    ("content_type", "code"),
    [
        pytest.param(b"text/csv", "unsupported_content_type", id="CSV"),
        pytest.param(b"text/json", "unsupported_content_type", id="not quite JSON"),
        pytest.param(b"application/jsonlines", "unsupported_content_type", id="JSON lines"),
        pytest.param(b"application/json\n", "unsupported_content_type", id="newline"),
        pytest.param(b"", "unsupported_content_type", id="empty"),
        pytest.param(b"application/json\xff", "invalid_header", id="no UTF-8"),
    ],
)
def test_data_that_is_no_json(content_type: bytes, code: str):
    """In binary mode the attributes are judged even where the data cannot be; without attributes there is no event."""
    found = refused(b"x", ATTRIBUTES | {"content-type": content_type, "ce_subject": b"12345678"})
    assert found == [("datacontenttype", code), ("subject", "invalid_cvr_checksum")]
    assert refused(b"x", {"content-type": content_type}) == [("datacontenttype", code)]


def test_json_without_attributes_is_no_event():
    """With a content type of JSON the attributes must be in headers: the value is not searched for them."""
    required = ["specversion", "id", "source", "type", "subject", "time"]
    assert refused(event(), JSON) == [(name, "missing") for name in required]


@pytest.mark.parametrize("name", ["specversion", "id", "source", "type", "subject", "time"])
def test_every_attribute_is_required(name: str):
    """No attribute is invented: a header that is absent or null is a missing field."""
    without = {header: value for header, value in BINARY.items() if header != f"ce_{name}"}
    assert refused(DATA, without) == [(name, "missing")]
    assert refused(DATA, BINARY | {f"ce_{name}": None}) == [(name, "missing")]


@pytest.mark.parametrize(
    "raw", [b"\xff", b"\xc0\x80", b"\xe6", b"\xed\xa0\x80"], ids=["byte", "overlong", "latin", "lone"]
)
def test_headers_that_are_not_utf8(raw: bytes):
    """A header that cannot be read is one fault, not also a missing one, and hides no other."""
    found = refused(b'{"cpr": 1}', BINARY | {"ce_id": raw, "ce_note": raw, "ce_subject": b"1"})
    assert sorted(found) == [
        ("data.cpr", "extra_field"),
        ("id", "invalid_header"),
        ("note", "invalid_header"),
        ("subject", "invalid_cvr_length"),
    ]


def test_an_unreadable_extension_alone_is_refused():
    """An event is sound only if all of it can be read; unknown fields are not shown."""
    assert read(DATA, BINARY | {"ce_note": b"Ane\xff"}) == [Fault("note", "invalid_header", MASK)]
    assert read(DATA, BINARY | {"ce_id": b"E\xff"}) == [Fault("id", "invalid_header", "b'E\\xff'")]


@given(
    st.binary() | st.just(DATA) | st.just(event()),
    st.dictionaries(
        st.sampled_from([*BINARY, "ce_", "ce_data_base64", "ce_x"]),
        st.none() | st.binary() | st.sampled_from([*BINARY.values(), b"application/cloudevents+json"]),
    ),
    st.sampled_from([{}, BINARY]),
)
def test_any_headers_are_read_or_refused(value: bytes, headers: Headers, others: Headers):
    """Any headers give a row or known faults, never an exception."""
    found = read(value, others | headers)
    assert isinstance(found, tuple) or (found and all(one.code in CODES for one in found))
