"""Loads a history into a ledger, cut and shuffled differently each time, merged or not."""

import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeVar

from clickhouse_connect.driver.client import Client
from tally.records import Activity, Company, History, Receipt, Registry

TABLES = ("activity_revision", "activity", "company_version", "registry_version", "receipt")
_Row = TypeVar("_Row", bound=NamedTuple)


def load(client: Client, history: History, rng: random.Random, parts: int = 4) -> None:
    """Insert all rows, in an order and in pieces that no other call uses."""
    for table, kind, rows in (
        ("activity_revision", Activity, history.activities),
        ("company_version", Company, history.companies),
        ("registry_version", Registry, history.registries),
        ("receipt", Receipt, history.receipts),
    ):
        for block in _cut(rng, rows, parts):
            client.insert(table, block, column_names=kind._fields)


def load_strays(client: Client, rows: Sequence[Activity]) -> None:
    """Rows that reach the table of newest versions without its history: damage."""
    names = [name for name in Activity._fields if name in _CURRENT]
    texts = [row._asdict() | {"reported": ",".join(row.reported), "derived": ",".join(row.derived)} for row in rows]
    client.insert("activity", [[row[name] for name in names] for row in texts], column_names=names)


def keep_unmerged(client: Client) -> None:
    """Parts stay as they were inserted, so that queries read unmerged rows."""
    for table in TABLES:
        client.command(f"SYSTEM STOP MERGES {client.database}.{table}")


def merge(client: Client) -> None:
    """Merge every table into one part."""
    for table in TABLES:
        client.command(f"SYSTEM START MERGES {client.database}.{table}")
        client.command(f"OPTIMIZE TABLE {table} FINAL")


_CURRENT = frozenset(
    {
        "source", "activity_id", "revision", "is_deleted", "company_id", "cluster", "event_type", "reported",
        "derived", "occurred_on",
    }
)  # fmt: skip


def _cut(rng: random.Random, rows: Sequence[_Row], parts: int) -> Iterator[list[_Row]]:
    shuffled = rng.sample(rows, len(rows))
    cuts = sorted(rng.randrange(len(rows) + 1) for _ in range(parts - 1))
    for low, high in zip([0, *cuts], [*cuts, len(rows)], strict=True):
        if low < high:
            yield shuffled[low:high]
