"""Which version of an activity is which, and which one holds.

Identity, in three widths:

* the *activity* is (source, activity_id);
* a *version* of it is (source, activity_id, revision without its pipeline bits), see `version_key`;
* the *revision* orders the versions: time in ms << 64 | retracted << 63 | pipeline version << 55 | 55 bits of a hash of
  the content. What the pipeline derives, or takes from the registry, is no part of the content: neither a new mapping
  nor a corrected registry reorders anything.

The time of an event is a claim, and its arrival is not. A version that claims a later time than its arrival is ordered
as of its arrival (`as_of_arrival`): nobody can shut out a correction that is made after it. It stays the same version,
however often it arrives: its identity is what it claims, and only its first arrival gives it a place.
"""

from hashlib import blake2b
from typing import Final

from schemas.indicators import PIPELINE_VERSION

_HASH_BITS: Final = 55
_HASH_MASK: Final = (1 << _HASH_BITS) - 1
_PIPELINE: Final = 0xFF << _HASH_BITS
_WITHOUT_PIPELINE: Final = ~_PIPELINE
_AHEAD_BITS: Final = 27
"""Bits for how far ahead of its arrival a version is dated: 24 hours are fewer than 2^27 ms. As many are left for the
retraction and the hash."""
_REST_BITS: Final = _HASH_BITS - _AHEAD_BITS
_REST_MASK: Final = (1 << (_REST_BITS - 1)) - 1
_CONTENT_HASH: Final = blake2b(digest_size=8)
_KEY_HASH: Final = blake2b(digest_size=16)
"""Copying a hash is faster than setting up another one."""


def revision_of(recorded_at: int, retracted: bool, content: bytes, pipeline: int = PIPELINE_VERSION) -> int:
    """Place of a version among the versions of its activity; highest wins.

    Args:
        recorded_at: the event's time, ms since 1970 UTC.
        retracted: whether the version retracts the activity.
        content: what the event says, as bytes.
        pipeline: version of the pipeline that decided, 0 to 255.
    """
    content_hash = _CONTENT_HASH.copy()
    content_hash.update(content)
    digest = int.from_bytes(content_hash.digest(), "big") & _HASH_MASK
    return (recorded_at << 64) + ((retracted << 63 | pipeline << _HASH_BITS) + digest)


def as_of_arrival(revision: int, arrived: int) -> int:
    """Place of a version that is dated after its arrival: that of its arrival.

    The hash makes room for how far ahead it is dated, so that versions which arrive in one millisecond (a file of a CRM
    whose clock is fast) keep the order in which they claim to be: arrival << 64 | 1 << 63 | pipeline version << 55 |
    27 bits of ms ahead | retracted | 27 bits of the hash.

    Args:
        revision: as `revision_of` gives it for the time claimed.
        arrived: ms since 1970 UTC; before the time claimed, and by no more than 2^27 ms.
    """
    ahead = (revision >> 64) - arrived
    rest = ahead << _REST_BITS | (revision >> 63 & 1) << (_REST_BITS - 1) | revision & _REST_MASK
    return arrived << 64 | 1 << 63 | revision & _PIPELINE | rest


def with_pipeline(revision: int, pipeline: int) -> int:
    """The same version as another pipeline version wrote it."""
    return revision & _WITHOUT_PIPELINE | pipeline << _HASH_BITS


def version_key(source: str, activity_id: str, revision: int) -> bytes:
    """16 bytes that name a version of an activity, the same for every pipeline version: the key of the dedupe state."""
    # A source comes from the registry and holds no NUL, so the three parts cannot run into each other.
    version = (revision & _WITHOUT_PIPELINE).to_bytes(16, "big")
    key_hash = _KEY_HASH.copy()
    key_hash.update(version + f"{source}\0{activity_id}".encode())
    return key_hash.digest()
