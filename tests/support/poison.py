"""A fixed corpus of records that must not stop anything: what each is, and exactly what is wrong with it.

`REFUSED` have faults, `ODD` only look as if. None of them shares a rule with the product: faults are written down here.
"""

import string
from typing import Any

from judging import retraction
from poison_values import (
    BYTES,
    CONTENT,
    DATA,
    DOCUMENT,
    DOCUMENTS,
    ENVELOPE,
    KEY,
    LONGEST,
    NO_JSON,
    NO_TYPE,
    REQUIRED,
    SOUND,
    Faults,
    Headers,
    Poison,
    one,
)
from rawkafka import Parcel, Raw, wire_size
from samples import CVRS, event

LARGEST_BATCH = 1024 * 1024
"""max.message.bytes of the events topic."""
LARGEST_RECORD = 1_000_000
"""What a worker reads at most."""
UNPROCESSABLE = CVRS[7]
"""A company that the worker of a test cannot enrich."""
NOT_STORABLE = "NOT-STORABLE"
"""An activity that a test's ClickHouse does not take."""


ATTRIBUTES: Headers = tuple((f"ce_{n}".encode(), v.encode()) for n, v in DOCUMENT.items() if n != "data")
STRUCTURED = (b"content-type", b"application/cloudevents+json")
JSON = (b"content-type", b"application/json")
BINARY: Headers = (*ATTRIBUTES, JSON)


def without(name: bytes) -> Headers:
    """Binary mode without one header."""
    return tuple(header for header in BINARY if header[0] != name)


def _binary(name: str, headers: Headers, faults: Faults, value: bytes | None = DATA) -> Poison:
    return Poison(name=f"headers: {name}", value=value, headers=headers, faults=faults)


HEADERS = [
    *(
        _binary(f"no ce_{name}", without(f"ce_{name}".encode()), one(name, "missing"))
        for name in ("specversion", "id", "source", "type", "subject", "time")
    ),
    _binary("null", (*without(b"ce_id"), (b"ce_id", None)), one("id", "missing")),
    _binary("empty", (*without(b"ce_id"), (b"ce_id", b"")), one("id", "empty")),
    _binary("twice and different", (*BINARY, (b"ce_id", b"other")), one("id", "invalid_header")),
    _binary("twice, once null", (*BINARY, (b"CE_ID", None)), one("id", "invalid_header")),
    _binary("two content types", (*BINARY, (b"Content-Type", b"text/csv")), one("datacontenttype", "invalid_header")),
    _binary("no UTF-8", (*without(b"ce_id"), (b"ce_id", b"\xff\xfe")), one("id", "invalid_header")),
    _binary("unreadable extension", (*BINARY, (b"ce_note", b"\xff")), one("note", "invalid_header")),
    _binary(
        "unreadable content type", (*ATTRIBUTES, (b"content-type", b"\xff")), one("datacontenttype", "invalid_header")
    ),
    _binary("JSON without attributes", (JSON,), tuple((name, "missing") for name in REQUIRED), SOUND),
    _binary("CSV", (*ATTRIBUTES, (b"content-type", b"text/csv")), one("datacontenttype", NO_TYPE)),
    _binary("Avro", ((b"content-type", b"application/cloudevents+avro"),), one("datacontenttype", NO_TYPE)),
    _binary(
        "batch",
        ((b"content-type", b"application/cloudevents-batch+json"),),
        one("datacontenttype", NO_TYPE),
        b"[" + SOUND + b"]",
    ),
    _binary("structured, binary value", (STRUCTURED,), tuple((name, "missing") for name in (*REQUIRED, "data")), b"{}"),
    _binary("binary, tombstone", BINARY, one("", "tombstone"), None),
    _binary("binary, empty value", BINARY, one("data", "invalid_json"), b""),
    _binary("binary, null", BINARY, one("data", "missing"), b"null"),
    _binary("binary, list", BINARY, one("data", "invalid_type"), b"[]"),
    _binary("binary, no UTF-8", BINARY, one("data", "invalid_utf8"), b'{"title": "\xe6"}'),
    _binary("names that are no text", ((b"\xff\xfe", b"\xff"), (b"", None), (b"\0", b"\0")), NO_JSON, b"{"),
    _binary(
        "the pipeline's own, forged",
        ((b"ct-origin", b"\xff/x/-1"), (b"ct-reason", b"x"), (b"ct-replays", b"9" * 50)),
        NO_JSON,
        b"{",
    ),
    _binary("thousands", ((b"h", b"v"),) * 20_000, one("", "too_many_headers"), b"{"),
]


def filling(size: int) -> bytes:
    """Spaces that fill a batch of one record with the usual key up to a size."""
    spare = size - wire_size(Parcel(0, [Raw(b" " * (size - 100), KEY)]))
    return b" " * (size - 100 + spare)


