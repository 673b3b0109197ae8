"""Resident memory of a worker: at rest, after N events, and while ClickHouse does not answer.

    scripts/bench --only memory [--events 1000000] [--rate 5000] [--outage 600]

The worker reaches ClickHouse through a forwarder in this process, which is closed for `--outage` seconds while events
go on arriving at `--rate`. Afterwards everything has to be counted.
"""

import argparse
import asyncio
import contextlib
import threading
import time
from collections.abc import Sequence
from itertools import islice
from typing import Any

import generate
from contest import Arena, events_file, produce
from free_ports import free_ports
from ground import STOP_SECONDS, check, resident_mb, running, say
from latency import Load
from stack import wait_for

from clustertrack.local.ports import HOST

CHUNK = 2**16


class Forwarder:
    """Forwards a port to another one while it is open."""

    def __init__(self, port: int, target: int) -> None:
        self._port, self._target = port, target
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self._pipes: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server
        self.open()

    def open(self) -> None:
        """Take connections."""

        async def run() -> None:
            self._server = await asyncio.start_server(self._serve, HOST, self._port)

        asyncio.run_coroutine_threadsafe(run(), self._loop).result(10)

    def close(self) -> None:
        """Refuse connections, and cut those that are open."""

        async def run() -> None:
            self._server.close()
            for pipe in self._pipes:
                pipe.cancel()

        asyncio.run_coroutine_threadsafe(run(), self._loop).result(10)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection(HOST, self._target)
        for source, target in ((reader, there[1]), (there[0], writer)):
            pipe = asyncio.ensure_future(self._copy(source, target))
            self._pipes.add(pipe)
            pipe.add_done_callback(self._pipes.discard)

    async def _copy(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            try:
                while data := await source.read(CHUNK):
                    target.write(data)
                    await target.drain()
            finally:
                target.close()


def main(arguments: Sequence[str]) -> dict[str, Any]:
    """Returns megabytes."""
    parser = argparse.ArgumentParser(prog="scripts/bench --only memory", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--rate", type=int, default=5_000)
    parser.add_argument("--outage", type=int, default=60)
    options = parser.parse_args(arguments)
    during = options.rate * options.outage
    made = generate.read_events(events_file(options.events + during), options.events + during)
    with running() as stack:
        arena = Arena(stack, set(), 0)
        (port,) = free_ports(1)
        forwarder = Forwarder(port, stack.clickhouse_port)
        worker = stack.start_worker("worker", CLICKHOUSE_PORT=str(port))
        wait_for(
            lambda: arena.number("SELECT count() FROM impact.company_version") >= generate.COMPANIES, 60, "companies"
        )
        figures: dict[str, Any] = {"events": options.events, "at_rest_mb": round(resident_mb(worker.pid))}
        produce(stack.bootstrap, "activity.events.v1", islice(made, options.events))
        arena.wait_counted([worker], "impact", options.events)
        figures["after_events_mb"] = round(resident_mb(worker.pid))
        say(f"{figures}")
        forwarder.close()
        load = Load(stack.bootstrap, [value for _, value, _ in made], options.rate)
        load.thread.start()
        seen: list[float] = []
        while load.thread.is_alive():
            check(worker)
            seen.append(resident_mb(worker.pid))
            load.thread.join(1.0)
        figures |= {
            "outage_s": options.outage,
            "outage_rate": options.rate,
            "outage_most_mb": round(max(seen)),
            "outage_most_in_the_last_half_mb": round(max(seen[len(seen) // 2 :])),
            "outage_most_in_the_first_half_mb": round(max(seen[: len(seen) // 2 + 1])),
        }
        forwarder.open()
        began = time.monotonic()
        arena.wait_counted([worker], "impact", options.events + during)
        figures |= {
            "caught_up_s": round(time.monotonic() - began, 1),
            "after_catching_up_mb": round(resident_mb(worker.pid)),
        }
        worker.stop(STOP_SECONDS)
    return figures
