"""The words of the schema: what random changes are made of, so that they get past the parser."""

from pathlib import Path
from typing import Final

from judging import ENDED, SHARED
from samples import CVRS, SOURCE

from schemas.envelope import EventData
from schemas.faults import CODES
from schemas.indicators import EVENT_TYPES, OUTCOMES, TYPE_PREFIX, TYPE_SUFFIX

ATTRIBUTES: Final = (
    "specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "data", "data_base64",
    "x", "",
)  # fmt: skip
DATA: Final = (*EventData.__annotations__, "company", "cpr")
COMPANY: Final = (
    "cvr", "valid_from", "revision", "withdrawn", "name", "legal_form", "employees", "employees_is_band",
    "nuts",
    "industry_scheme", "industry", "successor_cvr", "ceased_on",
)  # fmt: skip
TYPES: Final = tuple(TYPE_PREFIX + name + TYPE_SUFFIX for name in EVENT_TYPES)
TEXTS: Final = (
    *TYPES, *OUTCOMES, *map(str, CVRS), SOURCE, SHARED, ENDED, "food-bio", "ended", "kelp", "wool", "member",
    "participant", "1.0", "0.3", "application/json", "application/cloudevents+json", "text/csv", "DK13748136",
    "2018-05-03", "2000-01-01", "2016-02-29", "1999-12-31", "9999-12-31", "2018-05-03T14:05:09Z", "2018-05-03",
    "2018-12-31T23:30:00.5+01:00", "2018-10-28T02:30:00+02:00", "2018-02-30T00:00:00Z", "", " ", "\0", "\x7f", "\u00e6",
    "\u2003", "\U0001f41f", "\ud800", "\udc1f", '"', "\\", "x" * 200, "x" * 201, "x" * 501, "DK", "DK01", "DK012",
    "DB07", "DB25", "620100", "80", "company", "other",
    "org.clustertrack.workshop.attended.v2", "activity.events.v1/1/17", "activity.events.v1@1/0/3",
)  # fmt: skip
FITTING: Final[dict[str, tuple[object, ...]]] = {
    "type": TYPES,
    "subject": tuple(map(str, CVRS)),
    "source": (SOURCE, SHARED, ENDED),
    "time": (
        "2018-05-03T14:05:09Z",
        "2018-12-31T23:30:00.5+01:00",
        "2018-10-28T02:30:00+02:00",
        "2016-02-29T00:00:00z",
    ),
    "occurred_on": ("2018-05-03", "2000-01-01", "2016-02-29", "2017-01-01"),
    "cluster": ("food-bio", "ended", "kelp", "wool"),
    "membership": ("member", "participant"),
    "outcomes": ([], ["new_ideas"], ["new_products", "new_competencies"], ["new_ideas", "new_ideas"]),
    "reason": ("entered twice", " "),
    "specversion": ("1.0",),
    "datacontenttype": ("application/json", "application/x+json; a=b"),
}
"""Field -> values that it may have: what is accepted goes further than what is rejected."""
NUMBERS: Final = (
    0, 1, -1, 0.5, 1e300, 2**31 - 1, 2**31, -(2**31) - 1, 2**63 - 1, 2**63, 2**64, 10**400, CVRS[0], 10_000_000, True,
    False, None,
)  # fmt: skip
HEADERS: Final = (
    b"content-type", b"Content-Type", b"ce_id", b"ce_specversion", b"ce_source", b"ce_type", b"ce_subject", b"ce_time",
    b"ce_x", b"CE_ID", b"ce_data", b"ce_dataschema", b"ce_datacontenttype", b"ce_", b"ct-origin", b"ct-replays",
    b"ct-reason", b"ct-faults", b"ct-replay-of", b"ct-edited-from", b"", b"\xff", b"h",
)  # fmt: skip
HEADER_VALUES: Final = (
    b"application/json", b"application/cloudevents+json", b"application/cloudevents+json; charset=utf-8",
    b"application/cloudevents-batch+json", b"application/vnd.x+json;a=b", b"text/csv", b"1.0", SOURCE.encode(), b"\xff",
    b"", b"\0", b"activity.events.v1/1/17", b"activity.events.v1/2/9223372036854775807",
    b"activity.events.v1/65535/99999999999999999999", b"other/1/1", b"9999", *(name.encode() for name in TYPES),
    str(CVRS[0]).encode(), b"2018-05-03T14:05:09Z",
)  # fmt: skip
PIECES: Final = (
    b"\0", b"\xff", b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"null", b"\\ud800", b"1e999", b"\xc3\xa6", b"-",
    b".", b"\\u0000", b" ",
)  # fmt: skip


def dictionary() -> str:
    """All of them in libFuzzer's form, one a line."""
    texts = [text.encode("utf-8", "surrogatepass") for text in (*ATTRIBUTES, *DATA, *COMPANY, *TEXTS, *CODES)]
    words = {word for word in (*texts, *HEADERS, *HEADER_VALUES, *PIECES) if 0 < len(word) <= 100}
    return "".join(f'"{_escaped(word)}"\n' for word in sorted(words))


def write_dictionary(path: Path) -> None:
    """For libFuzzer's option `-dict`."""
    path.write_text(dictionary(), encoding="ascii")


def _escaped(word: bytes) -> str:
    return "".join(chr(b) if 0x20 <= b < 0x7F and b not in b'"\\' else f"\\x{b:02x}" for b in word)
