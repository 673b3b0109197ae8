"""Sound events with one rule broken each, drawn at random. The fault of each is written here, not computed."""

import json
from datetime import date
from typing import Any, NamedTuple

from hypothesis import strategies as st
from samples import CVRS, SOURCE

from schemas.envelope import DETAILS


class Broken(NamedTuple):
    """An event, the company of its key, and its only fault; without one it is sound."""

    value: bytes
    company: int
    activity: str
    fault: tuple[str, str] | None


_TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30).filter(str.strip)
_DIGITS = st.text("0123456789", min_size=1, max_size=20)
_DAYS = st.dates(min_value=date(2000, 1, 1), max_value=date(2025, 12, 31))
_NO_TEXT = st.integers(-(2**31), 2**31 - 1) | st.booleans() | st.lists(_TEXT, max_size=2) | st.just({})
_GONE = st.just(...) | st.none()
_COMPANIES = CVRS[:7]
_KINDS = ("company.joined", "workshop.attended", "project.started", "product.launched")
_TEXTS = tuple(name for name in DETAILS if name != "reason")


def _longer(size: int) -> st.SearchStrategy[str]:
    return st.text(st.characters(codec="utf-8", exclude_categories=["Z", "C"]), min_size=size + 1, max_size=size + 50)


def _other_digit(company: int, change: int) -> str:
    """The same number with another last digit: with any other one the sum is no longer a multiple of 11."""
    return f"{company - company % 10 + (company + change) % 10:08d}"


ENVELOPE: list[tuple[str, str, st.SearchStrategy[Any]]] = [
    *((name, "missing", _GONE) for name in ("specversion", "id", "source", "type", "subject", "time", "data")),
    *((name, "invalid_type", _NO_TEXT) for name in ("specversion", "id", "source", "type", "subject", "time")),
    *((name, "invalid_type", _NO_TEXT) for name in ("datacontenttype", "dataschema")),
    *((name, "empty", st.just("")) for name in ("id", "source", "type", "subject")),
    ("specversion", "unsupported_specversion", st.sampled_from(("", "0.3", "1", "1.1", "2.0", "1.0 "))),
    ("id", "empty", st.text(" \t\u00a0\u2003", min_size=1, max_size=300).map(lambda blank: blank[:200])),
    ("id", "too_long", _longer(200)),
    ("source", "unknown_source", _TEXT.filter(lambda text: text != SOURCE)),
    ("type", "unknown_type", _TEXT.map("com.example.{}".format)),
    ("type", "unknown_type_version", st.integers(2, 99).map("org.clustertrack.workshop.attended.v{}".format)),
    ("subject", "invalid_cvr_length", _DIGITS.filter(lambda digits: len(digits) != 8)),
    ("subject", "invalid_cvr_checksum", st.builds(_other_digit, st.sampled_from(_COMPANIES), st.integers(1, 9))),
    ("subject", "unsupported_identifier", st.integers(10**8, 10**9 - 1).map("DE{}".format)),
    ("time", "invalid_time", st.sampled_from(("", "yesterday", "2018-02-30T00:00:00Z", "2018-05-03T25:00:00Z"))),
    ("time", "time_without_zone", _DAYS.map("{}T14:05:09".format)),
    ("time", "time_too_early", st.integers(1900, 1999).map("{}-05-03T14:05:09Z".format)),
    ("time", "time_in_future", st.integers(2100, 9999).map("{}-05-03T14:05:09+02:00".format)),
    ("datacontenttype", "unsupported_content_type", st.sampled_from(("", "text/csv", "application/xml"))),
    ("data", "invalid_type", _TEXT | st.integers() | st.lists(_TEXT, max_size=2)),
    ("data_base64", "not_allowed", st.just("e30=")),
    ("weight", "invalid_type", st.just(0.5) | st.just({}) | st.lists(_TEXT, max_size=2) | st.integers(2**31, 2**70)),
]
DATA: list[tuple[str, str, st.SearchStrategy[Any]]] = [
    *((name, "invalid_type", _NO_TEXT) for name in ("activity_id", "occurred_on", "cluster", *_TEXTS)),
    ("activity_id", "empty", st.text(" \n\u00a0", max_size=200)),
    ("activity_id", "too_long", _longer(200)),
    *((name, "too_long", _longer(500)) for name in _TEXTS),
    ("occurred_on", "missing", _GONE),
    ("occurred_on", "invalid_date", st.sampled_from(("", "2018-02-29", "3 May 2018", "2018-13-01", "2018-05"))),
    ("occurred_on", "date_too_early", st.integers(1900, 1999).map("{}-12-31".format)),
    ("occurred_on", "date_too_late", st.integers(2100, 9999).map("{}-01-01".format)),
    ("outcomes", "unknown_outcome", _TEXT.map(lambda text: ["new_ideas", f"new {text}"])),
    ("outcomes", "too_long", st.integers(101, 120).map(lambda number: ["new_ideas"] * number)),
    ("outcomes", "invalid_type", _TEXT | st.integers() | st.just({})),
    ("cluster", "not_a_cluster_of_source", _TEXT.map("no {}".format)),
    ("reason", "too_long", _longer(500)),
    ("surname", "extra_field", _TEXT | st.none() | st.integers()),
    ("cpr", "extra_field", st.just("0101701234")),
]
Rule = tuple[str, str, st.SearchStrategy[Any], bool]
"""Field, code, what breaks it, and whether the field is one of `data`."""
RULES: list[Rule] = [(name, code, values, False) for name, code, values in ENVELOPE] + [
    (name, code, values, True) for name, code, values in DATA
]


@st.composite
def one_event(draw: st.DrawFn, rule: Rule | None) -> Broken:
    """A sound event of any type, with one of its fields replaced by what breaks exactly the rule."""
    company, number = draw(st.sampled_from(_COMPANIES)), draw(st.integers(0, 10**9))
    activity = f"R-{number}"
    data: dict[str, Any] = {"activity_id": activity, "occurred_on": draw(_DAYS).isoformat()}
    data |= draw(st.dictionaries(st.sampled_from(_TEXTS), _TEXT, max_size=2))
    data |= draw(st.sampled_from(({}, {"outcomes": []}, {"outcomes": ["new_products", "new_ideas"]})))
    envelope: dict[str, Any] = {
        "specversion": "1.0",
        "id": draw(_TEXT),
        "source": SOURCE,
        "type": f"org.clustertrack.{draw(st.sampled_from(_KINDS))}.v1",
        "subject": f"{company:08d}",
        "time": f"{draw(_DAYS)}T{draw(st.times()).replace(microsecond=0)}Z",
        "data": data,
    }
    broken = None
    if rule is not None:
        name, code, values, inside = rule
        (data if inside else envelope)[name] = draw(values)
        broken = (f"data.{name}" if inside else name, code)
    if envelope["data"] is data:
        envelope["data"] = {name: value for name, value in data.items() if value is not ...}
    value = json.dumps({name: value for name, value in envelope.items() if value is not ...}).encode()
    return Broken(value, company, activity, broken)
