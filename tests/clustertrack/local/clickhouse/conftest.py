"""A server for the tests of the server: `python -m clustertrack.local.clickhouse`, free port, temporary folder."""

import contextlib
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client

_START_SECONDS = 30


@dataclass
class Server:
    """A running server."""

    process: subprocess.Popen[str]
    host: str
    port: int

    @property
    def url(self) -> str:
        """Base of the HTTP interface, without a slash at the end."""
        return f"http://{self.host}:{self.port}"

    def connect(self, **options: Any) -> Client:  # passed on as they are
        """A clickhouse-connect client, without session and compression unless asked for."""
        return clickhouse_connect.get_client(
            host=self.host, port=self.port, **{"autogenerate_session_id": False, "compress": False, **options}
        )

    def memory(self, name: str = "VmRSS") -> int:
        """Bytes of memory: VmRSS now, VmHWM the most so far."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1]) * 1024
        raise AssertionError(name)

    def stop(self, number: int = signal.SIGTERM, seconds: float = 20) -> tuple[int, str]:
        """Send a signal; exit code and what was written to stderr."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        _, err = self.process.communicate(timeout=seconds)
        return self.process.returncode, err


def launch(path: Path, *arguments: str, environ: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """Start the process; it may well refuse. Without an environment it asks nobody for a password."""
    if environ is None:
        arguments = ("--without-password", *arguments)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CLICKHOUSE_")}
    return subprocess.Popen(
        [sys.executable, "-m", "clustertrack.local.clickhouse", "--path", str(path), *arguments],
        env={**clean, **(environ or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="session")
def launched() -> Callable[..., subprocess.Popen[str]]:
    """The function that starts a process which may refuse to."""
    return launch


@contextlib.contextmanager
def running(path: Path, *arguments: str, environ: Mapping[str, str] | None = None) -> Iterator[Server]:
    """A server on a free port that is stopped in the end."""
    process = launch(path, "--port", "0", *arguments, environ=environ)
    assert process.stdout is not None
    line = process.stdout.readline()
    if "http://" not in line:
        _, err = process.communicate(timeout=_START_SECONDS)
        raise AssertionError(f"the server did not start: {line}{err}")
    host, _, port = line.strip().rpartition("//")[2].rpartition(":")
    server = Server(process, host, int(port))
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def start() -> Callable[..., contextlib.AbstractContextManager[Server]]:
    """The function that starts a server."""
    return running


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests that do not stop it."""
    with running(tmp_path_factory.mktemp("clickhouse")) as started:
        yield started


@pytest.fixture(scope="session")
def admin(server: Server) -> Iterator[Client]:
    """A client of the server's own database."""
    with server.connect() as connected:
        yield connected


@pytest.fixture
def database(admin: Client) -> Iterator[str]:
    """An empty database of the test's own."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    admin.command(f"CREATE DATABASE {name}")
    yield name
    admin.command(f"DROP DATABASE {name}")


@pytest.fixture
def client(server: Server, database: str) -> Iterator[Client]:
    """A client of the test's database."""
    with server.connect(database=database) as connected:
        yield connected
