"""One broker that dies and comes back; connections to it that are cut, or fall silent."""

from collections.abc import Iterator

import pytest
from chaos import Load, conclude
from stack import wait_for
from tcp_proxy import TcpProxy

from clustertrack.local.ports import HOST

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

# Kafka's clients follow the addresses that a broker advertises, so a proxy needs a listener of its own.
STACK = {"nodes": 1, "proxied": True}


@pytest.fixture
def proxy(load: Load) -> Iterator[TcpProxy]:
    """Between a worker and the broker; everybody else goes straight."""
    made = TcpProxy(load.stack.proxy, load.stack.behind)
    yield made
    made.close()


def test_the_broker_is_killed_and_comes_back(load: Load) -> None:
    """Dead for some seconds under load: the worker goes on by itself when it is back, and is not restarted."""
    stack = load.stack
    worker = stack.start_worker("sees-a-broker-die")
    before = load.published
    publishing = load.background(rate=300, seconds=load.size(5))
    wait_for(lambda: load.published > before + 300, 30, "the load to be under way")
    stack.kill(stack.brokers[0])
    wait_for(lambda: not stack.is_ready(worker), 30, "the worker to say that it waits for Kafka")
    stack.restart_broker()
    publishing.join(300)
    conclude(load, "Kafka: broker killed", faults=1)
    assert worker.exit_code() is None
    assert worker.stop(20), "a graceful stop"


def test_connections_are_cut(load: Load, proxy: TcpProxy) -> None:
    """Every few hundred milliseconds, in the middle of requests and answers."""
    stack = load.stack
    worker = stack.start_worker("is-cut-off", KAFKA_BOOTSTRAP_SERVERS=f"{HOST}:{stack.proxy}")
    publishing = load.background(rate=300, seconds=load.size(6))
    while publishing.is_alive():
        publishing.join(0.3)
        proxy.cut()
    assert proxy.cuts > 20
    conclude(load, "Kafka: connections cut by a proxy", faults=proxy.cuts)
    assert worker.exit_code() is None
    assert worker.stop(20), "a graceful stop"


def test_connections_fall_silent(load: Load, proxy: TcpProxy) -> None:
    """Nobody is told that they are dead: the worker gives up its requests, and connects anew. What it had sent before
    arrives at last, behind its repeats: records, and commits of older offsets.
    """
    stack = load.stack
    worker = stack.start_worker("is-not-heard", KAFKA_BOOTSTRAP_SERVERS=f"{HOST}:{stack.proxy}")
    before = load.published
    publishing = load.background(rate=300, seconds=load.size(4))
    wait_for(lambda: load.published > before + 300, 30, "the load to be under way")
    proxy.silence()
    publishing.join(120)
    stack.wait_counted(60)
    proxy.release()
    load.publish(100)
    conclude(load, "Kafka: connections silent", faults=1)
    assert worker.exit_code() is None
    assert worker.stop(20), "a graceful stop"
