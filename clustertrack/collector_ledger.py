"""What the collector's publishers ask, answered from the ledger; and from Kafka, whether records wait to be read."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any, Final

import structlog
from clickhouse_connect.driver.client import Client

from brokers import topics
from brokers.connection import KafkaConnection
from brokers.offsets import KafkaOffsets
from reports.receipts.answer_model import Answer, instant
from reports.receipts.answers import of_activity, of_event
from reports.receipts.compare import compare
from reports.receipts.days import days, rejected_of_days
from reports.receipts.sentences import sentence
from schemas.errors import ClustertrackError
from sinks import catalog
from sinks.clickhouse import ClickHouse, ClickHouseFault, ClickHouseRefused, ClickHouseUnreachable, connect, explained
from sources.collector.questions import Comparable, LedgerAwayError, NotOwnError, Seen

_KAFKA_MS: Final = 2_000
"""For each of Kafka's answers: that records wait is good to know, and no reason to wait for."""
_LOG_SECONDS: Final = 60.0
"""Between two lines of the log that say the same."""

log = structlog.get_logger()


class CollectorLedger:
    """Answers questions; several threads may ask at once. Connects with the first question.

    Args:
        clickhouse: where the ledger is, and a user who reads it.
        kafka: where the brokers are.
        group: first part of the workers' consumer group.
        seconds: that ClickHouse has for each query.
    """

    def __init__(self, clickhouse: ClickHouse, kafka: KafkaConnection, group: str, *, seconds: int) -> None:
        self._clickhouse, self._kafka, self._group, self._seconds = clickhouse, kafka, group, seconds
        self._lock = threading.Lock()
        self._client: Client | None = None
        self._logged: dict[str, float] = {}

    def event(self, seen: Seen, source: str, event_id: str, *, confirmed: bool) -> Mapping[str, Any]:
        """What became of an event; `confirmed`: Kafka has it for certain."""
        with self._ledger() as client:
            found = of_event(client, seen.sources, source, event_id)
            if found.state == "waiting":
                # In this order: what was read by then is in the ledger now.
                unread = True if confirmed else _is_more(self._unread(client))
                found = of_event(client, seen.sources, source, event_id, unread=unread)
        return answer_for(found, seen.cluster)

    def activity(self, seen: Seen, source: str, activity_id: str) -> Mapping[str, Any]:
        """What became of an activity."""
        with self._ledger() as client:
            found = of_activity(client, seen.sources, source, activity_id)
            if found.state == "waiting":
                found = of_activity(client, seen.sources, source, activity_id, unread=_is_more(self._unread(client)))
        return answer_for(found, seen.cluster)

    def days(self, seen: Seen, first: date, last: date) -> Mapping[str, Any]:
        """Counts by day; at which instant, and how many records of all publishers no worker had read then."""
        with self._ledger() as client:
            asked_at, unread = datetime.now(UTC), self._unread(client)
            found = days(client, seen.sources, first, last, seen.cluster)
        return {**found.as_dict(), "as_of": instant(asked_at), "unread": unread}

    def rejected(self, seen: Seen, first: date, last: date) -> Mapping[str, Any]:
        """Rejected records that arrived on these days, the newest first."""
        with self._ledger() as client:
            found = rejected_of_days(client, seen.sources, first, last)
        listed = [{"source": source, **one.as_dict()} for source, one in found]
        return {"first": first.isoformat(), "last": last.isoformat(), "rejected": listed}

    def compare(self, seen: Seen, listed: Comparable) -> Mapping[str, Any]:
        """A list compared with what counts."""
        span = None if listed.first is None or listed.last is None else (listed.first, listed.last)
        within = (listed.after, listed.until)
        with self._ledger() as client:
            return compare(
                client, seen.sources, listed.source, listed.listed, span=span, within=within, cluster=seen.cluster
            ).as_dict()

    @contextmanager
    def _ledger(self) -> Iterator[Client]:
        """A client; raises LedgerAwayError for what ClickHouse does, UsageFault for what was asked."""
        try:
            with explained(self._clickhouse):
                yield self._connected()
        except (ClickHouseUnreachable, ClickHouseRefused, ClickHouseFault) as error:
            # What ClickHouse says may repeat what was asked.
            why = f"ClickHouse answers with code {error.code}" if isinstance(error, ClickHouseFault) else str(error)
            self._note(why)
            raise LedgerAwayError(why) from error

    def _connected(self) -> Client:
        with self._lock:
            if self._client is None:
                self._client = connect(self._clickhouse, send_receive_timeout=self._seconds)
            return self._client

    def _unread(self, client: Client) -> int | None:
        """Events on Kafka that no worker has read; None when Kafka does not say."""
        try:
            group = topics.app_id(self._group, catalog.ledger_id(client, self._clickhouse.database))
            with KafkaOffsets(self._kafka, _KAFKA_MS) as offsets:
                return offsets.read(group, [topics.EVENTS]).lag
        except ClustertrackError as error:
            self._note(str(error))
            return None

    def _note(self, why: str) -> None:
        """Log why something cannot be answered, now and then."""
        now = time.monotonic()
        with self._lock:
            if now - self._logged.get(why, float("-inf")) < _LOG_SECONDS:
                return
            self._logged = {text: at for text, at in self._logged.items() if now - at < _LOG_SECONDS} | {why: now}
        log.warning("a publisher's question cannot be answered", why=why)


def _is_more(unread: int | None) -> bool | None:
    return None if unread is None else unread > 0


def answer_for(found: Answer, cluster: str) -> dict[str, Any]:
    """Of an activity that was corrected to another cluster each of them sees all; a retraction may have none."""
    versions = (*found.versions, *((found.version,) if found.version else ()))
    owners = {version.cluster for version in versions if version.cluster}
    if owners and cluster not in owners:
        raise NotOwnError
    return {"sentence": sentence(found), **found.as_dict()}
