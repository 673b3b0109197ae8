"""Is every Kafka record accounted for? The proofs of the ledger, set against what Kafka says it holds.

Nothing here loads receipts: ClickHouse counts and compares, partition by partition or part by part, so that its memory
stays bounded too. Workers may run meanwhile: what looks wrong at first is read again after the rest, and counts only if
it is there both times.
"""

# ruff: noqa: S608  (the SQL is put together from constants of this module; values are bound)

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, NamedTuple

from clickhouse_connect.driver.client import Client

from schemas.ledger import NO_PARTITION
from sinks.accounts import (
    Bound,
    DayAccount,
    FormerAccount,
    LostReceipt,
    LostReroute,
    PartitionAccount,
    Place,
    Range,
    Reconciliation,
    Version,
    merged,
    size,
    within,
    without,
)
from sinks.connection import check_database_name

LISTED: Final = 100
"""Rows and receipts that a result lists; the counts beside them are complete."""

COMPARED: Final = 100_000
"""Rows or ranges that are read. With more than that, it does not matter whether a few were on their way."""

PART: Final = 5_000_000
"""Receipts or rows that ClickHouse compares at a time: some 2 GB."""

_PLACE: Final = "topic = {topic:String} AND topic_epoch = {topic_epoch:UInt16} AND partition = {partition:UInt16}"
_KEY: Final = "if(source = '', 'unknown', toString(source)) AS sender, toDate(log_time) AS day"
_HOLES: Final = (
    "SELECT first, last, missing, time_before, time_after, "
    f"(first, last) IN (SELECT first, last FROM DB.no_record WHERE {_PLACE}) AS known "
    "FROM DB.receipt_hole(bounds = {bounds:Array(Tuple(String, UInt16, UInt16, UInt64, UInt64))})"
)
_REROUTES: Final = (
    f"SELECT topic, topic_epoch, partition, offset, sent_to, {_KEY} FROM DB.reroute_not_arrived WHERE {_PLACE}"
)

Row = tuple[Any, ...]
NoRecord = Callable[[Place, Sequence[Range]], Sequence[Range]]
"""Of these offsets of a partition, those at which Kafka delivers nothing."""
ReadToEnd = Callable[[AbstractSet[Place]], AbstractSet[Place]]
"""Of these partitions, those whose every record until now is committed; it may wait a while for the others."""


def reconcile(
    client: Client,
    database: str,
    bounds: Sequence[Bound],
    *,
    no_record: NoRecord = lambda _place, _ranges: (),
    read_to_end: ReadToEnd = lambda places: places,
) -> Reconciliation:
    """The account of `bounds`, of all rows of the ledger, and of what the topics' former epochs have left.

    Holes that `no_record` explains are kept in the ledger, and are not asked for again. `read_to_end` is asked only
    where something looks wrong that an uncommitted record would explain: a row without its receipt, a record that was
    sent on and has no receipt on its own partition.
    """
    return _Reconciler(client, database, bounds, no_record, read_to_end).run()


@dataclass
class _Look:
    """What a view that must be empty holds in one part: how many rows, and the first of them."""

    sql: str
    count: int
    rows: list[Row]


class _Hole(NamedTuple):
    """Offsets without a receipt, and the log times of the receipts beside them."""

    range: Range
    before: datetime | None
    after: datetime | None


