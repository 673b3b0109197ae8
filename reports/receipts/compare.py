"""A publisher's list of activities compared with the ledger: what is missing, what differs, what is there besides.

Activities are compared by their ids, and where the list has a hash for one, by what counts of it:

    SHA-256 (hex) of the UTF-8 text   company|type|day|outcomes|membership
    such as                           13748136|workshop.attended|2018-05-03|new_ideas,new_products|

company: CVR number of 8 digits. type: without `org.clustertrack.` and `.v1`. day: `occurred_on`, or the Danish day of
`time` in an event without. outcomes: in the order of the alphabet with commas between; `-` where the event has no
`outcomes`, nothing where it has none in them. membership: empty where the event has none. Titles and other texts are
not compared: nothing counts them.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import Any, Final, Literal, NamedTuple
from urllib.parse import quote

from clickhouse_connect.driver.client import Client

from reports.receipts.answers import check_id
from reports.receipts.bounds import ask, check_source
from reports.receipts.days import check_days
from schemas.counts import number
from schemas.errors import UsageFault

MOST_IDS: Final = 10_000
"""Of one list. A longer one is cut in the order of its ids, see `within`."""
MOST_STORED: Final = 50_000
"""Activities of the ledger within the days and ids of one question."""
_CHUNK_BYTES: Final = 24 << 10
"""Ids that go into one query: ClickHouse's HTTP interface takes its parameters in the URL."""

_NEWEST: Final = """
SELECT activity_id,
       argMax((is_deleted, company_id, event_type, occurred_on, outcomes_given, reported, membership), revision) AS v
FROM activity_revision
WHERE source = {source:String} AND activity_id IN NAMED
GROUP BY activity_id
HAVING {cluster:String} IN ('', argMaxIf(toString(cluster), revision, is_deleted = 0))
"""
_IDS_IN_SPAN: Final = """
(
    SELECT activity_id FROM activity_revision
    WHERE source = {source:String} AND is_deleted = 0 AND occurred_on BETWEEN {first:Date} AND {last:Date}
      AND activity_id > {after:String} AND (activity_id <= {until:String} OR {until:String} = '')
)
"""
_ORDERED: Final = """
   AND v.1 = 0 AND v.4 BETWEEN {first:Date} AND {last:Date}
ORDER BY activity_id LIMIT {most:UInt32}
"""
_IN_SPAN: Final = f"{_NEWEST.replace('NAMED', _IDS_IN_SPAN)}{_ORDERED}"
_BY_IDS: Final = _NEWEST.replace("NAMED", "{ids:Array(String)}")
_REJECTED: Final = """
SELECT DISTINCT if(activity_id = '', event_id, activity_id) AS about FROM rejected
WHERE source = {source:String} AND about IN {ids:Array(String)}
"""


class Content(NamedTuple):
    """What counts of an activity."""

    company: str
    type: str
    day: date
    outcomes: tuple[str, ...] | None
    """None: the event did not mention them."""
    membership: str = ""

    @property
    def hash(self) -> str:
        """As a publisher computes it, see above."""
        outcomes = "-" if self.outcomes is None else ",".join(sorted(self.outcomes))
        text = f"{self.company}|{self.type}|{self.day.isoformat()}|{outcomes}|{self.membership}"
        return sha256(text.encode()).hexdigest()

    def as_dict(self) -> dict[str, Any]:
        """As JSON types."""
        outcomes = None if self.outcomes is None else list(self.outcomes)
        return {**self._asdict(), "day": self.day.isoformat(), "outcomes": outcomes, "hash": self.hash}


class Missing(NamedTuple):
    """An activity of the list that does not count."""

    activity_id: str
    why: Literal["unknown", "rejected", "retracted"]


class Different(NamedTuple):
    """An activity that counts, but not as in the list."""

    activity_id: str
    why: Literal["content", "day"]
    """Its hash differs; or, in a list without its hash, its day is not one of those that the list is about."""
    counts_as: Content


