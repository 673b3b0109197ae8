"""What is sent in place of a rejected record. Pure: `clustertrack.rejected.replay` sends it.

A *replay* is the record again, with key, value and headers as they came, and is judged again from scratch. What
differs:

* It goes to the partition of its company, not to the record's old one: a `misrouted` record would stay misrouted
  forever. Where no company can be read, it goes to the record's partition.
* Headers `ct-*` are the pipeline's own and are rewritten. In particular `ct-origin` is left out: it says where the old
  record was sent on from, and a record that has it is never sent on.
* Headers without a value are left out, which to CloudEvents is the same; kafka-python cannot write them.

An *edited* record is a new event: its id follows from the address of the old one, its key is the CVR number that it now
has, and `ct-edited-from` names the old one. It stays the same *activity*: where it has no `activity_id`, that becomes
the id it had, which was its activity until then, and `occurred_on` becomes the day of its time, which was its day.

So either of them may be sent twice: the second record is a duplicate of the first.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import NAMESPACE_URL, uuid5

import pydantic_core

from brokers.partitioning import partition_of
from brokers.record_headers import (
    EDITED_FROM,
    LINE,
    OWN,
    REPLAY_OF,
    REPLAYS,
    STRUCTURED_UTF8,
    describes_event,
    read_headers,
)
from brokers.topics import COMPANIES, KEYS, REGISTRY
from clustertrack.rejected.records import RejectedRecord, replays_of
from schemas.binding import ATTRIBUTE, parse, unbind
from schemas.cvr import CvrError, format_cvr, parse_cvr
from schemas.errors import UsageFault
from schemas.event_time import copenhagen_day
from schemas.events import RETRACTION
from schemas.faults import Fault
from schemas.indicators import TYPE_PREFIX, TYPE_SUFFIX
from schemas.ledger import Headers
from sources.topic_producer import MAX_RECORD

_RETRACTION: Final = f"{TYPE_PREFIX}{RETRACTION}{TYPE_SUFFIX}"
_FRAME: Final = 128
"""Bytes that Kafka adds to a batch of one record at most, its lengths included, apart from those of the headers."""
_HEADER_FRAME: Final = 10


class Outgoing(NamedTuple):
    """A record to send."""

    partition: int
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...]
    replays: int
    """Its header ct-replays; 0 for an edited one."""
    edited: bool


def as_replay(record: RejectedRecord, *, partitions: int, limit: int, can_return: bool) -> Outgoing | str:
    """The record again, or a sentence saying why it is not sent again.

    Args:
        record: a rejected record.
        partitions: partitions of its topic now.
        limit: how often a content is sent again at most.
        can_return: whether records of its topic may be sent again.
    """
    replays = replays_of(record.headers) + 1
    if not can_return:
        return _no_return(record.place.topic)
    if not record.whole:
        return "only a part of it was kept: replay it with --edit FILE, or discard it"
    if record.payload is None:
        return "it has no value, so it would be rejected again: discard it, or replay it with --edit FILE"
    if replays > limit:
        return (
            f"it was sent again {limit} times and always rejected, which is the limit: fix it "
            f"(clustertrack rejected replay {record.place} --edit FILE) or discard it with a note"
        )
    ours = [(REPLAYS, b"%d" % replays), (REPLAY_OF, str(record.place).encode())]
    ours += [(name, value) for name, value in record.headers if name.lower() in _KEPT and value is not None]
    headers = (*_as_came(record.headers), *ours)
    partition = _partition(company_of(record.payload, record.headers), record, partitions)
    return _fitting(Outgoing(partition, record.key, record.payload, headers, replays, edited=False))


def as_edited(record: RejectedRecord, value: bytes, *, partitions: int, can_return: bool) -> Outgoing | str:
    """A new event in place of the record, or a sentence why it cannot be.

    Args:
        record: a rejected record.
        value: the fixed event as JSON; for a record in binary mode its data alone will do.
        partitions: partitions of its topic now.
        can_return: whether records of its topic may be sent again.

    Raises:
        UsageFault: the value is not one JSON object.
    """
    if not can_return:
        return _no_return(record.place.topic)
    document = parse(value)
    if isinstance(document, Fault):
        raise UsageFault(f"The edited value is not JSON ({document.value}): fix it and repeat the command.")
    if not isinstance(document, dict):
        raise UsageFault("The edited value is not one JSON object: fix it and repeat the command.")
    new_id = str(uuid5(NAMESPACE_URL, f"urn:clustertrack:{record.place}"))
    kept = _as_came(record.headers)
    if _is_binary(record.headers) and "specversion" not in document:
        attributes = {
            name.lower()[3:]: raw.decode("utf-8", "replace") for name, raw in kept if name.lower().startswith(ATTRIBUTE)
        }
        _keep_activity(attributes, document)
        headers = [(name, raw) for name, raw in kept if name.lower() != "ce_id"]
        headers.append(("ce_id", new_id.encode()))
    else:
        _keep_activity(document, document.get("data"))
        document["id"] = new_id
        headers = [(name, raw) for name, raw in kept if not describes_event(name.lower())]
        headers.append(STRUCTURED_UTF8)
    headers.append((EDITED_FROM, str(record.place).encode()))
    sent = pydantic_core.to_json(document)
    company = company_of(sent, headers)
    key = record.key if company is None else format_cvr(company).encode()
    partition = _partition(company, record, partitions)
    return _fitting(Outgoing(partition, key, sent, tuple(headers), 0, edited=True))


def company_of(value: bytes, headers: Sequence[tuple[str, bytes | None]]) -> int | None:
    """The CVR number of the event in a record, None where it cannot be read."""
    named = read_headers(headers).event
    unbound = unbind(value, named) if named else None
    if isinstance(unbound, list):
        return None
    event = parse(value) if unbound is None else unbound.event
    subject = event.get("subject") if isinstance(event, dict) else None
    try:
        return parse_cvr(subject) if isinstance(subject, str) else None
    except CvrError:
        return None


_KEPT: Final = (EDITED_FROM, LINE)
"""Headers of ours that say where a record comes from: a replay comes from there too."""

_NEW_VERSION: Final = {COMPANIES: "companies load FILE", REGISTRY: "registry load FILE", KEYS: "keys create or revoke"}
"""Compacted topics -> the command that sends a new version."""


def _no_return(topic: str) -> str:
    command = f" (clustertrack {_NEW_VERSION[topic]})" if topic in _NEW_VERSION else ""
    return (
        f"{topic} is compacted, where an old version sent again would take the place of a newer one: send a new "
        f"version{command} and discard it"
    )


def _is_binary(headers: Headers) -> bool:
    named = read_headers(headers).event
    return named is not None and unbind(b"{}", named) is not None


def _as_came(headers: Headers) -> list[tuple[str, bytes]]:
    """The publisher's own headers, in their order."""
    return [(name, value) for name, value in headers if value is not None and not name.lower().startswith(OWN)]


