"""Steps 5 to 8 of delivery, and the overlap: while one group of records is stored, the next one is decided on.

An agent adds batches; they are decided on at once (`streams.decide`, steps 1 to 4) and join the open group. When it
has `max_rows` records or is `linger` seconds old, and the group before it is done, it is delivered: see `deliver`.

Nothing is acked before it is stored, produced and marked. After a crash between any two steps the records come again
and give the same rows. When partitions move, everything unacked is forgotten: it is fetched again from the committed
offset.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from time import monotonic
from typing import Any, Final

import structlog
from aiokafka.errors import KafkaError, KafkaTimeoutError

from brokers.batches import Record
from schemas.ledger import Ledger, LedgerRefused, LedgerUnavailable, Rows
from streams import worker_metrics as metrics
from streams.blame import decide_or_reject
from streams.decide import Batch, PartitionInfo
from streams.faultpoints import reach
from streams.interfaces import Group, Outbox, SeenTable, Step
from streams.outages import Outage

RETRY_DELAYS: Final = (0.2, 2.0)
"""Shortest and longest seconds between tries: a recovered ledger is noticed at once, and not hammered."""
PATIENCE: Final = 3.0
"""Seconds that Kafka may take to confirm before the worker reports that it waits."""

AT_ONCE: Final = 250
"""Records that are decided on without a break for the event loop: the worst ones take ten times as long as good ones,
and heartbeats, health checks and the fetcher wait meanwhile."""

PROOFS: Final = 5
"""How often a record must be refused, alone and each time between two inserts that succeed, before it is rejected: one
refusal may be a passing problem of the ledger, and a rejected record is missing from the figures."""

log = structlog.get_logger()


class StaleError(Exception):
    """The group's records will be delivered again: stop working on it."""


