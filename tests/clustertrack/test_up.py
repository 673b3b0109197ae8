"""`clustertrack up` as a user runs it: a process of its own, with the real Kafka, ClickHouse and workers."""

import http.client
import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient

from brokers.topics import EVENTS
from clustertrack.local.folder import STAMP
from clustertrack.local.ports import HOST, taken_ports
from clustertrack.local.probes import get
from clustertrack.local.secrets import secret_files
from clustertrack.local.stack import Ports
from schemas.errors import UsageFault

ENDS_WITHIN = 60
STARTS_WITHIN = 150
OURS = ("KAFKA_", "CLICKHOUSE_", "CLUSTERTRACK_", "METRICS_")


class Up:
    """A running `clustertrack up` and what it has printed."""

    def __init__(self, folder: Path, base: int, workers: int) -> None:
        self.folder = folder
        self.ports = Ports.from_base(base)
        self.workers = workers
        arguments = ("--data", folder, "--port-base", base, "--workers", workers)
        self.process = _start(*arguments, stdout=subprocess.PIPE, stderr=None)
        self.lines: list[str] = []

    def wait_until_ready(self) -> None:
        """Read standard output up to the line that is only `ready`."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if line == "ready\n":
                return
        pytest.fail(f"ended with {self.process.wait()} after {self.lines}")

    def end(self, number: signal.Signals) -> int:
        """Send the signal; returns the exit code."""
        self.process.send_signal(number)
        return self.process.wait(ENDS_WITHIN)

    def listening(self) -> list[int]:
        """Those of its ports that something still listens on."""
        return taken_ports(self.ports.used(self.workers))


def _start(*arguments: object, **options: Any) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return subprocess.Popen(
        [sys.executable, "-m", "clustertrack", "up", *map(str, arguments)], text=True, env=environment, **options
    )


def _refused(*arguments: object) -> str:
    """Standard error of an `up` that must refuse to start with exit code 2."""
    with _start(*arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        output, errors = process.communicate(timeout=ENDS_WITHIN)
    assert (process.returncode, output) == (2, "")
    assert errors.count("\n") == 1
    return errors


@pytest.fixture
def base() -> int:
    """The first of twenty neighbouring free ports."""
    candidates = range(20_000 + os.getpid() % 500 * 20, 32_000, 20)
    return next(base for base in candidates if not taken_ports(range(base, base + 20)))


@pytest.fixture
def up(tmp_path, base) -> Iterator[Callable[..., Up]]:
    """Start `clustertrack up` on the test's folder and ports; what still runs afterwards is killed."""
    started: list[Up] = []

    def start(workers: int = 0, port_base: int = base) -> Up:
        started.append(Up(tmp_path / "Årets data", port_base, workers))
        started[-1].wait_until_ready()
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.wait(ENDS_WITHIN)
        each.process.stdout.close()


def test_ports_follow_the_base():
    """The ports of --port-base are documented; scripts and people count on them."""
    ports = Ports.from_base(19000)

    assert (ports.kafka, ports.clickhouse, ports.collector, ports.dashboard) == (19000, 19001, 19002, 19003)
    assert (ports.controller, ports.metrics, ports.clickhouse_metrics) == (19004, 19005, 19006)
    assert [ports.worker_metrics(worker) for worker in (0, 1)] == [19009, 19010]


def test_default_ports():
    """Without options the stack is where every Kafka and ClickHouse client looks first."""
    assert Ports().used(1) == [9092, 8123, 9093, 9100, 9101, 8080, 9102, 9104]


def test_a_taken_port_is_a_sentence(tmp_path, base):
    """A port that somebody else holds is named, and nothing is started or written."""
    with socket.create_server((HOST, base + 1)):
        errors = _refused("--data", tmp_path / "data", "--port-base", base)

    assert f"port {base + 1} on 127.0.0.1 is taken" in errors
    assert not (tmp_path / "data").exists()


def test_more_workers_than_partitions_is_a_sentence(tmp_path, base):
    """A worker without a partition would only wait: said before anything starts."""
    assert "5 workers cannot share 4 partitions" in _refused("--data", tmp_path, "--port-base", base, "--workers", 5)


def test_data_of_another_version_is_a_sentence(tmp_path, base):
    """Old data is refused before Kafka or ClickHouse touch it."""
    (tmp_path / STAMP).write_text('{"layout": "0"}')

    assert "was written by another version" in _refused("--data", tmp_path, "--port-base", base)


