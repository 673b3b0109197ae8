"""The end of the events partition is lost, and its offsets are given out again to other events."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from chaos import EVENTS
from kafka import KafkaConsumer, TopicPartition
from kafka.structs import OffsetAndMetadata
from runs import LONG_FORM
from samples import event
from stack import Stack

pytestmark = [pytest.mark.integration, pytest.mark.extended, pytest.mark.timeout(300)]

BEFORE, LOST, NEW = 60, 40, 90


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """With one partition, whose folder is put back to an older state."""
    made = Stack(tmp_path, partitions=1)
    yield made
    made.close()


def publish(stack: Stack, name: str, number: int) -> None:
    """The number of events."""
    stack.send(EVENTS, [(None, event(activity=f"{name}-{n}"), [], 0) for n in range(number)])


def counted(stack: Stack) -> dict[str, int]:
    """Activities by the name that they were published under."""
    sql = "SELECT splitByChar('-', activity_id)[1], uniqExact(activity_id) FROM impact.activity_revision GROUP BY ALL"
    return dict(stack.query(sql))


def reconciled(stack: Stack) -> dict[str, object]:
    """What `reconcile` finds."""
    found: dict[str, object] = json.loads(stack.run_here("reconcile", "--json", expect=None).stdout)
    return found


def _gone_on(stack: Stack) -> None:
    """Receipts and the commit of what lies beyond the old end."""
    (ledger,) = stack.query("SELECT id FROM impact.ledger")[0]
    place = TopicPartition(EVENTS, 0)
    consumer = KafkaConsumer(
        bootstrap_servers=stack.bootstrap, group_id=f"clustertrack-{ledger}", enable_auto_commit=False
    )
    try:
        consumer.assign([place])
        consumer.commit({place: OffsetAndMetadata(BEFORE + NEW, "", -1)})
    finally:
        consumer.close(autocommit=False)
    rows = ", ".join(
        f"('{EVENTS}', 0, 0, {record.offset}, 'rerouted', {record.timestamp / 1000:.3f})"
        for record in stack.read(EVENTS)
        if record.offset >= BEFORE + LOST
    )
    client = stack.client()
    client.command(f"INSERT INTO receipt (topic, topic_epoch, partition, offset, status, log_time) VALUES {rows}")
    client.close()


@pytest.mark.parametrize(
    "noticed", [pytest.param(True, id="before a worker"), pytest.param(False, id="after a worker", marks=LONG_FORM)]
)
def test_the_new_events_are_counted(stack: Stack, noticed: bool) -> None:
    """`reconcile` names the range, no worker goes on silently, and after `migrate` every event is counted once."""
    worker = stack.start_worker("first")
    publish(stack, "BEFORE", BEFORE)
    stack.wait_counted()
    stack.brokers[0].stop(30)
    (folder,) = [found for found in stack.folder.rglob(f"{EVENTS}-0") if found.is_dir()]
    saved = stack.folder / "saved"
    shutil.copytree(folder, saved)
    stack.restart_broker()
    publish(stack, "LOST", LOST)
    stack.wait_counted()
    assert worker.stop(20)
    stack.brokers[0].stop(30)
    shutil.rmtree(folder)
    shutil.copytree(saved, folder)
    stack.restart_broker()
    publish(stack, "NEW", NEW)
    if not noticed:  # as a version that did not look went on: what lies beyond the old end has its receipts
        _gone_on(stack)
    found = reconciled(stack)
    assert not found["whole"]
    place = {"topic": EVENTS, "topic_epoch": 0, "partition": 0}
    assert found["replaced_ranges"] == [{**place, "first": BEFORE, "last": BEFORE + LOST - 1}]
    assert "gave their offsets to other records" in str(stack.run_here("worker", "--check", expect=1).exception)
    assert "gave their offsets to other records" in stack.run_here("migrate", "--check", expect=1).output
    stack.run_here("migrate")
    stack.start_worker("second")
    stack.wait_counted()
    assert counted(stack) == {"BEFORE": BEFORE, "LOST": LOST, "NEW": NEW}
    found = reconciled(stack)
    assert (found["whole"], found["replaced"]) == (True, 0)
