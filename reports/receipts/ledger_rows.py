"""The ledger's rows about one activity or one event: each query, and what it means in values.

A query finds places or ids by an index that is no part of a sorting key, and reads what is there by the key. So what
it reads does not grow with the ledger, but for the small index itself.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from clickhouse_connect.driver.client import Client

from reports.receipts.answer_model import MOST, Carried, Rejected, Version
from reports.receipts.bounds import ask
from schemas.addresses import RecordAddress
from schemas.faults import Fault
from schemas.ledger import NO_PARTITION
from schemas.revisions import with_pipeline

_PLACE: Final = "topic, topic_epoch, partition, offset"

_MOST_ROWS: Final = 10_000
"""Of versions or receipts of one activity that are read."""

_VERSIONS: Final = """
SELECT revision, event_id, recorded_at, known_at, is_deleted, company_id, event_type, occurred_on, cluster,
       outcomes_given, reported, derived, membership
FROM activity_revision
WHERE source = {source:String} AND activity_id = {activity:String}
ORDER BY revision DESC, known_at
LIMIT {most:UInt32}
"""
_ACTIVITIES: Final = """
SELECT activity_id FROM activity_revision
WHERE source = {source:String} AND event_id = {event:String}
GROUP BY activity_id ORDER BY max(known_at) DESC LIMIT 1
"""
"""The one that was known last, if a source uses an id twice."""
_RECEIPTS: Final = f"""
SELECT {_PLACE}, log_time, toString(status), revision, event_id, activity_id, origin_partition, origin_offset
FROM receipt
WHERE ({_PLACE}) IN
(
    SELECT DISTINCT {_PLACE} FROM receipt WHERE source = {{source:String}} AND NAMED LIMIT {{most:UInt32}}
)
ORDER BY {_PLACE}, rank DESC
LIMIT 1 BY {_PLACE}
"""  # noqa: S608  (joined from the constants of this file)
"""By the highest rank, as the table merges them: an index finds some of the rows of a place, and the key all."""
_OF_ACTIVITY: Final = _RECEIPTS.replace("NAMED", "activity_id = {activity:String}")
_OF_EVENT: Final = _RECEIPTS.replace("NAMED", "event_id = {event:String}")

_ABOUT: Final = "if(activity_id = '', event_id, activity_id)"
"""What a rejected record is about: an event without an activity_id is its own activity."""
_FOUND: Final = f"""
SELECT {_PLACE}, log_time, faults, event_id, {_ABOUT} AS about, toString(source) AS source FROM rejected FINAL
WHERE source IN {{sources:Array(String)}} AND NAMED
ORDER BY log_time DESC, {_PLACE} LIMIT {{most:UInt32}}
"""  # noqa: S608  (joined from the constants of this file)
_REJECTED: Final = f"""
WITH found AS ({_FOUND})
SELECT f.*, r.status, r.origin_partition, r.origin_offset, a.action, a.acted_at, a.sent_to, s.arrived
FROM found AS f
LEFT JOIN
(
    SELECT {_PLACE}, toString(status) AS status, origin_partition, origin_offset FROM receipt
    WHERE ({_PLACE}) IN (SELECT {_PLACE} FROM found) ORDER BY {_PLACE}, rank DESC LIMIT 1 BY {_PLACE}
) AS r USING ({_PLACE})
LEFT JOIN
(
    SELECT {_PLACE}, toString(action) AS action, acted_at, (to_topic, to_epoch, to_partition, to_offset) AS sent_to
    FROM rejected_action FINAL
    WHERE action IN ('replayed', 'discarded') AND ({_PLACE}) IN (SELECT {_PLACE} FROM found)
    ORDER BY {_PLACE}, acted_at LIMIT 1 BY {_PLACE}
) AS a USING ({_PLACE})
LEFT JOIN
(
    SELECT toString(source) AS source, activity_id AS about, max(log_time) AS arrived FROM receipt
    WHERE source IN {{sources:Array(String)}} AND status IN ('accepted', 'retracted')
      AND activity_id IN (SELECT about FROM found)
    GROUP BY source, activity_id
) AS s USING (source, about)
ORDER BY f.log_time DESC, {_PLACE}
"""  # noqa: S608  (joined from the constants of this file)
"""Rejected records with what was done with each, and when a version of the same activity arrived last."""


class Known(NamedTuple):
    """A version, and under which ids its rows came."""

    key: int
    """The revision, the same for every version of the pipeline."""
    version: Version
    event_ids: frozenset[str]
    """Until merged the ledger may have a row twice, under two ids; the one that was known first counts."""


def activity_of(client: Client, source: str, event_id: str) -> str | None:
    """The activity that an accepted event brought a version of."""
    rows = ask(client, _ACTIVITIES, {"source": source, "event": event_id})
    return rows[0][0] if rows else None


def versions_of(client: Client, source: str, activity_id: str) -> list[Known]:
    """Versions of an activity with the records that carried them, the newest first."""
    bound = {"source": source, "activity": activity_id, "most": _MOST_ROWS}
    found: dict[int, list[Sequence[Any]]] = {}
    for row in ask(client, _VERSIONS, bound):
        found.setdefault(with_pipeline(row[0], 0), []).append(row)
    carried: dict[int, list[Carried]] = {}
    for row in ask(client, _OF_ACTIVITY, bound) if found else ():
        if row[8] == activity_id:
            carried.setdefault(with_pipeline(row[6], 0), []).append(_carried(row[:6], row[9:11]))
    return [
        Known(
            key,
            _version(rows[0], _in_order(carried.get(key, []))),
            frozenset(row[1] for row in rows),
        )
        for key, rows in found.items()
    ]


def _in_order(records: list[Carried]) -> tuple[Carried, ...]:
    return tuple(sorted(records, key=lambda one: (one.log_time, one.place))[:MOST])


def duplicates_of(client: Client, source: str, event_id: str) -> list[tuple[str, int, Carried]]:
    """Activity and version that records with this event's id repeated, the newest first."""
    rows = ask(client, _OF_EVENT, {"source": source, "event": event_id, "most": MOST})
    found = [
        (row[8], with_pipeline(row[6], 0), _carried(row[:6], row[9:11]))
        for row in rows
        if row[5] == "duplicate" and row[7] == event_id
    ]
    return sorted(found, key=lambda one: one[2].log_time, reverse=True)


