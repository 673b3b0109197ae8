"""A real pipeline for tests and measurements: Kafka, ClickHouse, `migrate`, and workers to start, kill and watch."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import clickhouse_connect
from click.testing import CliRunner, Result
from clickhouse_connect.driver.client import Client
from free_ports import free_ports
from kafka import KafkaAdminClient, KafkaProducer
from quick_kafka import cluster, ready_to_start
from topic_records import records_of

import schemas
from clustertrack.cli import root
from clustertrack.local import child
from clustertrack.local import kafka as local_kafka
from clustertrack.local.child import Child, Command
from clustertrack.local.ports import HOST
from clustertrack.local.probes import get, ready_at
from clustertrack.local.secrets import secret_files

START_SECONDS = 60
_UNSHARE = ("unshare", "--user", "--map-root-user", "--mount")
DATABASE = "impact"
SAMPLE = Path(schemas.__file__).parent / "registry.toml"


class Worker(Child):
    """A worker, and the port of its metrics."""

    def __init__(self, command: Command, logs: Path, metrics_port: int) -> None:
        super().__init__(command, logs)
        self.metrics_port = metrics_port


def wait_for(condition: Callable[..., Any], seconds: float, what: str, every: float = 0.05) -> Any:
    """Poll until the condition returns something true, and return that; fails at the deadline."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s in vain for {what}")
        time.sleep(every)
    return found


def answer(worker: Worker, path: str) -> tuple[int, str]:
    """Status and text of one of a worker's addresses; 0 while nobody answers there."""
    status, body = get(worker.metrics_port, path) or (0, b"")
    return status, body.decode()


def waited(worker: Worker) -> float:
    """Seconds that the ledger or Kafka has refused, as /readyz says."""
    _, text = answer(worker, "/readyz")
    found = re.search(r"refused for (\d+) s", text)
    return float(found[1]) if found else 0.0


