from datetime import UTC, date, datetime

import pytest

from reports.as_known import PRESENT, end_of_day, is_provisional, known_instant, report_day
from schemas.errors import UsageFault

TODAY = date(2026, 11, 23)
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("day", "instant"),
    [
        pytest.param(date(2019, 1, 31), datetime(2019, 1, 31, 22, 59, 59, 999000, UTC), id="winter"),
        pytest.param(date(2019, 7, 1), datetime(2019, 7, 1, 21, 59, 59, 999000, UTC), id="summer"),
        pytest.param(date(2019, 3, 31), datetime(2019, 3, 31, 21, 59, 59, 999000, UTC), id="23 hours"),
        pytest.param(date(2019, 10, 27), datetime(2019, 10, 27, 22, 59, 59, 999000, UTC), id="25 hours"),
    ],
)
def test_a_day_ends_at_midnight_in_copenhagen(day: date, instant: datetime):
    """The last millisecond of a Danish day, also where clocks change."""
    assert end_of_day(day) == instant


def test_without_a_day_the_present_is_asked_for():
    """No day asked for means the instant that the views take for now."""
    assert known_instant(None, NOW) == PRESENT


def test_yesterday_can_be_asked_for():
    """The latest day that has ended can be asked for."""
    assert known_instant(date(2026, 11, 22), NOW) == datetime(2026, 11, 22, 22, 59, 59, 999000, UTC)


@pytest.mark.parametrize("day", [pytest.param(TODAY, id="today"), pytest.param(date(2027, 1, 1), id="later")])
def test_a_day_that_has_not_ended_is_refused(day: date):
    """Today and later days are a usage error that names the day and what to do."""
    with pytest.raises(UsageFault, match=rf"{day} has not ended yet .* name an earlier day") as caught:
        known_instant(day, NOW)
    assert caught.value.exit_code == 2


def test_a_time_of_today_that_is_past():
    """A time counts up to itself; one to come is a usage error that says so in Danish time."""
    past = datetime(2026, 11, 23, 11, 59, tzinfo=UTC)
    assert known_instant(past, NOW) == past
    with pytest.raises(UsageFault, match=r"2026-11-23T13:01:00\+01:00 has not come yet"):
        known_instant(datetime(2026, 11, 23, 12, 1, tzinfo=UTC), NOW)


@pytest.mark.parametrize(
    ("year", "as_known_on", "provisional"),
    [
        pytest.param(2018, None, False, id="long ended"),
        pytest.param(2026, None, True, id="running"),
        pytest.param(2030, None, True, id="not begun"),
        pytest.param(2018, date(2018, 12, 31), True, id="as known on its last day"),
        pytest.param(2018, date(2019, 1, 1), False, id="as known on the day after"),
        pytest.param(2018, datetime(2018, 12, 31, 23, tzinfo=UTC), False, id="as known at midnight in Copenhagen"),
    ],
)
def test_a_year_that_had_not_ended_is_provisional(year: int, as_known_on: date | None, provisional: bool):
    """Provisional is judged on the day that the report speaks for."""
    assert is_provisional(year, report_day(as_known_on, NOW)) is provisional
