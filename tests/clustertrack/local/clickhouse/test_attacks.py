"""Nothing that a request says makes the server read, write, connect or run anything outside of its data folder."""

import http.client
import re
import socket
import threading
import urllib.parse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

import pytest
from outside import Targets, statements
from runs import ALONE

pytestmark = pytest.mark.integration

CANARY = "canary-8f2e"
STATEMENTS = 700 if ALONE else 250
"""Of each seed."""
OPERATOR, READER = ("default", "operator's"), ("reader", "reader's")


class Listener:
    """A port to which nobody may connect."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.visitors = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                visitor, _ = self._socket.accept()
            except OSError:
                return
            self.visitors += 1
            visitor.close()

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()


@dataclass
class Victim:
    """A server with both logins, and what must not be touched."""

    server: Any
    targets: Targets
    listener: Listener

    def ask(
        self, sql: str, login: tuple[str, str] = OPERATOR, method: str = "POST", **parameters: str
    ) -> tuple[int, str]:
        """Send a statement; status and text of the answer."""
        connection = http.client.HTTPConnection(self.server.host, self.server.port, timeout=60)
        headers = {"X-ClickHouse-User": login[0], "X-ClickHouse-Key": login[1]}
        query = urllib.parse.urlencode({**parameters, **({"query": sql} if method == "GET" else {})})
        try:
            connection.request(method, f"/?{query}", None if method == "GET" else sql.encode(), headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")
        finally:
            connection.close()

    def check(self, said: str, sql: str) -> None:
        """Nothing of the file was shown, nothing connected to the port, the program did not run, no file was made."""
        assert CANARY not in said, sql
        assert "clustertrack.local.clickhouse" not in said, sql  # its own command line
        assert not self.listener.visitors, sql
        assert sorted(path.name for path in self.targets.folder.iterdir()) == ["canary", "program"], sql
        assert self.targets.canary.read_text() == f"{CANARY}\n", sql

    @property
    def names(self) -> list[str]:
        """Everything that the engine itself says can be called, but the functions that only compute."""
        places = ("table_functions", "table_engines", "database_engines", "dictionary_sources")
        sql = " UNION ALL ".join(f"SELECT name FROM system.{place}" for place in places)
        others = "SELECT name FROM system.functions WHERE categories NOT IN ('Arithmetic', 'Hash', 'Geo', 'Arrays')"
        status, text = self.ask(f"SELECT name FROM ({sql} UNION ALL {others}) ORDER BY name")
        assert status == 200, text
        return text.split()


@pytest.fixture(scope="module")
def victim(start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    """One server for all attacks."""
    home = tmp_path_factory.mktemp("attacks")
    folder = home / "outside"
    folder.mkdir()
    (folder / "canary").write_text(f"{CANARY}\n")
    program = folder / "program"
    program.write_text(f"#!/bin/sh\ntouch {folder}/marker\n")
    program.chmod(0o755)
    for name, (_, password) in (("operator", OPERATOR), ("reader", READER)):
        (home / name).write_text(f"{password}\n")
    environ = {
        "CLICKHOUSE_PASSWORD_FILE": str(home / "operator"),
        "CLICKHOUSE_READER_PASSWORD_FILE": str(home / "reader"),
        "KAFKA_SASL_PASSWORD": CANARY,
    }
    listener = Listener()
    with start(home / "data", environ=environ) as server:
        made = Victim(server, Targets(folder / "canary", folder, program, listener.port, "d"), listener)
        for sql in (
            "CREATE DATABASE d",
            "CREATE TABLE d.t (a String) ENGINE = MergeTree ORDER BY tuple()",
            "CREATE VIEW d.v AS SELECT a FROM d.t",
            "CREATE DATABASE whole",
            "CREATE TABLE whole.t (a String) ENGINE = MergeTree ORDER BY tuple()",
            "INSERT INTO whole.t VALUES ('x')",
            "CREATE VIEW whole.p AS SELECT a FROM whole.t WHERE a = {a:String}",
        ):
            status, said = made.ask(sql)
            assert status == 200, said
        yield made
    listener.close()


@pytest.mark.parametrize("login", [OPERATOR, READER], ids=["operator", "reader"])
@pytest.mark.parametrize("seed", range(4))
def test_no_statement_reaches_outside(victim: Victim, login: tuple[str, str], seed: int):
    """Every name that the engine has, in every place of a statement, spelled in every way."""
    for number, sql in enumerate(statements(victim.targets, victim.names, seed, STATEMENTS)):
        method = "GET" if number % 5 == 0 else "POST"
        _, said = victim.ask(sql, login, method, param_t="file", param_p="1")
        if re.match(r"CREATE.*\b(d\.)?n\b", sql) and login == OPERATOR:
            said += victim.ask("SELECT * FROM d.n")[1] + victim.ask("DROP TABLE IF EXISTS d.n SYNC")[1]
            victim.ask("DROP DATABASE IF EXISTS n")
        victim.check(said, sql)
    assert victim.ask("SELECT 1") == (200, "1\n")


@pytest.mark.parametrize("name", ["/proc/self/environ", "/proc/self/cmdline", "/etc/passwd"])
@pytest.mark.parametrize("login", [OPERATOR, READER], ids=["operator", "reader"])
def test_files_of_the_system_are_not_read(victim: Victim, login: tuple[str, str], name: str):
    """Neither as a table, nor as a function, nor as data."""
    for sql in (
        f"SELECT * FROM file('{name}', 'LineAsString')",
        f"SELECT `\\x66ile`('{name}')",
        f"SELECT * FROM `{name}`",
        f"INSERT INTO d.t FROM INFILE '{name}' FORMAT LineAsString",
        f"INSERT INTO d.t VALUES (file('{name}'))",
    ):
        status, said = victim.ask(sql, login)
        assert status >= 400, said
        assert not re.search("root:|clustertrack.local.clickhouse|CLICKHOUSE_", said), said


@pytest.mark.parametrize(
    "name",
    [
        "additional_table_filters", "additional_result_filter", "filter", "format_schema",
        "output_format_schema", "format_template_row", "readonly", "dialect", "profile",
        "input_format_values_interpret_expressions", "allow_introspection_functions", "log_queries", "compatibility",
    ],
)  # fmt: skip
@pytest.mark.parametrize("login", [OPERATOR, READER], ids=["operator", "reader"])
def test_settings_are_on_a_list(victim: Victim, login: tuple[str, str], name: str):
    """In the URL, in the SETTINGS clause and in SET: a setting that is on no list is refused."""
    value = str(victim.targets.canary)
    asked = [victim.ask(f"SELECT 1 SETTINGS {name} = '{value}'", login), victim.ask(f"SET {name} = '{value}'", login)]
    if name != "readonly":  # in the URL it can only make a request harmless
        asked.append(victim.ask("SELECT 1", login, **{name: value}))
    assert all(status >= 400 for status, _ in asked), asked


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO whole.t VALUES ('a')", "INSERT INTO whole.t SELECT 'a'",
        "CREATE TABLE whole.x (a Int8) ENGINE = Memory",
        "CREATE TEMPORARY TABLE x (a Int8)", "DROP TABLE whole.t", "TRUNCATE TABLE whole.t",
        "ALTER TABLE whole.t DELETE WHERE 1",
        "OPTIMIZE TABLE whole.t", "KILL QUERY WHERE 1", "SYSTEM STOP MERGES", "SET max_threads = 1", "USE system",
        "RENAME TABLE whole.t TO whole.u", "WITH x AS (SELECT 'a' AS a) INSERT INTO whole.t SELECT a FROM x",
        "EXPLAIN SELECT 1 PARALLEL WITH DROP TABLE whole.t", "SELECT 1; DROP TABLE whole.t",
        "DELETE FROM whole.t WHERE 1",
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_reader_changes_nothing(victim: Victim, sql: str, method: str):
    """Every statement that is not a query is refused, and the table is unchanged."""
    before = victim.ask("SELECT count() FROM whole.t")
    status, said = victim.ask(sql, READER, method)
    assert status >= 400, said
    assert victim.ask("SELECT count() FROM whole.t") == before


@pytest.mark.parametrize(
    ("sql", "parameters"),
    [
        ("SELECT query FROM system.processes", {}),
        ("SELECT query FROM `system`.`processes`", {}),
        ('SELECT query FROM "\\x73ystem"."processes"', {}),
        ("SELECT query FROM processes", {"database": "system"}),
        ("SELECT query FROM {d:Identifier}.processes", {"param_d": "system"}),
        ("SELECT query FROM {d:Identifier}", {"param_d": "system.processes"}),
        ("SELECT * FROM merge('system', 'processes')", {}),
        ("SELECT * FROM view(SELECT query FROM system.processes)", {}),
        ("SELECT 1 WHERE '' IN system.processes", {}),
        ("SHOW PROCESSLIST", {}),
        ("SHOW CREATE TABLE system.processes", {}),
        ("SELECT last_error_message FROM system.errors", {}),
        ("SELECT * FROM system.stack_trace", {}),
        ("SELECT * FROM system.server_settings", {}),
    ],
)
def test_the_reader_sees_nobody_elses_queries(victim: Victim, sql: str, parameters: dict[str, str]):
    """The system's tables that tell of other people and of the machine are not on its list."""
    status, said = victim.ask(sql, READER, **parameters)
    assert status >= 400, said


