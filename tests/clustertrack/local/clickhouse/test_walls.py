"""The second wall alone: what may stand in a statement, as the engine has written it."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from clustertrack.local.clickhouse.engine_errors import (
    ACCESS_DENIED,
    READONLY,
    UNKNOWN_FORMAT,
    UNKNOWN_FUNCTION,
    UNKNOWN_SETTING,
    EngineError,
)
from clustertrack.local.clickhouse.walls import Known, Rights, check_statement

KNOWN = Known(
    callable=frozenset({"count", "plus", "numbers", "decimal"}),
    aggregates=frozenset({"count"}),
    combinators=("if", "orderby", "state", "merge"),
    others=frozenset({"file", "executable", "merge", "kafka"}),
    functions=frozenset({"file"}),
    keywords=frozenset({"SELECT", "FROM", "BACKUP", "OUTFILE", "INFILE", "INTO", "SETTINGS", "PARALLEL", "WITH"}),
)
PATH = "/dev/fd/secret"


def _check(canonical: str, *, writes: bool = True) -> None:
    check_statement(canonical, Rights(writes), KNOWN, PATH, lambda name: name == "d.view")


@pytest.mark.parametrize(
    "canonical",
    [
        "SELECT count(), countIf(a), countIfState(a), countStateMerge(a) FROM numbers(1)",
        "SELECT 'file(' AS `file(`, `INTO OUTFILE` FROM t",
        "SELECT 'it\\'s SETTINGS x = 1', `a\\`file(` FROM t",
        "SELECT * FROM `d.view`(year = 2018)",
        "SELECT count(t.file), (file, 1) FROM t ORDER BY file",
        "INSERT INTO t (file, a) SELECT 'x', count({d:Identifier}.t.a) FROM {d:Identifier}.t",
        "SELECT * APPLY count, COLUMNS('a') APPLY countIf(1) FROM t",
        "CREATE TABLE t (`file` String, merge String) ENGINE = MergeTree ORDER BY (merge, file)",
        "SELECT 1 SETTINGS additional_result_filter = '', read_overflow_mode = 'throw'",
        "SELECT file FROM t SETTINGS max_threads = 1, join_use_nulls = 0",
        f"SELECT 1 INTO OUTFILE '{PATH}' TRUNCATE FORMAT CSV",
        f"INSERT INTO t FROM INFILE '{PATH}' COMPRESSION 'none' FORMAT CSV",
    ],
)
def test_what_is_known_to_be_good_passes(canonical: str):
    """Names in texts and in quotes are only names."""
    _check(canonical)


@pytest.mark.parametrize(
    ("canonical", "code"),
    [
        ("SELECT file('x')", ACCESS_DENIED),
        ("SELECT `file`('x')", ACCESS_DENIED),
        ("SELECT fileIf('x')", UNKNOWN_FUNCTION),
        ("SELECT nobody(1)", UNKNOWN_FUNCTION),
        ("SELECT count(file, ['x'])", ACCESS_DENIED),
        ("SELECT count(a, plus(1, (`File`, 2)))", ACCESS_DENIED),
        ("SELECT count((SELECT file))", ACCESS_DENIED),
        ("WITH file AS g SELECT count(g)", ACCESS_DENIED),
        ("SELECT count({f:Identifier}, ['x'])", ACCESS_DENIED),
        ("SELECT * APPLY file FROM t", ACCESS_DENIED),
        ("SELECT * APPLY nobody FROM t", ACCESS_DENIED),
        ("SELECT COLUMNS('a') APPLY (x -> count(file, x)) FROM t", ACCESS_DENIED),
        ("SELECT 1 BACKUP x", ACCESS_DENIED),
        ("SELECT 1 PARALLEL WITH SELECT 2", ACCESS_DENIED),
        ("SELECT 1 INTO OUTFILE '/tmp/x'", ACCESS_DENIED),
        (f"SELECT 1 INTO OUTFILE '{PATH}' INTO OUTFILE '/tmp/x'", ACCESS_DENIED),
        ("INSERT INTO t FROM INFILE '/tmp/x' FORMAT CSV", ACCESS_DENIED),
        ("INSERT INTO t FORMAT Values", ACCESS_DENIED),
        ("SELECT 1 FORMAT Protobuf", UNKNOWN_FORMAT),
        ("SELECT 1 SETTINGS dialect = 'x'", UNKNOWN_SETTING),
        ("SELECT 1 SETTINGS max_threads = 1, dialect = 'x'", UNKNOWN_SETTING),
        ("SELECT 1 SETTINGS additional_result_filter = 'file(1)'", UNKNOWN_SETTING),
        ("SELECT 1 SETTINGS read_overflow_mode = 'break'", UNKNOWN_SETTING),
        ("SELECT 1 SETTINGS max_threads = -1, dialect = 'x'", UNKNOWN_SETTING),
        ("CREATE TABLE t (a Int8) ENGINE = MergeTree SETTINGS disk = disk(type = local)", ACCESS_DENIED),
        ("CREATE TABLE t (a Int8) ENGINE = Kafka", ACCESS_DENIED),
        ("CREATE TABLE t (a Int8) ENGINE = `Kafka`('x')", ACCESS_DENIED),
        ("CREATE TABLE t (a Int8) ENGINE = Unheard", ACCESS_DENIED),
        ("CREATE FUNCTION f AS x -> x", ACCESS_DENIED),
        ("SYSTEM SHUTDOWN", ACCESS_DENIED),
        ("", ACCESS_DENIED),
    ],
)
def test_everything_else_is_refused(canonical: str, code: int):
    """In one sentence with ClickHouse's code."""
    with pytest.raises(EngineError) as caught:
        _check(canonical)
    assert caught.value.code == code
    assert "\n" not in caught.value.text


