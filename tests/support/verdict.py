"""What a chaos scenario left behind, compared: pure functions over rows and records, each tested alone.

A place is (partition, offset) on the events topic. Nothing here uses the product's own rules.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

PartitionOffset = tuple[int, int]
ORIGIN: Final = "ct-origin"
PIPELINE_BITS: Final = 0xFF << 55
"""Of a revision: which version of the pipeline wrote it."""


class Record(Protocol):
    """A record as the Kafka client of the tests gives it."""

    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


def doubled(rows: Iterable[tuple[str, str, int, str]], pipelines: int) -> int:
    """Versions that are there more than once, in rows of (source, activity_id, revision, event_id).

    A version may be there once for each pipeline that read it. Each published one has an event id of its own, which its
    repeats share: an id under two versions is one event counted as two.
    """
    rows = list(rows)
    versions = Counter((source, activity, revision & ~PIPELINE_BITS) for source, activity, revision, _ in rows)
    ids = {event_id for *_, event_id in rows}
    return sum(max(0, n - pipelines) for n in versions.values()) + max(0, len(versions) - len(ids))


def without_one_receipt(records: Iterable[Record], receipts: Iterable[PartitionOffset], lows: Mapping[int, int]) -> int:
    """Offsets with a record and no receipt, with a receipt and no record, or with several receipts.

    `lows`: by partition, the first offset that Kafka still has; of what it has deleted only the receipts are left.
    """
    places = {(record.partition, record.offset) for record in records}
    found = Counter((partition, offset) for partition, offset in receipts if offset >= lows[partition])
    return len(places ^ found.keys()) + sum(n > 1 for n in found.values())


def origins(records: Iterable[Record], topic: str) -> Counter[bytes]:
    """Where records of the enriched or rejected topic come from; those of another topic are left out."""
    found = (dict(record.headers)[ORIGIN] for record in records)
    return Counter(origin for origin in found if origin.startswith(f"{topic}/".encode()))


def arrivals(records: Sequence[Record], topic: str, sent_on: Iterable[PartitionOffset]) -> Counter[bytes]:
    """How often each record that was sent on is on the events topic once more, byte for byte.

    A publisher may claim any origin: a record that is not the one of that place has not come from there.
    """
    at = {(record.partition, record.offset): record for record in records}
    left = {named(topic, place): at[place] for place in sent_on if place in at}
    came: Counter[bytes] = Counter()
    for record in records:
        origin = dict(record.headers).get(ORIGIN)
        if origin in left and (left[origin].key, left[origin].value) == (record.key, record.value):
            came[origin] += 1
    return came


def missing(topic: str, statuses: Mapping[PartitionOffset, str], wanted: Mapping[str, Mapping[bytes, Any]]) -> int:
    """Receipts whose record did not arrive where its status says: `wanted` has, by status, the origins found there."""
    return sum(named(topic, place) not in wanted[status] for place, status in statuses.items() if status in wanted)


def repeats(found: Counter[bytes]) -> int:
    """Records that arrived more than once."""
    return found.total() - len(found)


def named(topic: str, place: PartitionOffset) -> bytes:
    """A place as the header names it."""
    return f"{topic}/{place[0]}/{place[1]}".encode()
