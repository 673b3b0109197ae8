"""One random history in a ledger, which all tests of this folder only read."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from clickhouse_connect.driver.client import Client
from published import Published, store

from sinks.clickhouse import ClickHouse, connect
from sinks.migrator import migrate

DATABASE = "test_receipts"


@pytest.fixture(scope="package")
def history() -> Published:
    """A history of about a day and a half, a week ago: the ledger drops old rejected records."""
    return Published(seed=7, steps=300, begins=datetime.now(UTC).replace(microsecond=0) - timedelta(days=7))


@pytest.fixture(scope="package")
def ledger(clickhouse, history: Published) -> Iterator[Client]:
    """A ledger that holds it."""
    address = ClickHouse(host=clickhouse.host, port=clickhouse.port, database=DATABASE)
    with closing(connect(address, database="default")) as first:
        migrate(first, DATABASE)
        with closing(connect(address)) as client:
            store(history, client, address)
            yield client
        first.command(f"DROP DATABASE {DATABASE}")
