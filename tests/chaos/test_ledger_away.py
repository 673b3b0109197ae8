"""ClickHouse that is gone: for some seconds, and for longer than a consumer group waits for anybody."""

import json
import re
import time
from pathlib import Path

import pytest
from chaos import Load, conclude
from kafka import KafkaAdminClient
from stack import Stack, answer, wait_for, waited
from tcp_proxy import TcpProxy

from clustertrack.local.child import Child
from clustertrack.local.ports import HOST

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

STACK = {"proxied": True}
OUTAGE_SECONDS = 30
"""Five sessions."""
LEAST_RECORD = 200
"""Bytes; an event of the load has more."""


def group_of(stack: Stack) -> str:
    """The workers' group; it carries the ledger's id, so that only ClickHouse tells."""
    return str(json.loads(stack.run("status", "--json").stdout)["group"])


def members(stack: Stack, group: str) -> set[str]:
    """Who is in the group: Kafka gives a new name to whoever left it and comes back."""
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


def test_away_for_longer_than_sessions_last(load: Load, wires: list[TcpProxy]) -> None:
    """Under more load than a worker's queues hold, so that it stops fetching: it is well, stays in its group, waits.

    What could throw it out is aiokafka's `max_poll_interval_ms` (5 minutes; Faust makes them 17), counted from the last
    fetch that ended. The worker's is a day (`streams.app.LONGEST_OUTAGE`): with 5 s there this test fails, because
    the worker leaves the group. The session itself is kept by heartbeats, which do not wait for ClickHouse.
    """
    stack = load.stack
    servers = ",".join(f"{HOST}:{proxy}" for _, proxy in stack.listeners)
    worker = stack.start_worker("waits-long", CLUSTERTRACK_STALLED_SECONDS="6", KAFKA_BOOTSTRAP_SERVERS=servers)
    group = group_of(stack)
    joined, used = members(stack, group), memory(worker)
    outage = OUTAGE_SECONDS * max(1, load.size(1))
    before = load.published
    publishing = load.background(rate=200, seconds=2 * outage)
    wait_for(lambda: load.published > before + 200, 30, "the load to be under way")
    stack.kill(stack.clickhouse)
    health = set()

    def waited_for(seconds: float) -> bool:
        health.add(answer(worker, "/healthz")[0])
        return waited(worker) >= seconds

    wait_for(lambda: waited_for(outage / 2), outage + 60, "the worker to wait for ClickHouse")
    published, carried = load.published, sum(wire.carried for wire in wires)
    wait_for(lambda: waited_for(outage), outage + 60, "the worker to wait for ClickHouse")
    assert publishing.is_alive(), "the load ended too early"
    published, carried = load.published - published, sum(wire.carried for wire in wires) - carried
    assert published > 50 * outage
    # What is carried all the same: heartbeats, and answers of three brokers that there is nothing new of the register.
    assert carried < published * LEAST_RECORD / 2, "it still fetches"
    assert members(stack, group) == joined
    assert health - {0} == {200}
    assert memory(worker) < used + 64
    stack.restart_clickhouse()
    load.stop()
    publishing.join(120)
    conclude(load, "ClickHouse: away under back-pressure", faults=1)
    assert members(stack, group) == joined
    assert worker.exit_code() is None
    assert worker.stop(20), "a graceful stop"


def test_a_graceful_stop_while_it_waits(load: Load) -> None:
    """Nothing can be finished: the worker drops what it holds, ends in under 20 s, and its heir counts all of it."""
    stack = load.stack
    worker = stack.start_worker("stops-in-an-outage")
    stack.kill(stack.clickhouse)
    load.publish(load.size(500))
    wait_for(lambda: waited(worker) >= 1, 60, "the worker to wait for ClickHouse")
    started = time.monotonic()
    assert worker.stop(20), "a graceful stop"
    assert time.monotonic() - started < 20
    assert "work in flight dropped" in worker.log.read_text(encoding="utf-8")
    stack.restart_clickhouse()
    heir = stack.start_worker("heir-of-an-outage")
    conclude(load, "ClickHouse: worker stopped in an outage", faults=1)
    assert heir.stop(20), "a graceful stop"
