"""A fixed corpus of records that must stop nobody: what each is, and exactly what is wrong with it.

`REFUSED` have faults, `ODD` only look as if. None of them shares a rule with the product: faults are written down here.
"""

import json
import string
from dataclasses import dataclass
from typing import Any

from judging import ENDED, RETRACTED, SHARED, TYPE, altered, retraction
from rawkafka import Parcel, Raw, wire_size
from samples import CVRS, SOURCE, event

Faults = tuple[tuple[str, str], ...]
"""(field, code) of each."""
Headers = tuple[tuple[bytes, bytes | None], ...]

KEY = b"%08d" % CVRS[0]
LARGEST_BATCH = 1024 * 1024
"""max.message.bytes of the events topic."""
LARGEST_RECORD = 1_000_000
"""What a worker reads at most."""
UNPROCESSABLE = CVRS[7]
"""A company that a test's worker cannot enrich."""
NOT_STORABLE = "NOT-STORABLE"
"""An activity that a test's ClickHouse does not take."""


@dataclass(frozen=True, kw_only=True)
class Poison:
    """One record and its faults; none of an odd one."""

    name: str
    value: bytes | None
    faults: Faults = ()
    key: bytes | None = KEY
    headers: Headers = ()
    compressed: bool = False
    company: int | None = None
    """Whose partition it has to stand on; None: any will do."""
    alone: bool = False
    """In a batch of its own, because it fills it."""

    @property
    def raw(self) -> Raw:
        """The record."""
        return Raw(self.value, self.key, self.headers)


SOUND = event()
DOCUMENT: dict[str, Any] = json.loads(SOUND)
DATA = json.dumps(DOCUMENT["data"]).encode()
ATTRIBUTES: Headers = tuple((f"ce_{n}".encode(), v.encode()) for n, v in DOCUMENT.items() if n != "data")
STRUCTURED = (b"content-type", b"application/cloudevents+json")
JSON = (b"content-type", b"application/json")
BINARY: Headers = (*ATTRIBUTES, JSON)
REQUIRED = ("specversion", "id", "source", "type", "subject", "time")


def with_number(digits: bytes, *, field: str = "x") -> bytes:
    """A sound event with a number as it is written, in an extension or in `data`."""
    if field == "x":
        return event(x=0).replace(b'"x": 0', b'"x": ' + digits)
    return event(data={field: 0}).replace(b": 0}", b": " + digits + b"}")


def without(name: bytes) -> Headers:
    """Binary mode without one header."""
    return tuple(header for header in BINARY if header[0] != name)


def _table(kind: str, **rows: tuple[bytes | None, Faults]) -> list[Poison]:
    return [Poison(name=f"{kind}: {n.replace('_', ' ')}", value=v, faults=f) for n, (v, f) in rows.items()]


def _one(field: str, code: str) -> Faults:
    return ((field, code),)


def _changed(code: str, field: str, envelope: dict[str, Any] | None = None, **data: Any) -> tuple[bytes, Faults]:
    return altered(envelope or {}, data), _one(field, code)


NO_TYPE = "unsupported_content_type"
NO_JSON, NO_UTF8 = _one("", "invalid_json"), _one("", "invalid_utf8")

BYTES = _table(
    "bytes",
    tombstone=(None, _one("", "tombstone")),
    empty=(b"", NO_JSON),
    blank=(b" \r\n\t", NO_JSON),
    one_null_byte=(b"\0", NO_JSON),
    many_null_bytes=(b"\0" * 10_000, NO_JSON),
    every_byte=(bytes(range(256)), NO_UTF8),
    no_text=(b"\xff\xfe\xfd", NO_UTF8),
    plain_text=(b"hello", NO_JSON),
    xml=(b'<?xml version="1.0"?><event/>', NO_JSON),
    avro=(b"\x00\x00\x00\x00\x2a\x10abcdefgh", NO_JSON),
    byte_order_mark=(b"\xef\xbb\xbf" + SOUND, NO_JSON),
    utf_16=(SOUND.decode().encode("utf-16"), NO_UTF8),
    utf_16_without_mark=(SOUND.decode().encode("utf-16-le"), NO_JSON),
    utf_32=(SOUND.decode().encode("utf-32-be"), NO_JSON),
    latin_1=(altered({}, {"title": "~"}).replace(b"~", b"\xe6"), NO_UTF8),
    overlong=(SOUND.replace(b"WS-1", b"WS\xc0\xad1"), NO_UTF8),
    surrogate_in_utf_8=(SOUND.replace(b"WS-1", b"WS\xed\xa0\x801"), NO_UTF8),
    cut_letter=(SOUND.replace(b"WS-1", b"WS\xe2\x82"), NO_UTF8),
    null_byte_in_text=(SOUND.replace(b"WS-1", b"WS\x001"), NO_JSON),
    null_byte_behind=(SOUND + b"\0", NO_JSON),
    gzip=(b"\x1f\x8b\x08\x00" + SOUND, NO_UTF8),
)

