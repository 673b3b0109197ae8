"""The holes of a partition: offsets without a receipt, page by page, and what Kafka reports for them.

A publisher with transactions leaves an offset without a record behind each of them, so that holes may be as many as
records. They are looked up in Kafka once, in rising order, and what it delivers nothing at is kept in the ledger. What
there is no time for is neither lost nor explained, and the next run goes on with it. What Kafka deleted unread and
someone has acknowledged is kept next to it.
"""

# ruff: noqa: S608  (the SQL is put together from constants of this module; values are bound)

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from clustertrack.reconcile.account import Bound, Probe, Range, merged, size, within, without
from schemas.addresses import TopicPartition
from sinks.clickhouse import check_database_name

PAGE: Final = 100_000
"""Holes that are read at a time, and ranges that a result keeps; its counts are complete."""

_PLACE: Final = "topic = {topic:String} AND topic_epoch = {topic_epoch:UInt16} AND partition = {partition:UInt16}"
_HOLES: Final = (
    "SELECT first, last, missing, "
    f"(first, last) IN (SELECT first, last FROM DB.no_record WHERE {_PLACE} AND acknowledged = '') AS known, "
    f"(first, last) IN (SELECT first, last FROM DB.no_record WHERE {_PLACE} AND acknowledged != '') AS given_up "
    "FROM DB.receipt_hole(bounds = {bounds:Array(Tuple(String, UInt16, UInt16, UInt64, UInt64))})"
)

Row = tuple[Any, ...]
NoRecord = Callable[[TopicPartition, Sequence[Range]], Probe]
"""Which of these offsets of a partition are records; asked for one part of them after the other, in rising order."""


@dataclass
class SearchResult:
    """What became of the holes of one partition below its settled offset; see `account.PartitionAccount`."""

    offsets: int = 0
    """Offsets in all holes, including those that were explained or acknowledged."""
    no_record: int = 0
    missing: int = 0
    holes: list[Range] = field(default_factory=list)
    expired: int = 0
    expired_unread: list[Range] = field(default_factory=list)
    acknowledged: int = 0
    unsettled: int = 0

    def account(self) -> dict[str, Any]:
        """The fields of `PartitionAccount`."""
        return {
            "no_record": self.no_record,
            "missing": self.missing,
            "holes": tuple(self.holes),
            "expired": self.expired,
            "expired_unread": tuple(self.expired_unread),
            "acknowledged": self.acknowledged,
            "unsettled": self.unsettled,
        }


class Holes:
    """Looks into the holes of partitions; with `acknowledge` (why) what is found expired is kept as acknowledged."""

    def __init__(self, client: Client, database: str, no_record: NoRecord, acknowledge: str = "") -> None:
        self._client = client
        self._database = check_database_name(database)
        self._no_record = no_record
        self._acknowledge = acknowledge

    def _read(self, sql: str, **parameters: Any) -> list[Row]:  # noqa: ANN401  (anything ClickHouse can bind)
        return list(self._client.query(sql.replace("DB.", f"{self._database}."), parameters=parameters).result_rows)

    def look(self, bound: Bound) -> SearchResult:
        """The holes of one partition. From offset 0 on: what Kafka deleted must have its receipt too."""
        [[known, given_up, open_ones]] = self._read(
            "SELECT sumIf(missing, known), sumIf(missing, given_up), sumIf(missing, NOT (known OR given_up)) "
            f"FROM ({_HOLES})",
            **self._asked(bound, 0),
        )
        found = SearchResult(offsets=known + given_up + open_ones, no_record=known, acknowledged=given_up)
        if open_ones:
            self._look_into(bound, found)
        return found

    @staticmethod
    def _asked(bound: Bound, start: int) -> dict[str, Any]:
        """Parameters of `_HOLES`: the holes from `start` on, which lies in none of them."""
        place = bound.place
        return {**place._asdict(), "bounds": [(*place, start, bound.settled)], "low": bound.low}

    def _look_into(self, bound: Bound, found: SearchResult) -> None:
        """Which holes are records, page by page, until they end or Kafka cannot be asked any more."""
        start, more = 0, True
        while more:
            page = self._read(
                f"SELECT first, last FROM ({_HOLES}) WHERE NOT (known OR given_up) ORDER BY first LIMIT {PAGE}",
                **self._asked(bound, start),
            )
            holes = [Range(*row) for row in page]
            more = len(holes) == PAGE
            start = holes[-1].last + 1 if holes else bound.settled
            if self._page(bound, holes, found) and more:
                self._leave(bound, start, found)
                return

    def _leave(self, bound: Bound, start: int, found: SearchResult) -> None:
        """What is left to ask; for what Kafka has deleted there is nothing to be asked."""
        [[missing, expired]] = self._read(
            "SELECT sum(missing), sumIf(least(last + 1, {low:UInt64}) - first, first < {low:UInt64}) "
            f"FROM ({_HOLES}) WHERE NOT (known OR given_up)",
            **self._asked(bound, start),
        )
        found.expired += expired
        found.unsettled += missing - expired

    def _page(self, bound: Bound, holes: Sequence[Range], found: SearchResult) -> bool:
        """Add holes to what is found; whether there was no time to ask for some of them."""
        if not holes:
            return False
        explained, given_up, unread = self._explained(bound, holes)
        real = list(without(holes, merged([*explained, *given_up, *unread])))
        found.no_record += size(holes) - size(real) - size(given_up) - size(unread)
        expired, gone = list(within(real, 0, bound.low)), list(within(real, bound.low, bound.settled))
        if self._acknowledge and expired:
            self._keep(bound.place, expired, self._acknowledge)
            given_up, expired = [*given_up, *expired], []
        found.expired += size(expired)
        found.missing += size(gone)
        found.unsettled += size(unread)
        found.acknowledged += size(given_up)
        found.expired_unread += expired[: PAGE - len(found.expired_unread)]
        found.holes += gone[: PAGE - len(found.holes)]
        return bool(unread)

    def _explained(self, bound: Bound, holes: Sequence[Range]) -> tuple[list[Range], list[Range], list[Range]]:
        """Offsets within the holes at which Kafka delivers nothing, by what is known of them and by what it says now;
        those that are acknowledged as lost; and those for which there was no time.
        """
        place = bound.place
        recorded = self._read(
            f"SELECT DISTINCT first, last, acknowledged != '' FROM DB.no_record WHERE {_PLACE} "
            "AND last >= {from:UInt64} AND first <= {to:UInt64}",
            **place._asdict(),
            **{"from": holes[0].first, "to": holes[-1].last},
        )
        known = merged(Range(*row[:2]) for row in recorded if not row[2])
        records = list(without(holes, known))
        real = list(without(records, merged(Range(*row[:2]) for row in recorded if row[2])))
        given_up = list(without(records, real))
        unknown = list(within(real, bound.low, bound.settled))
        probe = self._no_record(place, unknown) if unknown else Probe(())
        new = merged(probe.empty)
        if new:
            self._keep(place, new)
        return merged([*known, *new]), given_up, merged(probe.unread)

    def _keep(self, place: TopicPartition, ranges: Sequence[Range], acknowledged: str = "") -> None:
        rows = [[*place, first, last, datetime.now(UTC), acknowledged] for first, last in ranges]
        names = [*TopicPartition._fields, "first", "last", "seen_at", "acknowledged"]
        self._client.insert("no_record", rows, column_names=names, database=self._database)
