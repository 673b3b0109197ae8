"""Which version of an activity is which, and which one holds.

Identity, in three widths:

* the *activity* is (source, activity_id);
* a *version* of it is (source, activity_id, revision without its pipeline bits), see `version_key`;
* the *revision* orders the versions: time in ms << 64 | retracted << 63 | pipeline version << 55 | 55 bits of a hash of
  the content. What the pipeline derives is no part of the content, so a new mapping reorders nothing.
"""

from hashlib import blake2b
from typing import Final

from schemas.indicators import PIPELINE_VERSION

_HASH_BITS: Final = 55
_HASH_MASK: Final = (1 << _HASH_BITS) - 1
_WITHOUT_PIPELINE: Final = ~(0xFF << _HASH_BITS)
# Copying a hash is faster than setting up another one.
_CONTENT_HASH: Final = blake2b(digest_size=8)
_KEY_HASH: Final = blake2b(digest_size=16)


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


def with_pipeline(revision: int, pipeline: int) -> int:
    """The same version as another pipeline wrote it."""
    return revision & _WITHOUT_PIPELINE | pipeline << _HASH_BITS


def version_key(source: str, activity_id: str, revision: int) -> bytes:
    """16 bytes that name a version of an activity, whatever pipeline wrote it: the key of the dedupe state."""
    # A source comes from the registry and holds no NUL, so the three parts cannot run into each other.
    version = (revision & _WITHOUT_PIPELINE).to_bytes(16, "big")
    key_hash = _KEY_HASH.copy()
    key_hash.update(version + f"{source}\0{activity_id}".encode())
    return key_hash.digest()
