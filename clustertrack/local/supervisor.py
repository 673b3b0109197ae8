"""Keeps child processes running: starts them stage by stage, watches them, restarts them, stops them in reverse order.

What to do about a child is decided in watch.py; this file looks and acts. Everything happens in the thread that calls,
because on Linux a child dies with the thread that started it.
"""

import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from clustertrack.health import Health
from clustertrack.local.child import Child, Command
from clustertrack.local.watch import Decision, Life, Limits, Phase, Seen, Sign, Step, decide
from schemas.errors import CheckFailed, Unreachable

_POLL_SECONDS: Final = 0.05


class TaskRefused(Unreachable):
    """A task ran to its end, and found something that the user has to put right."""


class StoppedError(Exception):
    """The user asked to stop while something was still being started."""


def _always_well() -> Sign:
    return Sign.WELL


@dataclass(frozen=True)
class Service:
    """A child that should always run. `ready()` returns None when it serves, else why it does not (may be empty)."""

    command: Command
    ready: Callable[[], str | None]
    sign: Callable[[], Sign] = _always_well
    grace: float = 15


class _Kept:
    """A service with its present child and what is remembered of it."""

    def __init__(self, service: Service, child: Child, now: float) -> None:
        self.service = service
        self.child = child
        self.life = Life(Phase.STARTING, now)

    @property
    def name(self) -> str:
        return self.service.command.name


