"""Sends requests over a few connections, one after the other on each, and notes how long every answer takes.

A process of its own for bench/collector.py, which gives it a `Plan` as JSON on its standard input. It is as lean as
Python allows: requests are prepared, and only get a new id for each event; answers are kept, and read at the end.
"""

import asyncio
import gc
import json
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import quantiles
from typing import Any

HOST = "127.0.0.1"
ID = re.compile(rb'"id": ?"([0-9a-f]{32})"')
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)
ACCEPTED = b"HTTP/1.1 202 "


@dataclass(frozen=True)
class Plan:
    """What to send."""

    port: int
    key: str
    connections: int
    batch: int
    """Events of one request; 0: one event, in structured mode."""
    warm: float
    """Seconds at the beginning that are not measured."""
    seconds: float
    first: int
    """Number of the first event: no two events of a measurement have the same."""
    events: str
    """File of events, one in each line."""
    answers: str
    """File to write: id, partition and offset of each event that was accepted."""


@dataclass(frozen=True)
class Measured:
    """What the load saw between `warm` and the end. Times in ms."""

    requests: int
    events_per_second: float
    requests_per_second: float
    p50_ms: float
    p99_ms: float
    all_requests: int
    """Also those before and after."""
    busy: float
    """Share of a core that this process used."""


class _Run:
    """Requests to make, and answers that came."""

    def __init__(self, plan: Plan) -> None:
        found = [_around_id(line) for line in Path(plan.events).read_bytes().splitlines()]
        self._parts, self._each = found, max(plan.batch, 1)
        media = "cloudevents-batch+json" if plan.batch else "cloudevents+json"
        self._head = (
            f"POST /v1/events HTTP/1.1\r\nhost: {HOST}:{plan.port}\r\nauthorization: Bearer {plan.key}\r\n"
            f"content-type: application/{media}; charset=utf-8\r\ncontent-length: "
        ).encode()
        self._wrap = (b"[", b"]") if plan.batch else (b"", b"")
        self._next = plan.first
        self.answers: list[tuple[int, bytes]] = []
        """The number of a request's first event, and the answer to it."""
        self.waited: list[tuple[float, float]] = []
        """When each answer came, and after how many seconds."""
        self.open = True

    def request(self) -> tuple[int, bytes]:
        """The next one, and the number of its first event."""
        first, parts = self._next, self._parts
        self._next += self._each
        events = []
        for number in range(first, self._next):
            before, after = parts[number % len(parts)]
            events.append(b"%b%032x%b" % (before, number, after))
        before, after = self._wrap
        body = before + b",".join(events) + after
        return first, b"%b%d\r\n\r\n%b" % (self._head, len(body), body)

    def places(self) -> list[tuple[str, int, int]]:
        """Id, partition and offset of everything that was accepted."""
        found = []
        for first, answer in self.answers:
            events = json.loads(answer)["events"]
            if len(events) != self._each:
                raise RuntimeError(f"{self._each} events were sent, and {len(events)} were answered for")
            found += [(f"{first + n:032x}", event["partition"], event["offset"]) for n, event in enumerate(events)]
        return found


class _Connection(asyncio.Protocol):
    """One request after the other."""

    def __init__(self, run: _Run, done: "asyncio.Future[None]") -> None:
        self._run, self._done = run, done
        self._first, self._sent_at, self._come, self._whole = 0, 0.0, bytearray(), 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._send()

    def _send(self) -> None:
        self._first, request = self._run.request()
        self._sent_at = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        come = self._come
        come += data
        if not self._whole:
            end = come.find(b"\r\n\r\n")
            length = _LENGTH.search(come) if end >= 0 else None
            if length is None:
                return
            self._whole = end + 4 + int(length[1])
        if len(come) < self._whole:
            return
        now = time.perf_counter()
        if not come.startswith(ACCEPTED):
            self._fail(f"a request was not accepted: {bytes(come[:1000])!r}")
            return
        self._run.waited.append((now, now - self._sent_at))
        self._run.answers.append((self._first, bytes(come[come.find(b"\r\n\r\n") + 4 :])))
        come.clear()
        self._whole = 0
        if self._run.open:
            self._send()
        else:
            self._done.set_result(None)
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(f"a connection was closed: {exc}")

    def _fail(self, why: str) -> None:
        if not self._done.done():
            self._done.set_exception(RuntimeError(why))


def _around_id(event: bytes) -> tuple[bytes, bytes]:
    found = ID.search(event)
    if found is None:
        raise ValueError(f"an event has no id: {event!r}")
    return event[: found.start(1)], event[found.end(1) :]


async def send(plan: Plan, run: _Run) -> Measured:
    """Send for the time of the plan, and wait for every answer."""
    loop = asyncio.get_running_loop()
    began, spent = time.perf_counter(), time.process_time()
    done: Sequence[asyncio.Future[None]] = [loop.create_future() for _ in range(plan.connections)]
    for one in done:
        await loop.create_connection(lambda one=one: _Connection(run, one), HOST, plan.port)  # type: ignore[misc]  # mypy cannot infer it
    loop.call_later(plan.warm + plan.seconds, setattr, run, "open", False)
    await asyncio.gather(*done)
    busy = (time.process_time() - spent) / (time.perf_counter() - began)
    window = began + plan.warm, began + plan.warm + plan.seconds
    waited = [seconds * 1000 for at, seconds in run.waited if window[0] <= at < window[1]]
    hundredths = quantiles(waited, n=100)
    rate = len(waited) / plan.seconds
    return Measured(len(waited), rate * max(plan.batch, 1), rate, hundredths[49], hundredths[98], len(run.waited), busy)


def main() -> None:
    """Print what was measured as JSON."""
    plan = Plan(**json.load(sys.stdin))
    run = _Run(plan)
    gc.disable()
    measured = asyncio.run(send(plan, run))
    text = "".join(f"{one} {partition} {offset}\n" for one, partition, offset in run.places())
    Path(plan.answers).write_text(text, encoding="ascii")
    sys.stdout.write(json.dumps(asdict(measured)))


if __name__ == "__main__":
    main()
