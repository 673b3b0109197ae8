"""Ledgers to count on, and the seeds of the histories.

`COUNTED_SEEDS` makes it a long run of other seeds (see `tally.seeds`).
"""

import os
import random
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

import pytest
from clickhouse_connect.driver.client import Client
from tally.calls import Call, Model
from tally.compare import compare, differences
from tally.ledger import keep_unmerged, load, merge
from tally.records import History
from tally.seeds import LONG_RUN, seeds
from tally.shrink import listed, smaller

from sinks.clickhouse import ClickHouse, connect
from sinks.migrator import Migration, migrate


class _Server(Protocol):
    host: str
    port: int

    def execute(self, sql: str) -> str: ...


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests with a `seed` run for each seed; `SEEDS` of the module are the usual ones."""
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", seeds(metafunc.module.SEEDS), ids=lambda seed: f"seed-{seed}")


@pytest.fixture(scope="session")
def thorough() -> bool:
    """Whether this is a long run: every argument with every other."""
    return LONG_RUN in os.environ


@pytest.fixture(scope="session")
def new_ledger(clickhouse: _Server) -> Callable[..., object]:
    """Makes clients of migrated databases that are dropped at the end: `with` it; other migrations on request."""

    @contextmanager
    def made(migrations: Sequence[Migration] | None = None) -> Iterator[Client]:
        database = f"counted_{uuid.uuid4().hex[:12]}"
        clickhouse.execute(f"CREATE DATABASE {database}")
        client = connect(ClickHouse(host=clickhouse.host, port=clickhouse.port, database=database))
        try:
            migrate(client, database, migrations=migrations)
            yield client
        finally:
            client.close()
            clickhouse.execute(f"DROP DATABASE {database}")

    return made


@pytest.fixture
def agree(new_ledger: Callable[..., AbstractContextManager[Client]]) -> Callable[..., None]:
    """`agree(client, model, calls, seed, what)` fails with the smallest difference, on the smallest history."""

    def check(client: Client, model: Model, wanted: Sequence[Call], seed: int, what: str) -> None:
        found = differences(client, model, wanted)
        if not found:
            return
        call = found[0].call

        def fails(history: History) -> bool:
            with new_ledger() as other:
                keep_unmerged(other)
                load(other, history, random.Random(seed))
                if "merged" in what.split():
                    merge(other)
                return compare(other, Model(history), call) is not None

        print(f"seed {seed}, {what}: {len(found)} calls differ from the model\n{found[0]}")  # noqa: T201  (if the rest fails)
        small = smaller(model.history, fails) if fails(model.history) else model.history
        pytest.fail(
            f"seed {seed}, {what}: {len(found)} calls differ from the model; repeat with {LONG_RUN}={seed}\n"
            f"{found[0]}\nA small history that shows it:\n{listed(small)}",
            pytrace=False,
        )

    return check
