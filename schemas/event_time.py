"""Instants and days as events write them: RFC 3339 times, calendar days, and the day in Denmark of an instant.

Every event passes here. What repeats is looked up part by part (the date, the time of day, what follows it) instead of
being parsed each time, which takes half the time. All caches are bounded, and keep short texts only.
"""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from schemas.bounded_cache import Remembered

COPENHAGEN: Final = ZoneInfo("Europe/Copenhagen")
EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_DAY_LENGTH: Final = 10
_REST: Final = re.compile(r"(?:\.(\d+))?(?:[Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))", re.ASCII)
_LONGEST: Final = 40
"""Characters of the longest time whose parts are remembered: the digits of its fraction are not limited."""
_MINUTES: Final = {
    f"{hour:02}:{minute:02}": (hour * 60 + minute) * 60_000 for hour in range(24) for minute in range(60)
}
"""Hours end at 23: Python reads 24:00 from 3.13 on, RFC 3339 does not know it. Nor do we know leap seconds."""
_SECONDS: Final = {f":{second:02}": second * 1000 for second in range(60)}


def day_of(days: int) -> date:
    """The calendar day that is `days` days after 1970-01-01, as the ledger keeps it."""
    return date.fromordinal(days + EPOCH_ORDINAL)


def to_ms(instant: datetime) -> int:
    """Milliseconds since 1970 UTC of an aware time, rounded down."""
    return (instant - _EPOCH) // timedelta(milliseconds=1)


def parse_instant(text: str) -> int | None:
    """Milliseconds since 1970 UTC, rounded down, of an RFC 3339 time such as `2018-05-03T14:05:09.120+02:00`.

    None for any other text, and for days that no calendar has.
    """
    try:
        begin = _midnights[text[:11]] + _MINUTES[text[11:16]] + _SECONDS[text[16:19]]
        return begin + (_rests[text[19:]] if len(text) <= _LONGEST else _parse_rest(text[19:]))
    except (KeyError, ValueError):
        return None


def parse_day(text: str) -> date | None:
    """The day of a text `YYYY-MM-DD`; None for any other text, and for days that no calendar has."""
    return _days[text] if len(text) == _DAY_LENGTH else None


def copenhagen_day(milliseconds: int) -> date:
    """The calendar day in Denmark of an instant (ms since 1970 UTC)."""
    return _days_of_hours[milliseconds // HOUR_MS]


def _day_of_hour(hours: int) -> date:
    # Offsets of the zone are whole hours since 2000, so an hour of UTC lies in one day.
    return datetime.fromtimestamp(hours * 3600, COPENHAGEN).date()


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        return None


def _midnight(text: str) -> int:
    """Milliseconds at the beginning of `2018-05-03T`, as if it were UTC."""
    day = parse_day(text[:_DAY_LENGTH])
    if day is None or text[_DAY_LENGTH:] not in ("T", "t"):
        raise ValueError(text)
    return (day.toordinal() - EPOCH_ORDINAL) * DAY_MS


def _parse_rest(text: str) -> int:
    """Milliseconds that what follows the seconds, `.120+02:00` or `Z`, adds to the time as if it were UTC."""
    found = _REST.fullmatch(text)
    if found is None:
        raise ValueError(text)
    fraction, sign, hours, minutes = found.groups()
    added = int(f"{fraction[:3]:0<3}") if fraction else 0
    if sign is None:
        return added
    ahead = (int(hours) * 60 + int(minutes)) * 60_000
    return added - ahead if sign == "+" else added + ahead


_days_of_hours: Final = Remembered(_day_of_hour, 65_536)
_days: Final = Remembered(_day, 65_536)
_midnights: Final = Remembered(_midnight, 16_384)
_rests: Final = Remembered(_parse_rest, 8192)
