"""The annual report, as known now and on a day, against the model of what had arrived by then."""

import random
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tally.calls import Model
from tally.histories import YEARS, random_history
from tally.ledger import load
from tally.records import History
from tally.report import expected_report, printed

from reports.annual import annual_report, published_mapping

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

SEEDS = (1, 2)
NOW = datetime(2022, 1, 1, 12, tzinfo=ZoneInfo("Europe/Copenhagen"))


def _known_by_the_end_of(day: date | None, history: History) -> History:
    """What had arrived when the day ended in Copenhagen; all of it without a day."""
    if day is None:
        return history
    midnight = datetime.combine(day + timedelta(days=1), time(), tzinfo=ZoneInfo("Europe/Copenhagen"))
    return history.known(midnight - timedelta(milliseconds=1))


def test_the_report_is_what_the_model_says(new_ledger: Callable[..., Any], seed: int, *, thorough: bool):
    """All figures, those of each cluster and what is not counted; on days on which records arrived around midnight."""
    rng = random.Random(seed)
    history = random_history(seed)
    arrivals = sorted(row.known_at for row in history.activities)
    late = [arrived.date() for arrived in arrivals if arrived.hour >= 22]  # the next day already in Copenhagen
    days = [None, *rng.sample(late, 12 if thorough else 2), rng.choice(arrivals).date()]
    with new_ledger() as client:
        load(client, history, rng)
        for day in days:
            year = rng.choice(YEARS[1:-1])
            report = annual_report(client, year, now=NOW, mapping=published_mapping(), as_known_on=day)
            said = printed(report.as_dict())
            expected = expected_report(Model(_known_by_the_end_of(day, history)), year, refused=())
            different = {name: (said[name], expected[name]) for name in expected if said[name] != expected[name]}
            assert not different, f"seed {seed}, report of {year} as known on {day}"
