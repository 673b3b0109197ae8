"""The ledger as the commands open it: connected, its errors as sentences, closed at the end."""

from collections.abc import Iterator
from contextlib import contextmanager

from clickhouse_connect.driver.client import Client

from schemas.errors import CheckFailed
from sinks.clickhouse import UNKNOWN_DATABASE, ClickHouse, ClickHouseFault, ClickHouseRefused, connect, explained

_NOT_MIGRATED = frozenset({46, 60})
"""Codes: a parameterised view is missing (an unknown function to ClickHouse), a table is missing."""


class LedgerNotMigrated(CheckFailed):
    """ClickHouse answers, but the database or one of its tables and views is not there."""


@contextmanager
def open_ledger(config: ClickHouse) -> Iterator[Client]:
    """A client for the ledger's database.

    Within the block errors of ClickHouse become ClickHouseUnreachable, ClickHouseRefused, LedgerNotMigrated or
    ClickHouseFault.
    """
    try:
        with explained(config):
            client = connect(config)
            try:
                yield client
            finally:
                client.close()
    except ClickHouseRefused as error:
        if getattr(error.__cause__, "code", None) != UNKNOWN_DATABASE:
            raise
        raise _not_migrated(config) from error
    except ClickHouseFault as error:
        if error.code not in _NOT_MIGRATED:
            raise
        raise _not_migrated(config) from error


def _not_migrated(config: ClickHouse) -> LedgerNotMigrated:
    return LedgerNotMigrated(
        f"The database {config.database!r} of ClickHouse at {config.address} is missing or incomplete: "
        "run `clustertrack migrate`, or set CLICKHOUSE_DATABASE."
    )
