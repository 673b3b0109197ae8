"""`clustertrack worker`: one worker process, wired."""

import asyncio
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click
import faust
import structlog
from clickhouse_connect.driver.client import Client
from prometheus_client import REGISTRY

from brokers import silence, topics
from brokers.codecs import require_codecs
from brokers.explain import not_allowed
from brokers.offsets import KafkaOffsets, Partition, Progress
from clustertrack import allocators, logs, watchdog
from clustertrack.chatter import Chatter
from clustertrack.health import Health, serve
from clustertrack.settings import Settings, load_settings
from schemas.addresses import TopicPartition
from schemas.errors import CheckFailed, ClustertrackError, UsageFault, first_line
from schemas.indicators import PIPELINE_RELEASED, PIPELINE_VERSION
from schemas.own_folders import close_folder, locked, private_folder, set_private_umask
from schemas.screen import StandardError, note_reached, say
from sinks import catalog, changelog
from sinks.clickhouse import open_ledger
from sinks.guard import MIGRATE, Belonging, GuardedLedger, lost_receipts, older_than_commits
from sinks.replaced import replaced, sentence
from sinks.set_aside import ordered_offsets
from sinks.writer import LedgerWriter
from streams.app import TopicInfo, Worker, WorkerConfig, build

STOP_SECONDS: Final = 18.0
"""A stop that takes longer is cut short: supervisors kill after 20 s, `clustertrack up` after 15."""

log = structlog.get_logger()


@click.command("worker")
@click.option("--check", is_flag=True, help="Check settings, ledger and topics, then stop.")
def command(*, check: bool) -> None:
    """Run one worker: takes activity from Kafka, checks, deduplicates and enriches it, and writes the ledger.

    Workers of one ledger share the partitions; start one per core, each with its own CLUSTERTRACK_DATA_DIR and
    METRICS_PORT. Each serves /metrics, /healthz and /readyz on METRICS_HOST:METRICS_PORT and stops within 20 seconds
    after SIGTERM.

    \b
    Example:
      CLUSTERTRACK_DATA_DIR=/var/lib/clustertrack/1 METRICS_PORT=9101 clustertrack worker
    """
    allocators.bound()
    settings = load_settings()
    require_codecs()
    _require_released(datetime.now(UTC))
    chatter = logs.configure(settings.worker.log_level)
    config, belonging, aside = _checked(settings, start_changelog=not check)
    if check:
        say("settings, ledger and topics are fine")
        return
    set_private_umask()
    with _claimed(settings.worker.data_dir, config.app_id):
        _work(settings, config, belonging, aside, chatter)


def _work(
    settings: Settings,
    config: WorkerConfig,
    belonging: Belonging,
    aside: Mapping[int, frozenset[int]],
    chatter: Chatter,
) -> None:
    """Build the worker, and run it until a signal or a crash."""
    writer = LedgerWriter(settings.clickhouse.connection())
    ledger = GuardedLedger(writer, belonging, settings.clickhouse.connection(), settings.kafka.connection())
    worker = build(config, ledger=ledger)
    worker.app.delivery.reset.append(ledger.forget)

    def learn(aside: Mapping[int, frozenset[int]]) -> None:
        now = {(topics.EVENTS, partition): offsets for partition, offsets in aside.items()}
        if now != worker.app.delivery.set_aside:
            log.warning("records are set aside", partitions={p: len(offsets) for p, offsets in aside.items()})
        worker.app.delivery.learn(now)

    learn(aside)
    silence.answered.append(chatter.answered)

    @worker.app.task  # type: ignore[untyped-decorator]  # Faust has no types
    async def watch() -> None:
        await ledger.watch(worker.app.crash, learn)

    @worker.app.task  # type: ignore[untyped-decorator]  # Faust has no types
    async def say_what_is_over() -> None:
        while True:
            await asyncio.sleep(1)
            if (lasted := chatter.over()) is not None:
                log.info("Kafka answers again", seconds=round(lasted))

    server = serve(
        REGISTRY,
        settings.worker.metrics_host,
        settings.worker.metrics_port,
        health=lambda: _health(worker.vitals.unhealthy()),
        ready=lambda: _health(worker.vitals.unready()),
    )
    watchdog.watch(worker.vitals.unhealthy, patience=settings.worker.stalled_seconds)
    try:
        _run(worker, settings)
    finally:
        server.close()
        ledger.close()
        writer.close()
        if ledger.verdict is not None:
            raise ledger.verdict


