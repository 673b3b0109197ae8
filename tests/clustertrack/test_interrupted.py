"""Ctrl-C and a full disk, on the verbs that read a ledger and Kafka."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from free_ports import free_ports
from kafka import KafkaProducer

from brokers.topics import EVENTS

pytestmark = pytest.mark.integration
FULL = Path("/dev/full")
VERBS = (
    "migrate",
    "report --year 2018",
    "report --year 2018 --format csv",
    "reconcile",
    "reconcile --json",
    "rejected list",
    "rejected list --closed",
    "receipts --source a --id b",
    "status",
    "status --json",
)


@pytest.fixture(scope="module")
def environment(kafka, clickhouse) -> Iterator[dict[str, str]]:
    """Settings of a migrated ledger; nothing reads for it."""
    name = "test_interrupted"
    made = {
        "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap,
        "CLICKHOUSE_HOST": clickhouse.host,
        "CLICKHOUSE_PORT": str(clickhouse.port),
        "CLICKHOUSE_DATABASE": name,
    }
    subprocess.run([sys.executable, "-m", "clustertrack", "migrate"], env={**os.environ, **made}, check=True)
    yield {**os.environ, **made}
    clickhouse.execute(f"DROP DATABASE {name}")


@pytest.mark.skipif(not FULL.exists(), reason="the system has no /dev/full")
@pytest.mark.parametrize("verb", VERBS)
def test_a_full_disk(environment: dict[str, str], verb: str):
    """One sentence and exit code 1, whichever verb prints it."""
    command = [sys.executable, "-m", "clustertrack", *verb.split()]
    with FULL.open("w") as full:
        done = subprocess.run(
            command, env=environment, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )
    assert done.returncode == 1
    assert done.stderr.startswith("error: the output, or a file, cannot be written (No space left on device)")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("verb", VERBS)
def test_a_closed_output(environment: dict[str, str], verb: str):
    """Also where no output is: one sentence and exit code 1."""
    command = ["sh", "-c", f'exec "$0" -m clustertrack {verb} >&-', sys.executable]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: standard output cannot be written (it is closed): ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.skipif(not FULL.exists(), reason="the system has no /dev/full")
def test_a_full_disk_after_sending(environment: dict[str, str]):
    """What was sent is said, although nothing else can be printed."""
    command = [sys.executable, "-m", "clustertrack", "companies", "load", "examples/companies.csv"]
    with FULL.open("w") as full:
        done = subprocess.run(
            command, env=environment, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )
    assert done.stderr.endswith(": Kafka confirmed 38 records; make room, and run the command again\n")


def test_ctrl_c_stops_a_worker(environment: dict[str, str], tmp_path: Path):
    """Exit code 130, and what becomes of its work."""
    (port,) = free_ports(1)
    own = {"CLUSTERTRACK_DATA_DIR": str(tmp_path), "METRICS_PORT": str(port)}
    command = [sys.executable, "-m", "clustertrack", "worker"]
    with subprocess.Popen(command, env=environment | own, stderr=subprocess.PIPE, text=True) as worker:
        assert worker.stderr is not None
        assert any("registry is awaited" in line or "worker starts" in line for line in worker.stderr)
        worker.send_signal(signal.SIGINT)
        _, said = worker.communicate(timeout=30)
    assert worker.returncode == 130
    last = said.splitlines()[-1]
    assert last == "stopped: records that were not counted are read again; it is safe to run the command again"


def test_ctrl_c_while_waiting(environment: dict[str, str]):
    """`status --wait` says how many records are left."""
    producer = KafkaProducer(bootstrap_servers=[environment["KAFKA_BOOTSTRAP_SERVERS"]])
    producer.send(EVENTS, b"{}").get(timeout=30)
    producer.close()
    command = [sys.executable, "-m", "clustertrack", "status", "--wait", "60"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as waiting:
        assert waiting.stderr is not None
        assert waiting.stderr.readline().startswith("counted 0 of ")
        waiting.send_signal(signal.SIGINT)
        _, said = waiting.communicate(timeout=30)
    assert waiting.returncode == 130
    assert "Traceback" not in said
    last = said.splitlines()[-1]
    assert last.startswith("stopped: ")
    assert last.endswith(" not counted yet, the workers go on; it is safe to run the command again")
