"""One random history in a ledger, which all tests of this folder read."""

from datetime import UTC, datetime, timedelta

import pytest
from clickhouse_connect.driver.client import Client
from ledgers import client, ledger, server
from published import Published

from clustertrack.rejected.actions import ActionBook
from schemas.ledger import Rows
from sinks.clickhouse import ClickHouse
from sinks.writer import LedgerWriter

__all__ = ["client", "ledger", "server"]

STEPS = 300


def store(server: ClickHouse, ledger: Client, database: str, history: Published) -> None:
    """Write a history as workers do: in groups, the last third twice as after a crash, and not merged."""
    writer = LedgerWriter(ClickHouse(host=server.host, port=server.port, database=database))
    third = len(history.rows) // 3
    for rows in (history.rows[:third], history.rows[third:], history.rows[-third:]):
        merged = Rows()
        for some in rows:
            for name in ("activities", "companies", "registries", "rejected", "receipts"):
                getattr(merged, name).extend(getattr(some, name))
        writer.insert(merged)
    writer.close()
    ActionBook(ledger, database).write(history.actions)


@pytest.fixture
def history(server: ClickHouse, ledger: Client, database: str) -> Published:
    """A history of about two days, a week ago: the ledger drops old rejected records."""
    made = Published(seed=7, steps=STEPS, begins=datetime.now(UTC).replace(microsecond=0) - timedelta(days=7))
    store(server, ledger, database, made)
    return made
