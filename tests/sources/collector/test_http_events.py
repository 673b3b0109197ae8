"""What a request holds: modes, attributes in headers, lists, lines, and names that are there twice."""

import json

import pytest
from samples import event

from brokers.judging import LARGEST
from sources.collector.http_events import (
    BodyError,
    JsonEvents,
    LineSplitter,
    MediaError,
    Mode,
    TooManyError,
    TooManyPartsError,
    binary_event,
    decoded,
    mode_of,
)

CE = (b"ce-id", b"1")


@pytest.mark.parametrize(
    ("content_type", "mode"),
    [
        pytest.param(b"application/cloudevents+json", Mode.EVENT, id="structured"),
        pytest.param(b"application/cloudevents+json; charset=utf-8", Mode.EVENT, id="with a charset"),
        pytest.param(b"Application/CloudEvents+JSON;charset=UTF-8", Mode.EVENT, id="in capitals"),
        pytest.param(b"application/cloudevents-batch+json", Mode.BATCH, id="batch"),
        pytest.param(b"application/cloudevents-batch+json; charset=utf-8", Mode.BATCH, id="batch with a charset"),
        pytest.param(b"application/x-ndjson", Mode.LINES, id="lines"),
        pytest.param(b"application/jsonl", Mode.LINES, id="lines by their other name"),
        pytest.param(b"application/json; charset=utf-8", Mode.DATA, id="data"),
        pytest.param(b"text/plain", Mode.DATA, id="data that is refused later"),
    ],
)
def test_the_content_type_is_the_mode(content_type: bytes, mode: Mode):
    """With any parameters; attributes in headers make no difference to a whole event."""
    assert mode_of([(b"content-type", content_type), CE]) is mode


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        pytest.param([], "Content-Type is missing", id="nothing"),
        pytest.param([(b"content-type", b"application/json")], "send application/cloudevents", id="json"),
        pytest.param([(b"content-type", b"application/cloudevents+xml"), CE], "as JSON only", id="xml"),
        pytest.param([(b"content-type", b"application/cloudevents-batch+xml")], "as JSON only", id="batch of xml"),
        pytest.param([(b"content-type", b"application/cloudevents")], "as JSON only", id="no format"),
        pytest.param(
            [(b"content-type", b"application/cloudevents+json; charset=iso-8859-1")], "not iso-8859-1", id="charset"
        ),
        pytest.param([(b"content-type", b"application/json")] * 2 + [CE], "several", id="twice"),
    ],
)
def test_what_is_not_read(headers: list[tuple[bytes, bytes]], said: str):
    """The sentence says what to send instead."""
    with pytest.raises(MediaError, match=said):
        mode_of(headers)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        pytest.param(b"plain", "plain", id="plain"),
        pytest.param(b"Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀", id="encoded"),
        pytest.param(b"%e2%82%ac", "€", id="lower case"),
        pytest.param(b"%61b", "ab", id="needless"),
        pytest.param(b"a%2541", "a%41", id="one round"),
        pytest.param(b'"a b"', "a b", id="quoted"),
        pytest.param(rb'"a \"b\" \\ c"', 'a "b" \\ c', id="quoted pairs"),
        pytest.param(b'"%22"', '"', id="unquoted, then decoded"),
        pytest.param(b"%22a%22", '"a"', id="quotes that were encoded"),
        pytest.param(b'a"b', 'a"b', id="quote within"),
        pytest.param("blåbær".encode(), "blåbær", id="UTF-8 as it is"),
        pytest.param(b" a ", "a", id="blanks around"),
        pytest.param(b"", "", id="empty"),
        pytest.param(b"%C0%A0", None, id="overlong"),
        pytest.param(b"%ED%A0%80", None, id="surrogate"),
        pytest.param(b"%FF", None, id="no UTF-8"),
        pytest.param(b"bl\xe5b\xe6r", None, id="Latin-1"),
        pytest.param(b"%4", None, id="cut off"),
        pytest.param(b"100% sure", None, id="a mere percent sign"),
        pytest.param(b'"a', None, id="half quoted"),
        pytest.param(b'"a"b', None, id="more after the quotes"),
        pytest.param(b'"a\\"', None, id="quote that is escaped"),
    ],
)
def test_attributes_in_headers(raw: bytes, text: str | None):
    """First quotation marks, then one round of percent signs, then UTF-8; what gives no text is none."""
    found = decoded(raw)
    assert (None if found is None else found.decode()) == text


def test_binary_mode():
    """Attributes become headers of the record, decoded; the content type keeps its parameter, the body is the value."""
    found = binary_event(
        [
            (b"content-type", b"application/json; charset=utf-8"),
            (b"ce-id", b"a%20b"),
            (b"ce-source", b"https://x"),
            (b"host", b"h"),
            (b"authorization", b"Bearer k"),
        ],
        b"{}",
    )
    assert (found.event_id, found.source, found.value, found.faults) == ("a b", "https://x", b"{}", [])
    assert found.headers == [
        ("content-type", b"application/json; charset=utf-8"),
        ("ce_id", b"a b"),
        ("ce_source", b"https://x"),
    ]


