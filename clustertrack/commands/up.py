"""`clustertrack up`: the whole pipeline on this machine, in the foreground."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Final

import click
from prometheus_client import CollectorRegistry

from brokers.codecs import require_codecs
from clustertrack.health import Health, serve
from clustertrack.local.folder import data_folder, versions
from clustertrack.local.java import find_java
from clustertrack.local.kafka_jars import ensure_jars, shown_progress
from clustertrack.local.ports import HOST
from clustertrack.local.secrets import secret_files
from clustertrack.local.space import trouble_with
from clustertrack.local.stack import LocalStack, Ports
from clustertrack.local.supervisor import StoppedError, Supervisor, TaskRefused
from clustertrack.settings import LAPTOP_PARTITIONS, Settings, WorkerSettings, load_settings
from schemas.counts import counted
from schemas.errors import UsageFault
from schemas.own_folders import set_private_umask
from schemas.screen import note_reached, say

_USUAL: Final = Ports()


@click.command()
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for everything that is kept; created if missing.  "
    f"[default: $CLUSTERTRACK_DATA_DIR or ./{WorkerSettings.model_fields['data_dir'].default}]",
)
@click.option("--workers", type=click.IntRange(0, 64), default=1, show_default=True, help="Worker processes.")
@click.option(
    "--port-base",
    type=click.IntRange(1024, 65535),
    help="Kafka gets this port, ClickHouse the next, then the collector; metrics from the fifth after it.  "
    f"[default: {_USUAL.kafka}, {_USUAL.clickhouse}, {_USUAL.collector}, {_USUAL.metrics}]",
)
def command(data: Path | None, workers: int, port_base: int | None) -> None:
    """Run the whole pipeline on this machine: Kafka, ClickHouse, the collector, workers.

    Prints the addresses and then a line that is only `ready`; stays in the foreground until Ctrl-C. All of it listens
    on 127.0.0.1 only. The passwords of ClickHouse are generated at the first start and kept in the data folder; the
    line that begins with "Other shells" says how the other verbs find them.

    \b
    Examples:
      clustertrack up --data ./data --workers 2
      clustertrack up --data /tmp/try --port-base 19000
    """
    set_private_umask()
    settings = _settings(port_base)
    require_codecs()
    partitions = settings.worker.partitions
    if workers > partitions:
        raise UsageFault(
            f"{counted(workers, 'worker')} cannot share {counted(partitions, 'partition')}: start at most "
            f"{partitions}, or set CLUSTERTRACK_PARTITIONS before the first start"
        )
    ports = Ports.from_settings(settings) if port_base is None else Ports.from_base(port_base)
    ports.check(workers)
    java = find_java()
    with data_folder((data or settings.worker.data_dir).absolute(), versions()) as folder:
        with shown_progress() as progress:
            jars = ensure_jars(progress)
        _run(LocalStack(folder, ports, workers, java, jars, partitions, secret_files(folder)))


def _settings(port_base: int | None) -> Settings:
    """Settings of the environment; with --port-base the addresses in it are ignored, even if they are wrong."""
    # A login of the shell's is for another ClickHouse: this one's passwords are in the data folder.
    for name in ("CLICKHOUSE_USER", "CLICKHOUSE_PASSWORD", "CLICKHOUSE_PASSWORD_FILE"):
        os.environ.pop(name, None)
    kafka = {"bootstrap_servers": f"{HOST}:{port_base}", "security_protocol": "PLAINTEXT"}
    few = {"partitions": LAPTOP_PARTITIONS}
    return load_settings(
        kafka=None if port_base is None else kafka,
        worker=None if os.environ.get("CLUSTERTRACK_PARTITIONS") else few,
    )


def _run(stack: LocalStack) -> None:
    registry = CollectorRegistry()
    refused: list[TaskRefused] = []
    supervisor = Supervisor(stack.data / "logs", _tell, registry, trouble=lambda: trouble_with(stack.data))

    def readiness() -> Health:
        return Health(ok=False, why=str(refused[0])) if refused else supervisor.readiness()

    note_reached("nothing of the stack runs, and its data is kept")
    with _signals(supervisor) as asked:
        server = serve(registry, HOST, stack.ports.metrics, lambda: Health(ok=True), readiness)
        try:
            stack.start(supervisor, _tell)
            for line in (*stack.addresses(), _processes(supervisor)):
                say(line)
            say("ready")
            supervisor.watch()
        except TaskRefused as error:
            # Its advice can only be followed while Kafka runs.
            refused.append(error)
            for line in stack.addresses():
                say(line)
            _tell(f"error: {error}")
            _tell(
                "No worker and no collector was started. Kafka and ClickHouse keep running: do what it says, press "
                "Ctrl-C, and repeat."
            )
            supervisor.watch()
        except StoppedError:
            pass
        finally:
            _tell("Stopping")
            supervisor.stop()
            server.close()
    if refused:
        raise refused[0]
    if signal.SIGINT in asked:
        raise KeyboardInterrupt


@contextmanager
def _signals(supervisor: Supervisor) -> Iterator[list[int]]:
    """Ctrl-C and SIGTERM ask the supervisor to stop, as long as it runs. Yields the signals that came."""
    asked: list[int] = []

    def ask(number: int, _frame: FrameType | None) -> None:
        asked.append(number)
        supervisor.ask_to_stop()

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, ask) for number in numbers}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _processes(supervisor: Supervisor) -> str:
    found = ", ".join(f"{name} {pid}" for name, pid in supervisor.processes().items())
    return f"Processes   supervisor {os.getpid()}, {found}"


def _tell(line: str) -> None:
    """A line about the stack, with the time of day: it may run for weeks. An error keeps the shape of all errors."""
    say(line if line.startswith("error: ") else f"{datetime.now().astimezone():%H:%M:%S} {line}", err=True)