def rejected_with(client: Client, source: str, *, event_id: str = "", activity_id: str = "") -> list[Rejected]:
    """Rejected records with this event's id, or about this activity; the newest first."""
    named = f"{'event_id' if event_id else _ABOUT} = {{id:String}}"
    bound: dict[str, Any] = {"sources": [source], "most": MOST, "id": event_id or activity_id}
    is_there = ask(client, _FOUND.replace("NAMED", named), {**bound, "most": 1})  # what came of it is asked seldom
    return [_rejected(row) for row in ask(client, _REJECTED.replace("NAMED", named), bound)] if is_there else []


def rejected_on(client: Client, sources: Collection[str], after: str, until: str) -> list[tuple[str, Rejected]]:
    """Sources with their rejected records that arrived after one instant, up to another; the newest first."""
    named = "log_time > {after:DateTime64(3, 'UTC')} AND log_time <= {until:DateTime64(3, 'UTC')}"
    bound = {"sources": sorted(sources), "after": after, "until": until, "most": MOST}
    return [(row[8], _rejected(row)) for row in ask(client, _REJECTED.replace("NAMED", named), bound)]


def _version(row: Sequence[Any], records: tuple[Carried, ...]) -> Version:
    _, event_id, time, known_at, is_deleted, company, kind, day, cluster, given, reported, derived, membership = row
    return Version(
        event_id=event_id,
        time=utc(time),
        known_at=utc(known_at),
        retracts=bool(is_deleted),
        company=f"{company:08d}",
        type=kind,
        day=None if is_deleted else day,
        cluster=cluster,
        outcomes_given=bool(given),
        reported=tuple(reported),
        derived=tuple(derived),
        membership=membership,
        records=records,
    )


def _carried(row: Sequence[Any], origin: Sequence[int]) -> Carried:
    """From place, log time and status, and where the record was before."""
    place = RecordAddress(*row[:4])
    before = None if origin[0] == NO_PARTITION else place._replace(partition=origin[0], offset=origin[1])
    return Carried(place, utc(row[4]), row[5], before)


def _rejected(row: Sequence[Any]) -> Rejected:
    log_time, faults, event_id, about, _, status, *origin, action, acted_at, sent_to, arrived = row[4:]
    judged = status or "rejected"  # a record is stored before its receipt
    # Without a match the row has the types' defaults, and no receipt was ever sent on from partition 0 to itself.
    before = origin if status else (NO_PARTITION, 0)
    return Rejected(
        record=_carried((*row[:4], log_time, "rejected"), before),
        event_id=event_id,
        activity_id=about,
        faults=tuple(Fault(one["field"], one["code"], one["value"]) for one in faults),
        closed=action or ("" if judged == "rejected" else "judged_again"),
        closed_at=utc(acted_at) if action else None,
        sent_again_to=RecordAddress(*sent_to) if action == "replayed" and sent_to[0] else None,
        superseded=bool(about) and utc(arrived) > utc(log_time),
    )


def utc(value: datetime) -> datetime:
    """The driver gives instants of UTC columns without their zone."""
    return value if value.tzinfo else value.replace(tzinfo=UTC)
