"""What all competitors share, so that only the frame differs: the product's validation, enrichment and ledger rows.

A competitor is a program that gets a `Setup` as JSON and runs until it is killed. It reads records, judges each with
`Judge`, keeps its dedupe state as its frame does, stores rows with `Setup.writer`, produces what `Decision.output`
holds, and commits.
"""

import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from confluent_kafka import Consumer, TopicPartition

from brokers.topics import COMPANIES
from schemas.company import read_company
from schemas.events import Activity, read_event
from schemas.indicators import PIPELINE_VERSION
from schemas.ledger import Receipt, Rejection, Rows
from schemas.registry_document import read_sample
from schemas.revisions import version_key
from sinks.clickhouse import ClickHouse
from sinks.writer import LedgerWriter
from streams.company_register import Register
from streams.enrichment import enriched, written

CONTENT_TYPE = ("content-type", b"application/cloudevents+json; charset=utf-8")
Headers = Sequence[tuple[str, bytes | None]]


@dataclass(frozen=True)
class Setup:
    """Where everything is."""

    bootstrap: str
    clickhouse_port: int
    database: str
    topic: str
    enriched: str
    rejected: str
    group: str
    partitions: int
    folder: str
    """For local state."""

    @classmethod
    def read(cls) -> "Setup":
        """The one that this program was started with."""
        return cls(**json.loads(sys.argv[-1]))

    def writer(self) -> LedgerWriter:
        """The product's inserts."""
        password = os.environ["CLICKHOUSE_PASSWORD"]
        ledger = ClickHouse(host="127.0.0.1", port=self.clickhouse_port, database=self.database, password=password)
        return LedgerWriter(ledger)


class Output(NamedTuple):
    """A record to produce."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]


class Decision(NamedTuple):
    """What to do with one record."""

    receipt: Receipt
    activity: Activity | None = None
    rejection: Rejection | None = None
    output: Output | None = None


class Judge:
    """Validates, deduplicates and enriches one record at a time, with the product's functions."""

    def __init__(self, setup: Setup) -> None:
        self._setup, self._clusters, self._register = setup, read_sample().by_source, read_register(setup)

    def decide(
        self,
        partition: int,
        offset: int,
        timestamp: int,
        key: bytes | None,
        value: bytes | None,
        headers: Headers | None,
        first_seen: Callable[[bytes, int], int],
    ) -> Decision:
        """Decide on a record.

        Args:
            partition: where it is, with `offset`.
            offset: see `partition`.
            timestamp: LogAppendTime, ms since 1970 UTC.
            key: its key.
            value: its value.
            headers: its headers, None without any.
            first_seen: the frame's state: tells the offset at which a version was first seen, and keeps this one as
                that offset if it was not.
        """
        topic = self._setup.topic
        origin = ("ct-origin", b"%s/%d/%d" % (topic.encode(), partition, offset))
        event = read_event(value, dict(headers) if headers else None, timestamp, self._clusters)
        if isinstance(event, list):
            receipt = _receipt(topic, partition, offset, "rejected", event[0].code, "", timestamp, "", 0)
            kept = tuple(headers or ())
            rejection = Rejection(
                topic, 0, partition, offset, timestamp, "", tuple(event), kept, key, value, PIPELINE_VERSION
            )
            return Decision(receipt, None, rejection, Output(self._setup.rejected, key, value, [*kept, origin]))
        activity, document = event
        source, activity_id, revision = activity.source, activity.activity_id, activity.revision
        if first_seen(version_key(source, activity_id, revision), offset) != offset:
            return Decision(
                _receipt(topic, partition, offset, "duplicate", "", source, timestamp, activity_id, revision)
            )
        value = enriched(written(document), activity, self._register)
        status = "retracted" if activity.is_deleted else "accepted"
        return Decision(
            _receipt(topic, partition, offset, status, "", source, timestamp, activity_id, revision),
            activity,
            None,
            Output(self._setup.enriched, key, value, [CONTENT_TYPE, origin]),
        )


class Buffer:
    """Decisions that wait to be inserted."""

    def __init__(self) -> None:
        self.rows = Rows()

    def __len__(self) -> int:
        return len(self.rows.receipts)

    def add(self, decision: Decision) -> None:
        """Add one."""
        self.rows.receipts.append(decision.receipt)
        if decision.activity is not None:
            self.rows.activities.append(decision.activity)
        if decision.rejection is not None:
            self.rows.rejected.append(decision.rejection)

    def take(self) -> Rows:
        """Return all rows and empty the buffer."""
        rows, self.rows = self.rows, Rows()
        return rows


def _receipt(
    topic: str,
    partition: int,
    offset: int,
    status: Any,  # noqa: ANN401  (a literal)
    reason: str,
    source: str,
    timestamp: int,
    activity_id: str,
    revision: int,
) -> Receipt:
    return Receipt(
        topic, 0, partition, offset, status, reason, source, timestamp, activity_id, revision, PIPELINE_VERSION
    )


def read_register(setup: Setup) -> Register:
    """The whole register, as the product's worker holds it."""
    register = Register()
    consumer = Consumer({"bootstrap.servers": setup.bootstrap, "group.id": "register", "enable.auto.commit": False})
    ends = {p: consumer.get_watermark_offsets(TopicPartition(COMPANIES, p))[1] for p in range(setup.partitions)}
    missing = sum(ends.values())
    consumer.assign([TopicPartition(COMPANIES, p, 0) for p in ends])
    while missing > 0:
        records = consumer.consume(5_000, 1.0)
        missing -= len(records)
        for record in records:
            version = read_company(record.key(), record.value(), record.timestamp()[1])
            if not isinstance(version, list):
                register.apply(version)
    consumer.close()
    return register