@pytest.mark.parametrize(
    ("headers", "field", "value"),
    [
        pytest.param([(b"ce-id", b"1"), (b"ce-id", b"2")], "id", "2", id="twice"),
        pytest.param([(b"ce-id", b"1"), (b"ce-id", b"1")], "id", "1", id="the same twice"),
        pytest.param([(b"ce-id", b"%C0%A0")], "id", "%C0%A0", id="overlong"),
        pytest.param([(b"ce-name", b"%zz")], "name", "***", id="extension, masked"),
        pytest.param([(b"ce-datacontenttype", b"text/xml")], "datacontenttype", "text/xml", id="content type"),
    ],
)
def test_headers_that_cannot_be_read(headers: list[tuple[bytes, bytes]], field: str, value: str):
    """Each is a fault, and the record says nothing in its place."""
    found = binary_event(headers, b"{}")
    assert [tuple(one) for one in found.faults] == [(field, "invalid_header", value)]
    assert found.event_id is None
    assert all(text == b"\xff" for _, text in found.headers)


def test_a_list_of_events():
    """Each event is the bytes that were sent, wherever blanks are; nothing but its id and source is looked at."""
    first, second = event(), b'{ "id" : "\xc3\xb8", "n": 1e400, "big": ' + b"9" * 5000 + b"}"
    found = list(JsonEvents().batch(b" [" + first + b" ,\n" + second + b', 5, "x" ] ', 10))
    assert [one.value for one in found] == [first, second, b"5", b'"x"']
    assert [one.event_id for one in found] == ["WS-1@2018-05-03T14:05:09Z", "ø", None, None]
    assert list(JsonEvents().batch(b"\xef\xbb\xbf[]", 10)) == []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        pytest.param(b"", "no JSON array", id="empty"),
        pytest.param(b"{}", "no JSON array", id="one event"),
        pytest.param(b"[", "event 0: a value is missing", id="begun"),
        pytest.param(b"[{}", "after event 0: a comma", id="not closed"),
        pytest.param(b"[{},]", "event 1", id="comma too many"),
        pytest.param(b"[{}] []", "more follows", id="two"),
        pytest.param(b"[{},{", "event 1", id="cut off"),
        pytest.param(b"[\xff]", "not UTF-8 at byte 1", id="no UTF-8"),
        pytest.param(b"[" * 10_000, "nested too deeply", id="deep"),
        pytest.param(b'{"a":' * 10_000, "no JSON array", id="deep objects"),
    ],
)
def test_lists_that_cannot_be_read(body: bytes, said: str):
    """None of it is an event then."""
    with pytest.raises(BodyError, match=said):
        list(JsonEvents().batch(body, 10))


def test_too_many_events():
    """They are counted while they are read."""
    with pytest.raises(TooManyError):
        list(JsonEvents().batch(b"[1,2,3]", 2))
    with pytest.raises(TooManyPartsError):
        list(JsonEvents().batch(b"[" + b"{}," * 20_000 + b"1]", 10))


@pytest.mark.parametrize(
    ("value", "fields"),
    [
        pytest.param(b'{"id":"1","id":"1"}', ["id"], id="envelope"),
        pytest.param(b'{"data":{"title":"a","title":"b"}}', ["data.title"], id="data"),
        pytest.param(b'{"x":{"y":1,"y":2}}', ["y"], id="elsewhere"),
        pytest.param(b'{"id":"1","data":{"id":"1"}}', [], id="in different objects"),
        pytest.param(b'{"i\\u0064":"1","id":"1"}', ["id"], id="spelt in two ways"),
        pytest.param(b"{" + b",".join(b'"a%d":1' % (n % 40_000) for n in range(60_000)) + b"}", ["a0"], id="many"),
    ],
)
def test_names_that_are_there_twice(value: bytes, fields: list[str]):
    """Parsers differ in which of the two counts, so neither does."""
    found = JsonEvents().event(value)
    assert [(one.field, one.code) for one in found.faults] == [(field, "name_twice") for field in fields]


@pytest.mark.parametrize(
    ("value", "code"),
    [
        pytest.param(b"", "invalid_json", id="empty"),
        pytest.param(b"{} {}", "invalid_json", id="two"),
        pytest.param(b"\xff", "invalid_utf8", id="no UTF-8"),
        pytest.param(b"[" * 10_000, "invalid_json", id="deep"),
        pytest.param(b"[" * 100_000, "too_many_fields", id="deeper"),
    ],
)
def test_an_event_that_cannot_be_read(value: bytes, code: str):
    """It is judged all the same, so that all of its faults are one list."""
    found = JsonEvents().event(value)
    assert [one.code for one in found.faults] == [code]
    assert found.value == value


def test_a_byte_order_mark_belongs_to_no_event():
    """Some programs write one at the beginning of a file or a line."""
    assert JsonEvents().event(b"\xef\xbb\xbf" + event()).value == event()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000], ids=str)
def test_lines_come_in_any_pieces(size: int):
    """Where a piece ends makes no difference; blank lines are none, and the last one needs no end."""
    body = b"{1}\r\n\n  \n{2}\n" + json.dumps("æ" * 10).encode() + b"\n{3}"
    lines = LineSplitter()
    found = [line for at in range(0, len(body), size) for line in lines.feed(body[at : at + size])]
    assert found + list(lines.rest()) == [b"{1}", b"{2}", json.dumps("æ" * 10).encode(), b"{3}"]


def test_a_line_without_end_takes_no_memory():
    """Of a line that is longer than any event only its beginning is kept; the next one is whole."""
    lines = LineSplitter()
    for _ in range(50):
        assert list(lines.feed(b"x" * 100_000)) == []
    [long] = lines.feed(b"\n{2}")
    assert len(long) == LARGEST + 1
    assert list(lines.rest()) == [b"{2}"]
