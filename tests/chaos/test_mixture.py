"""Faults of every kind in one load, drawn by the seed, two of them at once now and then: the promise is for any mix."""

import itertools
import os
import random
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Final

import pytest
from chaos import Load, conclude
from proxy import Proxy
from runs import NODES, SEED
from stack import Worker, wait_for
from tcp_proxy import TcpProxy

from clustertrack.local.ports import HOST

STACK = {"proxied": True}
WORKERS: Final = 2
"""At least this many seconds between faults."""
SLEEP_SECONDS: Final = (6.5, 9.0)
"""A session of these tests is over after six."""
FAULTS: Final = (
    # In the order in which the faults of one turn strike; they end in reverse. So each of them finds what it harms:
    # a ledger that refuses is still asked, and connections are cut before nobody is there to connect to.
    "ledger refuses",
    "connections cut",
    "worker killed",
    "worker asleep",
    "worker joins",
    "worker leaves",
    "folder wiped",
    "ClickHouse killed",
    "broker killed",
)
Turn = tuple[str, ...]


def turns(draw: random.Random, faults: tuple[str, ...], number: int) -> list[Turn]:
    """Faults in turns of one or two, at least once of two; all kinds come once before one comes again."""
    drawn: list[str] = []
    while len(drawn) < number:
        drawn += draw.sample(faults, min(len(faults), number - len(drawn)))
    plan: list[Turn] = []
    while drawn:
        two = len(set(drawn[:2])) == 2 and (not plan or draw.random() < 0.4)
        turn, drawn = drawn[: 1 + two], drawn[1 + two :]
        plan.append(tuple(sorted(turn, key=FAULTS.index)))
    return plan


@pytest.mark.parametrize("number", [pytest.param(n, id=f"{n} faults") for n in (6, 8, 24)])
def test_what_a_seed_draws(number: int) -> None:
    """Faults, some of them two at once and never a kind with itself, in an order that the seed decides."""
    plans = {seed: turns(random.Random(seed), FAULTS, number) for seed in range(50)}
    assert plans[7] == turns(random.Random(7), FAULTS, number)
    assert len({str(plan) for plan in plans.values()}) == len(plans)
    for plan in plans.values():
        drawn = Counter(itertools.chain(*plan))
        assert drawn.total() == number
        assert max(drawn.values()) - min(drawn[fault] for fault in FAULTS) <= 1
        assert {1, 2} >= {len(set(turn)) for turn in plan} >= {2}
        assert all(len(set(turn)) == len(turn) for turn in plan)


