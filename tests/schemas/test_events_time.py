"""Events: times and days, and how they are judged against the arrival of the record."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judging import accepted, ms, read, refused
from samples import event

from schemas.event_time import copenhagen_day

# ---- days


@pytest.mark.parametrize(
    ("time", "day"),
    [
        pytest.param("2018-05-03T21:59:59.999Z", date(2018, 5, 3), id="before midnight in summer"),
        pytest.param("2018-05-03T22:00:00Z", date(2018, 5, 4), id="midnight in summer"),
        pytest.param("2017-12-31T22:59:59Z", date(2017, 12, 31), id="old year"),
        pytest.param("2017-12-31T23:00:00Z", date(2018, 1, 1), id="new year"),
        pytest.param("2017-12-31T18:00:00-05:00", date(2018, 1, 1), id="new year, from New York"),
        pytest.param("2018-01-01T01:30:00+03:00", date(2017, 12, 31), id="old year, from Helsinki's east"),
        pytest.param("2018-03-24T22:59:59Z", date(2018, 3, 24), id="the night before summer time"),
        pytest.param("2018-03-25T21:59:59Z", date(2018, 3, 25), id="the day that has 23 hours"),
        pytest.param("2018-03-25T22:00:00Z", date(2018, 3, 26), id="the day after"),
        pytest.param("2017-10-28T22:00:00Z", date(2017, 10, 29), id="the day that has 25 hours"),
        pytest.param("2017-10-29T22:59:59Z", date(2017, 10, 29), id="its last second"),
        pytest.param("2000-01-01T00:00:00Z", date(2000, 1, 1), id="the first time that is read"),
    ],
)
def test_the_day_is_the_danish_one_of_the_time(time: str, day: date):
    """Without occurred_on the day is that of `time` in Copenhagen, which decides the year."""
    row = accepted(event(id="E-1", time=time, data={"activity_id": "E-1", "occurred_on": ...}))
    assert date(1970, 1, 1) + timedelta(row.occurred_on) == day


def summer_time(moment: datetime) -> bool:
    """The rule of the EU: from the last Sunday of March to that of October, 01:00 UTC each."""
    last_sundays = (datetime(moment.year, month, 31, 1, tzinfo=UTC) for month in (3, 10))
    begin, end = (day - timedelta((day.weekday() + 1) % 7) for day in last_sundays)
    return begin <= moment < end


@given(st.integers(ms("2000-01-01T00:00:00Z"), ms("2037-12-31T00:00:00Z")))
def test_the_danish_day_of_any_instant(milliseconds: int):
    """The day agrees with the rule of summer time at every instant."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    assert copenhagen_day(milliseconds) == (moment + timedelta(hours=2 if summer_time(moment) else 1)).date()


def test_a_day_may_lie_after_the_time():
    """A project is entered before it starts."""
    row = accepted(event(time="2018-05-03T14:00:00Z", data={"occurred_on": "2018-06-01"}))
    assert date(1970, 1, 1) + timedelta(row.occurred_on) == date(2018, 6, 1)


@pytest.mark.parametrize(
    ("activity_id", "faults"),
    [
        pytest.param("WS-1", [("data.occurred_on", "missing")], id="another than the event"),
        pytest.param("E-1", [], id="the event's own"),
        pytest.param(..., [], id="none"),
        pytest.param(None, [], id="null"),
    ],
)
def test_an_activity_of_its_own_needs_a_day(activity_id: Any, faults: list[tuple[str, str]]):
    """The time of a correction says nothing about the day of the activity."""
    value = event(id="E-1", data={"activity_id": activity_id, "occurred_on": ...})
    assert ([] if isinstance(read(value), tuple) else refused(value)) == faults


# ---- times and days, judged against the arrival


@pytest.mark.parametrize("arrived", ["2018-05-04T00:00:00Z", "2001-01-01T12:00:00Z", "2060-01-01T12:00:00Z"])
def test_the_future_begins_a_day_after_the_arrival(arrived: str):
    """A replay decides like the first time: the worker's own clock does not count."""
    moment = datetime.fromisoformat(arrived)
    at_last, too_late = ((moment + timedelta(hours=24, milliseconds=more)).isoformat() for more in (0, 1))
    day = {"occurred_on": "2000-12-31"}
    assert accepted(event(time=at_last, data=day), ms(arrived)).recorded_at == ms(at_last)
    assert refused(event(time=too_late, data=day), ms(arrived)) == [("time", "time_in_future")]


@pytest.mark.parametrize(
    ("arrived", "last"),
    [
        pytest.param("2018-05-04T12:00:00Z", date(2019, 5, 5), id="by day"),
        pytest.param("2018-05-04T22:00:00Z", date(2019, 5, 6), id="past midnight in Denmark"),
        pytest.param("2019-05-04T12:00:00Z", date(2020, 5, 4), id="over a leap day"),
    ],
)
def test_a_day_may_lie_366_days_after_the_arrival(arrived: str, last: date):
    """Days are counted from the Danish day of the arrival."""
    assert accepted(event(data={"occurred_on": last.isoformat()}), ms(arrived))
    late = event(data={"occurred_on": (last + timedelta(1)).isoformat()})
    assert refused(late, ms(arrived)) == [("data.occurred_on", "date_too_late")]


