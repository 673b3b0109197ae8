"""`clustertrack status`: how far the workers have come; `--wait` returns when all is counted."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import click
from clickhouse_connect.driver.client import Client

from brokers import topics
from brokers.attempts import attempts
from brokers.codecs import require_codecs
from brokers.explain import KafkaUnreachable
from brokers.offsets import KafkaOffsets, Partition, Reading, behind, remaining
from clustertrack.progress import bar
from clustertrack.settings import load_settings
from schemas.counts import counted, number, one_or_many
from schemas.errors import CheckFailed
from schemas.screen import is_terminal, note_reached, say, show
from schemas.visible import Lines, as_lines, json_lines, stacked, table
from sinks import catalog
from sinks.clickhouse import open_ledger

T = TypeVar("T")

TOPICS: Final = topics.READ
STATUSES: Final = ("accepted", "retracted", "duplicate", "rejected", "rerouted")

POLL_SECONDS: Final = 0.25
STALLED_SECONDS: Final = 2.0
"""How long nothing may move before Kafka is asked whether there is anything to wait for."""
LINE_SECONDS: Final = 5.0
"""Between two lines of progress where there is no terminal."""


class NotCounted(CheckFailed):
    """The time limit came before all records were counted; `records` of them were left."""

    def __init__(self, message: str, records: int) -> None:
        super().__init__(message)
        self.records = records


@dataclass(frozen=True)
class Status:
    """What `status` prints: the ledger, the group and its reading, receipts by status."""

    ledger: str
    group: str
    reading: Reading
    receipts: Mapping[str, int]

    def as_dict(self) -> dict[str, Any]:
        """The status as JSON types."""
        return {
            "ledger": self.ledger,
            "group": self.group,
            "workers": self.reading.workers,
            "lag": self.reading.lag,
            "topics": {
                topic: {
                    "lag": sum(progress.lag for _, progress in places),
                    "partitions": [
                        {
                            "partition": place.partition,
                            "low": progress.low,
                            "end": progress.end,
                            "committed": progress.committed,
                            "lag": progress.lag,
                            "held": progress.held,
                        }
                        for place, progress in places
                    ],
                }
                for topic, places in self._by_topic().items()
            },
            "receipts": dict(self.receipts),
        }

    def as_text(self) -> Lines:
        """The status as aligned tables."""
        rows = [("topic", "partitions", "records", "counted", "lag")]
        for topic, places in self._by_topic().items():
            records = sum(progress.end - progress.low for _, progress in places)
            lag = sum(progress.lag for _, progress in places)
            rows.append((topic, number(len(places)), number(records), number(records - lag), number(lag)))
        receipts = [("receipts", ""), *((status, number(count)) for status, count in self.receipts.items())]
        workers = self.reading.workers
        running = counted(workers, "worker") if workers else "no worker is running"
        lines = [f"group {self.group}: {running}"]
        if held := sum(progress.held for progress in self.reading.progress.values()):
            lines.append(f"waiting for publishers to end their transactions: {counted(held, 'offset')}")
        return stacked([as_lines(lines), table(rows, numbers=True), table(receipts, numbers=True)], between=1, end=True)

    def _by_topic(self) -> dict[str, list[tuple[Any, Any]]]:
        found: dict[str, list[tuple[Any, Any]]] = {topic: [] for topic in TOPICS}
        for place, progress in self.reading.progress.items():
            found[place.topic].append((place, progress))
        return found


@click.command(
    epilog="\b\nExamples:\n  clustertrack status\n  clustertrack status --wait 120 && clustertrack report --year 2018"
)
@click.option(
    "--wait",
    "seconds",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Wait until all that was published before this call is counted; exit code 1 if that takes longer.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(seconds: float | None, as_json: bool) -> None:
    """Show lag, receipts and running workers; with --wait, wait until all is counted."""
    settings = load_settings()
    require_codecs()
    with open_ledger(settings.clickhouse.connection()) as client:
        ledger = catalog.ledger_id(client, settings.clickhouse.database)
        group = topics.app_id(settings.kafka.consumer_group, ledger)
        with _patient(lambda: KafkaOffsets(settings.kafka.connection()), seconds or 0) as offsets:
            reading = _patient(lambda: offsets.read(group, TOPICS), seconds or 0)
            left = 0
            if seconds is not None:
                with shown_progress() as told:
                    reading, left = wait_until_counted(
                        reading,
                        lambda: offsets.read(group, TOPICS),
                        seconds,
                        is_empty=offsets.are_empty,
                        clock=time.monotonic,
                        sleep=time.sleep,
                        show=told,
                    )
        status = Status(ledger, group, reading, receipts(client))
    show(json_lines(status.as_dict()) if as_json else status.as_text())
    if left:
        advice = (
            "see the worker's log" if reading.workers else "no worker is running: start one with `clustertrack worker`"
        )
        are = one_or_many(left, "is", "are")
        raise NotCounted(f"{counted(left, 'record')} {are} not counted after {seconds:g} s: {advice}.", left)


def _patient(call: Callable[[], T], seconds: float) -> T:
    """Return the call's result, retrying for `seconds` while Kafka cannot be reached."""
    for _ in attempts(seconds, POLL_SECONDS):
        with suppress(KafkaUnreachable):
            return call()
    return call()


