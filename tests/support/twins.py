"""Twins in memory of what a pipeline talks to: ledger, outbox, dedupe state, with the contracts of the real ones."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from schemas.events import Activity
from schemas.ledger import LedgerRefused, Receipt, Rejection, Rows
from streams.decide import Output


@dataclass
class Record:
    """A Kafka record."""

    offset: int
    value: bytes | None
    timestamp: int = 1_600_000_000_000
    key: bytes | None = None
    headers: Sequence[tuple[str, bytes | None]] = ()


@dataclass
class MemoryLedger:
    """Rows by their identity, as the tables keep them after a merge."""

    activities: dict[tuple[str, str, int], Activity] = field(default_factory=dict)
    companies: dict[tuple[int, Any, int], Any] = field(default_factory=dict)
    registries: dict[int, Any] = field(default_factory=dict)
    keys: dict[tuple[str, int], Any] = field(default_factory=dict)
    rejected: dict[tuple[str, int, int, int], Rejection] = field(default_factory=dict)
    receipts: dict[tuple[str, int, int, int], Receipt] = field(default_factory=dict)
    refuses: Callable[[Activity], bool] = lambda _activity: False
    """Which activities can never be stored."""
    failures: list[Exception] = field(default_factory=list)
    """Raised one per call, before anything else."""
    inserts: int = 0
    probes: list[Exception | None] = field(default_factory=list)
    """Raised one per probe, None = it succeeds; when none are left, all succeed."""

    def probe(self, rows: Rows) -> None:
        """See `schemas.ledger.Ledger.probe`."""
        del rows
        if self.probes and (error := self.probes.pop(0)) is not None:
            raise error

    def insert(self, rows: Rows) -> None:
        """See `schemas.ledger.Ledger.insert`."""
        self.inserts += 1
        if self.failures:
            raise self.failures.pop(0)
        if any(self.refuses(activity) for activity in rows.activities):
            raise LedgerRefused("a row of activity_revision cannot be stored")
        for activity in rows.activities:
            self.activities.setdefault((activity.source, activity.activity_id, activity.revision), activity)
        for row in rows.companies:
            self.companies[row.version.cvr, row.version.valid_from, row.version.revision] = row
        for one in rows.registries:
            self.registries.setdefault(one.version.revision, one)
        for key in rows.keys:
            self.keys.setdefault((key.version.id, key.version.revision), key)
        for rejection in rows.rejected:
            self.rejected[rejection.topic, rejection.topic_epoch, rejection.partition, rejection.offset] = rejection
        rank = {"duplicate": 1, "rejected": 2, "rerouted": 3, "accepted": 4, "retracted": 5}
        for receipt in rows.receipts:
            place = (receipt.topic, receipt.topic_epoch, receipt.partition, receipt.offset)
            known = self.receipts.get(place)
            if known is None or rank[receipt.status] >= rank[known.status]:
                self.receipts[place] = receipt


def _set() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


@dataclass
class MemoryParcel:
    """See `streams.outbox.KafkaParcel`."""

    outputs: list[Output] = field(default_factory=list)

    def add(self, outputs: Sequence[Output]) -> None:
        """Outputs after those that are there."""
        self.outputs += outputs


@dataclass
class MemoryOutbox:
    """What was produced, in order."""

    outputs: list[Output] = field(default_factory=list)
    changelog: dict[int, list[tuple[bytes, bytes]]] = field(default_factory=dict)
    failures: list[Exception] = field(default_factory=list)
    confirms: asyncio.Event = field(default_factory=_set)
    """While cleared, nothing is confirmed."""

    def parcel(self) -> MemoryParcel:
        """An empty one."""
        return MemoryParcel()

    async def send(self, parcel: MemoryParcel, marks: Mapping[int, Mapping[bytes, bytes]]) -> dict[int, int]:
        """See `streams.outbox.KafkaOutbox.send`."""
        if self.failures:
            raise self.failures.pop(0)
        await self.confirms.wait()
        self.outputs += parcel.outputs
        ends = {}
        for partition, new in marks.items():
            log = self.changelog.setdefault(partition, [])
            log += new.items()
            ends[partition] = len(log) - 1
        return ends


@dataclass
class MemorySeen:
    """The dedupe state as a dict."""

    marks: dict[int, dict[bytes, bytes]] = field(default_factory=dict)
    applied: dict[int, int | None] = field(default_factory=dict)

    def get(self, partition: int, keys: list[bytes]) -> list[bytes | None]:
        """Marks by their keys."""
        known = self.marks.get(partition, {})
        return [known.get(key) for key in keys]

    def write(self, partition: int, marks: Mapping[bytes, bytes], changelog_offset: int | None) -> None:
        """Store marks."""
        self.marks.setdefault(partition, {}).update(marks)
        self.applied[partition] = changelog_offset
