"""The children of `clustertrack up`: their addresses, settings and order."""

import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from clustertrack.local import kafka
from clustertrack.local.child import Command
from clustertrack.local.environment import PYTHON
from clustertrack.local.java import Java
from clustertrack.local.ports import HOST, taken_ports
from clustertrack.local.probes import ready_at, sign_at
from clustertrack.local.secrets import READER, Secrets
from clustertrack.local.supervisor import Service, Supervisor
from clustertrack.settings import (
    ClickHouseSettings,
    CollectorSettings,
    KafkaSettings,
    Settings,
    WorkerSettings,
    variables,
)
from schemas.counts import counted, one_or_many
from schemas.errors import UsageFault

_LARGEST_PORT: Final = 65535
_MIGRATE_SECONDS: Final = 120
_KAFKA_GRACE_SECONDS: Final = 20
"""Java ends within a second; a broker that cannot is as good as crashed, and its log survives that."""
_CLICKHOUSE_GRACE_SECONDS: Final = 20
_WORKER_GRACE_SECONDS: Final = 15
_COLLECTOR_GRACE_SECONDS: Final = 20
"""It answers what it has begun: Kafka has ten seconds to confirm, unless the settings say otherwise."""

_SETTINGS: Final = variables()
"""Variables that children read themselves. Kafka reads none of ours."""


@dataclass(frozen=True)
class Ports:
    """Where everything listens on 127.0.0.1. `dashboard` is kept free for the one to come."""

    kafka: int = int(KafkaSettings.model_fields["bootstrap_servers"].default.rpartition(":")[2])
    clickhouse: int = ClickHouseSettings.model_fields["port"].default
    collector: int = CollectorSettings.model_fields["port"].default
    dashboard: int = 8081
    controller: int = 9093
    metrics: int = WorkerSettings.model_fields["metrics_port"].default

    @classmethod
    def from_base(cls, base: int) -> "Ports":
        """`--port-base N`: Kafka N, ClickHouse N+1, collector, dashboard, controller, then metrics from N+5."""
        return cls(base, base + 1, base + 2, base + 3, base + 4, base + 5)

    @classmethod
    def from_settings(cls, settings: Settings) -> "Ports":
        """The ports that the environment names, so that other commands of the same shell find the stack.

        Raises:
            UsageFault: the environment points at another machine.
        """
        host, _, port = settings.kafka.bootstrap_servers.rpartition(":")
        for variable, value in (
            ("KAFKA_BOOTSTRAP_SERVERS", host),
            ("CLICKHOUSE_HOST", settings.clickhouse.host),
        ):
            if value not in {HOST, "localhost"}:
                raise UsageFault(
                    f"{variable} names {value}, but `clustertrack up` runs on {HOST}: unset it, or give --port-base"
                )
        return cls(
            kafka=int(port),
            clickhouse=settings.clickhouse.port,
            collector=settings.collector.port,
            metrics=settings.worker.metrics_port,
        )

    @property
    def clickhouse_metrics(self) -> int:
        """Metrics of the embedded ClickHouse; the supervisor has `metrics` itself."""
        return self.metrics + 1

    @property
    def collector_metrics(self) -> int:
        """Metrics of the collector; the next port is kept free for those of the dashboard."""
        return self.metrics + 2

    def worker_metrics(self, worker: int) -> int:
        """Metrics of worker 0, 1, ...."""
        return self.metrics + 4 + worker

    def used(self, workers: int) -> list[int]:
        """Those that something listens on now."""
        of_workers = [self.worker_metrics(worker) for worker in range(workers)]
        of_collector = [self.collector, self.collector_metrics]
        servers = [self.kafka, self.clickhouse, self.controller, self.metrics, self.clickhouse_metrics]
        return [*servers, *of_collector, *of_workers]

    def check(self, workers: int) -> None:
        """Raise UsageFault if a port is taken, used twice or beyond 65535."""
        ports = self.used(workers)
        if max(ports) > _LARGEST_PORT:
            raise UsageFault(f"port {max(ports)} does not exist: choose a smaller --port-base")
        twice = sorted({port for port in ports if ports.count(port) > 1})
        if twice:
            raise UsageFault(f"port {twice[0]} would be used twice: choose the ports with --port-base instead")
        taken = taken_ports(ports)
        if taken:
            names = ", ".join(str(port) for port in taken)
            are = one_or_many(len(taken), f"port {names} on {HOST} is", f"ports {names} on {HOST} are")
            raise UsageFault(
                f"{are} taken: stop what listens there (another `clustertrack up`?), "
                "or choose other ports with --port-base"
            )