class Stack:
    """Kafka and ClickHouse, migrated. `close()` ends everything that was started."""

    def __init__(
        self,
        folder: Path,
        *,
        partitions: int = 4,
        nodes: int = 1,
        registry: Path | None = SAMPLE,
        proxied: bool = False,
        disk: int | None = None,
        as_up: bool = False,
        python: str | Path = sys.executable,
    ) -> None:
        """Args that need an explanation:
        registry: what workers decide by; `load_registry` brings another. None = they wait.
        proxied: each broker has one more listener, and advertises the port of a proxy for it (`listeners`).
        disk: MB of a file system of ClickHouse's own, where the system lets us have one.
        as_up: servers as `clustertrack up` starts them: a broker that is made for long runs, not for a quick start, and
            a ClickHouse that asks for a password.
        python: of the environment that has the product and its local stack.
        """
        self.folder = folder
        self.python = python
        self._secrets = secret_files(folder) if as_up else None
        self.password = self._secrets.operator.read_text(encoding="ascii").strip() if self._secrets else ""
        self._disk_mb = disk if disk is not None and _may_mount() else None
        self.partitions = partitions
        self.nodes = nodes
        self.clickhouse_port, *ports = free_ports(1 + 4 * nodes)
        self.listeners = list(zip(ports[2::4], ports[3::4], strict=True))
        """Of each broker: the port where it listens for a proxy, and the port where that proxy has to listen."""
        self.behind, self.proxy = self.listeners[0]
        self.clickhouse = self._start_clickhouse()  # first of all: it comes up while Kafka's folders are made
        brokers = cluster(folder, list(zip(ports[::4], ports[1::4], strict=True)))
        if as_up:
            brokers = [replace(node, short_lived=False) for node in brokers]
        if proxied:
            brokers = [replace(node, proxied=ports) for node, ports in zip(brokers, self.listeners, strict=True)]
        self.bootstrap = ",".join(node.bootstrap for node in brokers)
        self.environment = {
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap,
            "CLICKHOUSE_HOST": HOST,
            "CLICKHOUSE_PORT": str(self.clickhouse_port),
            "CLICKHOUSE_DATABASE": DATABASE,
            "CLUSTERTRACK_PARTITIONS": str(partitions),
            "LOG_LEVEL": "INFO",
        }
        if self._secrets:
            self.environment["CLICKHOUSE_PASSWORD_FILE"] = str(self._secrets.operator)
        if nodes > 1:
            self.environment |= {"CLUSTERTRACK_REPLICATION_FACTOR": "3", "CLUSTERTRACK_MIN_INSYNC_REPLICAS": "2"}
        self._broker_commands = [ready_to_start(node, folder) for node in brokers]
        self.brokers = [Child(command, folder) for command in self._broker_commands]
        self.workers: list[Worker] = []
        try:
            self.wait_for_kafka()
            self.wait_for_clickhouse()
            self.run_here("migrate")
            if registry is not None:
                self.load_registry(registry)
        except BaseException:  # Ctrl-C and cancellation too
            self.close()
            raise

    def _start_clickhouse(self) -> Child:
        data = self.folder / "disk" / "ch" if self._disk_mb else self.folder / "ch"
        server = [str(self.python), "-m", "clustertrack.local.clickhouse"]
        server += ["--path", str(data), "--port", str(self.clickhouse_port)]
        environment = {"CLICKHOUSE_PASSWORD_FILE": str(self._secrets.operator)} if self._secrets else {}
        server += [] if self._secrets else ["--without-password"]
        if self._disk_mb:
            data.parent.mkdir(exist_ok=True)
            mount = f'mount -t tmpfs -o size={self._disk_mb}m,mode=700 tmpfs "$0" && exec "$@"'
            # A process that enters its own namespace loses the setting to die with its parent.
            dying = [sys.executable, "-I", "-S", "-c", child._DIE_WITH_PARENT, str(os.getpid())]
            server = [*_UNSHARE, "sh", "-c", mount, str(data.parent), *dying, *server]
        return Child(Command("clickhouse", server, environment), self.folder)

    @property
    def has_disk(self) -> bool:
        """Whether ClickHouse has a file system of its own."""
        return self._disk_mb is not None

    def resize_disk(self, *, free: int | None = None) -> None:
        """Leave this many MB free on ClickHouse's own file system; by default as many as at the start."""
        folder = self.folder / "disk"
        size = self._disk_mb
        if free is not None:
            found = os.statvfs(f"/proc/{self.clickhouse.pid}/root{folder}")
            size = free + (found.f_blocks - found.f_bfree) * found.f_frsize // 2**20
        inside = ("nsenter", "-t", str(self.clickhouse.pid), "-U", "-m", "--preserve-credentials")
        subprocess.run([*inside, "mount", "-o", f"remount,size={size}m", str(folder)], check=True)

    def wait_for_kafka(self) -> None:
        """Wait until all brokers work. Each one is asked: the others know it before it takes connections."""
        for one in self.bootstrap.split(","):
            try:
                wait_for(lambda one=one: local_kafka.is_ready(one, self.nodes), START_SECONDS, "Kafka")
            except AssertionError as error:
                raise AssertionError(f"{error}: {[broker.last_words() for broker in self.brokers]}") from error

    def restart_broker(self, *numbers: int) -> None:
        """Start brokers again (by default the first) after a test stopped them, and wait until all work."""
        for number in numbers or (0,):
            self.brokers[number] = Child(self._broker_commands[number], self.folder)
        self.wait_for_kafka()

    def wait_for_clickhouse(self) -> None:
        """Wait until ClickHouse answers."""
        answers = ready_at(self.clickhouse_port, "/ping")
        wait_for(lambda: answers() is None, START_SECONDS, "ClickHouse")

    def restart_clickhouse(self) -> None:
        """Start ClickHouse again after a test stopped it."""
        self.clickhouse = self._start_clickhouse()
        self.wait_for_clickhouse()

    def run(self, *arguments: str, expect: int | None = 0, seconds: float = 120, **environment: str) -> Any:
        """Run the command line with this stack's settings; fails on another exit code than expected."""
        done = subprocess.run(
            [self.python, "-m", "clustertrack", *map(str, arguments)],
            env={**os.environ, **self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        if expect is not None and done.returncode != expect:
            raise AssertionError(f"{arguments} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def run_here(self, *arguments: str, expect: int | None = 0) -> Result:
        """The same within this process: a new one would take half a second of CPU to import everything again."""
        done = CliRunner().invoke(root, arguments, env=self.environment)
        if expect is not None and done.exit_code != expect:
            raise AssertionError(f"{arguments} ended with {done.exit_code}\n{done.output}") from done.exception
        return done

    def load_registry(self, file: Path) -> None:
        """Put a registry in force."""
        self.run_here("registry", "load", str(file), "--yes")

    def start_worker(self, name: str = "worker-1", *, wait: bool = True, **environment: str) -> Worker:
        """Start a worker with a data folder of its own; `environment` overrides the stack's settings."""
        (port,) = free_ports(1)
        settings = {
            **self.environment,
            "CLUSTERTRACK_DATA_DIR": str(self.folder / name),
            "METRICS_PORT": str(port),
            **environment,
        }
        worker = Worker(Command(name, [self.python, "-m", "clustertrack", "worker"], settings), self.folder, port)
        self.workers.append(worker)
        if wait:
            self.wait_ready(worker)
        return worker

    def is_ready(self, worker: Worker) -> bool:
        """Whether a worker's /readyz is green."""
        return ready_at(worker.metrics_port, "/readyz")() is None

    def wait_ready(self, worker: Worker) -> None:
        """Wait until a worker takes records; fails when it ends instead."""

        def ready() -> bool:
            if worker.exit_code() is not None:
                raise AssertionError(f"{worker.name} ended with {worker.exit_code()}: {worker.last_words()}")
            return self.is_ready(worker)

        wait_for(ready, START_SECONDS, f"{worker.name} to be ready")

    def metrics(self, worker: Worker) -> str:
        """A worker's metrics."""
        status, text = answer(worker, "/metrics")
        assert status == 200, f"{worker.name} answered {status}: {text}"
        return text

    def kill(self, process: Child) -> None:
        """SIGKILL, at once."""
        os.killpg(process.pid, signal.SIGKILL)
        process.stop(10)

    def client(self) -> Client:
        """A client of the ledger."""
        return clickhouse_connect.get_client(
            host=HOST,
            port=self.clickhouse_port,
            password=self.password,
            database=DATABASE,
            autogenerate_session_id=False,
        )

    def query(self, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """Rows of a query."""
        client = self.client()
        try:
            return list(client.query(sql, parameters=parameters).result_rows)
        finally:
            client.close()

    def producer(self) -> KafkaProducer:
        """A plain producer."""
        return KafkaProducer(bootstrap_servers=self.bootstrap, acks="all", linger_ms=5)

    def send(self, topic: str, records: list[tuple[bytes | None, bytes | None, list[Any], int | None]]) -> None:
        """Produce (key, value, headers, partition) and wait until all are confirmed."""
        producer = self.producer()
        sent = [
            producer.send(topic, key=key, value=value, headers=headers, partition=partition)
            for key, value, headers, partition in records
        ]
        producer.flush(timeout=60)
        for future in sent:
            future.get(timeout=30)
        producer.close(timeout=10)

    def read(self, topic: str) -> list[Any]:
        """All records of a topic, by partition and offset; those of aborted transactions were never published."""
        return records_of(self.bootstrap, topic, self.partitions)

    def group(self) -> str:
        """The workers' group; its name has the ledger's id, which only ClickHouse knows."""
        return str(json.loads(self.run_here("status", "--json").stdout)["group"])

    def members(self, group: str) -> set[str]:
        """Who is in a group: Kafka gives a new name to a member that left and comes back."""
        admin = KafkaAdminClient(bootstrap_servers=self.bootstrap)
        try:
            return {member["member_id"] for member in admin.describe_groups([group])[group]["members"]}
        finally:
            admin.close()

    def wait_counted(self, seconds: float = 60) -> None:
        """Wait until everything published so far is counted."""
        self.run_here("status", "--wait", str(int(seconds)))

    def report(self, year: int, **environment: Any) -> dict[str, Any]:
        """The annual report as JSON."""
        command = ("report", "--year", str(year), "--format", "json")
        # In a process of its own only where its environment matters.
        done = self.run(*command, **environment) if environment else self.run_here(*command)
        return dict(json.loads(done.stdout))

    def close(self) -> None:
        """Stop all processes, the workers first."""
        for worker in self.workers:
            worker.stop(20)
        self.clickhouse.stop(10)
        for broker in self.brokers:
            broker.stop(10)


def _may_mount() -> bool:
    """Whether a process may have a file system of its own here; in most containers it may not."""
    if not (shutil.which(_UNSHARE[0]) and shutil.which("nsenter")):
        return False
    # Nobody else sees it.
    tried = subprocess.run([*_UNSHARE, "mount", "-t", "tmpfs", "tmpfs", "/tmp"], capture_output=True, check=False)  # noqa: S108  (over a folder that everybody has)
    return tried.returncode == 0
