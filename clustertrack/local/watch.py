"""Decides what to do about a child from what was observed: no I/O, no clock."""

from dataclasses import dataclass, replace
from enum import Enum


class Sign(Enum):
    """What a child's health check says."""

    WELL = "well"
    RED = "red"
    SILENT = "silent"


class Phase(Enum):
    """Where a child is in its life."""

    STARTING = "starting"
    UP = "up"
    DOWN = "down"


class Step(Enum):
    """What the supervisor has to do now."""

    LEAVE = "leave"
    START = "start"
    KILL = "kill"


@dataclass(frozen=True)
class Limits:
    """Patience, in seconds."""

    # Kafka reads its whole log after a crash; a worker restores its marks.
    start: float = 120
    # A worker turns red only after CLUSTERTRACK_STALLED_SECONDS without progress; this is on top of that.
    red: float = 10
    # No answer at all may be a machine that swaps; but a process that is stopped permanently does not answer either.
    silent: float = 60
    first_back_off: float = 1
    longest_back_off: float = 30
    # A child that was up so long has recovered: the next back-off begins again at the first.
    stable: float = 60
    look_every: float = 1


@dataclass(frozen=True)
class Seen:
    """One look at a child. `ready` and `sign` mean nothing when it does not run."""

    running: bool
    ready: bool = False
    sign: Sign = Sign.WELL


@dataclass(frozen=True)
class Life:
    """What is remembered between two looks; times are seconds of the supervisor's clock."""

    phase: Phase
    since: float
    # Since when it has been red or silent without a break.
    worry: float | None = None
    failures: int = 0


@dataclass(frozen=True)
class Decision:
    """The step, why (for the log; empty when there is nothing to report), and the state afterwards."""

    step: Step
    life: Life
    why: str = ""


def back_off(failures: int, limits: Limits) -> float:
    """How long to wait before the next start, doubling with every failure in a row."""
    # The exponent is bounded: a child may fail for weeks.
    return min(limits.first_back_off * 2.0 ** min(failures - 1, 16), limits.longest_back_off)


def decide(life: Life, seen: Seen, now: float, limits: Limits) -> Decision:
    """Decide the next step for one child."""
    if life.phase is Phase.DOWN:
        if now - life.since >= back_off(life.failures, limits):
            return Decision(Step.START, Life(Phase.STARTING, now, failures=life.failures))
        return Decision(Step.LEAVE, life)
    if not seen.running:
        return Decision(Step.LEAVE, _fallen(life, now, limits), "ended")
    if life.phase is Phase.STARTING:
        return _starting(life, seen, now, limits)
    return _up(life, seen, now, limits)


def _starting(life: Life, seen: Seen, now: float, limits: Limits) -> Decision:
    if seen.ready:
        return Decision(Step.LEAVE, Life(Phase.UP, now, failures=life.failures), "is ready")
    if now - life.since >= limits.start:
        return Decision(Step.KILL, _fallen(life, now, limits), f"was not ready after {limits.start:.0f} s")
    return Decision(Step.LEAVE, life)


def _up(life: Life, seen: Seen, now: float, limits: Limits) -> Decision:
    if seen.sign is Sign.WELL:
        return Decision(Step.LEAVE, replace(life, worry=None))
    worry = now if life.worry is None else life.worry
    patience = limits.red if seen.sign is Sign.RED else limits.silent
    if now - worry >= patience:
        said = "reported itself unhealthy" if seen.sign is Sign.RED else "did not answer"
        return Decision(Step.KILL, _fallen(life, now, limits), f"{said} for {now - worry:.0f} s")
    return Decision(Step.LEAVE, replace(life, worry=worry))


def _fallen(life: Life, now: float, limits: Limits) -> Life:
    recovered = life.phase is Phase.UP and now - life.since >= limits.stable
    return Life(Phase.DOWN, now, failures=1 if recovered else life.failures + 1)
