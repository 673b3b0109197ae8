"""Three brokers, of which two must have every record: one dies, leaders move, two die."""

import random
from collections.abc import Iterator
from typing import Any

import pytest
from chaos import EVENTS, Load, conclude
from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from runs import SEED
from stack import Worker, wait_for

pytestmark = [pytest.mark.integration, pytest.mark.extended, pytest.mark.timeout(300)]

STACK = {"nodes": 3}


@pytest.fixture
def worker(load: Load) -> Iterator[Worker]:
    """A worker that must live through the test, and stop by itself afterwards; without progress it ends after 12 s."""
    started = load.stack.start_worker("one-of-three", CLUSTERTRACK_STALLED_SECONDS="6")
    yield started
    assert started.exit_code() is None
    assert started.stop(20), "a graceful stop"


@pytest.fixture
def admin(load: Load) -> Iterator[KafkaAdminClient]:
    """Asks the cluster."""
    client = KafkaAdminClient(bootstrap_servers=load.stack.bootstrap)
    yield client
    client.close()


def leaders(admin: KafkaAdminClient, topics: list[str]) -> dict[TopicPartition, int]:
    """Who leads each partition."""
    return {
        TopicPartition(topic["name"], partition["partition_index"]): partition["leader_id"]
        for topic in admin.describe_topics(topics)
        for partition in topic["partitions"]
    }


def move_leaders(admin: KafkaAdminClient, topics: list[str]) -> None:
    """Every partition's next replica becomes its leader."""
    reordered = {}
    for topic in admin.describe_topics(topics):
        for partition in topic["partitions"]:
            first, *others = partition["replica_nodes"]
            reordered[TopicPartition(topic["name"], partition["partition_index"])] = [*others, first]
    admin.alter_partition_reassignments(reordered)
    wait_for(lambda: not admin.list_partition_reassignments(), 30, "the replicas to be put in another order")
    admin.elect_leaders(0, {topic: [tp.partition for tp in reordered if tp.topic == topic] for topic in topics})
    expected = {tp: replicas[0] for tp, replicas in reordered.items()}
    wait_for(lambda: leaders(admin, topics) == expected, 30, "the leaders to move")


def under_way(load: Load) -> None:
    """Wait until some more records are published."""
    before = load.published
    wait_for(lambda: load.published > before + 100, 30, "the load to be under way")


def setting(admin: KafkaAdminClient, topic: str, name: str) -> str:
    """A topic's configuration as it is in effect, wherever it was set."""
    asked = ConfigResource(ConfigResourceType.TOPIC, topic, {name: None})
    found: dict[str, Any] = admin.describe_configs([asked], config_filter="all")
    return str(found["topic"][topic][name]["value"])


def test_one_of_three_is_killed(load: Load, worker: Worker, admin: KafkaAdminClient) -> None:
    """The other two have everything, and go on: all is counted before it comes back and catches up."""
    stack, broker = load.stack, random.Random(SEED).randrange(3)
    assert setting(admin, EVENTS, "min.insync.replicas") == "2"
    publishing = load.background(rate=150, seconds=load.size(6))
    under_way(load)
    stack.kill(stack.brokers[broker])
    under_way(load)
    publishing.join(300)
    stack.wait_counted(120)
    assert stack.brokers[broker].exit_code() is not None
    stack.restart_broker(broker)
    load.publish(load.size(100))
    conclude(load, "Kafka: one of three brokers killed", faults=1, story=[f"broker {broker + 1} killed"])
    assert worker.exit_code() is None


def test_leaders_move(load: Load, worker: Worker, admin: KafkaAdminClient) -> None:
    """Of the events, of what is produced, of the changelog, and of the group: its coordinator moves too."""
    publishing = load.background(rate=150, seconds=600)
    topics = list(admin.list_topics())
    assert {EVENTS, "__consumer_offsets"} < set(topics)
    moves = load.size(3)
    for _ in range(moves):
        under_way(load)
        move_leaders(admin, topics)
    under_way(load)
    assert publishing.is_alive(), "the load ended too early"
    load.stop()
    publishing.join(300)
    conclude(load, "Kafka: leaders move", faults=moves)
    assert worker.exit_code() is None


def test_two_of_three_are_killed(load: Load, worker: Worker) -> None:
    """Nothing can be confirmed any more: the worker waits, says so, and goes on by itself when they are back."""
    stack = load.stack
    publishing = load.background(rate=150, seconds=load.size(4))
    under_way(load)
    for broker in stack.brokers[1:]:
        stack.kill(broker)
    wait_for(lambda: not stack.is_ready(worker), 60, "the worker to say that it waits for Kafka")
    assert worker.exit_code() is None
    stack.restart_broker(1, 2)
    publishing.join(300)
    conclude(load, "Kafka: two of three brokers killed", faults=2)
    wait_for(lambda: stack.is_ready(worker), 60, "the worker to be ready again")
