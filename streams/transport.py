"""kafkabatch:// - a Faust transport that hands whole fetch batches to agents.

Faust's own path creates several asyncio tasks a message. Here one Faust message carries up to `max_batch` records of
one partition (its value is the list of them). Group membership, flow control, generations, tables and rebalancing
remain Faust's; this module overrides how records are delivered and which offsets may be committed.

Every private name used here is listed, with its use, in `tests/streams/test_faust_contract.py`; Faust, aiokafka and
mode are pinned exactly.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final

from aiokafka.errors import KafkaError
from faust.transport.drivers import TRANSPORTS
from faust.transport.drivers import aiokafka as driver
from faust.types.tuples import TP, ConsumerMessage
from mode.services import WaitResults

from streams.faultpoints import FETCH, reach

SCHEME: Final = "kafkabatch"
POLL_SECONDS: Final = 1.0
IDLE_SECONDS: Final = 0.2
"""How often a consumer without active partitions looks for some."""
FETCH_WAIT_MS: Final = 50
"""How long a broker may hold a fetch that finds nothing. Until it answers, aiokafka asks that broker for no other
partition: one without new records, like those of the register, would hold up all others. Faust fixes it at 1,500."""


@dataclass
class Delivery:
    """How the consumer of one app delivers; filled by `streams.app` before the app starts."""

    input_topics: frozenset[str] = frozenset()
    """Topics whose offsets the group commits; all others are changelogs."""
    max_batch: int = 2000
    bulk: dict[str, Callable[[int, list[Any]], None]] = field(default_factory=dict)
    """Changelog topic -> callable(partition, records) that applies them to the local store at once."""
    compare: dict[str, Callable[[int, int, int], None]] = field(default_factory=dict)
    """Changelog topic -> callable(partition, first offset, end), before the local store is brought up to date."""
    drain: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    """Finish what is in flight, within a bounded time."""
    reset: list[Callable[[], None]] = field(default_factory=list)
    """Forget what is unacked: it will be delivered again."""
    fetched_at: float = field(default_factory=monotonic)
    """Last sign of life of the fetcher, by the monotonic clock."""
    recovered_at: float = field(default_factory=monotonic)
    """When a changelog's records were applied last, by the same clock."""
    client: Any = None
    """aiokafka's consumer, once there is one."""
    set_aside: dict[tuple[str, int], frozenset[int]] = field(default_factory=dict)
    """(topic, partition) -> offsets of records that no worker survives reading: they are not read."""
    generation: int = 0
    """Counts how often everything unacked was forgotten. A batch of an older generation is neither taken nor acked."""

    def learn(self, set_aside: Mapping[tuple[str, int], frozenset[int]]) -> None:
        """Take in which records are set aside now. The fetcher looks at the same mapping, in a thread of its own."""
        self.set_aside.update(set_aside)
        for place in self.set_aside.keys() - set_aside.keys():
            del self.set_aside[place]

    async def finish(self) -> None:
        """Deliver what is in flight, within the pipelines' bounds."""
        for drain in self.drain:
            await drain()

    def forget(self) -> None:
        """Everything that is unacked now will be delivered again."""
        self.generation += 1
        for reset in self.reset:
            reset()


@dataclass(frozen=True, slots=True)
class Fetched:
    """The value of a batch message: records of one partition, and the generation in which they were fetched."""

    records: list[Any]
    generation: int


def check_alive(consumer: Any) -> None:
    """Raise KafkaError if aiokafka has permanently given up fetching, or membership of the group.

    Its own `getmany` would say so; Faust goes around that, and the consumer would be silent forever.
    """
    fetching = consumer._fetcher.error_future
    if fetching.done() and not consumer._closed:
        raise KafkaError("the fetcher has ended") from (None if fetching.cancelled() else fetching.exception())
    consumer._coordinator.check_errors()


class CommittedConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]  # Faust has no types
    """Reads committed records only (what a transactional producer aborted was never published), in short fetches."""

    async def _fetch_records(self, consumer: Any, *args: Any, **kwargs: Any) -> Any:
        check_alive(consumer)
        return await super()._fetch_records(consumer, *args, **kwargs)

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        # Faust ties the isolation level to its own exactly_once, and has no setting for either.
        consumer._isolation_level = "read_committed"
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        self.consumer.delivery.client = consumer
        return consumer


