"""Days and times as exports write them, without a guess: what cannot be read for certain is refused with a sentence."""

import re
from datetime import UTC, date, datetime, timedelta, timezone
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from schemas.bounded_cache import RememberedTexts
from schemas.event_time import COPENHAGEN

_DAY_LENGTH: Final = 10
"""Characters of the longest ISO 8601 form of a day alone (`2018-05-03`); the shortest with a time of day has 13."""

_PARTS: Final = {
    "Y": "year", "y": "year", "m": "month", "b": "month", "B": "month", "d": "day", "H": "hour", "I": "hour",
    "p": "half of the day", "M": "minute", "S": "second", "f": "fraction", "z": "offset",
}  # fmt: skip
"""What a directive of a format reads. Others mean something else on another machine (`%x`, `%c`, `%Z`), or nothing."""
_KNOWN: Final = ", ".join(f"%{directive}" for directive in _PARTS)
_NEEDS: Final = {"minute": "hour", "second": "minute", "fraction": "second"}
_EXCEL: Final = {
    "yyyy": "%Y", "åååå": "%Y", "yy": "%y", "åå": "%y", "dd": "%d", "d": "%d", "hh": "%H", "h": "%H", "tt": "%H",
    "t": "%H", "ss": "%S", "s": "%S",
}  # fmt: skip
"""What the letters of Excel's formats are here, English and Danish; m is a month, and after an hour a minute."""

_DIRECTIVES: Final = {
    "%Y": r"(\d{4})",
    "%m": r"(\d{1,2})",
    "%d": r"(\d{1,2})",
    "%H": r"(\d{1,2})",
    "%M": r"(\d{1,2})",
    "%S": r"(\d{1,2})",
}
"""In the order of datetime's arguments."""
_CLOCKS: Final = (["%H", "%M"], ["%H", "%M", "%S"])
"""What the time of day of a usual format reads."""


class MomentError(ValueError):
    """The cell cannot be read as wanted; the message says why, in words for the owner of the file."""


def check_format(pattern: str, *, clock: bool) -> None:
    """Make sure that a strptime format reads one instant, or day, and the same one on every machine.

    Args:
        pattern: the format as the mapping states it.
        clock: whether it needs a time of day.

    Raises:
        MomentError: with what to write instead.
    """
    directives = re.findall(r"%(.?)", pattern.replace("%%", ""), re.DOTALL)
    if not directives:
        raise MomentError(f"the format {pattern!r} has no %: write {_from_excel(pattern) or '%d-%m-%Y %H:%M'!r}")
    read: list[str] = []
    for directive in directives:
        part = _PARTS.get(directive)
        if part is None:
            advice = " (give the zone with `timezone`)" if directive == "Z" else ""
            raise MomentError(f"the format {pattern!r} has %{directive}, which is not read{advice}; known are {_KNOWN}")
        if part in read:
            raise MomentError(f"the format {pattern!r} has the {part} twice")
        read.append(part)
    for part in ("year", "month", "day"):
        if part not in read:
            raise MomentError(f"the format {pattern!r} has no {part}")
    for part, larger in _NEEDS.items():
        if part in read and larger not in read:
            raise MomentError(f"the format {pattern!r} has a {part} and no {larger}")
    if ("I" in directives) != ("half of the day" in read):
        raise MomentError(f"the format {pattern!r} needs %I and %p for twelve hours, or %H for 24")
    if clock and "hour" not in read:
        raise MomentError(
            f"the format {pattern!r} has no hour: the time of a version needs a time of day; without such a column "
            "leave fields.time out and give exported_at"
        )


def _from_excel(pattern: str) -> str | None:
    """The format in our directives, when Excel's letters are recognised in it."""
    hours = False
    parts: list[str] = []
    for run in re.findall(r"([^\W\d_])(\1*)|(.)", pattern.lower(), re.DOTALL):
        text = run[0] + run[1] or run[2]
        if not run[0]:
            parts.append(text)
        elif text in ("m", "mm"):
            parts.append("%M" if hours else "%m")
        elif text in _EXCEL:
            hours = hours or _EXCEL[text] == "%H"
            parts.append(_EXCEL[text])
        else:
            return None
    found = "".join(parts)
    return found if {"%d", "%m"} <= {*re.findall("%.", found)} else None


