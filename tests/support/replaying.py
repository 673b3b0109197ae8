"""For whoever sends rejected records again: a book in memory, a person, a topic whose process dies. Kafka is real."""

import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from samples import CVRS, event

from clustertrack.rejected.outgoing import Outgoing, as_replay
from clustertrack.rejected.records import Action, RejectedRecord
from clustertrack.rejected.replay import Run
from clustertrack.rejected.replay_topic import KafkaTopic
from schemas.addresses import RecordAddress
from schemas.faults import Fault

PARTITIONS = 3
START = datetime(2026, 11, 1, 12, tzinfo=UTC)


@dataclass
class MemoryBook:
    """Actions by attempt, as the table keeps them after a merge; `before_read` happens before the next readings."""

    rows: dict[tuple[RecordAddress, uuid.UUID], Action] = field(default_factory=dict)
    before_read: list[Callable[[], None]] = field(default_factory=list)

    def write(self, actions: Sequence[Action]) -> None:
        """The later state of an attempt stays."""
        rank = ("replaying", "abandoned", "replayed", "discarded")
        for action in actions:
            key = (action.place, action.attempt)
            if key not in self.rows or rank.index(action.action) >= rank.index(self.rows[key].action):
                self.rows[key] = action

    def read(self, places: Sequence[RecordAddress]) -> list[Action]:
        """The oldest first."""
        if self.before_read:
            self.before_read.pop(0)()
        return sorted((row for row in self.rows.values() if row.place in places), key=lambda row: row.acted_at)

    def states(self) -> list[str]:
        """States of all attempts, the oldest first."""
        return [row.action for row in sorted(self.rows.values(), key=lambda row: row.acted_at)]


@dataclass
class Person:
    """Somebody who replays, with a clock that only moves when told to, or while sleeping."""

    name: str = "anna"
    now: datetime = START
    said: list[str] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        """Time passes."""
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)

    def run(self, plan: Callable[[RejectedRecord], Outgoing | str] | None = None, *, may_repeat: bool = False) -> Run:
        """A run of this person; every look at the clock takes a millisecond."""

        def clock() -> datetime:
            self.now += timedelta(milliseconds=1)
            return self.now

        return Run(
            acted_by=self.name,
            note="mended",
            plan=plan or (lambda record: as_replay(record, partitions=PARTITIONS, limit=3, can_return=True)),
            clock=clock,
            sleep=self.sleep,
            new_attempt=uuid.uuid4,
            say=self.said.append,
            may_repeat=may_repeat,
        )


class Crash(BaseException):
    """The process dies."""


class Dying:
    """A topic whose process dies when `survives` records are confirmed; what it sent has arrived all the same."""

    def __init__(self, topic: KafkaTopic, survives: int) -> None:
        self.name, self.epoch, self.ends, self.find = topic.name, topic.epoch, topic.ends, topic.find
        self._topic, self._survives = topic, survives

    def send(self, records: Sequence[Outgoing]) -> Iterator[int]:
        """All are sent."""
        offsets = list(self._topic.send(records))
        yield from offsets[: self._survives]
        raise Crash


def record(topic: KafkaTopic, offset: int = 7, **changes: Any) -> RejectedRecord:
    """A rejected record of the topic."""
    fields: dict[str, Any] = {
        "place": RecordAddress(topic.name, topic.epoch, 1, offset),
        "log_time": START,
        "source": "",
        "faults": (Fault("", "unknown_source", ""),),
        "headers": (("x-crm", b"\xff"),),
        "key": b"\x00",
        "payload": event(CVRS[offset % len(CVRS)], f"WS-{offset}"),
    }
    return RejectedRecord(**{**fields, **changes})


def standing(kafka, topic: KafkaTopic) -> dict[RecordAddress, tuple[bytes | None, bytes | None, list]]:
    """Everything on the topic."""
    consumer = KafkaConsumer(bootstrap_servers=[kafka.bootstrap], auto_offset_reset="earliest")
    partitions = [TopicPartition(topic.name, partition) for partition in range(PARTITIONS)]
    consumer.assign(partitions)
    ends = consumer.end_offsets(partitions)
    found = {}
    while any(consumer.position(partition) < ends[partition] for partition in partitions):
        for records in consumer.poll(timeout_ms=200).values():
            found |= {RecordAddress(topic.name, 0, r.partition, r.offset): (r.key, r.value, r.headers) for r in records}
    consumer.close()
    return found


def noise(kafka, topic: KafkaTopic) -> None:
    """Other traffic on all partitions."""
    producer = KafkaProducer(bootstrap_servers=[kafka.bootstrap])
    for number in range(30):
        producer.send(topic.name, b"%d" % number, partition=number % PARTITIONS)
    producer.flush(timeout=10)
    producer.close(timeout=5)
