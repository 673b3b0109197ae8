"""Apache Kafka in KRaft mode on this machine: one node for laptops and tests, three for tests of replication.

A `KafkaNode` says what to run; `prepare` writes its configuration and formats its data folder; `command` is what a
supervisor starts; `is_ready` asks the broker itself. All listeners are bound to 127.0.0.1.
"""

import base64
import os
import subprocess
import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from brokers.connection import KafkaConnection
from clustertrack.local.child import Command
from clustertrack.local.environment import child_environment
from clustertrack.local.java import Java
from clustertrack.local.kafka_jars import KAFKA_VERSION
from clustertrack.local.ports import HOST
from schemas.errors import Unreachable, UsageFault
from schemas.own_files import write_whole
from schemas.own_folders import make_folder

CLUSTER_ID: Final = base64.urlsafe_b64encode(uuid.uuid5(uuid.NAMESPACE_DNS, "clustertrack").bytes).decode().rstrip("=")
"""All local clusters have one id: a folder that was copied or is served twice is found by its node id and its lock."""
_FORMAT_TIMEOUT_SECONDS: Final = 60
OFFSETS_KEPT_MINUTES: Final = 30 * 24 * 60
_ASK_TIMEOUT_SECONDS: Final = 1.5
_ASCII_END: Final = 128

_LOG4J2: Final = """\
Configuration:
  status: error
  Appenders:
    RollingFile:
      name: file
      fileName: "{logs}/{name}-server.log"
      filePattern: "{logs}/{name}-server.log.%i"
      PatternLayout: {{pattern: "%d{{ISO8601}} %p %c{{1}}: %m%n"}}
      Policies: {{SizeBasedTriggeringPolicy: {{size: 10 MB}}}}
      DefaultRolloverStrategy: {{max: 2}}
    Console:
      name: console
      PatternLayout: {{pattern: "%d{{ISO8601}} %p %c{{1}}: %m%n"}}
      ThresholdFilter: {{level: error}}
  Loggers:
    Root:
      level: info
      AppenderRef: [{{ref: file}}, {{ref: console}}]
"""


@dataclass(frozen=True)
class KafkaNode:
    """One broker and controller. `voters` holds (node id, controller port) of all nodes, this one included.

    `short_lived` halves the CPU of the start and costs throughput later: right for tests. `proxied` is one more port
    and the port that is advertised for it: a client that connects through a proxy keeps using it.
    """

    folder: Path
    port: int
    controller_port: int
    node_id: int = 1
    voters: tuple[tuple[int, int], ...] = ()
    heap: str = "512m"
    short_lived: bool = False
    proxied: tuple[int, int] | None = None

    @property
    def bootstrap(self) -> str:
        """Address for clients."""
        return f"{HOST}:{self.port}"

    @property
    def name(self) -> str:
        """Name of its logs: kafka, or kafka-2 if there are several nodes."""
        return f"kafka-{self.node_id}" if len(self.voters) > 1 else "kafka"

    def properties(self) -> dict[str, str]:
        """What goes into server.properties."""
        voters = self.voters or ((self.node_id, self.controller_port),)
        copies = min(3, len(voters))
        listens, advertises = [f",PROXIED://{HOST}:{port}" for port in self.proxied] if self.proxied else ("", "")
        return {
            "process.roles": "broker,controller",
            "node.id": str(self.node_id),
            "controller.quorum.voters": ",".join(f"{node}@{HOST}:{port}" for node, port in voters),
            "listeners": f"BROKER://{HOST}:{self.port},CONTROLLER://{HOST}:{self.controller_port}{listens}",
            "advertised.listeners": f"BROKER://{HOST}:{self.port}{advertises}",
            "listener.security.protocol.map": "BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT,PROXIED:PLAINTEXT",
            "inter.broker.listener.name": "BROKER",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": str(self.folder / "log"),
            "auto.create.topics.enable": "false",
            "default.replication.factor": str(copies),
            "min.insync.replicas": str(max(1, copies - 1)),
            "offsets.topic.replication.factor": str(copies),
            # 50 partitions by default: a second of start-up that no laptop needs.
            "offsets.topic.num.partitions": "4",
            # As long as the events are kept: a group whose offsets have expired reads all of them again.
            "offsets.retention.minutes": str(OFFSETS_KEPT_MINUTES),
            "transaction.state.log.replication.factor": str(copies),
            "transaction.state.log.min.isr": str(max(1, copies - 1)),
            "transaction.state.log.num.partitions": "4",
            "share.coordinator.state.topic.replication.factor": str(copies),
            "share.coordinator.state.topic.min.isr": str(max(1, copies - 1)),
            "share.coordinator.state.topic.num.partitions": "4",
            # How long before another node takes over from a dead leader. A single node has no other to be fenced for.
            "broker.session.timeout.ms": "9000" if copies == 1 else "3000",
            "broker.heartbeat.interval.ms": "500",
            # Twice a second by default, for followers and brokers that lag: a quarter of what an idle node takes.
            **({"metadata.max.idle.interval.ms": "10000"} if copies == 1 else {}),
            "group.initial.rebalance.delay.ms": "0",
            # A quarter of the heap otherwise.
            "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
        }


