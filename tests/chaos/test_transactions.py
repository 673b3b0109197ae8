"""A producer that publishes in transactions: what it aborts was never published, and its markers are not records."""

import json
from collections.abc import Iterator

import pytest
from chaos import EVENTS, SEED, Load, conclude
from kafka import KafkaProducer
from stack import Stack

pytestmark = [pytest.mark.integration, pytest.mark.extended, pytest.mark.timeout(300)]

Records = list[tuple[bytes | None, bytes | None, int | None]]


@pytest.fixture
def producer(load: Load) -> Iterator[KafkaProducer]:
    """In transactions."""
    made = KafkaProducer(bootstrap_servers=load.stack.bootstrap, transactional_id="crm", acks="all")
    made.init_transactions()
    yield made
    made.close(timeout=10)


def send(producer: KafkaProducer, records: Records) -> None:
    """Within a transaction, and confirmed."""
    for key, value, partition in records:
        producer.send(EVENTS, key=key, value=value, partition=partition)
    producer.flush(timeout=60)


def everywhere(stack: Stack) -> Records:
    """A record for each partition."""
    return [(None, b"never published", partition) for partition in range(stack.partitions)]


def test_commits_and_aborts(load: Load, producer: KafkaProducer) -> None:
    """Aborted records are never counted, markers are `no record`, and nobody waits for an end that is only markers."""
    stack = load.stack
    never = Load(stack, SEED + 1)
    worker = stack.start_worker()
    for turn in range(3):
        producer.begin_transaction()
        send(producer, load.draw(load.size(60)))
        producer.commit_transaction()
        producer.begin_transaction()
        send(producer, never.draw(load.size(40)) + everywhere(stack))
        producer.abort_transaction()
        if turn < 2:
            load.publish(load.size(20))
    conclude(load, "transactions that commit and abort", faults=3)
    account = json.loads(stack.run("reconcile", "--json").stdout)
    # The last abort comes after everything that is committed, and is pending.
    assert sum(partition["no_record"] for partition in account["partitions"]) >= load.size(2 * 40)
    assert worker.stop(20)


def test_an_open_transaction(load: Load, producer: KafkaProducer) -> None:
    """What comes after it waits, and nobody says that it is counted; when it commits, all of it is."""
    stack = load.stack
    worker = stack.start_worker()
    producer.begin_transaction()
    send(producer, load.draw(load.size(60)) + everywhere(stack))
    load.invalid += stack.partitions
    load.publish(load.size(40))
    waiting = stack.run("status", "--wait", "2", expect=1)
    assert "waiting for publishers to end their transactions: " in waiting.stdout
    producer.commit_transaction()
    conclude(load, "transaction that stays open for a while", faults=1)
    assert worker.stop(20)
