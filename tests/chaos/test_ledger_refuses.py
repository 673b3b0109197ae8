"""ClickHouse that refuses, is slow, or does the work and loses the answer."""

from collections.abc import Iterator

import pytest
from chaos import Load, conclude
from proxy import Fault, Proxy
from stack import wait_for

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


@pytest.fixture
def proxy(load: Load) -> Iterator[Proxy]:
    """Between the worker and ClickHouse."""
    made = Proxy(load.stack.clickhouse_port)
    yield made
    made.close()


def always(action: str) -> Fault:
    """The same for every insert."""
    return lambda _proxy: action


def often(action: str) -> Fault:
    """For two inserts of three."""
    return lambda proxy: action if proxy.inserts % 3 else "pass"


@pytest.mark.parametrize(
    ("fault", "harmed", "scenario"),
    [
        pytest.param(always("error 243"), 5, "ClickHouse: disk full", id="disk full"),
        pytest.param(always("error 164"), 5, "ClickHouse: read only", id="read only"),
        pytest.param(
            often("error 252"), 5, "ClickHouse: too many parts, now and then", id="too many parts, now and then"
        ),
        pytest.param(often("lose"), 4, "ClickHouse: answer lost after the insert", id="answer lost after the insert"),
        pytest.param(always("slow 5"), 2, "ClickHouse: five seconds an insert", id="five seconds an insert"),
    ],
)
def test_nothing_is_lost(load: Load, proxy: Proxy, fault: Fault, harmed: int, scenario: str) -> None:
    """The worker repeats until ClickHouse is well again; rows that went in twice count once; nothing is rejected."""
    stack = load.stack
    rejected = stack.query("SELECT count() FROM impact.rejected FINAL WHERE reason = 'not_storable'")
    worker = stack.start_worker("behind-a-proxy", CLICKHOUSE_PORT=str(proxy.port))
    proxy.fault = fault
    load.publish(load.size(800))
    wait_for(lambda: proxy.harmed >= harmed, 60, "the fault to strike")
    assert worker.exit_code() is None
    proxy.fault = always("pass")
    conclude(load, scenario, faults=proxy.harmed)
    assert worker.stop(20)
    assert stack.query("SELECT count() FROM impact.rejected FINAL WHERE reason = 'not_storable'") == rejected
