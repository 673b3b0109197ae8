import socket
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from free_ports import free_ports
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.admin import NewTopic
from quick_kafka import cluster, ready_to_start

from clustertrack.local import java, kafka_jars
from clustertrack.local import kafka as local_kafka
from clustertrack.local.child import Child
from clustertrack.local.kafka import CLUSTER_ID, KafkaNode, check_folder
from schemas.errors import UsageFault


def _node(folder: Path) -> KafkaNode:
    return KafkaNode(folder, port=19092, controller_port=19093)


def test_listens_on_loopback_only(tmp_path):
    """Broker and controller are bound to 127.0.0.1, so that nobody on the network reaches a laptop's broker."""
    properties = _node(tmp_path).properties()

    assert properties["listeners"] == "BROKER://127.0.0.1:19092,CONTROLLER://127.0.0.1:19093"
    assert properties["auto.create.topics.enable"] == "false"


def test_three_nodes_keep_two_copies():
    """In a cluster of three every record has to be on two nodes before acks=all is answered."""
    nodes = cluster(Path("data"), [(1, 4), (2, 5), (3, 6)])

    assert [node.name for node in nodes] == ["kafka-1", "kafka-2", "kafka-3"]
    assert {node.properties()["min.insync.replicas"] for node in nodes} == {"2"}
    assert {node.properties()["controller.quorum.voters"] for node in nodes} == {
        "1@127.0.0.1:4,2@127.0.0.1:5,3@127.0.0.1:6"
    }


@pytest.mark.parametrize(
    ("meta", "named"),
    [
        pytest.param(f"version=1\nnode.id=2\ncluster.id={CLUSTER_ID}\n", "node.id is '2'", id="another node"),
        pytest.param("version=1\nnode.id=1\ncluster.id=elsewhere\n", "cluster.id is 'elsewhere'", id="another cluster"),
        pytest.param(f"version=0\nbroker.id=1\ncluster.id={CLUSTER_ID}\n", "version is '0'", id="before KRaft"),
    ],
)
def test_refuses_data_of_another_kafka(tmp_path, meta, named):
    """A data folder that another node wrote is refused with what differs and what to do."""
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "meta.properties").write_text(meta)

    with pytest.raises(UsageFault) as fault:
        check_folder(_node(tmp_path))

    assert named in str(fault.value)
    assert "--data" in str(fault.value)


def test_refuses_a_comma_in_the_name(tmp_path):
    """Kafka would take a folder with a comma for two, and write somewhere else."""
    with pytest.raises(UsageFault, match="comma"):
        check_folder(_node(tmp_path / "2018,2019"))


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"", id="hangs up"),
        pytest.param(b"\x00\x00", id="hangs up in the middle"),
        pytest.param(b"\x00\x00\x00\x08\x00\x00\x00\x01\x00\x00\x00\x05", id="cut short"),
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n\r\n", id="speaks HTTP"),
    ],
)
def test_who_does_not_answer_as_a_broker_is_not_ready(answer):
    """Something that listens on the port counts as a broker only once it gives a complete answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def reply() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(answer)

        thread = threading.Thread(target=reply)
        thread.start()
        assert not local_kafka.is_ready(f"127.0.0.1:{server.getsockname()[1]}")
        thread.join()


@pytest.mark.integration
def test_records_survive_the_round_trip(kafka):
    """What a producer sends with acks=all, a consumer reads back."""
    topic = "round-trip"
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
    admin.close()
    producer = KafkaProducer(bootstrap_servers=kafka.bootstrap, acks="all")
    producer.send(topic, key=b"13748136", value=b"hello").get(10)
    producer.close()

    consumer = KafkaConsumer(topic, bootstrap_servers=kafka.bootstrap, auto_offset_reset="earliest")
    record = next(consumer)
    consumer.close()

    assert (record.key, record.value) == (b"13748136", b"hello")


@pytest.mark.integration
def test_formats_once(tmp_path):
    """A second start leaves the data folder as it is, under any name; under another node id it is refused."""
    node, runtime, jars = _node(tmp_path / "Kunders æøå 🙂"), java.find_java(), kafka_jars.ensure_jars()
    local_kafka.prepare(node, runtime, jars, tmp_path)
    meta = (node.folder / "log" / "meta.properties").read_text()

    local_kafka.prepare(node, runtime, jars, tmp_path)

    assert (node.folder / "log" / "meta.properties").read_text() == meta
    with pytest.raises(UsageFault, match=r"node\.id"):
        local_kafka.prepare(replace(node, node_id=7), runtime, jars, tmp_path)


@pytest.mark.integration
def test_three_nodes_lose_one_and_take_records(tmp_path, wait_until):
    """With acks=all and two copies required, a cluster of three goes on when one node is killed."""
    ports = free_ports(6)
    nodes = cluster(tmp_path, list(zip(ports[:3], ports[3:], strict=True)))
    children = []
    try:
        children.extend(Child(ready_to_start(node, tmp_path), tmp_path) for node in nodes)
        # Each of them is asked: the others know a broker before it takes connections.
        for node in nodes:
            wait_until(lambda node=node: local_kafka.is_ready(node.bootstrap, brokers=3), 90, "three brokers")
        with closing(KafkaAdminClient(bootstrap_servers=nodes[0].bootstrap)) as admin:
            admin.create_topics([NewTopic("kept", num_partitions=1, replication_factor=3)])
        children[2].kill()

        with closing(KafkaProducer(bootstrap_servers=nodes[0].bootstrap, acks="all")) as producer:
            sent = producer.send("kept", b"hello").get(60)

        assert sent.offset == 0
    finally:
        for child in children:
            # Without a majority of controllers a node cannot leave in order.
            child.kill()
