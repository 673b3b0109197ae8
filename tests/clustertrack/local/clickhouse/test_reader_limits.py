"""The login that only reads takes no thread, slot or memory that inserts need with anything that it sends."""

import base64
import contextlib
import http.client
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.integration

_LONG = b"SELECT " + b"1," * 30_000_000 + b"1"
_INSERT = b"INSERT INTO t FORMAT TSV\n" + b"1\n" * 60_000
_SMALL = "SETTINGS max_block_size = 10"


def _login(user: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{user}'s".encode()).decode()}


class Both:
    """A server with both logins and a table."""

    def __init__(self, server: Any) -> None:
        self.server = server

    def ask(self, user: str, sql: bytes, path: str = "/", seconds: float = 60) -> tuple[int, str]:
        """Send a statement; status and text of the answer. A server that stops reading and answers is heard."""
        with contextlib.closing(http.client.HTTPConnection(self.server.host, self.server.port, timeout=seconds)) as one:
            with contextlib.suppress(ConnectionError):
                one.request("POST", path, sql, _login(user))
            answer = one.getresponse()
            return answer.status, answer.read().decode(errors="replace")

    def connect(self, text: str) -> socket.socket:
        """A connection on which so much was sent."""
        made = socket.create_connection((self.server.host, self.server.port), timeout=30)
        made.sendall(text.encode())
        return made


@pytest.fixture(scope="module")
def both(start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """One server for all of these tests."""
    home = tmp_path_factory.mktemp("both")
    for user in ("default", "reader"):
        (home / user).write_text(f"{user}'s\n")
    environ = {
        "CLICKHOUSE_PASSWORD_FILE": str(home / "default"),
        "CLICKHOUSE_READER_PASSWORD_FILE": str(home / "reader"),
    }
    with start(home / "data", environ=environ) as server:
        made = Both(server)
        assert made.ask("default", b"CREATE TABLE t (a UInt8) ENGINE = Null")[0] == 200
        yield made


@pytest.mark.parametrize("user", ["default", "reader"])
def test_a_statement_has_a_limit(both: Both, user: str):
    """ClickHouse's own, 256 KiB, for either login and before it is read."""
    status, said = both.ask(user, b"SELECT " + b"1," * (1 << 17) + b"1")
    assert (status, "262144" in said) == (413, True), said
    assert both.ask(user, b"SELECT 1 /*" + b"x" * 200_000 + b"*/") == (200, "1\n")


def test_long_statements_of_the_reader_do_not_delay_inserts(both: Both):
    """Sixteen of 60 MB at once: each is refused, and an insert is answered meanwhile."""
    with ThreadPoolExecutor(16) as crowd:
        asked = [crowd.submit(both.ask, "reader", _LONG, "/", 300) for _ in range(16)]
        started = time.monotonic()
        for _ in range(5):
            assert both.ask("default", _INSERT, seconds=20)[0] == 200
        took = time.monotonic() - started
        assert {one.result()[0] for one in asked} <= {413, 429}
    assert took < 10


def test_slow_statements_of_the_reader_do_not_delay_inserts(both: Both):
    """A hundred that never end hold a part of the reader's own slots: inserts are answered, and bytes are bounded."""
    before = both.server.memory()
    head = f"POST / HTTP/1.1\r\nHost: localhost\r\nAuthorization: {_login('reader')['Authorization']}\r\n"
    slow = [both.connect(f"{head}Content-Length: 250000\r\n\r\n{'x' * 200_000}") for _ in range(100)]
    try:
        assert both.ask("default", _INSERT, seconds=20)[0] == 200
        assert both.ask("reader", b"SELECT 1")[0] == 429
        assert both.server.memory() - before < 100 << 20
    finally:
        for one in slow:
            one.close()
    assert both.ask("reader", b"SELECT 1") == (200, "1\n")


def test_the_body_of_the_reader_has_a_limit(both: Both):
    """What follows after that is not kept, as any type of content."""
    for kind in ("text/plain", "multipart/form-data; boundary=b"):
        with contextlib.closing(http.client.HTTPConnection(both.server.host, both.server.port, timeout=30)) as one:
            with contextlib.suppress(ConnectionError):
                one.request("POST", "/?query=SELECT+1", b"x" * 20_000_000, _login("reader") | {"Content-Type": kind})
            assert one.getresponse().status == 413


@pytest.mark.parametrize("text", ["GET /?query=", "GET / HTTP/1.1\r\nX: ", "GET / HTTP/1.1\r\n"], ids=ascii)
def test_the_head_of_a_request_has_a_limit(both: Both, text: str):
    """A line or headers that never end are cut off, with no login either."""
    endless = both.connect(text)
    with endless, pytest.raises(ConnectionError):  # noqa: PT012  (any of the many)
        for number in range(1000):
            endless.sendall(f"X{number}: {'x' * 10_000}\r\n".encode() if text.endswith("\r\n") else b"x" * 10_000)


@pytest.mark.parametrize("end", ["", ";", ";-- x", " -- x", "; /* x */ ;\n# x", "\n;\n;#!x\n"], ids=ascii)
def test_an_answer_is_streamed_however_its_statement_ends(both: Both, end: str):
    """A comment or a semicolon after the statement does not make the server keep the whole answer."""
    before = both.server.memory("VmHWM")
    status, said = both.ask("reader", f"SELECT repeat('x', 1000000) FROM numbers(800) {_SMALL}{end}".encode())
    assert (status, len(said)) == (200, 800_000_800)
    assert both.server.memory("VmHWM") - before < 500 << 20


def test_what_is_not_streamed_is_bounded(both: Both):
    """An answer that the engine gives in one piece has at most 16 MB."""
    nested = "[" * 300 + "a," * 44_000 + "a" + "]" * 300
    status, said = both.ask("reader", f"EXPLAIN AST SELECT {nested}".encode())
    assert (status, "Code: 396." in said) == (500, True), said[:1000]


@pytest.mark.parametrize(
    "setting",
    ["max_result_bytes = 0", "max_result_rows = 0", "result_overflow_mode = 'break'", "`max_result_bytes` = 0"],
)
@pytest.mark.parametrize("sql", ["EXPLAIN AST SELECT 1", "EXPLAIN SELECT 1", "DESCRIBE TABLE (SELECT 1)"])
def test_that_bound_is_not_the_readers_to_choose(both: Both, sql: str, setting: str):
    """Neither in the statement nor in the URL; a SELECT, which is streamed, may have it."""
    status, said = both.ask("reader", f"{sql} SETTINGS {setting}".encode())
    assert status >= 400, said
    assert both.ask("reader", f"SELECT 1 SETTINGS {setting}".encode()) == (200, "1\n")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1 FORMAT CSV CSV", "SELECT 1,", "SELECT (1", "SELECT 'x", "SELECT 1 /* x", "SELECT $$x", "SELECT `x",
        "SELECT 1 INTO OUTFILE 'x'", "SELECT 1 FROM t SETTINGS", "SELECT nothing", "SELECT 1 SETTINGS limit = 'x'",
        "INSERT INTO t SETTINGS x", "INSERT INTO FORMAT CSV\n1", "INSERT INTO t (nothing) VALUES (1)",
        "INSERT INTO t FROM INFILE 'x' FORMAT CSV\n1", "SELECT throwIf(1)", "SELECT 1 FORMAT Nothing",
        "SELECT 1 FORMAT Arrow SETTINGS x", "SELECT 1 WHERE", "(SELECT 1", "SELECT 1 UNION",
    ],
)  # fmt: skip
@pytest.mark.parametrize("user", ["default", "reader"])
def test_a_message_is_about_the_clients_own_text(both: Both, user: str, sql: str):
    """No file of ours is named in it, nor a word that the server has added."""
    status, said = both.ask(user, sql.encode())
    assert status >= 400
    assert "/dev/fd" not in said
    assert "TRUNCATE" not in said
    assert ("OUTFILE" in said) <= ("OUTFILE" in sql)
    assert ("COMPRESSION" in said) is False


_OWN_FILE = """
import os, sys
from pathlib import Path
from clustertrack.local.clickhouse.engine_errors import EngineError
from clustertrack.local.clickhouse.metrics import Metrics
from clustertrack.local.clickhouse.pool import FILE, Pool
from clustertrack.local.clickhouse.request import read_request
from clustertrack.local.clickhouse.runner import Runner
from clustertrack.local.clickhouse.walls import Rights
import asyncio

async def main():
    runner = Runner(Pool(Path(sys.argv[1])), Metrics())
    async def gone(): await asyncio.Event().wait()
    for writes in (True, False):
        for sql in (
            "SELECT 1 INTO OUTFILE '{0}' TRUNCATE FORMAT CSV",
            "SELECT 1 INTO OUTFILE '{0}' TRUNCATE FORMAT CSV;-- x",
            "EXPLAIN SELECT 1 INTO OUTFILE '{0}' TRUNCATE FORMAT CSV",
            "SHOW TABLES INTO OUTFILE '{0}'",
            "EXPLAIN AST SELECT 1 INTO OUTFILE '{0}'",
            "INSERT INTO t FROM INFILE '{0}' FORMAT CSV",
            "INSERT INTO t FROM INFILE '{0}' COMPRESSION 'none'",
        ):
            read = read_request(
                method="POST", query=[], form=[], headers={}, body=sql.format(FILE.decode()).encode(),
                rights=Rights(writes),
            )
            try:
                async with runner.lane(writes).slot() as slot:
                    print("passed", await runner.run(read, slot, gone))
            except EngineError as fault:
                assert fault.code in (497, 164), fault.text
        read = read_request(
            method="POST", query=[], form=[], headers={}, body=f"SELECT '{FILE.decode()}'".encode(),
            rights=Rights(writes),
        )
        async with runner.lane(writes).slot() as slot:
            assert (await runner.run(read, slot, gone)).body == FILE + b"\\n"
asyncio.run(main())
print("held", flush=True)
os._exit(0)
"""


def test_the_placeholder_helps_nobody(tmp_path: Path):
    """A client that knew it could neither name a file by it nor have it rewritten in a text."""
    command = [sys.executable, "-c", _OWN_FILE, str(tmp_path / "data")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.returncode) == ("held\n", 0), done.stderr