def _require_released(now: datetime) -> None:
    """Refuse to count what no report would show: an event is known from its version's release on, and not before."""
    if now < PIPELINE_RELEASED:
        raise UsageFault(
            f"The worker does not start. Version {PIPELINE_VERSION} of the pipeline is released at "
            f"{PIPELINE_RELEASED.isoformat()}, and no report would show what it counts before: start it after that, or "
            "correct PIPELINE_RELEASED in schemas/indicators.py."
        )


@contextmanager
def _claimed(data: Path, marks: str) -> Iterator[None]:
    """Create the data folder and the folder of marks in it, or check that they are ours; hold them for this worker."""
    advice = "choose another one with CLUSTERTRACK_DATA_DIR"
    try:
        for folder in (data, data / marks):
            private_folder(folder, advice=advice)
            # The folder around the marks may hold other things of the operator.
            close_folder(folder, advice=advice, deep=folder != data)
    except OSError as error:
        raise UsageFault(f"{data} cannot be written ({error.strerror or error}): {advice}") from error
    with ExitStack() as held:
        try:
            held.enter_context(locked(data / marks / ".lock", wait=False))
        except BlockingIOError as error:
            raise UsageFault(
                f"{data} is in use by another worker of this ledger: give each worker a folder of its own with "
                "CLUSTERTRACK_DATA_DIR, or stop that one"
            ) from error
        yield


def _health(why: str | None) -> Health:
    return Health(ok=why is None, why=why or "")


def _checked(
    settings: Settings, *, start_changelog: bool
) -> tuple[WorkerConfig, Belonging, Mapping[int, frozenset[int]]]:
    """Ask the ledger which topics it knows and how far it was filled; refuse to start when Kafka says otherwise.

    Also which offsets of the events topic are set aside: a record that kills every worker kills this one too, unless it
    knows about it before it fetches anything.

    With `start_changelog` a lost changelog of marks is no reason to refuse: a new one is started.
    """
    with open_ledger(settings.clickhouse.connection()) as client:
        ledger_id = catalog.ledger_id(client, settings.clickhouse.database)
        recorded = catalog.topics(client, settings.clickhouse.database)
        _check_rights(settings, ledger_id)
        if start_changelog:
            group = topics.app_id(settings.kafka.consumer_group, ledger_id)
            recorded = changelog.put_in_order(
                settings.kafka.connection(), client, settings.clickhouse.database, recorded, group, datetime.now(UTC)
            )
        config = _worker_config(settings, ledger_id, recorded)
        with KafkaOffsets(settings.kafka.connection()) as offsets:
            progress = offsets.read(config.app_id, [topics.EVENTS]).progress
            epoch = recorded[topics.EVENTS].topic_epoch
            asked = (client, settings.clickhouse.database, offsets, progress, epoch)
            lost, again = lost_receipts(*asked), replaced(*asked)
        aside = ordered_offsets(client, settings.clickhouse.database, topics.EVENTS, epoch)
        if not lost and not again:
            _tell_expired(client, settings.clickhouse.database, progress, epoch)
    if lost:
        raise CheckFailed(f"The worker does not start. {older_than_commits(lost)}: {MIGRATE}")
    if again:
        raise CheckFailed(f"The worker does not start. {sentence(again)}: {MIGRATE}")
    belonging = Belonging(
        ledger_id=ledger_id,
        group=config.app_id,
        topic_epoch=epoch,
        topic_ids={name: recorded[name].topic_id for name in topics.READ},
        changelog=(topics.changelog_topic(config.app_id), config.changelog_id),
        partitions={name: recorded[name].partitions for name in (*topics.READ, topics.changelog_topic(config.app_id))},
    )
    return config, belonging, aside


def _check_rights(settings: Settings, ledger_id: str) -> None:
    """Raise CheckFailed for the rights on Kafka that the worker will need: without some it would fail at a record."""
    app_id = topics.app_id(settings.kafka.consumer_group, ledger_id)
    kafka = settings.kafka.connection()
    with topics.TopicAdmin(kafka) as admin:
        lacking = admin.missing_rights(topics.worker_rights(app_id), app_id)
    if lacking:
        raise not_allowed(kafka, ", ".join(lacking))


