"""The rights that docs/operators.md lists are enough, and each is needed, on a broker that denies all others."""

import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner
from free_ports import free_ports
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType
from samples import event
from secured import Secured, acl

from brokers.topics import COMPANIES, ENRICHED, EVENTS, REGISTRY, app_id
from clustertrack.cli import root
from schemas.registry_document import read_sample
from sinks import catalog
from sinks.clickhouse import ClickHouse, connect

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"\| (\w+) \| ([A-Za-z, ]+) \| (topic|group) `([^`*]+)(\*?)` \|")
SPELLED = {"DescribeConfigs": "DESCRIBE_CONFIGS", "AlterConfigs": "ALTER_CONFIGS"}
VERBS = {
    "publisher": [["publish", "events.jsonl"]],
    "loader": [["companies", "load", "companies.csv"], ["registry", "load", "registry.toml"]],
    "issuer": [["keys", "create", "--cluster", "food-bio"], ["keys", "list"]],
    "collector": [["collector", "--check"]],
    "worker": [["worker", "--check"]],
    "reader": [["status"], ["reconcile"]],
    "migrator": [["migrate"], ["migrate", "--check"]],
}


class Right(NamedTuple):
    """One ACL of the table."""

    user: str
    operation: str
    kind: str
    name: str
    prefix: bool

    def acl(self) -> Any:
        """As Kafka's own."""
        operation = SPELLED.get(self.operation, self.operation.upper())
        return acl(self.user, operation, self.kind.upper(), self.name, prefix=self.prefix)


def listed() -> list[Right]:
    """The rights of the table in docs/operators.md."""
    rows = ROW.findall((ROOT / "docs" / "operators.md").read_text())
    return [
        Right(user, operation, kind, name, bool(star))
        for user, operations, kind, name, star in rows
        for operation in operations.split(", ")
    ]


RIGHTS = listed()
MISSING = [right for right in RIGHTS if right.user != "migrator" or right.operation == "Describe"]
"""A migrator that has nothing to make or alter needs no right for it, and AlterConfigs includes DescribeConfigs."""


