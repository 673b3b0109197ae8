"""Where a company's records belong: the partition that Java's murmur2 gives to its CVR number as a key."""

from typing import Final

from aiokafka.partitioner import murmur2

_REMEMBERED: Final = 131_072
"""Hashes kept: murmur2 in Python takes as long as all else that is done with a record. About 15 MB."""
_hashes: Final[dict[int, int]] = {}


def partition_of(company_id: int, partitions: int) -> int:
    """Partition of a company among `partitions`: the same as Kafka's own clients choose for the key `b"13748136"`."""
    found = _hashes.get(company_id)
    if found is None:
        if len(_hashes) >= _REMEMBERED:
            _hashes.clear()
        found = _hashes[company_id] = murmur2(b"%08d" % company_id) & 0x7FFFFFFF
    return found % partitions
