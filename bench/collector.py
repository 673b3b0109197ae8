"""One collector process against a plain FastAPI and kafka-python one, which judges nothing and knows no keys.

    scripts/bench --only collector [--repeats 7] [--seconds 8]

Both before one Kafka, in turns; each is alone on one core, and the load shares the other one with Kafka. Every
connection sends its next request when it has the answer to the last. After each run every event that was accepted has
to be on the topic, where the answer says, once.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import generate
from confluent_kafka import Consumer, TopicPartition
from contest import QUIET, Wrong
from free_ports import free_ports
from ground import PYTHON, STOP_SECONDS, check, cpu_seconds, running, say
from http_load import ID, Measured, Plan
from stack import START_SECONDS, Stack, wait_for

from brokers.topics import EVENTS
from clustertrack.local.child import Child, Command
from clustertrack.local.probes import ready_at
from schemas.registry_document import read_sample

HERE = Path(__file__).parent
OURS, PLAIN = "clustertrack collector", "FastAPI and kafka-python"
DISTINCT = 2_000
"""Events that are sent again and again, each time with another id."""
WARM_SECONDS = 2.0
LIMITLESS = "1000000"


@dataclass(frozen=True)
class Load:
    """One kind of traffic, and what is wanted of ours in comparison."""

    name: str
    batch: int
    connections: int
    rate: str
    """Which rate is compared."""
    least: float
    """Ours, divided by the plain one's."""
    p99_most: float | None = None


LOADS = (
    Load("batches of 100", 100, 4, "events_per_second", 0.5),
    Load("single events", 0, 16, "requests_per_second", 0.7, 1.5),
)


@dataclass(frozen=True)
class Run:
    """What one contender did in one round."""

    measured: Measured
    cpu_per_1000: float
    """CPU seconds of the process for 1,000 requests."""


class Contender:
    """A collector that runs on a core of its own."""

    def __init__(self, command: Command, port: int, ready_port: int, folder: Path, core: int) -> None:
        with on_core(core):
            self.child = Child(command, folder)
        self.port = port

        def ready() -> bool:
            check(self.child)
            return ready_at(ready_port, "/readyz")() is None

        wait_for(ready, START_SECONDS, command.name)


@contextlib.contextmanager
def on_core(core: int) -> Iterator[None]:
    """What is started here runs on this core, and so do we meanwhile."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def ours(stack: Stack, core: int) -> Contender:
    """The product, whose limit of each key is out of the way."""
    port, metrics = free_ports(2)
    environment = {
        **stack.environment,
        "CLUSTERTRACK_COLLECTOR_PORT": str(port),
        "METRICS_PORT": str(metrics),
        "CLUSTERTRACK_COLLECTOR_REQUESTS_PER_SECOND": LIMITLESS,
        "CLUSTERTRACK_COLLECTOR_EVENTS_PER_SECOND": LIMITLESS,
    }
    command = Command("collector", [PYTHON, "-m", "clustertrack", "collector"], environment)
    return Contender(command, port, metrics, stack.folder, core)


def plain(stack: Stack, core: int) -> Contender:
    """The other one, with the product's own versions of everything."""
    (port,) = free_ports(1)
    program = HERE / "competitors" / "plain_collector.py"
    command = Command("plain", [PYTHON, program, stack.bootstrap, EVENTS, str(port)])
    return Contender(command, port, port, stack.folder, core)


class Topic:
    """Reads what was added to the events topic."""

    def __init__(self, stack: Stack) -> None:
        config = {"bootstrap.servers": stack.bootstrap, "group.id": "bench", "enable.auto.commit": False, **QUIET}
        self._consumer = Consumer(config)
        self._next = dict.fromkeys(range(stack.partitions), 0)
        self._ids: dict[tuple[int, int], str] = {}

    def check(self, answers: Path) -> None:
        """Raise unless what came since the last time is what was answered for."""
        added = self._added()
        lines = answers.read_text(encoding="ascii").splitlines()
        answered = {(int(p), int(o)): event_id for event_id, p, o in map(str.split, lines)}
        if len(answered) != len(lines) or answered != added:
            missing = len(answered.items() - added.items())
            raise Wrong(
                f"of {len(lines):,} accepted events {missing:,} are not where the answer says; {len(added):,} came"
            )

    def _added(self) -> dict[tuple[int, int], str]:
        consumer, found = self._consumer, dict[tuple[int, int], str]()
        ends = {p: consumer.get_watermark_offsets(TopicPartition(EVENTS, p))[1] for p in self._next}
        missing = sum(ends.values()) - sum(self._next.values())
        consumer.assign([TopicPartition(EVENTS, p, offset) for p, offset in self._next.items()])
        while missing > 0:
            for record in consumer.consume(5_000, 1.0):
                if record.error():
                    raise Wrong(f"the topic cannot be read: {record.error()}")
                event_id = ID.search(record.value())
                found[record.partition(), record.offset()] = event_id[1].decode() if event_id else ""
                missing -= 1
        consumer.unassign()
        self._next = ends
        return found


