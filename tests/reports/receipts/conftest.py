"""One random history in a ledger, which all tests of this folder only read."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from clickhouse_connect.driver.client import Client
from published import Published

from clustertrack.rejected.actions import ActionBook
from schemas.ledger import Rows
from sinks.clickhouse import ClickHouse, connect
from sinks.migrator import migrate
from sinks.writer import LedgerWriter

DATABASE = "test_receipts"


@pytest.fixture(scope="package")
def history() -> Published:
    """A history of about a day and a half, a week ago: the ledger drops old rejected records."""
    return Published(seed=7, steps=300, begins=datetime.now(UTC).replace(microsecond=0) - timedelta(days=7))


@pytest.fixture(scope="package")
def address(clickhouse) -> ClickHouse:
    """Where the ledger is."""
    return ClickHouse(host=clickhouse.host, port=clickhouse.port, database=DATABASE)


@pytest.fixture(scope="package")
def ledger(address: ClickHouse, history: Published) -> Iterator[Client]:
    """The history as workers store it: in groups, the last third twice as after a crash, and not merged."""
    with closing(connect(address, database="default")) as first:
        migrate(first, DATABASE)
        with closing(connect(address)) as client:
            writer = LedgerWriter(address)
            third = len(history.rows) // 3
            for some in (history.rows[:third], history.rows[third:], history.rows[-third:]):
                writer.insert(_together(some))
            writer.close()
            ActionBook(client, DATABASE).write(history.actions)
            yield client
        first.command(f"DROP DATABASE {DATABASE}")


def _together(some: list[Rows]) -> Rows:
    rows = Rows()
    for one in some:
        for name in ("activities", "companies", "registries", "rejected", "receipts"):
            getattr(rows, name).extend(getattr(one, name))
    return rows