SIZES = [
    Poison(
        name="size: the largest batch that the topic takes",
        value=filling(LARGEST_BATCH),
        faults=one("", "too_long"),
        alone=True,
    ),
    Poison(
        name="size: a byte too large for the worker",
        value=SOUND + b" " * (LARGEST_RECORD - len(SOUND) - len(KEY) + 1),
        faults=one("", "too_long"),
        alone=True,
    ),
    Poison(
        name="size: compressed, ten times the limit",
        value=SOUND + b" " * 10_000_000,
        faults=one("", "too_long"),
        codec="gzip",
        alone=True,
    ),
    Poison(
        name="size: attributes that grow as JSON",
        value=DATA,
        headers=(*BINARY, (b"ce_note", b"\x01" * 400_000)),
        faults=one("", "too_long"),
        alone=True,
    ),
    Poison(
        name="size: headers of nothing without end, compressed",
        value=SOUND,
        headers=((b"", None),) * 300_000,
        faults=one("", "too_many_headers"),
        codec="gzip",
        alone=True,
    ),
    Poison(name="key: a large one", value=SOUND, key=b"k" * 999_900, faults=one("", "too_long"), alone=True),
    Poison(name="key: neither key nor value", value=None, key=None, faults=one("", "tombstone")),
    Poison(name="key: no text", value=b"{", key=b"\xff\x00", faults=NO_JSON),
]

UNLUCKY = [
    Poison(
        name="breaks the pure step",
        value=event(UNPROCESSABLE, "UNPROCESSABLE"),
        key=b"%08d" % UNPROCESSABLE,
        faults=one("", "unprocessable"),
        company=UNPROCESSABLE,
    ),
    Poison(
        name="refused by ClickHouse",
        value=event(CVRS[0], NOT_STORABLE),
        faults=one("", "not_storable"),
        company=CVRS[0],
    ),
]

REFUSED = [*BYTES, *DOCUMENTS, *ENVELOPE, *CONTENT, *HEADERS, *SIZES, *UNLUCKY]


def _odd(name: str, value: bytes, headers: Headers = (), key: bytes | None = KEY, *, alone: bool = False) -> Poison:
    return Poison(name=name, value=value, headers=headers, key=key, company=CVRS[0], alone=alone)


def _named(activity: str, **fields: Any) -> bytes:
    return event(CVRS[0], activity, **fields)


ODD = {
    "ODD-twice": _odd(
        "names that are there twice",
        _named("ODD-twice")
        .replace(b'"id": ', b'"id": 5, "id": ')
        .replace(b'"activity_id": ', b'"activity_id": "ODD-first", "activity_id": '),
    ),
    "ODD-\0": _odd("null bytes in texts", _named("ODD-\0", id="\0", data={"title": "\0"})),
    "ODD-\U0001f41f": _odd("a pair of surrogates", _named("ODD-\U0001f41f")),
    "ODD-blank": _odd("white space around it", b" \n\t" + _named("ODD-blank") + b"\r\n"),
    "ODD-largest": _odd(
        "as large as is read",
        _named("ODD-largest") + b" " * (LARGEST_RECORD - len(_named("ODD-largest")) - len(KEY)),
        alone=True,
    ),
    "ODD-extensions": _odd(
        "extensions of all types and strange names",
        _named(
            "ODD-extensions",
            **{"n": 2**31 - 1, "m": -(2**31), "b": False, "u": None, "": "x", "No Name\0": "x" * 50_000},
        ),
    ),
    "ODD-nulls": _odd(
        "null is unset", _named("ODD-nulls", datacontenttype=None, data_base64=None, data={"title": None})
    ),
    "ODD-names": _odd("header names that are no text", _named("ODD-names"), ((b"\xff\xfe", b"\xff"), (b"", None))),
    "ODD-null headers": _odd("null headers", _named("ODD-null headers"), ((b"content-type", None), (b"ce_id", None))),
    "ODD-no key": _odd("no key, on its partition", _named("ODD-no key"), key=None),
    "ODD-key": _odd("a key that is no number", _named("ODD-key"), key=b"\xff\0"),
    "ODD-same": _odd("the same header twice", _named("ODD-same"), (STRUCTURED, STRUCTURED)),
    "ODD-capitals": _odd(
        "binary mode in capitals",
        DATA.replace(b"WS-1", b"ODD-capitals"),
        tuple((name.upper(), value) for name, value in BINARY),
    ),
    "ODD-" + "\U0001f41f" * 196: _odd(
        "every text as long as it may be",
        _named(
            "ODD-" + "\U0001f41f" * 196,
            id="\u00e6" * 200,
            data={name: "\u00e6" * size for name, size in LONGEST.items() if name not in {"activity_id", "reason"}},
        ),
    ),
    "ODD-retracted": _odd(
        "a reason as long as it may be",
        retraction(subject=str(CVRS[0]), data={"activity_id": "ODD-retracted", "reason": "\u00e6" * 500}),
    ),
    "ODD-schema": _odd("a schema's address", _named("ODD-schema", dataschema="https://example.org/1")),
    "ODD-letters": _odd(
        "every printable character",
        _named("ODD-letters", data={"title": string.printable, "workshop_id": "\x7f\u2028\uffff"}),
    ),
}
"""Activity -> the record that brings it."""


COMPANIES = [
    Raw(b"{", KEY + b"/2010-01-01", ((b"\xff", b"\xfe"),)),
    Raw(b"", b"", ((b"", None),)),
    Raw(None, b"\xff"),
    Raw(b"\xff" * 1000, b"\0"),
    Raw(b"[" * 100_000, b"deep"),
    Raw(b'{"cvr": 1' + b"0" * 5000 + b"}", b"digits"),
]
"""Records of the register's topic that are no company; being compacted it takes none without a key."""
