"""Which record breaks the pure step? It is rejected, and stops none of the others."""

from collections.abc import Mapping, Sequence

import structlog

from brokers.batches import Record
from streams.decide import Batch, PartitionInfo
from streams.interfaces import StateError, Step

log = structlog.get_logger()


def decide_or_reject(
    step: Step,
    place: PartitionInfo,
    records: Sequence[Record],
    condemned: Mapping[int, str],
    in_flight: dict[bytes, bytes],
) -> list[tuple[Sequence[Record], Batch]]:
    """Apply the pure step. Where it raises, halve until the one record is found, and reject that.

    Args:
        step: the pure step.
        place: the partition of the records.
        records: what to decide on.
        condemned: offset -> reason of records that are rejected unread.
        in_flight: marks that the step sees; those of a half are added before the other half is decided on.
    """
    try:
        return [(records, step(place, records, condemned))]
    except (StateError, MemoryError):
        raise
    except Exception:  # a record that breaks the step must not stop the others
        if len(records) == 1:
            offset = records[0].offset
            log.exception("record cannot be processed", place=place, offset=offset)
            return [(records, step(place, records, {**condemned, offset: "unprocessable"}))]
        half = len(records) // 2
        decided = []
        for part in (records[:half], records[half:]):
            found = decide_or_reject(step, place, part, condemned, in_flight)
            # The second half has to see the marks of the first.
            for _, batch in found:
                in_flight.update(batch.marks)
            decided += found
        return decided