def main(arguments: Sequence[str]) -> list[dict[str, Any]]:
    """Returns a row of each contender, and their ratio, under each load."""
    parser = argparse.ArgumentParser(prog="scripts/bench --only collector", description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=8)
    options = parser.parse_args(arguments)
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:  # noqa: PLR2004  (one for the contender, one for the load)
        raise RuntimeError("this machine has one core: the collector and its load need one each")
    runs: list[dict[str, dict[str, Run]]] = []
    # Kafka, ClickHouse and the load share the second core.
    with on_core(cores[1]), running() as stack:
        key, events = _prepare(stack)
        contenders = {OURS: ours(stack, cores[0]), PLAIN: plain(stack, cores[0])}
        topic, first = Topic(stack), 0
        for number in range(options.repeats):
            found: dict[str, dict[str, Run]] = {}
            for load in LOADS:
                # Each is the first one in every second round.
                for name in sorted(contenders, reverse=bool(number % 2)):
                    plan = Plan(
                        port=contenders[name].port,
                        key=key,
                        connections=load.connections,
                        batch=load.batch,
                        warm=WARM_SECONDS,
                        seconds=options.seconds,
                        first=first,
                        events=str(events),
                        answers=str(stack.folder / "answers.txt"),
                    )
                    run = _run(plan, contenders[name])
                    topic.check(Path(plan.answers))
                    first += run.measured.all_requests * max(load.batch, 1)
                    found.setdefault(load.name, {})[name] = run
                    say(f"round {number + 1}: {load.name}: {name:26}{asdict(run)}")
            runs.append(found)
        for contender in contenders.values():
            contender.child.stop(STOP_SECONDS)
    return [row for load in LOADS for row in rows_of(load, [found[load.name] for found in runs])]


def _prepare(stack: Stack) -> tuple[str, Path]:
    """A key, and a file of events that it may publish."""
    cluster = next(one for one in read_sample().clusters if one.valid_to)
    key = stack.run_here("keys", "create", "--cluster", cluster.slug).stdout.strip()
    made = generate.events(10**9, generate.company_numbers())
    source = cluster.sources[0].encode()
    mine = (value for letter, value, _ in made if letter == generate.NEW and source in value)
    events = stack.folder / "events.txt"
    events.write_bytes(b"\n".join(islice(mine, DISTINCT)))
    return key, events


def _run(plan: Plan, contender: Contender) -> Run:
    before = cpu_seconds(contender.child.pid)
    done = subprocess.run(
        [sys.executable, HERE / "http_load.py"],
        input=json.dumps(asdict(plan)),
        capture_output=True,
        text=True,
        check=False,
    )
    spent = cpu_seconds(contender.child.pid) - before
    check(contender.child)
    if done.returncode:
        raise RuntimeError(f"the load ended with {done.returncode}: {done.stderr.strip().splitlines()[-1]}")
    measured = Measured(**json.loads(done.stdout))
    return Run(measured, spent / measured.all_requests * 1000)


def rows_of(load: Load, rounds: Sequence[Mapping[str, Run]]) -> list[dict[str, Any]]:
    """Median (least to greatest) of each figure, and of the ratios of each round."""
    figures = {
        "events_per_second": lambda run: run.measured.events_per_second,
        "requests_per_second": lambda run: run.measured.requests_per_second,
        "p50_ms": lambda run: run.measured.p50_ms,
        "p99_ms": lambda run: run.measured.p99_ms,
        "cpu_s_per_1000_requests": lambda run: run.cpu_per_1000,
    }
    rows = [
        {"load": load.name, "collector": name}
        | {label: _spread([figure(one[name]) for one in rounds]) for label, figure in figures.items()}
        for name in (OURS, PLAIN)
    ]
    ratios = {label: [figure(one[OURS]) / figure(one[PLAIN]) for one in rounds] for label, figure in figures.items()}
    wanted = f"{load.rate} >= {load.least:g}"
    wanted += f", p99_ms <= {load.p99_most:g}" if load.p99_most else ""
    rows.append(
        {"load": load.name, "collector": "ours / theirs"}
        | {label: _spread(values) for label, values in ratios.items()}
        | {"wanted": wanted}
    )
    return rows


def _spread(values: Sequence[float]) -> str:
    middle, least, most = (_figure(value) for value in (median(values), min(values), max(values)))
    return f"{middle} ({least} to {most})"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"  # noqa: PLR2004  (digits enough)
