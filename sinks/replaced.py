"""Were offsets given out twice? Compares receipts with the records that Kafka has there now.

A broker that lost the end of a partition (an unclean election, a power cut, a restored disk) gives its offsets out
again, and the receipts there are for records that it no longer has. Offsets cannot show it, timestamps can: a receipt
keeps the broker's time of its record. New records come under a new epoch of the partition's leader, so that the first
record of each epoch is looked at, besides some between them: of a replaced end the first record is always among them.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final, NamedTuple

from clickhouse_connect.driver.client import Client
from kafka import KafkaConsumer
from kafka import TopicPartition as KafkaPartition
from kafka.errors import OffsetOutOfRangeError

from brokers.offsets import KafkaOffsets, Partition, Progress
from brokers.topics import EVENTS
from schemas.addresses import TopicPartition
from sinks import catalog

SAMPLES: Final = 16
"""Records that are looked at in each partition, besides the first ones of epochs."""
SECONDS: Final = 20.0
"""Time for all partitions; what there is no time for is not called wrong."""
FETCHED: Final = 64_000
"""Bytes that are fetched to look at one record."""
POLL_MS: Final = 500


class Peeked(NamedTuple):
    """A record of Kafka."""

    offset: int
    timestamp: int
    leader_epoch: int


@dataclass(frozen=True)
class Replaced:
    """Offsets of a partition whose receipts are of other records, both ends included."""

    place: TopicPartition
    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.place} offsets {self.first} to {self.last}"


def replaced(
    client: Client,
    database: str,
    offsets: KafkaOffsets,
    progress: Mapping[Partition, Progress],
    topic_epoch: int,
    *,
    samples: int = SAMPLES,
) -> list[Replaced]:
    """Ranges of the events topic that Kafka gave out again after they were committed, one a partition.

    With `samples` 1 only the newest committed record of each partition is looked at.
    """
    found: list[Replaced] = []
    deadline = time.monotonic() + SECONDS
    with _consumer(offsets) as consumer:
        for partition, standing in sorted(progress.items()):
            stop = min(standing.committed or 0, standing.end)
            if partition.topic != EVENTS or stop <= standing.low:
                continue
            look = _Look(
                client, database, consumer, TopicPartition(*partition[:1], topic_epoch, partition.partition), deadline
            )
            found += look.between(standing.low, stop - 1, samples)
    return found


def sentence(found: Sequence[Replaced]) -> str:
    """What was found, without the advice."""
    more = f" and {len(found) - 3} more partitions" if len(found) > 3 else ""  # noqa: PLR2004  (as many as are named)
    return (
        f"Kafka lost the end of partitions and gave their offsets to other records "
        f"({', '.join(map(str, found[:3]))}{more}): the receipts there belong to the lost records, and what was "
        "published since may not have been read"
    )


@dataclass
class _Look:
    """One partition."""

    client: Client
    database: str
    consumer: Any
    place: TopicPartition
    deadline: float
    seen: dict[int, Peeked] = field(default_factory=dict)

    def between(self, first: int, last: int, samples: int) -> Iterator[Replaced]:
        """The range of those that differ, from first to last."""
        steps = max(1, samples - 1)
        wanted = {last} if samples == 1 else {first + (last - first) * step // steps for step in range(samples)}
        for offset in sorted(wanted):
            self.peek(offset, last)
        if samples > 1:
            known = sorted(self.seen)
            for low, high in pairwise(known):
                self.boundaries(low, high)
        wrong = {offset for offset, same in self.same(sorted(self.seen)).items() if not same}
        if wrong:
            yield Replaced(self.place, self.edge(first - 1, min(wrong)), self.edge(last + 1, max(wrong)))

    def boundaries(self, low: int, high: int) -> None:
        """Look at the first record of each epoch between two records."""
        if high - low <= 1 or self.seen[low].leader_epoch == self.seen[high].leader_epoch:
            return
        middle = (low + high) // 2
        found = self.peek(middle, high)
        if found is None:
            return  # no time
        if found.offset == self.seen[high].offset:
            self.seen[middle] = found  # only markers of transactions from there on
            self.boundaries(low, middle)
        else:
            self.boundaries(low, found.offset)
            self.boundaries(found.offset, high)

    def edge(self, right: int, wrong: int) -> int:
        """The outermost offset that differs, between one that does not and one that does."""
        while abs(right - wrong) > 1:
            middle = (right + wrong) // 2
            record = self.peek(middle, max(right, wrong))
            if record is None or record.offset != middle or self.same([middle]).get(middle, False):
                right = middle
            else:
                wrong = middle
        return wrong

    def same(self, at: Sequence[int]) -> dict[int, bool]:
        """Whether the records there have the time of their receipts; those without a receipt are left out."""
        offsets = {self.seen[offset].offset for offset in at if offset in self.seen}
        times = catalog.receipt_times(self.client, self.database, self.place, offsets)
        return {
            offset: times[offset] == self.seen[offset].timestamp
            for offset in offsets
            if offset in times and offset in self.seen
        }

    def peek(self, offset: int, last: int) -> Peeked | None:
        """The record there, or the next one up to `last`; None without any, or without time to look."""
        if offset in self.seen:
            return self.seen[offset]
        place = KafkaPartition(self.place.topic, self.place.partition)
        if self.consumer.assignment() != {place}:
            self.consumer.assign([place])
        with suppress(OffsetOutOfRangeError):  # deleted at this moment
            self.consumer.seek(place, offset)
            while time.monotonic() < self.deadline and self.consumer.position(place) <= last:
                for record in self.consumer.poll(timeout_ms=POLL_MS, max_records=1).get(place, []):
                    if record.offset > last:
                        return None
                    found = Peeked(record.offset, record.timestamp, record.leader_epoch)
                    self.seen[record.offset] = found
                    return found
        return None


@contextmanager
def _consumer(offsets: KafkaOffsets) -> Iterator[KafkaConsumer]:
    with offsets.consumer(EVENTS, max_partition_fetch_bytes=FETCHED) as consumer:
        yield consumer
