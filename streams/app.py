"""The Faust app: three thin agents over the batch transport, the dedupe table, and what runs next to them.

Agents do three things: skip what is stale, hand the batch to a pipeline, and never let an exception out - Faust would
ack the event and go on as if nothing had happened.
"""

import asyncio
import gc
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any, Final

import faust
import structlog

from brokers import record_batches, silence
from brokers.batches import Record
from brokers.connection import KafkaConnection
from brokers.topics import COMPANIES, ENRICHED, EVENTS, KEYS, READ, REGISTRY, REJECTED
from schemas.faults import SET_ASIDE
from schemas.ledger import Ledger
from streams import worker_metrics as metrics
from streams.decide import Batch, PartitionInfo, process_batch
from streams.deliver import Pipeline
from streams.faultpoints import reach_record
from streams.liveness import Vitals
from streams.outbox import KafkaOutbox
from streams.reference import Reference
from streams.reference_step import process_companies, process_keys, process_registry
from streams.seen import STORE_OPTIONS, STORE_URL, TABLE, RocksSeen
from streams.transport import SCHEME, Delivery

DRAIN_SECONDS: Final = 5.0
"""How long work in flight may take to finish when partitions move or the worker stops; the rest is dropped."""
POLL_RECORDS: Final = 8000
PRODUCER_BATCH: Final = 900_000
PRODUCER_REQUEST: Final = 4_000_000
LONGEST_OUTAGE: Final = 24 * 3600
"""Seconds without progress before the group would give up on a worker: above any outage that must be survived."""
QUEUED_BATCHES: Final = 4
"""Fetched batches that may wait for an agent; Faust's default of 4,096 is all the memory there is in a long outage."""
GC_THRESHOLD: Final = (500_000, 50, 100)
"""With Python's own threshold a third of the time goes to the collector. Above what two groups hold, so that a steady
worker is hardly ever searched: what it makes is freed without a search."""

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class TopicInfo:
    """What the ledger knows of a topic."""

    topic_epoch: int
    partitions: int


@dataclass(frozen=True, kw_only=True)
class WorkerConfig:
    """Everything that a worker is configured with; `clustertrack.commands.worker` makes it from the settings."""

    app_id: str
    """Consumer group and Faust app: it carries the ledger's id."""
    kafka: KafkaConnection
    topics: Mapping[str, TopicInfo]
    """The topics that workers read: events, companies, registry, keys."""
    changelog_id: str
    """Topic id of the changelog of marks: those of another one are not used."""
    data_dir: Path
    linger: float
    """Seconds that a group waits for more records."""
    max_rows: int
    session_seconds: int
    """After so long without a sign of life, a worker's partitions go to the others."""
    stalled_seconds: float
    """After so long without progress, a worker is unhealthy."""
    allow_personal_data: bool


@dataclass(frozen=True)
class Worker:
    """A wired app and what its process watches."""

    app: faust.App
    vitals: Vitals
    pipelines: tuple[Pipeline, ...]


def build(config: WorkerConfig, *, ledger: Ledger) -> Worker:
    """Wire the app; nothing is started.

    Args:
        config: see `WorkerConfig`.
        ledger: where rows are stored.
    """
    inputs = frozenset(READ)
    record_batches.install(inputs)
    silence.install()
    delivery = Delivery(input_topics=inputs)
    record_batches.LightRecords.set_aside = delivery.set_aside
    if log_each():
        # Record by record, each named in the log before it is decided on: the last one is the one it died on.
        delivery.max_batch = 1
    app = _faust_app(config)
    app.delivery = delivery
    reference = Reference(config.kafka, {name: known.partitions for name, known in config.topics.items()})
    partitions = config.topics[EVENTS].partitions
    # Faust's table brings assignment and recovery; streams.seen reads and writes it in bulk.
    options = {**STORE_OPTIONS, "changelog_id": config.changelog_id}
    table = app.Table(TABLE, default=None, partitions=partitions, key_type=bytes, value_type=bytes, options=options)
    seen = RocksSeen(table)
    delivery.bulk[table.changelog_topic_name] = seen.recover
    delivery.compare[table.changelog_topic_name] = seen.compare

    def decide_events(place: PartitionInfo, records: Sequence[Record], condemned: Mapping[int, str]) -> Batch:
        aside = delivery.set_aside.get((place.topic, place.partition))
        if aside:
            condemned = {**condemned, **dict.fromkeys(aside, SET_ASIDE)}
        reach_record(place.topic, place.partition, records, condemned)
        batch = process_batch(
            place,
            records,
            seen=partial(events.seen, place.partition),
            register=reference.register,
            clusters=reference.clusters,
            condemned=condemned,
            allow_personal_data=config.allow_personal_data,
        )
        if batch.dropped_extensions:
            metrics.DROPPED_EXTENSIONS.inc(batch.dropped_extensions)
        return batch

    outputs = {"events": EVENTS, "enriched": ENRICHED, "rejected": REJECTED}
    common: dict[str, Any] = {
        "ledger": ledger,
        "crash": app.crash,
        "linger": config.linger,
        "max_rows": config.max_rows,
    }
    producer = partial(_producer, app)
    events = Pipeline(
        name="events",
        step=decide_events,
        seen=seen,
        outbox=KafkaOutbox(producer, outputs, table.changelog_topic_name),
        **common,
    )
    companies, registries, keys = (
        Pipeline(name=name, step=step, seen=None, outbox=KafkaOutbox(producer, outputs, None), **common)
        for name, step in (("companies", process_companies), ("registry", process_registry), ("keys", process_keys))
    )
    pipelines = {EVENTS: events, COMPANIES: companies, REGISTRY: registries, KEYS: keys}
    vitals = Vitals(
        now=monotonic,
        delivery=delivery,
        pipelines=pipelines,
        app=app,
        waits_for=reference.waits_for,
        stalled=config.stalled_seconds,
    )
    for pipeline in pipelines.values():
        delivery.drain.append(partial(pipeline.drain, DRAIN_SECONDS))
        delivery.reset.append(pipeline.forget)

    for topic, pipeline in pipelines.items():
        _add_agent(app, config, topic, pipeline, reference.ready)

    app.heart = vitals.run

    @app.task  # type: ignore[untyped-decorator]  # Faust has no types
    async def run_alongside() -> None:
        running = [*reference.running(), *(pipeline.run() for pipeline in pipelines.values())]
        await asyncio.gather(*(_guarded(app, coroutine) for coroutine in running))

    return Worker(app, vitals, tuple(pipelines.values()))


