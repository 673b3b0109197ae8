"""What others do to the group and the topics of running workers: a foreign member, more partitions."""

import threading
from collections.abc import Iterator

import pytest
from kafka import KafkaAdminClient, KafkaConsumer
from samples import event
from stack import Stack, answer, wait_for

from brokers.partitioning import partition_of
from brokers.topics import EVENTS, app_id
from sinks import catalog

pytestmark = [pytest.mark.integration, pytest.mark.extended]


@pytest.fixture
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of the test's own."""
    made = Stack(tmp_path_factory.mktemp("stack"))
    yield made
    made.close()


def test_a_foreign_consumer_in_the_group_ends_the_worker(stack: Stack):
    """A consumer of somebody else holds the group: the worker says so, with the group, and works once it has gone."""
    with stack.client() as client:
        group = app_id("clustertrack", catalog.ledger_id(client, "impact"))
    stop, holds = threading.Event(), threading.Event()

    def hold() -> None:
        consumer = KafkaConsumer(EVENTS, bootstrap_servers=stack.bootstrap, group_id=group, enable_auto_commit=False)
        while not stop.is_set():
            consumer.poll(timeout_ms=200)
            if consumer.assignment():
                holds.set()
        consumer.close()

    foreigner = threading.Thread(target=hold)
    foreigner.start()
    try:
        assert holds.wait(60)
        worker = stack.start_worker(wait=False)
        wait_for(lambda: worker.exit_code() is not None, 60, "the worker to end")
    finally:
        stop.set()
        foreigner.join(30)

    assert worker.exit_code() == 1
    words = worker.last_words()
    assert f"The consumer group {group} refuses the worker (InconsistentGroupProtocolError)" in words
    assert "another program consumes as this group" in words
    stack.start_worker("worker-2")


def test_partitions_that_are_added_end_the_worker_and_have_a_way_out(stack: Stack):
    """A running worker stops and says what to do, `migrate` says the same, and doing it brings everything back."""
    company = 13748136
    stack.send(EVENTS, [(b"%08d" % company, event(company, "before"), [], partition_of(company, 4))])
    worker = stack.start_worker()
    stack.wait_counted()
    admin = KafkaAdminClient(bootstrap_servers=stack.bootstrap)
    admin.create_partitions({EVENTS: 6})
    admin.close()
    wait_for(lambda: worker.exit_code() is not None, 60, "the worker to end")

    assert worker.exit_code() == 1
    assert f"Topic {EVENTS} has 6 partitions now and had 4" in worker.last_words()
    assert "clustertrack migrate --recreate" in worker.last_words()
    stack.send(EVENTS, [(None, event(company, "uncounted"), [], 5)])
    assert "migrate --recreate" in stack.run("migrate", expect=1).stderr
    assert "migrate --recreate" in stack.run("worker", "--check", expect=1).stderr
    said = stack.run("migrate", "--recreate").stdout
    assert f"Topic {EVENTS} deleted, with 1 record not counted: publish them again." in said

    stack.workers.clear()
    worker = stack.start_worker("worker-2")
    stack.send(EVENTS, [(None, event(company, name), [], partition_of(company, 4)) for name in ("before", "uncounted")])
    stack.wait_counted()
    assert stack.query("SELECT count() FROM impact.activity FINAL") == [(2,)]
    assert stack.run("reconcile").returncode == 0
    assert answer(worker, "/readyz")[0] == 200


def test_recreate_touches_nothing_that_is_as_it_was(stack: Stack):
    """Without a topic that has grown, the option deletes nothing, and it does not go with --check."""
    assert "deleted" not in stack.run("migrate", "--recreate").stdout
    assert "give one of them" in stack.run("migrate", "--recreate", "--check", expect=2).stderr
