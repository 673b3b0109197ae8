import socket
import uuid
from collections.abc import Callable, Iterator

import pytest
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from kafka.structs import OffsetAndMetadata

from brokers.connection import KafkaConnection
from brokers.explain import KafkaUnreachable
from brokers.offsets import KafkaOffsets, Partition, Probed, Progress, Reading, gaps, remaining
from brokers.topics import TopicFault

P0, P1 = Partition("events", 0), Partition("events", 1)


@pytest.mark.parametrize(
    ("progress", "position", "lag"),
    [
        pytest.param(Progress(0, 10, 4), 4, 6, id="on the way"),
        pytest.param(Progress(0, 10, None), 0, 10, id="no commit yet"),
        pytest.param(Progress(0, 0, None), 0, 0, id="empty"),
        pytest.param(Progress(7, 10, None), 7, 3, id="no commit, old records deleted"),
        pytest.param(Progress(7, 10, 4), 7, 3, id="deleted before it was read"),
        pytest.param(Progress(0, 10, 12), 12, 0, id="beyond the last stable offset"),
    ],
)
def test_progress_of_a_partition(progress: Progress, position: int, lag: int):
    """The position of a group is its commit, or the oldest record where that is later."""
    assert (progress.position, progress.lag) == (position, lag)


@pytest.mark.parametrize(
    ("target", "progress", "left"),
    [
        pytest.param({P0: 10, P1: 5}, {P0: Progress(0, 10, 10), P1: Progress(0, 5, 5)}, 0, id="all counted"),
        pytest.param({P0: 10, P1: 5}, {P0: Progress(0, 10, 10), P1: Progress(0, 5, 3)}, 2, id="one partition behind"),
        pytest.param({P0: 10}, {P0: Progress(0, 500, 10)}, 0, id="later records are not waited for"),
        pytest.param({P0: 10, P1: 5}, {P0: Progress(0, 10, 500), P1: Progress(0, 5, 4)}, 1, id="no set-off"),
        pytest.param({P0: 0}, {P0: Progress(0, 0, None)}, 0, id="empty topic without a commit"),
        pytest.param({P0: 10}, {P0: Progress(0, 10, None)}, 10, id="no worker yet"),
        pytest.param({P0: 10}, {P0: Progress(12, 20, 4)}, 0, id="deleted meanwhile"),
        pytest.param({P0: 10}, {}, 10, id="partition gone"),
        pytest.param({}, {}, 0, id="nothing to wait for"),
    ],
)
def test_remaining(target: dict[Partition, int], progress: dict[Partition, Progress], left: int):
    """Records are left while any partition's position lies before its target."""
    assert remaining(target, Reading(progress, 1)) == left


def test_nothing_answers():
    """A port without a broker ends in one sentence with the address and what to do."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(KafkaUnreachable, match=rf"Kafka at {address} cannot be used: nothing .*clustertrack up"):
            KafkaOffsets(KafkaConnection(address), timeout_ms=300)


@pytest.fixture
def admin(kafka) -> Iterator[KafkaAdminClient]:
    """A client that creates topics and commits what a worker would."""
    client = KafkaAdminClient(bootstrap_servers=[kafka.bootstrap])
    yield client
    client.close()


@pytest.fixture
def topic(admin: KafkaAdminClient) -> str:
    """A new topic with two partitions."""
    name = f"offsets-{uuid.uuid4().hex[:8]}"
    admin.create_topics({name: {"num_partitions": 2, "replication_factor": 1}})
    admin.wait_for_topics([name])
    return name


@pytest.fixture
def wait_for_markers(wait_until: Callable[..., None]) -> Callable[[KafkaOffsets, str, int], None]:
    """Until partition 0 ends at an offset: a commit is answered before its marker is written."""

    def wait(offsets: KafkaOffsets, topic: str, end: int) -> None:
        wait_until(lambda: offsets.written([topic])[Partition(topic, 0)] == end, 10, "the marker of the transaction")

    return wait


@pytest.mark.integration
def test_reading(kafka, admin: KafkaAdminClient, topic: str):
    """Ends, the oldest offsets and the group's commits come from the broker, partition by partition."""
    group = f"group-{uuid.uuid4().hex[:8]}"
    producer = KafkaProducer(bootstrap_servers=[kafka.bootstrap])
    for _ in range(5):
        producer.send(topic, b"x", partition=0)
    producer.close()
    with KafkaOffsets(KafkaConnection(kafka.bootstrap)) as offsets:
        before = offsets.read(group, [topic])
        assert before == Reading(
            {Partition(topic, 0): Progress(0, 5, None, 5), Partition(topic, 1): Progress(0, 0, None, 0)}, 0
        )
        assert before.lag == 5
        admin.alter_group_offsets(group, {TopicPartition(topic, 0): OffsetAndMetadata(3, "", None)})
        admin.delete_records({TopicPartition(topic, 0): 2})
        after = offsets.read(group, [topic])
        assert after.progress[Partition(topic, 0)] == Progress(2, 5, 3, 5)
        assert after.ends == {Partition(topic, 0): 5, Partition(topic, 1): 0}
        assert remaining(before.ends, after) == 2


