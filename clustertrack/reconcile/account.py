"""The account of the ledger against Kafka, as values: what `clustertrack.reconcile.account_run` finds. Pure.

Every offset since the topic began is exactly one of these, so that they add up to `expected`:

    received    has a receipt: accepted, retracted, duplicate, rejected or rerouted
    missing     below the committed offset, still in Kafka, without a receipt: a loss that can be read again
    expired     below the low watermark without a receipt: Kafka deleted it before it was read, a loss
    acknowledged  was expired, until someone acknowledged that it is permanently lost: no longer a fault
    pending     not committed yet, without a receipt: still to come, no fault
    no_record   an offset at which Kafka delivers nothing, such as the marker of a transaction: no fault
    unsettled   as missing, but Kafka could not be asked for it in time: it may be no_record; the next run asks on
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from schemas.addresses import TopicPartition


class Bound(NamedTuple):
    """What Kafka reports for one partition.

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
    def place(self) -> TopicPartition:
        """The partition itself."""
        return TopicPartition(self.topic, self.topic_epoch, self.partition)

    @property
    def settled(self) -> int:
        """Below this offset everything should have its receipt: it is committed, or Kafka has deleted it."""
        return max(self.low, min(self.committed, self.high))


class Range(NamedTuple):
    """Offsets from `first` to `last`, both included."""

    first: int
    last: int

    @property
    def size(self) -> int:
        """How many offsets."""
        return self.last - self.first + 1


class Probe(NamedTuple):
    """What Kafka reports for offsets without a receipt; the rest of them are records."""

    empty: Sequence[Range]
    """Offsets at which it delivers nothing."""
    unread: Sequence[Range] = ()
    """Offsets for which there was no time."""


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

    @property
    def place(self) -> TopicPartition:
        """Its partition."""
        return TopicPartition(self.topic, self.topic_epoch, self.partition)


class LostReroute(NamedTuple):
    """A record that was sent on to the partition `sent_to` and has no receipt there."""

    topic: str
    topic_epoch: int
    partition: int
    offset: int
    sent_to: int

    @property
    def place(self) -> TopicPartition:
        """The partition that it was sent on from."""
        return TopicPartition(self.topic, self.topic_epoch, self.partition)


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Receipts by status, and what is wrong with them."""

    accepted: int = 0
    retracted: int = 0
    duplicate: int = 0
    rejected: int = 0
    rerouted: int = 0
    without_row: int = 0
    not_arrived: int = 0
    """Of the rerouted ones: they should have been read on their own partition, and were not."""

    @property
    def received(self) -> int:
        """All receipts: each has one status."""
        return self.accepted + self.retracted + self.duplicate + self.rejected + self.rerouted

    @property
    def proved(self) -> bool:
        """Each of these receipts has what it says: its row, or its arrival."""
        return self.without_row == 0 and self.not_arrived == 0


@dataclass(frozen=True, kw_only=True)
class FormerAccount(Counts):
    """One partition of an epoch that is over: its records are gone from Kafka, so its offsets cannot be counted."""

    topic: str
    topic_epoch: int
    partition: int

    @property
    def place(self) -> TopicPartition:
        """The partition itself."""
        return TopicPartition(self.topic, self.topic_epoch, self.partition)


@dataclass(frozen=True, kw_only=True)
class PartitionAccount(FormerAccount):
    """One partition's offsets from 0 to its high watermark, counted. The ranges may be cut, the counts are complete."""

    low: int
    high: int
    committed: int
    missing: int = 0
    holes: tuple[Range, ...] = ()
    expired: int = 0
    expired_unread: tuple[Range, ...] = ()
    acknowledged: int = 0
    no_record: int = 0
    unsettled: int = 0
    surplus: int = 0
    """Receipts more than offsets that have one: an offset must not have two."""
    beyond: int = 0
    """Receipts of offsets that Kafka has never given out, as far as it knows; not among the received."""

    @property
    def expected(self) -> int:
        """Offsets that Kafka has given out since the topic began."""
        return self.high

    @property
    def pending(self) -> int:
        """Offsets still to come: what is left when all others are counted.

        Taken from the receipts, not from the holes: workers may write receipts between the two readings.
        """
        known = self.received - self.surplus + self.no_record + self.unsettled
        lost = self.missing + self.expired + self.acknowledged
        return max(0, self.expected - known - lost)

    @property
    def whole(self) -> bool:
        """Nothing lost, every receipt has what it says, and only what is not committed is still to come."""
        uncommitted = self.high - max(self.low, min(self.committed, self.high))
        lost = self.missing or self.expired or self.surplus or self.beyond
        return not lost and self.proved and self.pending <= uncommitted