class Pipeline:
    """Takes batches, delivers groups.

    Args:
        name: for logs and metrics.
        step: the pure step.
        seen: the dedupe state; None for records without one.
        ledger: where rows are stored; its calls run in a thread.
        outbox: where records are produced.
        crash: ends the process, for its supervisor to start it again.
        linger: seconds that a group waits for more records.
        max_rows: records that close a group.
        retry_delays: shortest and longest seconds between tries.
        patience: seconds that producing may take before it counts as waiting.
    """

    def __init__(
        self,
        *,
        name: str,
        step: Step,
        seen: SeenTable | None,
        ledger: Ledger,
        outbox: Outbox,
        crash: Callable[[BaseException], Awaitable[None]],
        linger: float,
        max_rows: int,
        retry_delays: tuple[float, float] = RETRY_DELAYS,
        patience: float = PATIENCE,
    ) -> None:
        self.name = name
        self._step, self._seen, self._ledger, self._outbox, self._crash = step, seen, ledger, outbox, crash
        self._linger, self._max_rows, self._retry_delays, self._patience = linger, max_rows, retry_delays, patience
        self._generation = object()
        self._in_flight: dict[int, dict[bytes, bytes]] = {}
        """Partition -> marks that the dedupe state does not hold yet."""
        self._open: Group | None = None
        self._delivering: Group | None = None
        self._narrowing = False
        self._known = Rows()
        """A stored row of each table: a healthy ledger accepts again what it has accepted once."""
        self._opened, self._full, self._room = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.alive_at = monotonic()
        """Last sign of life by the monotonic clock; a retry is one."""
        self.waiting_since: float | None = None
        """Since when the ledger or Kafka refuses; None while healthy."""
        self.waiting_for = ""  # what it said

    # ---- what agents and the transport call

    async def add(self, place: PartitionInfo, records: Sequence[Record], ack: Callable[[], Awaitable[Any]]) -> None:
        """Decide on records and let them join the open group; waits while that is full."""
        generation = self._generation
        for first in range(0, max(1, len(records)), AT_ONCE):
            if first:
                await asyncio.sleep(0)
            while self._narrowing or (self._open is not None and self._open.is_full(self._max_rows)):
                self._room.clear()
                await self._room.wait()
            if generation is not self._generation:
                return  # forgotten while waiting: they come again
            group = self._open = self._open or self._begin()
            reach("decide")
            with metrics.STEP_SECONDS.labels(self.name, "decide").time():
                self._absorb(group, place, records[first : first + AT_ONCE])
            reach("decided")
            if first + AT_ONCE >= len(records):
                group.acks.append(ack)  # of all of them: what joined groups before this one is delivered before it
            if group.is_full(self._max_rows):
                self._full.set()

    def _begin(self) -> Group:
        self._opened.set()
        if self._delivering is None:
            self.alive_at = monotonic()
        return Group(self._generation, monotonic(), self._outbox.parcel())

    def forget(self) -> None:
        """Everything unacked will be delivered again: forget it and its marks."""
        self._generation, self._in_flight, self._open = object(), {}, None
        self._full.clear()
        self._room.set()

    async def drain(self, seconds: float) -> None:
        """Deliver what is in flight within `seconds`, forget the rest."""
        deadline = monotonic() + seconds
        self._full.set()  # no lingering
        while self._open or self._delivering:
            if monotonic() >= deadline:
                log.warning("work in flight dropped, it will be delivered again", pipeline=self.name)
                break
            await asyncio.sleep(0.02)
        self.forget()

    @property
    def idle(self) -> bool:
        """Whether records could be taken and none are held."""
        return self._open is None and self._delivering is None

    @property
    def oldest_unacked(self) -> float:
        """Seconds that the oldest unacked record has been held; 0 without any."""
        group = self._delivering or self._open
        return monotonic() - group.opened_at if group else 0.0

    def seen(self, partition: int, keys: list[bytes]) -> list[bytes | None]:
        """Marks in flight first, then those of the dedupe state."""
        if self._seen is None:
            return [None] * len(keys)
        in_flight = self._in_flight.get(partition)
        stored = self._seen.get(partition, keys)
        if not in_flight:
            return list(stored)
        return [in_flight.get(key) or mark for key, mark in zip(keys, stored, strict=True)]

    async def run(self) -> None:
        """Deliver group after group, forever."""
        while True:
            await self._opened.wait()
            self._opened.clear()
            # From its first record on: a group that filled while another one was delivered has lingered already.
            waited = monotonic() - self._open.opened_at if self._open else 0.0
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._full.wait(), max(0.0, self._linger - waited))
            self._delivering, self._open = self._open, None
            self._full.clear()
            self._room.set()
            if self._delivering is not None:
                await self._deliver_or_crash(self._delivering)
                self._delivering = None

    # ---- steps 1 to 4

    def _absorb(self, group: Group, place: PartitionInfo, records: Sequence[Record]) -> None:
        for part, batch in self._decide(place, records, {}):
            group.add(place, part, batch)
            if batch.marks:
                self._in_flight.setdefault(place.partition, {}).update(batch.marks)

    def _decide(
        self, place: PartitionInfo, records: Sequence[Record], condemned: Mapping[int, str]
    ) -> list[tuple[Sequence[Record], Batch]]:
        marks = self._in_flight.setdefault(place.partition, {})
        return decide_or_reject(self._step, place, records, condemned, marks)

    # ---- steps 5 to 8

    async def _deliver_or_crash(self, group: Group) -> None:
        try:
            await self.deliver(group)
        except StaleError:
            metrics.DROPPED.labels(self.name).inc(group.size)
        except Exception as error:  # a bug; leaving here, it would be a silent stall
            log.exception("delivery failed, the worker stops", pipeline=self.name)
            await self._crash(error)

    async def deliver(self, group: Group) -> None:
        """Carry a group through the last four steps. Steps 1 to 4 (validate, route, deduplicate, enrich) are done.

        5. Insert activities, companies and rejections into the ledger, then receipts: a receipt proves its row.
           First of all, so that an outage publishes nothing that would have to be published again.
        6. Produce enriched, rejected and sent-on records and the changelog; every record is confirmed.
        7. Mark versions as seen in the local store, with the changelog's offset, at once: local state ahead of its
           changelog would survive a crash that the changelog does not.
        8. Ack; the next commit takes the contiguous prefix.

        Raises:
            StaleError: the records will be delivered again.
        """
        started = monotonic()
        try:
            await self._insert(group, group.rows)
        except LedgerRefused as refusal:
            log.warning("the ledger refuses a group, looking for the record", pipeline=self.name, error=str(refusal))
            group = await self._narrow(group)
        reach("produce")
        ends = await self._repeat(group, "produce", partial(self._produce, group))
        self._check(group)
        with metrics.STEP_SECONDS.labels(self.name, "mark").time():
            reach("mark")
            self._mark(group, ends)
        reach("ack")
        for ack in group.acks:
            await ack()
        reach("acked")
        metrics.observe(self.name, group.rows, group.size, monotonic() - started)

    async def _insert(self, group: Group, rows: Rows) -> None:
        """Step 5; receipts by a call of their own, so that none can be there before its row."""
        reach("insert")
        facts = replace(rows, receipts=[])
        await self._repeat(group, "insert", partial(asyncio.to_thread, self._ledger.insert, facts))
        if rows.receipts:
            reach("receipts")
            receipts = Rows(receipts=rows.receipts)
            await self._repeat(group, "insert", partial(asyncio.to_thread, self._ledger.insert, receipts))
        for known, stored in zip(self._known.facts, facts.facts, strict=True):
            known[:] = stored[:1] or known

    async def _produce(self, group: Group) -> dict[int, int]:
        """Step 6. The producer retries by itself, without limit: what takes long is waiting for Kafka, not a stall."""
        sending = asyncio.ensure_future(self._outbox.send(group.parcel, group.marks))
        outage = Outage(self.name)
        try:
            while not (await asyncio.wait([sending], timeout=self._patience))[0]:
                self._check(group)
                self._wait("Kafka does not confirm")
                outage.failed("Kafka does not confirm, still waiting", records=group.size)
            result = await sending
            outage.over("Kafka confirms again")
            return result
        finally:
            sending.cancel()

    def _check(self, group: Group) -> None:
        self.alive_at = monotonic()
        if group.generation is not self._generation:
            raise StaleError

    def _wait(self, why: str) -> None:
        self.waiting_since, self.waiting_for = self.waiting_since or monotonic(), why

    async def _repeat(
        self, group: Group, step: str, call: Callable[[], Awaitable[Any]], *heals: type[Exception]
    ) -> Any:  # noqa: ANN401  (call's)
        """Repeat a call until it succeeds: nothing else would deliver these records. Errors that pass: `heals` too."""
        delay, longest = self._retry_delays
        outage = Outage(self.name)
        while True:
            self._check(group)
            try:
                with metrics.STEP_SECONDS.labels(self.name, step).time():
                    result = await call()
            except (LedgerUnavailable, KafkaError, OSError, *heals) as error:
                # A producer queue that is full because a broker is away reports itself as not retriable.
                if isinstance(error, KafkaError) and not (error.retriable or isinstance(error, KafkaTimeoutError)):
                    raise
                metrics.RETRIES.labels(self.name, step).inc()
                self._wait(str(error)[:600])
                outage.failed("will be repeated", step=step, error=str(error)[:600])
                await asyncio.sleep(delay)
                delay = min(longest, delay * 2)
            else:
                outage.over("it works again", step=step)
                self.waiting_since = None
                return result

    def _mark(self, group: Group, changelog_ends: Mapping[int, int]) -> None:
        if self._seen is None:
            return
        for partition, marks in group.marks.items():
            self._seen.write(partition, marks, changelog_ends.get(partition))
            in_flight = self._in_flight.get(partition, {})
            for key in marks:
                in_flight.pop(key, None)

    async def _narrow(self, refused: Group) -> Group:
        """Store a refused group piece by piece; a record that is proved to be refused for itself, and not because of a
        problem of the ledger, is rejected as `not_storable`.

        The decisions about the group and about everything after it are repeated, because they depend on marks of
        records that may turn out not to be storable.
        """
        self._narrowing = True
        try:
            later, self._open = self._open, None
            self._in_flight = {}
            stored = Group(refused.generation, refused.opened_at, self._outbox.parcel(), acks=refused.acks)
            for place, records in refused.taken:
                await self._store_piece(stored, place, records, {})
            if later is not None:
                again = Group(later.generation, later.opened_at, self._outbox.parcel(), acks=later.acks)
                for place, records in later.taken:
                    await asyncio.sleep(0)
                    if later.generation is not self._generation:
                        break  # forgotten meanwhile
                    self._absorb(again, place, records)
                else:
                    self._open = again
                    self._opened.set()
            return stored
        finally:
            self._narrowing = False
            self._room.set()

    async def _store_piece(
        self, stored: Group, place: PartitionInfo, records: Sequence[Record], condemned: Mapping[int, str]
    ) -> None:
        for part, batch in self._decide(place, records, condemned):
            try:
                await self._insert(stored, batch.rows)
            except LedgerRefused as refusal:
                if len(part) == 1:
                    offset = part[0].offset
                    # Not even its rejection: no record can be to blame for that, so wait.
                    patient = offset in condemned
                    if await self._stored_after_all(stored, batch.rows, refusal, patient=patient):
                        self._take(stored, place, part, batch)
                        continue
                    log.exception("record cannot be stored", place=place, offset=offset)
                    await self._store_piece(stored, place, part, {**condemned, offset: "not_storable"})
                    continue
                half = len(part) // 2
                await self._store_piece(stored, place, part[:half], condemned)
                await self._store_piece(stored, place, part[half:], condemned)
            else:
                self._take(stored, place, part, batch)

    def _take(self, stored: Group, place: PartitionInfo, records: Sequence[Record], batch: Batch) -> None:
        stored.add(place, records, batch)
        if batch.marks:
            self._in_flight.setdefault(place.partition, {}).update(batch.marks)

    async def _stored_after_all(self, group: Group, rows: Rows, refusal: LedgerRefused, *, patient: bool) -> bool:
        """Store rows of one record that were refused; False when it is proved that the ledger refuses these alone.

        Proved is what is refused PROOFS times, each time between two inserts of others, and empty ones into the same
        tables, that succeed. A problem of the ledger that looks like a refusal ends before that, or stops the others
        too. With `patient` the rows are tried without limit.
        """

        async def others() -> None:
            await asyncio.to_thread(self._ledger.insert, self._known)
            await asyncio.to_thread(self._ledger.probe, rows)

        refused = 0
        try:
            while patient or refused < PROOFS:
                await self._repeat(group, "insert", others, LedgerRefused)
                self._wait(str(refusal)[:600])
                try:
                    await self._insert(group, rows)
                except LedgerRefused as again:
                    metrics.RETRIES.labels(self.name, "insert").inc()
                    refusal = again
                else:
                    return True
                try:
                    await others()
                except (LedgerRefused, LedgerUnavailable, OSError):
                    refused = 0
                else:
                    refused += 1
                self._wait(str(refusal)[:600])
                await asyncio.sleep(self._retry_delays[0])
            return False
        finally:
            self.waiting_since = None
