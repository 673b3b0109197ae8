"""Finds activities that name two companies at the same time: no order of versions could decide between them.

All rows are seen before any is sent, as the first of two conflicting rows must not go out either. Of each row 20 bytes
are kept, on disk as soon as they are many (`sources.files.buckets`): a 2 GB file stays far below 300 MB of memory.
"""

from hashlib import blake2b
from typing import Final

from schemas.errors import UsageFault
from sources.files.buckets import BUCKETS, Buckets

_MARK: Final = 16
_RECORD: Final = _MARK + 4

MOST: Final = 500_000
"""So many conflicts are one mistake in the mapping, not half a million in the rows; and they must fit into memory."""


def mark(source: str, activity_id: str, milliseconds: int) -> bytes:
    """16 bytes for one version of an activity."""
    return blake2b(f"{source}\0{activity_id}\0{milliseconds}".encode(), digest_size=_MARK).digest()


def find_conflicts(buckets: Buckets) -> frozenset[bytes]:
    """The marks that were noted with more than one company.

    Raises:
        UsageFault
    """
    conflicts: set[bytes] = set()
    for bucket in buckets.read():
        company: dict[bytes, bytes] = {}
        while block := bucket.read(_RECORD * 4096):
            for at in range(0, len(block), _RECORD):
                version = block[at : at + _MARK]
                cvr = block[at + _MARK : at + _RECORD]
                if company.setdefault(version, cvr) != cvr:
                    conflicts.add(version)
        if len(conflicts) > MOST:
            raise UsageFault(
                f"more than {MOST:,} activities name two companies at the same time: the mapping must build "
                'activity_id so that it is one company\'s part, e.g. "{Workshop}/{CVR}"; nothing was sent'
            )
    return frozenset(conflicts)


def note(buckets: Buckets, version: bytes, cvr: int) -> None:
    """Keep that this version names this company."""
    buckets.add(version[0] % BUCKETS, version + cvr.to_bytes(4, "big"))
