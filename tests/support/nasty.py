"""Records that are made to be expensive, by kind and size; and good ones of the same size to compare with.

Each kind is a function of the number of bytes that a batch shall have. What it gives are the records of one batch.
"""

import json
from collections.abc import Callable
from typing import Any, Final

from deciding import HERE
from poison import ATTRIBUTES, BINARY, STRUCTURED, without
from poison_values import DATA, SOUND
from rawkafka import Raw
from samples import event

Kind = Callable[..., list[Raw]]
KINDS: Final[dict[str, Kind]] = {}
GOOD_SIZE: Final = 350
"""About how many bytes a good record has. A shorter one costs as much: work is counted by bytes and by records."""


def good(size: int) -> list[Raw]:
    """Sound events, all different."""
    found, filled = [], 0
    while filled < size:
        number = len(found)
        value = event(
            HERE[number % len(HERE)],
            f"WS-{number}",
            time=f"2018-05-03T{number // 60 % 24:02}:{number % 60:02}:09.{number:06}Z",
            data={"title": f"Workshop {number}", "outcomes": ["new_ideas"]},
        )
        found.append(Raw(value, b"%08d" % HERE[number % len(HERE)]))
        filled += len(value)
    return found


def weight(records: list[Raw]) -> int:
    """What records may cost: their bytes, and no record less than a good one."""
    return sum(max(GOOD_SIZE, size_of(record)) for record in records)


def size_of(record: Raw) -> int:
    """Bytes of a record, with the least that Kafka adds to each part."""
    return (
        len(record.key or b"")
        + len(record.value or b"")
        + 8
        + sum(len(name) + len(value or b"") + 2 for name, value in record.headers)
    )


def _kind(name: str) -> Callable[[Kind], Kind]:
    def listed(kind: Kind) -> Kind:
        KINDS[name] = kind
        return kind

    return listed


