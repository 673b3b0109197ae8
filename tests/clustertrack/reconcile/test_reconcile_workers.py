"""`reconcile` on a ledger that real workers fill: while they do, and after somebody has damaged it."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from chaos import EVENTS, SEED, Load
from stack import Stack, wait_for

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

CLUSTERS = """
[[cluster]]
slug = "food-bio"
name = "Food"
valid_from = 2000-01-01
sources = ["https://crm.foodbio.example"]
"""


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Load]:
    """A seeded load: repeats, corrections, poison, one record of a hundred anywhere; small groups."""
    folder = tmp_path_factory.mktemp("reconcile")
    registry = folder / "registry.toml"
    registry.write_text(CLUSTERS, encoding="utf-8")
    stack = Stack(folder, registry=registry)
    stack.environment |= {"CLUSTERTRACK_MAX_ROWS": "100", "CLUSTERTRACK_SESSION_SECONDS": "6"}
    yield Load(stack, SEED)
    stack.close()


def account(stack: Stack) -> tuple[int, dict[str, Any]]:
    """Exit code and JSON of `clustertrack reconcile`."""
    ran = stack.run("reconcile", "--json", expect=None)
    assert ran.returncode in (0, 1), ran.stderr
    return ran.returncode, json.loads(ran.stdout)


@contextmanager
def published(load: Load) -> Iterator[None]:
    """Records are published meanwhile, a few at a time."""
    enough = threading.Event()

    def publish() -> None:
        while not enough.is_set():
            load.publish(20)

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        yield
    finally:
        enough.set()
        thread.join(60)


@pytest.mark.extended
def test_no_false_alarm_under_load(load: Load):
    """However often it is asked while records flow and a worker is killed, nothing is called lost that is not."""
    stack = load.stack
    stack.start_worker("stays")
    victim = stack.start_worker("victim")
    with published(load):
        seen = []
        for turn in range(4):
            if turn == 2:
                stack.kill(victim)
            code, found = account(stack)
            assert code == 0, found
            seen.append(sum(partition["received"] for partition in found["partitions"]))
    assert len(set(seen)) > 1, "records flowed while it was asked"
    stack.wait_counted(120)
    code, found = account(stack)
    assert (code, found["pending"], found["reroute_pending"], found["unsettled"]) == (0, 0, 0, 0)
    assert sum(partition["rerouted"] for partition in found["partitions"]) > 0
    received = sum(partition["received"] for partition in found["partitions"])
    assert received == sum(day["received"] for day in found["days"])


@contextmanager
def damaged(stack: Stack, table: str, where: str) -> Iterator[None]:
    """Rows of a table deleted, and put back in the end."""
    client = stack.client()
    try:
        client.command(f"CREATE OR REPLACE TABLE saved AS {table} ENGINE = MergeTree ORDER BY tuple()")
        client.command(f"INSERT INTO saved SELECT * FROM {table} FINAL WHERE {where}")
        client.command(f"ALTER TABLE {table} DELETE WHERE {where} SETTINGS mutations_sync = 1")
        yield
        client.command(f"INSERT INTO {table} SELECT * FROM saved")
    finally:
        client.close()


def in_text(stack: Stack) -> str:
    """What `clustertrack reconcile` prints; it must not be satisfied."""
    return str(stack.run("reconcile", expect=1).stdout)


def one(stack: Stack, sql: str) -> tuple[Any, ...]:
    """The row of a query."""
    [row] = stack.query(sql)
    return row


@pytest.fixture
def counted(load: Load) -> Stack:
    """The stack with everything counted, and one record that was sent on at least."""
    stack = load.stack
    if not any(worker.exit_code() is None for worker in stack.workers):
        stack.start_worker("counts")
    load.publish(load.size(300))
    stack.wait_counted(120)
    wait_for(lambda: account(stack)[0] == 0, 30, "a whole ledger")
    return stack


def lost_receipts(stack: Stack) -> tuple[str, str, str]:
    """Receipts of a range are deleted: a hole."""
    partition, first = one(
        stack, "SELECT partition, min(offset) + 3 FROM impact.receipt GROUP BY partition ORDER BY partition LIMIT 1"
    )
    words = f"{EVENTS}/{partition}: offsets {first} to {first + 4} without a receipt, still in Kafka"
    return "receipt", f"partition = {partition} AND offset BETWEEN {first} AND {first + 4}", words


def lost_row(stack: Stack) -> tuple[str, str, str]:
    """A row is deleted: its receipt remains."""
    partition, offset, activity = one(
        stack,
        "SELECT partition, offset, activity_id FROM impact.receipt FINAL WHERE status = 'accepted' "
        "AND activity_id IN (SELECT activity_id FROM impact.receipt GROUP BY activity_id HAVING count() = 1) "
        "ORDER BY partition, offset LIMIT 1",
    )
    words = f"{EVENTS}/{partition}: offset {offset} accepted, but no row is there"
    return "activity_revision", f"activity_id = '{activity}'", words


def lost_arrival(stack: Stack) -> tuple[str, str, str]:
    """The receipt of a record that was sent on and arrived is deleted."""
    partition, offset, home = one(
        stack,
        "SELECT origin_partition, origin_offset, partition FROM impact.receipt FINAL WHERE origin_partition != 65535 "
        "ORDER BY ALL LIMIT 1",
    )
    words = f"{EVENTS}/{partition}: offset {offset} sent on to partition {home}, but never arrived"
    return "receipt", f"origin_partition = {partition} AND origin_offset = {offset}", words


def lost_rejection(stack: Stack) -> tuple[str, str, str]:
    """A rejected record is deleted: its receipt remains."""
    partition, offset = one(
        stack, f"SELECT partition, offset FROM impact.rejected WHERE topic = '{EVENTS}' ORDER BY ALL LIMIT 1"
    )
    words = f"{EVENTS}/{partition}: offset {offset} rejected, but no row is there"
    return "rejected", f"topic = '{EVENTS}' AND partition = {partition} AND offset = {offset}", words


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lost_receipts, id="a range of receipts"),
        pytest.param(lost_row, id="a row"),
        pytest.param(lost_arrival, id="the receipt of an arrival"),
        pytest.param(lost_rejection, id="a rejected record"),
    ],
)
def test_damage_is_named(counted: Stack, damage: Callable[[Stack], tuple[str, str, str]]):
    """What is deleted from the ledger is found with its place, and the exit code is 1; put back, all is whole."""
    table, where, words = damage(counted)
    with damaged(counted, table, where):
        assert words in in_text(counted)
    code, found = account(counted)
    assert code == 0, found
