"""Rejected records as the ledger keeps them: which are open, each of them as it came, and what was done with them.

Open is what the view `rejected_open` calls open; the report counts by the same view.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from clickhouse_connect.driver.client import Client

from brokers.record_headers import line_of
from brokers.topics import KEYS, REGISTRY
from clustertrack.rejected.records import RejectedRecord, WrittenAddress, replays_of
from schemas.addresses import RecordAddress
from schemas.faults import Fault
from schemas.ledger import Headers, Original
from schemas.people import masked
from sinks.clickhouse import check_database_name, utc

NOW: Final = "2200-01-01 00:00:00"
"""The instant that means now in the views."""

CHUNK_RECORDS: Final = 500
CHUNK_BYTES: Final = 16 * 1024 * 1024
"""Most records, and about the most bytes of keys and payloads, that are read at a time."""

_BYTES: Final = {"String": "bytes"}
"""Texts as bytes: what a publisher sent need not be UTF-8."""
PLACE: Final = "topic, topic_epoch, partition, offset"
"""Columns that name a record, and so `RecordAddress`."""
PLACES: Final = "Array(Tuple(String, UInt16, UInt16, UInt64))"
"""Type of a bound list of places."""

_DOCUMENTS: Final = {REGISTRY: "registry version", KEYS: "key of a publisher"}
"""Topics whose records are about no company -> what their keys name."""
_OURS: Final = "startsWith(lower(h.name), 'ct-') OR lower(h.name) = 'ce_subject'"
"""Headers that a list needs."""
_ABOUT: Final = ", ".join(
    f"substringUTF8({told}, 1, 200)"
    for told in (
        "if(JSONHas(payload, 'subject'), JSONExtractString(payload, 'subject'), ifNull(key, ''))",
        "activity_id",
        "event_id",
        "JSONExtractString(payload, 'data', 'occurred_on') || JSONExtractString(payload, 'occurred_on')",
    )
).replace("payload", "ifNull(payload, '')")
"""Company, activity, id and day: of a whole event, or of its data where the rest of it is in headers. Activity and id
are columns of the ledger, by which publishers ask for their receipts."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which rejected records are meant: those that fit every condition that is given."""

    places: Sequence[WrittenAddress] = ()
    reasons: Sequence[str] = ()
    """Codes of the first fault."""
    sources: Sequence[str] = ()
    topics: Sequence[str] = ()
    since: datetime | None = None
    """Arrived then or later."""
    until: datetime | None = None
    """Arrived before."""

    def __bool__(self) -> bool:
        """Whether there is any condition."""
        return bool(self.places or self.reasons or self.sources or self.topics or self.since or self.until)

    def where(self) -> tuple[str, dict[str, Any]]:
        """The conditions as SQL on the columns of `rejected`, and its parameters."""
        parts: list[str] = ["1"]
        bound: dict[str, Any] = {}
        for column, values in (("reason", self.reasons), ("source", self.sources), ("topic", self.topics)):
            if values:
                parts.append(f"{column} IN {{{column}s:Array(String)}}")
                bound[f"{column}s"] = list(values)
        for name, sign, instant in (("since", ">=", self.since), ("until", "<", self.until)):
            if instant is not None:
                parts.append(f"log_time {sign} {{{name}:DateTime64(3, 'UTC')}}")
                bound[name] = _instant(instant)
        exact = [(p.topic, p.topic_epoch, p.partition, p.offset) for p in self.places if p.topic_epoch is not None]
        loose = [(p.topic, p.partition, p.offset) for p in self.places if p.topic_epoch is None]
        if self.places:
            parts.append(
                f"(({PLACE}) IN {{exact:{PLACES}}} "
                "OR (topic, partition, offset) IN {loose:Array(Tuple(String, UInt16, UInt64))})"
            )
            bound |= {"exact": exact, "loose": loose}
        return " AND ".join(parts), bound


