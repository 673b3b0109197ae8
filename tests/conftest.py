"""Fixtures that several folders of tests share: the real Kafka and the real ClickHouse engine, once per session."""

import http.client
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from free_ports import free_ports
from quick_kafka import ready_to_start
from runs import NODES, SCALE, SEED

from clustertrack.local import kafka as local_kafka
from clustertrack.local.child import Child, Command
from clustertrack.local.ports import HOST
from clustertrack.local.probes import ready_at
from sinks.clickhouse import ClickHouse, connect
from sinks.migrator import migrate

START_SECONDS = 60
STOP_SECONDS = 10


@dataclass(frozen=True)
class Kafka:
    """The session's broker."""

    bootstrap: str


@dataclass(frozen=True)
class ClickHouseServer:
    """The session's embedded ClickHouse."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """Base of its HTTP interface, without a slash at the end."""
        return f"http://{self.host}:{self.port}"

    def execute(self, sql: str) -> str:
        """Run one statement and return the answer as text."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=30)
        try:
            connection.request("POST", "/", sql.encode())
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        assert answer.status == 200, text
        return text


def pytest_report_header() -> str:
    """What is needed to repeat the scenarios of tests/chaos. Here, since pytest asks before it reads their folder."""
    return f"chaos: seed {SEED}, scale {SCALE:g}, {NODES} broker(s)"


def _wait_until(condition: Callable[[], bool], seconds: float = 10, what: str = "the condition") -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {seconds} s in vain for {what}")
        time.sleep(0.02)


@pytest.fixture(scope="session")
def wait_until() -> Callable[..., None]:
    """`wait_until(condition, seconds=10, what="...")` polls until the condition holds and fails at the deadline."""
    return _wait_until


def _started(child: Child, ready: Callable[[], bool]) -> None:
    """Wait until the child serves; fail with the end of its log if it ends instead."""

    def ready_or_dead() -> bool:
        if child.exit_code() is not None:
            pytest.fail(f"{child.name} ended with {child.exit_code()}: {child.last_words()}")
        return ready()

    _wait_until(ready_or_dead, START_SECONDS, f"{child.name} to be ready")


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """One real Kafka node for the whole session; tests use topic and group names of their own."""
    folder = tmp_path_factory.mktemp("kafka")
    port, controller = free_ports(2)
    node = local_kafka.KafkaNode(folder / "kafka", port, controller, short_lived=True)
    child = Child(ready_to_start(node, folder), folder)
    try:
        _started(child, lambda: local_kafka.is_ready(node.bootstrap))
        yield Kafka(node.bootstrap)
    finally:
        child.stop(STOP_SECONDS)


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseServer]:
    """One real ClickHouse engine for the whole session; tests take a `database` of their own."""
    folder = tmp_path_factory.mktemp("clickhouse")
    (port,) = free_ports(1)
    child = Child(_clickhouse_command(folder / "data", port), folder)
    serves = ready_at(port, "/ping")
    try:
        _started(child, lambda: serves() is None)
        yield ClickHouseServer(HOST, port)
    finally:
        child.stop(STOP_SECONDS)


def _clickhouse_command(path: Path, port: int) -> Command:
    arguments: list[str | Path] = [
        sys.executable,
        "-m",
        "clustertrack.local.clickhouse",
        "--without-password",
        "--any-setting",
        "--path",
        path,
        "--port",
        str(port),
    ]
    # Settings of the shell for a real server must not ask for a password here.
    return Command(
        "clickhouse", arguments, dict.fromkeys(("CLICKHOUSE_USER", "CLICKHOUSE_PASSWORD", "CLICKHOUSE_PASSWORD_FILE"))
    )


@dataclass
class Emptied:
    """A migrated database without rows, for the next test with a `ledger`: to empty tables is ten times as quick as to
    make them.
    """

    schema: str
    """What its tables and views look like, as a hash."""
    name: str | None
    """None while a test has it."""


@pytest.fixture(scope="session")
def emptied(clickhouse: ClickHouseServer) -> Emptied:
    """The session's; a test that changes more than rows costs it."""
    name = _new_database(clickhouse)
    with closing(connect(ClickHouse(host=clickhouse.host, port=clickhouse.port, database=name))) as client:
        migrate(client, name)
    return Emptied(_schema(clickhouse, name), name)


@pytest.fixture
def database(request: pytest.FixtureRequest, clickhouse: ClickHouseServer) -> Iterator[str]:
    """The name of an empty database of the test's own; of a migrated one for tests with a `ledger`."""
    if "ledger" not in request.fixturenames:
        name = _new_database(clickhouse)
        yield name
        clickhouse.execute(f"DROP DATABASE IF EXISTS {name}")
        return
    kept: Emptied = request.getfixturevalue("emptied")
    name, kept.name = kept.name or _new_database(clickhouse), None
    yield name
    if _schema(clickhouse, name) == kept.schema:
        _empty(clickhouse, name)
        kept.name = name
    else:
        clickhouse.execute(f"DROP DATABASE IF EXISTS {name}")


def _new_database(clickhouse: ClickHouseServer) -> str:
    name = f"test_{uuid.uuid4().hex[:12]}"
    clickhouse.execute(f"CREATE DATABASE {name}")
    return name


def _schema(clickhouse: ClickHouseServer, database: str) -> str:
    """A hash of all tables and views, and of what is recorded about them."""
    made = f"SELECT arraySort(groupArray(create_table_query)) FROM system.tables WHERE database = '{database}'"
    recorded = f"SELECT arraySort(groupArray(sha256)) FROM {database}.schema_migration"
    text = f"replaceAll(concat(toString(({made})), toString(({recorded}))), '{database}', '')"
    return clickhouse.execute(f"SELECT hex(SHA256({text}))")


def _empty(clickhouse: ClickHouseServer, database: str) -> None:
    """Take all rows out, but for what says that the schema is there."""
    tables = clickhouse.execute(
        f"SELECT name FROM system.tables WHERE database = '{database}' AND engine LIKE '%MergeTree' "
        "AND name != 'schema_migration' FORMAT TSVRaw"
    )
    for table in tables.split():
        clickhouse.execute(f"TRUNCATE TABLE {database}.{table}")