def test_a_folder_that_is_not_ours_is_a_sentence(tmp_path, base):
    """A link in the place of the folder is refused before anything is written behind it."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "data").symlink_to("elsewhere")

    assert "is a symbolic link: choose another folder with --data" in _refused(
        "--data", tmp_path / "data", "--port-base", base
    )
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_an_environment_that_points_elsewhere_is_a_sentence(tmp_path, monkeypatch):
    """With KAFKA_BOOTSTRAP_SERVERS of a real cluster, `up` does not pretend to be it."""
    monkeypatch.setattr(sys.modules[__name__], "OURS", ())
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "kafka.example:9092")

    assert "KAFKA_BOOTSTRAP_SERVERS names kafka.example" in _refused("--data", tmp_path)


@pytest.mark.integration
def test_ctrl_c_before_it_is_ready(tmp_path, base):
    """Exit code 130, and the sentence that all commands have."""
    with _start("--data", tmp_path / "data", "--port-base", base, stderr=subprocess.PIPE) as process:
        assert any("Starting Kafka" in line for line in process.stderr)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=ENDS_WITHIN)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == (
        "stopped: nothing of the stack runs, and its data is kept; it is safe to run the command again"
    )


@pytest.mark.integration
def test_runs_until_sigterm_and_starts_again_elsewhere(up, base, tmp_path, monkeypatch):
    """The whole stack comes up, prints its addresses and `ready`, stops cleanly, and starts again on other ports.

    Its passwords are made at the first start, used and kept; what the shell has for another ClickHouse is ignored.
    """
    monkeypatch.setattr(sys.modules[__name__], "OURS", ())
    for name in ("CLICKHOUSE_PASSWORD", "KAFKA_SASL_PASSWORD", "ANY_TOKEN"):
        monkeypatch.setenv(name, "secret of the shell")
    monkeypatch.setenv("CLICKHOUSE_USER", "somebody")
    first = up(workers=2)

    assert first.lines[0].split() == ["Kafka", f"127.0.0.1:{base}"]
    assert first.lines.count("ready") == 1
    assert first.lines[-1] == "ready"
    processes = first.lines[-2].removeprefix("Processes   ").split(", ")
    names = ["supervisor", "kafka", "clickhouse", "collector", "worker-0", "worker-1"]
    assert [one.split()[0] for one in processes] == names
    assert {int(one.split()[1]) for one in processes[1:]} == set(_children(first.process.pid))
    status, body = get(first.ports.metrics, "/readyz")
    assert status == 200, body
    assert b'clustertrack_child_up{child="worker-1"} 1.0' in get(first.ports.metrics, "/metrics")[1]
    assert get(first.ports.worker_metrics(1), "/readyz")[0] == 200
    assert get(first.ports.collector, "/readyz")[0] == 200
    secrets = _passwords_of(first)
    _check_that_passwords_are_used(first, secrets, tmp_path)

    assert first.end(signal.SIGTERM) == 0
    assert first.listening() == []
    others = [path for path in [first.folder, *first.folder.rglob("*")] if not path.is_symlink()]
    assert [path for path in others if path.lstat().st_mode & 0o077] == []
    second = up(port_base=base + 11)
    assert _passwords_of(second) == secrets
    assert second.end(signal.SIGTERM) == 0
    assert second.listening() == []


def _passwords_of(running: Up) -> list[bytes]:
    """Those of the writing login and of `reader`."""
    return [(running.folder / name).read_bytes().strip() for name in ("clickhouse.password", "reader.password")]


def _check_that_passwords_are_used(running: Up, secrets: list[bytes], home: Path) -> None:
    """No child's environment holds a secret; the printed lines work in another shell, and the reader cannot write."""
    names = ("clickhouse.password", "reader.password", "reader.netrc")
    assert [(running.folder / name).stat().st_mode & 0o777 for name in names] == [0o600] * 3
    assert len(set(secrets)) == 2
    for child in _children(running.process.pid):
        for shown in (Path(f"/proc/{child}/environ").read_bytes(), _command_line(child)):
            assert not [text for text in (b"secret of the shell", *secrets) if text in shown]

    [line] = [line for line in running.lines if line.startswith("Other shells find it with: export ")]
    shell = {name: value for name, value in os.environ.items() if not name.startswith(("KAFKA_", "CLICKHOUSE_"))}
    told = dict(part.split("=", 1) for part in shlex.split(line.partition("export ")[2]))
    status = [sys.executable, "-m", "clustertrack", "status"]
    assert subprocess.run(status, cwd=home, env=shell | told, timeout=ENDS_WITHIN, check=False).returncode == 0
    assert _asked(running.ports.clickhouse, "SELECT 1") == 403
    reader = {"X-ClickHouse-User": "reader", "X-ClickHouse-Key": secrets[1].decode()}
    assert _asked(running.ports.clickhouse, "SELECT count() FROM impact.receipt", reader) == 200
    assert _asked(running.ports.clickhouse, "TRUNCATE TABLE impact.receipt", reader) == 400