def receipts(client: Client) -> dict[str, int]:
    """Receipts by status, 0 for a status that no record has."""
    rows = client.query("SELECT toString(status), count() FROM receipt FINAL GROUP BY status").result_rows
    return {**dict.fromkeys(STATUSES, 0), **dict(rows)}


def wait_until_counted(
    first: Reading,
    read: Callable[[], Reading],
    seconds: float,
    *,
    is_empty: Callable[[Mapping[Partition, tuple[int, int]]], bool],
    clock: Callable[[], float],
    sleep: Callable[[float], None],
    show: Callable[[int, int], None],
) -> tuple[Reading, int]:
    """Wait until the group has counted what the topics held at the first reading, then what they hold at that moment.

    The second round is for records on the wrong partition: the worker sends them on before it commits them, so that
    they lie before the ends of the reading that shows the commit. Returns the last reading and the records left, 0
    unless the time limit came first. A broker that goes away is waited for; if it is still away at the limit, raises
    KafkaUnreachable.

    `is_empty` reports whether Kafka delivers nothing in ranges of offsets. It is asked when nothing moves: a group's
    commit stays before the marker that ends a transaction.
    """
    deadline = clock() + seconds
    reading = first
    for _ in ("published before the call", "sent on by the workers"):
        target = reading.ends
        at_start = before = remaining(target, reading)
        moved_at = clock()
        while left := remaining(target, reading):
            show(at_start - left, at_start)
            note_reached(f"{counted(left, 'record')} not counted yet, the workers go on")
            if left != before:
                before, moved_at = left, clock()
            if clock() >= deadline:
                return reading, left
            sleep(POLL_SECONDS)
            try:
                if clock() - moved_at >= STALLED_SECONDS:
                    if is_empty(behind(target, reading)):
                        break
                    moved_at = clock()
                reading = read()
            except KafkaUnreachable:
                if clock() >= deadline:
                    raise
        show(at_start, at_start)
    return reading, 0


@contextmanager
def shown_progress() -> Iterator[Callable[[int, int], None]]:
    """A function that shows progress on standard error: a bar on a terminal, else a line now and then."""
    if not is_terminal():
        yield _lines()
        return
    with bar("counting", None, "records") as reached:
        yield reached


def _lines() -> Callable[[int, int], None]:
    last = time.monotonic()

    def told(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= LINE_SECONDS:
            last = time.monotonic()
            say(f"counted {number(done)} of {counted(total, 'record')}", err=True)

    return told
