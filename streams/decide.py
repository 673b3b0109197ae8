"""Steps 1 to 4 of delivery: what is to be done with a batch of records. Pure: it decides, others do.

`process_batch` judges each record alone, sends on what is on the wrong partition, distinguishes first occurrences from
repeats, and enriches with the company as at the day of the activity. Steps 5 to 8 are in `streams.deliver`.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from struct import Struct
from typing import Final, Literal, NamedTuple

import pydantic_core

from brokers.batches import HEADER_WEIGHT, BoundedRecord, Record, cut_of, weight
from brokers.judging import LARGEST, MAX_OWN_BYTES, Judge, kept
from brokers.partitioning import homes
from brokers.record_headers import (
    FAULTS,
    ORIGIN,
    REASON,
    STRUCTURED_UTF8,
    HeadersRead,
    other_place,
    read_headers,
)
from schemas.addresses import named_topic
from schemas.binding import ATTRIBUTE
from schemas.events import Activity, Clusters
from schemas.extensions import drop_extensions
from schemas.faults import MAX_FAULTS, MAX_VALUE, SET_ASIDE, Fault, fault
from schemas.indicators import PIPELINE_VERSION
from schemas.ledger import NO_PARTITION, Header, Original, Receipt, Rejection, Rows, Status
from schemas.people import masked
from schemas.revisions import as_of_arrival, version_key, with_pipeline
from streams.company_register import Register
from streams.enrichment import enriched, written

MARK: Final = Struct(">HQB")
"""Value of the dedupe state: topic epoch, offset of the first occurrence, pipeline version that saw it.

