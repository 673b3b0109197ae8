"""ClickHouse that refuses, is slow, or does the work and loses the answer: by a proxy's word, and by its own."""

import resource
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http import HTTPStatus
from pathlib import Path

import pytest
from chaos import Load, conclude
from proxy import Fault, Proxy
from runs import ALONE, LONG_FORM
from stack import Stack, answer, wait_for, waited

from clustertrack.local.clickhouse.pool import FREE_DISK_BYTES

pytestmark = [pytest.mark.integration, pytest.mark.extended, pytest.mark.timeout(300)]

STACK = {"disk": 2000}

NOT_STORABLE = "SELECT count() FROM impact.rejected FINAL WHERE reason = 'not_storable'"


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


FAULTS = [
    pytest.param(always("error 243"), 5, "ClickHouse: disk full", id="disk full"),
    pytest.param(always("error 164"), 5, "ClickHouse: read only", id="read only"),
    pytest.param(often("lose"), 4, "ClickHouse: answer lost after the insert", id="answer lost after the insert"),
    pytest.param(often("error 252"), 5, "ClickHouse: too many parts, now and then", id="too many parts, now and then"),
    pytest.param(often("page 200"), 4, "ClickHouse: a proxy's page for an answer", id="a page for an answer"),
    pytest.param(always("slow 5"), 2, "ClickHouse: five seconds an insert", id="five seconds an insert"),
]
"""What happens to inserts, how often at least, and the scenario's name."""


@pytest.mark.parametrize(("fault", "harmed", "scenario"), FAULTS if ALONE else FAULTS[::2])
def test_nothing_is_lost(load: Load, proxy: Proxy, fault: Fault, harmed: int, scenario: str) -> None:
    """The worker repeats until ClickHouse is healthy again; rows that went in twice count once; nothing is rejected."""
    stack = load.stack
    rejected = stack.query(NOT_STORABLE)
    worker = stack.start_worker("behind-a-proxy", CLICKHOUSE_PORT=str(proxy.port))
    proxy.fault = fault
    load.publish(load.size(800))
    wait_for(lambda: proxy.harmed >= harmed, 60, "the fault to strike")
    assert worker.exit_code() is None
    proxy.fault = always("pass")
    conclude(load, scenario, faults=proxy.harmed)
    assert worker.stop(20)
    assert stack.query(NOT_STORABLE) == rejected


UNKNOWN = [
    *(pytest.param(f"error {code}", id=str(code)) for code in (473, 700, 198, 9999, 117, 469)),
    pytest.param("page 500", id="an error page"),
    pytest.param("page 200", id="a page"),
    pytest.param("cut 500", id="an error cut short"),
    pytest.param("cut 200", id="an answer cut short"),
]
"""Answers that say nothing of a record, or say it without proof."""


@pytest.mark.parametrize("said", UNKNOWN if ALONE else UNKNOWN[5::2])
def test_no_record_is_blamed(load: Load, proxy: Proxy, said: str) -> None:
    """What ClickHouse or a proxy answers to every insert is waited for, and said by /readyz; then all is counted."""
    stack = load.stack
    rejected = stack.query(NOT_STORABLE)
    worker = stack.start_worker("blames-nobody", CLICKHOUSE_PORT=str(proxy.port))
    proxy.fault = always(said)
    load.publish(load.size(300))
    wait_for(lambda: proxy.harmed >= 8, 60, "the answer to strike often")
    # Not at once: the first refusals of some answers are spent on looking for the one record.
    wait_for(lambda: "refused for" in answer(worker, "/readyz")[1], 60, "the worker to say that it waits")
    assert answer(worker, "/readyz")[0] == HTTPStatus.SERVICE_UNAVAILABLE
    assert worker.exit_code() is None
    proxy.fault = always("pass")
    stack.wait_counted()
    assert worker.stop(20)
    assert stack.query(NOT_STORABLE) == rejected


def command(stack: Stack, *statements: str) -> None:
    """Have ClickHouse do something."""
    client = stack.client()
    try:
        for statement in statements:
            client.command(statement)
    finally:
        client.close()


