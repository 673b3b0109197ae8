"""The supervisor with small real processes that stand in for Kafka, ClickHouse and workers."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from free_ports import free_ports
from prometheus_client import CollectorRegistry

from clustertrack.local.child import Command
from clustertrack.local.probes import ready_at, sign_at
from clustertrack.local.supervisor import Service, StoppedError, Supervisor
from clustertrack.local.watch import Limits
from schemas.errors import Unreachable

# Serves /readyz and /healthz; writes its id, and when it stops; turns red when the file "red" appears.
STAND_IN = """\
import os, signal, sys, time
from pathlib import Path
from prometheus_client import CollectorRegistry
from clustertrack.health import Health, serve

name, port, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
def note(line):
    with (folder / "story").open("a") as story:
        print(line, file=story)
def stop(number, frame):
    note("stop " + name)
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
note("start " + name)
healthy = lambda: Health(not (folder / f"red-{name}-{os.getpid()}").exists(), "told so")
(folder / f"pid-{name}").write_text(str(os.getpid()))
note("ready " + name)
# Last of all: the supervisor, and with it the test, goes on as soon as this answers.
server = serve(CollectorRegistry(), "127.0.0.1", port, healthy, lambda: Health(True))
while True:
    time.sleep(0.05)
"""

QUICK = Limits(start=20, red=0.3, silent=5, first_back_off=0.1, longest_back_off=0.5, look_every=0.05)


class Lines(list[str]):
    """What the supervisor printed for the user."""


@pytest.fixture
def told() -> Lines:
    """Lines for the user."""
    return Lines()


@pytest.fixture
def registry() -> CollectorRegistry:
    """The supervisor's metrics."""
    return CollectorRegistry()


@pytest.fixture
def supervisor(tmp_path, told, registry) -> Iterator[Supervisor]:
    """A supervisor with little patience."""
    supervisor = Supervisor(tmp_path, told.append, registry, QUICK)
    yield supervisor
    supervisor.stop()


@pytest.fixture
def stand_in(tmp_path) -> Callable[[str], Service]:
    """Make a service of the given name from a real process."""

    def make(name: str) -> Service:
        (port,) = free_ports(1)
        command = Command(name, [sys.executable, "-c", STAND_IN, name, str(port), tmp_path])
        return Service(command, ready_at(port, "/readyz"), sign_at(port, "/healthz"), grace=10)

    return make


def _story(folder: Path) -> list[str]:
    return (folder / "story").read_text().splitlines()


def _pid(folder: Path, name: str) -> int:
    return int((folder / f"pid-{name}").read_text())


def _while_watching(supervisor: Supervisor, act: Callable[[], None]) -> None:
    """Watch in this thread, which started the children, while another acts and then asks to stop."""
    failures: list[BaseException] = []

    def acting() -> None:
        try:
            act()
        except BaseException as error:  # noqa: BLE001  (handed over to the thread of the test)
            failures.append(error)
        finally:
            supervisor.ask_to_stop()

    thread = threading.Thread(target=acting)
    thread.start()
    supervisor.watch()
    thread.join()
    if failures:
        raise failures[0]


def test_starts_in_order_and_stops_in_reverse(supervisor, stand_in, tmp_path):
    """A stage begins when the one before is ready, and stages stop in reverse order."""
    supervisor.start([stand_in("kafka")])
    supervisor.start([stand_in("worker")])

    supervisor.stop()

    assert _story(tmp_path) == [
        "start kafka",
        "ready kafka",
        "start worker",
        "ready worker",
        "stop worker",
        "stop kafka",
    ]


def test_a_full_disk_is_reported_when_a_child_has_ended(tmp_path, told, registry, stand_in, wait_until):
    """What a child that died of a full disk cannot say itself is looked up, and printed with its end."""
    full = f"the disk of {tmp_path} has only 0 MB left: free some space"
    supervisor = Supervisor(tmp_path, told.append, registry, QUICK, trouble=lambda: full)
    supervisor.start([stand_in("kafka")])

    def kill() -> None:
        os.kill(_pid(tmp_path, "kafka"), signal.SIGKILL)
        wait_until(lambda: any("ready again" in line for line in told), 20, "the restart")

    try:
        _while_watching(supervisor, kill)
    finally:
        supervisor.stop()

    assert told[0] == f"kafka ended: killed (signal 9); {full}; it is being restarted"


def test_a_killed_child_is_restarted(supervisor, stand_in, tmp_path, told, registry, wait_until):
    """A child that dies comes back, the user is informed, and the restart is counted."""
    supervisor.start([stand_in("worker")])
    first = _pid(tmp_path, "worker")

    def kill() -> None:
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: any("ready again" in line for line in told), 20, "the restart")

    _while_watching(supervisor, kill)

    assert _pid(tmp_path, "worker") != first
    assert told[0] == "worker ended: killed (signal 9); it is being restarted"
    assert registry.get_sample_value("clustertrack_child_restarts_total", {"child": "worker"}) == 1
    assert registry.get_sample_value("clustertrack_child_up", {"child": "worker"}) == 1