def test_the_reader_asks(victim: Victim):
    """Tables, views with parameters, and what describes them."""
    for sql in (
        "SELECT a FROM whole.t LIMIT 1",
        "SELECT a FROM whole.p(a = 'x') LIMIT 1 FORMAT CSV",
        "DESCRIBE TABLE whole.t",
        "SHOW TABLES FROM whole",
        "SELECT name, comment FROM system.tables WHERE database = 'whole'",
        "EXPLAIN SELECT a FROM whole.t",
        "SELECT a FROM whole.t LIMIT 1 SETTINGS max_block_size = 1000",
    ):
        status, said = victim.ask(sql, READER)
        assert (status, said != "") == (200, True), (sql, said)
    assert victim.ask("SELECT getSetting('readonly')", READER) == (200, "2\n")


def test_the_reader_leaves_slots_to_the_operator(victim: Victim):
    """However many queries it sends, some run, the others are refused, and the operator still gets answers."""
    endless = "SELECT max(cityHash64(number, number + 1)) FROM numbers_mt(1e12)"
    refused = threading.Event()
    running = "SELECT count() FROM system.processes WHERE query LIKE '%cityHash64%' AND query NOT LIKE '%processes%'"

    def ask() -> tuple[int, str]:
        answer = victim.ask(endless, READER)
        if answer[0] == 429:
            refused.set()
        return answer

    with ThreadPoolExecutor(34) as crowd:
        asked = [crowd.submit(ask) for _ in range(34)]
        try:
            assert refused.wait(40)
            assert victim.ask("SELECT 1") == (200, "1\n")
            assert victim.ask(running) == (200, "8\n")
        finally:
            while not all(one.done() for one in asked):
                victim.ask("KILL QUERY WHERE query LIKE '%cityHash64%' AND query NOT LIKE 'KILL%'")
                wait(asked, timeout=1)
    assert sum("TOO_MANY_SIMULTANEOUS_QUERIES" in one.result()[1] for one in asked) >= 10


@pytest.mark.parametrize("sql", ["SELECT * FROM nothing(1)", "SELECT nowhere(1)"])
def test_what_the_engine_does_not_know_is_said(victim: Victim, sql: str):
    """A view that is missing has the code by which the commands notice a ledger that is not migrated."""
    assert "Code: 46." in victim.ask(sql, READER)[1]
