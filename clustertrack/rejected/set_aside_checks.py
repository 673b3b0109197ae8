"""Which records an operator may have set aside: those that the workers have not passed, and cannot pass."""

from typing import Final

from brokers.offsets import Progress
from clustertrack.rejected.records import WrittenAddress, read_address
from schemas.errors import CheckFailed, UsageFault
from sinks.catalog import TopicRecord

MOST: Final = 10_000
"""Records of one order: more than one batch of any publisher holds; a slip of the pen must not empty a partition."""
LEARNED_SECONDS: Final = 10
"""A running worker has learned of an order by then: it looks every `guard.LOOK_SECONDS`, and a look takes a while."""


def read_range(text: str) -> tuple[WrittenAddress, int]:
    """The first record and the last offset that `topic/partition/offset` or `.../first-last` names.

    Raises:
        UsageFault: it names no record, or too many.
    """
    begin, dash, end = text.rpartition("-")
    if not (dash and end.isascii() and end.isdigit() and "/" in begin):
        place = read_address(text)
        return place, place.offset
    place, last = read_address(begin), int(end[:20])
    if not 0 <= last - place.offset < MOST:
        raise UsageFault(f"{text!r} is not a range of 1 to {MOST:,} offsets: write FIRST-LAST, such as 17-20.")
    return place, last


def check_place(place: WrittenAddress, recorded: TopicRecord) -> None:
    """Raise UsageFault or CheckFailed where no worker will come by."""
    if place.topic != recorded.topic:
        raise UsageFault(
            f"Only records of {recorded.topic} can be set aside, and {place} is not one: register records "
            "cannot stop a worker."
        )
    if place.topic_epoch not in {None, recorded.topic_epoch}:
        raise CheckFailed(f"{place} names a former topic: it was deleted, and no worker reads it any more.")
    if place.partition >= recorded.partitions:
        raise UsageFault(f"{place}: {recorded.topic} has the partitions 0 to {recorded.partitions - 1}.")


def check_offsets(place: WrittenAddress, last: int, progress: Progress, counted: int | None) -> None:
    """Raise CheckFailed unless every offset is one that the workers still have to pass.

    Args:
        place: the first record.
        last: the last offset.
        progress: of the partition.
        counted: the first of the offsets that has a receipt.
    """
    committed = progress.committed or 0
    if last >= progress.end:
        raise CheckFailed(f"{place}: the partition ends before offset {progress.end}, there is no record {last} yet.")
    if place.offset < progress.low:
        raise CheckFailed(f"{place}: Kafka has deleted it, the partition begins at offset {progress.low}.")
    if place.offset < committed:
        raise CheckFailed(
            f"{place}: the workers have passed it, they go on at offset {committed}: what they rejected is in "
            "`clustertrack rejected list`."
        )
    if counted is not None:
        raise CheckFailed(f"{place}: offset {counted} has its receipt: name only records that have none.")