def _asked(port: int, sql: str, headers: dict[str, str] | None = None) -> int:
    connection = http.client.HTTPConnection(HOST, port, timeout=ENDS_WITHIN)
    try:
        connection.request("POST", "/", sql.encode(), headers or {})
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize("kind", ["link", "readable", "empty"])
def test_a_password_file_of_somebody_else_is_a_sentence(tmp_path, kind):
    """A file that others could have made or read is not used, and a link is not followed."""
    file = tmp_path / "clickhouse.password"
    if kind == "link":
        file.symlink_to(tmp_path / "elsewhere")
    else:
        file.write_text("" if kind == "empty" else "known\n")
        file.chmod(0o644 if kind == "readable" else 0o600)

    with pytest.raises(UsageFault, match=r"clickhouse\.password"):
        secret_files(tmp_path)

    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.integration
@pytest.mark.extended
def test_survives_the_death_of_kafka_and_of_itself(up, wait_until):
    """A broker that dies is restarted; kill -9 of the supervisor leaves nothing running, and the next start works."""
    first = up()
    kafka = next(pid for pid in _children(first.process.pid) if b"kafka.Kafka" in _command_line(pid))
    os.kill(kafka, signal.SIGKILL)
    wait_until(lambda: get(first.ports.metrics, "/readyz")[0] == 503, 20, "the broker to be missed")
    wait_until(lambda: get(first.ports.metrics, "/readyz")[0] == 200, STARTS_WITHIN, "the broker to be back")
    assert kafka not in _children(first.process.pid)

    first.end(signal.SIGKILL)
    wait_until(lambda: not first.listening(), 20, "all ports to be free")
    second = up()

    assert second.end(signal.SIGINT) == 130


@pytest.mark.integration
@pytest.mark.extended
@pytest.mark.timeout(600)  # three starts of the whole stack
def test_a_grown_topic_leaves_kafka_running_for_the_way_out(up, tmp_path, base):
    """`migrate` refuses, no worker starts, Kafka stays so that the advice can be followed; then `up` works again."""
    first = up()
    admin = KafkaAdminClient(bootstrap_servers=f"{HOST}:{base}")
    admin.create_partitions({EVENTS: 6})
    admin.close()
    assert first.end(signal.SIGTERM) == 0

    second = _start("--data", tmp_path / "Årets data", "--port-base", base, stderr=subprocess.PIPE)
    with second:
        try:
            told = [next(line for line in second.stderr if line.startswith("error: "))]
            assert "now has 6" in told[0]
            assert "clustertrack migrate --recreate" in told[0]
            assert "Kafka and ClickHouse keep running" in second.stderr.readline()
            assert get(base + 5, "/readyz")[0] == 503
            settings = {"KAFKA_BOOTSTRAP_SERVERS": f"{HOST}:{base}", "CLICKHOUSE_PORT": str(base + 1)}
            settings["CLICKHOUSE_PASSWORD_FILE"] = str(tmp_path / "Årets data" / "clickhouse.password")
            followed = subprocess.run(
                [sys.executable, "-m", "clustertrack", "migrate", "--recreate"],
                env={**os.environ, **settings},
                capture_output=True,
                text=True,
                check=False,
                timeout=ENDS_WITHIN,
            )
            assert followed.returncode == 0, followed.stderr
        finally:
            second.terminate()
            second.communicate(timeout=ENDS_WITHIN)
    assert second.returncode == 3
    assert up().end(signal.SIGTERM) == 0


@pytest.mark.integration
@pytest.mark.extended
def test_what_the_shell_says_to_python_and_java_reaches_no_child(up, monkeypatch, base):
    """Proxies, agents of Java and switches of Python: the stack comes up as if they were not set."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("JDK_JAVA_OPTIONS", "-javaagent:nowhere.jar")
    monkeypatch.setenv("_JAVA_OPTIONS", "-Xmx1k")
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    monkeypatch.setenv("AIOKAFKA_NO_EXTENSIONS", "1")
    monkeypatch.setenv("NO_CYTHON", "1")
    running = up(workers=1)

    assert get(base + 5, "/readyz")[0] == 200
    assert running.end(signal.SIGTERM) == 0


def _command_line(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