def _keep_activity(event: dict[str, Any], data: Any) -> None:  # noqa: ANN401  (JSON)
    """Name in `data` the activity that the event's id was for, before that id is replaced."""
    old_id = event.get("id")
    if not isinstance(data, dict) or not isinstance(old_id, str) or event.get("type") == _RETRACTION:
        return
    if data.get("activity_id") is None:
        data["activity_id"] = old_id
    if data.get("activity_id") == old_id and data.get("occurred_on") is None:
        day = _day(event.get("time"))
        if day is not None:
            data["occurred_on"] = day


def _day(time: object) -> str | None:
    """The Danish day of an event's time; None for what is not a time: the worker reports that."""
    try:
        instant = datetime.fromisoformat(time.upper()) if isinstance(time, str) else None
        return copenhagen_day(int(instant.timestamp() * 1000)).isoformat() if instant and instant.tzinfo else None
    except (ValueError, OverflowError, OSError):
        return None


def _partition(company: int | None, record: RejectedRecord, partitions: int) -> int:
    if company is not None:
        return partition_of(company, partitions)
    # A topic that was re-created may have fewer partitions.
    return record.place.partition % partitions


def _fitting(record: Outgoing) -> Outgoing | str:
    """The record, or why the topic would not take it: what came compressed may be larger than its limit."""
    size = _FRAME + len(record.key or b"") + len(record.value)
    size += sum(len(name.encode()) + len(value) + _HEADER_FRAME for name, value in record.headers)
    if size <= MAX_RECORD:
        return record
    return f"it has {size:,} bytes, more than the topic takes ({MAX_RECORD:,}): ask its source for smaller events"
