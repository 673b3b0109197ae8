"""How far the workers have come: committed offsets of their group next to the ends of the topics.

Errors are those of `brokers.explain` (KafkaUnreachable when no broker can be used, CheckFailed for a right that the
user lacks, or anything else that Kafka refuses) and TopicFault for a topic that is missing.
"""

import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, NamedTuple, Self, TypeVar

from kafka import KafkaConsumer, TopicPartition
from kafka.admin import OffsetSpec
from kafka.errors import (
    GroupAuthorizationFailedError,
    OffsetOutOfRangeError,
    RetriableError,
    UnknownTopicOrPartitionError,
)
from kafka.protocol.consumer import IsolationLevel

from brokers.admin import CheckedAdmin
from brokers.attempts import attempts
from brokers.connection import KafkaConnection
from brokers.explain import await_usable, explained, failed, needing, right
from brokers.kafka_python import consumer
from brokers.topics import TopicFault

CLIENT_ID: Final = "clustertrack-offsets"

TIMEOUT_MS: Final = 10_000
"""Milliseconds for the first connection, and for the answer to one request."""

PATIENCE: Final = 5.0
"""Seconds in which a request is repeated, while Kafka says that it will soon be ready."""

PROBE_SECONDS: Final = 60.0
"""Time to look up the ranges of a partition."""
POLL_MS: Final = 500
NEAR: Final = 1000
"""Offsets that are read rather than skipped; those of few records."""

PAUSE: Final = 0.2
"""Seconds between two attempts."""

T = TypeVar("T")


class Probed(NamedTuple):
    """What Kafka has in ranges of offsets, as ranges with both ends included; where it has records is in neither."""

    empty: list[tuple[int, int]]
    """It delivers nothing: markers of transactions, aborted records."""
    unread: list[tuple[int, int]]
    """There was no time to read them, or Kafka deleted them at that moment."""


class Partition(NamedTuple):
    """A partition of a topic."""

    topic: str
    partition: int


@dataclass(frozen=True)
class Progress:
    """How far the group has come in one partition.

    `low`: the oldest offset that Kafka still has. `end`: the offset after the last record, those of open transactions
    included: they are published, and hold up what comes after them. `committed`: the next offset that the group will
    take, None before its first commit. `stable`: the offset from which on readers of committed records are given
    nothing, which is before `end` while a transaction is open.
    """

    low: int
    end: int
    committed: int | None
    stable: int | None = None

    @property
    def position(self) -> int:
        """The group's position; without a commit it starts at the oldest record."""
        return max(self.low, self.committed or 0)

    @property
    def lag(self) -> int:
        """Records that the group has not counted yet."""
        return max(0, self.end - self.position)

    @property
    def held(self) -> int:
        """Offsets that nobody is given before a transaction ends."""
        return 0 if self.stable is None else max(0, self.end - self.stable)


@dataclass(frozen=True)
class Reading:
    """One look at the topics: progress by partition, and the group's members, one per running worker."""

    progress: Mapping[Partition, Progress]
    workers: int

    @property
    def ends(self) -> dict[Partition, int]:
        """The end of every partition, as a target to wait for."""
        return {partition: progress.end for partition, progress in self.progress.items()}

    @property
    def lag(self) -> int:
        """Records of all partitions that the group has not counted yet."""
        return sum(progress.lag for progress in self.progress.values())


def behind(target: Mapping[Partition, int], reading: Reading) -> dict[Partition, tuple[int, int]]:
    """Partition -> first and last offset before the target that the group has not counted yet; empty = caught up.

    What Kafka deleted meanwhile is not waited for (`reconcile` finds it as a loss); a partition that is gone is.
    """
    positions = {partition: progress.position for partition, progress in reading.progress.items()}
    return {
        partition: (positions.get(partition, 0), end - 1)
        for partition, end in target.items()
        if positions.get(partition, 0) < end
    }


def remaining(target: Mapping[Partition, int], reading: Reading) -> int:
    """Number of offsets in `behind`."""
    return sum(last - first + 1 for first, last in behind(target, reading).values())


