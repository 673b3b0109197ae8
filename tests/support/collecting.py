"""A broker with its topics and a registry, and collectors before it."""

import http.client
import json
import sys
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from free_ports import free_ports
from kafka import KafkaProducer
from quick_kafka import ready_to_start
from stack import wait_for
from topic_records import records_of

from brokers.connection import KafkaConnection
from brokers.topics import EVENTS, KEYS, REGISTRY, TopicAdmin, topic_specs
from clustertrack.local import kafka as local_kafka
from clustertrack.local.child import Child, Command
from clustertrack.local.ports import HOST
from clustertrack.local.probes import get, ready_at
from schemas.clusters import Cluster
from schemas.keys import RANDOM_BYTES, KeyVersion, hash_of, id_of, make_key
from schemas.registry_document import Registry
from sinks.clickhouse import ClickHouse

PARTITIONS = 4
FOOD, WATER = "https://crm.foodbio.example", "https://crm.water.example"
CLUSTERS = (("food-bio", FOOD), ("water", WATER))
FOOD_KEY, WATER_KEY = (make_key(bytes([n]) * RANDOM_BYTES).get_secret_value() for n in (1, 2))


@dataclass(frozen=True)
class Answered:
    """An answer over HTTP; names of headers in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Broker:
    """Kafka with the topics of a pipeline."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        port, controller = free_ports(2)
        self.node = local_kafka.KafkaNode(folder / "kafka", port, controller, short_lived=True)
        self._command = ready_to_start(self.node, folder)
        self.start()
        with TopicAdmin(self.connection) as admin:
            admin.ensure(topic_specs("test", partitions=PARTITIONS))

    @property
    def connection(self) -> KafkaConnection:
        """How to reach it."""
        return KafkaConnection(self.node.bootstrap)

    def start(self) -> None:
        """Start it, for the first time or again."""
        self.child = Child(self._command, self.folder)
        wait_for(lambda: local_kafka.is_ready(self.node.bootstrap), 60, "Kafka")

    def load_registry(self, *clusters: tuple[str, str]) -> int:
        """Put clusters (slug, source) into force; their revision."""
        made = tuple(
            Cluster(slug=slug, name=slug, valid_from=date(2000, 1, 1), sources=(source,)) for slug, source in clusters
        )
        registry = Registry(revision=int(time.time() * 1000), clusters=made)
        self._send(REGISTRY, registry.key, registry.to_json())
        return registry.revision

    def put_key(self, text: str, cluster: str, *, revoked: bool = False) -> None:
        """Put a key into force, or take it back."""
        now = int(time.time() * 1000)
        version = KeyVersion(
            id=id_of(text),
            cluster=cluster,
            hash=hash_of(text),
            created=1,
            revoked=now if revoked else None,
            revision=now,
        )
        self._send(KEYS, version.key, version.to_json())

    def _send(self, topic: str, key: bytes, value: bytes) -> None:
        producer = KafkaProducer(bootstrap_servers=self.node.bootstrap)
        producer.send(topic, value, key=key).get(timeout=30)
        producer.close()

    def read(self, topic: str = EVENTS) -> list[Any]:
        """All records of a topic, by partition and offset."""
        return records_of(self.node.bootstrap, topic, PARTITIONS)


def _ledger_settings(ledger: ClickHouse) -> dict[str, str]:
    return {
        "CLICKHOUSE_HOST": ledger.host,
        "CLICKHOUSE_PORT": str(ledger.port),
        "CLICKHOUSE_DATABASE": ledger.database,
    }


class RunningCollector:
    """A collector process."""

    def __init__(
        self, broker: Broker, name: str = "collector", ledger: ClickHouse | None = None, **settings: str
    ) -> None:
        self.port, self.metrics_port = free_ports(2)
        environment = {
            "KAFKA_BOOTSTRAP_SERVERS": broker.node.bootstrap,
            "CLUSTERTRACK_COLLECTOR_PORT": str(self.port),
            "METRICS_PORT": str(self.metrics_port),
            "LOG_LEVEL": "INFO",
            **({} if ledger is None else _ledger_settings(ledger)),
            **{f"CLUSTERTRACK_COLLECTOR_{variable}": value for variable, value in settings.items()},
        }
        self.child = Child(
            Command(name, [sys.executable, "-m", "clustertrack", "collector"], environment), broker.folder
        )

    def wait_ready(self) -> None:
        """Wait until it publishes; fails when it ends instead."""

        def ready() -> bool:
            if self.child.exit_code() is not None:
                raise AssertionError(f"the collector ended: {self.child.log.read_text()[-3000:]}")
            return ready_at(self.metrics_port, "/readyz")() is None

        wait_for(ready, 60, "the collector")

    def send(
        self,
        body: bytes | str | None,
        content_type: str | None = "application/cloudevents+json",
        *,
        path: str = "/v1/events",
        key: str | None = FOOD_KEY,
        method: str = "POST",
        **headers: str,
    ) -> Answered:
        """One request; underscores in the names of headers are hyphens."""
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        if content_type is not None:
            fields["content-type"] = content_type
        if key is not None:
            fields.setdefault("authorization", f"Bearer {key}")
        connection = http.client.HTTPConnection(HOST, self.port, timeout=60)
        try:
            connection.request(method, path, body, fields)
            found = connection.getresponse()
            return Answered(found.status, {n.lower(): v for n, v in found.getheaders()}, found.read())
        finally:
            connection.close()

    def metric(self, series: str) -> float:
        """Value of one series of the metrics; 0 where there is none."""
        _, text = get(self.metrics_port, "/metrics") or (0, b"")
        lines = [line for line in text.decode().splitlines() if line.startswith(f"{series} ")]
        return float(lines[0].rpartition(" ")[2]) if lines else 0.0
