"""Times and days: reading them part by part gives what reading them whole gives."""

import re
from datetime import date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import event_time as instants
from schemas.event_time import parse_day, parse_instant, to_ms

_CLOCK = r"([01]\d|2[0-3]):[0-5]\d"
RFC3339 = re.compile(rf"\d{{4}}-\d\d-\d\d[Tt]{_CLOCK}:[0-5]\d(\.\d+)?([Zz]|[+-]{_CLOCK})", re.ASCII)
ZONES = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
EARLIEST, LATEST = datetime.fromisoformat("1990-01-01"), datetime.fromisoformat("2100-01-01")
LONGEST = "2018-05-03T14:05:09." + "120" * 6 + "Z"
"""Exactly as long as times whose parts are cached."""


def whole(text: str) -> int | None:
    """The same by other means: one pattern for the form, Python for the meaning."""
    try:
        return to_ms(datetime.fromisoformat(text.upper())) if RFC3339.fullmatch(text) else None
    except ValueError:
        return None


@given(st.datetimes(EARLIEST, LATEST), ZONES, st.sampled_from(["seconds", "milliseconds"]))
def test_times_as_they_are_written(moment: datetime, zone: timezone, precision: str):
    """Any instant in any zone is read to the millisecond."""
    text = moment.replace(tzinfo=zone).isoformat(timespec=precision)
    assert parse_instant(text) == whole(text) is not None


@given(st.datetimes(EARLIEST, LATEST), st.from_regex(r"\A(\.[0-9]{1,9})?[Zz]\Z"))
def test_fractions_are_cut(moment: datetime, rest: str):
    """No fraction is rounded up."""
    text = moment.isoformat(timespec="seconds") + rest
    assert parse_instant(text) == whole(text) is not None


@given(
    st.sampled_from(["2018-05-03T14:05:09Z", "2020-02-29t23:59:59.999+13:37", "0001-01-01T00:00:00-23:59", LONGEST]),
    st.integers(0, 40),
    st.sampled_from([*"0123456789:.+-TtZzW ,\n", "\u0663", "\uff13", ""]),
    st.booleans(),
)
def test_any_difference_in_one_place(text: str, place: int, other: str, instead: bool):
    """Exactly the valid times are read."""
    changed = text[:place] + other + text[place + instead :]
    assert parse_instant(changed) == whole(changed)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("0001-01-01T00:00:00+23:59", id="before the first year"),
        pytest.param("9999-12-31T23:59:59.999999-23:59", id="behind the last year"),
        pytest.param("0000-01-01T00:00:00Z", id="no year"),
        pytest.param("2018-02-29T00:00:00Z", id="no such day"),
        pytest.param("2018-05-03T23:59:60Z", id="leap second"),
        pytest.param("2018-05-03T24:00:00Z", id="hour 24"),
        pytest.param("2018-05-03T14:05:09-00:00", id="unknown zone"),
        pytest.param("2018-05-03T14:05:09.Z", id="point without digits"),
        pytest.param("", id="empty"),
    ],
)
def test_edges(text: str):
    """The edges of the calendar and of the form."""
    assert parse_instant(text) == whole(text)


def test_long_texts_are_not_remembered():
    """A fraction may have any number of digits, a text any length: neither gets a place in memory."""
    parse_day("2018-05-03")
    before = len(instants._days), len(instants._rests)
    assert parse_instant("2018-05-03T14:05:09." + "9" * 100_000 + "+02:00") == whole("2018-05-03T14:05:09.999+02:00")
    assert parse_day("2018-05-03" * 1000) is None
    assert (len(instants._days), len(instants._rests)) == before


def test_a_day():
    """A day is read from its one form."""
    assert parse_day("2018-05-03") == date(2018, 5, 3)