class _Reconciler:
    """One run."""

    def __init__(
        self, client: Client, database: str, bounds: Sequence[Bound], no_record: NoRecord, read_to_end: ReadToEnd
    ) -> None:
        self._client = client
        # The name of a view with parameters cannot be bound, so it is held to an identifier's characters.
        self._database = check_database_name(database)
        self._bounds = sorted(bounds)
        self._no_record = no_record
        self._read_to_end = read_to_end
        self._statuses: dict[Place, dict[str, Any]] = defaultdict(Counter)
        """Fields of `Counts` by partition."""
        self._days: dict[tuple[str, date], Counter[str]] = defaultdict(Counter)
        self._sources: dict[str, set[str]] = defaultdict(set)
        """Topic -> sources that have receipts on it."""
        self._charged: Counter[tuple[str, date, date]] = Counter()
        """Missing offsets by topic and days of their neighbours."""
        self._unproved = 0

    def run(self) -> Reconciliation:
        """See `reconcile`. Rows are written before their receipts: rows are looked at first, receipts last."""
        parts = self._parts()
        rows = self._first_looks("row_without_receipt", "source, activity_id, revision", parts)
        differences = self._first_looks("activity_difference", "source, activity_id", parts)
        present = {bound.place for bound in self._bounds}
        former = [place for place in self._places() if place not in present]
        for place in former:
            self._count(place, 2**64 - 1)
        accounts = [self._account(bound) for bound in self._bounds]
        lost = self._without_row(parts)
        reroutes, pending = self._reroutes(former)
        self._charge()
        # The record of such a row may still be in work: whether it is a fault is known when all of them are committed.
        settled = not any(look.count for look in rows + differences) or self._read_to_end(present) >= present
        rows_left, differences_left = self._lasting(rows), self._lasting(differences)
        return Reconciliation(
            partitions=tuple(
                PartitionAccount(**bound._asdict(), **account, **self._statuses[bound.place])
                for bound, account in zip(self._bounds, accounts, strict=True)
            ),
            former=tuple(FormerAccount(**place._asdict(), **self._statuses[place]) for place in former),
            days=tuple(
                DayAccount(source=source, day=day, **counts) for (source, day), counts in sorted(self._days.items())
            ),
            row_without_receipt=rows_left.count if settled else 0,
            rows_without_receipt=tuple(Version(*row) for row in rows_left.rows[:LISTED]) if settled else (),
            receipt_without_row=lost.count,
            receipts_without_row=tuple(LostReceipt(*row[:5]) for row in lost.rows[:LISTED]),
            reroute_not_arrived=reroutes.count,
            reroutes_not_arrived=tuple(LostReroute(*row[:5]) for row in reroutes.rows[:LISTED]),
            reroute_pending=pending,
            reroute_unproved=self._unproved,
            activity_difference=differences_left.count if settled else 0,
            unsettled=0 if settled else rows_left.count + differences_left.count,
        )

    def _add(self, place: Place, key: tuple[str, date], what: str, number: int) -> None:
        self._statuses[place][what] += number
        self._days[key][what] += number

    def _read(self, sql: str, **parameters: Any) -> list[Row]:  # noqa: ANN401  (whatever ClickHouse can bind)
        return list(self._client.query(sql.replace("DB.", f"{self._database}."), parameters=parameters).result_rows)

    def _parts(self) -> int:
        [[receipts, rows]] = self._read(
            "SELECT (SELECT count() FROM DB.receipt), (SELECT count() FROM DB.activity_revision)"
        )
        return max(1, math.ceil(max(int(receipts), int(rows)) / PART))

    def _places(self) -> list[Place]:
        found = self._read("SELECT DISTINCT topic, topic_epoch, partition FROM DB.receipt ORDER BY ALL")
        return [Place(*row) for row in found]

    # ---- views that must be empty

    def _first_looks(self, view: str, columns: str, parts: int) -> list[_Look]:
        return [
            self._look(f"SELECT {columns} FROM DB.{view} WHERE cityHash64(source, activity_id) % {parts} = {part}")
            for part in range(parts)
        ]

    def _look(self, sql: str, **parameters: Any) -> _Look:  # noqa: ANN401  (as `_read`)
        rows = self._read(f"{sql} ORDER BY ALL LIMIT {COMPARED + 1}", **parameters)
        if len(rows) <= COMPARED:
            return _Look(sql, len(rows), rows)
        [[count]] = self._read(f"SELECT count() FROM ({sql})", **parameters)
        return _Look(sql, int(count), rows[:COMPARED])

    def _lasting(self, first: Sequence[_Look]) -> _Look:
        """What is still there, of all parts; rows that were only on their way are gone."""
        count, rows = 0, list[Row]()
        for look in first:
            found = look
            if look.count:
                found = self._look(look.sql)
            if found.count <= COMPARED and look.count <= COMPARED:
                still = sorted(set(look.rows) & set(found.rows))
                found = _Look(look.sql, len(still), still)
            count += found.count
            rows += found.rows
        return _Look("", count, sorted(rows))

    def _without_row(self, parts: int) -> _Look:
        """Receipts without a row. Looked at twice: a query may read the rows before the receipts."""
        columns = f"topic, topic_epoch, partition, offset, toString(status), {_KEY}"
        lost = self._lasting(self._first_looks("receipt_without_row", columns, parts))
        for topic, epoch, partition, _, _, source, day in lost.rows:
            self._add(Place(topic, epoch, partition), (source, day), "without_row", 1)
        return lost

    # ---- partitions

    def _count(self, place: Place, high: int) -> None:
        """The receipts of one partition below `high`, by status, source and day."""
        for source, day, status, number, unproved in self._read(
            f"SELECT {_KEY}, toString(status), count(), countIf(status = 'rerouted' AND sent_to = {NO_PARTITION}) "
            f"FROM DB.receipt FINAL WHERE {_PLACE} AND offset < {{high:UInt64}} GROUP BY ALL",
            **place._asdict(),
            high=high,
        ):
            self._add(place, (source, day), status, number)
            self._sources[place.topic].add(source)
            self._unproved += unproved

    def _account(self, bound: Bound) -> dict[str, Any]:
        """Holes and such of one partition. From offset 0 on: what Kafka deleted must have its receipt too."""
        place = bound.place
        self._count(place, bound.high)
        asked = {**place._asdict(), "bounds": [(*place, 0, bound.settled)], "low": bound.low}
        [[known, missing, expired, listed]] = self._read(
            "SELECT sumIf(missing, known), sumIf(missing, NOT known), "
            "sumIf(least(last + 1, {low:UInt64}) - first, NOT known AND first < {low:UInt64}), "
            f"groupArrayIf({COMPARED})((first, last, time_before, time_after), NOT known) FROM ({_HOLES})",
            **asked,
        )
        holes = [_Hole(Range(first, last), before, after) for first, last, before, after in sorted(listed)]
        ranges = [hole.range for hole in holes]
        explained = self._explained(bound, ranges) if ranges else []
        real = list(without(ranges, explained))
        for hole in holes:
            if days := sorted(time.date() for time in hole[1:] if time is not None):
                self._charged[place.topic, days[0], days[-1]] += size(without([hole.range], explained))
        below, above = (list(within(ranges, *span)) for span in ((0, bound.low), (bound.low, bound.settled)))
        unread, gone = list(within(real, 0, bound.low)), list(within(real, bound.low, bound.settled))
        return {
            "missing": missing - expired - size(above) + size(gone),
            "holes": tuple(gone),
            "expired": expired - size(below) + size(unread),
            "expired_unread": tuple(unread),
            "no_record": known + size(ranges) - size(real),
        }

    def _explained(self, bound: Bound, holes: Sequence[Range]) -> list[Range]:
        """Offsets within the holes at which Kafka delivers nothing: what is known of them, and what it says now."""
        place = bound.place
        recorded = self._read(
            f"SELECT DISTINCT first, last FROM DB.no_record WHERE {_PLACE} "
            "AND last >= {from:UInt64} AND first <= {to:UInt64}",
            **place._asdict(),
            **{"from": holes[0].first, "to": holes[-1].last},
        )
        known = merged(Range(*row) for row in recorded)
        unknown = list(within(without(holes, known), bound.low, bound.settled))
        new = merged(self._no_record(place, unknown)) if unknown else []
        if new:
            rows = [[*place, first, last, datetime.now(UTC)] for first, last in new]
            names = [*Place._fields, "first", "last", "seen_at"]
            self._client.insert("no_record", rows, column_names=names, database=self._database)
        return merged([*known, *new])

    def _charge(self) -> None:
        """Holes to all sources of their topic, on all days between their neighbours."""
        for (topic, first, last), missing in self._charged.items():
            for number in range((last - first).days + 1):
                for source in self._sources[topic]:
                    self._days[source, first + timedelta(days=number)]["missing_at_most"] += missing

    # ---- records that were sent on

    def _reroutes(self, former: Sequence[Place]) -> tuple[_Look, int]:
        """Those that never arrived, and how many may still come."""
        open_ones = {
            bound: self._read(
                "SELECT sent_to, count(), countIf(offset < {settled:UInt64}) FROM DB.reroute_not_arrived "
                f"WHERE {_PLACE} GROUP BY sent_to",
                **bound.place._asdict(),
                settled=bound.settled,
            )
            for bound in self._bounds
        }
        targets = {b.place._replace(partition=row[0]) for b, rows in open_ones.items() for row in rows if row[2]}
        read = self._read_to_end(targets) if targets else frozenset()
        lost = [
            self._look(
                f"{_REROUTES} AND offset < {{settled:UInt64}} AND has({{read:Array(UInt16)}}, sent_to)",
                **bound.place._asdict(),
                settled=bound.settled,
                read=[place.partition for place in read if place[:2] == bound[:2]],
            )
            for bound, rows in open_ones.items()
            if any(row[2] for row in rows)
        ]
        still = sum(row[1] for rows in open_ones.values() for row in rows) - sum(look.count for look in lost)
        # No record of a former epoch can still arrive.
        lost += [self._look(_REROUTES, **place._asdict()) for place in former]
        rows = sorted(row for look in lost for row in look.rows)
        for topic, epoch, partition, _, _, source, day in rows:
            self._add(Place(topic, epoch, partition), (source, day), "not_arrived", 1)
        return _Look("", sum(look.count for look in lost), rows), max(0, still)