def localise(naive: datetime, zone: ZoneInfo) -> datetime:
    """Give a time without zone its zone. The hour that occurs twice is taken as the first of the two.

    Raises:
        MomentError: the clocks were put forward over this time.
    """
    steady = _steady(naive.date(), zone)
    if steady is not None:
        return naive.replace(tzinfo=steady)
    first = naive.replace(tzinfo=zone, fold=0)
    before, after = first.utcoffset(), naive.replace(tzinfo=zone, fold=1).utcoffset()
    # PEP 495: the two differ only around a change of the clocks; before < after means that the hour was skipped.
    if before is not None and after is not None and before < after:
        raise MomentError(f"{naive:%Y-%m-%d %H:%M} does not exist in {zone.key}: the clocks were put forward")
    return first


@lru_cache(maxsize=16_384)
def _steady(day: date, zone: ZoneInfo) -> timezone | None:
    """The offset that holds all day long, which is five times as fast as asking the zone; None on a day of change."""
    begin = datetime(day.year, day.month, day.day, tzinfo=zone)
    try:
        offsets = {(begin + timedelta(days=days)).replace(fold=fold).utcoffset() for days in (0, 1) for fold in (0, 1)}
    except OverflowError:  # the last day of all
        return None
    offset = offsets.pop()
    return None if offsets or offset is None else timezone(offset)


def read_moment(cell: str | date, pattern: str | None, zone: ZoneInfo) -> datetime:
    """An instant with its zone, from text (in `pattern`, else ISO 8601) or from a spreadsheet's own date and time.

    Raises:
        MomentError: empty, unreadable, a day alone, or a time that does not exist.
    """
    if isinstance(cell, str):
        if not cell:
            raise MomentError("is empty")
        moment = _parse(cell, pattern) if pattern else _parse_iso(cell)
    elif isinstance(cell, datetime):
        moment = cell
    else:
        raise MomentError(f"{cell.isoformat()} is a day without a time of day")
    # Milliseconds are what orders versions; spreadsheets keep days as fractions and come out a microsecond off.
    extra = moment.microsecond % 1000
    try:
        if extra:
            moment += timedelta(microseconds=(1000 - extra) if extra >= 500 else -extra)  # noqa: PLR2004  (half a millisecond)
        moment = localise(moment, zone) if moment.tzinfo is None else moment
        moment.astimezone(UTC)
    except OverflowError:
        raise MomentError(f"{str(cell)[:40]!r} is the end of all calendars, not a time") from None
    return moment


@lru_cache(maxsize=65_536)
def read_day(cell: str | date, pattern: str | None, zone: ZoneInfo) -> str:
    """A calendar day as `YYYY-MM-DD`: a day as it is, of an instant its day in Denmark.

    Args:
        cell: text, or the day or instant that a workbook keeps.
        pattern: the format of a text; None: ISO 8601.
        zone: of an instant without one.

    Raises:
        MomentError: empty or unreadable.
    """
    clock = not isinstance(cell, str)
    if isinstance(cell, str):
        if not cell:
            raise MomentError("is empty")
        if pattern:
            cell, clock = _parse(cell, pattern), "%H" in pattern or "%I" in pattern
        elif len(cell) <= _DAY_LENGTH:
            try:
                return date.fromisoformat(cell).isoformat()
            except ValueError:
                raise MomentError(f"{cell!r} is not a day like 2018-05-03, and the mapping gives no format") from None
        else:
            cell, clock = _parse_iso(cell), True
    if not isinstance(cell, datetime):
        return cell.isoformat()
    if not clock or (cell.tzinfo is None and zone.key == COPENHAGEN.key):
        return cell.date().isoformat()
    try:
        instant = localise(cell, zone) if cell.tzinfo is None else cell
        return instant.astimezone(COPENHAGEN).date().isoformat()
    except OverflowError:
        raise MomentError(f"{str(cell)[:40]!r} is the end of all calendars, not a day") from None


def rfc3339(moment: datetime) -> str:
    """As written into an event: with offset, with milliseconds only where there are some."""
    text = moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds")
    return text.removesuffix("+00:00") + "Z" if moment.tzinfo is UTC else text


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