class Extra(NamedTuple):
    """An activity that counts on one of the days and is not in the list."""

    activity_id: str
    counts_as: Content


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A list compared with the ledger; each part in the order of the ids."""

    source: str
    same: int
    missing: tuple[Missing, ...]
    different: tuple[Different, ...]
    extra: tuple[Extra, ...]

    @property
    def equal(self) -> bool:
        """Whether nothing was found."""
        return not (self.missing or self.different or self.extra)

    def as_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return {
            "source": self.source,
            "equal": self.equal,
            "same": self.same,
            "missing": [one._asdict() for one in self.missing],
            "different": [{**one._asdict(), "counts_as": one.counts_as.as_dict()} for one in self.different],
            "extra": [{**one._asdict(), "counts_as": one.counts_as.as_dict()} for one in self.extra],
        }


def compare(
    client: Client,
    sources: Collection[str],
    source: str,
    listed: Mapping[str, str | None],
    *,
    span: tuple[date, date] | None = None,
    within: tuple[str, str] = ("", ""),
    cluster: str = "",
) -> Comparison:
    """Compare a list with what counts now.

    Args:
        client: connected to the ledger's database.
        sources: those that the one who asks may see.
        source: whose activities are listed.
        listed: activity_id -> hash, None to compare the id alone; up to MOST_IDS.
        span: first and last Danish day of the activities that the list has all of; None: nothing is extra.
        within: the list has those ids alone that come after the first, up to the second, in the order of their UTF-8
            bytes; an empty text is no bound. So a list of any length is compared in parts.
        cluster: only what counts for this one is known; empty: for any.

    Raises:
        UsageFault: a source that is none of these, a list or a span that is too long, an id out of bounds.
        Exception: what clickhouse-connect raises for a server that fails.
    """
    check_source(source, sources)
    _check_list(listed, within)
    whose = {"source": source, "cluster": cluster}
    stored = {} if span is None else _in_span(client, whose, span, within)
    absent = sorted(listed.keys() - stored.keys())
    elsewhere = dict(_newest(client, whose, absent))
    unseen = [one for one in absent if elsewhere.get(one) is None]
    rejected = {row[0] for ids in _chunks(unseen) for row in ask(client, _REJECTED, {"source": source, "ids": ids})}
    missing, different = [], []
    for activity_id in sorted(listed):
        content, wanted = stored.get(activity_id) or elsewhere.get(activity_id), listed[activity_id]
        if content is None:
            gone = activity_id in elsewhere
            why: Any = "retracted" if gone else "rejected" if activity_id in rejected else "unknown"
            missing.append(Missing(activity_id, why))
        elif wanted is not None and wanted.lower() != content.hash:
            different.append(Different(activity_id, "content", content))
        elif span is not None and not span[0] <= content.day <= span[1]:
            different.append(Different(activity_id, "day", content))
    return Comparison(
        source=source,
        same=len(listed) - len(missing) - len(different),
        missing=tuple(missing),
        different=tuple(different),
        extra=tuple(Extra(one, content) for one, content in stored.items() if one not in listed),
    )


def _check_list(listed: Mapping[str, str | None], within: tuple[str, str]) -> None:
    if len(listed) > MOST_IDS:
        raise UsageFault(f"The list has {number(len(listed))} ids, and {number(MOST_IDS)} are possible: ask in parts.")
    after, until = within
    for one in listed:
        check_id(one)
        if one <= after or (until and one > until):
            raise UsageFault(f"The id {one!r} is not among those that this part of the list is said to have.")


def _in_span(
    client: Client, whose: Mapping[str, str], span: tuple[date, date], within: tuple[str, str]
) -> dict[str, Content]:
    """Activities that count on these days, in the order of their ids."""
    first, last = span
    check_days(first, last)
    bound = {"first": first.isoformat(), "last": last.isoformat(), "after": within[0], "until": within[1]}
    rows = ask(client, _IN_SPAN, {**bound, **whose, "most": MOST_STORED + 1})
    if len(rows) > MOST_STORED:
        raise UsageFault(
            f"The ledger has more than {number(MOST_STORED)} activities on these days: ask about fewer days or ids."
        )
    return {activity_id: _content(values) for activity_id, values in rows}


def _newest(client: Client, whose: Mapping[str, str], ids: Sequence[str]) -> Iterator[tuple[str, Content | None]]:
    """Activities with what counts of them; None for a retracted one. Unknown ones are left out."""
    for chunk in _chunks(ids):
        for activity_id, values in ask(client, _BY_IDS, {**whose, "ids": chunk}):
            yield activity_id, None if values[0] else _content(values)


def _content(values: Sequence[Any]) -> Content:
    _, company, kind, day, given, reported, membership = values
    return Content(f"{company:08d}", kind, day, tuple(reported) if given else None, membership)


def _chunks(ids: Iterable[str]) -> Iterator[list[str]]:
    """The ids in lists that fit into a query."""
    chunk: list[str] = []
    size = 0
    for one in ids:
        weight = len(quote(repr(one), safe="")) + len("%2C")
        if chunk and size + weight > _CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
        chunk.append(one)
        size += weight
    if chunk:
        yield chunk