class KafkaOffsets:
    """Reads offsets with one connection; use as a context manager.

    Raises:
            KafkaUnreachable: at once when no broker can be used.
    """

    def __init__(self, kafka: KafkaConnection, timeout_ms: int = TIMEOUT_MS) -> None:
        self._kafka = kafka
        self._timeout_ms = timeout_ms
        await_usable(kafka, 0)
        with explained(kafka):
            self._admin = CheckedAdmin.connect(kafka, timeout_ms=timeout_ms, client_id=CLIENT_ID)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._admin.close()

    def read(self, group: str, topics: Sequence[str]) -> Reading:
        """Progress of `group` in all partitions of `topics`.

        Commits are read before ends, so that an end is never older than its commit: records that the group sent on
        before a commit (rerouted ones) lie before the end that is read after it.

        Raises what the module says.
        """
        with explained(self._kafka):
            partitions = self._partitions(topics)
            committed = self._committed(group, partitions)
            low = self._ends(partitions, OffsetSpec.EARLIEST)
            stable = self._ends(partitions, OffsetSpec.LATEST)
            end = self._ends(partitions, OffsetSpec.LATEST, IsolationLevel.READ_UNCOMMITTED)
            members = self._patiently(lambda: self._admin.describe_groups([group]))[group]["members"]
        return Reading(
            {
                Partition(*place): Progress(
                    low[place], end[place], _offset(committed.get(place)), min(stable[place], end[place])
                )
                for place in partitions
            },
            len(members),
        )

    def written(self, topics: Sequence[str]) -> dict[Partition, int]:
        """The offset after the last record of every partition, records of open transactions included.

        Raises what the module says.
        """
        with explained(self._kafka):
            ends = self._ends(self._partitions(topics), OffsetSpec.LATEST, IsolationLevel.READ_UNCOMMITTED)
        return {Partition(*place): end for place, end in ends.items()}

    def undelivered(self, place: Partition, ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        """Parts of the ranges at which Kafka delivers no record: `empty` of `probe`, which takes PROBE_SECONDS."""
        return self.probe(place, ranges, PROBE_SECONDS).empty

    def probe(self, place: Partition, ranges: Sequence[tuple[int, int]], seconds: float) -> Probed:
        """Read the ranges, both ends included and rising, for up to `seconds`.

        Raises what the module says.
        """
        partition = TopicPartition(*place)
        probed = Probed([], [])
        with self.consumer(place.topic) as reader:
            deadline = time.monotonic() + seconds
            reader.assign([partition])
            for span in spans(ranges):
                _read_span(reader, partition, span, deadline, probed)
        return probed

    @contextmanager
    def consumer(self, topic: str, **options: Any) -> Iterator[KafkaConsumer]:  # noqa: ANN401  (the library's)
        """A consumer of a topic's committed records, without a group. Errors in the block are those of this module."""
        with (
            explained(self._kafka, needs=right("Read", "topic", topic)),
            consumer(
                self._kafka,
                timeout_ms=self._timeout_ms,
                client_id=CLIENT_ID,
                auto_offset_reset="none",
                isolation_level="read_committed",
                **options,
            ) as opened,
        ):
            yield opened

    def are_empty(self, ranges: Mapping[Partition, tuple[int, int]]) -> bool:
        """Whether Kafka delivers nothing in any of the ranges (both ends included), and never will."""
        with explained(self._kafka):
            stable = self._ends([TopicPartition(*place) for place in ranges], OffsetSpec.LATEST)
        if any(last >= stable[TopicPartition(*place)] for place, (_, last) in ranges.items()):
            return False  # a transaction is open
        return all(self.undelivered(place, [found]) == [found] for place, found in ranges.items())

    def await_committed(self, group: str, partitions: AbstractSet[Partition], seconds: float) -> set[Partition]:
        """Those of these partitions in which `group` has committed every record so far.

        Waits `seconds` for the others, unless no worker runs. Raises what the module says.
        """
        if not partitions:
            return set()
        topics = sorted({place.topic for place in partitions})
        target = {place: end for place, end in self.written(topics).items() if place in partitions}
        left: dict[Partition, tuple[int, int]] = {}
        for _ in attempts(seconds, PAUSE):
            reading = self.read(group, topics)
            left = behind(target, reading)
            if not left or not reading.workers:
                break
        # No commit reaches the end of a partition whose last offset is the marker of a transaction.
        for place, (first, last) in list(left.items()):
            if place in reading.progress and last - first < NEAR and self.are_empty({place: (first, last)}):
                del left[place]
        return set(target) - left.keys()

    def _describe(self, topics: Sequence[str]) -> list[dict[str, Any]]:
        described: list[dict[str, Any]] = self._patiently(lambda: self._admin.describe_topics(list(topics)))
        missing = [topic["name"] for topic in described if topic["error_code"] == UnknownTopicOrPartitionError.errno]
        if missing:
            raise TopicFault(f"Kafka has no topic {' and '.join(missing)}: run `clustertrack migrate`.", missing[0])
        for topic in described:
            if (error := failed(topic["error_code"])) is not None:
                raise needing(error, "Describe", "topic", topic["name"])
        return described

    def _committed(self, group: str, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, Any]:
        try:
            found: dict[TopicPartition, Any] = self._patiently(
                lambda: self._admin.list_group_offsets({group: partitions})
            )[group]
        except GroupAuthorizationFailedError as error:
            raise needing(error, "Describe", "group", group) from error
        return found

    def _partitions(self, topics: Sequence[str]) -> list[TopicPartition]:
        return [
            TopicPartition(topic["name"], partition["partition_index"])
            for topic in self._describe(topics)
            for partition in sorted(topic["partitions"], key=lambda partition: partition["partition_index"])
        ]

    def _ends(
        self,
        partitions: Sequence[TopicPartition],
        spec: OffsetSpec,
        isolation: IsolationLevel = IsolationLevel.READ_COMMITTED,
    ) -> dict[TopicPartition, int]:
        found = self._patiently(
            lambda: self._admin.list_partition_offsets(dict.fromkeys(partitions, spec), isolation_level=isolation)
        )
        return {place: found[place].offset for place in partitions}

    @staticmethod
    def _patiently(call: Callable[[], T]) -> T:
        """The result of a call that is repeated while Kafka says that the error will pass."""
        for _ in attempts(PATIENCE, PAUSE):
            with suppress(RetriableError):
                return call()
        return call()


def _read_span(
    consumer: KafkaConsumer, place: TopicPartition, span: Sequence[tuple[int, int]], deadline: float, probed: Probed
) -> None:
    """Read through the ranges of a span, and add what is there to `probed`."""
    delivered: list[int] = []
    position = span[0][0]
    if time.monotonic() < deadline:
        consumer.seek(place, position)
        with suppress(OffsetOutOfRangeError):
            while (position := consumer.position(place)) <= span[-1][1] and time.monotonic() < deadline:
                delivered += [record.offset for record in consumer.poll(timeout_ms=POLL_MS).get(place, [])]
    for first, last in span:
        inside = delivered[bisect_left(delivered, first) : bisect_right(delivered, last)]
        probed.empty.extend(gaps(first, min(last, position - 1), inside))
        if position <= last:
            probed.unread.append((max(first, position), last))


def spans(ranges: Sequence[tuple[int, int]]) -> list[list[tuple[int, int]]]:
    """The rising ranges in groups, within which it is cheaper to read on than to look for the next."""
    found: list[list[tuple[int, int]]] = []
    for one in ranges:
        if found and one[0] - found[-1][-1][1] < NEAR:
            found[-1].append(one)
        else:
            found.append([one])
    return found


def gaps(first: int, last: int, present: Iterable[int]) -> list[tuple[int, int]]:
    """Ranges of `first`..`last` (included) that none of the rising numbers in `present` fills."""
    found = []
    for number in (*present, last + 1):
        if number > first:
            found.append((first, number - 1))
        first = number + 1
    return found


def _offset(committed: Any) -> int | None:  # noqa: ANN401  (OffsetAndMetadata of a library without types)
    """The offset of a commit; Kafka answers -1 where the group has none."""
    return None if committed is None or committed.offset < 0 else int(committed.offset)
