"""A worker that runs and does nothing: its health turns red, it is replaced or stops itself, and nothing is lost."""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

import pytest
from chaos import Load, conclude
from free_ports import free_ports
from prometheus_client import CollectorRegistry
from runs import ALONE, LONG_FORM
from stack import wait_for

from clustertrack.local.child import Command
from clustertrack.local.ports import HOST
from clustertrack.local.probes import get, ready_at, sign_at
from clustertrack.local.supervisor import Service, Supervisor
from clustertrack.local.watch import Limits

pytestmark = [pytest.mark.integration, pytest.mark.extended, pytest.mark.timeout(300)]

STALLED: Final = 4
"""Seconds; by default a worker has more."""
TUNED: Final = (
    "CLUSTERTRACK_SESSION_SECONDS",
    "CLUSTERTRACK_STALLED_SECONDS",
    "CLUSTERTRACK_MAX_ROWS",
    "CLUSTERTRACK_LINGER_MS",
)
"""Set by the other tests here, so that they need not wait as long as users do."""
FAULTS: Final = [
    pytest.param("decide:2:block", "event loop", id="event loop blocked"),
    pytest.param("fetch:8:cancel", "fetcher", id="fetcher dead"),
    pytest.param("decide:2:cancel", "not been taken", id="agent dead"),
]


class Watched:
    """A real worker under the supervisor of `clustertrack up`, which runs in a thread as it does there."""

    def __init__(self, load: Load, name: str, fault: str, *, tuned: bool = True) -> None:
        """`tuned`: with the patience of tests, instead of the product's own."""
        (self.port,) = free_ports(1)
        self.environment: dict[str, str | None] = {
            **load.stack.environment,
            "CLUSTERTRACK_DATA_DIR": str(load.stack.folder / name),
            **({"CLUSTERTRACK_STALLED_SECONDS": str(STALLED)} if tuned else dict.fromkeys(TUNED)),
            "CLUSTERTRACK_FAULT": fault,
            "METRICS_HOST": HOST,
            "METRICS_PORT": str(self.port),
        }
        command = Command(name, [sys.executable, "-m", "clustertrack", "worker"], self.environment)
        self.service = Service(command, ready_at(self.port, "/readyz"), sign_at(self.port, "/healthz"))
        self.told: list[str] = []
        limits = Limits(red=1, silent=3, first_back_off=0.1, look_every=0.2) if tuned else Limits()
        self.supervisor = Supervisor(load.stack.folder, self.told.append, CollectorRegistry(), limits)
        self.started = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self.started.wait(120)

    def _run(self) -> None:
        try:
            self.supervisor.start([self.service])
            # The fault is that of the first process alone.
            self.environment["CLUSTERTRACK_FAULT"] = None
            self.started.set()
            self.supervisor.watch()
        finally:
            self.supervisor.stop()

    def close(self) -> None:
        """End the supervisor and its worker."""
        self.supervisor.ask_to_stop()
        self._thread.join(60)


@pytest.fixture
def watched(load: Load, request: pytest.FixtureRequest) -> Iterator[Watched]:
    """A worker of its own for each test; the test's first parameter is its fault."""
    fault = request.node.callspec.params.get("fault", "") if hasattr(request.node, "callspec") else ""
    made = Watched(load, "watched", fault)
    yield made
    made.close()


@pytest.fixture
def untuned(load: Load, request: pytest.FixtureRequest) -> Iterator[Watched]:
    """The same as every user has it."""
    fault = request.node.callspec.params["fault"]
    made = Watched(load, f"untuned-{fault}", fault, tuned=False)
    yield made
    made.close()


def harmed_at(log: Path) -> float:
    """When the fault was done, in seconds since 1970; 0 before."""
    lines = log.read_text(encoding="utf-8").splitlines()
    found = [json.loads(line)["timestamp"] for line in lines if '"harm is done, as asked for"' in line]
    return datetime.fromisoformat(found[0]).timestamp() if found else 0.0


def why_red(port: int) -> str:
    """What /healthz says when it is red; empty when it is green or does not answer."""
    answer = get(port, "/healthz")
    return str(json.loads(answer[1])["why"]) if answer is not None and answer[0] != 200 else ""


@pytest.mark.parametrize(("fault", "why"), FAULTS if ALONE else FAULTS[:2])
def test_the_supervisor_replaces_it(
    load: Load, watched: Watched, fault: str, why: str, request: pytest.FixtureRequest
) -> None:
    """The health check names the reason within the limit, and the next worker takes over what was in hand."""
    del fault
    load.publish(load.size(600))
    said = wait_for(lambda: why_red(watched.port), 60, "/healthz to turn red")
    assert why in said
    wait_for(lambda: watched.told, 60, "the supervisor to act")
    load.publish(load.size(100))
    conclude(load, f"no progress: {request.node.callspec.id}", faults=1)
    assert "reported itself unhealthy" in watched.told[0]


def test_the_supervisor_replaces_one_that_does_not_answer(load: Load, watched: Watched) -> None:
    """It is stopped and never continued, so not even its health check answers."""
    pid = watched.supervisor._stages[0][0].child.pid
    load.publish(load.size(300))
    os.killpg(pid, signal.SIGSTOP)
    load.publish(load.size(300))
    wait_for(lambda: any("did not answer" in line for line in watched.told), 60, "the supervisor to act")
    conclude(load, "no progress: process stopped", faults=1)


@LONG_FORM  # with the product's own patience it takes minutes
@pytest.mark.parametrize(("fault", "why"), FAULTS)
def test_by_default_it_is_red_within_a_minute(
    load: Load, untuned: Watched, fault: str, why: str, request: pytest.FixtureRequest
) -> None:
    """Nothing is set: red within 60 s of the fault, and replaced; meanwhile events go on arriving."""
    publishing = load.background(rate=50, seconds=600)
    harmed = wait_for(lambda: harmed_at(load.stack.folder / f"untuned-{fault}.log"), 60, "the fault")
    said = wait_for(lambda: why_red(untuned.port), 120, "/healthz to turn red")
    red = time.time() - harmed
    assert why in said
    assert red <= 60
    wait_for(lambda: untuned.told, 60, "the supervisor to act")
    wait_for(lambda: untuned.supervisor.readiness().ok, 120, "the next worker to be ready")
    replaced = time.time() - harmed
    load.stop()
    publishing.join(60)
    story = [f"red {red:.0f} s after the fault, the next worker ready after {replaced:.0f} s"]
    conclude(load, f"no progress, nothing set: {request.node.callspec.id}", faults=1, story=story)
    print(story)  # noqa: T201  (shown with -s)


def test_without_a_supervisor_it_ends_itself(load: Load) -> None:
    """Where nobody asks for its health, the process ends with an exit code, so that it can be restarted."""
    stack = load.stack
    worker = stack.start_worker("alone", CLUSTERTRACK_FAULT="decide:2:block", CLUSTERTRACK_STALLED_SECONDS=str(STALLED))
    load.publish(load.size(400))
    wait_for(lambda: worker.exit_code() is not None, 60, "the worker to end")
    assert worker.exit_code() == 1
    last = json.loads((stack.folder / "alone.log").read_text().splitlines()[-1])
    assert last["event"].startswith("the worker stops")
    assert "event loop" in last["why"]
    heir = stack.start_worker("alone", wait=False)
    conclude(load, "no progress, no supervisor", faults=1)
    assert heir.stop(20)
