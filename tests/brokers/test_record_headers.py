"""What is read from the headers of a record."""

import json
from typing import Any

import pytest
from judging import ARRIVED, CLUSTERS
from samples import event

from brokers.record_headers import NO_HEADERS, HeadersRead, line_of, other_place, read_headers
from schemas.events import read_event

STRUCTURED = [
    pytest.param([("content-type", b"application/cloudevents+json")], id="plain"),
    pytest.param([("Content-Type", b"Application/CloudEvents+JSON; charset=utf-8")], id="parameter"),
    pytest.param([("ce_subject", b"\xff"), ("content-type", b"application/cloudevents+json")], id="attributes with it"),
    pytest.param([("trace", b"1")], id="none of ours"),
    pytest.param([], id="none"),
]


@pytest.mark.parametrize("headers", STRUCTURED)
@pytest.mark.parametrize("value", [event(), b"{", b"[]", event(subject="1")], ids=["sound", "broken", "list", "faulty"])
def test_headers_that_say_nothing_are_left_out(headers: list[tuple[str, bytes | None]], value: bytes):
    """In structured mode the value alone is judged: with the headers the answer is the same."""
    assert read_headers(headers).event is None
    given = {name.lower(): content for name, content in headers if name != "trace"}
    assert read_event(value, given or None, ARRIVED, CLUSTERS) == read_event(value, None, ARRIVED, CLUSTERS)


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        pytest.param([("CE_Id", b"1"), ("x", b"2")], {"ce_id": b"1"}, id="an attribute"),
        pytest.param([("content-type", b"text/plain")], {"content-type": b"text/plain"}, id="another type"),
        pytest.param([("ce_id", None)], {"ce_id": None}, id="null"),
        pytest.param([("ce_id", b"1"), ("CE_ID", b"1")], {"ce_id": b"1"}, id="twice the same"),
        pytest.param([("ce_id", b"1"), ("ce_id", b"2")], {"ce_id": b"1\xff2"}, id="two answers"),
        pytest.param(
            [("content-type", b"application/cloudevents+json"), ("content-type", b"application/json")],
            {"content-type": b"application/cloudevents+json\xffapplication/json"},
            id="two modes",
        ),
    ],
)
def test_headers_of_the_event(headers: list[tuple[str, bytes | None]], said: dict[str, Any]):
    """Attributes and content type by their names in lower case; a header with two contents cannot be read."""
    assert read_headers(headers).event == said


@pytest.mark.parametrize(
    ("headers", "size", "written"),
    [
        pytest.param([("ab", b"cde")], 15, 15, id="plain"),
        pytest.param([("\u00e6", None)], 12, 12, id="null"),
        pytest.param([("ce_x", b'\x00"a')], 17, 27, id="an attribute with characters that JSON escapes"),
        pytest.param([("x", b'\x00"a')], 14, 14, id="no attribute, so it is written nowhere"),
    ],
)
def test_sizes(headers: list[tuple[str, bytes | None]], size: int, written: int):
    """Ten bytes a header for Kafka, and up to five more for a character that JSON escapes."""
    found = read_headers(headers)
    assert (found.size, found.written) == (size, written)
    for name, content in headers:
        if name.startswith("ce_"):
            assert len(json.dumps({name: (content or b"").decode()})) <= written


def test_no_headers():
    """Most records of plain producers have none."""
    assert read_headers(()) == NO_HEADERS == HeadersRead(None, 0, 0, None, 0)


@pytest.mark.parametrize(
    ("origins", "origin"),
    [
        pytest.param([b"a/1/2"], b"a/1/2", id="one"),
        pytest.param([b"a/1/2", b"b/3/4"], b"b/3/4", id="the last of several"),
        pytest.param([b"a/1/2", None], b"", id="null"),
    ],
)
def test_the_origin(origins: list[bytes | None], origin: bytes):
    """The last one counts: a worker adds it behind those that came."""
    assert read_headers([("ct-origin", value) for value in origins]).origin == origin


@pytest.mark.parametrize(
    ("values", "line"),
    [
        pytest.param([b"a.csv:12"], ("a.csv", 12), id="a line"),
        pytest.param([b"a: b.csv:12"], ("a: b.csv", 12), id="a colon in the name"),
        pytest.param([b"a.csv:1", b"a.csv:2"], ("a.csv", 2), id="the last of several"),
        pytest.param([b"a.csv"], None, id="no line"),
        pytest.param([b"x" * 256 + b":1"], None, id="no name of a file"),
        pytest.param([None], None, id="null"),
        pytest.param([], None, id="none"),
    ],
)
def test_the_line_that_a_record_was_made_from(values: list[bytes | None], line: tuple[str, int] | None):
    """A name and a number, or nothing: any publisher can write the header too."""
    assert line_of([("ct-line", value) for value in values]) == line


@pytest.mark.parametrize(
    ("origin", "place"),
    [
        pytest.param(b"events/2/17", (2, 17), id="another partition"),
        pytest.param(b"events/0/17", None, id="the same partition"),
        pytest.param(b"events/3/17", (3, 17), id="a partition that was added"),
        pytest.param(b"events/65535/17", None, id="no partition"),
        pytest.param(b"other/2/17", None, id="another topic"),
        pytest.param(b"events/2/", None, id="no offset"),
        pytest.param(b"events/2/17\n", None, id="more behind it"),
        pytest.param(b"", None, id="empty"),
    ],
)
def test_the_place_that_an_origin_names(origin: bytes, place: tuple[int, int] | None):
    """Only another partition of the same topic: any publisher can write the header too."""
    assert other_place(origin, "events", 0) == place
