"""Where a company's records belong: the partition that Java's murmur2 gives to its CVR number as a key."""

from typing import Final

from aiokafka.partitioner import murmur2

from schemas.bounded_cache import Remembered


def partition_of(company_id: int, partitions: int) -> int:
    """Partition of a company among `partitions`: the same as Kafka's own clients choose for the key `b"13748136"`."""
    return homes[company_id][0] % partitions


def _home(company_id: int) -> tuple[int, bytes]:
    key = b"%08d" % company_id
    return murmur2(key) & 0x7FFFFFFF, key


homes: Final = Remembered(_home, 131_072)
"""Company -> hash of its key, and the key: murmur2 in Python takes as long as all else that is done with a record.
About 25 MB when full."""
