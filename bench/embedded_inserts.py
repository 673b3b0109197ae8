"""Rows a second into the embedded ClickHouse server, in batches of 20,000 from one client.

    python bench/embedded_inserts.py

Starts a server of its own in a temporary folder.
"""

import datetime as dt
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import clickhouse_connect
import pyarrow as pa
from clickhouse_connect.driver.client import Client
from engine import engine

_ROWS = 20_000
_BATCHES = 25
_TABLE = (
    "CREATE OR REPLACE TABLE bench (n UInt64, source LowCardinality(String), activity_id String, day Date32,"
    " revision UInt128, known_at DateTime64(3), outcomes Array(LowCardinality(String))) ENGINE = MergeTree ORDER BY n"
)


def _columns() -> dict[str, list[Any]]:
    moment = dt.datetime(2018, 6, 1, tzinfo=dt.UTC)
    return {
        "n": list(range(_ROWS)),
        "source": ["https://crm.foodbio.example"] * _ROWS,
        "activity_id": [f"activity-{n}" for n in range(_ROWS)],
        "day": [moment.date()] * _ROWS,
        "revision": [2**100 + n for n in range(_ROWS)],
        "known_at": [moment] * _ROWS,
        "outcomes": [["new_ideas", "new_products"]] * _ROWS,
    }


def _arrow(columns: dict[str, list[Any]]) -> pa.Table:
    revisions = pa.array([revision.to_bytes(16, "little") for revision in columns["revision"]], pa.binary(16))
    known = pa.array(columns["known_at"], pa.timestamp("ms", "UTC"))
    return pa.table({**columns, "n": pa.array(columns["n"], pa.uint64()), "revision": revisions, "known_at": known})


def _measure(name: str, client: Client, insert: Callable[[], object]) -> None:
    client.command(_TABLE)
    insert()
    started, spent = time.perf_counter(), time.process_time()
    for _ in range(_BATCHES):
        insert()
    seconds, spent = time.perf_counter() - started, time.process_time() - spent
    rows = _ROWS * _BATCHES
    print(f"{name:22} {rows / seconds:>9,.0f} rows/s   {spent / rows * 1e6:.2f} us of client CPU a row")


def main() -> None:
    """Measure Native and Arrow inserts, without and with compression."""
    columns = _columns()
    table = _arrow(columns)
    with engine() as (port, _):
        for compress in (False, "lz4", "zstd"):
            with clickhouse_connect.get_client(
                host="127.0.0.1", port=port, compress=compress, autogenerate_session_id=False
            ) as client:
                values, names = list(columns.values()), list(columns)
                native = partial(client.insert, "bench", values, names, column_oriented=True)
                _measure(f"Native, {compress or 'plain'}", client, native)
                _measure(f"Arrow, {compress or 'plain'}", client, lambda: client.insert_arrow("bench", table))


if __name__ == "__main__":
    main()