@contextmanager
def limited(stack: Stack, what: int, soft: int) -> Iterator[None]:
    """ClickHouse's process with a lower limit of something."""
    before, hard = resource.prlimit(stack.clickhouse.pid, what)
    resource.prlimit(stack.clickhouse.pid, what, (soft, hard))
    try:
        yield
    finally:
        resource.prlimit(stack.clickhouse.pid, what, (before, hard))


@contextmanager
def disk_full(stack: Stack) -> Iterator[None]:
    """No more is free on ClickHouse's disk than half of what the engine wants to be."""
    stack.resize_disk(free=FREE_DISK_BYTES // 2**21)
    yield
    stack.resize_disk()


@contextmanager
def no_more_files(stack: Stack) -> Iterator[None]:
    """All file descriptors are in use, but for those that a connection takes."""
    used = sum(1 for _ in Path(f"/proc/{stack.clickhouse.pid}/fd").iterdir())
    with limited(stack, resource.RLIMIT_NOFILE, used + 2):
        yield


def table_set(table: str, **settings: int) -> Callable[[Stack], AbstractContextManager[None]]:
    """A table with other settings, that does not merge."""

    @contextmanager
    def change(stack: Stack) -> Iterator[None]:
        pairs = ", ".join(f"{name} = {value}" for name, value in settings.items())
        command(stack, f"SYSTEM STOP MERGES {table}", f"ALTER TABLE {table} MODIFY SETTING {pairs}")
        yield
        command(stack, f"ALTER TABLE {table} RESET SETTING {', '.join(settings)}", f"SYSTEM START MERGES {table}")

    return change


OWN_WORDS: tuple[tuple[str, Callable[[Stack], AbstractContextManager[None]], str], ...] = (
    ("disk full", disk_full, "code: 243"),
    (
        "too many parts",
        table_set("receipt", parts_to_throw_insert=1, parts_to_delay_insert=1, max_delay_to_insert=1),
        "code: 252",
    ),
    ("read only", table_set("receipt", table_readonly=1), "code: 774"),
    ("no file descriptors", no_more_files, "Too many open files"),
)
"""What is wrong, how a test brings it about, and what the worker's log says of it."""


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="no limits of other processes here")
def test_by_its_own_word(load: Load) -> None:
    """When the engine itself cannot store anything, no record is to blame: the worker waits each time."""
    stack, struck = load.stack, []
    rejected = stack.query(NOT_STORABLE)
    worker = stack.start_worker("refused")
    for what, fault, said in OWN_WORDS:
        if fault is disk_full and not stack.has_disk:
            continue  # no process may have a file system of its own here
        load.publish(load.size(100))
        stack.wait_counted()
        with fault(stack):
            load.publish(load.size(300))
            wait_for(lambda: waited(worker) >= 1, 60, f"the worker to wait for ClickHouse: {what}")
            wait_for(lambda said=said: said in worker.log.read_text(encoding="utf-8"), 60, f"the worker to say {said}")
            assert worker.exit_code() is None
        struck.append(what)
    conclude(load, "ClickHouse refuses by its own word", faults=len(struck), story=struck)
    assert stack.query(NOT_STORABLE) == rejected
    assert worker.stop(20)


@LONG_FORM  # the thread of the insert is waited for until a stop's end
def test_a_graceful_stop_during_a_slow_insert(load: Load, proxy: Proxy) -> None:
    """The insert is not waited for, the worker stops in under 20 s; what arrives afterwards changes nothing."""
    stack = load.stack
    worker = stack.start_worker("stops-while-slow", CLICKHOUSE_PORT=str(proxy.port))
    proxy.fault = always("hold")
    load.publish(load.size(300))
    wait_for(lambda: proxy.harmed, 60, "an insert to be under way")
    started = time.monotonic()
    assert worker.stop(20), "a graceful stop"
    assert time.monotonic() - started < 20
    heir = stack.start_worker("heir-of-slow")
    stack.wait_counted()
    proxy.let_go()
    wait_for(lambda: proxy.late, 30, "the late insert")
    conclude(load, "ClickHouse: worker stopped during a slow insert", faults=1)
    assert heir.stop(20)
