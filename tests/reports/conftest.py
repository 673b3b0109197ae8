"""A ledger filled by hand: a test writes what happened straight into the tables, without Kafka and workers."""

import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from sinks.clickhouse import ClickHouse, connect
from sinks.migrator import migrate

EARLY = datetime(2019, 1, 15, 12, tzinfo=UTC)
"""When records become known unless a test says otherwise."""


class Ledger:
    """Collects rows of the ledger, and writes them before its client is used to read."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._rows: dict[str, list[dict[str, Any]]] = {}
        self._revision = 0
        self._offset = 0

    @property
    def client(self) -> Client:
        """The client, after all rows so far were written."""
        for table, rows in self._rows.items():
            self._client.insert(table, [list(row.values()) for row in rows], column_names=list(rows[0]))
        self._rows.clear()
        return self._client

    def _add(self, table: str, row: dict[str, Any]) -> None:
        self._rows.setdefault(table, []).append(row)

    def company(
        self,
        cvr: int,
        employees: int | None = None,
        *,
        valid_from: date = date(2010, 1, 1),
        legal_form: str = "80",
        successor: int = 0,
        known_at: datetime = EARLY,
    ) -> None:
        """A version of a company."""
        self._revision += 1
        row = {
            "company_id": cvr,
            "valid_from": valid_from,
            "revision": self._revision,
            "legal_form": legal_form,
            "employees": employees,
            "successor_id": successor,
            "known_at": known_at,
        }
        self._add("company_version", row)

    def activity(
        self,
        activity_id: str,
        cvr: int,
        *outcomes: str,
        day: date = date(2018, 5, 3),
        cluster: str = "food",
        source: str = "crm",
        derived: tuple[str, ...] = (),
        deleted: bool = False,
        known_at: datetime = EARLY,
    ) -> None:
        """A version of an activity, newer than all before; `outcomes` are reported."""
        self._revision += 1
        row = {
            "source": source,
            "activity_id": activity_id,
            "revision": self._revision,
            "is_deleted": int(deleted),
            "event_id": f"{activity_id}-{self._revision}",
            "company_id": cvr,
            "cluster": cluster,
            "event_type": "activity.retracted" if deleted else "workshop.attended",
            "reported": list(outcomes),
            "derived": list(derived),
            "outcomes_given": int(bool(outcomes)),
            "membership": "",
            "details": "{}",
            "occurred_on": day,
            "recorded_at": known_at,
            "known_at": known_at,
        }
        self._add("activity_revision", row)

    def rejected(
        self,
        payload: bytes | None,
        *,
        source: str = "crm",
        key: bytes | None = b"13748136",
        headers: tuple[tuple[str, bytes | None], ...] = (),
        status: str = "rejected",
        log_time: datetime | None = None,
    ) -> int:
        """A refused record, of now unless said otherwise (the table drops old ones); returns its offset.

        Its receipt can say that a later version accepted it.
        """
        log_time = log_time or datetime.now(UTC)
        self._offset += 1
        place = {"topic": "activity.events.v1", "topic_epoch": 0, "partition": 0, "offset": self._offset}
        receipt = {**place, "status": status, "source": source, "log_time": log_time}
        self._add("receipt", receipt)
        row = {
            **place,
            "log_time": log_time,
            "source": source,
            "faults": [("", "invalid_json", "")],
            "headers": list(headers),
            "key": key,
            "payload": payload,
        }
        self._add("rejected", row)
        return self._offset

    def action(self, offset: int, action: str, acted_at: datetime) -> None:
        """What somebody did with the refused record at `offset`."""
        row = {
            "topic": "activity.events.v1",
            "offset": offset,
            "attempt": uuid.uuid4(),
            "action": action,
            "acted_at": acted_at,
        }
        self._add("rejected_action", row)


@pytest.fixture
def ledger(clickhouse, database: str) -> Iterator[Ledger]:
    """An empty ledger of the test's own."""
    client = connect(ClickHouse(host=clickhouse.host, port=clickhouse.port, database=database))
    migrate(client, database)
    yield Ledger(client)
    client.close()
