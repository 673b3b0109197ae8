"""Is every Kafka record accounted for? The proofs of the ledger, set against what Kafka says it holds.

Nothing here loads receipts: ClickHouse counts and compares, partition by partition or part by part, so that its memory
stays bounded too. Workers may run meanwhile: what looks wrong at first is read again after the rest, and counts only if
it is there both times.
"""

# ruff: noqa: S608  (the SQL is put together from constants of this module; values are bound)

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from clustertrack.reconcile.account import (
    Bound,
    DayAccount,
    FormerAccount,
    LostReceipt,
    LostReroute,
    PartitionAccount,
    Probe,
    Reconciliation,
    Version,
)
from clustertrack.reconcile.missing_offsets import Holes, NoRecord
from schemas.addresses import TopicPartition
from sinks.clickhouse import check_database_name

LISTED: Final = 100
"""Most rows and receipts that a result lists; the counts are complete."""

COMPARED: Final = 100_000
"""Rows that are read. With more than that, it does not matter whether a few were on their way."""

PART: Final = 5_000_000
"""Receipts or rows that ClickHouse compares at a time: some 2 GB."""

_PLACE: Final = "topic = {topic:String} AND topic_epoch = {topic_epoch:UInt16} AND partition = {partition:UInt16}"
_KEY: Final = "if(source = '', 'unknown', toString(source)) AS sender, toDate(log_time) AS day"
_REJECTED: Final = (
    f"SELECT topic, topic_epoch, partition, offset, 'rejected', {_KEY} FROM DB.rejected_without_row WHERE {_PLACE}"
)
_REROUTES: Final = (
    f"SELECT topic, topic_epoch, partition, offset, sent_to, {_KEY} FROM DB.reroute_not_arrived WHERE {_PLACE}"
)

Row = tuple[Any, ...]
Ends = Callable[[AbstractSet[TopicPartition]], Mapping[TopicPartition, int]]
"""The offsets that the next records of these partitions get, as Kafka says now."""
ReadToEnd = Callable[[AbstractSet[TopicPartition]], AbstractSet[TopicPartition]]
"""Those of these partitions in which every record so far is committed; it may wait a while for the others."""


def reconcile(
    client: Client,
    database: str,
    bounds: Sequence[Bound],
    *,
    no_record: NoRecord = lambda _place, _ranges: Probe(()),
    read_to_end: ReadToEnd = lambda places: places,
    ends: Ends = lambda _places: {},
    acknowledge: str = "",
) -> Reconciliation:
    """The account of `bounds`, of all rows of the ledger, and of what the topics' former epochs have left.

    Holes that `no_record` explains are kept in the ledger, and are not asked for again. `read_to_end` is asked only
    where something looks wrong that an uncommitted record would explain: a row without its receipt, a record that was
    sent on and has no receipt on its own partition. `ends` is asked only where there are receipts after a bound, which
    may be of records that have arrived since it was read. With `acknowledge`, which says why, what has expired unread
    is kept in the ledger as acknowledged: this run and all later ones do not call it a fault.
    """
    return _Reconciler(client, database, bounds, no_record, read_to_end, ends, acknowledge).run()


@dataclass
class _Look:
    """What a view that must be empty holds in one part: how many rows, and the first of them."""

    sql: str
    parameters: dict[str, Any]
    count: int
    rows: list[Row]

    @property
    def cut(self) -> bool:
        """Whether there are more than were read."""
        return self.count > len(self.rows)


