"""A topic of a test's own, to send rejected records to."""

import uuid
from collections.abc import Iterator

import pytest
from kafka import KafkaAdminClient
from replaying import PARTITIONS

from brokers.connection import KafkaConnection
from clustertrack.rejected.replay_topic import KafkaTopic, kafka_topic


@pytest.fixture
def topic(kafka) -> Iterator[KafkaTopic]:
    """A new topic."""
    name = f"replays-{uuid.uuid4().hex[:12]}"
    admin = KafkaAdminClient(bootstrap_servers=[kafka.bootstrap])
    admin.create_topics({name: {"num_partitions": PARTITIONS, "replication_factor": 1}})
    admin.wait_for_topics([name])
    admin.close()
    with kafka_topic(KafkaConnection(kafka.bootstrap), name, 0) as opened:
        yield opened