def prepare(node: KafkaNode, java: Java, jars: Path, logs: Path) -> None:
    """Write the node's configuration and format its data folder if it is new.

    Raises:
        UsageFault: the folder belongs to another node.
        Unreachable: Kafka refuses to format it.
    """
    make_folder(node.folder)
    check_folder(node)
    properties = "".join(f"{key}={_escaped(value)}\n" for key, value in node.properties().items())
    write_whole(_properties_file(node), properties.encode("ascii"))
    write_whole(_log4j2_file(node), _LOG4J2.format(logs=logs.absolute(), name=node.name).encode())
    if _meta_file(node).exists():
        return
    answer = subprocess.run(
        [
            *_java(replace(node, heap="128m", short_lived=True), java, jars),
            *("kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", _properties_file(node)),
        ],
        capture_output=True,
        text=True,
        check=False,
        env=child_environment(os.environ, {}),
        timeout=_FORMAT_TIMEOUT_SECONDS,
    )
    if answer.returncode != 0:
        words = (answer.stderr or answer.stdout).strip().splitlines()
        raise Unreachable(f"Kafka could not format {node.folder}: {words[-1] if words else 'no reason given'}")


def check_folder(node: KafkaNode) -> None:
    """Raise UsageFault if the data folder was formatted for another node or cluster, or has an impossible name."""
    if "," in str(node.folder):
        raise UsageFault(
            f"{node.folder} has a comma in its name, which Kafka takes for two folders: choose another one"
        )
    try:
        lines = _meta_file(node).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return
    meta = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    expected = {"version": "1", "node.id": str(node.node_id), "cluster.id": CLUSTER_ID}
    for key, value in expected.items():
        if meta.get(key) != value:
            raise UsageFault(
                f"{node.folder} holds the data of another Kafka ({key} is {meta.get(key)!r}, not {value!r}): "
                "choose another folder with --data, or remove this one"
            )


def command(node: KafkaNode, java: Java, jars: Path) -> Command:
    """What a supervisor starts."""
    arguments = [*_java(node, java, jars), "kafka.Kafka", _properties_file(node)]
    return Command(node.name, arguments)


def is_ready(bootstrap: str, brokers: int = 1) -> bool:
    """Ask the broker for the cluster's metadata: True when it answers and knows at least `brokers` live ones."""
    from brokers.explain import known_brokers  # noqa: PLC0415  (0.1 s of import that other verbs need not pay)

    return known_brokers(KafkaConnection(bootstrap), _ASK_TIMEOUT_SECONDS) >= brokers


def _java(node: KafkaNode, java: Java, jars: Path) -> list[str | Path]:
    return [
        java.program,
        f"-Xmx{node.heap}",
        # The first compiler only: the second one, which makes hot code fast, is busy for seconds after every start.
        *(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"] if node.short_lived else []),
        "-Djava.awt.headless=true",
        f"-Dlog4j2.configurationFile={_log4j2_file(node).absolute()}",
        f"-Dclustertrack.kafka={KAFKA_VERSION}",
        "-cp",
        f"{jars}/*",
    ]


def _escaped(value: str) -> str:
    """A value for a properties file, which Java reads as Latin-1 with UTF-16 escapes."""
    value = value.replace("\\", "\\\\")
    units = value.encode("utf-16-be")
    codes = [int.from_bytes(units[at : at + 2], "big") for at in range(0, len(units), 2)]
    return "".join(chr(code) if code < _ASCII_END else f"\\u{code:04x}" for code in codes)


def _properties_file(node: KafkaNode) -> Path:
    return node.folder / "server.properties"


def _log4j2_file(node: KafkaNode) -> Path:
    return node.folder / "log4j2.yaml"


def _meta_file(node: KafkaNode) -> Path:
    return node.folder / "log" / "meta.properties"