def log_each() -> bool:
    """Whether the log is to name each record that is taken."""
    return logging.getLogger(__name__).isEnabledFor(logging.DEBUG)


class _App(faust.App):  # type: ignore[misc]  # Faust has no types
    """Faust's app, with a heart that beats before its tables are recovered: Faust starts an app's tasks after that."""

    heart: Callable[[], Coroutine[Any, Any, None]]

    async def on_start(self) -> None:
        """Called when the app starts."""
        await super().on_start()
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLD)
        self.add_future(_guarded(self, self.heart()))


def _faust_app(config: WorkerConfig) -> _App:
    from faust.stores.rocksdb import USE_ROCKSDICT  # noqa: PLC0415  (only this check needs it)
    from faust.streams import _CStreamIterator  # noqa: PLC0415  (the same)

    # The pure-Python stream acks messages of an old generation that it skips; the compiled one does not.
    if _CStreamIterator is None or not USE_ROCKSDICT:
        raise RuntimeError("faust-streaming was installed without its compiled extension or without rocksdict")
    return _App(
        config.app_id,
        # Else an environment variable like PRODUCER_ACKS or TIMEZONE would override what is written here.
        env={},
        **config.kafka.for_faust(SCHEME),
        store=STORE_URL,
        # By ledger: marks of another one would be ahead of this one's changelog, and belong to other rows.
        datadir=config.data_dir / config.app_id,
        processing_guarantee="at_least_once",
        topic_partitions=config.topics[EVENTS].partitions,
        topic_allow_declare=False,  # `migrate` creates topics, with their policies
        topic_disable_leader=True,
        table_standby_replicas=0,
        consumer_auto_offset_reset="earliest",
        broker_commit_interval=0.5,
        broker_max_poll_records=POLL_RECORDS,
        broker_session_timeout=config.session_seconds,
        broker_heartbeat_interval=min(3, config.session_seconds // 3),
        broker_request_timeout=config.session_seconds + 5,
        broker_max_poll_interval=LONGEST_OUTAGE,
        producer_acks=-1,
        # With Faust's 20 minutes, a connection that died silently would hold everything up for as long.
        producer_request_timeout=config.session_seconds + 5,
        producer_max_batch_size=PRODUCER_BATCH,
        producer_max_request_size=PRODUCER_REQUEST,
        # `maxsize` of a topic would be the place for it, but Faust's `App.topic` silently drops that.
        stream_buffer_maxsize=QUEUED_BATCHES,
        stream_wait_empty=True,  # bounded by the transport
        web_enabled=False,
    )


def _producer(app: faust.App) -> Any:  # noqa: ANN401  (aiokafka has no types)
    return app.producer._producer  # noqa: SLF001  (see test_faust_contract)


def _add_agent(app: faust.App, config: WorkerConfig, name: str, pipeline: Pipeline, ready: asyncio.Event) -> None:
    raw = {"key_type": bytes, "value_type": bytes, "key_serializer": "raw", "value_serializer": "raw"}
    known = config.topics[name]
    topic = app.topic(name, partitions=known.partitions, **raw)

    @app.agent(topic, name=f"{pipeline.name}-agent")  # type: ignore[untyped-decorator]  # Faust has no types
    async def take(stream: Any) -> None:  # noqa: ANN401  (Faust has no types)
        await ready.wait()
        async for event in stream.noack().events():
            message, fetched = event.message, event.value
            stale = fetched.generation != app.delivery.generation or message.generation_id != app.consumer_generation_id
            if stale or not app.flow_control.is_active():
                continue  # unacked: it comes again
            place = PartitionInfo(name, known.topic_epoch, message.partition, known.partitions)
            first, last = fetched.records[0].offset, fetched.records[-1].offset
            log.debug("records are taken", topic=place.named, partition=place.partition, first=first, last=last)
            try:
                await pipeline.add(place, fetched.records, partial(_ack, app, stream, event, fetched.generation))
            except Exception as error:
                # Raised out of an agent it would be a silent stall: Faust restarts the agent, and this batch blocks
                # commits.
                log.exception("a batch cannot be taken, the worker stops", place=place)
                await app.crash(error)
                raise


async def _ack(app: faust.App, stream: Any, event: Any, generation: int) -> None:  # noqa: ANN401  (Faust has no types)
    if generation == app.delivery.generation:  # else it would ack records that come again
        await stream.ack(event)


async def _guarded(app: faust.App, coroutine: Any) -> None:  # noqa: ANN401  (Faust has no types)
    try:
        await coroutine
    except asyncio.CancelledError:
        raise
    except Exception as error:  # any: a task that ends silently would leave a worker that only looks alive
        log.exception("a task of the worker failed, the worker stops")
        await app.crash(error)
        raise