@dataclass(frozen=True)
class LocalStack:
    """Everything that has to be known to start the children."""

    data: Path
    ports: Ports
    workers: int
    java: Java
    jars: Path
    partitions: int
    secrets: Secrets

    def environment(self) -> dict[str, str | None]:
        """Settings of commands and workers: they talk to this stack, no matter what the user's shell says."""
        return {
            "KAFKA_BOOTSTRAP_SERVERS": f"{HOST}:{self.ports.kafka}",
            "KAFKA_SECURITY_PROTOCOL": "PLAINTEXT",
            "KAFKA_SASL_MECHANISM": None,
            "KAFKA_SASL_USERNAME": None,
            "KAFKA_SASL_PASSWORD": None,
            "KAFKA_SASL_PASSWORD_FILE": None,
            "KAFKA_SSL_CAFILE": None,
            "CLICKHOUSE_HOST": HOST,
            "CLICKHOUSE_PORT": str(self.ports.clickhouse),
            "CLICKHOUSE_SECURE": "false",
            "CLICKHOUSE_USER": None,
            "CLICKHOUSE_PASSWORD": None,
            "CLICKHOUSE_PASSWORD_FILE": str(self.secrets.operator),
            "METRICS_HOST": HOST,
            "CLUSTERTRACK_PARTITIONS": str(self.partitions),
            "CLUSTERTRACK_REPLICATION_FACTOR": "1",
            "CLUSTERTRACK_MIN_INSYNC_REPLICAS": "1",
            **PYTHON,
        }

    def kafka_node(self) -> kafka.KafkaNode:
        """The one broker."""
        return kafka.KafkaNode(self.data / "kafka", self.ports.kafka, self.ports.controller)

    def kafka(self) -> Service:
        """Apache Kafka, prepared by `kafka.prepare` before."""
        node = self.kafka_node()
        return Service(
            kafka.command(node, self.java, self.jars),
            lambda: None if kafka.is_ready(node.bootstrap) else f"no answer on port {node.port}",
            grace=_KAFKA_GRACE_SECONDS,
        )

    def clickhouse(self) -> Service:
        """The embedded ClickHouse engine."""
        arguments: dict[str, str | Path | int] = {
            "--path": self.data / "clickhouse",
            "--port": self.ports.clickhouse,
            "--metrics-port": self.ports.clickhouse_metrics,
        }
        environment = {
            "CLICKHOUSE_PASSWORD_FILE": str(self.secrets.operator),
            "CLICKHOUSE_READER_PASSWORD_FILE": str(self.secrets.reader),
            **PYTHON,
        }
        flags = [str(part) for pair in arguments.items() for part in pair]
        return Service(
            Command("clickhouse", [sys.executable, "-m", "clustertrack.local.clickhouse", *flags], environment),
            ready_at(self.ports.clickhouse, "/ping"),
            grace=_CLICKHOUSE_GRACE_SECONDS,
        )

    def migrate(self) -> Command:
        """Topics and schema; runs to its end before the workers start."""
        return Command("migrate", _verb("migrate"), self.environment(), _SETTINGS)

    def sample_registry(self) -> Command:
        """A registry, for a stack that has none; runs to its end before the workers start."""
        arguments = [*_verb("registry"), "load", "--sample"]
        return Command("registry", arguments, self.environment(), _SETTINGS)

    def worker(self, number: int) -> Service:
        """Worker 0, 1, ...: its own marks in DATA/worker-N, its own metrics port."""
        port = self.ports.worker_metrics(number)
        own = {"CLUSTERTRACK_DATA_DIR": str(self.data / f"worker-{number}"), "METRICS_PORT": str(port)}
        return Service(
            Command(f"worker-{number}", _verb("worker"), self.environment() | own, _SETTINGS),
            ready_at(port, "/readyz"),
            sign_at(port, "/healthz"),
            grace=_WORKER_GRACE_SECONDS,
        )

    def collector(self) -> Service:
        """The collector, to which CRMs send over HTTP."""
        port = self.ports.collector_metrics
        own = {
            "CLUSTERTRACK_COLLECTOR_HOST": HOST,
            "CLUSTERTRACK_COLLECTOR_PORT": str(self.ports.collector),
            "METRICS_PORT": str(port),
            "CLICKHOUSE_USER": READER,
            "CLICKHOUSE_PASSWORD_FILE": str(self.secrets.reader),
        }
        return Service(
            Command("collector", _verb("collector"), self.environment() | own, _SETTINGS),
            ready_at(port, "/readyz"),
            sign_at(port, "/healthz"),
            grace=_COLLECTOR_GRACE_SECONDS,
        )

    def start(self, supervisor: Supervisor, tell: Callable[[str], None]) -> None:
        """Start everything in order; each stage is ready before the next begins. `tell` gets a line for each."""
        tell("Starting Kafka and ClickHouse")
        kafka.prepare(self.kafka_node(), self.java, self.jars, self.data / "logs")
        supervisor.start([self.kafka(), self.clickhouse()])
        tell("Checking topics and schema")
        supervisor.run(self.migrate(), _MIGRATE_SECONDS)
        supervisor.run(self.sample_registry(), _MIGRATE_SECONDS)
        tell(f"Starting the collector and {counted(self.workers, 'worker')}")
        supervisor.start([self.collector(), *(self.worker(number) for number in range(self.workers))])

    def addresses(self) -> list[str]:
        """Lines for the user: where everything is."""
        ports = self.ports
        lines = [
            f"Kafka       {HOST}:{ports.kafka}",
            f"ClickHouse  http://{HOST}:{ports.clickhouse}",
            f"Collector   http://{HOST}:{ports.collector}/v1/events (needs a key: clustertrack keys create)",
            f"Metrics     http://{HOST}:{ports.metrics}/metrics (supervisor), "
            f"{ports.clickhouse_metrics} (ClickHouse), {ports.collector_metrics} (collector)"
            + "".join(f", {ports.worker_metrics(worker)} (worker-{worker})" for worker in range(self.workers)),
            f"Logs        {self.data / 'logs'}",
        ]
        others = f"CLICKHOUSE_PASSWORD_FILE={shlex.quote(str(self.secrets.operator))}"
        if (ports.kafka, ports.clickhouse) != (Ports().kafka, Ports().clickhouse):
            others = f"KAFKA_BOOTSTRAP_SERVERS={HOST}:{ports.kafka} CLICKHOUSE_PORT={ports.clickhouse} {others}"
        lines += [
            f"Other shells find it with: export {others}",
            f"Who only reads: user reader, password in {self.secrets.reader}",
            f"With curl:       curl --netrc-file {shlex.quote(str(self.secrets.netrc))} http://{HOST}:{ports.clickhouse}",
        ]
        return lines


def _verb(name: str) -> list[str]:
    return [sys.executable, "-m", "clustertrack", name]
