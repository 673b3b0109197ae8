"""Is every Kafka record accounted for? The conservation views of the ledger, set against what Kafka says it holds.

Every offset since the topic began is exactly one of these, so that they add up to `expected`:

    received    has a receipt: accepted, retracted, duplicate, rejected or rerouted
    missing     below the committed offset, still in Kafka, without a receipt: a loss that can be read again
    expired     below the low watermark without a receipt: Kafka deleted it before it was read, a loss
    pending     not committed yet, without a receipt: still to come, no fault
    no_record   an offset at which Kafka delivers nothing, such as the marker of a transaction: no fault
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from clickhouse_connect.driver.client import Client

from sinks.connection import check_database_name

LISTED: Final = 100
"""Rows and receipts that a result lists; the counts beside them are complete."""

COMPARED: Final = 100_000
"""Rows that are read a second time. With more than that, it does not matter whether a few were on their way."""

Row = tuple[Any, ...]
Read = Callable[[str], list[Row]]


class Bound(NamedTuple):
    """What Kafka says of one partition.

    `low` and `high` are its watermarks, `high` exclusive; `committed` is the group's next offset, 0 before the first
    commit. Read the committed offset before the high watermark, and both before `reconcile`.
    """

    topic: str
    topic_epoch: int
    partition: int
    low: int
    high: int
    committed: int

    @property
    def place(self) -> "Place":
        """The partition itself."""
        return Place(self.topic, self.topic_epoch, self.partition)


class Place(NamedTuple):
    """One partition of one epoch of a topic."""

    topic: str
    topic_epoch: int
    partition: int


class Range(NamedTuple):
    """Offsets from `first` to `last`, both included."""

    first: int
    last: int

    @property
    def size(self) -> int:
        """How many offsets."""
        return self.last - self.first + 1


class Version(NamedTuple):
    """A row of `activity_revision` by its key."""

    source: str
    activity_id: str
    revision: int


class LostReceipt(NamedTuple):
    """A receipt whose row is not there."""

    topic: str
    topic_epoch: int
    partition: int
    offset: int
    status: str


@dataclass(frozen=True, kw_only=True)
class PartitionAccount:
    """One partition's offsets from 0 to its high watermark, counted."""

    topic: str
    topic_epoch: int
    partition: int
    low: int
    high: int
    committed: int
    received: int
    accepted: int
    retracted: int
    duplicate: int
    rejected: int
    rerouted: int
    without_row: int
    holes: tuple[Range, ...]
    expired_unread: tuple[Range, ...]
    no_record: int

    @property
    def expected(self) -> int:
        """Offsets that Kafka has given out since the topic began."""
        return self.high

    @property
    def missing(self) -> int:
        """Offsets in `holes`."""
        return sum(hole.size for hole in self.holes)

    @property
    def expired(self) -> int:
        """Offsets in `expired_unread`."""
        return sum(hole.size for hole in self.expired_unread)

    @property
    def pending(self) -> int:
        """Offsets still to come: what is left when all others are counted.

        Taken from the receipts, not from the holes: workers may write receipts between the two readings.
        """
        return max(0, self.expected - self.received - self.missing - self.expired - self.no_record)

    @property
    def whole(self) -> bool:
        """Nothing lost, every accepted receipt has its row, and only what is not committed is still to come."""
        uncommitted = self.high - max(self.low, min(self.committed, self.high))
        return not self.holes and not self.expired_unread and self.without_row == 0 and self.pending <= uncommitted


@dataclass(frozen=True, kw_only=True)
class Reconciliation:
    """The account of the whole ledger; the counts are complete, the lists end after LISTED entries."""

    partitions: tuple[PartitionAccount, ...]
    row_without_receipt: int
    rows_without_receipt: tuple[Version, ...]
    receipt_without_row: int
    receipts_without_row: tuple[LostReceipt, ...]
    activity_difference: int

    @property
    def pending(self) -> int:
        """Offsets still to come, in all partitions."""
        return sum(account.pending for account in self.partitions)

    @property
    def whole(self) -> bool:
        """Every record is accounted for, apart from those still to come."""
        return (
            all(account.whole for account in self.partitions)
            and self.row_without_receipt == 0
            and self.receipt_without_row == 0
            and self.activity_difference == 0
        )


