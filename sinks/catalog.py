"""Which ledger this is and which Kafka topics it knows: the tables `ledger` and `topic`.

A topic that was deleted and re-created has the same name, another id and offsets that start over. It gets the next
`topic_epoch`, under which its receipts are kept apart from the old ones.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from clickhouse_connect.driver.client import Client

from schemas.addresses import TopicPartition
from schemas.counts import counted
from schemas.errors import CheckFailed
from sinks.clickhouse import check_database_name

RECREATE: Final = (
    "Stop the workers, run `clustertrack migrate --recreate`, and publish again what had not been counted "
    "(docs/operators.md, Topics)."
)
"""The way out for a topic whose number of partitions was changed."""


@dataclass(frozen=True, kw_only=True)
class TopicRecord:
    """One topic as the ledger knows it: the highest epoch of its name."""

    topic: str
    topic_epoch: int
    topic_id: str
    partitions: int
    config: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ActualTopic:
    """One topic as Kafka has it now; `config` may hold more than the ledger asks for."""

    topic: str
    topic_id: str
    partitions: int
    config: Mapping[str, str] = field(default_factory=dict)


def exists(client: Client, database: str) -> bool:
    """Whether the tables of this module are there: not before the first `migrate`."""
    [[found]] = client.query(
        "SELECT count() FROM system.tables WHERE database = {db:String} AND name IN ('ledger', 'topic')",
        parameters={"db": database},
    ).result_rows
    return bool(found == len(("ledger", "topic")))


def ledger_id(client: Client, database: str) -> str:
    """The ledger's UUID as text. Raises CheckFailed before the first `migrate`."""
    found = find_ledger_id(client, database)
    if found is None:
        raise CheckFailed(f"Database {database!r} has no ledger id: run `clustertrack migrate`.")
    return found


def find_ledger_id(client: Client, database: str) -> str | None:
    """The ledger's UUID as text, or None when none was given yet."""
    table = f"{check_database_name(database)}.ledger"  # not bound: who only reads may bind no names
    rows = client.query(f"SELECT id FROM {table} ORDER BY created_at, id LIMIT 1").result_rows  # noqa: S608  (checked)
    return str(rows[0][0]) if rows else None


def give_ledger_id(client: Client, database: str, new: UUID, now: datetime) -> str:
    """The ledger's id; if it has none, `new` is written first. `now` is in UTC.

    Read again after writing: of two migrations at the same time both take the earlier row.
    """
    found = find_ledger_id(client, database)
    if found is not None:
        return found
    client.insert("ledger", [[str(new), now]], column_names=["id", "created_at"], database=database)
    return ledger_id(client, database)


def withdraw_ledger_id(client: Client, database: str, ledger: str) -> None:
    """Takes this id from the ledger, so that the next `migrate` gives it another; nothing happens if it has another."""
    client.command(
        "ALTER TABLE {db:Identifier}.ledger DELETE WHERE id = {id:String} SETTINGS mutations_sync = 2",
        parameters={"db": database, "id": ledger},
    )


def receipts_among(
    client: Client, database: str, topic: str, topic_epoch: int, places: Collection[tuple[int, int]]
) -> set[tuple[int, int]]:
    """Those of the places (partition, offset) that have a receipt; looked up by the primary key."""
    if not places:
        return set()
    rows = client.query(
        "SELECT DISTINCT partition, offset FROM {db:Identifier}.receipt WHERE topic = {topic:String} "
        "AND topic_epoch = {epoch:UInt16} AND (partition, offset) IN {places:Array(Tuple(UInt16, UInt64))}",
        parameters={"db": database, "topic": topic, "epoch": topic_epoch, "places": sorted(places)},
    ).result_rows
    return {(partition, offset) for partition, offset in rows}


def receipt_times(client: Client, database: str, place: TopicPartition, offsets: Collection[int]) -> dict[int, int]:
    """Offset -> broker's time of the record that its receipt is of, in ms; those without a receipt are left out."""
    if not offsets:
        return {}
    rows = client.query(
        "SELECT offset, toUnixTimestamp64Milli(log_time) FROM {db:Identifier}.receipt FINAL "
        "WHERE topic = {topic:String} AND topic_epoch = {topic_epoch:UInt16} AND partition = {partition:UInt16} "
        "AND offset IN {offsets:Array(UInt64)}",
        parameters={"db": database, **place._asdict(), "offsets": sorted(offsets)},
    ).result_rows
    return {int(offset): int(time) for offset, time in rows}


def unread(client: Client, database: str, place: TopicPartition, first: int, stop: int) -> tuple[int, int, int] | None:
    """How many offsets from `first` up to `stop` have no receipt, the first and the last of them; None without any.

    Offsets that are known to hold no record, or are acknowledged as lost, are not among them.
    """
    [[count, low, high]] = client.query(
        "SELECT sum(missing), min(first), max(last) "  # noqa: S608  (an identifier; values are bound)
        f"FROM {check_database_name(database)}.receipt_hole("
        "bounds = {bounds:Array(Tuple(String, UInt16, UInt16, UInt64, UInt64))}) "
        "WHERE (first, last) NOT IN (SELECT first, last FROM {db:Identifier}.no_record WHERE topic = {topic:String} "
        "AND topic_epoch = {topic_epoch:UInt16} AND partition = {partition:UInt16})",
        parameters={"db": database, **place._asdict(), "bounds": [(*place, first, stop)]},
    ).result_rows
    return (int(count), int(low), int(high)) if count else None


