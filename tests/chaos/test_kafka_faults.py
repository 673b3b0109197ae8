"""A broker that dies and comes back, alone or with all others; connections to brokers that are cut, or fall silent."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from chaos import Load, conclude
from runs import LONG_FORM
from stack import Stack, Worker, wait_for
from tcp_proxy import TcpProxy

from clustertrack.local.ports import HOST

pytestmark = [pytest.mark.integration, pytest.mark.extended, pytest.mark.timeout(300)]

# Kafka's clients follow the addresses that a broker advertises, so a proxy needs a listener of its own.
STACK = {"proxied": True}


def start_behind(stack: Stack, name: str) -> Worker:
    """A worker that knows the brokers by their proxies alone."""
    return stack.start_worker(name, KAFKA_BOOTSTRAP_SERVERS=",".join(f"{HOST}:{proxy}" for _, proxy in stack.listeners))


def kill_brokers(stack: Stack) -> None:
    """All of them."""
    for broker in stack.brokers:
        stack.kill(broker)


@LONG_FORM
def test_the_broker_is_killed_and_comes_back(load: Load) -> None:
    """Dead for some seconds under load: the worker goes on by itself when it is back, and is not restarted."""
    stack = load.stack
    worker = stack.start_worker("sees-a-broker-die")
    before = load.published
    publishing = load.background(rate=300, seconds=load.size(5))
    wait_for(lambda: load.published > before + 300, 30, "the load to be under way")
    kill_brokers(stack)
    wait_for(lambda: not stack.is_ready(worker), 30, "the worker to say that it waits for Kafka")
    stack.restart_broker(*range(stack.nodes))
    publishing.join(300)
    conclude(load, "Kafka: broker killed", faults=stack.nodes)
    assert worker.exit_code() is None
    assert worker.stop(20), "a graceful stop"


def test_the_log_while_the_broker_is_away(load: Load) -> None:
    """A line when it begins and one when it is over, not one for each attempt; `status --wait` waits through it."""
    stack = load.stack
    worker = stack.start_worker("says-it-once")
    load.publish(100)
    stack.wait_counted(60)
    before = len(worker.log.read_text().splitlines())
    kill_brokers(stack)
    began = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(stack.run, "status", "--wait", "100")
        wait_for(lambda: time.monotonic() - began > 20, 30, "20 seconds without a broker")
        stack.restart_broker(*range(stack.nodes))
        waiting.result(120)
    wait_for(lambda: "Kafka answers again" in worker.log.read_text(), 60, "the worker to say that it is over")
    lines = worker.log.read_text().splitlines()[before:]
    assert len(lines) <= 12, "\n".join(lines)
    assert not [line for line in lines if '"level": "error"' in line]
    conclude(load, "Kafka: broker away, and the log", faults=stack.nodes)
    assert worker.stop(20), "a graceful stop"


@LONG_FORM  # Faust waits for the broker until the stop's end
def test_a_graceful_stop_without_a_broker(load: Load) -> None:
    """Nothing can be confirmed or committed: the worker still stops in under 20 s, and its heir counts everything."""
    stack = load.stack
    worker = stack.start_worker("stops-without-a-broker")
    before = load.published
    publishing = load.background(rate=300, seconds=600)
    wait_for(lambda: load.published > before + 300, 30, "the load to be under way")
    kill_brokers(stack)
    wait_for(lambda: not stack.is_ready(worker), 30, "the worker to say that it waits for Kafka")
    load.stop()
    started = time.monotonic()
    assert worker.stop(20), "a graceful stop"
    assert time.monotonic() - started < 20
    stack.restart_broker(*range(stack.nodes))
    publishing.join(300)
    heir = stack.start_worker("heir-of-a-broker")
    conclude(load, "Kafka: worker stopped without a broker", faults=stack.nodes)
    assert heir.stop(20), "a graceful stop"


def test_connections_are_cut(load: Load, wires: list[TcpProxy]) -> None:
    """Every few hundred milliseconds, in the middle of requests and answers, those of one broker or of all."""
    stack = load.stack
    worker = start_behind(stack, "is-cut-off")
    publishing = load.background(rate=300, seconds=load.size(6))
    turns = 0
    while publishing.is_alive():
        publishing.join(0.3)
        turns += 1
        for proxy in wires if turns % 4 == 0 else [wires[turns % len(wires)]]:
            proxy.cut()
    cuts = sum(proxy.cuts for proxy in wires)
    assert cuts > 20
    conclude(load, "Kafka: connections cut by a proxy", faults=cuts)
    assert worker.exit_code() is None
    assert worker.stop(20), "a graceful stop"


@LONG_FORM
def test_connections_fall_silent(load: Load, wires: list[TcpProxy]) -> None:
    """Nothing says that they are dead: the worker gives up its requests and reconnects. What it had sent before
    arrives at last, behind its repeats: records, and commits of older offsets.
    """
    stack = load.stack
    worker = start_behind(stack, "is-not-heard")
    before = load.published
    publishing = load.background(rate=300, seconds=load.size(4))
    wait_for(lambda: load.published > before + 300, 30, "the load to be under way")
    used = [proxy.connections for proxy in wires]
    for proxy in wires:
        proxy.silence()
    publishing.join(120)
    stack.wait_counted(60)
    again = [proxy.connections - number for proxy, number in zip(wires, used, strict=True)]
    assert sum(again) > 0, "it did not reconnect"
    for proxy in wires:
        proxy.release()
    load.publish(100)
    conclude(load, "Kafka: connections silent", faults=len(wires))
    assert worker.exit_code() is None
    assert worker.stop(20), "a graceful stop"
