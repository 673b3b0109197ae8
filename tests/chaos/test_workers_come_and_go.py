"""Workers that join, leave, and sleep through their session while a load is running."""

import os
import signal
import time
from collections.abc import Iterator
from http import HTTPStatus

import pytest
from chaos import Load, conclude
from proxy import Proxy
from runs import LONG_FORM
from stack import wait_for

from clustertrack.local.probes import get

pytestmark = [pytest.mark.integration, pytest.mark.extended, pytest.mark.timeout(300)]

DROPPED = "work in flight dropped"


@pytest.fixture
def proxy(load: Load) -> Iterator[Proxy]:
    """Between one worker and ClickHouse; the others go straight."""
    made = Proxy(load.stack.clickhouse_port)
    yield made
    made.close()


@LONG_FORM
def test_joining_and_leaving_under_load(load: Load) -> None:
    """Partitions go to and fro between one worker and four, each with one; every stop ends by itself in under 20 s."""
    stack, turns = load.stack, load.size(1)
    stays, group = stack.start_worker("stays"), stack.group()
    publishing = load.background(rate=load.size(200), seconds=600)
    for turn in range(turns):
        guests = [stack.start_worker(f"guest-{turn}-{n}", wait=False) for n in range(stack.partitions - 1)]
        wait_for(lambda: len(stack.members(group)) == stack.partitions, 60, "a worker for each partition")
        for guest in guests:
            stack.wait_ready(guest)
        for leaving in guests:
            assert publishing.is_alive(), "the load ended too early"
            started = time.monotonic()
            assert leaving.stop(20), f"{leaving.name} had to be killed"
            assert time.monotonic() - started < 20
    assert publishing.is_alive(), "the load ended too early"
    load.stop()
    publishing.join(120)
    conclude(load, "workers join and leave", faults=2 * turns * (stack.partitions - 1))
    assert stays.exit_code() is None
    assert stays.stop(20)


def test_a_zombie_that_wakes_up(load: Load, proxy: Proxy) -> None:
    """Stopped for longer than its session with an insert under way, which arrives when its heir has stored the same
    records: it changes nothing. The zombie drops what it had in hand, says so, and works on.
    """
    stack = load.stack
    zombie = stack.start_worker("zombie", CLICKHOUSE_PORT=str(proxy.port))
    heir, group = stack.start_worker("heir"), stack.group()
    wait_for(lambda: len(stack.members(group)) == 2, 30, "two workers in the group")
    proxy.fault = lambda _proxy: "hold"
    publishing = load.background(rate=load.size(200), seconds=600)
    wait_for(lambda: proxy.harmed, 60, "an insert of the zombie to be under way")
    os.killpg(zombie.pid, signal.SIGSTOP)
    try:
        wait_for(lambda: len(stack.members(group)) == 1, 60, "the group to give the sleeping worker up")
        load.stop()
        publishing.join(120)
        stack.wait_counted()
        assert proxy.late == 0
    finally:
        os.killpg(zombie.pid, signal.SIGCONT)
    wait_for(lambda: DROPPED in zombie.log.read_text(encoding="utf-8"), 60, "the zombie to drop what it had in hand")
    proxy.fault = lambda _proxy: "pass"
    proxy.let_go()
    wait_for(lambda: proxy.late, 30, "its insert to arrive after all")
    wait_for(lambda: dropped(zombie.metrics_port) > 0, 30, "the zombie to count what it dropped")
    load.publish(load.size(200))
    conclude(load, "worker asleep beyond its session", faults=1)
    assert zombie.exit_code() is None
    assert zombie.stop(20)
    assert heir.stop(20)


def dropped(port: int) -> float:
    """Records that a worker has dropped unacked, as its metrics say."""
    status, text = get(port, "/metrics") or (0, b"")
    assert status == HTTPStatus.OK
    lines = text.decode().splitlines()
    return sum(float(line.split()[1]) for line in lines if line.startswith("clustertrack_dropped_total{"))