@pytest.fixture(scope="module")
def ledger(secured: Secured, clickhouse: Any) -> Iterator[dict[str, str]]:
    """Settings of a ledger that was migrated by a user who has the listed rights and no other."""
    name = "rights"
    settings = {
        "CLICKHOUSE_HOST": clickhouse.host,
        "CLICKHOUSE_PORT": str(clickhouse.port),
        "CLICKHOUSE_DATABASE": name,
        "CLUSTERTRACK_PARTITIONS": "2",
    }
    grant(secured, "migrator")
    run = CliRunner().invoke(root, ["migrate"], env={**settings, **secured.settings("migrator")})
    assert run.exit_code == 0, f"{run.output} {run.exception}"
    producer = KafkaProducer(**secured.admin.for_kafka_python())
    producer.send(EVENTS, event(13748136, "first"))
    producer.send(COMPANIES, b"{}", key=b"13748136/2020-01-01")
    producer.send(REGISTRY, read_sample(1).to_json(), key=b"1")
    producer.close()
    yield settings
    clickhouse.execute(f"DROP DATABASE {name}")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with files to publish and to load."""
    (tmp_path / "events.jsonl").write_bytes(event(13748136, "one") + b"\n")
    (tmp_path / "companies.csv").write_text((ROOT / "examples" / "companies.csv").read_text())
    another = f'[[cluster]]\nslug = "food-bio"\nname = "{uuid.uuid4()}"\nvalid_from = 2020-01-01\nsources = ["urn:c"]\n'
    (tmp_path / "registry.toml").write_text(another)  # what is in force already would not be sent
    monkeypatch.chdir(tmp_path)
    return tmp_path


def grant(secured: Secured, user: str, *, but: Right | None = None) -> None:
    """The user's listed rights, and nobody else's."""
    secured.forbid_all()
    wanted = [right.acl() for right in RIGHTS if right.user == user and right != but]
    if wanted:
        secured.allow(wanted)


def run(arguments: list[str], settings: Mapping[str, str]) -> Any:
    """The verb within this process."""
    return CliRunner().invoke(root, arguments, env=dict(settings))


@pytest.mark.parametrize(
    ("user", "arguments"),
    [pytest.param(user, each, id=" ".join(each)) for user, verbs in VERBS.items() for each in verbs],
)
def test_the_listed_rights_are_enough(secured: Secured, ledger, folder, user, arguments):
    """Every verb works with the rights of its row, on a broker that denies everything else."""
    grant(secured, user)
    answer = run(arguments, {**ledger, **secured.settings(user), "CLUSTERTRACK_DATA_DIR": str(folder)})

    assert answer.exit_code == 0, f"{answer.output} {answer.exception}"


@pytest.mark.parametrize("missing", [pytest.param(right, id=f"{right[0]} {right[1]} {right[3]}") for right in MISSING])
def test_a_missing_right_is_named(secured: Secured, ledger, folder, missing: Right):
    """Without one of its rights a verb names the user, the right and the resource, and does not blame the broker."""
    grant(secured, missing.user, but=missing)
    settings = {**ledger, **secured.settings(missing.user), "CLUSTERTRACK_DATA_DIR": str(folder)}
    answers = [run(arguments, settings) for arguments in VERBS[missing.user]]
    said = [str(answer.exception) for answer in answers if answer.exit_code != 0]

    assert said, f"{missing} is listed, and nothing needs it"
    named = [text for text in said if missing.operation in text and f"{missing.kind} '{missing.name}" in text]
    assert named, said
    assert "cannot be used" not in "".join(said)


def test_a_replay_only_writes(secured: Secured, ledger):
    """What docs/operators.md says that `rejected replay` needs is enough: it reads nothing from the topic."""
    row = (EVENTS, 0, 0, 1, datetime.now(UTC), "crm", [("source", "unknown_source", "crm")], event(13748136, "again"))
    names = ("topic", "topic_epoch", "partition", "offset", "log_time", "source", "faults", "payload")
    config = ClickHouse(
        host=ledger["CLICKHOUSE_HOST"], port=int(ledger["CLICKHOUSE_PORT"]), database=ledger["CLICKHOUSE_DATABASE"]
    )
    with connect(config) as client:
        client.insert("rejected", [row], column_names=names)
    secured.forbid_all()
    secured.allow([acl("replayer", operation, "TOPIC", EVENTS) for operation in ("WRITE", "DESCRIBE_CONFIGS")])
    answer = run(["rejected", "replay", "--all"], {**ledger, **secured.settings("replayer")})

    assert (answer.exit_code, answer.stdout.splitlines()[-1:]) == (0, ["replayed 1 record"]), answer.exception


@pytest.mark.parametrize("operation", ["Create", "AlterConfigs"])
def test_what_migrate_has_to_do_and_may_not(secured: Secured, ledger, folder, operation):
    """A topic that has to be made, a policy that has to be set: the right for it is named."""
    del folder
    settings = {**ledger, **secured.settings("migrator")}
    name = "clustertrack-" if operation == "Create" else "activity."
    grant(secured, "migrator", but=Right("migrator", operation, "topic", name, prefix=True))
    if operation == "Create":  # another ledger has another changelog
        settings["CLICKHOUSE_DATABASE"] = "rights_of_another"
    else:
        grant(secured, "migrator")
        admin = KafkaAdminClient(**secured.admin.for_kafka_python())
        resource = ConfigResource(ConfigResourceType.TOPIC, ENRICHED, configs={"retention.ms": "1000000"})
        admin.alter_configs([resource])
        admin.close()
        secured.forbid_all()
        secured.allow([right.acl() for right in RIGHTS if right.user == "migrator" and right.operation != operation])
    answer = run(["migrate"], settings)
    grant(secured, "migrator")
    assert run(["migrate"], settings).exit_code == 0

    assert answer.exit_code == 1
    assert f"user 'migrator' lacks the right {operation} on topic '{name}" in str(answer.exception)


def test_a_worker_counts_with_its_rights_and_no_more(secured: Secured, ledger, folder, wait_until):
    """One worker, from the events to the ledger, with the rights of its rows."""
    grant(secured, "worker")
    settings = {**ledger, **secured.settings("worker"), "CLUSTERTRACK_DATA_DIR": str(folder), "METRICS_PORT": "0"}
    config = ClickHouse(
        host=ledger["CLICKHOUSE_HOST"], port=int(ledger["CLICKHOUSE_PORT"]), database=ledger["CLICKHOUSE_DATABASE"]
    )
    settings["METRICS_PORT"] = str(free_ports(1)[0])
    ours = ("KAFKA_", "CLICKHOUSE_", "CLUSTERTRACK_", "METRICS_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)} | settings
    log = folder / "worker.log"
    with log.open("wb") as output, connect(config) as client:
        group = app_id("clustertrack", catalog.ledger_id(client, config.database))
        assert group.startswith("clustertrack-")
        worker = subprocess.Popen(
            [sys.executable, "-m", "clustertrack", "worker"], env=environment, stdout=output, stderr=output
        )
        try:
            wait_until(
                lambda: client.query("SELECT count() FROM receipt").result_rows[0][0] > 0 or worker.poll() is not None,
                90,
                "the receipt",
            )
            assert worker.poll() is None, log.read_text()
        finally:
            worker.terminate()
            worker.wait(30)
