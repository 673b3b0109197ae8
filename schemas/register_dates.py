"""Days as the company register knows them.

They may be far in the past (a company of 1873): ClickHouse 26.9 stores and compares them in `Date32` as they are,
although its documented range begins in 1900. A year before 1000 is a slip of the pen (0018 for 2018) and refused.
"""

from datetime import date
from typing import Final

from schemas.event_time import parse_day

FIRST_DAY: Final = date(1000, 1, 1)
LAST_DAY: Final = date(2149, 6, 6)
"""Last day of ClickHouse's `Date`, in which days are asked for. 9999-12-31 for "open" is refused: leave it empty."""


class DayError(ValueError):
    """A text that is no day, or a day that no register has.

    Attributes:
        code: `invalid_date`, `date_too_early` or `date_too_late`.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{text!r}: {code}")
        self.code = code


def read_register_day(text: str) -> date:
    """A day written YYYY-MM-DD.

    Raises:
        DayError: with the code that the register's refusals carry.
    """
    day = parse_day(text)
    if day is None:
        raise DayError("invalid_date", text)
    return sound_day(day)


def sound_day(day: date) -> date:
    """The day itself.

    Raises:
        DayError: `date_too_early` or `date_too_late`.
    """
    if not FIRST_DAY <= day <= LAST_DAY:
        raise DayError("date_too_early" if day < FIRST_DAY else "date_too_late", day.isoformat())
    return day
