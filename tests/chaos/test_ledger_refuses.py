"""ClickHouse that refuses, is slow, or does the work and loses the answer."""

from collections.abc import Iterator

import pytest
from chaos import Load, Outcome, verify
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
    ("fault", "harmed"),
    [
        pytest.param(always("error 243"), 5, id="disk full"),
        pytest.param(always("error 164"), 5, id="read only"),
        pytest.param(often("error 252"), 5, id="too many parts, now and then"),
        pytest.param(often("lose"), 4, id="answer lost after the insert"),
        pytest.param(always("slow 5"), 2, id="five seconds an insert"),
    ],
)
def test_nothing_is_lost(load: Load, proxy: Proxy, fault: Fault, harmed: int) -> None:
    """The worker repeats until ClickHouse is well again; rows that went in twice count once; nothing is rejected."""
    stack = load.stack
    rejected = stack.query("SELECT count() FROM impact.rejected FINAL WHERE reason = 'not_storable'")
    worker = stack.start_worker("behind-a-proxy", CLICKHOUSE_PORT=str(proxy.port))
    proxy.fault = fault
    load.publish(800)
    wait_for(lambda: proxy.harmed >= harmed, 60, "the fault to strike")
    assert worker.exit_code() is None
    proxy.fault = always("pass")
    outcome = verify(load, Outcome("ledger refuses", load.seed, faults=proxy.harmed))
    assert worker.stop(20)
    assert outcome.kept, outcome
    assert stack.query("SELECT count() FROM impact.rejected FINAL WHERE reason = 'not_storable'") == rejected
