"""Puts the changelog of marks in order before a worker starts.

It is the one topic that may be lost: the ledger does not depend on the marks. So a worker re-creates it when it is
gone, and accepts one that was re-created; every other topic is left to `clustertrack migrate`.
"""

from collections.abc import Mapping
from datetime import datetime

import structlog
from clickhouse_connect.driver.client import Client

from brokers import topics
from brokers.connection import KafkaConnection
from schemas.counts import counted
from sinks import catalog

log = structlog.get_logger()


def put_in_order(
    kafka: KafkaConnection,
    client: Client,
    database: str,
    recorded: Mapping[str, catalog.TopicRecord],
    group: str,
    now: datetime,
) -> dict[str, catalog.TopicRecord]:
    """The ledger's records, with the one of the changelog as it is afterwards.

    Args:
        kafka: where the brokers are.
        client: for the ledger.
        database: the ledger's.
        recorded: the topics as the ledger knows them.
        group: the workers' consumer group (`brokers.topics.app_id`).
        now: in UTC.

    Raises:
        TopicFault: it was re-created with another number of partitions.
    """
    name = topics.changelog_topic(group)
    known = recorded.get(name)
    if known is None:
        return dict(recorded)  # never migrated: reported elsewhere
    with topics.TopicAdmin(kafka) as admin:
        states = admin.describe([name, topics.EVENTS])
        if topics.EVENTS not in states or (name in states and states[name].topic_id == known.topic_id):
            return dict(recorded)
        if name in states and states[name].partitions != known.partitions:
            raise topics.TopicFault(
                f"Topic {name} was re-created with {counted(states[name].partitions, 'partition')} instead of "
                f"{known.partitions}: delete it, and the next worker that starts re-creates it correctly.",
                name,
            )
        spec = topics.TopicSpec(
            name=name,
            partitions=known.partitions,
            replication_factor=states[topics.EVENTS].replicas,
            config=known.config,
        )
        found = "re-created" if name in states else "gone"
        admin.ensure([spec])
        state = admin.describe([name])[name]
    actual = catalog.ActualTopic(topic=name, topic_id=state.topic_id, partitions=state.partitions, config=state.config)
    record = catalog.next_record(known, actual, known.config)
    if record is None:
        return dict(recorded)  # another worker was faster
    catalog.record_topic(client, database, record, now)
    log.warning(
        "the changelog of the marks was lost: a new one begins, and the former marks are gone", topic=name, found=found
    )
    return {**recorded, name: record}