class Supervisor:
    """Runs services. `tell` gets one line for the user whenever something unexpected happens.

    Args:
        logs: the folder of the children's logs.
        tell: see the class.
        registry: where its metrics go.
        limits: patience.
        clock: in seconds.
        trouble: what else may have ended a child, such as a full disk; asked when one has, empty if nothing.
    """

    def __init__(
        self,
        logs: Path,
        tell: Callable[[str], None],
        registry: CollectorRegistry,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
        trouble: Callable[[], str] = str,
    ) -> None:
        self._logs = logs
        self._tell = tell
        self._limits = limits or Limits()
        self._clock = clock
        self._trouble = trouble
        self._stages: list[list[_Kept]] = []
        # A plain number, because signal handlers change it: locks are not safe there.
        self._asked_to_stop = 0
        self._up = Gauge("clustertrack_child_up", "1 while the child process serves.", ["child"], registry=registry)
        self._restarts = Counter(
            "clustertrack_child_restarts", "Restarts of a child process.", ["child"], registry=registry
        )

    def ask_to_stop(self) -> None:
        """Make `start`, `run` and `watch` return soon; asking again cuts the grace of `stop` short. Signal-safe."""
        self._asked_to_stop += 1

    def start(self, services: Sequence[Service]) -> None:
        """Start one stage and wait until all of it is ready.

        Raises:
            Unreachable: one ends or is not ready in time.
            StoppedError: asked to stop.
        """
        stage: list[_Kept] = []
        self._stages.append(stage)
        for service in services:
            stage.append(_Kept(service, Child(service.command, self._logs), self._clock()))
            self._up.labels(service.command.name).set(0)
            self._restarts.labels(service.command.name)
        for kept in stage:
            self._wait_until_ready(kept)

    def run(self, command: Command, seconds: float) -> None:
        """Run a task to its end. Raises TaskRefused when it exits with 1, Unreachable when it fails otherwise or takes
        longer, StoppedError when asked to stop.
        """
        child = Child(command, self._logs)
        deadline = self._clock() + seconds
        try:
            while (code := child.exit_code()) is None:
                self._pause()
                if self._clock() > deadline:
                    raise Unreachable(f"{command.name} did not finish within {seconds:.0f} s; its log is {child.log}")
        finally:
            child.kill()
        if code != 0:
            fault = TaskRefused if code == CheckFailed.exit_code else Unreachable
            raise fault(f"{command.name} failed: {self._said(child)}")

    def watch(self) -> None:
        """Keep the services running until asked to stop."""
        next_look = self._clock()
        while not self._asked_to_stop:
            if self._clock() >= next_look:
                for kept in self._all():
                    self._look(kept)
                next_look = self._clock() + self._limits.look_every
            time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        """Stop everything, the stage started last first; afterwards nothing of it runs."""
        asked_before = self._asked_to_stop
        for stage in reversed(self._stages):
            for kept in stage:
                kept.child.terminate()
            deadlines = {kept.name: self._clock() + kept.service.grace for kept in stage}
            for kept in stage:
                while kept.child.exit_code() is None and self._asked_to_stop <= max(asked_before, 1):
                    if self._clock() > deadlines[kept.name]:
                        self._tell(f"{kept.name} did not stop within {kept.service.grace:.0f} s and was killed")
                        break
                    time.sleep(_POLL_SECONDS)
                kept.child.kill()
                self._up.labels(kept.name).set(0)
        self._stages.clear()

    def processes(self) -> dict[str, int]:
        """Name of each service -> process id."""
        return {kept.name: kept.child.pid for kept in self._all()}

    def readiness(self) -> Health:
        """Whether all services are up, for /readyz."""
        phases = {kept.name: kept.life.phase.value for kept in self._all()}
        down = [name for name, phase in phases.items() if phase != Phase.UP.value]
        why = f"not up: {', '.join(down)}" if down else ""
        return Health(ok=bool(phases) and not down, why=why, facts={"children": phases})

    def _all(self) -> list[_Kept]:
        return [kept for stage in list(self._stages) for kept in stage]

    def _wait_until_ready(self, kept: _Kept) -> None:
        deadline = self._clock() + self._limits.start
        while (why := kept.service.ready()) is not None:
            if kept.child.exit_code() is not None:
                raise Unreachable(f"{kept.name} ended instead of starting: {self._said(kept.child)}")
            if self._clock() > deadline:
                reason = f" ({why})" if why else ""
                raise Unreachable(
                    f"{kept.name} was not ready after {self._limits.start:.0f} s{reason}: {self._said(kept.child)}"
                )
            self._pause()
        kept.life = Life(Phase.UP, self._clock())
        self._up.labels(kept.name).set(1)

    def _pause(self) -> None:
        if self._asked_to_stop:
            raise StoppedError("stopped while starting")
        time.sleep(_POLL_SECONDS)

    def _look(self, kept: _Kept) -> None:
        running = kept.child.exit_code() is None
        starting, up = kept.life.phase is Phase.STARTING, kept.life.phase is Phase.UP
        seen = Seen(
            running,
            ready=running and starting and kept.service.ready() is None,
            sign=kept.service.sign() if running and up else Sign.WELL,
        )
        self._act(kept, decide(kept.life, seen, self._clock(), self._limits))

    def _act(self, kept: _Kept, decision: Decision) -> None:
        kept.life = decision.life
        if decision.why == "ended":
            self._tell(f"{kept.name} ended: {self._said(kept.child)}; it is being restarted")
        elif decision.step is Step.KILL:
            kept.child.kill()
            self._tell(f"{kept.name} {decision.why} and was killed; it is being restarted")
        elif decision.step is Step.START:
            kept.child = Child(kept.service.command, self._logs)
            self._restarts.labels(kept.name).inc()
        elif decision.why:
            self._tell(f"{kept.name} {decision.why} again, as process {kept.child.pid}")
        self._up.labels(kept.name).set(kept.life.phase is Phase.UP)

    def _said(self, child: Child) -> str:
        """Exit code, last words and log of a child, and what else is wrong, for a sentence."""
        trouble = self._trouble()
        also = f"; {trouble}" if trouble else ""
        code = child.exit_code()
        if code == -signal.SIGKILL:  # it was given no time to say why
            return f"killed (signal 9){also}"
        how = "" if code is None else f"signal {-code}; " if code < 0 else f"exit code {code}; "
        return f"{how}{child.reason() or 'its log gives no reason'} (log: {child.log}){also}"
