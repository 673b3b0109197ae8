"""Events that this process has just confirmed: the same one again is answered, and not sent. Pure.

A publisher that got no answer sends again, and so does one that is careful. What is not remembered here is sent twice
and counted once, by the workers.
"""

from collections import OrderedDict
from hashlib import blake2b
from typing import Final

from sources.collector.inspection import OutRecord
from sources.topic_producer import Place

SECONDS: Final = 900.0
"""How long an event is remembered: longer than clients repeat a request, shorter than anybody takes to replace a
topic."""
_MOST: Final = 50_000
"""Events that are remembered, at some 500 bytes."""


class Confirmed:
    """Remembers where events are, by source and id and a hash of all their bytes."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, tuple[Place, float, int]] = OrderedDict()
        self._by_id: dict[int, float] = {}
        """`name_of` source and id -> when an event with it was confirmed last."""

    def find(self, digest: bytes, now: float) -> Place | None:
        """Where an event is that was confirmed; None if it is not known. `now`: seconds of the monotonic clock."""
        known = self._known.get(digest)
        return known[0] if known is not None and now - known[1] < SECONDS else None

    def add(self, digest: bytes, place: Place, now: float, named: int) -> None:
        """The event is confirmed; `named` is its `name_of`."""
        self._known[digest] = (place, now, named)
        self._known.move_to_end(digest)
        self._by_id[named] = now
        if len(self._known) > _MOST:
            _, (_, at, old) = self._known.popitem(last=False)
            if self._by_id.get(old) == at:
                del self._by_id[old]

    def has(self, source: str, event_id: str, now: float) -> bool:
        """Whether an event with this source and id was confirmed, as far as it is remembered."""
        at = self._by_id.get(name_of(source, event_id))
        return at is not None and now - at < SECONDS


def name_of(source: str, event_id: str) -> int:
    """A number for a source and an id, the same within this process."""
    return hash((source, event_id))


def digest_of(record: OutRecord) -> bytes:
    """The same for the same source, id and bytes, and for nothing else."""
    digest = blake2b(record.value, digest_size=16)
    for name, text in record.headers:
        digest.update(b"%d %d " % (len(name), len(text)) + name.encode() + text)
    return digest.digest()
