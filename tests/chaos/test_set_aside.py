"""A record that no worker survives, and the operator's way out."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from chaos import Outcome, record
from click.testing import CliRunner, Result
from runs import NODES
from samples import CVRS, event
from stack import Stack, wait_for

from brokers.topics import ENRICHED, EVENTS
from clustertrack.cli import root
from sinks.set_aside import Order, write_order

pytestmark = [pytest.mark.integration, pytest.mark.extended, pytest.mark.timeout(300)]

RECORDS, WHY = 60, "ends every\nworker"
REGISTRY = """[[cluster]]
slug = "food-bio"
name = "Food"
valid_from = 2000-01-01
sources = ["https://crm.foodbio.example"]
"""


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """Two partitions with records that wait for a worker."""
    registry = tmp_path / "registry.toml"
    registry.write_text(REGISTRY, encoding="utf-8")
    made = Stack(tmp_path, nodes=NODES, partitions=2, registry=registry)
    made.environment |= {"CLUSTERTRACK_SESSION_SECONDS": "6", "CLUSTERTRACK_LINGER_MS": "50"}
    companies = [CVRS[n % len(CVRS)] for n in range(RECORDS)]
    made.send(EVENTS, [(f"{cvr:08d}".encode(), event(cvr, f"A-{n}"), [], None) for n, cvr in enumerate(companies)])
    yield made
    made.close()


def called(stack: Stack, *arguments: str, expect: int = 0) -> Result:
    """The command line within this process; errors of ours end it as an exception with an exit code."""
    done = CliRunner().invoke(root, arguments, env=stack.environment)
    assert getattr(done.exception, "exit_code", done.exit_code) == expect, (arguments, done.exception, done.output)
    return done


def taken(log: Path) -> list[dict[str, Any]]:
    """What the log of a worker at LOG_LEVEL=DEBUG says of the records that it took."""
    return [json.loads(line) for line in log.read_text().splitlines() if '"records are taken"' in line]


def test_everything_else_goes_on(stack: Stack):
    """Workers die on the record again and again; set aside, it has its receipt, and all others are counted in order."""
    ends = {one.partition: one.offset + 1 for one in stack.read(EVENTS)}
    deadly = (0, ends[0] // 2)
    place = f"{EVENTS}/0/{deadly[1]}"
    fault = {"CLUSTERTRACK_FAULT": f"record:{place}", "LOG_LEVEL": "DEBUG"}
    for name in ("first", "second"):
        dying = stack.start_worker(name, wait=False, **fault)
        wait_for(lambda dying=dying: dying.exit_code() is not None, 90, "the worker to die")
        assert dying.exit_code() == -9, dying.last_words()
        last = taken(dying.log)[-1]
        assert (last["partition"], last["first"], last["last"]) == (*deadly, deadly[1])  # how an operator finds it

    order = ("rejected", "set-aside", place, "--reason", WHY)
    assert "would be rejected unread" in called(stack, *order, "--dry-run").stdout
    assert stack.query("SELECT count() FROM impact.set_aside") == [(0,)]
    assert "will be rejected unread" in called(stack, *order).stdout

    began = time.monotonic()
    heir = stack.start_worker("heir", wait=False, **fault)
    stack.wait_counted(90)
    seconds = time.monotonic() - began
    assert heir.exit_code() is None
    places = [(partition, offset) for partition in sorted(ends) for offset in range(ends[partition])]
    receipts = stack.query("SELECT partition, offset, toString(status), reason FROM impact.receipt FINAL ORDER BY ALL")
    assert receipts == [(*at, *(("rejected", "set_aside") if at == deadly else ("accepted", ""))) for at in places]
    origins = [(one.partition, dict(one.headers)["ct-origin"].decode()) for one in stack.read(ENRICHED)]
    assert origins == [(at[0], f"{EVENTS}/{at[0]}/{at[1]}") for at in places if at != deadly]
    assert f"whole: all {RECORDS} offsets are accounted for." in called(stack, "reconcile").stdout

    shown = json.loads(called(stack, "rejected", "show", place, "--json").stdout)
    assert (shown["reason"], shown["payload"], shown["key"], shown["headers"]) == ("set_aside", None, None, [])
    assert [order["reason"] for order in shown["set_aside"]] == [WHY]
    assert called(stack, "rejected", "show", place).stdout.endswith("had it set aside  ends every\\nworker\n")
    assert place in called(stack, "rejected", "list", "--reason", "set_aside").stdout
    assert "it was set aside unread" in called(stack, "rejected", "replay", place, expect=1).stdout
    assert "the workers have passed it" in str(called(stack, *order, expect=1).exception)
    called(stack, "rejected", "discard", place, "--note", "the bug is reported")
    assert place in called(stack, "rejected", "list", "--closed").stdout
    called(stack, "reconcile")
    scenario = "a record that no worker survives, set aside"
    record(Outcome(scenario, nodes=NODES, events=RECORDS, faults=2, recovery_seconds=seconds))


def test_a_worker_at_work_learns_of_it(stack: Stack):
    """It need not be restarted; what was counted before an order stays counted."""
    worker = stack.start_worker()
    stack.wait_counted()
    end = max(one.offset for one in stack.read(EVENTS) if one.partition == 0) + 1
    beyond = called(stack, "rejected", "set-aside", f"{EVENTS}/0/{end}", "--reason", "not there yet", expect=1)
    assert f"there is no record {end} yet" in str(beyond.exception)
    client = stack.client()
    write_order(client, "impact", Order(EVENTS, 0, 0, end - 1, end + 1, datetime.now(UTC), "anna", "a test of this"))
    client.close()
    wait_for(lambda: '"records are set aside"' in worker.log.read_text(), 10, "the worker to learn of the order")
    stack.send(EVENTS, [(b"13748136", event(activity=f"B-{n}"), [], 0) for n in range(3)])
    stack.wait_counted()
    found = stack.query(
        "SELECT reason FROM impact.receipt FINAL WHERE partition = 0 AND offset >= {e:UInt64} ORDER BY ALL", e=end - 1
    )
    assert sorted(reason for (reason,) in found).count("set_aside") == 2
    worker.stop(20)
    called(stack, "reconcile")
