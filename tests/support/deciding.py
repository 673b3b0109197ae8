"""`process_batch` with everything that it needs, for tests that look at one thing."""

from collections.abc import Mapping, Sequence
from typing import Any

from kafka.partitioner import murmur2
from samples import CLUSTERS, CVRS
from twins import Record

from streams.company_register import Register
from streams.decide import Batch, PartitionInfo, process_batch

PARTITIONS = 3


def home(company: int, partitions: int = PARTITIONS) -> int:
    """Partition of a company by another implementation than the product's."""
    return (murmur2(b"%08d" % company) & 0x7FFFFFFF) % partitions


HERE = [company for company in CVRS if home(company) == 0]
"""Companies of partition 0."""
ELSEWHERE = [company for company in CVRS if home(company) != 0]
PLACE = PartitionInfo("activity.events.v1", 0, 0, PARTITIONS)


def decide(
    records: Sequence[Record],
    *,
    place: PartitionInfo = PLACE,
    marks: Mapping[bytes, bytes] | None = None,
    register: Register | None = None,
    condemned: Mapping[int, str] | None = None,
) -> Batch:
    """One batch, judged with the marks given."""
    known = marks or {}

    def seen(keys: list[bytes]) -> list[Any]:
        return [known.get(key) for key in keys]

    return process_batch(
        place,
        records,
        seen=seen,
        register=register or Register(),
        clusters=CLUSTERS,
        condemned=condemned or {},
    )