Not a boolean: after a crash the same record comes back, and must pass as what it was, the first."""
MARK_AHEAD: Final = Struct(">HQBQ")
"""The same of a version that is dated after its first arrival, with that arrival in ms: it gives the version its place.
Marks from before this rule lack it, and their versions keep the place that they claimed."""
_PLACE: Final = 10
"""Bytes of a mark that name the record: epoch and offset."""
_RECORDED_AT: Final = 14
"""Its index in an activity: access by name takes three times as long."""
_PLAIN: Final = 8
"""Fields of an event that has a datacontenttype and no extensions."""
_CARRIED: Final = 1_500_000
"""Bytes up to which a rejected record travels whole to the rejected topic; of a larger one only the ledger keeps
anything."""
_pack: Final = MARK.pack
_SOURCE: Final = f"{ATTRIBUTE}source"
_NOWHERE: Final = (NO_PARTITION, 0)
_new: Final = tuple.__new__
"""A NamedTuple from a whole tuple at once: its own constructor takes twice as long."""


class Unread(NamedTuple):
    """What is known of a record without reading it."""

    offset: int
    timestamp: int
    key: None = None
    value: None = None
    headers: tuple[()] = ()


class PartitionInfo(NamedTuple):
    """The partition that a batch comes from."""

    topic: str
    topic_epoch: int
    partition: int
    partitions: int
    """Partitions of the topic: fixed for life."""

    @property
    def named(self) -> str:
        """The topic as origins name it."""
        return named_topic(self.topic, self.topic_epoch)


class Output(NamedTuple):
    """A record to produce."""

    to: Literal["events", "enriched", "rejected"]
    partition: int
    key: bytes | None
    value: bytes | None
    headers: list[Header]


@dataclass(slots=True)
class Batch:
    """What is to be done with a batch: rows to store, records to produce, versions to mark as seen."""

    rows: Rows = field(default_factory=Rows)
    outputs: list[Output] = field(default_factory=list)
    marks: dict[bytes, bytes] = field(default_factory=dict)
    dropped_extensions: int = 0
    weight: int = 0
    """Bytes of memory that its records take, about; without those that are condemned."""
    registry_revision: int = 0
    """Of the registry that decides; 0 for records that need none."""


Seen = Callable[[list[bytes]], Sequence[bytes | None]]
"""Marks of versions by their keys, None where a version was never seen."""


def process_batch(
    place: PartitionInfo,
    records: Sequence[Record],
    *,
    seen: Seen,
    register: Register,
    clusters: Clusters,
    condemned: Mapping[int, str],
    allow_personal_data: bool = False,
) -> Batch:
    """Decide on records of one partition, in their order.

    Args:
        place: where the records are.
        records: consecutive records of that partition.
        seen: looks versions up in the dedupe state, with the marks of what is in flight.
        register: the company register as known now.
        clusters: the cluster registry.
        condemned: offset -> fault code of records that cannot be processed or stored; they are rejected unread. For one
            that was set aside only offset and time are read, and nothing else is kept.
        allow_personal_data: whether CPR numbers and e-mail addresses in texts are no fault.
    """
    batch = Batch(registry_revision=clusters.revision)
    activities, receipts, outputs, marks = batch.rows.activities, batch.rows.receipts, batch.outputs, batch.marks
    judged = _judge_all(batch, records, clusters, condemned, allow_personal_data)
    keys = [sound[0] for sound in judged if isinstance(sound, tuple)]
    known = iter(seen(keys) if keys else ())
    topic, topic_epoch, partition, partitions = place
    origin = f"{place.named}/{partition}/".encode()
    before, behind = (topic, topic_epoch, partition), (PIPELINE_VERSION, NO_PARTITION, *_NOWHERE, "")
    for record, event in zip(records, judged, strict=True):
        if isinstance(event, list):
            _reject_event(batch, place, record, event)
            continue
        key, activity, text, came_from = event
        mark = next(known)
        source, activity_id, revision, is_deleted, event_id, company_id = activity[:6]
        offset, arrived = record.offset, record.timestamp
        belongs, company_key = homes[company_id]
        belongs %= partitions
        if belongs != partition:
            if came_from is None:
                _send_on(batch, place, record, belongs, source)
            else:  # sent on once already: sending it on again could go on forever
                misrouted = [fault("", "misrouted", came_from.decode("utf-8", "backslashreplace"))]
                _reject_event(batch, place, record, misrouted)
            continue
        first = marks.get(key) or mark
        if first is None and activity[_RECORDED_AT] <= arrived:
            marks[key] = _pack(topic_epoch, offset, PIPELINE_VERSION)
        else:
            if first is None:
                first = marks[key] = MARK_AHEAD.pack(topic_epoch, offset, PIPELINE_VERSION, arrived)
            if len(first) == MARK_AHEAD.size:
                revision = as_of_arrival(revision, MARK_AHEAD.unpack(first)[-1])
                activity = activity._replace(revision=revision)
            if first[:_PLACE] != _pack(topic_epoch, offset, PIPELINE_VERSION)[:_PLACE]:
                revision = with_pipeline(revision, first[_PLACE])
                repeated = _receipt(place, record, came_from, "duplicate", source, "", activity_id, revision)
                receipts.append(repeated._replace(event_id=event_id))
                continue
        status: Status = "retracted" if is_deleted else "accepted"
        activities.append(activity)
        if came_from is None:
            receipt = (*before, offset, status, "", source, arrived, activity_id, revision, *behind)
            receipts.append(_new(Receipt, receipt))
        else:
            receipts.append(_receipt(place, record, came_from, status, source, "", activity_id, revision))
        headers: list[Header] = [STRUCTURED_UTF8, (ORIGIN, b"%b%d" % (origin, offset))]
        outputs.append(_new(Output, ("enriched", partition, company_key, enriched(text, activity, register), headers)))
    return batch


def reject(batch: Batch, place: PartitionInfo, record: Record, faults: list[Fault], source: str = "") -> None:
    """Keep a record as it came, with everything that is wrong with it: in the ledger and on the rejected topic."""
    headers, faults = tuple(kept(record.headers)), faults[:MAX_FAULTS]
    cut, whole = cut_of(record), len(record.value or b"")
    batch.rows.rejected.append(
        Rejection(
            topic=place.topic,
            topic_epoch=place.topic_epoch,
            partition=place.partition,
            offset=record.offset,
            log_time=record.timestamp,
            source=source,
            faults=tuple(faults),
            headers=headers,
            key=record.key,
            payload=record.value,
            pipeline_version=PIPELINE_VERSION,
            original=Original(cut.size, cut.sha256) if cut and cut.size > whole else None,
            registry_revision=batch.registry_revision,
        )
    )
    listed = json.dumps([f._asdict() for f in faults], ensure_ascii=False).encode()
    ours: list[Header] = [(REASON, faults[0].code.encode()), (FAULTS, listed), (ORIGIN, origin_of(place, record))]
    if cut is None and len(record.headers) == len(headers) and _size(record, read_headers(headers)) <= _CARRIED:
        output = Output("rejected", place.partition, record.key, record.value, [*headers, *ours])
    else:
        output = Output("rejected", place.partition, None, None, ours)
    batch.outputs.append(output)


def origin_of(place: PartitionInfo, record: Record) -> bytes:
    """The address of a record, as `topic/partition/offset`; `topic@epoch/..` for a topic that was re-created."""
    return f"{place.named}/{place.partition}/{record.offset}".encode()


_Judged = tuple[bytes, Activity, bytes, bytes | None]
"""A sound event: the key of its version, its row, its text as `streams.enrichment` writes it, and where its record was
before."""


def _judge_all(
    batch: Batch,
    records: Sequence[Record],
    clusters: Clusters,
    condemned: Mapping[int, str],
    allow_personal_data: bool,
) -> list[_Judged | list[Fault]]:
    """Each record alone; adds what they weigh, and how many extensions were left out."""
    dropped = total = 0
    judged: list[_Judged | list[Fault]] = []
    judge = Judge(clusters, allow_personal_data=allow_personal_data)
    for record in records:
        if condemned and record.offset in condemned:
            judged.append([fault("", condemned[record.offset])])
            continue
        if isinstance(record, BoundedRecord) and (cut := record.cut) is not None:
            total += weight(record)
            judged.append([fault("", cut.code, cut.value)])
            continue
        key, value, headers = record.key, record.value, record.headers
        total += len(value or b"") + len(key or b"") + HEADER_WEIGHT * len(headers)
        found = judge.record(key, value, headers, record.timestamp)
        if isinstance(found, list):
            judged.append(found)
            continue
        activity, event, came_from = found
        if len(event) != _PLAIN or "datacontenttype" not in event:
            dropped += drop_extensions(event)
        source, activity_id, revision = activity[:3]
        judged.append((version_key(source, activity_id, revision), activity, written(event), came_from))
    batch.dropped_extensions, batch.weight = dropped, total
    return judged


def _size(record: Record, headers: HeadersRead) -> int:
    """Bytes of a record, without what Kafka adds to it as a whole."""
    return len(record.key or b"") + len(record.value or b"") + headers.size


def _reject_event(batch: Batch, place: PartitionInfo, record: Record, faults: list[Fault]) -> None:
    if faults[0].code == SET_ASIDE:
        unread = Unread(record.offset, record.timestamp)
        reject(batch, place, unread, faults)
        batch.rows.receipts.append(_receipt(place, unread, None, "rejected", "", SET_ASIDE))
        return
    source = masked(_source_of(record))
    reject(batch, place, record, faults, source)
    came_from = read_headers(kept(record.headers)).origin
    batch.rows.receipts.append(_receipt(place, record, came_from, "rejected", source, faults[0].code))


def _receipt(
    place: PartitionInfo,
    record: Record,
    came_from: bytes | None,
    status: Status,
    source: str,
    reason: str = "",
    activity_id: str = "",
    revision: int = 0,
    sent_to: int = NO_PARTITION,
) -> Receipt:
    """What became of a record; one without a row among the activities has no activity_id and no revision."""
    topic, topic_epoch, partition, _ = place
    origin = None if came_from is None else other_place(came_from, place.named, partition)
    return _new(
        Receipt,
        (
            topic,
            topic_epoch,
            partition,
            record.offset,
            status,
            reason,
            source,
            record.timestamp,
            activity_id,
            revision,
            PIPELINE_VERSION,
            sent_to,
            *(origin or _NOWHERE),
            "",
        ),
    )


def _send_on(batch: Batch, place: PartitionInfo, record: Record, belongs: int, source: str) -> None:
    """To the partition of its company, as it came; the receipt says so."""
    headers = [*record.headers, (ORIGIN, origin_of(place, record))]
    batch.outputs.append(Output("events", belongs, record.key, record.value, headers))
    batch.rows.receipts.append(_receipt(place, record, None, "rerouted", source, "wrong_partition", sent_to=belongs))


def _source_of(record: Record) -> str:
    """The source that a rejected record claims, if it can be read."""
    headers = kept(record.headers)
    for name, value in headers:
        if name.lower() == _SOURCE:
            return (value or b"")[:MAX_VALUE].decode("utf-8", "replace")
    read = read_headers(headers)
    if cut_of(record) or _size(record, read) - min(read.own, MAX_OWN_BYTES) > LARGEST:
        return ""
    try:
        document = pydantic_core.from_json(record.value or b"")
    except ValueError:
        return ""
    source = document.get("source") if isinstance(document, dict) else None
    return source if isinstance(source, str) and len(source) <= MAX_VALUE else ""
