"""Delivery: order, places, partitions. What both publishers promise is tested on both, the rest on a real broker."""

import gc
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from free_ports import free_ports
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic
from quick_kafka import ready_to_start

from brokers.connection import KafkaConnection
from brokers.explain import KafkaUnreachable
from brokers.partitioning import key_hash
from brokers.record_headers import STRUCTURED
from clustertrack.local import kafka as local_kafka
from clustertrack.local.child import Child
from schemas.errors import Unreachable
from sources.publisher import (
    MAX_VALUE,
    DeliveryFailed,
    MemoryPublisher,
    Publisher,
    SourceLine,
    kafka_publisher,
)

PARTITIONS = 12


def make_topic(bootstrap: str, **config: str) -> str:
    """A topic of its own for a test."""
    topic = f"publisher-{uuid.uuid4().hex[:8]}"
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    admin.create_topics([NewTopic(topic, PARTITIONS, 1, topic_configs=config)])
    admin.close()
    return topic


def read_all(bootstrap: str, topic: str) -> list[Any]:
    """Every record of a topic."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False)
    try:
        places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        consumer.assign(places)
        ends = consumer.end_offsets(places)
        records: list[Any] = []
        while any(consumer.position(place) < ends[place] for place in places):
            for fetched in consumer.poll(timeout_ms=200).values():
                records += fetched
        return records
    finally:
        consumer.close()


def _memory(_: ExitStack, __: Callable[[], str]) -> tuple[Publisher, Callable[[], list[tuple[bytes | None, bytes]]]]:
    publisher = MemoryPublisher()
    return publisher, lambda: [(key, value) for key, value, _ in publisher.sent]


def _kafka(
    stack: ExitStack, bootstrap: Callable[[], str]
) -> tuple[Publisher, Callable[[], list[tuple[bytes | None, bytes]]]]:
    servers = bootstrap()
    topic = make_topic(servers)
    publisher = stack.enter_context(kafka_publisher(KafkaConnection(servers), topic))
    return publisher, lambda: [(record.key, record.value) for record in read_all(servers, topic)]


@pytest.mark.parametrize(
    "opened", [pytest.param(_memory, id="memory"), pytest.param(_kafka, id="kafka", marks=pytest.mark.integration)]
)
def test_contract_of_publishers(opened: Any, request: pytest.FixtureRequest):
    """After a flush everything is there once, as it was given, and the last place is the confirmed one."""
    keys = [f"{number % 7:08d}".encode() if number % 5 else None for number in range(500)]
    records = [(key, f"value {number}".encode()) for number, key in enumerate(keys)]
    with ExitStack() as stack:
        publisher, received = opened(stack, lambda: request.getfixturevalue("kafka").bootstrap)
        assert publisher.confirmed is None
        assert publisher.records == 0
        for line, (key, value) in enumerate(records, 1):
            publisher.send(key, value, SourceLine("export.csv", line))
        publisher.flush()
        assert publisher.records == len(records)
        assert publisher.confirmed == SourceLine("export.csv", 500)
        assert sorted(received(), key=repr) == sorted(records, key=repr)


@pytest.mark.integration
def test_partition_and_headers_on_kafka(kafka: Any):
    """A keyed record is on the partition that Java would choose; those without a key are spread; headers are kept."""
    topic = make_topic(kafka.bootstrap)
    keys = [f"{number}".encode() for number in range(13748136, 13748136 + 60)]
    with kafka_publisher(KafkaConnection(kafka.bootstrap), topic, headers=[STRUCTURED]) as publisher:
        for line, key in enumerate(keys):
            publisher.send(key, b"{}", SourceLine("f", line))
            publisher.send(None, b"no key", SourceLine("f", line))
        publisher.flush()
    records = read_all(kafka.bootstrap, topic)
    assert len(records) == 2 * len(keys)
    for record in records:
        assert list(record.headers)[:-1] == [STRUCTURED]
        if record.key:
            assert record.partition == key_hash(record.key) % PARTITIONS
    assert {record.partition for record in records if record.key is None} == set(range(PARTITIONS))


@pytest.mark.integration
def test_same_records_as_kafka_pythons_own_send(kafka: Any):
    """We append below `KafkaProducer.send`: its own way, with its own partitioner, gives the same records.

    Each says the file, without its folder, and the line that it was made from.
    """
    ours, theirs = make_topic(kafka.bootstrap), make_topic(kafka.bootstrap)
    records = [(f"{13748136 + n % 60}".encode(), f"value {n}".encode()) for n in range(3_000)]
    with kafka_publisher(KafkaConnection(kafka.bootstrap), ours, headers=[STRUCTURED]) as publisher:
        for line, (key, value) in enumerate(records):
            publisher.send(key, value, SourceLine("some/folder/øl: 1.csv", line))
        publisher.flush()
    producer = KafkaProducer(bootstrap_servers=[kafka.bootstrap], acks="all")
    for line, (key, value) in enumerate(records):
        producer.send(theirs, value, key=key, headers=[STRUCTURED, ("ct-line", f"øl: 1.csv:{line}".encode())])
    producer.flush(timeout=30)
    producer.close()

    def read(topic: str) -> list[tuple[int, int, bytes, bytes, tuple[tuple[str, bytes], ...]]]:
        return sorted(
            (one.partition, one.offset, one.key, one.value, tuple(one.headers))
            for one in read_all(kafka.bootstrap, topic)
        )

    assert len(read(ours)) == len(records)
    assert read(ours) == read(theirs)


@pytest.mark.integration
def test_largest_value_fits_the_topic(kafka: Any):
    """A value of MAX_VALUE bytes passes a topic whose limit is 1 MiB, with any name of a file."""
    topic = make_topic(kafka.bootstrap, **{"max.message.bytes": str(1024 * 1024)})
    value = b"x" * MAX_VALUE
    with kafka_publisher(KafkaConnection(kafka.bootstrap), topic, headers=[STRUCTURED]) as publisher:
        publisher.send(b"13748136", value, SourceLine("f" * 300, 10**18 - 1))
        publisher.flush()
    assert [record.value for record in read_all(kafka.bootstrap, topic)] == [value]


@pytest.mark.integration
def test_batches_that_the_topic_does_not_take_are_split(kafka: Any):
    """Of a topic that takes no batch as large as ours, every record is confirmed when it is there, in its order."""
    topic = make_topic(kafka.bootstrap, **{"max.message.bytes": str(64 * 1024)})
    values = [b"%d %b" % (number, b"x" * 1000) for number in range(600)]
    with kafka_publisher(KafkaConnection(kafka.bootstrap), topic) as publisher:
        for line, value in enumerate(values, 1):
            publisher.send(b"13748136", value, SourceLine("export.csv", line))
        publisher.flush()
        assert publisher.records == len(values)
    assert [record.value for record in read_all(kafka.bootstrap, topic)] == values


@pytest.mark.integration
def test_missing_topic_is_named(kafka: Any):
    """A topic that does not exist ends the command with what to do, within the time limit."""
    opened = kafka_publisher(KafkaConnection(kafka.bootstrap), "nobody-made-this", connect_ms=1_500)
    with pytest.raises(Unreachable, match="clustertrack migrate"), opened:
        pass


def test_nobody_listens():
    """A broker that cannot be reached ends the command with its address and what to do."""
    (port,) = free_ports(1)
    opened = kafka_publisher(KafkaConnection(f"127.0.0.1:{port}"), "events", connect_ms=500)
    with pytest.raises(KafkaUnreachable, match=rf"127\.0\.0\.1:{port} cannot be used.*Nothing was sent"), opened:
        pass


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[tuple[str, Child]]:
    """A broker that the test may kill."""
    port, controller = free_ports(2)
    node = local_kafka.KafkaNode(tmp_path / "kafka", port, controller, short_lived=True)
    child = Child(ready_to_start(node, tmp_path), tmp_path)
    try:
        yield node.bootstrap, child
    finally:
        child.stop(0)


@pytest.mark.integration
def test_stopped_while_the_client_is_stuck(kafka: Any, monkeypatch: pytest.MonkeyPatch):
    """Ctrl-C ends it: what can no longer be confirmed is given up once, also by the client's own finalizer."""
    topic = make_topic(kafka.bootstrap)
    noise: list[object] = []
    monkeypatch.setattr("sys.unraisablehook", noise.append)

    def interrupted(held: ExitStack) -> None:
        with kafka_publisher(KafkaConnection(kafka.bootstrap), topic) as publisher:
            publisher.send(b"13748136", b"x", SourceLine("export.csv", 1))
            for _, lock, _ in publisher._producer._partitions:
                held.enter_context(lock)
            raise KeyboardInterrupt

    with ExitStack() as held:
        with pytest.raises(KeyboardInterrupt):
            interrupted(held)
        gc.collect()
    assert noise == []


