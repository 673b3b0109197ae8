"""The comparison works: each of many mistakes in the ledger's SQL is found in the view where it matters."""

import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from tally.calls import Call, Model, calls
from tally.compare import compare
from tally.histories import YEARS, random_history
from tally.ledger import keep_unmerged, load, merge
from tally.sabotage import Sabotage, read_sabotages
from tally.seeds import LONG_RUN

from sinks.migrator import ONE_NODE, Migration
from sinks.migrator import load as load_migrations

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

SEED = 1
SABOTAGES = [
    sabotage
    for sabotage in read_sabotages(Path(__file__).with_name("sabotages.toml"))
    if LONG_RUN in os.environ or not sabotage.long
]
VIEW = "CREATE VIEW IF NOT EXISTS "
Statements = list[tuple[str, str]]
Definitions = dict[str, str]


@pytest.fixture(scope="module")
def model() -> Model:
    """The correct counts."""
    return Model(random_history(SEED))


@pytest.fixture(scope="module")
def wanted(model: Model) -> dict[str, list[Call]]:
    """Calls by view."""
    found: dict[str, list[Call]] = {}
    for call in calls(model.history, SEED, YEARS):
        found.setdefault(call.view, []).append(call)
    return found


def _definitions(client: Client) -> Definitions:
    query = "SELECT name, as_select FROM system.tables WHERE database = currentDatabase()"
    return dict(client.query(query).result_rows)


@pytest.fixture(scope="module")
def definitions(ledger: Client) -> Definitions:
    """The views before any mistake."""
    return _definitions(ledger)


@pytest.fixture(scope="module")
def ledger(new_ledger: Callable[..., Any], model: Model) -> Iterator[Client]:
    """The history in a ledger whose views are replaced by turns."""
    with new_ledger() as client:
        keep_unmerged(client)
        load(client, model.history, random.Random(SEED))
        yield client


@pytest.fixture
def sabotaged(
    new_ledger: Callable[..., Any], ledger: Client, definitions: Definitions, model: Model
) -> Callable[..., Any]:
    """Makes clients of ledgers that hold the history and a mistake."""
    assert definitions, "are read before the first mistake"

    @contextmanager
    def made(sabotage: Sabotage) -> Iterator[Client]:
        wrong = _migrations(sabotage)
        changed = _changed(wrong, str(ledger.database))
        if all(right.startswith(VIEW) for right, _ in changed) and not sabotage.merged:
            # A view holds no rows: in the same ledger it is replaced, and put back.
            for _, statement in changed:
                ledger.command(statement.replace(VIEW, "CREATE OR REPLACE VIEW ", 1))
            try:
                yield ledger
            finally:
                for right, _ in changed:
                    ledger.command(right.replace(VIEW, "CREATE OR REPLACE VIEW ", 1))
        else:
            with new_ledger(wrong) as client:
                keep_unmerged(client)
                load(client, model.history, random.Random(SEED))
                if sabotage.merged:
                    merge(client)
                yield client

    return made


def _migrations(sabotage: Sabotage) -> list[Migration]:
    right = {migration.file: migration for migration in load_migrations()}
    wrong = sabotage.apply({file: migration.text for file, migration in right.items()})
    return [replace(migration, text=wrong[file]) for file, migration in right.items()]


def _changed(wrong: list[Migration], database: str) -> Statements:
    """Right and wrong form of the statements that a mistake changes."""
    variables = {"DATABASE": database, **ONE_NODE}
    return [
        (before, after)
        for one, other in zip(load_migrations(), wrong, strict=True)
        for before, after in zip(one.statements(variables), other.statements(variables), strict=True)
        if before != after
    ]


@pytest.mark.parametrize("sabotage", [pytest.param(sabotage, id=sabotage.name) for sabotage in SABOTAGES])
def test_the_mistake_is_seen(
    sabotaged: Callable[..., Any], model: Model, wanted: dict[str, list[Call]], sabotage: Sabotage
):
    """The view is not what the model says."""
    with sabotaged(sabotage) as client:
        seen = any(compare(client, model, call) is not None for call in wanted[sabotage.view])
        assert seen, f"nobody sees that {sabotage.name}"


def test_every_mistake_was_put_right(ledger: Client, definitions: Definitions):
    """After all of them the views are what they were: none was seen because of another."""
    assert _definitions(ledger) == definitions