DOCUMENTS = _table(
    "JSON",
    null=(b"null", NO_JSON),
    number=(b"5", NO_JSON),
    text=(b'"x"', NO_JSON),
    empty_list=(b"[]", NO_JSON),
    batch_of_events=(b"[" + SOUND + b"]", NO_JSON),
    two_events=(SOUND + b"\n" + SOUND, NO_JSON),
    cut=(SOUND[:-1], NO_JSON),
    trailing_comma=(SOUND[:-1] + b",}", NO_JSON),
    comment=(SOUND + b"// done", NO_JSON),
    single_quotes=(SOUND.replace(b'"', b"'"), NO_JSON),
    newline_in_text=(SOUND.replace(b"WS-1", b"WS\n1"), NO_JSON),
    lone_surrogate=(SOUND.replace(b"WS-1", b"WS\\ud800"), NO_JSON),
    lone_low_surrogate=(SOUND.replace(b"WS-1", b"WS\\udc00"), NO_JSON),
    surrogate_in_a_name=(event(**{"x\ud800": 1}), NO_JSON),
    deep_lists=(b"[" * 100_000, NO_JSON),
    deep_objects=(b'{"a":' * 100_000, NO_JSON),
    deep_and_closed=(b"[" * 100_000 + b"]" * 100_000, NO_JSON),
    deep_inside=(with_number(b"[" * 100_000 + b"]" * 100_000), NO_JSON),
    less_deep=(with_number(b"[" * 150 + b"]" * 150), _one("x", "invalid_type")),
    nan=(with_number(b"NaN"), NO_JSON),
    infinity=(with_number(b"-Infinity"), NO_JSON),
    nan_in_data=(with_number(b"NaN", field="title"), NO_JSON),
    beyond_floats=(with_number(b"1e400"), _one("x", "invalid_type")),
    five_thousand_digits=(with_number(b"1" * 5000), NO_JSON),
    four_thousand_digits=(with_number(b"1" * 4000), _one("x", "invalid_type")),
    many_digits_in_data=(with_number(b"9" * 4000, field="title"), _one("data.title", "invalid_type")),
    exponent_without_end=(with_number(b"1e" + b"9" * 4000), _one("x", "invalid_type")),
    leading_zero=(with_number(b"01"), NO_JSON),
    empty_object=(b"{}", tuple((name, "missing") for name in (*REQUIRED, "data"))),
)

ENVELOPE = _table(
    "envelope",
    **{f"no_{name}": _changed("missing", name, {name: ...}) for name in (*REQUIRED, "data")},
    **{f"null_{name}": _changed("missing", name, {name: None}) for name in (*REQUIRED, "data")},
    **{
        f"number_for_{name}": _changed("invalid_type", name, {name: 5})
        for name in (*REQUIRED, "datacontenttype", "data")
    },
    **{
        f"list_for_{name}": _changed("invalid_type", name, {name: []})
        for name in (*REQUIRED, "datacontenttype", "data")
    },
    **{f"empty_{name}": _changed("empty", name, {name: ""}) for name in ("id", "source", "type", "subject")},
    empty_specversion=_changed("unsupported_specversion", "specversion", {"specversion": ""}),
    specversion_0_3=_changed("unsupported_specversion", "specversion", {"specversion": "0.3"}),
    specversion_2_0=_changed("unsupported_specversion", "specversion", {"specversion": "2.0"}),
    blank_id=_changed("empty", "id", {"id": " \u00a0"}),
    id_of_201=_changed("too_long", "id", {"id": "x" * 201}),
    endless_id=_changed("too_long", "id", {"id": "x" * 900_000}),
    unknown_source=_changed("unknown_source", "source", {"source": "https://crm.example"}),
    endless_source=_changed("unknown_source", "source", {"source": "https://" + "x" * 100_000}),
    source_with_null_byte=_changed("unknown_source", "source", {"source": SOURCE + "\0"}),
    unknown_type=_changed("unknown_type", "type", {"type": "com.example.thing"}),
    type_version_2=_changed("unknown_type_version", "type", {"type": "org.clustertrack.workshop.attended.v2"}),
    short_subject=_changed("invalid_cvr_length", "subject", {"subject": "1374813"}),
    subject_wrong_digit=_changed("invalid_cvr_checksum", "subject", {"subject": "13748137"}),
    subject_in_arabic_digits=_changed("invalid_cvr_length", "subject", {"subject": "١٣٧٤٨١٣٦"}),
    endless_subject=_changed("invalid_cvr_length", "subject", {"subject": "1" * 100_000}),
    foreign_subject=_changed("unsupported_identifier", "subject", {"subject": "DE123456789"}),
    empty_time=_changed("invalid_time", "time", {"time": ""}),
    no_time_at_all=_changed("invalid_time", "time", {"time": "yesterday"}),
    endless_time=_changed("time_without_zone", "time", {"time": "2018-05-03T14:05:09." + "0" * 100_000}),
    time_without_zone=_changed("time_without_zone", "time", {"time": "2018-05-03T14:05:09"}),
    time_too_early=_changed("time_too_early", "time", {"time": "1999-12-31T23:59:59Z"}),
    time_in_the_future=_changed("time_in_future", "time", {"time": "9999-12-31T23:59:59Z"}),
    leap_second=_changed("invalid_time", "time", {"time": "2016-12-31T23:59:60Z"}),
    csv_inside=_changed(NO_TYPE, "datacontenttype", {"datacontenttype": "text/csv"}),
    empty_datacontenttype=_changed(NO_TYPE, "datacontenttype", {"datacontenttype": ""}),
    text_for_data=_changed("invalid_type", "data", {"data": "x"}),
    base64_beside_data=_changed("not_allowed", "data_base64", {"data_base64": "e30="}),
    base64_alone=(
        altered({"data": ..., "data_base64": "e30="}, {}),
        (("data", "missing"), ("data_base64", "not_allowed")),
    ),
    fraction_as_extension=_changed("invalid_type", "weight", {"weight": 0.5}),
    extension_beyond_32_bits=_changed("invalid_type", "shard", {"shard": 2**31}),
    object_as_extension=_changed("invalid_type", "contact", {"contact": {"name": "Ane"}}),
    list_as_extension=_changed("invalid_type", "tags", {"tags": []}),
)

