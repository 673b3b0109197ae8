"""The events topic as the ledger knows it, and whether Kafka still has it: if not, offsets mean other records."""

from clickhouse_connect.driver.client import Client

from brokers.connection import KafkaConnection
from brokers.topics import EVENTS, TopicAdmin
from schemas.errors import CheckFailed
from sinks import catalog
from sinks.catalog import TopicRecord


def recorded_topic(client: Client, database: str) -> TopicRecord:
    """The topic's record of its present epoch. Raises CheckFailed when the ledger has none."""
    recorded = catalog.topics(client, database).get(EVENTS)
    if recorded is None:
        raise CheckFailed(f"The ledger has no record of topic {EVENTS}: run `clustertrack migrate`.")
    return recorded


def check_topic(kafka: KafkaConnection, recorded: TopicRecord) -> None:
    """Raises CheckFailed when Kafka's topic is not the one that was recorded."""
    with TopicAdmin(kafka) as admin:
        actual = admin.describe([EVENTS]).get(EVENTS)
    if actual is None or actual.topic_id != recorded.topic_id:
        raise CheckFailed(f"Topic {EVENTS} is not the one that the ledger was filled from: run `clustertrack migrate`.")
