"""Days of the company register: how they are written and how far they reach."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.register_dates import FIRST_DAY, LAST_DAY, DayError, read_register_day


@given(st.dates(FIRST_DAY, LAST_DAY))
def test_every_day_of_the_range(day: date):
    """A day between the bounds is read as it is written."""
    assert read_register_day(day.isoformat()) == day


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param("20180503", "invalid_date", id="without dashes"),
        pytest.param("2018-W18-4", "invalid_date", id="week"),
        pytest.param("03-05-2018", "invalid_date", id="Danish"),
        pytest.param("2018-02-30", "invalid_date", id="no such day"),
        pytest.param("2018-05-03T00:00", "invalid_date", id="an instant"),
        pytest.param("٢٠١٨-05-03", "invalid_date", id="other digits"),
        pytest.param("0018-05-03", "date_too_early", id="two digits of a year"),
        pytest.param("0999-12-31", "date_too_early", id="before the first"),
        pytest.param("2149-06-07", "date_too_late", id="after the last"),
        pytest.param("9999-12-31", "date_too_late", id="no end"),
    ],
)
def test_codes(text: str, code: str):
    """Each kind of invalid day of a register has its code."""
    with pytest.raises(DayError) as caught:
        read_register_day(text)
    assert caught.value.code == code
