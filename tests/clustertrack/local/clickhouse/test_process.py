"""The process: what keeps it from starting, how it stops, and what it keeps."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from clickhouse_connect.driver.exceptions import Error

pytestmark = pytest.mark.integration


def _refusal(process) -> str:
    out, err = process.communicate(timeout=30)
    assert process.returncode == 2
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    return err


def test_a_taken_port_is_said(launched, server, tmp_path: Path):
    """A port that is in use ends in one sentence."""
    assert f"port {server.port} on 127.0.0.1 is taken" in _refusal(launched(tmp_path, "--port", str(server.port)))


def test_a_taken_metrics_port_is_said(launched, server, tmp_path: Path):
    """So does the port of the metrics."""
    process = launched(tmp_path, "--port", "0", "--metrics-port", str(server.port))
    assert f"port {server.port} on 127.0.0.1 is taken" in _refusal(process)


def test_an_open_folder_is_said(launched, start, tmp_path: Path):
    """A folder that another server holds ends in one sentence, and that server goes on."""
    with start(tmp_path / "data") as other:
        assert "in use by another process" in _refusal(launched(tmp_path / "data", "--port", "0"))
        with other.connect() as client:
            assert client.command("SELECT 1") == 1


def test_a_folder_of_another_engine_is_said(launched, tmp_path: Path):
    """Data of another release are left alone."""
    (tmp_path / "clustertrack-engine.json").write_text('{"engine": "25.3"}')
    assert "was made by ClickHouse engine 25.3" in _refusal(launched(tmp_path, "--port", "0"))


def test_a_path_that_cannot_be_written_is_said(launched, tmp_path: Path):
    """A file where the folder should be ends in one sentence."""
    (tmp_path / "file").touch()
    assert "cannot write to the data folder" in _refusal(launched(tmp_path / "file", "--port", "0"))


def test_damaged_data_are_said(launched, start, tmp_path: Path):
    """What the engine cannot open ends in one sentence with its reason."""
    with start(tmp_path / "data") as server, server.connect() as client:
        client.command("CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a")
    (definition,) = (tmp_path / "data" / "store").glob("*/*/t.sql")
    definition.write_text("no SQL")
    assert "cannot open the data folder" in _refusal(launched(tmp_path / "data", "--port", "0"))


def test_the_network_needs_a_password(launched, tmp_path: Path):
    """Another address than the loopback is refused without a password."""
    assert "without a password" in _refusal(launched(tmp_path, "--port", "0", "--host", "0.0.0.0"))  # noqa: S104  (refused)


def test_a_missing_password_file_is_said(launched, tmp_path: Path):
    """A secret that cannot be read does not mean no secret."""
    process = launched(tmp_path, "--port", "0", environ={"CLICKHOUSE_PASSWORD_FILE": str(tmp_path / "nothing")})
    assert "cannot read CLICKHOUSE_PASSWORD_FILE" in _refusal(process)


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        pytest.param({}, "has no password", id="none"),
        pytest.param({"CLICKHOUSE_PASSWORD": "s:cret"}, "has no password", id="in the environment"),
        pytest.param({"CLICKHOUSE_PASSWORD_FILE": "/dev/null"}, "a pipe or a device", id="device"),
        pytest.param({"CLICKHOUSE_USER": "reader", "CLICKHOUSE_PASSWORD_FILE": "/dev/null"}, "only reads", id="reader"),
    ],
)
def test_it_wants_a_password(launched, tmp_path: Path, environ: dict[str, str], said: str):
    """Without a password in a file it does not start."""
    assert said in _refusal(launched(tmp_path, "--port", "0", environ=environ))


def test_with_a_password_it_listens_elsewhere(start, tmp_path: Path):
    """Behind a password it answers under any name."""
    arguments = ("--host", "0.0.0.0")  # noqa: S104  (behind a password)
    (tmp_path / "secret").write_text("s:cret\n")
    with start(tmp_path / "data", *arguments, environ={"CLICKHOUSE_PASSWORD_FILE": str(tmp_path / "secret")}) as server:
        request = urllib.request.Request(  # the test's own
            f"http://127.0.0.1:{server.port}/?query=SELECT%201",
            headers={"Host": "ledger.example", "X-ClickHouse-Key": "s:cret"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  (the same)
            assert answer.read() == b"1\n"


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="no /proc here")
def test_the_process_holds_no_secret_of_the_shell(start, tmp_path: Path):
    """What the shell knows is neither in its environment nor among its arguments."""
    (tmp_path / "secret").write_text("s:cret\n")
    environ = {"CLICKHOUSE_PASSWORD_FILE": str(tmp_path / "secret"), "KAFKA_SASL_PASSWORD": "hidden", "ANY": "hidden"}
    with start(tmp_path / "data", environ=environ) as server:
        for name in ("environ", "cmdline"):
            said = Path(f"/proc/{server.process.pid}/{name}").read_bytes()
            assert b"hidden" not in said
            assert b"s:cret" not in said


def test_metrics_refuse_another_host(start, tmp_path: Path):
    """A web page whose name was made to point here gets nothing."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with start(tmp_path, "--metrics-port", str(port)):
        request = urllib.request.Request(f"http://127.0.0.1:{port}/metrics", headers={"Host": "evil.example"})
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(request, timeout=10)  # noqa: S310  (the test's own)


