"""ClickHouse that comes back empty or older than what the workers committed, while Kafka is kept."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from chaos import EVENTS, Load, conclude
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from kafka.admin import OffsetSpec
from kafka.structs import OffsetAndMetadata
from runs import LONG_FORM
from stack import Stack, wait_for

pytestmark = [pytest.mark.integration, pytest.mark.extended, pytest.mark.timeout(300)]

GROUP = "clustertrack"


@contextmanager
def stopped(stack: Stack) -> Iterator[None]:
    """ClickHouse does not run within the block."""
    stack.clickhouse.stop(10)
    yield
    stack.restart_clickhouse()


def backup(stack: Stack) -> None:
    """Keep a copy of ClickHouse's folder."""
    with stopped(stack):
        shutil.rmtree(stack.folder / "backup", ignore_errors=True)
        shutil.copytree(stack.folder / "ch", stack.folder / "backup", symlinks=True)


def restore(stack: Stack) -> None:
    """Put the copy back."""
    with stopped(stack):
        shutil.rmtree(stack.folder / "ch")
        shutil.copytree(stack.folder / "backup", stack.folder / "ch", symlinks=True)


def receipts(stack: Stack) -> int:
    """Offsets of the events topic that have a receipt."""
    return int(
        stack.query("SELECT uniqExact(partition, offset) FROM impact.receipt WHERE topic = 'activity.events.v1'")[0][0]
    )


def statuses(stack: Stack) -> dict[str, int]:
    """Receipts by status."""
    return dict(stack.query("SELECT toString(status), count() FROM impact.receipt FINAL GROUP BY status"))


def ledger_id(stack: Stack) -> str:
    """The current id."""
    return str(stack.query("SELECT id FROM impact.ledger ORDER BY created_at, id LIMIT 1")[0][0])


def counted(load: Load, number: int, worker: str) -> None:
    """Publish, count all of it with one worker, and stop that."""
    running = load.stack.start_worker(worker)
    load.publish(load.size(number))
    load.stack.wait_counted()
    assert running.stop(20)


@pytest.fixture(scope="module")
def copied(load: Load) -> Load:
    """A load of which ClickHouse's folder was copied after its first records; nothing runs then."""
    counted(load, 200, "before-copy")
    backup(load.stack)
    return load


def test_replaced_under_a_running_worker(copied: Load) -> None:
    """The worker stops as soon as it stores something, nothing uses that ledger any longer, and `migrate` fixes it."""
    stack = copied.stack
    worker = stack.start_worker("replaced-under-it")
    copied.publish(copied.size(200))
    stack.wait_counted()
    restore(stack)
    held = receipts(stack)
    copied.publish(copied.size(200))
    wait_for(lambda: worker.exit_code() is not None, 60, "the worker to end")
    assert "replaced by an older copy" in worker.last_words()
    assert receipts(stack) == held
    refused = stack.run("worker", "--check", expect=1)
    assert "has no ledger id: run `clustertrack migrate`" in refused.stderr
    stack.run("migrate")
    heir = stack.start_worker("after-replacement")
    conclude(copied, "ClickHouse replaced by an older copy under a worker", faults=1)
    assert heir.stop(20)


def test_restored_while_no_worker_runs(copied: Load) -> None:
    """No worker starts on it; `migrate` gives it a new id, and what came after the copy is counted again."""
    stack = copied.stack
    restore(stack)
    restored = ledger_id(stack)
    refused = stack.run("worker", "--check", expect=1)
    assert "restored from an older copy: run `clustertrack migrate`" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert "restored from an older copy" in stack.run("migrate", "--check", expect=1).stdout
    assert ledger_id(stack) == restored, "a check changes nothing"
    assert "restored from an older copy; with its new id" in stack.run("migrate").stdout
    assert ledger_id(stack) != restored
    assert "Nothing to do" in stack.run("migrate").stdout
    worker = stack.start_worker("after-restore")
    copied.publish(copied.size(100))
    conclude(copied, "ClickHouse restored from an older backup", faults=1)
    assert worker.stop(20)


@LONG_FORM
def test_wiped(load: Load) -> None:
    """A new ledger is filled from the beginning of the topic, and calls nothing a duplicate for its old marks."""
    stack = load.stack
    counted(load, 200, "keeps-its-marks")
    before = statuses(stack)
    with stopped(stack):
        shutil.rmtree(stack.folder / "ch")
    assert "run `clustertrack migrate`" in stack.run("worker", "--check", expect=1).stderr
    stack.run("migrate")
    worker = stack.start_worker("keeps-its-marks")
    conclude(load, "ClickHouse wiped", faults=1)
    after = statuses(stack)
    # Records on the wrong partition are sent on again, and their copies are repeats of the first copies.
    assert {**after, "duplicate": 0} == {**before, "duplicate": 0, "rerouted": after["rerouted"]}
    assert after["duplicate"] == before["duplicate"] + after["rerouted"]
    assert worker.stop(20)


@LONG_FORM
def test_no_false_alarm(load: Load) -> None:
    """A commit with only aborted records before it is not a sign of a restored ledger."""
    stack = load.stack
    counted(load, 50, "before-abort")
    before = ledger_id(stack)
    producer = KafkaProducer(bootstrap_servers=stack.bootstrap, transactional_id="aborts")
    producer.init_transactions()
    producer.begin_transaction()
    for partition in range(stack.partitions):
        producer.send(EVENTS, value=b"never published", partition=partition)
    producer.flush()
    producer.abort_transaction()
    producer.close()
    admin = KafkaAdminClient(bootstrap_servers=stack.bootstrap.split(","))
    partitions = [TopicPartition(EVENTS, partition) for partition in range(stack.partitions)]
    ends = admin.list_partition_offsets(dict.fromkeys(partitions, OffsetSpec.LATEST))
    moved = {place: OffsetAndMetadata(end.offset, "", None) for place, end in ends.items()}
    admin.alter_group_offsets(f"{GROUP}-{before}", moved)
    admin.close()
    stack.run("worker", "--check")
    assert "Nothing to do" in stack.run("migrate").stdout
    assert ledger_id(stack) == before
    worker = stack.start_worker("after-abort")
    load.publish(load.size(50))
    conclude(load, "commits after aborted records", faults=1)
    assert worker.stop(20)
