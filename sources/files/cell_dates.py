"""Days and times as exports write them, without a guess: what cannot be read for certain is refused with a sentence."""

import re
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime, timedelta, timezone
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from schemas.bounded_cache import RememberedTexts
from schemas.event_time import COPENHAGEN
from sources.files.cell_texts import canonical
from sources.files.date_formats import MomentError, reader

_DAY_LENGTH: Final = 10
"""Characters of the longest ISO 8601 form of a day alone (`2018-05-03`)."""

_OFFSET: Final = "[+-](?:0[0-9]|1[0-4])(?::?[0-5][0-9])?"
_FRACTION: Final = "(?:[.,][0-9]{1,9})?"
_ISO: Final = re.compile(
    rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}(?P<clock>T[0-9]{{2}}(?::[0-9]{{2}}(?::[0-9]{{2}}{_FRACTION})?(?:Z|{_OFFSET})?)?"
    rf"|[ ][0-9]{{2}}(?::[0-9]{{2}}(?:[ ]?Z|[ ]?[+][0-9:]+)?)?"
    rf"|[ ][0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}{_FRACTION}[ ]?(?:Z|{_OFFSET})?)?"
    rf"|[0-9]{{8}}(?P<short>T[0-9]{{4}}(?:[0-9]{{2}}{_FRACTION})?(?:Z|{_OFFSET})?)?",
    re.IGNORECASE,
)
"""What is read without a format. `10:00-11:00` after a blank is from ten to eleven, not an offset."""
_DAY_AND_OFFSET: Final = re.compile(rf"([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})(Z|{_OFFSET})", re.IGNORECASE)
"""A day as XML has it."""

_CLOCKS: Final = (["%H", "%M"], ["%H", "%M", "%S"])
"""What the time of day of a usual format reads."""


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
        text = canonical(cell)
        if not text:
            raise MomentError("is empty")
        if pattern:
            moment = reader(pattern).read(text)
        else:
            found = read_iso(text)
            if found is None and not _DAY_AND_OFFSET.fullmatch(text):
                raise MomentError(
                    f"{text[:40]!r} is not a time like 2018-05-03T14:05:09+02:00, and the mapping gives no format"
                )
            if not isinstance(found, datetime):
                raise MomentError(f"{text!r} is a day without a time of day")
            moment = found
    elif isinstance(cell, datetime):
        moment = cell
    else:
        raise MomentError(f"{cell.isoformat()} is a day without a time of day")
    try:
        # Milliseconds are what orders versions. The rest is cut, as it could carry a time into the next year.
        moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
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
    clock = True
    if isinstance(cell, str):
        text = canonical(cell)
        if not text:
            raise MomentError("is empty")
        if pattern:
            found: date | None = reader(pattern).read(text)
            clock = "%H" in pattern or "%I" in pattern
        else:
            found = read_iso(text) or _day_in_denmark(text)
        if found is None:
            raise MomentError(f"{text[:40]!r} is not a day like 2018-05-03, and the mapping gives no format")
        cell = found
    if not isinstance(cell, datetime):
        return cell.isoformat()
    if not clock or (cell.tzinfo is None and zone.key == COPENHAGEN.key):
        return cell.date().isoformat()
    try:
        instant = localise(cell, zone) if cell.tzinfo is None else cell
        return instant.astimezone(COPENHAGEN).date().isoformat()
    except OverflowError:
        raise MomentError(f"{str(cell)[:40]!r} is the end of all calendars, not a day") from None


def listed(cell: str | date, pattern: str) -> str | date:
    """A cell for the list of refused rows, which is read in the format first and as ISO 8601 then.

    A day of a workbook is ISO 8601 there, unless the format would read another day from that (`%Y-%d-%m`).
    """
    if isinstance(cell, str):
        return cell
    try:
        return (
            cell
            if reader(pattern).read(str(cell)).date() == date(cell.year, cell.month, cell.day)
            else cell.strftime(pattern)
        )
    except MomentError:
        return cell


def rfc3339(moment: datetime) -> str:
    """As written into an event: with offset, with milliseconds only where there are some."""
    text = moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds")
    return text.removesuffix("+00:00") + "Z" if moment.tzinfo is UTC else text


class TimeTexts:
    """Times of a column as events write them, where day and time of day are written apart: each is looked up, which
    takes a fifth of the time of `rfc3339(read_moment(..))` and gives the same.
    """

    def __init__(self, day: str, clock: str, zone: ZoneInfo) -> None:
        self._day_pattern, self._clock_pattern, self._zone = day, clock, zone
        self._days = RememberedTexts(self._day, 16_384, _DAY_LENGTH)
        self._clocks = RememberedTexts(self._clock, 16_384, _DAY_LENGTH)

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

    def _day(self, text: str) -> tuple[str, str]:
        try:
            day = reader(self._day_pattern).read(text)
        except MomentError:
            return "", ""
        if not MINYEAR < day.year < MAXYEAR:  # a zone may lead out of the calendar
            return "", ""
        steady = _steady(day.date(), self._zone)
        written = "" if steady is None else rfc3339(day.replace(tzinfo=steady))
        return written[: _DAY_LENGTH + 1], written[_DAY_LENGTH + 9 :]

    def _clock(self, text: str) -> str:
        try:
            return reader(f"%Y-%m-%d {self._clock_pattern}").read(f"2000-01-01 {text}").time().isoformat()
        except MomentError:
            return ""


def read_iso(text: str) -> date | None:
    """The day or the time, with a zone or without, that a canonical text is in ISO 8601; None where it is neither.

    A week is no day, and what else `fromisoformat` takes was not meant.
    """
    found = _ISO.fullmatch(text)
    try:
        if found is None:
            return None
        if not (found["clock"] or found["short"]):
            return date.fromisoformat(text)
        day, clock = text[: _DAY_LENGTH if found["clock"] else 8], found["clock"] or found["short"]
        return datetime.fromisoformat(f"{day}T{clock[1:].upper().replace(' ', '')}")
    except ValueError:
        return None


def _day_in_denmark(text: str) -> date | None:
    """The day of a text like `2018-05-03+02:00`, where that is a day in Denmark."""
    found = _DAY_AND_OFFSET.fullmatch(text)
    try:
        if found is None:
            return None
        begin = datetime.fromisoformat(f"{found[1]}T00:00:00{found[2].upper()}")
        return begin.date() if begin.astimezone(COPENHAGEN).replace(tzinfo=None) == begin.replace(tzinfo=None) else None
    except (ValueError, OverflowError):
        return None