def receipts_end(client: Client, database: str, topic: str, topic_epoch: int, partition: int) -> int:
    """The offset after the last receipt of a partition; 0 without any."""
    [[end]] = client.query(
        "SELECT if(count() = 0, 0, max(offset) + 1) FROM {db:Identifier}.receipt WHERE topic = {topic:String} "
        "AND topic_epoch = {epoch:UInt16} AND partition = {partition:UInt16}",
        parameters={"db": database, "topic": topic, "epoch": topic_epoch, "partition": partition},
    ).result_rows
    return int(end)


def topics(client: Client, database: str) -> dict[str, TopicRecord]:
    """Topic name -> its record of the highest epoch."""
    rows = client.query(
        "SELECT topic, topic_epoch, topic_id, partitions, config FROM {db:Identifier}.topic FINAL "
        "ORDER BY topic, topic_epoch DESC LIMIT 1 BY topic",
        parameters={"db": database},
    ).result_rows
    return {
        name: TopicRecord(topic=name, topic_epoch=epoch, topic_id=topic_id, partitions=partitions, config=dict(config))
        for name, epoch, topic_id, partitions, config in rows
    }


def epochs(client: Client, database: str, topic: str) -> list[TopicRecord]:
    """All epochs of one topic, the oldest first."""
    rows = client.query(
        "SELECT topic, topic_epoch, topic_id, partitions, config FROM {db:Identifier}.topic FINAL "
        "WHERE topic = {topic:String} ORDER BY topic_epoch",
        parameters={"db": database, "topic": topic},
    ).result_rows
    return [
        TopicRecord(topic=name, topic_epoch=epoch, topic_id=topic_id, partitions=partitions, config=dict(config))
        for name, epoch, topic_id, partitions, config in rows
    ]


def record_topic(client: Client, database: str, record: TopicRecord, now: datetime) -> None:
    """Writes one record; the same topic and epoch again replaces the former. `now` is in UTC."""
    client.insert(
        "topic",
        [[record.topic, record.topic_epoch, record.topic_id, record.partitions, dict(record.config), now]],
        column_names=["topic", "topic_epoch", "topic_id", "partitions", "config", "recorded_at"],
        database=database,
    )


def next_record(
    recorded: TopicRecord | None, actual: ActualTopic, config: Mapping[str, str], *, replaced: bool = False
) -> TopicRecord | None:
    """What must be recorded for a topic that Kafka has, or None when the record is right already.

    The first sight of a topic is epoch 0; another id than the recorded one is the next epoch, and so is a topic some of
    whose offsets were `replaced`, given out again. `config` holds the policies that the topic must have.
    """
    if recorded is None:
        epoch = 0
    elif replaced or recorded.topic_id != actual.topic_id:
        epoch = recorded.topic_epoch + 1
    else:
        epoch = recorded.topic_epoch
    wanted = TopicRecord(
        topic=actual.topic,
        topic_epoch=epoch,
        topic_id=actual.topic_id,
        partitions=actual.partitions,
        config=dict(config),
    )
    return None if wanted == recorded else wanted


def check_topics(recorded: Mapping[str, TopicRecord], actual: Sequence[ActualTopic]) -> list[str]:
    """Sentences saying why a worker must not start; empty when everything is as recorded.

    `recorded` holds exactly the topics that the worker needs, `actual` those of them that Kafka has. A missing topic,
    another id, another number of partitions and a policy that differs from the recorded one are reasons.
    """
    present = {topic.topic: topic for topic in actual}
    reasons: list[str] = []
    for name, record in recorded.items():
        topic = present.pop(name, None)
        if topic is None:
            reasons.append(f"Topic {name} is missing: run `clustertrack migrate` to create it.")
            continue
        if topic.topic_id != record.topic_id:
            reasons.append(
                f"Topic {name} was deleted and re-created (id {topic.topic_id}, recorded {record.topic_id}): "
                "run `clustertrack migrate`, which records it as a new epoch."
            )
        if topic.partitions != record.partitions:
            reasons.append(
                f"Topic {name} has {counted(topic.partitions, 'partition')} and had {record.partitions}: the count is "
                f"fixed for life, because it decides which partition a company is on. {RECREATE}"
            )
        for key, value in record.config.items():
            if topic.config.get(key) != value:
                reasons.append(
                    f"Topic {name} has {key}={topic.config.get(key)} instead of {value}: "
                    "run `clustertrack migrate` to set it."
                )
    reasons += [f"Topic {name} is not recorded: run `clustertrack migrate`." for name in present]
    return reasons