class BatchConsumer(driver.Consumer):  # type: ignore[misc]  # Faust has no types
    """Delivers batches, commits contiguous prefixes of them, and waits within bounds at a rebalance or stop."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.delivery: Delivery = self.app.delivery
        self._positions = asyncio.Lock()
        """Held while positions are read or set: by a fetch, by a seek."""
        self._pending: dict[TP, deque[int]] = defaultdict(deque)
        """Last offset of every delivered batch that is not committed, in order."""

    def _new_consumer_thread(self) -> CommittedConsumerThread:
        return CommittedConsumerThread(self, loop=self.loop, beacon=self.beacon)

    def _forget(self) -> None:
        self._pending.clear()
        for tp in [tp for tp in self._acked if self._is_input(tp)]:
            self._acked.pop(tp)
            self._acked_index.pop(tp, None)
        self.delivery.forget()

    async def perform_seek(self) -> None:
        """Back to the committed offsets: what was delivered and not committed comes again.

        The base class leaves a partition without a committed offset where it is, so that what was fetched from it in
        the meantime would never come again (aiokafka's `seek_to_committed` skips it). Here it goes to its beginning.
        """
        # No fetch may be under way: its records would be delivered after the seek, or skipped by it.
        async with self._positions:
            self._forget()
            await super().perform_seek()
            unread = [tp for tp in self.assignment() if self._is_input(tp) and not self._committed_offset[tp]]
            if unread:
                for tp, offset in (await self.earliest_offsets(*unread)).items():
                    await self.seek(tp, offset)

    async def highwaters(self, *partitions: TP) -> Mapping[TP, int]:
        """Ends of partitions. Faust asks before a recovery: that is when the store is compared with its changelog."""
        ends: Mapping[TP, int] = await super().highwaters(*partitions)
        changelogs = [tp for tp in partitions if tp.topic in self.delivery.compare]
        if changelogs:
            for tp, first in (await self.earliest_offsets(*changelogs)).items():
                self.delivery.compare[tp.topic](tp.partition, first, ends.get(tp) or 0)
        return ends

    def _is_input(self, tp: TP) -> bool:
        return tp.topic in self.delivery.input_topics

    async def on_partitions_revoked(self, revoked: Iterable[TP]) -> None:
        """Finish and commit what can be finished in time; the rest belongs to the worker that gets the partitions."""
        self.stop_flow()  # the base class does this too, but only after the commit would have to be done
        await self.delivery.finish()
        # The base class forgets acked offsets before they are committed (faust-streaming issue 502).
        await self.commit()
        await super().on_partitions_revoked(revoked)
        self._forget()

    async def wait_empty(self) -> None:
        """Called at a graceful stop. The base class waits without bound for acks that may never come."""
        await self.delivery.finish()
        await self.commit_and_end_transactions()

    # ---- delivery

    async def _drain_messages(self, fetcher: Any) -> None:
        """Fetch forever. The contract is that of Faust's own `_drain_messages` and `getmany`."""
        try:
            while not (self._stopped.is_set() or fetcher._stopped.is_set()):
                await asyncio.sleep(0)
                reach(FETCH)
                if not self.flow_active:
                    await self.wait(self.can_resume_flow)
                    self.delivery.fetched_at = monotonic()  # it could not fetch before
                    continue
                async with self._positions:
                    active = set(self._get_active_partitions())
                    fetched = await self._getmany(active_partitions=active, timeout=POLL_SECONDS) if active else {}
                    generation, group_generation = self.delivery.generation, self.app.consumer_generation_id
                self.delivery.fetched_at = monotonic()
                if not active:
                    await self.sleep(IDLE_SECONDS)
                elif fetched and not self.flow_active:
                    await self._seek_back()
                else:
                    for tp, records in fetched.items():
                        await self._deliver_partition(tp, records, generation, group_generation)
        except self.consumer_stopped_errors:
            if not self.transport.app.should_stop:
                raise
        except asyncio.CancelledError:
            if not self.transport.app.should_stop:
                raise

    async def wait_first(self, *coros: Any, timeout: Any = None) -> Any:  # noqa: ASYNC109  (the signature is mode's)
        """The first of them to end. Delivery waits here for room in an agent's queue, or for the end of the flow.

        Faust empties its queues around a rebalance by cancelling the tasks that wait to put something into them, and
        mode passes that on as if the fetcher itself were cancelled: the worker would crash. What was dropped comes
        again.
        """
        try:
            return await super().wait_first(*coros, timeout=timeout)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            if self.flow_active:  # otherwise its next start goes back
                await self.perform_seek()
            return WaitResults([], [], False)

    async def _seek_back(self) -> None:
        try:
            await self.perform_seek()
        except Exception as error:  # noqa: BLE001  (any error: the flow stops and the next resume seeks again)
            self.log.warning("seek while the flow is stopped failed: %r", error)

    async def _deliver_partition(self, tp: TP, fetched: list[Any], generation: int, group_generation: int) -> None:
        self.app.monitor.track_tp_end_offset(tp, self.highwater(tp))
        in_batches = self._is_input(tp)
        apply_in_bulk = self.delivery.bulk.get(tp.topic)
        if apply_in_bulk and len(fetched) > 1:
            # Table recovery: all but the last record go straight to the store. Faust sees only the last one, and learns
            # from its offset how far the table is.
            apply_in_bulk(tp.partition, fetched[:-1])
            self.delivery.recovered_at = monotonic()
            fetched = fetched[-1:]
        step = self.delivery.max_batch if in_batches else 1
        for start in range(0, len(fetched), step):
            if not self.flow_active or group_generation != self.app.consumer_generation_id:
                return
            if in_batches and generation != self.delivery.generation:
                return  # the position went back: they come again
            chunk = fetched[start : start + step]
            read = self._read_offset[tp]
            if read is not None and chunk[0].offset < read:
                chunk = [record for record in chunk if record.offset >= read]  # fetched twice around a seek
                if not chunk:
                    continue
            if in_batches:
                await self.wait_first(self._deliver(tp, Fetched(chunk, generation)), self.suspend_flow.wait())
                if generation != self.delivery.generation:
                    return
            else:
                await self.wait_first(self.callback(self._to_message(tp, chunk[0])), self.suspend_flow.wait())
            self._read_offset[tp] = chunk[-1].offset + (1 if in_batches else 0)
            self.delivery.fetched_at = monotonic()

    async def _deliver(self, tp: TP, fetched: Fetched) -> None:
        app = self.app
        await app.flow_control.acquire()
        if fetched.generation != self.delivery.generation:
            return
        last = fetched.records[-1]
        message = ConsumerMessage(
            tp.topic,
            tp.partition,
            last.offset,
            last.timestamp / 1000.0,
            last.timestamp_type,
            None,  # headers, key: each record has its own
            None,
            fetched,
            None,  # checksum and serialized sizes: not of a batch
            0,
            0,
            tp,
            generation_id=app.consumer_generation_id,
        )
        channels = app.topics._tp_index[tp]
        message.incref(len(channels))
        self._pending[tp].append(last.offset)
        for channel in channels:
            await channel.put(app.create_event(None, fetched, {}, message))

    def unacked(self, topic: str) -> tuple[bool, bool]:
        """Whether records of a topic are handed over and not acked, and whether later ones were acked before them.

        In a partition acks come in order, unless an agent dropped a batch.
        """
        waiting = [
            tp
            for tp, pending in self._pending.items()
            if tp.topic == topic and pending and pending[0] not in self._acked_index[tp]
        ]
        return bool(waiting), any(self._acked_index[tp] for tp in waiting)

    # ---- commit: the contiguous prefix of acked batches, never past one in flight (faust-streaming issue 606)

    def _new_offset(self, tp: TP) -> int | None:
        if not self._is_input(tp):
            offset: int | None = super()._new_offset(tp)
            return offset
        pending, acked, new = self._pending[tp], self._acked_index[tp], None
        while pending and pending[0] in acked:
            new = pending.popleft()
            acked.discard(new)
        if new is None:
            return None
        self._acked[tp] = [offset for offset in self._acked[tp] if offset > new]
        return new + 1


class BatchProducer(driver.Producer):  # type: ignore[misc]  # Faust has no types
    """Idempotent: a retry inside the producer neither repeats nor reorders a record."""

    def _settings_extra(self) -> dict[str, Any]:
        return {"acks": "all", "enable_idempotence": True}


class Transport(driver.Transport):  # type: ignore[misc]  # Faust has no types
    """Found by Faust under the URL scheme `kafkabatch`."""

    Consumer = BatchConsumer
    Producer = BatchProducer


TRANSPORTS.aliases[SCHEME] = "streams.transport:Transport"
