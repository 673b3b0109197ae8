"""A file as `publish --dry-run` shows it to a person: what its columns are used for, and its first rows as understood.

Everything fits a terminal of 80 columns. Days are written out in Danish, so that nobody has to know which of 03-05-2018
is the month.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from textwrap import wrap
from typing import Any, Final

from pydantic_core import from_json

from schemas.envelope import EventData
from schemas.event_time import COPENHAGEN, copenhagen_day, parse_day, parse_instant
from schemas.indicators import TYPE_PREFIX, TYPE_SUFFIX
from schemas.people import masked, masked_bytes
from schemas.visible import Lines, as_lines, stacked, table, visible
from sources.files.file_publisher import Example, Input, Table
from sources.files.mapping import RETRACTED

WIDTH: Final = 80
_HEADING: Final = 24
_ACTIVITY: Final = 19
_INDENT: Final = "  "
_BELOW: Final = "        "
_MONTHS: Final = (
    "januar", "februar", "marts", "april", "maj", "juni", "juli", "august", "september", "oktober", "november",
    "december",
)  # fmt: skip
_ROW: Final = ("line", "company", "day", "type", "activity")
_MORE: Final = tuple(name for name in EventData.__annotations__ if name not in ("activity_id", "occurred_on"))
"""Fields of `data` that are below a row, where it has them."""


def day_in_words(day: date) -> str:
    """A day written out: 24. december 2020."""
    return f"{day.day}. {_MONTHS[day.month - 1]} {day.year}"


def danish_time(milliseconds: int) -> str:
    """An instant (ms since 1970 UTC) as a clock in Denmark shows it: 24. december 2020 kl. 18.30."""
    local = datetime.fromtimestamp(milliseconds / 1000, UTC).astimezone(COPENHAGEN)
    return f"{day_in_words(local.date())} kl. {local:%H.%M}"


def columns_text(source: Input) -> Lines:
    """What each column is used for, what is the same in all rows, and what is not sent at all."""
    if not isinstance(source, Table):
        return as_lines([f"{source.path}: JSON lines, one event each; every field of an event is sent"])
    builder = source.builder
    used = [["column", "is used for"]]
    for title, fields in builder.uses.items():
        used.append([fitting(masked(title), _HEADING), fitting(", ".join(fields), WIDTH - _HEADING - 4)])
    fixed = [f"{name}: {value} in every row" for name, value in builder.fixed.items()]
    left = [masked(title) for title in builder.unused]
    rest = "not sent: " + (", ".join(left) if left else "nothing, every column is used")
    return stacked([as_lines([f"{source.path}:"]), table(used, indent=_INDENT), _wrapped([*fixed, rest])])


def rows_text(examples: Iterable[Example]) -> Lines:
    """The first rows that would be sent, as the worker will understand them."""
    rows, below = [list(_ROW)], [""]
    for line, value in examples:
        if (event := event_of(value)) is not None:
            rows.append([str(line), *_cells(event)])
            below.append(_more(event))
    if len(rows) == 1:
        return as_lines([])
    parts = [as_lines(["", "The first rows, as they will be understood:"])]
    for row, more in zip(table(rows, indent=_INDENT).split("\n"), below, strict=True):
        parts += [as_lines([row]), _wrapped([more] if more else [], indent=_BELOW)]
    return stacked(parts)


def fitting(text: str, width: int) -> str:
    """A text that takes no more than so many columns when it is shown; cut where it is longer."""
    if len(visible(text[: width + 1])) <= width:
        return text
    shown = text[: width - 1]
    while len(visible(shown)) > width - 1:
        shown = shown[:-1]
    return f"{shown}…"


def event_of(value: bytes) -> dict[str, Any] | None:
    """The event of a record, without the CPR numbers and addresses in it; None where it is no JSON object."""
    try:
        event = from_json(masked_bytes(value))
    except ValueError:
        return None
    return event if isinstance(event, dict) else None


def _cells(event: Mapping[str, Any]) -> list[str]:
    data = _data(event)
    kind = str(event.get("type", "")).removeprefix(TYPE_PREFIX).removesuffix(TYPE_SUFFIX)
    activity = data.get("activity_id") or event.get("id") or ""
    return [
        fitting(str(event.get("subject", "")), 9),
        "" if kind == RETRACTED else fitting(_day(event, data), 17),
        fitting(kind, 18),
        fitting(str(activity), _ACTIVITY),
    ]


def _day(event: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    stated = data.get("occurred_on")
    if isinstance(stated, str):
        day = parse_day(stated)
        return stated if day is None else day_in_words(day)
    instant = parse_instant(str(event.get("time")))
    return "" if instant is None else day_in_words(copenhagen_day(instant))


def _more(event: Mapping[str, Any]) -> str:
    data = _data(event)
    instant = parse_instant(str(event.get("time")))
    when = danish_time(instant) if instant is not None else str(event.get("time"))
    parts = [f"recorded {when}"]
    for name in _MORE:
        said = data.get(name)
        if isinstance(said, list):
            parts.append(f"{name}: {', '.join(map(str, said)) or 'none'}")
        elif said is not None:
            parts.append(f"{name}: {fitting(str(said), WIDTH)}")
    return "; ".join(parts)


def _data(event: Mapping[str, Any]) -> Mapping[str, Any]:
    data = event.get("data")
    return data if isinstance(data, dict) else {}


def _wrapped(texts: Iterable[str], indent: str = _INDENT) -> Lines:
    """Texts on as many lines as they need."""
    lines = [
        line
        for text in texts
        for line in wrap(visible(text), WIDTH, initial_indent=indent, subsequent_indent=indent + _INDENT)
    ]
    return as_lines(lines)
