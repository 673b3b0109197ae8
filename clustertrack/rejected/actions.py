"""What was done with rejected records, and what became of the records sent in their place."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from uuid import UUID

from clickhouse_connect.driver.client import Client

from clustertrack.rejected.records import Action
from clustertrack.rejected.store import PLACE, PLACES, Selection
from schemas.addresses import RecordAddress
from sinks.clickhouse import utc

_COLUMNS: Final = (
    f"{PLACE}, attempt, action, acted_at, acted_by, note, replays, edited, to_topic, to_epoch, to_partition, to_offset"
)
_NOWHERE: Final = RecordAddress("", 0, 0, 0)


class ActionResult(NamedTuple):
    """An action, and what became of the record that it sent."""

    action: Action
    status: str
    """Status of that record's receipt, `pending` while it has none; empty where nothing was sent."""
    reason: str
    """Why it was rejected again, or sent on; else empty."""


@dataclass(frozen=True, kw_only=True)
class Story:
    """All that the ledger knows of what happened to one rejected record."""

    status: str
    """Status of its own receipt; empty where it has none."""
    done: list[ActionResult] = field(default_factory=list)
    """What was done with it, the oldest first."""
    replay_of: RecordAddress | None = None
    """The rejected record in whose place this one was sent."""


class ActionBook:
    """Keeps what is done with rejected records: the real `clustertrack.rejected.replay.Book`."""

    def __init__(self, client: Client, database: str) -> None:
        self._client = client
        self._database = database

    def write(self, actions: Sequence[Action]) -> None:
        """Keep actions; one that is written twice is kept once."""
        if not actions:
            return
        rows = [
            (*a.place, a.attempt, a.action, a.acted_at, a.acted_by, a.note, a.replays, a.edited, *(a.to or _NOWHERE))
            for a in actions
        ]
        self._client.insert("rejected_action", rows, column_names=_COLUMNS.split(", "), database=self._database)

    def read(self, places: Sequence[RecordAddress]) -> list[Action]:
        """What was done with the records at these places, the oldest first."""
        rows = self._client.query(
            f"SELECT {_COLUMNS} FROM {{db:Identifier}}.rejected_action FINAL "  # noqa: S608  (values are bound)
            f"WHERE ({PLACE}) IN {{places:{PLACES}}} ORDER BY acted_at, attempt",
            parameters={"db": self._database, "places": list(places)},
        ).result_rows
        return [_action(row) for row in rows]


def list_closed(
    client: Client, database: str, wanted: Selection, *, after: RecordAddress | None, limit: int
) -> list[ActionResult]:
    """The actions that closed wanted records, in the order of the records, after `after`.

    A record has two of them if two people replayed it at the same moment.
    """
    where, bound = wanted.where()
    if wanted:  # not so without conditions: actions outlive the records, which are deleted after 90 days
        where = f"({PLACE}) IN (SELECT {PLACE} FROM {{db:Identifier}}.rejected WHERE {where})"  # noqa: S608  (the same)
    rows = client.query(
        f"SELECT {_COLUMNS} FROM {{db:Identifier}}.rejected_action FINAL "  # noqa: S608  (values are bound)
        f"WHERE action IN ('replayed', 'discarded') AND {where} "
        f"AND ({PLACE}) > {{after:Tuple(String, UInt16, UInt16, UInt64)}} "
        f"ORDER BY {PLACE}, acted_at LIMIT {{rows:UInt32}}",
        parameters={**bound, "db": database, "after": after or _NOWHERE, "rows": limit},
    ).result_rows
    return _with_receipts(client, database, [_action(row) for row in rows])


def story_of(client: Client, database: str, place: RecordAddress) -> Story:
    """What happened to the rejected record at `place`."""
    own = _receipts(client, database, [place])
    before = client.query(
        f"SELECT {PLACE} FROM {{db:Identifier}}.rejected_action FINAL WHERE action = 'replayed' "  # noqa: S608  (values are bound)
        f"AND (to_topic, to_epoch, to_partition, to_offset) IN {{places:{PLACES}}} LIMIT 1",
        parameters={"db": database, "places": [place]},
    ).result_rows
    return Story(
        status=own[place][0] if place in own else "",
        done=_with_receipts(client, database, ActionBook(client, database).read([place])),
        replay_of=RecordAddress(*before[0]) if before else None,
    )


def _with_receipts(client: Client, database: str, actions: Sequence[Action]) -> list[ActionResult]:
    receipts = _receipts(client, database, [a.to for a in actions if a.action == "replayed" and a.to])
    return [
        ActionResult(a, *(receipts.get(a.to, ("pending", "")) if a.action == "replayed" and a.to else ("", "")))
        for a in actions
    ]


def _receipts(client: Client, database: str, places: Sequence[RecordAddress]) -> dict[RecordAddress, tuple[str, str]]:
    """Status and reason of the receipts at these places."""
    if not places:
        return {}
    rows = client.query(
        f"SELECT {PLACE}, toString(status), reason FROM {{db:Identifier}}.receipt FINAL "  # noqa: S608  (values are bound)
        f"WHERE ({PLACE}) IN {{places:{PLACES}}}",
        parameters={"db": database, "places": list(places)},
    ).result_rows
    return {RecordAddress(*row[:4]): (row[4], row[5]) for row in rows}


def _action(row: Sequence[Any]) -> Action:
    to = RecordAddress(*row[11:15])
    attempt, kind, at, by, note, replays, edited = row[4:11]
    return Action(
        RecordAddress(*row[:4]),
        UUID(str(attempt)),
        kind,
        utc(at),
        by,
        note,
        replays,
        bool(edited),
        to if to.topic else None,
    )
