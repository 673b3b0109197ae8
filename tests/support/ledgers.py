"""Fixtures that conftests take in: clients of the session's ClickHouse, with and without the schema."""

from collections.abc import Callable, Iterator
from typing import Protocol

import pytest
from clickhouse_connect.driver.client import Client

from brokers.topics import EVENTS
from sinks.clickhouse import ClickHouse, connect
from sinks.migrator import migrate


class _Address(Protocol):
    host: str
    port: int


@pytest.fixture
def server(clickhouse: _Address) -> ClickHouse:
    """Where the session's ClickHouse is; the database is one that always exists."""
    return ClickHouse(host=clickhouse.host, port=clickhouse.port, database="default")


@pytest.fixture
def client(server: ClickHouse, database: str) -> Iterator[Client]:
    """A client whose default database is the test's own, still empty."""
    found = connect(server, database=database)
    yield found
    found.close()


@pytest.fixture
def ledger(client: Client, database: str) -> Client:
    """The same client after a migration."""
    migrate(client, database)
    return client


@pytest.fixture
def write(ledger: Client, database: str) -> Callable[..., None]:
    """Writes receipts, and the rows of those that have one."""

    def write(receipts: dict[int, str], *, partition: int = 0, epoch: int = 0, rows: bool = True) -> None:
        lines = [
            f"('{EVENTS}', {epoch}, {partition}, {offset}, '{status}', 'crm', '2020-01-01 00:00:00', "
            + (f"'{epoch}/{partition}/{offset}', {offset + 1})" if status not in {"rejected", "rerouted"} else "'', 0)")
            for offset, status in receipts.items()
        ]
        ledger.command(
            f"INSERT INTO {database}.receipt "
            "(topic, topic_epoch, partition, offset, status, source, log_time, activity_id, revision) VALUES "
            + ", ".join(lines)
        )
        named = [
            f"('crm', '{epoch}/{partition}/{offset}', {offset + 1}, 'e', 10, '2020-01-01')"
            for offset, status in receipts.items()
            if status not in {"rejected", "rerouted"}
        ]
        if rows and named:
            ledger.command(
                f"INSERT INTO {database}.activity_revision "
                "(source, activity_id, revision, event_id, company_id, occurred_on) VALUES " + ", ".join(named)
            )

    return write
