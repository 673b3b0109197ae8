"""Fixtures of the sinks' tests: clients of the session's ClickHouse, with and without the schema."""

from collections.abc import Iterator
from typing import Protocol

import pytest
from clickhouse_connect.driver.client import Client

from sinks.connection import ClickHouse, connect
from sinks.migrate import migrate


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