CONTENT = _table(
    "data",
    **{
        f"number_for_{name}": _changed("invalid_type", f"data.{name}", **{name: 5})
        for name in ("activity_id", "occurred_on", "outcomes", "cluster", "membership", "title", "workshop_id")
    },
    **{
        f"endless_{name}": _changed("too_long", f"data.{name}", **{name: "x" * 501})
        for name in ("activity_id", "title", "workshop_id", "project_id", "product_id", "reason")
    },
    extra_field=_changed("extra_field", "data.surname", surname="Hansen"),
    extra_name_with_null_byte=_changed("extra_field", "data.\0", **{"\0": 1}),
    thousands_of_extra_fields=(
        event(data={f"f{n}": n for n in range(5000)}),
        tuple((f"data.f{n}", "extra_field") for n in range(100)),
    ),
    empty_activity_id=_changed("empty", "data.activity_id", activity_id=""),
    no_day=_changed("missing", "data.occurred_on", occurred_on=...),
    no_date=_changed("invalid_date", "data.occurred_on", occurred_on="2018-02-29"),
    day_too_early=_changed("date_too_early", "data.occurred_on", occurred_on="1999-12-31"),
    day_too_late=_changed("date_too_late", "data.occurred_on", occurred_on="9999-12-31"),
    unknown_outcome=_changed("unknown_outcome", "data.outcomes", outcomes=["new_jobs"]),
    outcomes_without_end=_changed("too_long", "data.outcomes", outcomes=["new_ideas"] * 101),
    membership_of_a_workshop=_changed("not_allowed", "data.membership", membership="member"),
    unknown_membership=_changed(
        "unknown_membership", "data.membership", {"type": TYPE.format("company.joined")}, membership="guest"
    ),
    not_its_cluster=_changed("not_a_cluster_of_source", "data.cluster", cluster="kelp"),
    no_cluster_any_more=_changed("outside_cluster_span", "data.occurred_on", {"source": ENDED}),
    which_cluster=_changed("cluster_required", "data.cluster", {"source": SHARED}),
    retraction_of_nothing=(retraction(data={"activity_id": ...}), _one("data.activity_id", "missing")),
    retraction_without_reason=(retraction(data={"reason": ...}), _one("data.reason", "missing")),
    retraction_with_blank_reason=(retraction(data={"reason": " "}), _one("data.reason", "empty")),
    retraction_with_outcomes=_changed(
        "not_allowed", "data.outcomes", {"type": RETRACTED}, outcomes=[], reason="x", occurred_on=...
    ),
    retraction_with_a_day=_changed("not_allowed", "data.occurred_on", {"type": RETRACTED}, reason="x"),
)


def _binary(name: str, headers: Headers, faults: Faults, value: bytes | None = DATA) -> Poison:
    return Poison(name=f"headers: {name}", value=value, headers=headers, faults=faults)


