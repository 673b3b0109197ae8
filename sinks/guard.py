"""Does the ledger belong to what the workers have committed, and do the topics belong to the ledger?

The consumer group's commits say how far the ledger was filled. A ledger that was restored from an older copy lacks what
was committed after it, and nothing would read that again; a topic that was deleted and re-created assigns its offsets
again, and their receipts would collide with those of other records. So both are checked when a worker starts, when it
is assigned partitions, and before everything that it stores. The answer to both is a new ledger id from
`clustertrack migrate`: a new group reads all that Kafka still has, and the ledger merges what it holds already.

CheckFailed is raised when the ledger is older than its workers' commits or has another id, and when Kafka has another
topic of that name, none, or other partitions, or gave offsets out again.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Final

from clickhouse_connect.driver.client import Client

from brokers.connection import KafkaConnection
from brokers.offsets import KafkaOffsets, Partition, Progress
from brokers.topics import EVENTS, TopicAdmin
from schemas.counts import counted
from schemas.errors import CheckFailed, Unreachable
from schemas.ledger import Ledger, LedgerUnavailable, Rows
from sinks import catalog
from sinks.clickhouse import ClickHouse, ClickHouseFault, connect, explained
from sinks.replaced import replaced, sentence
from sinks.set_aside import ordered_offsets
from sinks.writer import BROKEN, INSERT_TIMEOUT

MIGRATE: Final = (
    "run `clustertrack migrate`, which gives the ledger a new id, so that the workers read everything that Kafka "
    "still has again."
)
PROBED: Final = 1000
"""Offsets that are looked up in Kafka at once."""
LOOK_SECONDS: Final = 5.0
"""Between two looks of a worker that has nothing to store."""
REMEMBERED: Final = 2
"""Last groups whose receipts must still be there: two, as a ledger replaced after a look took in the newest one."""


@dataclass(frozen=True)
class Lost:
    """Records of a partition that were committed and have no receipt, the first and the last of them."""

    partition: int
    first: int
    last: int


def lost_receipts(
    client: Client, database: str, offsets: KafkaOffsets, progress: Mapping[Partition, Progress], topic_epoch: int
) -> list[Lost]:
    """Partitions of the events topic whose newest committed record has no receipt, although Kafka still has it.

    `progress` was read before the ledger is looked at: receipts are stored before they are committed. Only the newest
    one is looked at; holes before it are `reconcile`'s. What Kafka has deleted is not among them: nothing could read
    it again. Nor are offsets at which Kafka delivers nothing, such as the marker of a transaction.
    """
    stops = {
        place.partition: min(standing.committed, standing.end)
        for place, standing in progress.items()
        if place.topic == EVENTS and standing.committed is not None
    }
    lows = {place.partition: standing.low for place, standing in progress.items() if place.topic == EVENTS}
    newest = {(partition, stop - 1) for partition, stop in stops.items() if stop > lows[partition]}
    absent = newest - catalog.receipts_among(client, database, EVENTS, topic_epoch, newest)
    found: list[Lost] = []
    for partition, last in sorted(absent):
        first = max(lows[partition], catalog.receipts_end(client, database, EVENTS, topic_epoch, partition))
        if _delivers(offsets, Partition(EVENTS, partition), first, last):
            found.append(Lost(partition, first, last))
    return found


def _delivers(offsets: KafkaOffsets, place: Partition, first: int, last: int) -> bool:
    """Whether Kafka delivers any record from `first` to `last`; piece by piece, since the first piece mostly tells."""
    pieces = ((start, min(start + PROBED - 1, last)) for start in range(first, last + 1, PROBED))
    return any(not offsets.are_empty({place: piece}) for piece in pieces)


def older_than_commits(lost: list[Lost]) -> str:
    """One sentence about a ledger that lacks what its workers had committed, without the advice."""
    where = ", ".join(f"partition {piece.partition} offsets {piece.first} to {piece.last}" for piece in lost[:3])
    more = f" and {counted(len(lost) - 3, 'more partition')}" if len(lost) > 3 else ""  # noqa: PLR2004  (as many as are named)
    return (
        f"The ledger lacks what its workers had committed ({EVENTS} {where}{more}): it was restored from an older copy"
    )


@dataclass(frozen=True, kw_only=True)
class Belonging:
    """What a worker was started for."""

    ledger_id: str
    group: str
    topic_epoch: int
    """Of the events topic."""
    topic_ids: Mapping[str, str]
    """Name -> id of the topics that the worker reads."""
    changelog: tuple[str, str]
    """Name and id of the changelog of marks."""
    partitions: Mapping[str, int] = field(default_factory=dict)
    """Name -> number of partitions of these topics when they were made."""


class GuardedLedger:
    """Stores rows as long as the ledger and the topics are those that the worker was started for.

    A `schemas.ledger.Ledger`; besides the errors of the port, `insert` raises CheckFailed and CheckFailed, which
    end the worker. A ledger that lacks what this worker stored loses its id: then no worker goes on with it, and the
    one that noticed may be gone, until `migrate` gives it a new one.

    Args:
        writer: what stores the rows.
        belonging: what must not change.
        clickhouse: where the ledger is.
        kafka: where the brokers are.
    """

    def __init__(self, writer: Ledger, belonging: Belonging, clickhouse: ClickHouse, kafka: KafkaConnection) -> None:
        self._writer, self._belonging, self._clickhouse, self._kafka = writer, belonging, clickhouse, kafka
        self._lock = threading.Lock()
        """Two pipelines store through one guard, each in its thread."""
        self._stored: deque[tuple[int, int]] = deque(maxlen=REMEMBERED)
        """Partition and offset of the last receipt of the last groups."""
        self._compared: set[int] = set()
        """Partitions that were compared with their commits since they were assigned."""
        self._connections = ExitStack()
        self._client: Client | None = None
        self._admin: TopicAdmin | None = None
        self.verdict: CheckFailed | None = None
        """Why the worker has to end, for its last log line."""

    def insert(self, rows: Rows) -> None:
        """See `schemas.ledger.Ledger.insert`."""
        self._look({receipt.partition for receipt in rows.receipts})
        self._writer.insert(rows)
        if rows.receipts:
            self._stored.append((rows.receipts[-1].partition, rows.receipts[-1].offset))

    def probe(self, rows: Rows) -> None:
        """See `schemas.ledger.Ledger.probe`."""
        self._writer.probe(rows)

    async def watch(
        self, crash: Callable[[BaseException], Awaitable[None]], learn: Callable[[Mapping[int, frozenset[int]]], None]
    ) -> None:
        """Look now and then, for a worker that has nothing to store; end it by `crash` when something was replaced.

        `learn` gets the offsets of the events topic that are set aside, by partition.
        """
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await asyncio.to_thread(self._look, set())
                learn(await asyncio.to_thread(self._set_aside))
            except LedgerUnavailable:
                continue  # the next insert will report it, and be repeated
            except CheckFailed as error:
                await crash(error)
                return

    def _look(self, partitions: set[int]) -> None:
        """Raises what `insert` does. `partitions` are those of which receipts are to be stored."""
        with self._lock, self._connected() as (client, admin):
            if self.verdict is not None:
                raise self.verdict  # the first finding says why; what it did about it would be found next
            try:
                self._check_topics(admin)
                self._check_ledger(client)
                self._check_commits(client, partitions)
            except CheckFailed as error:
                self.verdict = error
                raise

    def _set_aside(self) -> Mapping[int, frozenset[int]]:
        with self._lock, self._connected() as (client, _):
            return ordered_offsets(client, self._clickhouse.database, EVENTS, self._belonging.topic_epoch)

    def forget(self) -> None:
        """Partitions have moved: what comes next is compared with its commits again."""
        self._compared = set()

    def close(self) -> None:
        """Close the connections."""
        self._client = self._admin = None
        self._connections.pop_all().close()

    @contextmanager
    def _connected(self) -> Iterator[tuple[Client, TopicAdmin]]:
        """Both connections; errors that can pass become LedgerUnavailable, and the next look reconnects."""
        try:
            if self._admin is None:
                self._admin = self._connections.enter_context(TopicAdmin(self._kafka))
            if self._client is None:
                # A look is part of an insert: if it took longer than an insert may, it would be taken for a stall.
                self._client = connect(self._clickhouse, send_receive_timeout=INSERT_TIMEOUT)
                self._connections.callback(self._client.close)
            with explained(self._clickhouse):
                yield self._client, self._admin
        except Unreachable as error:
            self.close()
            raise LedgerUnavailable(str(error)) from error
        except ClickHouseFault as error:
            if error.code in BROKEN:
                raise
            self.close()
            raise LedgerUnavailable(str(error)) from error

    def _check_topics(self, admin: TopicAdmin) -> None:
        wanted = self._belonging.topic_ids
        changelog, changelog_id = self._belonging.changelog
        actual = admin.sizes([*wanted, changelog])
        ids = {name: topic_id for name, (topic_id, _) in actual.items()}
        if ids.get(changelog) != changelog_id:
            raise CheckFailed(f"Topic {changelog} was deleted: the next worker that starts begins a new one.")
        for name, topic_id in wanted.items():
            if ids.get(name) != topic_id:
                what = "was deleted and re-created" if name in actual else "was deleted"
                raise CheckFailed(f"Topic {name} {what} while the worker was reading it: run `clustertrack migrate`.")
        for name, (_, partitions) in actual.items():
            if name in self._belonging.partitions and partitions != self._belonging.partitions[name]:
                raise CheckFailed(
                    f"Topic {name} has {counted(partitions, 'partition')} now and had "
                    f"{self._belonging.partitions[name]} when it was made: the count is fixed for life, because it "
                    f"decides where a company's records are. {catalog.RECREATE}"
                )

    def _check_ledger(self, client: Client) -> None:
        database, belonging = self._clickhouse.database, self._belonging
        present = catalog.find_ledger_id(client, database)
        if present != belonging.ledger_id:
            now = f"now has the id {present}: start the worker again" if present else "no longer has an id: " + MIGRATE
            raise CheckFailed(f"The ledger {belonging.ledger_id} that this worker was started for {now}")
        stored = set(self._stored)
        if stored - catalog.receipts_among(client, database, EVENTS, belonging.topic_epoch, stored):
            catalog.withdraw_ledger_id(client, database, belonging.ledger_id)
            raise CheckFailed(
                f"The ledger lacks what this worker has just stored: it was replaced by an older copy. Now {MIGRATE}"
            )

    def _check_commits(self, client: Client, partitions: set[int]) -> None:
        compared = self._compared
        if partitions <= compared:
            return
        with KafkaOffsets(self._kafka) as offsets:
            progress = offsets.read(self._belonging.group, [EVENTS]).progress
            of_these = {place: standing for place, standing in progress.items() if place.partition in partitions}
            asked = (client, self._clickhouse.database, offsets, of_these, self._belonging.topic_epoch)
            lost, again = lost_receipts(*asked), replaced(*asked, samples=1)
        if lost:
            catalog.withdraw_ledger_id(client, self._clickhouse.database, self._belonging.ledger_id)
            raise CheckFailed(f"{older_than_commits(lost)}. Now {MIGRATE}")
        if again:
            raise CheckFailed(f"{sentence(again)}. Now {MIGRATE}")
        compared |= partitions