def _tell_expired(client: Client, database: str, progress: Mapping[Partition, Progress], epoch: int) -> None:
    """Report what Kafka deleted before it was read: the workers go on after it.

    Commits say where to look, receipts what was read: a group that was away for long has lost its commits.
    """
    for place, standing in progress.items():
        first = standing.committed or 0  # of a group that has not committed yet, as `reconcile` counts it
        if first >= standing.low:
            continue
        unread = catalog.unread(
            client, database, TopicPartition(place.topic, epoch, place.partition), first, standing.low
        )
        if unread is not None:
            log.error(
                "Kafka deleted records before they were read, `clustertrack reconcile` counts them",
                topic=place.topic,
                partition=place.partition,
                records=unread[0],
                first=unread[1],
                last=unread[2],
            )


def _worker_config(settings: Settings, ledger_id: str, recorded: Mapping[str, catalog.TopicRecord]) -> WorkerConfig:
    app_id = topics.app_id(settings.kafka.consumer_group, ledger_id)
    needed = [*topics.worker_rights(app_id)]
    with topics.TopicAdmin(settings.kafka.connection()) as admin:
        states = admin.describe(needed)
    actual = [
        catalog.ActualTopic(topic=name, topic_id=state.topic_id, partitions=state.partitions, config=state.config)
        for name, state in states.items()
    ]
    missing = [name for name in needed if name not in recorded]
    unrecorded = [f"Topic {name} is not recorded: run `clustertrack migrate`." for name in missing]
    reasons = unrecorded or catalog.check_topics({name: recorded[name] for name in needed}, actual)
    if reasons:
        raise CheckFailed("The worker does not start. " + " ".join(reasons))
    return WorkerConfig(
        app_id=app_id,
        kafka=settings.kafka.connection(),
        topics={
            name: TopicInfo(topic_epoch=recorded[name].topic_epoch, partitions=recorded[name].partitions)
            for name in topics.READ
        },
        changelog_id=recorded[topics.changelog_topic(app_id)].topic_id,
        data_dir=settings.worker.data_dir,
        linger=settings.worker.linger_ms / 1000,
        max_rows=settings.worker.max_rows,
        session_seconds=settings.worker.session_seconds,
        stalled_seconds=settings.worker.stalled_seconds,
        allow_personal_data=settings.worker.allow_personal_data,
    )


class _Service(faust.Worker):  # type: ignore[misc]  # Faust has no types
    """Faust's process service, without its own logging and debugging, and with a bounded stop."""

    def _setup_logging(self) -> None:
        """Logging is set up already."""

    def _enter_debugger(self) -> None:
        """SIGUSR2 opens a debugger in Faust; a production process has none."""

    interrupted = False
    """Whether Ctrl-C asked it to stop."""

    def _on_sigint(self) -> None:
        """Faust's own prints a line of dashes."""
        self.interrupted = True
        self._schedule_shutdown(signal.SIGINT)

    def _schedule_shutdown(self, signal: Any) -> None:  # noqa: ANN401  (mode has no types)
        # Faust can hang while it stops. Unacked records are delivered again, so exiting hard is safe.
        killer = threading.Timer(STOP_SECONDS, os._exit, (1,))
        killer.daemon = True
        killer.start()
        super()._schedule_shutdown(signal)


def _run(worker: Worker, settings: Settings) -> None:
    """Run until a signal or a crash; a crash exits with 1 for the supervisor to see."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    said = StandardError()
    service = _Service(worker.app, loop=loop, quiet=True, redirect_stdouts=False, stdout=said, stderr=said)
    service.spinner = None
    note_reached("records that were not counted are read again")
    log.info("worker starts", group=worker.app.conf.id, metrics_port=settings.worker.metrics_port)
    try:
        service.execute_from_commandline()
    finally:
        # In place of SystemExit: the last line of the log says why, no matter what the libraries log before it.
        if service.crash_reason is not None:
            raise CheckFailed(_last_words(service.crash_reason)) from service.crash_reason
        if service.interrupted:
            raise KeyboardInterrupt


def _last_words(reason: BaseException) -> str:
    if isinstance(reason, ClustertrackError):
        return str(reason)
    root, seen = reason, {id(reason)}
    # mode raises a crash from itself: such a chain has no end.
    while (cause := root.__cause__ or root.__context__) is not None and id(cause) not in seen:
        root = cause
        seen.add(id(root))
    said = f"{type(root).__name__}: {first_line(root)}" if str(root) else type(root).__name__
    return f"The worker stops ({said}); records that were not counted are read again."