def _filled(size: int, before: bytes, piece: bytes, after: bytes, between: bytes = b"") -> bytes:
    """As many pieces as there is room for."""
    room = size - len(before) - len(after)
    return before + between.join([piece] * max(1, room // (len(piece) + len(between)))) + after


def _numbered(size: int, before: bytes, piece: bytes, after: bytes) -> bytes:
    """Pieces, each with another number in place of its %d, with commas between."""
    count = max(1, (size - len(before) - len(after)) // (len(piece % 10_000) + 1))
    return before + b",".join([piece % number for number in range(count)]) + after


def _with(**fields: Any) -> tuple[bytes, bytes]:
    """What is before and after the mark ~ in a sound event."""
    before, _, after = event(HERE[0], **fields).partition(b'"~"')
    return before, after


def _headers(size: int, *header: tuple[bytes, bytes | None], value: bytes | None = SOUND) -> list[Raw]:
    """One record full of the same headers."""
    each = sum(len(name) + len(content or b"") + 2 for name, content in header)
    return [Raw(value, None, header * max(1, size // each))]


def _many(size: int, record: Raw) -> list[Raw]:
    return [record] * max(1, size // size_of(record))


# ---- headers

for _name, _header in {
    "equal attributes": (b"ce_a", b""),
    "equal attributes with values": (b"ce_a", b"xxxxxxxx"),
    "equal null attributes": (b"ce_a", None),
    "equal content types": (b"content-type", b"a"),
    "foreign headers": (b"h", b"v"),
    "empty headers": (b"", None),
    "origins": (b"ct-origin", b"activity.events.v1/1/17"),
    "attributes that are no UTF-8": (b"ce_\xff", b"\xff"),
    "sources in headers": (b"ce_source", b"x"),
}.items():
    KINDS[f"headers: {_name}"] = lambda size, header=_header: _headers(size, header)


@_kind("headers: two attributes in turn")
def _in_turn(size: int) -> list[Raw]:
    return _headers(size, (b"ce_a", b"1"), (b"ce_a", b"2"), (b"CE_A", None))


@_kind("headers: attributes with names of their own")
def _own_names(size: int) -> list[Raw]:
    return [Raw(DATA, None, (*BINARY, *((b"ce_x%d" % n, b"") for n in range(size // 10))))]


@_kind("headers: names of their own that cannot be read")
def _own_unreadable(size: int) -> list[Raw]:
    return [Raw(DATA, None, (*BINARY, *((b"ce_x%d" % n, b"\xff") for n in range(size // 11))))]


@_kind("headers: other ones in each record")
def _other_each(size: int) -> list[Raw]:
    return [Raw(DATA, None, (*BINARY, (b"ce_n", b"%d" % n))) for n in range(size // 400)]


@_kind("headers: one more in each record")
def _one_more(size: int) -> list[Raw]:
    few = max(1, int((size / 3) ** 0.5))
    return [Raw(b"{", None, ((b"h", b""),) * n) for n in range(few)]


@_kind("headers: one long attribute of control characters")
def _control(size: int) -> list[Raw]:
    return [Raw(DATA, None, (*BINARY, (b"ce_note", b"\x01" * size)))]


@_kind("headers: one long attribute that is no UTF-8 at its end")
def _long_unreadable(size: int) -> list[Raw]:
    return [Raw(DATA, None, (*without(b"ce_id"), (b"ce_id", b"x" * size + b"\xff")))]


@_kind("headers: a long content type")
def _long_type(size: int) -> list[Raw]:
    return [Raw(DATA, None, (*ATTRIBUTES, (b"content-type", b"application/json" + b";" * size)))]


@_kind("headers: a long content type that nearly is JSON")
def _near_type(size: int) -> list[Raw]:
    return [Raw(DATA, None, (*ATTRIBUTES, (b"content-type", b"application/" + b"json+" * (size // 5))))]


@_kind("headers: a long content type that is no UTF-8")
def _no_type(size: int) -> list[Raw]:
    return [Raw(DATA, None, (*ATTRIBUTES, (b"content-type", b"\xff" * size)))]


@_kind("headers: a long origin")
def _long_origin(size: int) -> list[Raw]:
    return [Raw(b"{", None, ((b"ct-origin", b"/1" * (size // 2) + b"x"),))]


@_kind("headers: a long source")
def _long_source(size: int) -> list[Raw]:
    return [Raw(DATA, None, (*without(b"ce_source"), (b"ce_source", b"x" * size)))]


# ---- the envelope

for _name, _piece in {
    "lists": b'"x%d":[]',
    "objects": b'"x%d":{}',
    "fractions": b'"x%d":.5'.replace(b":.", b":0."),
    "numbers too large": b'"x%d":9999999999',
    "nulls": b'"x%d":null',
    "texts": b'"x%d":""',
    "numbers": b'"x%d":1',
}.items():
    KINDS[f"attributes: {_name}"] = lambda size, piece=_piece: [Raw(_numbered(size, SOUND[:-1] + b",", piece, b"}"))]

for _name in ("specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "x"):
    for _what, _text in {
        "letters": b"x",
        "escapes": b"\\u0000",
        "digits": b"1",
        "letters of 4 bytes": "\U0001f41f".encode(),
    }.items():
        KINDS[f"{_name}: {_what}"] = lambda size, name=_name, text=_text: [
            Raw(_filled(size, _with(**{name: "~"})[0] + b'"', text, b'"' + _with(**{name: "~"})[1]))
        ]
    KINDS[f"{_name}: deep lists"] = lambda size, name=_name: [
        Raw(_with(**{name: "~"})[0] + b"[" * (size // 2) + b"]" * (size // 2) + _with(**{name: "~"})[1])
    ]

for _name in ("activity_id", "occurred_on", "cluster", "membership", "title", "reason"):
    for _what, _text in {
        "letters": b"x",
        "escapes": b"\\u0000",
        "blanks": b" ",
        "letters of 4 bytes": "\U0001f41f".encode(),
    }.items():
        KINDS[f"data.{_name}: {_what}"] = lambda size, name=_name, text=_text: [
            Raw(_filled(size, _with(data={name: "~"})[0] + b'"', text, b'"' + _with(data={name: "~"})[1]))
        ]

for _what, _texts in {
    "time: a long fraction": ("time", b"2018-05-03T14:05:09.", b"0", b"Z"),
    "time: a long fraction without zone": ("time", b"2018-05-03T14:05:09.", b"0", b""),
    "time: a long fraction, wrong end": ("time", b"2018-05-03T14:05:09.", b"0", b"+"),
    "time: long zones": ("time", b"2018-05-03T14:05:09", b"+01:00", b""),
    "subject: long blanks": ("subject", b"DK", b" ", b"13748136"),
    "subject: long dashes": ("subject", b"", b"-.", b"13748136"),
    "type: many versions": ("type", b"org.clustertrack.workshop.attended.v", b"1", b"x"),
    "datacontenttype: near JSON": ("datacontenttype", b"application/", b"a+json", b"!"),
    "datacontenttype: parameters": ("datacontenttype", b"application/json", b" ;", b"\\n"),
    "datacontenttype: blanks": ("datacontenttype", b"application/json", b" ", b"x"),
    "id: blanks": ("id", b"", b" ", b""),
    "id: blanks of Unicode": ("id", b"", "\u2003".encode(), b""),
}.items():
    KINDS[_what] = lambda size, texts=_texts: [
        Raw(
            _filled(
                size,
                _with(**{texts[0]: "~"})[0] + b'"' + texts[1],
                texts[2],
                texts[3] + b'"' + _with(**{texts[0]: "~"})[1],
            )
        )
    ]


# ---- data

for _name, _piece in {
    "unknown fields": b'"f%d":%d'.replace(b":%d", b":1"),
    "unknown fields with lists": b'"f%d":[]',
    "unknown fields with long names": b'"' + b"f" * 300 + b'%d":1',
}.items():
    KINDS[f"data: {_name}"] = lambda size, piece=_piece: [Raw(_numbered(size, SOUND[:-2] + b",", piece, b"}}"))]

for _name, _piece in {
    "unknown outcomes": b'"o%d"',
    "numbers": b"%d",
    "lists": b"[%d]",
    "nulls and numbers": b"null,%d",
}.items():
    KINDS[f"outcomes: {_name}"] = lambda size, piece=_piece: [
        Raw(_numbered(size, _with(data={"outcomes": "~"})[0] + b"[", piece, b"]" + _with(data={"outcomes": "~"})[1]))
    ]


@_kind("outcomes: as many as are read, records of their own")
def _outcomes(size: int) -> list[Raw]:
    value = event(HERE[0], data={"outcomes": [f"o{n}" for n in range(100)]})
    return [Raw(value)] * max(1, size // len(value))


@_kind("outcomes: as many as are read, long ones")
def _long_outcomes(size: int) -> list[Raw]:
    value = event(HERE[0], data={"outcomes": ["x" * max(1, min(9000, size // 110))] * 100})
    return [Raw(value)] * max(1, size // len(value))


# ---- JSON as such

for _name, _value in {
    "opened lists": lambda size: b"[" * size,
    "opened objects": lambda size: b'{"a":' * (size // 5),
    "closed lists": lambda size: b"[" * (size // 2) + b"]" * (size // 2),
    "empty lists": lambda size: b"[" + b"[]," * (size // 3) + b"1]",
    "blanks": lambda size: b" " * size,
    "blanks around an event": lambda size: SOUND + b" " * size,
    "nulls": lambda size: b"\0" * size,
    "a list of numbers": lambda size: b"[" + b"1," * (size // 2) + b"1]",
    "digits": lambda size: b"1" * size,
    "many numbers of 4,000 digits": lambda size: _filled(size, b"[", b"1" * 4000, b"]", b","),
    "a fraction without end": lambda size: b"0." + b"1" * size,
    "an exponent without end": lambda size: b"1e" + b"1" * size,
    "one name many times": lambda size: _filled(size, b"{", b'"a":1', b"}", b","),
    "data many times": lambda size: _filled(size, SOUND[:-1] + b",", b'"data":{}', b"}", b","),
    "ids many times, wrong": lambda size: _filled(size, SOUND[:-1] + b",", b'"id":1', b"}", b","),
    "titles many times, wrong": lambda size: _filled(size, SOUND[:-2] + b",", b'"title":1', b"}}", b","),
    "no UTF-8 at the end": lambda size: SOUND[:-2] + b" " * size + b"\xff",
    "no UTF-8 at the end of a text": lambda size: b'"' + "\u00e6".encode() * (size // 2) + b'\xff"',
    "surrogates": lambda size: b'"' + b"\\ud800" * (size // 6) + b'"',
    "no text at all": lambda size: b"\xff" * size,
    "names of many lengths": lambda size: (
        b"{" + b",".join(b'"' + b"a" * (n % 200) + b'":[]' for n in range(size // 106)) + b"}"
    ),
    "names that share a hash": lambda size: _numbered(size, b"{", b'"%d":1', b"}"),
    "colons in names": lambda size: _numbered(size, SOUND[:-1] + b",", b'"\\ud83d\\udc1f%d":[]', b"}"),
}.items():
    KINDS[f"JSON: {_name}"] = lambda size, value=_value: [Raw(value(size))]


# ---- many records

for _name, _record in {
    "tombstones": Raw(None),
    "empty values": Raw(b""),
    "empty objects": Raw(b"{}"),
    "one byte": Raw(b"x"),
    "no UTF-8": Raw(b"\xff"),
    "keys only": Raw(None, b"k"),
    "binary mode, no data": Raw(None, None, BINARY),
    "structured, empty": Raw(b"{}", None, (STRUCTURED,)),
    "a hundred faults each": Raw(event(data={f"f{n}": 1 for n in range(100)})),
    "wrong in every field": Raw(
        json.dumps(
            {
                **dict.fromkeys(("specversion", "id", "source", "type", "subject", "time", "datacontenttype"), 1),
                "data": dict.fromkeys(("activity_id", "occurred_on", "cluster", "membership", "reason", "title"), 1),
            }
        ).encode()
    ),
    "the same event": Raw(event(HERE[0])),
    "an unknown source": Raw(event(HERE[0], source="x")),
}.items():
    KINDS[f"records: {_name}"] = lambda size, record=_record: _many(size, record)


@_kind("records: numbers of companies that are none")
def _numbers(size: int) -> list[Raw]:
    return [Raw(event(HERE[0], subject=f"{n:08}")) for n in range(size // 300)]


@_kind("records: days of their own")
def _days(size: int) -> list[Raw]:
    return [
        Raw(event(HERE[0], time=f"{n:04}-01-01T00:00:00.{n}Z", data={"occurred_on": f"{n:04}-01-01"}))
        for n in range(size // 300)
    ]
