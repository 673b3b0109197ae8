"""Kafka brokers that start quickly: a start is most of what many tests cost, in CPU time of the machine.

Three things make it quick: the first compiler of the JVM only (`short_lived`), an archive of Kafka's classes as the JVM
keeps them in memory, and data folders that are copied from one that was formatted. Together 1.5 seconds of CPU where a
plain start takes 6.
"""

import atexit
import hashlib
import shutil
import subprocess
import tempfile
import time
from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Final

from free_ports import free_ports

from clustertrack.local import java, kafka_jars
from clustertrack.local import kafka as local_kafka
from clustertrack.local.child import Child, Command
from clustertrack.local.files import folder_lock

START_SECONDS: Final = 90
_DUMP_SECONDS: Final = 60
_folders: Final = ExitStack()
atexit.register(_folders.close)


def cluster(folder: Path, ports: list[tuple[int, int]]) -> list[local_kafka.KafkaNode]:
    """Nodes of one cluster from their (broker port, controller port); of three, one may be lost."""
    voters = tuple((node, controller) for node, (_, controller) in enumerate(ports, start=1))
    return [
        local_kafka.KafkaNode(folder / f"kafka-{node}", port, controller, node, voters, short_lived=True)
        for node, (port, controller) in enumerate(ports, start=1)
    ]


def ready_to_start(node: local_kafka.KafkaNode, logs: Path) -> Command:
    """Make the node's folder, and say how it is started."""
    runtime, jars = _kafka()
    log = node.folder / "log"
    if not log.exists():
        node.folder.mkdir(parents=True, exist_ok=True)
        shutil.copytree(_formatted(node.node_id), log)
    local_kafka.prepare(node, runtime, jars, logs)
    command = local_kafka.command(node, runtime, jars)
    return _with_option(command, f"-XX:SharedArchiveFile={_archive()}") if node.short_lived else command


def wait_until_ready(child: Child, bootstrap: str, brokers: int = 1) -> None:
    """Wait until a broker answers; fail with the end of its log if it ends instead."""
    deadline = time.monotonic() + START_SECONDS
    while not local_kafka.is_ready(bootstrap, brokers):
        if child.exit_code() is not None or time.monotonic() > deadline:
            raise AssertionError(f"{child.name} is not ready ({child.exit_code()}): {child.last_words()}")
        time.sleep(0.02)


@cache
def _kafka() -> tuple[java.Java, Path]:
    return java.find_java(), kafka_jars.ensure_jars()


@cache
def _formatted(node_id: int) -> Path:
    """The data folder of a node that has never run."""
    runtime, jars = _kafka()
    folder = Path(_folders.enter_context(tempfile.TemporaryDirectory(prefix=f"kafka-{node_id}-")))
    local_kafka.prepare(local_kafka.KafkaNode(folder, 1, 2, node_id, short_lived=True), runtime, jars, folder)
    return folder / "log"


@cache
def _archive() -> Path:
    """Kafka's classes for this very Java, next to the jars; made when it is not there, by a broker that runs once."""
    runtime, jars = _kafka()
    asked = subprocess.run([runtime.program, "-version"], capture_output=True, check=True, timeout=30)
    java_id = hashlib.sha256(b"%a%a" % (str(runtime.program), asked.stderr)).hexdigest()[:12]
    archive = jars / f"classes-{java_id}.jsa"
    with folder_lock(jars, wait=True):
        if not archive.exists():
            _dump(archive)
    return archive


def _dump(archive: Path) -> None:
    runtime, jars = _kafka()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        port, controller = free_ports(2)
        node = local_kafka.KafkaNode(folder / "kafka", port, controller, short_lived=True)
        local_kafka.prepare(node, runtime, jars, folder)
        new = archive.with_suffix(".new")
        new.unlink(missing_ok=True)
        dumping = _with_option(local_kafka.command(node, runtime, jars), f"-XX:ArchiveClassesAtExit={new}")
        child = Child(dumping, folder)
        try:
            wait_until_ready(child, node.bootstrap)
        finally:
            child.stop(_DUMP_SECONDS)
        new.rename(archive)


def _with_option(command: Command, option: str) -> Command:
    program, *others = command.arguments
    return replace(command, arguments=[program, option, *others])