class _Reconciler:
    """One run."""

    def __init__(
        self,
        client: Client,
        database: str,
        bounds: Sequence[Bound],
        no_record: NoRecord,
        read_to_end: ReadToEnd,
        ends: Ends,
        acknowledge: str,
    ) -> None:
        self._client = client
        # The name of a view with parameters cannot be bound, so it is held to an identifier's characters.
        self._database = check_database_name(database)
        self._bounds = sorted(bounds)
        self._holes = Holes(client, database, no_record, acknowledge)
        self._read_to_end = read_to_end
        self._ends = ends
        self._statuses: dict[TopicPartition, dict[str, Any]] = defaultdict(Counter)
        """Fields of `Counts` by partition."""
        self._days: dict[tuple[str, date], Counter[str]] = defaultdict(Counter)

    def run(self) -> Reconciliation:
        """See `reconcile`. Rows are written before their receipts: rows are looked at first, receipts last."""
        parts = self._parts()
        rows = self._first_looks("row_without_receipt", "source, activity_id, revision", parts)
        differences = self._difference_looks(parts)
        present = {bound.place for bound in self._bounds}
        former = [place for place in self._places() if place not in present]
        for place in former:
            self._count(place, 2**64 - 1)
        accounts = [self._account(bound) for bound in self._bounds]
        beyond = self._beyond()
        lost = self._without_row(self._without_row_looks(parts))
        refused = self._without_row([self._look(_REJECTED, **place._asdict()) for place in (*present, *former)])
        reroutes, pending = self._reroutes(former)
        # The record of such a row may still be in progress: whether it is a fault is known when all of them are
        # committed.
        settled = not any(look.count for look in rows + differences) or self._read_to_end(present) >= present
        rows_left, differences_left = self._lasting(rows), self._lasting(differences)
        return Reconciliation(
            partitions=tuple(
                PartitionAccount(
                    **bound._asdict(), **account, **self._statuses[bound.place], beyond=beyond.get(bound.place, 0)
                )
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
            rejected_without_row=refused.count,
            rejections_without_row=tuple(LostReceipt(*row[:5]) for row in refused.rows[:LISTED]),
            reroute_not_arrived=reroutes.count,
            reroutes_not_arrived=tuple(LostReroute(*row[:5]) for row in reroutes.rows[:LISTED]),
            reroute_pending=pending,
            activity_difference=differences_left.count if settled else 0,
            unsettled=0 if settled else rows_left.count + differences_left.count,
        )

    def _add(self, place: TopicPartition, key: tuple[str, date], what: str, number: int) -> None:
        self._statuses[place][what] += number
        self._days[key][what] += number

    def _read(self, sql: str, **parameters: Any) -> list[Row]:  # noqa: ANN401  (anything ClickHouse can bind)
        return list(self._client.query(sql.replace("DB.", f"{self._database}."), parameters=parameters).result_rows)

    def _parts(self) -> int:
        [[receipts, rows]] = self._read(
            "SELECT (SELECT count() FROM DB.receipt), (SELECT count() FROM DB.activity_revision)"
        )
        return max(1, math.ceil(max(int(receipts), int(rows)) / PART))

    def _places(self) -> list[TopicPartition]:
        found = self._read("SELECT DISTINCT topic, topic_epoch, partition FROM DB.receipt ORDER BY ALL")
        return [TopicPartition(*row) for row in found]

    # ---- views that must be empty

    def _first_looks(self, view: str, columns: str, parts: int) -> list[_Look]:
        return [
            self._look(f"SELECT {columns} FROM DB.{view} WHERE cityHash64(source, activity_id) % {parts} = {part}")
            for part in range(parts)
        ]

    def _difference_looks(self, parts: int) -> list[_Look]:
        # The current rows are sorted by their identity: a range of it is read alone.
        view = "DB.activity_difference_within(first = {first:UInt128}, last = {last:UInt128})"
        bounds = [2**128 * part // parts for part in range(parts + 1)]
        sql = f"SELECT source, activity_id FROM {view}"
        return [self._look(sql, first=first, last=end - 1) for first, end in pairwise(bounds)]

    def _look(self, sql: str, **parameters: Any) -> _Look:  # noqa: ANN401  (as `_read`)
        rows = self._read(f"{sql} ORDER BY ALL LIMIT {COMPARED + 1}", **parameters)
        if len(rows) <= COMPARED:
            return _Look(sql, parameters, len(rows), rows)
        [[count]] = self._read(f"SELECT count() FROM ({sql})", **parameters)
        return _Look(sql, parameters, int(count), rows[:COMPARED])

    def _still(self, first: Iterable[_Look]) -> Iterator[_Look]:
        """What is still there; rows that were only on their way are gone."""
        for look in first:
            if look.count:
                found = self._look(look.sql, **look.parameters)
                if not found.cut and not look.cut:
                    found.rows = sorted(set(look.rows) & set(found.rows))
                    found.count = len(found.rows)
                yield found

    def _lasting(self, first: Iterable[_Look]) -> _Look:
        """The same of all parts, as one look."""
        return _joined(self._still(first))

    def _without_row_looks(self, parts: int) -> list[_Look]:
        columns = f"topic, topic_epoch, partition, offset, toString(status), {_KEY}"
        return self._first_looks("receipt_without_row", columns, parts)

    def _without_row(self, first: Iterable[_Look]) -> _Look:
        """Receipts without a row. Looked at twice: a query may read the rows before the receipts."""
        return self._tallied(self._still(first), "without_row")

    def _tallied(self, looks: Iterable[_Look], what: str) -> _Look:
        """The looks as one, after their rows (place first, source and day last) were added to the counts."""
        looks = list(looks)
        for look in looks:
            found = Counter((*row[:3], *row[-2:]) for row in look.rows)
            if look.cut:  # more than are read: ClickHouse counts them
                sql = f"SELECT topic, topic_epoch, partition, sender, day, count() FROM ({look.sql}) GROUP BY ALL"
                found = Counter({row[:-1]: row[-1] for row in self._read(sql, **look.parameters)})
            for (topic, epoch, partition, source, day), number in found.items():
                self._add(TopicPartition(topic, epoch, partition), (source, day), what, number)
        return _joined(looks)

    # ---- partitions

    def _count(self, place: TopicPartition, high: int, settled: int = 0) -> int:
        """The receipts of one partition below `high`, by status, source and day; gives those below `settled`."""
        below = 0
        for source, day, status, number, early in self._read(
            f"SELECT {_KEY}, toString(status), count(), countIf(offset < {{settled:UInt64}}) "
            f"FROM DB.receipt FINAL WHERE {_PLACE} AND offset < {{high:UInt64}} GROUP BY ALL",
            **place._asdict(),
            high=high,
            settled=settled,
        ):
            self._add(place, (source, day), status, number)
            below += early
        return below

    def _account(self, bound: Bound) -> dict[str, Any]:
        """Offsets of one partition without a receipt, by kind, and its surplus receipts."""
        below = self._count(bound.place, bound.high, bound.settled)
        found = self._holes.look(bound)
        return {**found.account(), "surplus": max(0, below - (bound.settled - found.offsets))}

    def _beyond(self) -> dict[TopicPartition, int]:
        """Receipts of offsets that Kafka has not given out. Those of records that came meanwhile do not count."""
        tops = {
            bound: top
            for bound in self._bounds
            for number, top in self._read(
                f"SELECT count(), max(offset) FROM DB.receipt WHERE {_PLACE} AND offset >= {{high:UInt64}}",
                **bound.place._asdict(),
                high=bound.high,
            )
            if number
        }
        ends = self._ends({bound.place for bound in tops}) if tops else {}
        found = {}
        for bound, top in tops.items():
            end = max(bound.high, ends.get(bound.place, 0))
            [[found[bound.place]]] = self._read(
                f"SELECT uniqExact(offset) FROM DB.receipt WHERE {_PLACE} "
                "AND offset BETWEEN {end:UInt64} AND {top:UInt64}",
                **bound.place._asdict(),
                end=end,
                top=top,
            )
        return found

    # ---- records that were sent on

    def _reroutes(self, former: Sequence[TopicPartition]) -> tuple[_Look, int]:
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
        return self._tallied(lost, "not_arrived"), max(0, still)


def _joined(looks: Iterable[_Look]) -> _Look:
    looks = list(looks)
    return _Look("", {}, sum(look.count for look in looks), sorted(row for look in looks for row in look.rows))