class Mixture:
    """Strikes, heals, and keeps workers at work as a supervisor would; tells what it did."""

    def __init__(self, load: Load, ledger: Proxy, wires: list[TcpProxy]) -> None:
        self.load, self.stack, self.ledger, self.wires = load, load.stack, ledger, wires
        self.draw = random.Random(SEED)
        self.struck: Counter[str] = Counter()
        """Faults that were seen to strike."""
        self.story: list[str] = []
        self._began = time.monotonic()
        self._numbers = itertools.count(1)
        self._asleep: set[Worker] = set()
        self._turn: Turn = ()
        self._settings = {
            "CLICKHOUSE_PORT": str(ledger.port),
            "KAFKA_BOOTSTRAP_SERVERS": ",".join(f"{HOST}:{proxy}" for _, proxy in self.stack.listeners),
        }
        self.kinds: dict[str, Callable[[], AbstractContextManager[None]]] = {
            "ledger refuses": self._ledger_refuses,
            "connections cut": self._connections_cut,
            "worker killed": self._worker_killed,
            "worker asleep": self._worker_asleep,
            "worker joins": self._worker_joins,
            "worker leaves": self._worker_leaves,
            "folder wiped": self._folder_wiped,
            "ClickHouse killed": self._clickhouse_killed,
            "broker killed": self._broker_killed,
        }
        assert self.kinds.keys() == set(FAULTS)

    def turn(self, names: Turn) -> None:
        """One or two faults at once."""
        self.tend()
        self._turn = names
        with ExitStack() as faults:
            for name in names:
                faults.enter_context(self.kinds[name]())
                self.struck[name] += 1
        self._tell(f"{' and '.join(names)}: over")

    def tend(self) -> None:
        """Replace workers that ended by themselves, and those that are missing."""
        for worker in self.stack.workers[:]:
            if worker.exit_code() is not None:
                self._tell(f"{worker.name} had ended by itself, with {worker.exit_code()}: {worker.last_words()}")
                self.stack.workers.remove(worker)
        while len(self.stack.workers) < WORKERS:
            self._start()

    def settle(self) -> None:
        """All workers take records."""

        def ready() -> bool:
            self.tend()
            return all(self.stack.is_ready(worker) for worker in self.stack.workers)

        wait_for(ready, 90, "the workers to be ready")

    def _tell(self, what: str) -> None:
        self.story.append(f"{time.monotonic() - self._began:.1f} s: {what}")

    def _start(self, name: str = "") -> Worker:
        worker = self.stack.start_worker(name or f"worker-{next(self._numbers)}", wait=False, **self._settings)
        self._tell(f"{worker.name} starts")
        return worker

    def _victim(self) -> Worker:
        """Any worker that is awake, if possible one at work; it no longer counts as one of the workers."""
        awake = [w for w in self.stack.workers if w.exit_code() is None and w not in self._asleep]
        at_work = [w for w in awake if any(self._folder(w).rglob("*.db"))]
        victim = self.draw.choice(at_work or awake or [self._start()])
        self.stack.workers.remove(victim)
        return victim

    def _folder(self, worker: Worker) -> Path:
        return self.stack.folder / worker.name

    def _last(self, since: float, least: float, most: float) -> None:
        """Let a fault last a number of seconds since it began, drawn from the seed."""
        threading.Event().wait(max(0.0, since + self.draw.uniform(least, most) - time.monotonic()))

    # ---- faults: they strike, and end after the yield

    def _killed(self) -> Worker:
        victim = self._victim()
        self.stack.kill(victim)
        assert victim.exit_code() == -signal.SIGKILL
        self._tell(f"{victim.name} killed")
        return victim

    @contextmanager
    def _worker_killed(self) -> Iterator[None]:
        victim, since = self._killed(), time.monotonic()
        yield
        self._last(since, 0.0, 2.0)
        self._start(victim.name)

    @contextmanager
    def _folder_wiped(self) -> Iterator[None]:
        victim = self._killed()
        # It is not there yet when all workers have just been started: the next one begins without marks all the same.
        shutil.rmtree(self._folder(victim), ignore_errors=True)
        self._tell(f"folder of {victim.name} wiped")
        yield
        self._start(victim.name)

    @contextmanager
    def _worker_asleep(self) -> Iterator[None]:
        victim, since = self._victim(), time.monotonic()
        self.stack.workers.append(victim)
        self._asleep.add(victim)
        os.killpg(victim.pid, signal.SIGSTOP)
        self._tell(f"{victim.name} put to sleep")
        try:
            yield
            self._last(since, *SLEEP_SECONDS)
        finally:
            os.killpg(victim.pid, signal.SIGCONT)
        self._asleep.remove(victim)
        self._tell(f"{victim.name} woken up")

    @contextmanager
    def _worker_joins(self) -> Iterator[None]:
        guest, since = self._start(), time.monotonic()
        yield
        self._last(since, 1.0, 3.0)
        wait_for(lambda: guest.exit_code() is not None or self.stack.is_ready(guest), 60, "the guest to be ready")
        # One that finds Kafka or ClickHouse dead when it starts says so, and its supervisor starts it again.
        assert guest.exit_code() is None or len(self._turn) > 1, guest.last_words()

    @contextmanager
    def _worker_leaves(self) -> Iterator[None]:
        victim = self._victim()
        assert victim.stop(20), f"{victim.name} had to be killed"
        self._tell(f"{victim.name} has left, with {victim.exit_code()}")
        yield

    @contextmanager
    def _clickhouse_killed(self) -> Iterator[None]:
        since = time.monotonic()
        self.stack.kill(self.stack.clickhouse)
        self._tell("ClickHouse killed")
        yield
        self._last(since, 1.0, 4.0)
        self.stack.restart_clickhouse()
        self._tell("ClickHouse back")

    @contextmanager
    def _broker_killed(self) -> Iterator[None]:
        since, number = time.monotonic(), self.draw.randrange(NODES)
        self.stack.kill(self.stack.brokers[number])
        self._tell(f"broker {number} killed")
        yield
        self._last(since, 1.0, 3.0)
        self.stack.restart_broker(number)
        self._tell(f"broker {number} back")

    @contextmanager
    def _ledger_refuses(self) -> Iterator[None]:
        action = self.draw.choice(("error 243", "error 252", "lose"))
        since, before = time.monotonic(), self.ledger.harmed
        self.ledger.fault = lambda _proxy: action
        self._tell(f"every insert: {action}")
        yield
        self._last(since, 1.0, 3.0)

        def struck() -> bool:
            self.tend()  # one that found Kafka or ClickHouse dead when it started has ended, and would insert nothing
            return self.ledger.harmed > before

        wait_for(struck, 60, "the fault to strike")
        self.ledger.fault = lambda _proxy: "pass"
        self._tell(f"inserts pass again, {self.ledger.harmed - before} were harmed")

    @contextmanager
    def _connections_cut(self) -> Iterator[None]:
        blows, cuts = self.draw.randint(3, 6), 0
        for blow in range(blows):
            struck = self.wires if blow == 0 else [self.draw.choice(self.wires)]
            cuts += wait_for(lambda struck=struck: sum(wire.cut() for wire in struck), 30, "connections to cut")
            self._last(time.monotonic(), 0.1, 0.5)
        self._tell(f"{cuts} connections cut, in {blows} blows")
        yield


@pytest.fixture
def ledger(load: Load) -> Iterator[Proxy]:
    """Between the workers and ClickHouse."""
    made = Proxy(load.stack.clickhouse_port)
    yield made
    made.close()


@pytest.mark.integration
@pytest.mark.extended
@pytest.mark.timeout(300)
def test_any_mix(load: Load, ledger: Proxy, wires: list[TcpProxy]) -> None:
    """Six to eight faults, or a multiple of them: each is seen to strike, and nothing is lost or counted twice."""
    mixture = Mixture(load, ledger, wires)
    plan = turns(mixture.draw, FAULTS, load.size(mixture.draw.randint(6, 8)))
    try:
        mixture.tend()
        mixture.settle()
        publishing = load.background(rate=150, seconds=24 * 3600)
        for names in plan:
            mixture.turn(names)
        load.stop()
        publishing.join(300)
        mixture.settle()
    finally:
        states = [f"{worker.name}: {worker.exit_code()}, {worker.last_words()}" for worker in load.stack.workers]
        print(f"drawn: {plan}", *mixture.story, *states, sep="\n")  # noqa: T201  (shown when the scenario fails)
    assert mixture.struck == Counter(itertools.chain(*plan))
    assert mixture.struck.total() >= load.size(6)
    conclude(load, "mixture of faults, as the seed draws it", faults=mixture.struck.total(), story=mixture.story)
    for worker in load.stack.workers:
        assert worker.stop(20), f"{worker.name} had to be killed"
