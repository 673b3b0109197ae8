"""Rejected records and what people do with them: how a record is named, the headers of a replay, the kept actions.

Headers that begin with `ct-` are the pipeline's own. A replay, which is the record sent again byte for byte, carries

    ct-replays      how often its content was sent again, this time included
    ct-replay-of    the address of the record that it is a replay of

and an edited record, which is a new event, carries `ct-edited-from`, the address of the old one.
"""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal, NamedTuple
from uuid import UUID

from brokers.record_headers import REPLAYS
from schemas.addresses import RecordAddress
from schemas.errors import UsageFault
from schemas.faults import Fault
from schemas.ledger import Header, Headers, Original
from schemas.people import masked, masked_bytes

_PLACE: Final = re.compile(r"([A-Za-z0-9._-]{1,249})(?:@(\d{1,5}))?/(\d{1,5})/(\d{1,19})", re.ASCII)
_NOT_READ: Final = frozenset({"too_many_headers", "unreadable", "set_aside"})
"""Reasons for which a record is not kept as it came, or not at all."""
_COUNT: Final = re.compile(rb"[0-9]{1,4}")


class WrittenAddress(NamedTuple):
    """A place as a person wrote it: without an epoch (None) it may be in any."""

    topic: str
    topic_epoch: int | None
    partition: int
    offset: int

    def __str__(self) -> str:
        epoch = "" if self.topic_epoch is None else f"@{self.topic_epoch}"
        return f"{self.topic}{epoch}/{self.partition}/{self.offset}"


def read_address(text: str) -> WrittenAddress:
    """The place that a text names. Raises UsageFault."""
    found = _PLACE.fullmatch(text)
    if found is None:
        raise UsageFault(
            f"{text!r} is no place of a record: write topic/partition/offset, for example activity.events.v1/2/17."
        )
    topic, epoch, partition, offset = found.groups()
    return WrittenAddress(topic, None if epoch is None else int(epoch), int(partition), int(offset))


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedRecord:
    """A rejected record as it came, with everything that is wrong with it."""

    place: RecordAddress
    log_time: datetime
    """When it arrived, UTC."""
    source: str
    faults: tuple[Fault, ...]
    headers: Headers
    key: bytes | None
    payload: bytes | None
    original: Original | None = None
    """The payload as it came, where only its beginning is kept."""

    @property
    def whole(self) -> bool:
        """Whether the record is kept as it came."""
        return self.original is None and self.reason not in _NOT_READ

    @property
    def reason(self) -> str:
        """Code of the first fault."""
        return self.faults[0].code if self.faults else ""


def without_people(record: RejectedRecord) -> RejectedRecord:
    """The same record with `***` for the CPR numbers and e-mail addresses in it, to be shown."""
    return replace(
        record,
        source=masked(record.source),
        faults=tuple(Fault(masked(one.field), one.code, masked(one.value)) for one in record.faults),
        headers=tuple(_header(name, value) for name, value in record.headers),
        key=None if record.key is None else _named("subject", record.key),
        payload=None if record.payload is None else masked_bytes(record.payload),
    )


def _header(name: str, value: bytes | None) -> Header:
    return masked(name), None if value is None else _named(name, value)


def _named(name: str, value: bytes) -> bytes:
    """A value masked, with its name before it, which may be the word that makes a number one of a person."""
    before = f"{name}: ".encode("utf-8", "surrogateescape")
    return masked_bytes(before + value).removeprefix(masked_bytes(before))


def replays_of(headers: Headers) -> int:
    """How often a record with these headers was sent again; the last header counts, one that is no number does not."""
    counts = [value or b"" for name, value in headers if name.lower() == REPLAYS]
    return int(counts[-1]) if counts and _COUNT.fullmatch(counts[-1]) else 0


class Action(NamedTuple):
    """What someone did with a rejected record: a row of `rejected_action`.

    `replaying` leaves the record open, `replayed` and `discarded` close it. Of an attempt that began as `replaying` and
    became `replayed`, the later row stays.
    """

    place: RecordAddress
    attempt: UUID
    action: Literal["replaying", "replayed", "discarded"]
    acted_at: datetime
    """UTC."""
    acted_by: str
    note: str = ""
    replays: int = 0
    """Header ct-replays of the record as sent again; 0 for an edited one."""
    edited: bool = False
    to: RecordAddress | None = None
    """Address of the record that was sent."""
