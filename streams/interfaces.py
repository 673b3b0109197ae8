"""What a pipeline talks to, besides the ledger: the pure step, the outbox and the dedupe state. And what it carries."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from brokers.batches import Record
from schemas.ledger import Rows
from streams.decide import Batch, Output, PartitionInfo

MAX_WEIGHT: Final = 48 << 20
"""Bytes of records that close a group, however few they are: twice what ordinary ones of `max_rows` weigh."""


class StateError(Exception):
    """The dedupe state cannot be read or written: no record is to blame, the process has to restart."""


class Step(Protocol):
    """The pure step that a pipeline applies to the records of one partition."""

    def __call__(self, place: PartitionInfo, records: Sequence[Record], condemned: Mapping[int, str]) -> Batch:
        """Decide on the records; marks of what is in flight are seen through the pipeline's `seen`."""


class Parcel(Protocol):
    """Outputs of one group, ready to be sent; may be sent again."""

    def add(self, outputs: Sequence[Output]) -> None:
        """Append outputs. They are not needed afterwards."""


class Outbox(Protocol):
    """Produces records; every one is confirmed when a call returns."""

    def parcel(self) -> Parcel:
        """An empty parcel."""

    async def send(self, parcel: Any, marks: Mapping[int, Mapping[bytes, bytes]]) -> dict[int, int]:
        """Produce what is in a parcel that `parcel` gave, and the changelog of marks.

        Returns:
            The last changelog offset of each partition.
        """


class SeenTable(Protocol):
    """The durable dedupe state, one part per partition."""

    def get(self, partition: int, keys: list[bytes]) -> Sequence[bytes | None]:
        """Marks by their keys."""

    def write(self, partition: int, marks: Mapping[bytes, bytes], changelog_offset: int | None) -> None:
        """Store marks and how far the changelog is applied, at once."""


@dataclass(slots=True)
class Group:
    """Records of any partitions that travel together, and what was decided about them."""

    generation: object
    opened_at: float
    parcel: Parcel
    rows: Rows = field(default_factory=Rows)
    marks: dict[int, dict[bytes, bytes]] = field(default_factory=dict)
    taken: list[tuple[PartitionInfo, Sequence[Record]]] = field(default_factory=list)
    acks: list[Callable[[], Awaitable[Any]]] = field(default_factory=list)
    size: int = 0
    weight: int = 0
    """Bytes of memory that its records take, about."""

    def add(self, place: PartitionInfo, records: Sequence[Record], batch: Batch) -> None:
        """Take in what was decided about records of one partition."""
        self.rows.extend(batch.rows)
        self.parcel.add(batch.outputs)
        if batch.marks:
            self.marks.setdefault(place.partition, {}).update(batch.marks)
        self.taken.append((place, records))
        self.size += len(records)
        self.weight += batch.weight

    def is_full(self, max_rows: int) -> bool:
        """Whether it is to be delivered before anything else is taken in."""
        return self.size >= max_rows or self.weight >= MAX_WEIGHT
