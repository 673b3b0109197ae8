"""Days and instants of a report. All days are calendar days in Europe/Copenhagen; instants are UTC."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from schemas.errors import UsageFault
from schemas.event_time import COPENHAGEN

PRESENT: Final = datetime(2200, 1, 1, tzinfo=UTC)
"""The instant by which the ledger's views mean "all that is known now"."""

FIRST_YEAR: Final = 2000
"""Events before it are rejected (`schemas.events`)."""
LAST_YEAR: Final = 2148
"""The last whole year of ClickHouse's Date."""


def end_of_day(day: date) -> datetime:
    """The last millisecond of a day in Copenhagen, as UTC: the ledger keeps milliseconds."""
    # Midnight of the next day, not 24 hours on: two days of the year have 23 and 25 hours.
    midnight = datetime.combine(day + timedelta(days=1), time(), tzinfo=COPENHAGEN)
    return midnight.astimezone(UTC) - timedelta(milliseconds=1)


def danish_day(instant: datetime) -> date:
    """The calendar day of an instant in Copenhagen."""
    return instant.astimezone(COPENHAGEN).date()


def known_instant(as_known_on: date | datetime | None, now: datetime) -> datetime:
    """The instant up to which records count: the one asked for, the end of the day asked for, or `PRESENT`.

    Raises:
        UsageFault: for today, later days and later instants: what will be known by then is not known yet.
    """
    if as_known_on is None:
        return PRESENT
    if isinstance(as_known_on, datetime):
        if as_known_on > now:
            raise UsageFault(
                f"--as-known-on {as_known_on.astimezone(COPENHAGEN).isoformat()} has not come yet: name an earlier "
                "time, or leave the option out for the present figures"
            )
        return as_known_on.astimezone(UTC)
    today = danish_day(now)
    if as_known_on >= today:
        raise UsageFault(
            f"--as-known-on {as_known_on} has not ended yet (today is {today}): name an earlier day, a time of today "
            f"such as {today}T09:00, or leave the option out for the present figures"
        )
    return end_of_day(as_known_on)


def report_day(as_known_on: date | datetime | None, now: datetime) -> date:
    """The day in Copenhagen that a report speaks for."""
    if isinstance(as_known_on, datetime):
        return danish_day(as_known_on)
    return as_known_on or danish_day(now)


def is_provisional(year: int, day: date) -> bool:
    """Whether the year had not ended on the day the report speaks for; its 31 December still counts as running."""
    return day <= date(year, 12, 31)
