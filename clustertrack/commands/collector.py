"""`clustertrack collector`: one collector process, wired."""

import asyncio
import gc
import resource
import signal
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing
from functools import partial
from typing import Final, Protocol

import click
import structlog
import uvicorn
from prometheus_client import REGISTRY

from brokers import record_batches, silence, topics
from brokers.codecs import require_codecs
from brokers.explain import not_allowed, probe
from clustertrack import __version__, logs
from clustertrack.chatter import Chatter
from clustertrack.collector_ledger import CollectorLedger
from clustertrack.health import Health, serve
from clustertrack.http_server import QuietServer, listen
from clustertrack.settings import CollectorSettings, Settings, load_settings
from schemas.errors import CheckFailed, ClustertrackError, Unreachable
from schemas.screen import note_reached, say
from sources.collector.bounded_protocol import CollectorProtocol
from sources.collector.collector import Collector, Limits
from sources.collector.delivery import KafkaDelivery
from sources.collector.key_feed import KeyFeed
from sources.collector.keyring import Keyring
from sources.collector.limits import Budget
from sources.collector.questions import QuestionLimits, Questions
from sources.collector.registry_feed import RegistryFeed
from sources.collector.web_app import web_app
from sources.topic_producer import open_producer

_LINGER_MS: Final = 0
"""How long an event waits for others: many small requests to Kafka would cost more than they gain."""
_CONNECT_MS: Final = 4_000
GRACE_SECONDS: Final = 5
"""What a stop may take beyond the time in which Kafka has to confirm."""
_PROBED_SECONDS: Final = 2.0
"""How long Kafka's last answer holds: anybody may ask for /readyz, and each answer would be a connection."""
_PROBE_SECONDS: Final = 1.0
_TICK_SECONDS: Final = 1.0

log = structlog.get_logger()


@click.command("collector")
@click.option("--check", is_flag=True, help="Check settings, topics and rights, then stop.")
def command(*, check: bool) -> None:
    """Take events over HTTP: check them, publish those that are accepted, and answer once Kafka has them.

    CRMs send CloudEvents to /v1/events, with the key of their cluster (`clustertrack keys create`). It listens on
    CLUSTERTRACK_COLLECTOR_HOST:CLUSTERTRACK_COLLECTOR_PORT, and serves /metrics, /healthz and /readyz on
    METRICS_HOST:METRICS_PORT. After SIGTERM it finishes the requests in progress, then stops.

    \b
    Example:
      METRICS_PORT=9102 clustertrack collector
    """
    settings = load_settings()
    require_codecs()
    chatter = logs.configure(settings.worker.log_level)
    partitions = _partitions(settings)
    if check:
        say("settings, topics and rights are fine")
    else:
        _collect(settings, partitions, chatter)


def _collect(settings: Settings, partitions: Mapping[str, int], chatter: Chatter) -> None:
    """Serve until a signal."""
    # What was imported stays; a batch makes thousands of objects that are gone with it.
    gc.freeze()
    gc.set_threshold(50_000, 5, 10)
    record_batches.install(frozenset())
    silence.install()
    silence.answered.append(chatter.answered)
    kafka, own = settings.kafka.connection(), settings.collector
    listener = listen(own.host, own.port, advice="set CLUSTERTRACK_COLLECTOR_PORT to a free one")
    _allow_connections()
    confirm_ms = int(own.confirm_seconds * 1000)
    opened = partial(
        open_producer,
        kafka,
        topics.EVENTS,
        connect_ms=_CONNECT_MS,
        request_ms=confirm_ms // 2,
        delivery_ms=confirm_ms,
        linger_ms=_LINGER_MS,
    )
    budget = Budget(own.max_held)
    ledger = CollectorLedger(
        settings.clickhouse.connection(), kafka, settings.kafka.consumer_group, seconds=own.answer_seconds
    )
    with listener, closing(KafkaDelivery(opened, budget)) as delivery:
        keyring = Keyring()
        key_feed = KeyFeed(keyring, kafka, partitions[topics.KEYS])
        collector = Collector(
            _limits(own), delivery, budget, keyring, lambda: key_feed.waits_for or registry_feed.waits_for
        )
        registry_feed = RegistryFeed(
            collector, kafka, partitions[topics.REGISTRY], allow_personal_data=settings.worker.allow_personal_data
        )
        with closing(Questions(collector, ledger, _question_limits(own))) as questions:
            process = _Process(settings, collector, questions, delivery, [key_feed, registry_feed], chatter)
            asyncio.run(process.run(listener))
    if process.interrupted:
        note_reached("what it has answered for is on Kafka")
        raise KeyboardInterrupt


def _partitions(settings: Settings) -> dict[str, int]:
    """How many each topic has; raises CheckFailed for a right that is missing, Unreachable for a topic that is."""
    kafka, needed = settings.kafka.connection(), topics.COLLECTOR_RIGHTS
    with topics.TopicAdmin(kafka) as admin:
        if lacking := admin.missing_rights(needed):
            raise not_allowed(kafka, ", ".join(lacking))
        sizes = admin.sizes(list(needed))
    for name in needed:
        if name not in sizes:
            raise Unreachable(f"topic {name!r} does not exist at {kafka.address}: run `clustertrack migrate` first")
    return {name: partitions for name, (_, partitions) in sizes.items()}


