"""The part of the poison corpus whose poison is the value: bytes, JSON, the envelope, the data (see `poison`)."""

import json
from dataclasses import dataclass
from typing import Any

from judging import ENDED, RETRACTED, SHARED, TYPE, altered, retraction
from rawkafka import Raw
from samples import CVRS, SOURCE, event

from schemas.envelope import DETAILS

Faults = tuple[tuple[str, str], ...]
"""(field, code) of each."""
Headers = tuple[tuple[bytes, bytes | None], ...]

KEY = b"%08d" % CVRS[0]


@dataclass(frozen=True, kw_only=True)
class Poison:
    """One record and its faults; none of an odd one."""

    name: str
    value: bytes | None
    faults: Faults = ()
    key: bytes | None = KEY
    headers: Headers = ()
    codec: str = "none"
    company: int | None = None
    """Whose partition it has to be on; None: any will do."""
    alone: bool = False
    """In a batch of its own, because it fills it."""

    @property
    def raw(self) -> Raw:
        """The record."""
        return Raw(self.value, self.key, self.headers)


SOUND = event()
DOCUMENT: dict[str, Any] = json.loads(SOUND)
DATA = json.dumps(DOCUMENT["data"]).encode()
LONGEST = {"activity_id": 200, **dict.fromkeys(DETAILS, 500)}
"""Field of `data` -> the characters that it may have."""
REQUIRED = ("specversion", "id", "source", "type", "subject", "time")


def with_number(digits: bytes, *, field: str = "x") -> bytes:
    """A sound event with a number as it is written, in an extension or in `data`."""
    if field == "x":
        return event(x=0).replace(b'"x": 0', b'"x": ' + digits)
    return event(data={field: 0}).replace(b": 0}", b": " + digits + b"}")


def _table(kind: str, **rows: tuple[bytes | None, Faults]) -> list[Poison]:
    return [Poison(name=f"{kind}: {n.replace('_', ' ')}", value=v, faults=f) for n, (v, f) in rows.items()]


def one(field: str, code: str) -> Faults:
    return ((field, code),)


def _changed(code: str, field: str, envelope: dict[str, Any] | None = None, **data: Any) -> tuple[bytes, Faults]:
    return altered(envelope or {}, data), one(field, code)


NO_TYPE = "unsupported_content_type"
NO_JSON, NO_UTF8 = one("", "invalid_json"), one("", "invalid_utf8")

BYTES = _table(
    "bytes",
    tombstone=(None, one("", "tombstone")),
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
    surrogate_in_a_name=(altered({"x\ud800": 1}, {}), NO_JSON),
    deep_lists=(b"[" * 100_000, NO_JSON),
    deep_objects=(b'{"a":' * 100_000, NO_JSON),
    deep_and_closed=(b"[" * 100_000 + b"]" * 100_000, NO_JSON),
    deep_inside=(with_number(b"[" * 100_000 + b"]" * 100_000), NO_JSON),
    less_deep=(with_number(b"[" * 150 + b"]" * 150), one("x", "invalid_type")),
    nan=(with_number(b"NaN"), NO_JSON),
    infinity=(with_number(b"-Infinity"), NO_JSON),
    nan_in_data=(with_number(b"NaN", field="title"), NO_JSON),
    beyond_floats=(with_number(b"1e400"), one("x", "invalid_type")),
    five_thousand_digits=(with_number(b"1" * 5000), NO_JSON),
    four_thousand_digits=(with_number(b"1" * 4000), one("x", "invalid_type")),
    many_digits_in_data=(with_number(b"9" * 4000, field="title"), one("data.title", "invalid_type")),
    exponent_without_end=(with_number(b"1e" + b"9" * 4000), one("x", "invalid_type")),
    leading_zero=(with_number(b"01"), NO_JSON),
    empty_object=(b"{}", tuple((name, "missing") for name in (*REQUIRED, "data"))),
)

ENVELOPE = _table(
    "envelope",
    **{f"no_{name}": _changed("missing", name, {name: ...}) for name in (*REQUIRED, "data")},
    **{f"null_{name}": _changed("missing", name, {name: None}) for name in (*REQUIRED, "data")},
    **{
        f"number_for_{name}": _changed("invalid_type", name, {name: 5})
        for name in (*REQUIRED, "datacontenttype", "dataschema", "data")
    },
    **{
        f"list_for_{name}": _changed("invalid_type", name, {name: []})
        for name in (*REQUIRED, "datacontenttype", "dataschema", "data")
    },
    **{f"empty_{name}": _changed("empty", name, {name: ""}) for name in ("id", "source", "type", "subject")},
    empty_specversion=_changed("unsupported_specversion", "specversion", {"specversion": ""}),
    specversion_0_3=_changed("unsupported_specversion", "specversion", {"specversion": "0.3"}),
    specversion_2_0=_changed("unsupported_specversion", "specversion", {"specversion": "2.0"}),
    blank_id=_changed("empty", "id", {"id": " \u00a0"}),
    id_of_201=_changed("too_long", "id", {"id": "\u00e6" * 201}),
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
    base64_with_data=_changed("not_allowed", "data_base64", {"data_base64": "e30="}),
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
        f"number_for_{name}": _changed("invalid_type", f"data.{name}", None, **{name: 5})
        for name in ("activity_id", "occurred_on", "outcomes", "cluster", "membership", "title", "workshop_id")
    },
    **{
        f"{name}_of_{size + 1}": _changed("too_long", f"data.{name}", None, **{name: "\u00e6" * (size + 1)})
        for name, size in LONGEST.items()
    },
    extra_field=_changed("extra_field", "data.surname", surname="Hansen"),
    extra_name_with_null_byte=_changed("extra_field", "data.\0", None, **{"\0": 1}),
    thousands_of_extra_fields=(
        event(data={f"f{n}": n for n in range(5000)}),
        one("", "too_many_fields"),
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
    retraction_of_nothing=(retraction(data={"activity_id": ...}), one("data.activity_id", "missing")),
    retraction_without_reason=(retraction(data={"reason": ...}), one("data.reason", "missing")),
    retraction_with_blank_reason=(retraction(data={"reason": " "}), one("data.reason", "empty")),
    retraction_with_outcomes=_changed(
        "not_allowed", "data.outcomes", {"type": RETRACTED}, outcomes=[], reason="x", occurred_on=...
    ),
    retraction_with_a_day=_changed("not_allowed", "data.occurred_on", {"type": RETRACTED}, reason="x"),
)
