"""Counts by day, for a CRM to compare with its own: of what arrived on a day, and of the activity of a day.

Two days belong to a record. By the day of arrival each record counts once, as what became of it: the counts of a day
that is over change only when a rejected record is judged again. By the day of the activity each activity counts once,
as its newest version has it: these counts follow every correction, and are what the figures rest on. A rejected record
may not say its day, so only the former has rejected ones.
"""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final, NamedTuple

from clickhouse_connect.driver.client import Client

from reports.as_known import FIRST_YEAR, LAST_YEAR, end_of_day
from reports.receipts.answer_model import Rejected
from reports.receipts.bounds import ask
from reports.receipts.ledger_rows import rejected_on
from schemas.errors import UsageFault

MOST_DAYS: Final = 366
"""Of one question."""

_ARRIVED: Final = """
SELECT toDate(log_time, 'Europe/Copenhagen') AS day, toString(source) AS source, toString(status), count()
FROM receipt FINAL
WHERE source IN {sources:Array(String)} AND status != 'rerouted'
  AND log_time > {before:DateTime64(3, 'UTC')} AND log_time <= {until:DateTime64(3, 'UTC')}
GROUP BY ALL
"""
"""A record that was sent on has another receipt where it arrived. All rows of a receipt have one log time."""
_TOOK_PLACE: Final = """
SELECT day, source, countIf(gone = 0), countIf(gone = 1)
FROM
(
    SELECT toString(source) AS source, argMax(is_deleted, revision) AS gone,
           argMaxIf(occurred_on, revision, is_deleted = 0) AS day,
           argMaxIf(toString(cluster), revision, is_deleted = 0) AS of_cluster
    FROM activity_revision
    WHERE (source, activity_id) IN
    (
        SELECT source, activity_id FROM activity_revision
        WHERE source IN {sources:Array(String)} AND is_deleted = 0
          AND occurred_on BETWEEN {first:Date} AND {last:Date}
    )
    GROUP BY source, activity_id
)
WHERE day BETWEEN {first:Date} AND {last:Date} AND {cluster:String} IN ('', of_cluster)
GROUP BY day, source
"""
"""The inner query finds activities that ever had such a day."""


class Arrived(NamedTuple):
    """Records of a source that arrived on a day, by what became of them."""

    day: date
    source: str
    accepted: int
    """First versions and corrections."""
    retracted: int
    """Retractions."""
    duplicate: int
    rejected: int

    @property
    def records(self) -> int:
        """All of them."""
        return self.accepted + self.retracted + self.duplicate + self.rejected

    def as_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return {**self._asdict(), "day": self.day.isoformat(), "records": self.records}


class TookPlace(NamedTuple):
    """Activities of a source that took place on a day, by their newest version."""

    day: date
    source: str
    counting: int
    retracted: int
    """By the day that they had before."""

    def as_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return {**self._asdict(), "day": self.day.isoformat()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """The counts of some days, by day and source; days without any are left out."""

    first: date
    last: date
    arrived: tuple[Arrived, ...]
    took_place: tuple[TookPlace, ...]

    def as_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return {
            "first": self.first.isoformat(),
            "last": self.last.isoformat(),
            "arrived": [one.as_dict() for one in self.arrived],
            "took_place": [one.as_dict() for one in self.took_place],
        }


def days(client: Client, sources: Collection[str], first: date, last: date, cluster: str = "") -> Days:
    """Counts of these sources from one Danish day to another, both included.

    With `cluster`, only what counts for it took place; what arrived is that of the sources, since not all of it says.

    Raises:
        UsageFault: the days are in the wrong order or too many, or too much would be read.
        Exception: what clickhouse-connect raises for a server that fails.
    """
    check_days(first, last)
    bound = {
        "sources": sorted(sources),
        "cluster": cluster,
        "first": first.isoformat(),
        "last": last.isoformat(),
        "before": _text(first - timedelta(days=1)),
        "until": _text(last),
    }
    counts: dict[tuple[date, str], Counter[str]] = {}
    for day, source, status, records in ask(client, _ARRIVED, bound):
        counts.setdefault((day, source), Counter())[status] = records
    return Days(
        first=first,
        last=last,
        arrived=tuple(Arrived(*key, *(counts[key][name] for name in Arrived._fields[2:])) for key in sorted(counts)),
        took_place=tuple(sorted(TookPlace(*row) for row in ask(client, _TOOK_PLACE, bound))),
    )


def rejected_of_days(
    client: Client, sources: Collection[str], first: date, last: date
) -> tuple[tuple[str, Rejected], ...]:
    """Sources with their rejected records that arrived on these days, the newest first, up to `MOST`. As `days`."""
    check_days(first, last)
    return tuple(rejected_on(client, sources, _text(first - timedelta(days=1)), _text(last)))


def check_days(first: date, last: date) -> None:
    """Raises UsageFault where the days are in the wrong order, more than one question may name, or none that count."""
    if first.year < FIRST_YEAR or last.year > LAST_YEAR:
        raise UsageFault(f"Days from {FIRST_YEAR} to {LAST_YEAR} can be asked about: not those from {first} to {last}.")
    if first > last:
        raise UsageFault(f"The first day {first} is after the last, {last}: exchange them.")
    if (last - first).days >= MOST_DAYS:
        raise UsageFault(f"From {first} to {last} is more than {MOST_DAYS} days: ask in parts.")


def _text(day: date) -> str:
    """The end of a Danish day as a bound DateTime64(3, 'UTC')."""
    return f"{end_of_day(day):%Y-%m-%d %H:%M:%S.%f}"[:-3]