@pytest.mark.parametrize(
    ("time", "instant"),
    [
        pytest.param("2018-05-03T14:05:09Z", "2018-05-03T14:05:09+00:00", id="UTC"),
        pytest.param("2018-05-03t14:05:09z", "2018-05-03T14:05:09+00:00", id="small letters"),
        pytest.param("2018-05-03T14:05:09-00:00", "2018-05-03T14:05:09+00:00", id="unknown zone"),
        pytest.param("2018-05-03T14:05:09+02:00", "2018-05-03T12:05:09+00:00", id="Copenhagen"),
        pytest.param("2018-05-03T00:05:09+05:45", "2018-05-02T18:20:09+00:00", id="Kathmandu"),
        pytest.param("2018-05-03T14:05:09.1Z", "2018-05-03T14:05:09.100+00:00", id="tenths"),
        pytest.param("2018-05-03T14:05:09.123999999Z", "2018-05-03T14:05:09.123+00:00", id="nanoseconds"),
        pytest.param("2000-01-01T00:00:00Z", "2000-01-01T00:00:00+00:00", id="first"),
    ],
)
def test_times_of_rfc_3339(time: str, instant: str):
    """A time is an instant in ms; finer parts are cut."""
    assert accepted(event(time=time)).recorded_at == ms(instant)


@pytest.mark.parametrize(
    ("time", "code"),
    [
        pytest.param("2018-05-03T14:05:09", "time_without_zone", id="no zone"),
        pytest.param("2018-05-03 14:05", "time_without_zone", id="no zone, as spreadsheets write"),
        pytest.param("2018-05-03T14:05:09.120", "time_without_zone", id="no zone, with ms"),
        pytest.param("2018-05-03", "invalid_time", id="a day"),
        pytest.param("03-05-2018 14:05", "invalid_time", id="Danish"),
        pytest.param("2018-05-03 14:05:09Z", "invalid_time", id="space"),
        pytest.param("20180503T140509Z", "invalid_time", id="basic format"),
        pytest.param("2018-05-03T14:05Z", "invalid_time", id="no seconds"),
        pytest.param("2018-05-03T14:05:09,5Z", "invalid_time", id="comma"),
        pytest.param("2018-05-03T14:05:09+02", "invalid_time", id="zone without minutes"),
        pytest.param("2018-05-03T14:05:09+0200", "invalid_time", id="zone without colon"),
        pytest.param("2018-05-03T14:05:09+24:00", "invalid_time", id="zone of a day"),
        pytest.param("2018-05-03T14:05:09+01:60", "invalid_time", id="zone of 60 minutes"),
        pytest.param("2018-05-03T24:00:00Z", "invalid_time", id="hour 24"),
        pytest.param("2016-12-31T23:59:60Z", "invalid_time", id="leap second"),
        pytest.param("2018-02-29T00:00:00Z", "invalid_time", id="no such day"),
        pytest.param("2018-13-01T00:00:00Z", "invalid_time", id="no such month"),
        pytest.param("0000-01-01T00:00:00Z", "invalid_time", id="no such year"),
        pytest.param("2018-05-03T14:05:09Z\n", "invalid_time", id="newline"),
        pytest.param("201\u0668-05-03T14:05:09Z", "invalid_time", id="Arabic digit"),
        pytest.param("2018-W18-4T14:05:09Z", "invalid_time", id="week"),
        pytest.param("", "invalid_time", id="empty"),
        pytest.param("1999-12-31T23:59:59.999Z", "time_too_early", id="before 2000"),
        pytest.param("2000-01-01T00:00:00+01:00", "time_too_early", id="before 2000 in UTC"),
        pytest.param("0001-01-01T00:00:00+23:59", "time_too_early", id="before all time"),
        pytest.param("9999-12-31T23:59:59-23:59", "time_in_future", id="after all time"),
    ],
)
def test_what_is_no_time(time: str, code: str):
    """Each kind of invalid time has its code."""
    assert refused(event(time=time)) == [("time", code)]


@pytest.mark.parametrize(
    ("day", "code"),
    [
        pytest.param("2018-02-29", "invalid_date", id="no such day"),
        pytest.param("2018-5-3", "invalid_date", id="short"),
        pytest.param("03-05-2018", "invalid_date", id="Danish"),
        pytest.param("20180503", "invalid_date", id="basic format"),
        pytest.param("2018-W18-4", "invalid_date", id="week"),
        pytest.param("2018-05-03\n", "invalid_date", id="newline"),
        pytest.param("2018-05-03T00:00:00Z", "invalid_date", id="time"),
        pytest.param("201\u0668-05-03", "invalid_date", id="Arabic digit"),
        pytest.param("", "invalid_date", id="empty"),
        pytest.param("1999-12-31", "date_too_early", id="before 2000"),
        pytest.param("0018-05-03", "date_too_early", id="two digits of the year"),
        pytest.param("9999-12-31", "date_too_late", id="open end"),
    ],
)
def test_what_is_no_day(day: str, code: str):
    """Each kind of invalid day has its code."""
    assert refused(event(data={"occurred_on": day})) == [("data.occurred_on", code)]


def test_the_first_day():
    """The first day that is read is 2000-01-01."""
    assert accepted(event(data={"occurred_on": "2000-01-01"})).occurred_on == 10_957
