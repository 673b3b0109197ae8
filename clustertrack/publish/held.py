"""What the ledger holds of the activities of a file: their versions, rejected records, and what a file lacks."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from clustertrack.publish.file_index import Part, Span, activity_mark
from schemas.addresses import RecordAddress
from schemas.event_time import day_of
from schemas.events import Activity
from schemas.faults import Fault
from sources.files.buckets import BUCKETS

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

_AS_NUMBERS: Final = {
    "occurred_on": "toUInt16(occurred_on)",
    "recorded_at": "toUnixTimestamp64Milli(recorded_at)",
    "known_at": "toUnixTimestamp64Milli(known_at)",
}
_COLUMNS: Final = ", ".join(_AS_NUMBERS.get(name, name) for name in Activity._fields)
"""Of a whole version, as `schemas.events.Activity` has them."""
_SAME_TIME: Final = 100
"""Most versions of an activity that have one time and are looked at."""

ActivityName = tuple[str, str]
"""Source and activity_id."""


class Rejected(NamedTuple):
    """A rejected record with the value of a row."""

    place: RecordAddress
    faults: tuple[Fault, ...]


class HeldActivity(NamedTuple):
    """An activity that the ledger counts."""

    source: str
    activity_id: str
    revision: int
    company_id: int
    event_type: str
    occurred_on: int
    """Days since 1970."""


def newest(client: "Client", database: str, names: Sequence[ActivityName]) -> dict[ActivityName, Activity]:
    """The version that holds of each of these activities, where the ledger has one."""
    rows = client.query(
        f"SELECT {_COLUMNS} FROM {{db:Identifier}}.activity_revision "  # noqa: S608  (a constant)
        "WHERE (source, activity_id) IN {names:Array(Tuple(String, String))} "
        "ORDER BY source, activity_id, revision DESC LIMIT 1 BY source, activity_id",
        parameters={"db": database, "names": list(names)},
    ).result_rows
    return {(row[0], row[1]): _activity(row) for row in rows}


def of_time(
    client: "Client", database: str, wanted: Sequence[tuple[str, str, int]]
) -> dict[ActivityName, list[Activity]]:
    """The versions of activities (source, activity_id, ms since 1970 UTC) that have that time."""
    rows = client.query(
        f"SELECT {_COLUMNS} FROM {{db:Identifier}}.activity_revision "  # noqa: S608  (a constant)
        "WHERE (source, activity_id) IN {names:Array(Tuple(String, String))} "
        "AND (source, activity_id, toUnixTimestamp64Milli(recorded_at)) IN "
        "{wanted:Array(Tuple(String, String, Int64))} LIMIT {most:UInt32} BY source, activity_id",
        parameters={
            "db": database,
            "names": [one[:2] for one in wanted],
            "wanted": list(wanted),
            "most": _SAME_TIME,
        },
    ).result_rows
    found: dict[ActivityName, list[Activity]] = {}
    for row in rows:
        found.setdefault((row[0], row[1]), []).append(_activity(row))
    return found


def rejected(client: "Client", database: str, digests: Sequence[bytes]) -> dict[bytes, Rejected]:
    """Of values by their SHA-256 the latest rejected record; the ledger keeps those for 90 days."""
    rows = client.query(
        "SELECT hex(SHA256(ifNull(payload, ''))) AS digest, topic, topic_epoch, partition, offset, faults "
        "FROM {db:Identifier}.rejected FINAL WHERE digest IN {digests:Array(String)} "
        "ORDER BY log_time DESC LIMIT 1 BY digest",
        parameters={"db": database, "digests": [digest.hex().upper() for digest in digests]},
    ).result_rows
    return {
        bytes.fromhex(digest): Rejected(RecordAddress(*place), tuple(_fault(one) for one in faults))
        for digest, *place, faults in rows
    }


def count_held(client: "Client", database: str, source: str, span: Span) -> int:
    """How many activities of a source the ledger counts in a span."""
    [[number]] = client.query(
        "SELECT count() FROM {db:Identifier}.activity FINAL WHERE source = {source:String} "
        "AND toUInt16(occurred_on) BETWEEN {first:UInt16} AND {last:UInt16}",
        parameters={"db": database, "source": source, **span._asdict()},
    ).result_rows
    return int(number)


def lacking(client: "Client", database: str, source: str, span: Span, part: Part) -> Iterator[HeldActivity]:
    """The activities of a source that the ledger counts in a span, and that a part of a file has not; streamed."""
    with client.query_row_block_stream(
        "SELECT source, activity_id, revision, company_id, event_type, toUInt16(occurred_on) AS day "
        "FROM {db:Identifier}.activity FINAL WHERE source = {source:String} "
        "AND toUInt16(occurred_on) BETWEEN {first:UInt16} AND {last:UInt16} "
        "AND CRC32(activity_id) % {of:UInt8} IN {buckets:Array(UInt8)} ORDER BY day, activity_id",
        parameters={"db": database, "source": source, "of": BUCKETS, "buckets": part.buckets, **span._asdict()},
    ) as blocks:
        for block in blocks:
            for row in block:
                if activity_mark(row[0], row[1]) not in part.activities:
                    yield HeldActivity(*row)


def gone(client: "Client", database: str, source: str, reason: str) -> Iterator[tuple[str, int]]:
    """The activities (id, revision) of a source that are retracted with a reason that begins so; streamed."""
    with client.query_row_block_stream(
        "SELECT activity_id, max(revision) FROM {db:Identifier}.activity_revision "
        "WHERE source = {source:String} AND activity_id IN "
        "(SELECT activity_id FROM {db:Identifier}.activity_revision WHERE source = {source:String} AND is_deleted = 1 "
        "AND startsWith(JSONExtractString(details, 'reason'), {reason:String})) GROUP BY activity_id "
        "HAVING argMax(is_deleted, revision) = 1 "
        "AND startsWith(JSONExtractString(argMax(details, revision), 'reason'), {reason:String})",
        parameters={"db": database, "source": source, "reason": reason},
    ) as blocks:
        for block in blocks:
            yield from block


def held_as_dict(one: HeldActivity) -> dict[str, Any]:
    """An activity of the ledger."""
    return {
        "source": one.source,
        "activity_id": one.activity_id,
        "company": f"{one.company_id:08d}",
        "occurred_on": day_of(one.occurred_on).isoformat(),
        "type": one.event_type,
    }


def _activity(row: Sequence[Any]) -> Activity:
    values = [tuple(value) if isinstance(value, list) else value for value in row]
    return Activity._make(values)


def _fault(value: Mapping[str, str]) -> Fault:
    return Fault(value["field"], value["code"], value["value"])