@pytest.mark.parametrize(
    ("canonical", "code"),
    [
        ("INSERT INTO t SELECT 1", READONLY),
        ("SET max_threads = 1", READONLY),
        ("SELECT 1 SETTINGS max_execution_time = 0", UNKNOWN_SETTING),
        ("SELECT 1 FROM system.processes", ACCESS_DENIED),
        ("SELECT 1 FROM `system`.processes", ACCESS_DENIED),
    ],
)
def test_the_reader_may_less(canonical: str, code: int):
    """It writes nothing, keeps its limits, and does not see what others ask."""
    with pytest.raises(EngineError) as caught:
        _check(canonical, writes=False)
    assert caught.value.code == code


_FIRST_WALL = """
import os, sys
from pathlib import Path
from clustertrack.local.clickhouse import allowed
from clustertrack.local.clickhouse.engine_errors import EngineError
from clustertrack.local.clickhouse.pool import Connection, Pool
from clustertrack.local.clickhouse.request import State

pool = Pool(Path(sys.argv[1]))
connection = pool.take(State("default", frozenset()))
names = [
    "file('{0}')", "url('http://127.0.0.1:1/', 'CSV', 'a String')", "remote('127.0.0.1:1', system.one)",
    "s3('http://127.0.0.1:1/bucket/key', 'CSV', 'a String')", "mysql('127.0.0.1:1', 'd', 't', 'u', 'p')",
    "sqlite('{0}', 't')", "filesystem('/')",
]
for sql in [
    *(f"SELECT * FROM {name}" for name in names),
    "CREATE TABLE f (a String) ENGINE = File(CSV)",
    "CREATE TABLE u (a String) ENGINE = URL('http://127.0.0.1:1/', CSV)",
    "CREATE TABLE k (a String) ENGINE = Kafka('127.0.0.1:1', 't', 'g', 'CSV')",
    "CREATE DICTIONARY d (k UInt64) PRIMARY KEY k SOURCE(EXECUTABLE(COMMAND 'x')) LAYOUT(FLAT()) LIFETIME(0)",
    "CREATE FUNCTION f AS x -> x", "CREATE NAMED COLLECTION n AS a = 1", "CREATE USER n",
    "CREATE DATABASE n ENGINE = Filesystem('/')",
    "BACKUP DATABASE default TO File('/tmp/b')", "SYSTEM SHUTDOWN", "SYSTEM FLUSH LOGS",
    "GRANT ALL ON *.* TO default",
]:
    try:
        connection.query(sql.format(sys.argv[2]).encode(), "TSV", {})
    except EngineError as fault:
        assert fault.code == 497, (sql, fault.text)
    else:
        raise SystemExit(sql)
ask = "SELECT name FROM system.table_functions UNION ALL SELECT name FROM system.dictionary_sources"
body, _ = connection.query(ask.encode(), "TSV", {})
outside = {name.lower() for name in body.decode().split()} - {name.lower() for name in allowed.TABLE_FUNCTIONS}
assert not outside & pool.known.callable, outside & pool.known.callable
assert len(pool.known.callable) > 1000
print("held", flush=True)
os._exit(0)
"""


@pytest.mark.integration
def test_the_engine_limits_itself(tmp_path: Path):
    """Without the second wall its own grants refuse what reads files, talks to others, or gives more rights."""
    (tmp_path / "canary").write_text("x\n")
    command = [sys.executable, "-c", _FIRST_WALL, str(tmp_path / "data"), str(tmp_path / "canary")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout, done.returncode) == ("held\n", 0), done.stderr


_THIRD_WALL = """
import os, socket, subprocess, sys, tempfile
from pathlib import Path
from clustertrack.local.clickhouse.kernel_wall import confine

data, canary, port = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
data.mkdir()
if not confine(data):
    print("no Landlock", flush=True)
    os._exit(0)
os.environ["TMPDIR"] = str(data)
from clustertrack.local.clickhouse.engine_errors import EngineError
from clustertrack.local.clickhouse.pool import Pool
from clustertrack.local.clickhouse.request import State

pool = Pool(data / "ch")
connection = pool.take(State("default", frozenset()))
for sql in (
    f"SELECT file('{canary}')",
    f"INSERT INTO FUNCTION null('a String') FROM INFILE '{canary}' FORMAT LineAsString",
    f"SELECT 1 INTO OUTFILE '{canary}' TRUNCATE FORMAT CSV",
    f"SELECT 1 INTO OUTFILE '{canary}.new' FORMAT CSV",
):
    try:
        said = connection.query(sql.encode(), "TSV", {})[0]
    except EngineError:
        continue
    raise SystemExit(f"{sql}: {said!r}")
for act in (
    lambda: socket.create_connection(("127.0.0.1", port)),
    lambda: subprocess.run(["/bin/sh", "-c", "true"]),
    lambda: Path(f"/proc/{os.getppid()}/environ").read_bytes(),
):
    try:
        act()
    except PermissionError:
        continue
    raise SystemExit("not refused")
print("held", flush=True)
os._exit(0)
"""


@pytest.mark.integration
def test_the_kernel_refuses_the_rest(tmp_path: Path):
    """Without the other walls no file outside is opened, nothing connected to, no program started."""
    (tmp_path / "canary").write_text("x\n")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        arguments = [str(tmp_path / "data"), str(tmp_path / "canary"), str(listener.getsockname()[1])]
        command = [sys.executable, "-c", _THIRD_WALL, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.stdout == "no Landlock\n":
        pytest.skip("this kernel has no Landlock")
    assert (done.stdout, done.returncode) == ("held\n", 0), done.stderr
    assert (tmp_path / "canary").read_text() == "x\n"
