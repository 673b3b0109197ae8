"""What every measurement runs on: `clustertrack up` without workers, in a temporary folder, and ledgers in it.

One Kafka and one ClickHouse for everything that is compared. Each run has a ledger (a database) of its own; a new
ledger reads the events topic from its beginning.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).resolve().parents[1]
PYTHON = ROOT / ".venv" / "bin" / "python"
"""The product's own environment, without anything of its competitors."""
HOST = "127.0.0.1"
PORTS = 10
START_SECONDS = 120
TICKS = os.sysconf("SC_CLK_TCK")
T = TypeVar("T")


def say(text: str) -> None:
    """A line for whoever waits."""
    print(text, file=sys.stderr, flush=True)


def wait_for(condition: Callable[[], T], seconds: float, what: str, every: float = 0.05) -> T:
    """Poll until the condition gives something true, and give that."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s in vain for {what}")
        time.sleep(every)
    return found


def cpu_seconds(pid: int) -> float:
    """CPU time of a process, all its threads and its living and ended children, in seconds."""
    spent, ended = 0.0, [pid]
    while ended:
        process = ended.pop()
        try:
            fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
            spent += sum(map(int, fields[11:15])) / TICKS
            ended += children_of(process)
        except FileNotFoundError:
            continue
    return spent


def children_of(pid: int) -> list[int]:
    """Processes that a process started, whichever of its threads did."""
    found: list[int] = []
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(FileNotFoundError):
            found += map(int, listed.read_text(encoding="ascii").split())
    return found


def resident_mb(pid: int) -> float:
    """Resident memory of a process, MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def free_base() -> int:
    """A port from which on PORTS are free, below those that the system gives to clients."""
    for base in range(20_000 + os.getpid() % 1_000 * 10, 32_000, PORTS):
        try:
            for port in range(base, base + PORTS):
                with socket.socket() as attempt:
                    attempt.bind((HOST, port))
        except OSError:
            continue
        return base
    raise OSError("no free ports between 20000 and 32000")


@dataclass
class Process:
    """A process under measurement; its output is in `log`."""

    popen: "subprocess.Popen[bytes]"
    log: Path

    @property
    def pid(self) -> int:
        """Its id."""
        return self.popen.pid

    def check(self) -> None:
        """Raise when it has ended: nothing here ends by itself."""
        if self.popen.poll() is not None:
            raise RuntimeError(f"{self.log.stem} ended with {self.popen.returncode}:\n{self.last_words(8)}")

    def last_words(self, lines: int) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-lines:])

    def kill(self) -> None:
        """SIGKILL, at once."""
        self.popen.kill()
        self.popen.wait()

    def stop(self, grace: float = 20) -> None:
        """Ask, wait, kill."""
        self.popen.terminate()
        try:
            self.popen.wait(grace)
        except subprocess.TimeoutExpired:
            self.kill()


class Stack:
    """Kafka and ClickHouse, ready; made by `running`."""

    def __init__(self, folder: Path, base: int, supervisor: int) -> None:
        self.folder, self.base = folder, base
        self.bootstrap, self.clickhouse_port = f"{HOST}:{base}", base + 1
        self.password = (folder / "stack" / "clickhouse.password").read_text(encoding="ascii").strip()
        by_command = {Path(f"/proc/{pid}/cmdline").read_bytes(): pid for pid in children_of(supervisor)}
        self.kafka = next(pid for command, pid in by_command.items() if b"kafka.Kafka" in command)
        self.clickhouse = next(
            pid for command, pid in by_command.items() if b"clustertrack.local.clickhouse" in command
        )
        self._processes: list[Process] = []

    def environment(self, database: str) -> dict[str, str]:
        """What a user of this stack would export."""
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap,
            "CLICKHOUSE_PORT": str(self.clickhouse_port),
            "CLICKHOUSE_PASSWORD": self.password,
            "CLICKHOUSE_DATABASE": database,
            "LOG_LEVEL": "INFO",
        }

    def command(self, *arguments: str, database: str = "impact") -> str:
        """Run a verb of the product to its end; returns its output."""
        done = subprocess.run(
            [PYTHON, "-m", "clustertrack", *arguments],
            env={**os.environ, **self.environment(database)},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"clustertrack {' '.join(arguments)} ended with {done.returncode}: {done.stderr[-500:]}")
        return done.stdout

    def start(self, name: str, arguments: list[str], environment: Mapping[str, str]) -> Process:
        """Start a process to be measured; it ends with this stack at the latest."""
        log = self.folder / f"{name}.log"
        with log.open("ab") as output:
            popen = subprocess.Popen(
                arguments,
                env={**os.environ, **environment},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self._processes.append(Process(popen, log))
        return self._processes[-1]

    def worker(self, database: str, data: Path, number: int = 1, **settings: str) -> Process:
        """One worker as a user starts it."""
        own = {"CLUSTERTRACK_DATA_DIR": str(data), "METRICS_PORT": str(self.base + 6 + number), **settings}
        command = [str(PYTHON), "-m", "clustertrack", "worker"]
        return self.start(f"worker-{database}-{number}", command, {**self.environment(database), **own})

    def is_ready(self, number: int = 1) -> bool:
        """Whether a worker takes records."""
        try:
            with urllib.request.urlopen(f"http://{HOST}:{self.base + 6 + number}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)  # noqa: PLR2004 - HTTP's OK
        except OSError:
            return False

    def query(self, sql: str) -> list[list[str]]:
        """Rows of a query as text."""
        address = f"http://{HOST}:{self.clickhouse_port}/?default_format=TabSeparated"
        login = {"X-ClickHouse-User": "default", "X-ClickHouse-Key": self.password}
        request = urllib.request.Request(address, data=sql.encode(), headers=login)
        with urllib.request.urlopen(request, timeout=600) as answer:  # noqa: S310  (our own address)
            return [line.split("\t") for line in answer.read().decode().splitlines()]

    def number(self, sql: str) -> int:
        """The one number that a query gives."""
        return int(self.query(sql)[0][0])

    def close(self) -> None:
        """End what was started here."""
        for process in self._processes:
            if process.popen.poll() is None:
                process.kill()


@contextlib.contextmanager
def running(folder: Path | None = None) -> Iterator[Stack]:
    """A fresh stack for as long as the block lasts; its folder is removed, also when this process is asked to stop."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="clustertrack-bench-", dir=folder) as made:
        data, base = Path(made), free_base()
        command = [PYTHON, "-m", "clustertrack", "up", "--workers", "0", "--data", data / "stack"]
        with (data / "up.log").open("wb") as log:
            up = subprocess.Popen(
                [*map(str, command), "--port-base", str(base)],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
        stack = None
        try:
            wait_for(lambda: _is_up(up, data / "up.log"), START_SECONDS, "Kafka and ClickHouse")
            stack = Stack(data, base, up.pid)
            yield stack
        finally:
            if stack is not None:
                stack.close()
            up.terminate()
            up.wait(60)


def _is_up(up: "subprocess.Popen[bytes]", log: Path) -> bool:
    said = log.read_text(encoding="utf-8")
    if up.poll() is not None:
        raise RuntimeError(f"clustertrack up ended with {up.returncode}: {said}")
    return "\nready\n" in said
