"""ClickHouse that is gone: for some seconds, and for longer than a consumer group waits for anybody."""

import json
import re
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from chaos import Load, conclude
from kafka import KafkaAdminClient
from stack import Stack, wait_for

from clustertrack.local.child import Child
from clustertrack.local.ports import HOST

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

SESSION_SECONDS = 6


def answer(worker: Child, path: str) -> tuple[int, str]:
    """Status and text of one of a worker's addresses."""
    try:
        with urllib.request.urlopen(f"http://{HOST}:{worker.metrics_port}{path}", timeout=5) as found:
            return found.status, found.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


def waited(worker: Child) -> float:
    """Seconds that the ledger has refused, as /readyz says."""
    _, text = answer(worker, "/readyz")
    found = re.search(r"refused for (\d+) s", text)
    return float(found[1]) if found else 0.0


def members(stack: Stack) -> set[str]:
    """Who is in the group: Kafka gives a new name to whoever left it and comes back."""
    group = json.loads(stack.run("status", "--json").stdout)["group"]
    admin = KafkaAdminClient(bootstrap_servers=stack.bootstrap)
    try:
        return {member["member_id"] for member in admin.describe_groups([group])[group]["members"]}
    finally:
        admin.close()


def memory(worker: Child) -> int:
    """MB that a worker holds."""
    (kilobytes,) = re.findall(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{worker.pid}/status").read_text(encoding="ascii"))
    return int(kilobytes) // 1024


def test_killed_under_load(load: Load) -> None:
    """Killed with -9 and back after some seconds: the worker waits, says so in /readyz, and loses nothing."""
    stack = load.stack
    worker = stack.start_worker("sees-clickhouse-die")
    before = load.published
    publishing = load.background(rate=300, seconds=load.size(4))
    wait_for(lambda: load.published > before + 200, 30, "the load to be under way")
    stack.kill(stack.clickhouse)
    wait_for(lambda: waited(worker) >= 3 * load.size(1), 60 + load.size(10), "the worker to wait for ClickHouse")
    stack.restart_clickhouse()
    publishing.join(120)
    conclude(load, "ClickHouse: killed under load", faults=1)
    wait_for(lambda: stack.is_ready(worker), 30, "the worker to be ready again")
    assert worker.exit_code() is None
    assert worker.stop(20), "a graceful stop"


def test_away_for_longer_than_sessions_last(load: Load) -> None:
    """Under more load than a worker's queues hold, so that it stops fetching: it is well, stays in its group, waits.

    What could throw it out is aiokafka's `max_poll_interval_ms` (5 minutes; Faust makes them 17), counted from the last
    fetch that ended. The worker's is a day (`streams.app.LONGEST_OUTAGE`): with 5 s there this test fails, because
    the worker leaves the group. The session itself is kept by heartbeats, which do not wait for ClickHouse.
    """
    stack = load.stack
    worker = stack.start_worker("waits-long", CLUSTERTRACK_STALLED_SECONDS="6")
    joined, used = members(stack), memory(worker)
    outage = int(2.5 * SESSION_SECONDS * max(1, load.size(1)))
    before = load.published
    publishing = load.background(rate=200, seconds=outage)
    wait_for(lambda: load.published > before + 200, 30, "the load to be under way")
    stack.kill(stack.clickhouse)
    wait_for(lambda: waited(worker) >= outage, outage + 60, "the worker to wait for ClickHouse")
    publishing.join(120)
    assert worker.exit_code() is None
    assert answer(worker, "/healthz")[0] == 200
    assert memory(worker) < used + 64
    stack.restart_clickhouse()
    conclude(load, "ClickHouse: away under back-pressure", faults=1)
    assert members(stack) == joined
    assert worker.stop(20), "a graceful stop"
