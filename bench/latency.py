"""Milliseconds from handing an event to a Kafka producer until a query counts it, under a steady load.

    scripts/bench --only latency [--rates 1000 5000] [--seconds 30]

Counted means: ClickHouse shows its receipt, which is inserted after its row. The first 5 seconds are left out. The
ledger is asked every 20 ms, which is part of what is measured. `late` is how far behind its schedule the load itself
was at worst.
"""

import argparse
import threading
import time
from collections.abc import Sequence
from functools import partial
from itertools import islice
from statistics import quantiles
from typing import Any

import generate
from confluent_kafka import Message, Producer
from contest import Arena, events_file
from ground import STOP_SECONDS, running

from brokers.topics import EVENTS

WARM_SECONDS = 5.0
POLL_SECONDS = 0.02


class Load:
    """Produces at a steady rate from a thread and remembers when each record was handed over."""

    def __init__(self, bootstrap: str, values: Sequence[bytes], rate: int) -> None:
        self.sent_at: dict[tuple[int, int], float] = {}
        self.late = 0.0
        self._values, self._rate = values, rate
        config = {"bootstrap.servers": bootstrap, "acks": "all", "linger.ms": 5, "partitioner": "murmur2_random"}
        self._producer = Producer(config)
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        began = time.monotonic()
        for number, value in enumerate(self._values):
            ahead = began + number / self._rate - time.monotonic()
            if ahead > 0:
                self._producer.poll(ahead)
            self.late = max(self.late, -ahead)
            note = partial(self._note, time.monotonic())
            self._producer.produce(EVENTS, value, generate.subject_of(value), on_delivery=note)
        self._producer.flush(60)

    def _note(self, sent_at: float, error: object, message: Message) -> None:
        if error is not None:
            raise RuntimeError(f"an event was not delivered: {error}")
        self.sent_at[message.partition(), message.offset()] = sent_at


def main(arguments: Sequence[str]) -> list[dict[str, Any]]:
    """Returns the percentiles at each rate."""
    parser = argparse.ArgumentParser(prog="scripts/bench --only latency", description=__doc__)
    parser.add_argument("--rates", type=int, nargs="+", default=[1_000, 5_000])
    parser.add_argument("--seconds", type=int, default=30)
    options = parser.parse_args(arguments)
    records = sum(options.rates) * options.seconds
    file, found = events_file(records), []
    with running() as stack:
        arena = Arena(stack, set(), 0)
        worker = stack.start_worker("worker")
        remaining = (value for _, value, _ in generate.read_events(file, records))
        for rate in options.rates:
            mine = list(islice(remaining, rate * options.seconds))
            found.append(_measure(arena, Load(stack.bootstrap, mine, rate), rate, len(mine)))
        worker.stop(STOP_SECONDS)
    return found


def _measure(arena: Arena, load: Load, rate: int, records: int) -> dict[str, Any]:
    counted = arena.ends(EVENTS)
    began, visible = time.monotonic(), dict[tuple[int, int], float]()
    load.thread.start()
    deadline = began + records / rate + 60
    while len(visible) < records and time.monotonic() < deadline:
        rows = arena.rows("SELECT partition, max(offset) + 1 FROM impact.receipt GROUP BY partition")
        now = time.monotonic()
        for partition, end in (map(int, row) for row in rows):
            visible |= {(partition, offset): now for offset in range(counted[partition], end)}
            counted[partition] = max(counted[partition], end)
        time.sleep(POLL_SECONDS)
    load.thread.join()
    if len(visible) != records:
        raise RuntimeError(f"{records - len(visible):,} of {records:,} events were not counted within a minute")
    waited = [(visible[place] - sent) * 1000 for place, sent in load.sent_at.items() if sent > began + WARM_SECONDS]
    hundredths = quantiles(waited, n=100)
    return {
        "events_per_second": rate,
        "events": len(waited),
        "p50_ms": round(hundredths[49]),
        "p95_ms": round(hundredths[94]),
        "p99_ms": round(hundredths[98]),
        "max_ms": round(max(waited)),
        "late_ms": round(load.late * 1000),
    }
