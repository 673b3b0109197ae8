"""Finds activities of which two rows say different things at the same time: no order of versions could decide.

Either they name two companies, or rows differ in a column that is used (one row for each outcome), in one file or in
several of one command; whether these say different things is looked at again (`contradicting` of `file_publisher`).
Equal rows are harmless. All rows are seen before any is sent, as the first of two conflicting rows must not go out
either. Of each row 28 bytes are kept, on disk as soon as they are many (`sources.files.buckets`): a 2 GB file stays far
below 300 MB of memory.
"""

import struct
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

from schemas.errors import UsageFault
from sources.files.buckets import BUCKETS, Buckets

_MARK: Final = 16
_RECORD: Final = struct.Struct(f">{_MARK}sIq")

COMPANIES: Final = "names two companies at the same time"
CONTENTS: Final = (
    "has two rows of the same time that differ: give each version a time of its own, and several outcomes in one cell"
)

MOST: Final = 500_000
"""So many conflicts are one mistake in the mapping, not half a million in the rows; and they must fit into memory."""


def mark(source: str, activity_id: str, milliseconds: int) -> bytes:
    """16 bytes for one version of an activity."""
    return blake2b(
        f"{source}\0{activity_id}\0{milliseconds}".encode("utf-8", "surrogatepass"), digest_size=_MARK
    ).digest()


def digest(texts: Sequence[str]) -> int:
    """8 bytes for what the used cells of a row say; they mean nothing to another process."""
    return hash("\0".join(texts))


def find_conflicts(buckets: Buckets) -> dict[bytes, str]:
    """The marks that were noted with more than one company, or with more than one content, and which of it.

    Raises:
        UsageFault
    """
    conflicts: dict[bytes, str] = {}
    for bucket in buckets.read():
        company: dict[bytes, int] = {}
        contents: dict[bytes, int] = {}
        while block := bucket.read(_RECORD.size * 4096):
            for version, cvr, content in _RECORD.iter_unpack(block):
                if company.setdefault(version, cvr) != cvr:
                    conflicts[version] = COMPANIES
                elif contents.setdefault(version, content) != content:
                    conflicts.setdefault(version, CONTENTS)
        if len(conflicts) > MOST:
            raise UsageFault(
                f"more than {MOST:,} activities contradict themselves at the same time: the mapping must "
                'build activity_id so that it is one company\'s part in one activity, e.g. "{Workshop}/{CVR}"; nothing '
                "was sent"
            )
    return conflicts


def note(buckets: Buckets, version: bytes, cvr: int, content: int) -> None:
    """Keep that a row names this company, and the digest of what it says."""
    buckets.add(version[0] % BUCKETS, _RECORD.pack(version, cvr, content))
