"""Orders to set records aside: workers reject them unread, because no worker survives reading them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from clickhouse_connect.driver.client import Client

from schemas.addresses import RecordAddress
from schemas.faults import SET_ASIDE
from sinks.clickhouse import utc

COLUMNS: Final = "topic, topic_epoch, partition, first, last, ordered_at, ordered_by, reason"


class Order(NamedTuple):
    """Consecutive records of one partition to set aside: a row of `set_aside`."""

    topic: str
    topic_epoch: int
    partition: int
    first: int
    last: int
    ordered_at: datetime
    """UTC."""
    ordered_by: str
    reason: str

    def __str__(self) -> str:
        first = RecordAddress(self.topic, self.topic_epoch, self.partition, self.first)
        return f"{first}" if self.first == self.last else f"{first}-{self.last}"


def write_order(client: Client, database: str, order: Order) -> None:
    """Keep an order; the same one given again takes its place."""
    client.insert("set_aside", [order], column_names=COLUMNS.split(", "), database=database)


def ordered_offsets(client: Client, database: str, topic: str, topic_epoch: int) -> Mapping[int, frozenset[int]]:
    """Partition -> offsets that are set aside.

    A record that was counted before the order came is not among them: it would be rejected when it comes again.
    """
    rows = client.query(
        """
        WITH ordered AS
        (
            SELECT DISTINCT partition, arrayJoin(range(first, last + 1)) AS offset FROM {db:Identifier}.set_aside
            WHERE topic = {topic:String} AND topic_epoch = {epoch:UInt16}
        )
        SELECT partition, groupArray(offset) FROM ordered WHERE (partition, offset) NOT IN
        (
            SELECT partition, offset FROM {db:Identifier}.receipt FINAL
            WHERE topic = {topic:String} AND topic_epoch = {epoch:UInt16}
              AND (partition, offset) IN (SELECT partition, offset FROM ordered) AND reason != {code:String}
        )
        GROUP BY partition
        """,
        parameters={"db": database, "topic": topic, "epoch": topic_epoch, "code": SET_ASIDE},
    ).result_rows
    return {partition: frozenset(offsets) for partition, offsets in rows}


def first_counted(client: Client, database: str, place: RecordAddress, last: int) -> int | None:
    """The first offset from a place to `last` that has a receipt."""
    rows = client.query(
        "SELECT offset FROM {db:Identifier}.receipt WHERE topic = {topic:String} AND topic_epoch = {epoch:UInt16} "
        "AND partition = {partition:UInt16} AND offset BETWEEN {first:UInt64} AND {last:UInt64} "
        "ORDER BY offset LIMIT 1",
        parameters={
            "db": database,
            "topic": place.topic,
            "epoch": place.topic_epoch,
            "partition": place.partition,
            "first": place.offset,
            "last": last,
        },
    ).result_rows
    return int(rows[0][0]) if rows else None


def orders_of(client: Client, database: str, place: RecordAddress) -> list[Order]:
    """The orders that name a record, oldest first."""
    rows: list[Any] = client.query(
        f"SELECT {COLUMNS} FROM {{db:Identifier}}.set_aside FINAL WHERE topic = {{topic:String}} "  # noqa: S608  (values are bound)
        "AND topic_epoch = {epoch:UInt16} AND partition = {partition:UInt16} "
        "AND {offset:UInt64} BETWEEN first AND last ORDER BY ordered_at",
        parameters={
            "db": database,
            "topic": place.topic,
            "epoch": place.topic_epoch,
            "partition": place.partition,
            "offset": place.offset,
        },
    ).result_rows
    return [Order(*row)._replace(ordered_at=utc(row[5])) for row in rows]
