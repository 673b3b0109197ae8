"""Where records belong: the partition that Java's murmur2 gives to their key, which is a company's CVR number."""

from functools import lru_cache
from typing import Final

from kafka.partitioner import murmur2

from schemas.bounded_cache import Remembered

_KEYS: Final = 262_144
"""Keys whose hash is remembered: murmur2 in Python takes 4 us, and a company comes back hundreds of times."""


def partition_of(company_id: int, partitions: int) -> int:
    """Partition of a company among `partitions`: the same as Kafka's own clients choose for the key `b"13748136"`."""
    return homes[company_id][0] % partitions


@lru_cache(_KEYS)
def key_hash(key: bytes) -> int:
    """Java's `Utils.toPositive(Utils.murmur2(key))`; its remainder by the partition count is the partition."""
    return _positive_hash(key)


def _positive_hash(key: bytes) -> int:
    return int(murmur2(key)) & 0x7FFFFFFF


def _home(company_id: int) -> tuple[int, bytes]:
    key = b"%08d" % company_id
    return _positive_hash(key), key


homes: Final = Remembered(_home, 131_072)
"""Company -> hash of its key, and the key: murmur2 in Python takes as long as everything else done with a record.
About 25 MB when full."""