class About(NamedTuple):
    """What a rejected record says it is about, as far as that can be read; empty where it cannot. Personal data is
    masked.
    """

    company: str = ""
    activity: str = ""
    day: str = ""
    file: str = ""
    """Name of the file that it was published from."""
    line: int | None = None
    """Of that file."""
    document: str = ""
    """What it is a version of, on the topics that are about no company: `registry version 1796932597259`."""


class Listed(NamedTuple):
    """A rejected record without its bytes."""

    place: RecordAddress
    log_time: datetime
    source: str
    faults: tuple[Fault, ...]
    replays: int
    """How often it was sent again until now."""
    size: int
    """Bytes of key and payload."""
    interrupted: bool
    """A replay of it began, and what came of it was not noted."""
    about: About = About()


class Page(NamedTuple):
    """Some of the records that are wanted, in the order of their places."""

    records: list[Listed]
    more: bool


class Count(NamedTuple):
    """How many records are open, and how many different messages they are."""

    records: int
    messages: int


def count_open(client: Client, database: str, wanted: Wanted) -> Count:
    """How many of the wanted records are open."""
    where, bound = wanted.where()
    [[records, messages]] = client.query(
        f"SELECT count(), uniqExact(message) FROM {_open(database)} WHERE {where}",  # noqa: S608  (values are bound)
        parameters={**bound, "known": NOW},
    ).result_rows
    return Count(records, messages)


def list_open(client: Client, database: str, wanted: Wanted, *, after: RecordAddress | None, limit: int) -> Page:
    """The wanted records that are open, in the order of their places, after `after`."""
    where, bound = wanted.where()
    rows = client.query(
        f"SELECT {PLACE}, log_time, source, faults, arrayFilter(h -> {_OURS}, headers), "  # noqa: S608  (values are bound)
        f"length(ifNull(key, '')) + length(ifNull(payload, '')) AS size, {_ABOUT}, "
        f"({PLACE}) IN (SELECT {PLACE} FROM {{db:Identifier}}.rejected_action FINAL WHERE action = 'replaying') "
        f"FROM {_open(database)} WHERE {where} AND ({PLACE}) > {{after:Tuple(String, UInt16, UInt16, UInt64)}} "
        f"ORDER BY {PLACE} LIMIT {{rows:UInt32}}",
        parameters={**bound, "db": database, "known": NOW, "after": after or ("", 0, 0, 0), "rows": limit + 1},
        query_formats=_BYTES,
    ).result_rows
    listed = [
        Listed(
            _place(row[:4]), utc(row[4]), _text(row[5]), _faults(row[6]), replays_of(_headers(row[7])), row[8],
            bool(row[13]), _about(_text(row[0]), row[9:13], _headers(row[7])),
        )
        for row in rows[:limit]
    ]  # fmt: skip
    return Page(listed, len(rows) > limit)


def open_places(client: Client, database: str, wanted: Wanted) -> Iterator[list[RecordAddress]]:
    """Places of the wanted records that are open now, in chunks that can be read at once.

    Fixed at the first call: records that are rejected meanwhile, perhaps the very ones that were resent, are not among
    them.
    """
    where, bound = wanted.where()
    rows = client.query(
        "SELECT topic, topic_epoch, partition, arraySort(groupArray((offset, size))) AS found, "  # noqa: S608  (values are bound)
        "arrayMap(f -> f.1, found), arrayMap(f -> f.2, found) FROM "
        "(SELECT topic, topic_epoch, partition, offset, length(ifNull(key, '')) + length(ifNull(payload, '')) AS size "
        f"FROM {_open(database)} WHERE {where}) GROUP BY topic, topic_epoch, partition "
        "ORDER BY topic, topic_epoch, partition",
        parameters={**bound, "known": NOW},
    ).result_rows
    chunk: list[RecordAddress] = []
    volume = 0
    for topic, epoch, partition, _, offsets, sizes in rows:
        for offset, size in zip(offsets, sizes, strict=True):
            if chunk and (len(chunk) == CHUNK_RECORDS or volume + size > CHUNK_BYTES):
                yield chunk
                chunk, volume = [], 0
            chunk.append(RecordAddress(topic, epoch, partition, offset))
            volume += size
    if chunk:
        yield chunk


