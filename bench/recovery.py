"""Seconds until a worker that knows N events counts new ones again: with its data folder, and without it.

    scripts/bench --only recovery [--known 1000000] [--events 200000]

The N known events are marks in the changelog, as a worker writes them; a first worker reads them into its folder.
Then the worker is stopped, or killed, its folder is kept or deleted, `--events` new ones are published, and it is
started again. `counting_s` is from the start of the process until ClickHouse has the first new receipts,
`events_per_second` what it then does with the rest.
"""

import argparse
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import generate
from confluent_kafka import Producer
from contest import PARTITIONS, Arena, events_file, produce
from ground import STOP_SECONDS, check, resident_mb, running, say
from stack import Stack, Worker, wait_for

from brokers.topics import app_id, changelog_topic
from schemas.indicators import PIPELINE_VERSION
from streams.decide import MARK

START_SECONDS = 900


def main(arguments: Sequence[str]) -> list[dict[str, Any]]:
    """Returns the seconds of each way to come back."""
    parser = argparse.ArgumentParser(prog="scripts/bench --only recovery", description=__doc__)
    parser.add_argument("--known", type=int, default=1_000_000)
    parser.add_argument("--events", type=int, default=200_000)
    options = parser.parse_args(arguments)
    ways = 4
    with running() as stack:
        arena, folder = Arena(stack, set(), 0), stack.folder / "worker"
        remaining = generate.read_events(events_file(ways * options.events), ways * options.events)
        ledger = arena.rows("SELECT id FROM impact.ledger ORDER BY created_at, id LIMIT 1")[0][0]
        _write_marks(stack, changelog_topic(app_id("clustertrack", ledger)), options.known)
        comeback = _Comeback(arena, folder, remaining, options.events)
        found = [comeback.take("first start, all marks from the changelog")]
        comeback.worker.stop(STOP_SECONDS)
        found.append(comeback.take("stopped, data folder kept"))
        comeback.worker.kill()
        found.append(comeback.take("killed, data folder kept (its session of 30 s has to end first)"))
        comeback.worker.stop(STOP_SECONDS)
        shutil.rmtree(folder)
        found.append(comeback.take("stopped, data folder deleted"))
        comeback.worker.stop(STOP_SECONDS)
    return [{"known": options.known, **way} for way in found]


class _Comeback:
    """Starts the worker again and again, each time on new events."""

    def __init__(self, arena: Arena, folder: Path, made: Iterator[tuple[str, bytes, str]], events: int) -> None:
        self._arena, self._folder, self._made, self._events = arena, folder, made, events
        self._expected = 0
        self.worker: Worker

    def take(self, way: str) -> dict[str, Any]:
        """Publish, start, wait until all is counted."""
        produce(self._arena.stack.bootstrap, "activity.events.v1", islice(self._made, self._events))
        began, before = time.monotonic(), self._expected
        self._expected += self._events
        self.worker = self._arena.stack.start_worker(self._folder.name, wait=False)
        first = wait_for(self._beyond(before), START_SECONDS, "the first new receipts")
        counting = time.monotonic()
        self._arena.wait_counted([self.worker], "impact", self._expected)
        ended = time.monotonic()
        found = {
            "way": way,
            "counting_s": round(counting - began, 1),
            "events_per_second": round((self._expected - first) / (ended - counting)),
            "rss_mb": round(resident_mb(self.worker.pid)),
        }
        say(f"{way}: {found}")
        return found

    def _beyond(self, before: int) -> Callable[[], int]:
        def counted() -> int:
            check(self.worker)
            now = self._arena.number("SELECT count() FROM impact.receipt")
            return now if now > before else 0

        return counted


def _write_marks(stack: Stack, topic: str, known: int) -> None:
    began = time.monotonic()
    producer = Producer(
        {
            "bootstrap.servers": stack.bootstrap,
            "acks": "all",
            "linger.ms": 50,
            "batch.size": 500_000,
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    for number in range(known):
        mark = MARK.pack(0, 2**40 + number, PIPELINE_VERSION)
        while True:
            try:
                producer.produce(topic, mark, os.urandom(16), number % PARTITIONS)
                break
            except BufferError:
                producer.poll(0.1)
    if producer.flush(300):
        raise RuntimeError("not all marks could be written")
    say(f"wrote {known:,} marks in {time.monotonic() - began:.0f} s")
