"""Topics of a test's own, to send rejected records to."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from kafka import KafkaAdminClient
from replaying import PARTITIONS

from brokers.connection import KafkaConnection
from clustertrack.rejected.replay_topic import KafkaTopic, kafka_topic


@contextmanager
def made(bootstrap: str, **settings: str) -> Iterator[KafkaTopic]:
    """A new topic."""
    name = f"replays-{uuid.uuid4().hex[:12]}"
    admin = KafkaAdminClient(bootstrap_servers=[bootstrap])
    admin.create_topics({name: {"num_partitions": PARTITIONS, "replication_factor": 1, "configs": settings}})
    admin.wait_for_topics([name])
    admin.close()
    with kafka_topic(KafkaConnection(bootstrap), name, 0) as opened:
        yield opened


@pytest.fixture
def topic(kafka) -> Iterator[KafkaTopic]:
    """A topic whose records carry a time of their publisher."""
    with made(kafka.bootstrap) as opened:
        yield opened


@pytest.fixture
def stamped(kafka) -> Iterator[KafkaTopic]:
    """A topic whose records carry the instant of their arrival, like the real one."""
    with made(kafka.bootstrap, **{"message.timestamp.type": "LogAppendTime"}) as opened:
        yield opened
