"""What goes wrong behind the reading of an INSERT's data: the engine's streaming insert says nothing of it."""

import resource
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from clustertrack.local.clickhouse.pool import FREE_DISK_BYTES
from clustertrack.local.clickhouse.server import MAX_BODY_BYTES
from clustertrack.local.clickhouse.statement import cut_settings

pytestmark = pytest.mark.integration


@pytest.fixture
def client(server: Any) -> Iterator[Client]:
    """Tables that take some rows only."""
    made = server.connect()
    made.command("CREATE DATABASE picky")
    few = "parts_to_throw_insert = 1, parts_to_delay_insert = 0, max_parts_in_total = 1"
    for sql in (
        "TABLE picky.checked (a String, CONSTRAINT k CHECK a != 'bad') ENGINE = MergeTree ORDER BY a",
        "TABLE picky.computed (a String, b UInt8 MATERIALIZED throwIf(a = 'bad')) ENGINE = MergeTree ORDER BY a",
        "TABLE picky.source (a String) ENGINE = MergeTree ORDER BY a",
        "MATERIALIZED VIEW picky.carried TO picky.checked AS SELECT a FROM picky.source",
        "TABLE picky.partitioned (a String) ENGINE = MergeTree ORDER BY a PARTITION BY a",
        f"TABLE picky.full (a String) ENGINE = MergeTree ORDER BY a SETTINGS {few}",
    ):
        made.command(f"CREATE {sql}")
    made.command("SYSTEM STOP MERGES picky.full")
    made.command("INSERT INTO picky.full FORMAT CSV\nfirst")
    yield made
    made.command("DROP DATABASE picky")
    made.close()


@pytest.mark.parametrize("form", ["Arrow", "CSV"])
@pytest.mark.parametrize(
    ("table", "value", "code"),
    [
        pytest.param("checked", "bad", 469, id="constraint"),
        pytest.param("computed", "bad", 395, id="computed column"),
        pytest.param("source", "bad", 469, id="table behind a materialized view"),
        pytest.param("full", "more", 252, id="too many parts"),
    ],
)
def test_a_refused_row_is_reported(client: Client, form: str, table: str, value: str, code: int):
    """The client gets the engine's error, not silence about rows that are in no table."""

    def insert() -> None:
        if form == "Arrow":
            client.insert_arrow(f"picky.{table}", pa.table({"a": ["good", value]}))
        else:
            client.command(f"INSERT INTO picky.{table} FORMAT CSV\ngood\n{value}\n")

    with pytest.raises(DatabaseError, match=f"Code: {code}") as caught:
        insert()
    assert "/dev/fd" not in str(caught.value)


def test_many_partitions_at_once(client: Client):
    """More than the engine takes in one insert: reported too."""
    with pytest.raises(DatabaseError, match="Code: 252"):
        client.insert_arrow("picky.partitioned", pa.table({"a": [str(n) for n in range(200)]}))


def test_settings_and_parameters_of_an_insert(client: Client):
    """The clause comes before the data, parameters are in the target."""
    client.raw_query(
        "INSERT INTO {d:Identifier}.checked (a) SETTINGS max_threads = 1 FORMAT CSV\nx\n", parameters={"d": "picky"}
    )
    assert client.query("SELECT a FROM picky.checked").result_rows == [("x",)]


FILL_A_FILE = "INSERT INTO picky.wide SELECT repeat('x', 20000) FROM numbers(300)"


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="no limits of other processes here")
def test_the_engine_takes_no_notice_of_a_failed_write(client: Client, server: Any):
    """Why no insert may begin on a disk that it could fill. When this fails, the engine needs no guard any more."""
    client.command("CREATE TABLE picky.wide (a String CODEC(NONE)) ENGINE = MergeTree ORDER BY tuple()")
    before, hard = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (300_000, hard))
    try:
        client.command(FILL_A_FILE)
    finally:
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (before, hard))
    with pytest.raises(DatabaseError, match="Code: 33"):
        client.query("SELECT sum(length(a)) FROM picky.wide")


def test_no_insert_begins_on_a_disk_that_it_could_fill(client: Client):
    """As much has to be free as one request may bring, unless the request says otherwise."""
    asked = "SELECT toUInt64(value) FROM system.settings WHERE name = 'min_free_disk_bytes_to_perform_insert'"
    assert client.query(asked).result_rows == [(FREE_DISK_BYTES,)]
    assert FREE_DISK_BYTES >= MAX_BODY_BYTES
    everything = {"min_free_disk_bytes_to_perform_insert": 10**15}
    with pytest.raises(DatabaseError, match="Code: 243"):
        client.insert_arrow("picky.checked", pa.table({"a": ["good"]}), settings=everything)


@pytest.mark.parametrize(
    ("head", "cut"),
    [
        pytest.param(b"INSERT INTO t (a) ", (b"INSERT INTO t (a) ", b""), id="none"),
        pytest.param(b"INSERT INTO t SETTINGS a=1 ", (b"INSERT INTO t ", b"SETTINGS a=1 "), id="settings"),
        pytest.param(b"INSERT INTO settings ", (b"INSERT INTO settings ", b""), id="name of the table"),
        pytest.param(b"INSERT INTO d.settings settings a=1", (b"INSERT INTO d.settings ", b"settings a=1"), id="both"),
        pytest.param(b"INSERT INTO t (`settings`)", (b"INSERT INTO t (`settings`)", b""), id="quoted"),
        pytest.param(b"INSERT INTO t (a, settings)", (b"INSERT INTO t (a, settings)", b""), id="column"),
    ],
)
def test_the_settings_clause_of_an_insert(head: bytes, cut: tuple[bytes, bytes]):
    """Only the clause is one."""
    assert cut_settings(head) == cut