def _allow_connections() -> None:
    """Each connection is an open file, of which a process may have few unless it asks for more."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _limits(own: CollectorSettings) -> Limits:
    return Limits(
        body_bytes=own.max_body,
        lines_bytes=own.max_lines_body,
        batch_events=own.max_events,
        lines_events=own.max_lines,
        held_bytes=own.max_held,
        requests_at_once=own.max_requests,
        requests_per_second=own.requests_per_second,
        events_per_second=own.events_per_second,
        burst_seconds=own.burst_seconds,
        idle_seconds=own.idle_seconds,
        body_seconds=own.body_seconds,
        confirm_seconds=own.confirm_seconds,
    )


def _question_limits(own: CollectorSettings) -> QuestionLimits:
    return QuestionLimits(
        at_once=own.max_questions,
        per_second=own.questions_per_second,
        burst_seconds=own.burst_seconds,
        answer_seconds=own.answer_seconds,
        body_bytes=own.max_body,
    )


class _Feed(Protocol):
    @property
    def waits_for(self) -> str: ...
    def run(self) -> Awaitable[None]: ...


class _Process:
    """The server, what it follows, and how they are."""

    def __init__(
        self,
        settings: Settings,
        collector: Collector,
        questions: Questions,
        delivery: KafkaDelivery,
        feeds: list[_Feed],
        chatter: Chatter,
    ) -> None:
        self._settings, self._delivery, self._feeds, self._chatter = settings, delivery, feeds, chatter
        self._collector, self._questions = collector, questions
        self._came_round = time.monotonic()
        self._stopping = False
        self.interrupted = False
        self._kafka = _Probed(lambda: probe(settings.kafka.connection(), _PROBE_SECONDS))

    async def run(self, listener: socket.socket) -> None:
        """Serve until a signal, or until something cannot go on."""
        worker = self._settings.worker
        metrics = serve(REGISTRY, worker.metrics_host, worker.metrics_port, self._health, self._ready)
        try:
            await self._serve(listener)
        finally:
            metrics.close()

    async def _serve(self, listener: socket.socket) -> None:
        own = self._settings.collector
        app = web_app(self._collector, self._questions, self._health, self._ready, __version__)
        bounds = {"CONNECTIONS": own.max_connections, "HEAD_SECONDS": own.idle_seconds}
        config = uvicorn.Config(
            app,
            http=type("Protocol", (CollectorProtocol,), bounds),
            lifespan="off",
            ws="none",
            server_header=False,
            access_log=False,
            log_config=None,
            log_level="error",  # each request that is no HTTP would be a line
            timeout_graceful_shutdown=int(own.confirm_seconds) + GRACE_SECONDS,
            timeout_keep_alive=own.keep_alive_seconds,
        )
        server = QuietServer(config)
        loop = asyncio.get_running_loop()

        def stop() -> None:
            self._stopping = True
            server.should_exit = True

        def interrupt() -> None:
            self.interrupted = True
            stop()

        loop.add_signal_handler(signal.SIGTERM, stop)
        loop.add_signal_handler(signal.SIGINT, interrupt)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        others = [asyncio.ensure_future(feed.run()) for feed in self._feeds]
        others += [asyncio.create_task(self._delivery.run()), asyncio.create_task(self._watch())]
        address = listener.getsockname()
        log.info("collector starts", host=address[0], port=address[1], metrics_port=self._settings.worker.metrics_port)
        await asyncio.wait([serving, *others], return_when=asyncio.FIRST_COMPLETED)
        stop()
        await serving
        ended = [task for task in others if task.done() and not task.cancelled()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        for task in ended:
            if (error := task.exception()) is not None:
                raise error if isinstance(error, ClustertrackError) else _ended(error)
        log.info("collector has stopped")

    async def _watch(self) -> None:
        while True:
            self._came_round = time.monotonic()
            await asyncio.sleep(_TICK_SECONDS)
            if (lasted := self._chatter.over()) is not None:
                log.info("Kafka answers again", seconds=round(lasted))

    def _health(self) -> Health:
        late = time.monotonic() - self._came_round
        if late > self._settings.worker.stalled_seconds:
            return Health(ok=False, why=f"the event loop has not come round for {late:.0f} s")
        return Health(ok=True)

    def _ready(self) -> Health:
        if self._stopping:
            return Health(ok=False, why="the collector is stopping")
        reasons = [part.waits_for for part in (*self._feeds, self._delivery)]
        if not any(reasons):
            reasons = [self._kafka() or ""]
        why = "; ".join(filter(None, reasons))
        return Health(ok=not why, why=why)


def _ended(error: BaseException) -> CheckFailed:
    return CheckFailed(f"The collector stops ({type(error).__name__}: {error}); it can no longer follow its topics.")


class _Probed:
    """A question to Kafka whose answer holds for a moment."""

    def __init__(self, ask: Callable[[], str | None]) -> None:
        self._ask, self._lock = ask, threading.Lock()
        self._answer: str | None = None
        self._asked = float("-inf")

    def __call__(self) -> str | None:
        with self._lock:
            if time.monotonic() - self._asked > _PROBED_SECONDS:
                self._answer = self._ask()
                self._asked = time.monotonic()
            return self._answer
