"""Counts by day over a random history, as the model counts them."""

from collections import Counter
from datetime import date, timedelta

import pytest
from clickhouse_connect.driver.client import Client
from published import DANISH, OURS, SHARED, SOURCES, THEIRS, Published, Sent

from reports.receipts.answer_model import MOST
from reports.receipts.days import days, rejected_of_days
from schemas.errors import UsageFault

pytestmark = pytest.mark.integration


def became(history: Published, one: Sent) -> str:
    """Status of a record by the model."""
    if one.codes:
        return "rejected"
    [records] = [records for records in history.versions(one.source, one.activity_id) if one in records]
    return "duplicate" if records[0] is not one else "retracted" if one.retracts else "accepted"


@pytest.mark.parametrize("sources", [SOURCES, (OURS, SHARED), ()], ids=["all", "of a cluster", "none"])
def test_days_of_a_history(ledger: Client, history: Published, sources: tuple[str, ...]):
    """By arrival every record counts once, sent on or not; by the day of the activity every activity does."""
    arrived = Counter(
        (one.arrived.astimezone(DANISH).date(), one.source, became(history, one))
        for one in history.sent
        if one.source in sources
    )
    first, last = (one.arrived.astimezone(DANISH).date() for one in (history.sent[0], history.sent[-1]))
    assert last > first
    found = days(ledger, sources, first, last)
    names = ("accepted", "retracted", "duplicate", "rejected")
    said = {(one.day, one.source, name): getattr(one, name) for one in found.arrived for name in names}
    assert {key: count for key, count in said.items() if count} == arrived
    assert sum(one.records for one in found.arrived) == arrived.total()
    part = days(ledger, sources, last, last)
    assert part.arrived == tuple(one for one in found.arrived if one.day == last)
    assert part.as_dict()["arrived"] == [one.as_dict() for one in part.arrived]


def test_days_of_activities(ledger: Client, history: Published):
    """An activity counts on the day of its newest version, a retracted one on the day that it had before."""
    first, last = date(2018, 9, 1), date(2019, 5, 31)
    expected: Counter[tuple] = Counter()
    for source, activity_id in history.activities():
        versions = history.versions(source, activity_id)
        before = next((records[0] for records in versions if not records[0].retracts), None)
        if before is not None and first <= before.day <= last:
            expected[before.day, source, "retracted" if versions[0][0].retracts else "counting"] += 1
    found = days(ledger, SOURCES, first, last).took_place
    said = {(one.day, one.source, name): getattr(one, name) for one in found for name in ("counting", "retracted")}
    assert {key: count for key, count in said.items() if count} == expected
    assert {name for _, _, name in expected} == {"counting", "retracted"}


@pytest.mark.parametrize("length", [-1, 366], ids=["backwards", "too many"])
def test_days_that_cannot_be_asked_about(ledger: Client, length: int):
    """The mistake is named."""
    with pytest.raises(UsageFault, match="2018-01-01"):
        days(ledger, SOURCES, date(2018, 1, 1), date(2018, 1, 1) + timedelta(days=length))


@pytest.mark.parametrize("day", [date.min, date.max, date(1999, 12, 31), date(2149, 1, 1)], ids=str)
def test_days_of_no_figure(ledger: Client, day: date):
    """Neither the calendar's first day nor its last one, of which nobody can have an activity, stops anything."""
    for asked in (days, rejected_of_days):
        with pytest.raises(UsageFault, match="Days from 2000 to 2148"):
            asked(ledger, SOURCES, day, day)


@pytest.mark.parametrize("sources", [SOURCES, (OURS, SHARED), ()], ids=["all", "of a cluster", "none"])
def test_rejected_records_of_days(ledger: Client, history: Published, sources: tuple[str, ...]):
    """Each with its source, what is wrong with it and what was done about it, the newest first."""
    last = history.sent[-1].arrived.astimezone(DANISH).date()
    rejected = [one for one in reversed(history.sent) if one.codes and one.source in sources]
    expected = [one for one in rejected if one.arrived.astimezone(DANISH).date() == last]
    assert len(expected) < MOST
    assert [
        (source, one.record.place, {fault.code for fault in one.faults}, one.closed, one.superseded)
        for source, one in rejected_of_days(ledger, sources, last, last)
    ] == [(one.source, one.place, set(one.codes), history.closed(one), history.superseded(one)) for one in expected]


def test_days_of_a_cluster(ledger: Client):
    """Of sources that clusters share, what takes place is what counts for the one that asks."""
    first, last = date(2018, 9, 1), date(2019, 5, 31)
    every = days(ledger, SOURCES, first, last)
    own = days(ledger, SOURCES, first, last, "food-bio")
    assert own.arrived == every.arrived
    assert own.took_place == tuple(one for one in every.took_place if one.source != THEIRS)
    assert 0 < len(own.took_place) < len(every.took_place)