@pytest.mark.integration
def test_broker_dies_midway(mortal: tuple[str, Child], wait_until: Callable[..., None]):
    """When Kafka stops confirming, the error names the last confirmed place, and says that repeating is safe."""
    bootstrap, child = mortal
    wait_until(lambda: local_kafka.is_ready(bootstrap), 60, "the broker")
    topic = make_topic(bootstrap)
    client = KafkaConnection(bootstrap)
    opened = kafka_publisher(client, topic, request_ms=1_000, delivery_ms=2_000)
    with opened as publisher:
        for line in range(1, 101):
            publisher.send(b"13748136", b"before", SourceLine("export.csv", line))
        publisher.flush()
        child.stop(0)

        def send_on() -> None:
            for line in range(101, 201):
                publisher.send(b"13748136", b"after", SourceLine("export.csv", line))
            publisher.flush()

        with pytest.raises(DeliveryFailed) as caught:
            send_on()
    failure = caught.value
    assert not [thread for thread in threading.enumerate() if "producer" in thread.name]
    assert failure.confirmed == SourceLine("export.csv", 100)
    assert failure.place == SourceLine("export.csv", 101)
    assert failure.records == 100
    assert "line 100 of export.csv is the last confirmed" in str(failure)
    assert "repeat the command" in str(failure)
