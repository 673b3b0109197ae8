"""Where a company's records belong: the partition that Java's murmur2 gives to its CVR number as a key."""

from functools import lru_cache

from aiokafka.partitioner import murmur2


@lru_cache(maxsize=262_144)
def partition_of(company_id: int, partitions: int) -> int:
    """Partition of a company among `partitions`: the same as Kafka's own clients choose for the key `b"13748136"`."""
    return int(murmur2(b"%08d" % company_id) & 0x7FFFFFFF) % partitions
