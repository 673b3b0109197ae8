"""The headers of a record: their names, and what is read from them apart from the event itself.

Headers that begin with `ct-` are the pipeline's own.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from schemas.binding import ATTRIBUTE, CONTENT_TYPE, is_structured
from schemas.binding import STRUCTURED as STRUCTURED_TYPE
from schemas.ledger import NO_PARTITION

STRUCTURED: Final = (CONTENT_TYPE, STRUCTURED_TYPE.encode())
"""Says that the value is a whole CloudEvent (CloudEvents 1.0, Kafka binding, structured mode), as `publish` writes
it."""
STRUCTURED_UTF8: Final = (CONTENT_TYPE, f"{STRUCTURED_TYPE}; charset=utf-8".encode())
"""The same with its charset, as the worker and `rejected replay --edit` write it."""

OWN: Final = "ct-"
"""How the pipeline's own headers begin."""
REASON: Final = "ct-reason"
"""Code of the first fault of a rejected record."""
FAULTS: Final = "ct-faults"
"""All faults of a rejected record, as JSON."""
REPLAYS: Final = "ct-replays"
"""How often the record's content was sent again."""
REPLAY_OF: Final = "ct-replay-of"
"""Address of the record that this one is a replay of."""
EDITED_FROM: Final = "ct-edited-from"
"""Address of the record that this one was edited from."""

LINE: Final = "ct-line"
"""Name of the file and number of the line that `publish` or `companies load` made the record from, as `NAME:12`. It is
for people who look for a rejected record; anyone who publishes can write it."""
_LINE_FORM: Final = re.compile(rb"(.{1,255}):([0-9]{1,18})", re.DOTALL)

ORIGIN: Final = "ct-origin"
"""Header `topic/partition/offset`: the record that this one comes from. The last one of that name counts. For a topic
that was re-created it is `topic@epoch/..`: its offsets start over, and consumers that drop records with the same origin
must not drop others."""
_ORIGIN_FORM: Final = re.compile(rb"(.+)/([0-9]{1,5})/([0-9]{1,19})", re.DOTALL)
_FRAME: Final = 10
"""Bytes that Kafka adds to a header at most."""
_ESCAPE: Final = 6
"""Bytes that JSON writes for a control character, where a header has one."""
_QUOTED: Final = 100
"""Bytes of a header that are kept of each of two answers."""
_CONTROL: Final = bytes([*range(0x20), *b'"\\'])

RawHeaders = Sequence[tuple[str, bytes | None]]


class HeadersRead(NamedTuple):
    """Everything at once: records of one publisher mostly have the same headers, and those are read once."""

    event: Mapping[str, bytes | None] | None
    """Headers that say what the record is, names in lower case; None where the value alone says it."""
    size: int
    """Bytes, with what Kafka adds."""
    written: int
    """The same, with the attributes of the event as JSON writes them. JSON that is read does not grow."""
    origin: bytes | None
    """Address of the record before it was sent on; None if it never was."""
    own: int
    """Bytes of the pipeline's own headers among them."""


NO_HEADERS: Final = HeadersRead(None, 0, 0, None, 0)


def line_of(headers: RawHeaders) -> tuple[str, int] | None:
    """Name of the file and number of the line that a record was made from, None where it does not say so."""
    for name, value in reversed(headers):
        if name.lower() == LINE:
            found = _LINE_FORM.fullmatch(value or b"")
            return None if found is None else (found[1].decode("utf-8", "replace"), int(found[2]))
    return None


def describes_event(name: str) -> bool:
    """Whether a header, its name in lower case, says what the record is."""
    return name == CONTENT_TYPE or name.startswith(ATTRIBUTE)


def read_headers(headers: RawHeaders) -> HeadersRead:
    """The headers of one record."""
    named: dict[str, bytes | None] = {}
    size = grown = own = 0
    origin = None
    for name, value in headers:
        lower = name.lower()
        content = value or b""
        taken = len(name.encode()) + len(content) + _FRAME
        size += taken
        if describes_event(lower):
            # The same header twice: two answers to one question. The byte between them is never valid UTF-8, so the
            # record is rejected for this header. Each is cut, as there may be hundreds.
            other = named.get(lower, value)
            named[lower] = value if other == value else (other or b"")[:_QUOTED] + b"\xff" + content[:_QUOTED]
        if lower.startswith(ATTRIBUTE):
            text = name.encode() + content
            grown += len(text) - len(text.translate(None, _CONTROL))
        if name.startswith(OWN):
            own += taken
            if name == ORIGIN:
                origin = content
    event = named if named and not is_structured(named) else None
    return HeadersRead(event, size, size + (_ESCAPE - 1) * grown, origin, own)


def other_place(origin: bytes, topic: str, partition: int) -> tuple[int, int] | None:
    """Partition and offset that an origin names, None if it names no other partition of the topic (in its epoch).

    Also a partition that was added after the worker started: what was sent on from there has still arrived.
    Anyone who publishes can write the header too; it proves an arrival only where a receipt says "sent on".
    """
    found = _ORIGIN_FORM.fullmatch(origin)
    if found is None or found[1] != topic.encode():
        return None
    place = int(found[2]), int(found[3])
    return place if partition != place[0] < NO_PARTITION else None