HEADERS = [
    *(
        _binary(f"no ce_{name}", without(f"ce_{name}".encode()), _one(name, "missing"))
        for name in ("specversion", "id", "source", "type", "subject", "time")
    ),
    _binary("null", (*without(b"ce_id"), (b"ce_id", None)), _one("id", "missing")),
    _binary("empty", (*without(b"ce_id"), (b"ce_id", b"")), _one("id", "empty")),
    _binary("twice and different", (*BINARY, (b"ce_id", b"other")), _one("id", "invalid_header")),
    _binary("twice, once null", (*BINARY, (b"CE_ID", None)), _one("id", "invalid_header")),
    _binary("two content types", (*BINARY, (b"Content-Type", b"text/csv")), _one("datacontenttype", "invalid_header")),
    _binary("no UTF-8", (*without(b"ce_id"), (b"ce_id", b"\xff\xfe")), _one("id", "invalid_header")),
    _binary("unreadable extension", (*BINARY, (b"ce_note", b"\xff")), _one("note", "invalid_header")),
    _binary(
        "unreadable content type", (*ATTRIBUTES, (b"content-type", b"\xff")), _one("datacontenttype", "invalid_header")
    ),
    _binary("JSON without attributes", (JSON,), tuple((name, "missing") for name in REQUIRED), SOUND),
    _binary("CSV", (*ATTRIBUTES, (b"content-type", b"text/csv")), _one("datacontenttype", NO_TYPE)),
    _binary("Avro", ((b"content-type", b"application/cloudevents+avro"),), _one("datacontenttype", NO_TYPE)),
    _binary(
        "batch",
        ((b"content-type", b"application/cloudevents-batch+json"),),
        _one("datacontenttype", NO_TYPE),
        b"[" + SOUND + b"]",
    ),
    _binary("structured, binary value", (STRUCTURED,), tuple((name, "missing") for name in (*REQUIRED, "data")), b"{}"),
    _binary("binary, tombstone", BINARY, _one("", "tombstone"), None),
    _binary("binary, empty value", BINARY, _one("data", "invalid_json"), b""),
    _binary("binary, null", BINARY, _one("data", "missing"), b"null"),
    _binary("binary, list", BINARY, _one("data", "invalid_type"), b"[]"),
    _binary("binary, no UTF-8", BINARY, _one("data", "invalid_utf8"), b'{"title": "\xe6"}'),
    _binary("names that are no text", ((b"\xff\xfe", b"\xff"), (b"", None), (b"\0", b"\0")), NO_JSON, b"{"),
    _binary(
        "the pipeline's own, forged",
        ((b"ct-origin", b"\xff/x/-1"), (b"ct-reason", b"x"), (b"ct-replays", b"9" * 50)),
        NO_JSON,
        b"{",
    ),
    _binary("thousands", ((b"h", b"v"),) * 20_000, NO_JSON, b"{"),
]


def filling(size: int) -> bytes:
    """Spaces that fill a batch of one record with the usual key to so many bytes."""
    spare = size - wire_size(Parcel(0, [Raw(b" " * (size - 100), KEY)]))
    return b" " * (size - 100 + spare)


SIZES = [
    Poison(
        name="size: the largest batch that the topic takes",
        value=filling(LARGEST_BATCH),
        faults=_one("", "too_long"),
        alone=True,
    ),
    Poison(
        name="size: a byte too large for the worker",
        value=SOUND + b" " * (LARGEST_RECORD - len(SOUND) - len(KEY) + 1),
        faults=_one("", "too_long"),
        alone=True,
    ),
    Poison(
        name="size: compressed, ten times the limit",
        value=SOUND + b" " * 10_000_000,
        faults=_one("", "too_long"),
        compressed=True,
        alone=True,
    ),
    Poison(
        name="size: attributes that grow as JSON",
        value=DATA,
        headers=(*BINARY, (b"ce_note", b"\x01" * 400_000)),
        faults=_one("", "too_long"),
        alone=True,
    ),
    Poison(
        name="size: headers of nothing without end, compressed",
        value=SOUND,
        headers=((b"", None),) * 300_000,
        faults=_one("", "too_long"),
        compressed=True,
        alone=True,
    ),
    Poison(name="key: a large one", value=SOUND, key=b"k" * 999_900, faults=_one("", "too_long"), alone=True),
    Poison(name="key: neither key nor value", value=None, key=None, faults=_one("", "tombstone")),
    Poison(name="key: no text", value=b"{", key=b"\xff\x00", faults=NO_JSON),
]

UNLUCKY = [
    Poison(
        name="breaks the pure step",
        value=event(UNPROCESSABLE, "UNPROCESSABLE"),
        key=b"%08d" % UNPROCESSABLE,
        faults=_one("", "unprocessable"),
        company=UNPROCESSABLE,
    ),
    Poison(
        name="refused by ClickHouse",
        value=event(CVRS[0], NOT_STORABLE),
        faults=_one("", "not_storable"),
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
        "names that stand twice",
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