class TimeTexts:
    """Times of a column as events write them, where day and time of day are written apart: each is looked up, which
    takes a fifth of the time of `rfc3339(read_moment(..))` and gives the same.
    """

    def __init__(self, day: str, clock: str, zone: ZoneInfo) -> None:
        self._day_pattern, self._clock_pattern, self._zone = day, clock, zone
        self._days = RememberedTexts(self._day, 16_384, _DAY_LENGTH)
        self._clocks = RememberedTexts(self._clock, 16_384, _DAY_LENGTH)
        self._begins = RememberedTexts(self._begin, 16_384, _DAY_LENGTH)
        self._since = RememberedTexts(self._since_midnight, 16_384, _DAY_LENGTH)

    @classmethod
    def of(cls, pattern: str | None, zone: ZoneInfo) -> "TimeTexts | None":
        """For a column's format and the zone of its times; None where the format is none of the usual ones."""
        day, _, clock = (pattern or "").partition(" ")
        usual = sorted(re.findall("%.", day)) == ["%Y", "%d", "%m"] and sorted(re.findall("%.", clock)) in _CLOCKS
        return cls(day, clock, zone) if usual else None

    def read(self, text: str) -> str | None:
        """As RFC 3339; None where `read_moment` has to decide."""
        day, _, clock = text.partition(" ")
        date_text, offset = self._days[day]
        clock_text = self._clocks[clock]
        return f"{date_text}{clock_text}{offset}" if date_text and clock_text else None

    def milliseconds(self, text: str) -> int | None:
        """Since 1970 UTC; None where `read_moment` has to decide."""
        day, _, clock = text.partition(" ")
        begin, since = self._begins[day], self._since[clock]
        return None if begin is None or since is None else begin + since

    def _begin(self, day: str) -> int | None:
        date_text, offset = self._days[day]
        return _milliseconds(datetime.fromisoformat(f"{date_text}00:00:00{offset}")) if date_text else None

    def _since_midnight(self, clock: str) -> int | None:
        text = self._clocks[clock]
        return _milliseconds(datetime.fromisoformat(f"1970-01-01T{text}+00:00")) if text else None

    def _day(self, text: str) -> tuple[str, str]:
        try:
            day = _parse(text, self._day_pattern)
        except MomentError:
            return "", ""
        steady = _steady(day.date(), self._zone)
        written = "" if steady is None else rfc3339(day.replace(tzinfo=steady))
        return written[: _DAY_LENGTH + 1], written[_DAY_LENGTH + 9 :]

    def _clock(self, text: str) -> str:
        try:
            return datetime.strptime(text, self._clock_pattern).time().isoformat()  # noqa: DTZ007  (a time of day)
        except ValueError:
            return ""


def _parse_iso(text: str) -> datetime:
    if len(text) <= _DAY_LENGTH:
        try:
            date.fromisoformat(text)
        except ValueError:
            pass
        else:
            raise MomentError(f"{text!r} is a day without a time of day")
    else:
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            pass
    raise MomentError(f"{text[:40]!r} is not a time like 2018-05-03T14:05:09+02:00, and the mapping gives no format")


def _parse(text: str, pattern: str) -> datetime:
    quick = _quick(pattern)
    try:
        if quick is not None and (match := quick[0].fullmatch(text)):
            return datetime(*map(int, match.group(*quick[1])))  # type: ignore[arg-type]  # noqa: DTZ001  (the caller adds the zone)
        return datetime.strptime(text, pattern)  # noqa: DTZ007  (the caller adds the zone)
    except ValueError:
        raise MomentError(f"{text[:40]!r} is not written as {pattern}") from None


@lru_cache(maxsize=64)
def _quick(pattern: str) -> tuple[re.Pattern[str], tuple[int, ...]] | None:
    """The usual numeric formats, five times as fast as strptime; None for all others.

    Returns:
        A regular expression, and its groups in the order of datetime's arguments.
    """
    parts = re.split(r"(%.)", pattern)
    directives = parts[1::2]
    order = list(_DIRECTIVES)
    if len(directives) < 3 or sorted(directives) != sorted(order[: len(directives)]):  # noqa: PLR2004  (a day)
        return None
    groups = tuple(directives.index(directive) + 1 for directive in order[: len(directives)])
    return re.compile("".join(_DIRECTIVES.get(part) or re.escape(part) for part in parts), re.ASCII), groups