@pytest.mark.integration
def test_an_open_transaction_is_waited_for(kafka, topic: str):
    """What comes after it was published, and is not counted before it ends: saying so early would be a wrong answer."""
    producer = KafkaProducer(bootstrap_servers=[kafka.bootstrap], transactional_id=uuid.uuid4().hex)
    producer.init_transactions()
    producer.begin_transaction()
    producer.send(topic, b"x", partition=0).get(timeout=10)
    try:
        other = KafkaProducer(bootstrap_servers=[kafka.bootstrap])
        other.send(topic, b"acked", partition=0).get(timeout=10)
        other.close()
        place = Partition(topic, 0)
        with KafkaOffsets(KafkaConnection(kafka.bootstrap)) as offsets:
            progress = offsets.read("nobody", [topic]).progress[place]
            assert (progress.lag, progress.held) == (2, 2)
            assert not offsets.are_empty({place: (0, 1)})
    finally:
        producer.abort_transaction()
        producer.close()


@pytest.mark.parametrize(
    ("present", "missing"),
    [
        pytest.param([], [(3, 7)], id="none"),
        pytest.param([3, 4, 5, 6, 7], [], id="all"),
        pytest.param([4, 6], [(3, 3), (5, 5), (7, 7)], id="ends and middle"),
        pytest.param([3, 7], [(4, 6)], id="a range"),
    ],
)
def test_gaps(present: list[int], missing: list[tuple[int, int]]):
    """What is not present within a range is given as ranges, both ends included."""
    assert gaps(3, 7, present) == missing


@pytest.mark.integration
def test_where_kafka_delivers_nothing(kafka, topic: str, wait_for_markers: Callable[..., None]):
    """Markers of transactions and aborted records are distinguished from records, also in the middle of a range."""
    producer = KafkaProducer(bootstrap_servers=[kafka.bootstrap], transactional_id=uuid.uuid4().hex)
    producer.init_transactions()
    for finish in (producer.commit_transaction, producer.abort_transaction, producer.commit_transaction):
        producer.begin_transaction()
        for _ in range(3):
            producer.send(topic, b"x", partition=0).get(timeout=10)
        finish()
    producer.close()
    with KafkaOffsets(KafkaConnection(kafka.bootstrap)) as offsets:
        wait_for_markers(offsets, topic, 12)
        assert offsets.undelivered(Partition(topic, 0), [(0, 11)]) == [(3, 7), (11, 11)]
        assert offsets.undelivered(Partition(topic, 0), [(4, 9)]) == [(4, 7)]
        assert offsets.undelivered(Partition(topic, 0), [(9, 10)]) == []
        assert offsets.undelivered(Partition(topic, 0), [(2, 3), (7, 8), (11, 11)]) == [(3, 3), (7, 7), (11, 11)]
        assert offsets.probe(Partition(topic, 0), [(2, 4), (11, 11)], 60) == Probed([(3, 4), (11, 11)], [])
        assert offsets.probe(Partition(topic, 0), [(2, 4), (11, 11)], 0) == Probed([], [(2, 4), (11, 11)])
        assert offsets.are_empty({Partition(topic, 0): (11, 11)})
        assert not offsets.are_empty({Partition(topic, 0): (10, 11)})


@pytest.mark.integration
def test_what_kafka_deletes_meanwhile_is_not_empty(
    kafka, admin: KafkaAdminClient, topic: str, wait_for_markers: Callable[..., None]
):
    """Offsets below the low watermark cannot be read, and may not have been records; others can be read."""
    producer = KafkaProducer(bootstrap_servers=[kafka.bootstrap], transactional_id=uuid.uuid4().hex)
    producer.init_transactions()
    for _ in range(2):
        producer.begin_transaction()
        producer.send(topic, b"x", partition=0).get(timeout=10)
        producer.commit_transaction()
    producer.close()
    with KafkaOffsets(KafkaConnection(kafka.bootstrap)) as offsets:
        wait_for_markers(offsets, topic, 4)
        admin.delete_records({TopicPartition(topic, 0): 2})
        assert offsets.probe(Partition(topic, 0), [(0, 1)], 60) == Probed([], [(0, 1)])
        assert offsets.probe(Partition(topic, 0), [(3, 3)], 60) == Probed([(3, 3)], [])


@pytest.mark.integration
def test_a_missing_topic(kafka):
    """A topic that does not exist is named, with what creates it."""
    with (
        KafkaOffsets(KafkaConnection(kafka.bootstrap)) as offsets,
        pytest.raises(TopicFault, match=r"no topic nowhere: run `clustertrack migrate`"),
    ):
        offsets.read("nobody", ["nowhere"])


@pytest.mark.integration
def test_waiting_for_commits(kafka, admin: KafkaAdminClient, topic: str, wait_until: Callable[..., None]):
    """Committed to the end, to the marker of a transaction before it, or not: without workers nobody is waited for."""
    group = f"group-{uuid.uuid4().hex[:8]}"
    places = {Partition(topic, 0), Partition(topic, 1)}
    producer = KafkaProducer(bootstrap_servers=[kafka.bootstrap], transactional_id=uuid.uuid4().hex)
    producer.init_transactions()
    producer.begin_transaction()
    for partition in (0, 1):
        producer.send(topic, b"x", partition=partition).get(timeout=10)
    with KafkaOffsets(KafkaConnection(kafka.bootstrap)) as offsets:
        assert offsets.written([topic]) == dict.fromkeys(places, 1)
        admin.alter_group_offsets(group, {TopicPartition(topic, 0): OffsetAndMetadata(1, "", None)})
        assert offsets.await_committed(group, places, 0) == {Partition(topic, 0)}
        producer.commit_transaction()
        producer.close()
        # A commit is answered before its markers are written.
        wait_until(lambda: offsets.written([topic]) == dict.fromkeys(places, 2), 10, "the markers of the transaction")
        assert offsets.await_committed(group, places, 60) == {Partition(topic, 0)}
        assert offsets.await_committed(group, {Partition(topic, 1)}, 60) == set()
        assert offsets.await_committed(group, set(), 60) == set()
