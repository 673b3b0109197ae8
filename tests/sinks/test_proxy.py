"""Nothing that talks to ClickHouse goes through a proxy of the environment: the password would go there too."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

pytestmark = pytest.mark.integration

VERBS = {
    "migrate": ["migrate", "--check"],
    "report": ["report", "--year", "2019"],
    "status": ["status"],
    "reconcile": ["reconcile"],
    "rejected": ["rejected", "list"],
    "worker": ["worker", "--check"],
}
NAMES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")


@pytest.fixture
def proxy() -> Iterator[socket.socket]:
    """A listener that nobody may connect to."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(0)
        yield listener


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_no_verb_asks_a_proxy(verb, host, proxy: socket.socket, kafka, clickhouse, database):
    """Every verb reaches the ledger itself, with any proxy in the environment."""
    settings = {
        "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap,
        "CLICKHOUSE_HOST": host,
        "CLICKHOUSE_PORT": str(clickhouse.port),
        "CLICKHOUSE_DATABASE": database,
        **dict.fromkeys(NAMES, f"http://127.0.0.1:{proxy.getsockname()[1]}"),
        "PATH": os.environ["PATH"],
    }
    answer = subprocess.run(
        [sys.executable, "-m", "clustertrack", *verb],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=settings,
    )

    assert "does not answer" not in answer.stderr
    assert answer.returncode == 1, answer.stderr  # the ledger is empty, and every verb got that far
    with pytest.raises(BlockingIOError):
        proxy.accept()