def test_a_red_child_is_killed_and_restarted(supervisor, stand_in, tmp_path, told, wait_until):
    """A child whose /healthz stays red is killed, and its successor is left alone."""
    supervisor.start([stand_in("worker")])
    first = _pid(tmp_path, "worker")

    def turn_red() -> None:
        (tmp_path / f"red-worker-{first}").touch()
        wait_until(lambda: any("ready again" in line for line in told), 20, "the restart")

    _while_watching(supervisor, turn_red)

    assert _pid(tmp_path, "worker") != first
    assert "reported itself unhealthy" in told[0]
    assert _story(tmp_path) == ["start worker", "ready worker", "start worker", "ready worker"]


def test_readiness_names_who_is_down(supervisor, stand_in, tmp_path, wait_until):
    """While a child is away, /readyz of the supervisor says which."""
    assert not supervisor.readiness().ok
    supervisor.start([stand_in("kafka"), stand_in("worker")])
    assert supervisor.readiness().ok

    def kill() -> None:
        os.kill(_pid(tmp_path, "worker"), signal.SIGKILL)
        wait_until(lambda: supervisor.readiness().why == "not up: worker", 20, "the worker to be missed")
        wait_until(lambda: supervisor.readiness().ok, 20, "the restart")

    _while_watching(supervisor, kill)


def test_a_child_that_ends_at_once_is_a_sentence(supervisor):
    """A first start that fails says how the child ended, with its own words and its log."""
    broken = Command("kafka", [sys.executable, "-c", "import sys; sys.exit('no such disk')"])

    with pytest.raises(Unreachable, match=r"kafka ended instead of starting: exit code 1; no such disk \(log: .*kafka"):
        supervisor.start([Service(broken, lambda: "not yet")])


def test_a_child_that_never_gets_ready_is_a_sentence(tmp_path, told, registry):
    """A first start that takes too long says what the child was waiting for."""
    supervisor = Supervisor(tmp_path, told.append, registry, Limits(start=0.2))
    idle = Command("worker", [sys.executable, "-c", "import time; time.sleep(60)"])

    with pytest.raises(Unreachable, match=r"worker was not ready after 0 s \(ClickHouse is away\)"):
        supervisor.start([Service(idle, lambda: "ClickHouse is away")])
    supervisor.stop()


def test_a_failing_task_is_a_sentence(supervisor):
    """A task that fails is named with its own error."""
    failing = Command("migrate", [sys.executable, "-c", "import sys; sys.exit('error: other partitions')"])

    with pytest.raises(Unreachable, match="migrate failed: exit code 1; other partitions"):
        supervisor.run(failing, 20)


def test_a_task_that_hangs_is_ended(supervisor):
    """A task that takes too long is killed and named."""
    hanging = Command("migrate", [sys.executable, "-c", "import time; time.sleep(60)"])

    with pytest.raises(Unreachable, match="migrate did not finish within 0 s"):
        supervisor.run(hanging, 0.1)


def test_can_be_stopped_while_starting(supervisor, stand_in):
    """Ctrl-C during the start does not wait for a child that is not ready."""
    supervisor.start([stand_in("kafka")])
    supervisor.ask_to_stop()

    with pytest.raises(StoppedError):
        supervisor.start([Service(stand_in("worker").command, lambda: "not yet")])


def test_a_deaf_child_is_killed_and_named(tmp_path, told, registry):
    """A child that ignores SIGTERM is killed when its grace is over, and the user is informed."""
    supervisor = Supervisor(tmp_path, told.append, registry, QUICK)
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    log = tmp_path / "worker.log"
    deaf = Command("worker", [sys.executable, "-c", code])
    supervisor.start([Service(deaf, lambda: None if log.exists() and log.read_text() else "", grace=0.2)])

    supervisor.stop()

    assert told == ["worker did not stop within 0 s and was killed"]


def test_asking_again_cuts_the_grace_short(tmp_path, told, registry):
    """A second Ctrl-C while stopping kills the remaining processes at once."""
    supervisor = Supervisor(tmp_path, told.append, registry, QUICK)
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    log = tmp_path / "worker.log"
    deaf = Command("worker", [sys.executable, "-c", code])
    supervisor.start([Service(deaf, lambda: None if log.exists() and log.read_text() else "", grace=50)])
    supervisor.ask_to_stop()
    impatient = threading.Timer(0.1, supervisor.ask_to_stop)
    impatient.start()
    begun = time.monotonic()

    supervisor.stop()

    impatient.join()
    assert time.monotonic() - begun < 20
    assert told == []