@dataclass(frozen=True, kw_only=True)
class DayAccount(Counts):
    """The receipts of one source that arrived on one UTC day."""

    source: str
    """`unknown` where it could not be read."""
    day: date


@dataclass(frozen=True, kw_only=True)
class Reconciliation:
    """The account of the whole ledger; the counts are complete, the lists end after LISTED entries."""

    partitions: tuple[PartitionAccount, ...]
    former: tuple[FormerAccount, ...] = ()
    days: tuple[DayAccount, ...] = ()
    row_without_receipt: int = 0
    rows_without_receipt: tuple[Version, ...] = ()
    receipt_without_row: int = 0
    receipts_without_row: tuple[LostReceipt, ...] = ()
    rejected_without_row: int = 0
    """Receipts of what was rejected not long ago, whose record is not kept."""
    rejections_without_row: tuple[LostReceipt, ...] = ()
    reroute_not_arrived: int = 0
    reroutes_not_arrived: tuple[LostReroute, ...] = ()
    reroute_pending: int = 0
    """Records sent on that may still be unread on their own partition."""
    activity_difference: int = 0
    replaced: int = 0
    """Offsets that Kafka gave out again: their receipts are of other records."""
    replaced_ranges: tuple[tuple[TopicPartition, Range], ...] = ()
    unsettled: int = 0
    """Rows without a receipt and activities that differ, while records in progress may explain them."""

    @property
    def pending(self) -> int:
        """Offsets still to come, in all partitions."""
        return sum(account.pending for account in self.partitions)

    @property
    def unsettled_offsets(self) -> int:
        """Offsets that Kafka could not be asked for in time, in all partitions."""
        return sum(account.unsettled for account in self.partitions)

    @property
    def acknowledged(self) -> int:
        """Offsets that someone has acknowledged as lost, in all partitions."""
        return sum(account.acknowledged for account in self.partitions)

    @property
    def undecided(self) -> dict[str, int]:
        """What is neither proved nor a fault, by kind; zeros too."""
        return {
            "unsettled_offsets": self.unsettled_offsets,
            "unsettled_rows": self.unsettled,
            "reroute_pending": self.reroute_pending,
        }

    @property
    def faults(self) -> dict[str, int]:
        """What is wrong, by kind; zeros too."""
        return {
            "missing": sum(account.missing for account in self.partitions),
            "expired": sum(account.expired for account in self.partitions),
            "surplus": sum(account.surplus for account in self.partitions),
            "beyond": sum(account.beyond for account in self.partitions),
            "receipt_without_row": self.receipt_without_row,
            "rejected_without_row": self.rejected_without_row,
            "row_without_receipt": self.row_without_receipt,
            "reroute_not_arrived": self.reroute_not_arrived,
            "activity_difference": self.activity_difference,
            "replaced": self.replaced,
        }

    @property
    def whole(self) -> bool:
        """Every record is accounted for, apart from those still to come."""
        return all(account.whole for account in self.partitions) and not any(self.faults.values())


def within(ranges: Iterable[Range], start: int, stop: int) -> Iterator[Range]:
    """The parts of the ranges in start..stop - 1."""
    for found in ranges:
        part = Range(max(found.first, start), min(found.last, stop - 1))
        if part.size > 0:
            yield part


def merged(ranges: Iterable[Range]) -> list[Range]:
    """The same offsets as few ranges in rising order."""
    found: list[Range] = []
    for one in sorted(ranges):
        if found and one.first <= found[-1].last + 1:
            found[-1] = Range(found[-1].first, max(found[-1].last, one.last))
        else:
            found.append(one)
    return found


def without(ranges: Iterable[Range], others: Sequence[Range]) -> Iterator[Range]:
    """The parts of the ranges that lie in none of the others, which are `merged`."""
    for found in ranges:
        start = found.first
        at = bisect_left(others, found.first, key=lambda other: other.last)
        while at < len(others) and others[at].first <= found.last:
            if others[at].first > start:
                yield Range(start, others[at].first - 1)
            start = others[at].last + 1
            at += 1
        if start <= found.last:
            yield Range(start, found.last)


def size(ranges: Iterable[Range]) -> int:
    """Offsets in all of the ranges."""
    return sum(found.size for found in ranges)