def reconcile(
    client: Client,
    database: str,
    bounds: Sequence[Bound],
    *,
    no_record: Mapping[Place, Sequence[Range]] | None = None,
) -> Reconciliation:
    """The account of `bounds`, and of all rows of the ledger.

    `no_record` names offsets at which Kafka delivers nothing. Workers may run meanwhile: rows are written before their
    receipts, so what looks wrong at first is read again after the rest, and counts only if it is there both times.
    """

    def read(sql: str) -> list[Row]:
        return list(client.query(sql, parameters={"db": database}).result_rows)

    rows = _first_look(read, "row_without_receipt", "source, activity_id, revision")
    differences = _first_look(read, "activity_difference", "source, activity_id")
    accounts = _accounts(client, database, bounds, no_record or {})
    lost = _first_look(read, "receipt_without_row", "topic, topic_epoch, partition, offset, toString(status)")
    lasting_rows = _second_look(read, rows)
    return Reconciliation(
        partitions=accounts,
        row_without_receipt=lasting_rows.count,
        rows_without_receipt=tuple(Version(*row) for row in lasting_rows.rows[:LISTED]),
        receipt_without_row=lost.count,
        receipts_without_row=tuple(LostReceipt(*row) for row in lost.rows[:LISTED]),
        activity_difference=_second_look(read, differences).count,
    )


@dataclass(frozen=True)
class _Look:
    """What a view that must be empty holds: how many rows, and the first of them."""

    sql: str
    count: int
    rows: list[Row]


def _first_look(read: Read, view: str, columns: str) -> _Look:
    [[count]] = read(f"SELECT count() FROM {{db:Identifier}}.{view}")  # noqa: S608  (names of this module's own)
    sql = f"SELECT {columns} FROM {{db:Identifier}}.{view} ORDER BY ALL LIMIT {COMPARED}"  # noqa: S608  (the same)
    return _Look(sql, int(count), read(sql) if count else [])


def _second_look(read: Read, first: _Look) -> _Look:
    """What is still there; rows that were only on their way are gone."""
    if not first.count or first.count > COMPARED:
        return first
    later = set(read(first.sql))
    rows = [row for row in first.rows if row in later]
    return _Look(first.sql, len(rows), rows)


def _accounts(
    client: Client, database: str, bounds: Sequence[Bound], no_record: Mapping[Place, Sequence[Range]]
) -> tuple[PartitionAccount, ...]:
    if not bounds:
        return ()
    # The name of a view with parameters cannot be bound, so it is held to an identifier's characters.
    view = f"{check_database_name(database)}.conservation"
    rows = client.query(
        "SELECT topic, topic_epoch, partition, received, accepted, retracted, duplicate, rejected, rerouted, "  # noqa: S608  (checked above)
        f"without_row, holes FROM {view}(bounds = {{bounds:Array(Tuple(String, UInt16, UInt16, UInt64, UInt64))}})",
        # From offset 0 on: what lies below the low watermark must have its receipt too.
        parameters={"bounds": [(*bound.place, 0, bound.high) for bound in bounds]},
    ).result_rows
    counted = {Place(*row[:3]): row[3:] for row in rows}
    return tuple(
        _account(bound, counted[bound.place], no_record.get(bound.place, ()))
        for bound in sorted(bounds, key=lambda bound: bound.place)
    )


def _account(bound: Bound, counts: Row, no_record: Sequence[Range]) -> PartitionAccount:
    received, accepted, retracted, duplicate, rejected, rerouted, without_row, holes = counts
    gaps = [Range(int(first), int(last)) for first, last in holes]
    real = list(_without(gaps, no_record))
    settled = max(bound.low, min(bound.committed, bound.high))
    return PartitionAccount(
        topic=bound.topic,
        topic_epoch=bound.topic_epoch,
        partition=bound.partition,
        low=bound.low,
        high=bound.high,
        committed=bound.committed,
        received=int(received),
        accepted=int(accepted),
        retracted=int(retracted),
        duplicate=int(duplicate),
        rejected=int(rejected),
        rerouted=int(rerouted),
        without_row=int(without_row),
        holes=tuple(_within(real, bound.low, settled)),
        expired_unread=tuple(_within(real, 0, bound.low)),
        no_record=sum(gap.size for gap in gaps) - sum(gap.size for gap in real),
    )


def _within(ranges: Iterable[Range], start: int, stop: int) -> Iterator[Range]:
    """The parts of the ranges in start..stop - 1."""
    for found in ranges:
        part = Range(max(found.first, start), min(found.last, stop - 1))
        if part.size > 0:
            yield part


def _without(ranges: Iterable[Range], others: Iterable[Range]) -> Iterator[Range]:
    """The parts of the ranges that lie in none of the others."""
    taken = sorted(others)
    for found in ranges:
        start = found.first
        for other in _within(taken, found.first, found.last + 1):
            if other.first > start:
                yield Range(start, other.first - 1)
            start = max(start, other.last + 1)
        if start <= found.last:
            yield Range(start, found.last)
