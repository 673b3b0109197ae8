"""ClickHouse that is down: for some seconds, and for longer than a consumer group waits for a member."""

import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from chaos import Load, conclude
from runs import LONG_FORM, OUTAGE
from stack import Stack, Worker, answer, wait_for, waited
from tcp_proxy import TcpProxy

from clustertrack.local.ports import HOST

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

STACK = {"proxied": True}
LEAST_RECORD = 200
"""Bytes; an event of the load has more."""


def generation_of(stack: Stack, group: str) -> int:
    """How often the group has been balanced, by its coordinator's log: once for each that joins, leaves or is late."""
    logs = [path.read_text(encoding="utf-8", errors="replace") for path in stack.folder.glob("kafka*-server.log*")]
    return max(map(int, re.findall(rf"Stabilized group {re.escape(group)} generation (\d+)", "\n".join(logs))))


def memory(worker: Worker) -> int:
    """MB that a worker holds."""
    (kilobytes,) = re.findall(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{worker.pid}/status").read_text(encoding="ascii"))
    return int(kilobytes) // 1024


@LONG_FORM
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


@pytest.mark.extended
def test_away_for_longer_than_sessions_last(load: Load, wires: list[TcpProxy]) -> None:
    """Under more load than their queues hold, so that they stop fetching: two workers are healthy, stay in their group,
    which is never even rebalanced, hold no more memory, and wait.

    What could throw them out is aiokafka's `max_poll_interval_ms` (5 minutes; Faust makes them 17), counted from the
    last fetch that ended. The workers' is a day (`streams.app.LONGEST_OUTAGE`): with 5 s there this test fails, because
    they leave the group. The session itself is kept by heartbeats, which do not wait for ClickHouse.
    """
    stack = load.stack
    servers = ",".join(f"{HOST}:{proxy}" for _, proxy in stack.listeners)
    settings: dict[str, Any] = {"CLUSTERTRACK_STALLED_SECONDS": "6", "KAFKA_BOOTSTRAP_SERVERS": servers}
    workers = [stack.start_worker(f"waits-long-{number}", **settings) for number in range(2)]
    group = stack.group()
    wait_for(lambda: len(stack.members(group)) == len(workers), 30, "both workers to be members")
    for worker in workers:
        stack.wait_ready(worker)
    joined, generation = stack.members(group), generation_of(stack, group)
    used = [memory(worker) for worker in workers]
    before = load.published
    publishing = load.background(rate=400, seconds=2 * OUTAGE + 60)
    wait_for(lambda: load.published > before + 200, 30, "the load to be under way")
    stack.kill(stack.clickhouse)
    health = set()

    def waited_for(seconds: float) -> bool:
        load.pause(0.2, 0.4)  # every request takes from the workers' only thread
        health.update(answer(worker, "/healthz")[0] for worker in workers)
        return all(waited(worker) >= seconds for worker in workers)

    wait_for(lambda: waited_for(OUTAGE / 2), OUTAGE + 60, "the workers to wait for ClickHouse")
    published, carried = load.published, sum(wire.carried for wire in wires)
    wait_for(lambda: waited_for(OUTAGE), OUTAGE + 60, "the workers to wait for ClickHouse")
    assert publishing.is_alive(), "the load ended too early"
    published, carried = load.published - published, sum(wire.carried for wire in wires) - carried
    assert published > 100 * OUTAGE
    # What is carried all the same: heartbeats, and answers of three brokers that there is nothing new of the register.
    assert carried < published * LEAST_RECORD / 2, "they still fetch"
    assert health - {0} == {200}
    for worker, megabytes in zip(workers, used, strict=True):
        assert memory(worker) < megabytes + 64
    stack.restart_clickhouse()
    load.stop()
    publishing.join(120)
    conclude(load, f"ClickHouse: away for {OUTAGE:g} s under back-pressure", faults=1, seconds=120 + OUTAGE)
    assert stack.members(group) == joined
    assert generation_of(stack, group) == generation
    for worker in workers:
        assert worker.exit_code() is None
        assert worker.stop(20), "a graceful stop"


@LONG_FORM  # it takes minutes until anything could call it unhealthy
def test_frozen(load: Load) -> None:
    """It takes connections and answers nothing: a worker with the default patience stays healthy, and waits."""
    stack = load.stack
    worker = stack.start_worker("sees-clickhouse-freeze")
    before = load.published
    publishing = load.background(rate=100, seconds=2 * OUTAGE + 60)
    wait_for(lambda: load.published > before + 200, 30, "the load to be under way")
    os.killpg(stack.clickhouse.pid, signal.SIGSTOP)
    health = set()

    def is_over() -> bool:
        load.pause(0.4, 0.6)
        health.add(answer(worker, "/healthz"))
        return time.monotonic() > thaws

    thaws = time.monotonic() + OUTAGE
    wait_for(is_over, OUTAGE + 60, "the frost to end")
    os.killpg(stack.clickhouse.pid, signal.SIGCONT)
    assert {status for status, _ in health} == {200}, health
    load.stop()
    publishing.join(120)
    conclude(load, f"ClickHouse: frozen for {OUTAGE:g} s", faults=1, seconds=120 + OUTAGE)
    assert worker.exit_code() is None
    assert worker.stop(20), "a graceful stop"


def test_a_graceful_stop_while_it_waits(load: Load) -> None:
    """Nothing can be finished: the worker drops what it holds, stops in under 20 s, and its heir counts all of it."""
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
