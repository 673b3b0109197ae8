"""To send rejected records again in a test: a book in memory, a person. Kafka is real."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from samples import CVRS, event

from clustertrack.rejected.outgoing import as_replay
from clustertrack.rejected.records import Action, RejectedRecord
from clustertrack.rejected.replay import Run
from clustertrack.rejected.replay_topic import KafkaTopic
from schemas.addresses import RecordAddress
from schemas.faults import Fault

PARTITIONS = 3
START = datetime(2026, 11, 1, 12, tzinfo=UTC)


@dataclass
class MemoryBook:
    """Actions by attempt, as the table keeps them after a merge."""

    rows: dict[tuple[RecordAddress, uuid.UUID], Action] = field(default_factory=dict)

    def write(self, actions: Sequence[Action]) -> None:
        """The later state of an attempt stays."""
        rank = ("replaying", "replayed", "discarded")
        for action in actions:
            key = (action.place, action.attempt)
            if key not in self.rows or rank.index(action.action) >= rank.index(self.rows[key].action):
                self.rows[key] = action

    def read(self, places: Sequence[RecordAddress]) -> list[Action]:
        """The oldest first."""
        return sorted((row for row in self.rows.values() if row.place in places), key=lambda row: row.acted_at)

    def states(self) -> list[str]:
        """States of all attempts, the oldest first."""
        return [row.action for row in sorted(self.rows.values(), key=lambda row: row.acted_at)]


@dataclass
class Person:
    """Somebody who replays, with a clock of their own."""

    name: str = "anna"
    now: datetime = START

    def run(self) -> Run:
        """A run of this person; every look at the clock takes a millisecond."""

        def clock() -> datetime:
            self.now += timedelta(milliseconds=1)
            return self.now

        return Run(
            acted_by=self.name,
            note="fixed",
            plan=lambda record: as_replay(record, partitions=PARTITIONS, limit=3, can_return=True),
            clock=clock,
            new_attempt=uuid.uuid4,
        )


def record(topic: KafkaTopic, offset: int = 7, **changes: object) -> RejectedRecord:
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