def read_records(client: Client, database: str, places: Sequence[RecordAddress]) -> list[RejectedRecord]:
    """The rejected records at these places, open or not, in their order."""
    rows = client.query(
        f"SELECT {PLACE}, log_time, source, faults, headers, key, payload, payload_size, payload_sha256 "  # noqa: S608  (values are bound)
        f"FROM {{db:Identifier}}.rejected FINAL WHERE ({PLACE}) IN {{places:{PLACES}}} ORDER BY {PLACE}",
        parameters={"db": database, "places": list(places)},
        query_formats=_BYTES,
    ).result_rows
    return [
        RejectedRecord(
            place=_place(row[:4]),
            log_time=utc(row[4]),
            source=_text(row[5]),
            faults=_faults(row[6]),
            headers=_headers(row[7]),
            key=row[8],
            payload=row[9],
            original=Original(row[10], row[11]) if row[10] > len(row[9] or b"") else None,
        )
        for row in rows
    ]


def find_places(
    client: Client, database: str, wanted: Sequence[WrittenAddress]
) -> Mapping[WrittenAddress, list[RecordAddress]]:
    """Addresses of the rejected records that a person named, open or not; several when an epoch was left out."""
    where, bound = Wanted(places=wanted).where()
    rows = client.query(
        f"SELECT DISTINCT {PLACE} FROM {{db:Identifier}}.rejected WHERE {where} ORDER BY {PLACE}",  # noqa: S608  (values are bound)
        parameters={**bound, "db": database},
    ).result_rows
    found = [RecordAddress(*row) for row in rows]
    return {
        name: [
            place
            for place in found
            if (place.topic, place.partition, place.offset) == (name.topic, name.partition, name.offset)
            and name.topic_epoch in (None, place.topic_epoch)
        ]
        for name in wanted
    }


def known_words(client: Client, database: str) -> tuple[set[str], set[str]]:
    """The reasons and the sources that any rejected record has, open or not."""
    [(reasons, sources)] = client.query(
        "SELECT groupUniqArray(reason), groupUniqArray(source) FROM {db:Identifier}.rejected",
        parameters={"db": database},
    ).result_rows
    return set(reasons), set(sources)


def _open(database: str) -> str:
    """The view of open records; its name cannot be bound, so it is held to an identifier's characters."""
    return f"{check_database_name(database)}.rejected_open(known = {{known:DateTime64(3, 'UTC')}})"


def _about(topic: str, told: Sequence[bytes], headers: Headers) -> About:
    company, activity, event, day = map(_text, told)
    named = {name.lower(): _text(value) for name, value in headers if value is not None}
    file, line = line_of(headers) or ("", None)
    company = masked(f"subject: {named.get('ce_subject', company)}").removeprefix("subject: ")
    if (document := _DOCUMENTS.get(topic)) is not None:
        return About(file=masked(file), line=line, document=f"{document} {company}".rstrip())
    return About(company, masked(activity or event), masked(day), masked(file), line)


def _place(row: Sequence[Any]) -> RecordAddress:
    return RecordAddress(_text(row[0]), *row[1:4])


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _instant(value: datetime) -> str:
    """The text of an instant for a bound DateTime64(3, 'UTC')."""
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def _faults(values: Sequence[Mapping[str, bytes]]) -> tuple[Fault, ...]:
    return tuple(Fault(_text(f["field"]), _text(f["code"]), _text(f["value"])) for f in values)


def _headers(values: Sequence[Mapping[str, Any]]) -> Headers:
    return tuple((_text(h["name"]), h["value"]) for h in values)
