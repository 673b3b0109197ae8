"""The events topic deleted, re-created, created wrongly, or emptied before it was read."""

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from chaos import EVENTS, Load, conclude
from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import OffsetSpec
from runs import LONG_FORM
from stack import Stack, wait_for

from brokers.partitioning import partition_of

pytestmark = [pytest.mark.integration, pytest.mark.extended, pytest.mark.timeout(300)]

KEPT = 3
"""The partition where nothing expires."""


@pytest.fixture
def kafka(load: Load) -> Iterator[KafkaAdminClient]:
    """A client that does what an operator might."""
    client = KafkaAdminClient(bootstrap_servers=load.stack.bootstrap.split(","))
    yield client
    client.close()


def delete(kafka: KafkaAdminClient) -> None:
    """Delete the events topic, and wait until it is gone."""
    kafka.delete_topics([EVENTS])
    wait_for(lambda: EVENTS not in kafka.list_topics(), 30, "the topic to be gone")


def make(stack: Stack, kafka: KafkaAdminClient, partitions: int, **config: str) -> None:
    """Make the events topic as a broker or an operator would, not `migrate`."""
    replicas = 3 if stack.nodes > 1 else 1
    topic = {"num_partitions": partitions, "replication_factor": replicas, "configs": config}
    kafka.create_topics({EVENTS: topic}, wait_for_metadata=True)


def receipts(stack: Stack) -> list[tuple[int, int, int, str]]:
    """Everything that the ledger says about records."""
    return [
        (epoch, partition, offset, status)
        for epoch, partition, offset, status in stack.query(
            "SELECT topic_epoch, partition, offset, toString(status) FROM impact.receipt FINAL "
            "WHERE topic = 'activity.events.v1' ORDER BY ALL"
        )
    ]


def test_recreated_under_a_running_worker(load: Load, kafka: KafkaAdminClient) -> None:
    """Its offsets start at 0 again: the worker writes none of them over the receipts of the old ones, and stops."""
    stack = load.stack
    worker = stack.start_worker("reads-the-old-one")
    load.publish(load.size(200))
    stack.wait_counted()
    before = receipts(stack)
    delete(kafka)
    make(stack, kafka, stack.partitions)
    load.publish(load.size(300))
    wait_for(lambda: worker.exit_code() is not None, 60, "the worker to end")
    assert f"Topic {EVENTS} was deleted" in worker.last_words()
    assert receipts(stack) == before
    assert "was deleted and re-created" in stack.run("worker", "--check", expect=1).stderr
    stack.run("migrate")
    heir = stack.start_worker("reads-the-new-one")
    conclude(load, "events topic re-created under a worker", faults=1)
    assert set(before) < set(receipts(stack))
    assert heir.stop(20)


@LONG_FORM
def test_recreated_with_the_wrong_settings(load: Load, kafka: KafkaAdminClient) -> None:
    """As a broker creates topics by itself: one sentence each says what is wrong, `migrate` fixes what it can."""
    stack = load.stack
    delete(kafka)
    assert f"Topic {EVENTS} is missing: run `clustertrack migrate`" in stack.run("worker", "--check", expect=1).stderr
    make(stack, kafka, 1)
    sentence = f"Topic {EVENTS} has 1 partitions instead of {stack.partitions}"
    assert sentence in stack.run("migrate", "--check", expect=1).stdout
    refused = stack.run("migrate", expect=1)
    assert sentence in refused.stderr
    assert "delete it" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert (
        f"Topic {EVENTS} has 1 partitions and had {stack.partitions}" in stack.run("worker", "--check", expect=1).stderr
    )
    delete(kafka)
    make(stack, kafka, stack.partitions, **{"cleanup.policy": "compact", "retention.ms": "1000"})
    found = stack.run("migrate", "--check", expect=1).stdout
    wrong = ("cleanup.policy=compact", "retention.ms=1000", "message.timestamp.type=CreateTime")
    assert all(f"Topic {EVENTS} has {setting}" in found for setting in wrong)
    assert all(setting in stack.run("worker", "--check", expect=1).stderr for setting in wrong)
    stack.run("migrate")
    load.publish(load.size(200))
    worker = stack.start_worker("after-fixing")
    conclude(load, "events topic made with the wrong settings", faults=2)
    assert worker.stop(20)


def test_down_for_longer_than_the_retention(
    load: Load, kafka: KafkaAdminClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kafka deleted what nobody had read: `reconcile` names the ranges, the worker says so and goes on after them.

    What is gone was valid; it is not part of the truth that the ledger is compared with afterwards.
    """
    stack = load.stack
    ends = {place: end.offset for place, end in _ends(stack, kafka).items()}
    lost = Load(stack, load.seed + 1)
    records = [
        (key, value, [], partition)
        for key, value, none in lost.draw(400)
        if none is None and key is not None and (partition := partition_of(int(key), stack.partitions)) != KEPT
    ]
    stack.send(EVENTS, records)
    lows = {place: end.offset for place, end in _ends(stack, kafka).items()}
    assert all((lows[place] > end) == (place.partition != KEPT) for place, end in ends.items())
    kafka.delete_records({place: low for place, low in lows.items() if place.partition != KEPT}, timeout_ms=10_000)
    expired = {
        place.partition: [[end, lows[place] - 1]] if place.partition != KEPT else [] for place, end in ends.items()
    }
    unread = stack.run("reconcile", "--json", expect=1)
    assert {p["partition"]: p["expired_unread"] for p in json.loads(unread.stdout)["partitions"]} == expired
    assert f"{len(records)} offsets that expired unread" in unread.stderr
    load.publish(load.size(200))
    worker = stack.start_worker("too-late")
    run = stack.run_here

    def run_and_allow(*arguments: str, **options: Any) -> Any:
        """Here `reconcile` has to end with 1, and to name those ranges and nothing else."""
        if arguments[0] != "reconcile":
            return run(*arguments, **options)
        done = run(*arguments, **{**options, "expect": 1})
        partitions = json.loads(done.stdout)["partitions"]
        assert {p["partition"]: p["expired_unread"] for p in partitions} == expired
        assert not any(p["missing"] or p["pending"] for p in partitions)
        assert f"{len(records)} offsets that expired unread" in str(done.exception)
        return SimpleNamespace(exit_code=0)

    monkeypatch.setattr(stack, "run_here", run_and_allow)  # as long as nobody has acknowledged it
    told = [f"{len(records)} valid records expired unread, and reconcile named each"]
    conclude(load, "workers down for longer than the retention (what expired unread is named)", faults=1, story=told)
    assert worker.log.read_text(encoding="utf-8").count("Kafka deleted records before they were read") == 3
    assert stack.run("reconcile", "--acknowledge", " ", expect=2).stderr.startswith("error: --acknowledge is blank")
    for arguments in (("--acknowledge", "drill"), ()):
        account = json.loads(stack.run("reconcile", "--json", *arguments).stdout)
        assert (account["whole"], account["acknowledged"]) == (True, len(records))
    assert worker.stop(20)


def _ends(stack: Stack, kafka: KafkaAdminClient) -> dict[TopicPartition, Any]:
    places = [TopicPartition(EVENTS, partition) for partition in range(stack.partitions)]
    return dict(kafka.list_partition_offsets(dict.fromkeys(places, OffsetSpec.LATEST)))
