"""Random records that nearly are events: bytes changed, fields replaced, headers added. Strategies of hypothesis."""

from typing import Any, NamedTuple

from hypothesis import strategies as st
from judging import ENDED, RETRACTED, SHARED, altered, retraction
from samples import CVRS, SOURCE, event

from schemas.envelope import EventData


class Mutant(NamedTuple):
    """A record's value, its CloudEvents headers, and the company that it began as."""

    value: bytes
    headers: dict[str, bytes | None]
    company: int


_COMPANIES = CVRS[:7]
_FIELDS = ("specversion", "id", "source", "type", "subject", "time", "data", "datacontenttype", "data_base64", "x", "")
_DATA = (*EventData.__annotations__, "cpr")
_TEXTS = ("", " ", "1.0", SOURCE, SHARED, ENDED, RETRACTED, "13585628", "2018-05-03", "2018-12-31", "new_ideas", "kelp")
_TIMES = ("2018-05-03T14:05:09Z", "2018-12-31T23:30:00+01:00", "2018-02-30T00:00:00Z", "2018-05-03T14:05:09")

_scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=[]), max_size=20)
)
_values = st.recursive(
    _scalars | st.sampled_from((*_TEXTS, *_TIMES)),
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.sampled_from((*_FIELDS, *_DATA)), part, max_size=3),
    max_leaves=6,
)
_sound = st.builds(
    lambda company, number, kind: (
        retraction(subject=str(company), data={"activity_id": f"M-{number}"})
        if kind == "retraction"
        else event(company, f"M-{number}", x=kind)
    ),
    st.sampled_from(_COMPANIES),
    st.integers(0, 40),
    st.sampled_from(("retraction", "\u00e6", "\U0001f41f", "x")),
)
_pieces = st.sampled_from(
    (b"", b"\0", b"\xff", b'"', b"\\", b"{", b"}", b"[", b",", b":", b"null", b"\\ud800", b"1e999")
)


def _edited(value: bytes, edits: list[tuple[float, int, bytes]]) -> bytes:
    for where, removed, piece in edits:
        start = int(where * len(value))
        value = value[:start] + piece + value[start + removed :]
    return value


_edits = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 4), _pieces | st.binary(max_size=3)), min_size=1, max_size=4
)
_changed = st.builds(
    altered,
    st.dictionaries(st.sampled_from(_FIELDS), _values, max_size=3),
    st.dictionaries(st.sampled_from(_DATA), _values | st.just(...), max_size=4),
)
_headers: st.SearchStrategy[dict[str, Any]] = st.dictionaries(
    st.sampled_from(
        ("ce_id", "ce_specversion", "ce_source", "ce_type", "ce_subject", "ce_time", "ce_x", "content-type")
    ),
    st.none()
    | st.binary(max_size=10)
    | st.sampled_from((*map(str.encode, _TEXTS), b"application/json", b"application/cloudevents+json; charset=utf-8")),
    max_size=3,
)

mutants = st.builds(
    Mutant,
    _sound | st.builds(_edited, _sound, _edits) | _changed | st.binary(max_size=40),
    st.just({}) | _headers,
    st.sampled_from(_COMPANIES),
)