def test_metrics_and_health(start, tmp_path: Path):
    """The second port counts queries and rows, and says that the engine answers."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with start(tmp_path, "--metrics-port", str(port)) as server, server.connect() as client:
        client.command("CREATE TABLE t (a UInt8) ENGINE = Memory")
        client.insert("t", [[1], [2]], column_names=["a"])
        with pytest.raises(Error):
            client.command("SELECT * FROM nowhere")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=10) as answer:
            assert (answer.status, answer.read()) == (200, b"ok\n")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        assert "clickhouse_embedded_inserted_rows_total 2.0" in text
        assert 'clickhouse_embedded_queries_total{outcome="error"} 1.0' in text
        assert 'clickhouse_embedded_query_seconds_count{kind="data"} 1.0' in text
        assert "clickhouse_embedded_connections_in_use 0.0" in text
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["term", "int"])
def test_it_stops_when_told_and_keeps_its_data(start, tmp_path: Path, number: int):
    """A signal ends it at once with exit code 0 and nothing on stderr; the data are there at the next start."""
    with start(tmp_path) as server:
        with server.connect() as client:
            client.command("CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a")
            client.command("CREATE DATABASE impact")
            client.insert("t", [[1]], column_names=["a"])
        started = time.monotonic()
        assert server.stop(number) == (0, "")
        assert time.monotonic() - started < 5
    with start(tmp_path) as server, server.connect() as client:
        assert client.command("SELECT sum(a) FROM t") == 1
        assert client.command("EXISTS DATABASE impact") == 1


def test_an_unused_folder_opens_again(start, tmp_path: Path):
    """A folder without any table opens again, also when its making was cut short."""
    for _ in range(2):
        with start(tmp_path):
            pass
    (tmp_path / "metadata" / "default").unlink()
    with start(tmp_path) as server, server.connect() as client:
        assert client.command("SHOW TABLES FROM default") == ""


def test_a_running_query_may_end(start, tmp_path: Path, wait_until: Callable[..., None]):
    """Told to stop, it lets a query of some seconds end."""
    with start(tmp_path) as server:
        connection = http.client.HTTPConnection(server.host, server.port, timeout=30)
        connection.request("POST", "/", "SELECT sleep(2)")
        with server.connect() as client:
            count = "SELECT count() FROM system.processes WHERE query LIKE 'SELECT sleep%'"
            wait_until(lambda: client.command(count) == 1, what="the query to run")
        os.kill(server.process.pid, signal.SIGTERM)
        assert connection.getresponse().read() == b"0\n"
        connection.close()
        assert server.stop()[0] == 0


def test_an_endless_query_is_ended(start, tmp_path: Path, wait_until: Callable[..., None]):
    """Told to stop, it waits ten seconds for an endless query and ends it then."""
    with (
        start(tmp_path) as server,
        contextlib.closing(http.client.HTTPConnection(server.host, server.port, timeout=30)) as connection,
    ):
        connection.request("POST", "/", "SELECT count() FROM numbers(10000000000000) WHERE sipHash64(number) = 1")
        with server.connect() as client:
            count = "SELECT count() FROM system.processes WHERE query LIKE 'SELECT count() FROM numbers%'"
            wait_until(lambda: client.command(count) == 1, what="the query to run")
        started = time.monotonic()
        code, said = server.stop()
        assert code == 0, said
        assert time.monotonic() - started < 20


@pytest.mark.parametrize("attempt", range(3))
def test_no_acknowledged_batch_is_lost(start, tmp_path: Path, attempt: int, wait_until: Callable[..., None]):
    """Killed with SIGKILL while four clients insert, every batch that was acknowledged is there, once and whole."""
    acknowledged: list[tuple[int, int]] = []

    def insert(worker: int) -> None:
        with server.connect() as client:
            for batch in range(100_000):
                rows = [[worker, batch, i] for i in range(500)]
                try:
                    client.insert("t", rows, column_names=["worker", "batch", "i"])
                except Error:
                    return
                acknowledged.append((worker, batch))

    with start(tmp_path) as server:
        with server.connect() as client:
            client.command(
                "CREATE TABLE t (worker UInt8, batch UInt32, i UInt32) ENGINE = MergeTree ORDER BY (batch, i)"
            )
        threads = [threading.Thread(target=insert, args=(worker,)) for worker in range(4)]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(acknowledged) > 40 + 30 * attempt, 60, what="some batches")
        server.stop(signal.SIGKILL)
        for thread in threads:
            thread.join(30)
    with start(tmp_path) as server, server.connect() as client:
        found = client.query("SELECT worker, batch, count(), uniqExact(i) FROM t GROUP BY worker, batch").result_rows
    whole = {(worker, batch) for worker, batch, count, distinct in found if (count, distinct) == (500, 500)}
    assert set(acknowledged) <= whole
    assert len(whole) == len(found)


_WITHOUT_KERNEL_WALL = """
import runpy, sys
from clustertrack.local.clickhouse import kernel_wall
kernel_wall.confine = lambda path: False
runpy.run_module("clustertrack.local.clickhouse", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize("module", [("-m", "clustertrack.local.clickhouse"), ("-c", _WITHOUT_KERNEL_WALL)])
def test_files_of_the_working_folder_are_not_read(tmp_path: Path, module: tuple[str, str]):
    """It starts where somebody else's configuration is, and does not obey it, with Landlock and without."""
    folder = tmp_path / "somewhere"
    folder.mkdir()
    (folder / "config.xml").write_text(f"<clickhouse><logger><log>{folder}/log</log></logger></clickhouse>")
    (folder / ".clickhouse-local").mkdir()
    for name in ("users.xml", "clickhouse-local.xml", ".clickhouse-local/config.xml"):
        (folder / name).write_text((folder / "config.xml").read_text())
    held = list(folder.iterdir())
    command = [sys.executable, "-P", *module, "--path", "data", "--port", "0", "--without-password"]
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    process = subprocess.Popen(command, cwd=folder, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert process.stdout is not None
        said = process.stdout.readline().decode()
        assert "http://" in said, process.communicate(timeout=10)
        with urllib.request.urlopen(said.split()[-1] + "/?query=SELECT+1", timeout=10) as answer:  # noqa: S310  (our own address)
            assert answer.read() == b"1\n"
    finally:
        process.terminate()
        process.communicate(timeout=20)
    assert sorted(folder.iterdir()) == sorted([*held, folder / "data"])


def test_modules_of_the_working_folder_are_not_imported(tmp_path: Path):
    """The command of docs/operators.md runs nothing that somebody has put there."""
    for name in ("click", "json", "uvicorn", "clustertrack", "schemas"):
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit('planted {name}')\n")
    page = Path(__file__).parents[4] / "docs" / "operators.md"
    assert "python -P -m clustertrack.local.clickhouse" in page.read_text()
    command = [sys.executable, "-P", "-m", "clustertrack.local.clickhouse", "--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, "python -P -m clustertrack.local.clickhouse" in done.stdout) == (0, True), done.stderr
