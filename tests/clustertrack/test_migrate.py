"""`clustertrack migrate` against the real Kafka and the real ClickHouse engine."""

import uuid
from collections.abc import Callable, Iterator
from typing import Protocol

import pytest
from click.testing import CliRunner, Result
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from brokers.connection import KafkaConnection
from brokers.explain import KafkaUnreachable
from brokers.topics import COMPANIES, ENRICHED, EVENTS, KEYS, REGISTRY, REJECTED, TopicAdmin, TopicFault, app_id
from clustertrack.cli import root
from schemas.errors import CheckFailed, UsageFault
from sinks import catalog
from sinks.clickhouse import ClickHouse, ClickHouseUnreachable, connect
from sinks.migrator import load

TOPICS = (EVENTS, COMPANIES, REGISTRY, KEYS, ENRICHED, REJECTED)
Run = Callable[..., Result]


class _Broker(Protocol):
    bootstrap: str


class _Server(Protocol):
    host: str
    port: int


def run_with(environment: dict[str, str]) -> Run:
    def run(*arguments: str, **more: str) -> Result:
        return CliRunner().invoke(root, ["migrate", *arguments], env={**environment, **more})

    return run


@pytest.fixture
def environment(kafka: _Broker, clickhouse: _Server, database: str) -> dict[str, str]:
    """Settings that name the session's servers and this test's database."""
    return {
        "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap,
        "CLICKHOUSE_HOST": clickhouse.host,
        "CLICKHOUSE_PORT": str(clickhouse.port),
        "CLICKHOUSE_DATABASE": database,
    }


@pytest.fixture
def run(environment: dict[str, str]) -> Run:
    """Runs `clustertrack migrate` with some arguments."""
    return run_with(environment)


@pytest.fixture
def config(clickhouse: _Server, database: str) -> ClickHouse:
    """Where this test's ledger is."""
    return ClickHouse(host=clickhouse.host, port=clickhouse.port, database=database)


@pytest.fixture
def raw(kafka: _Broker) -> Iterator[KafkaAdminClient]:
    """A client of Kafka that does what an operator might."""
    client = KafkaAdminClient(bootstrap_servers=[kafka.bootstrap])
    yield client
    client.close()


def changelog(config: ClickHouse) -> str:
    with connect(config) as client:
        return f"{app_id('clustertrack', catalog.ledger_id(client, config.database))}-seen-changelog"


@pytest.mark.integration
def test_everything(run: Run, config: ClickHouse):
    """A new ledger gets schema, id and topics, all recorded; a second time there is nothing to do."""
    first = run()
    assert first.exit_code == 0, first.output
    lines = first.stdout.splitlines()
    assert [f"{item.file} applied to {config.database}." for item in load()] == lines[: len(load())]
    with connect(config) as client:
        ledger = catalog.ledger_id(client, config.database)
        recorded = catalog.topics(client, config.database)
    assert f"Ledger {uuid.UUID(ledger)} created in {config.database}." in lines
    assert set(recorded) == {*TOPICS, changelog(config)}
    assert {record.topic_epoch for record in recorded.values()} == {0}
    assert len({record.partitions for record in recorded.values()}) == 1
    assert recorded[EVENTS].config["message.timestamp.type"] == "LogAppendTime"
    again = run()
    assert again.stdout == f"Nothing to do: database {config.database} and all topics are as they should be.\n"
    check = run("--check")
    assert (check.exit_code, check.stdout) == (0, again.stdout)


@pytest.mark.integration
def test_check_changes_nothing(run: Run, config: ClickHouse):
    """A check of an empty database lists what is missing, ends with 1 and leaves the database empty."""
    result = run("--check")
    assert isinstance(result.exception, CheckFailed)
    lines = result.stdout.splitlines()
    assert lines[: len(load())] == [f"{item.file} is not applied to {config.database}." for item in load()]
    assert f"Database {config.database} has no ledger id, and so no changelog topic." in lines
    with connect(config) as client:
        assert client.query("SHOW TABLES").result_rows == []


@pytest.mark.integration
def test_topic_recreated(run: Run, config: ClickHouse, raw: KafkaAdminClient, wait_until):
    """A topic that was deleted and re-created becomes the next epoch, and is reported."""
    run()
    name = changelog(config)
    raw.delete_topics([name])
    wait_until(lambda: name not in raw.list_topics(), what="the topic to be gone")
    missing = run("--check")
    assert missing.stdout == f"Topic {name} is missing.\n"
    result = run()
    assert result.exit_code == 0, result.output
    with connect(config) as client:
        former, record = catalog.epochs(client, config.database, name)
    assert (former.topic_epoch, record.topic_epoch) == (0, 1)
    assert result.stdout.splitlines() == [
        f"Topic {name} created with {record.partitions} partitions.",
        f"Topic {name} was deleted and re-created: its new id {record.topic_id} is recorded as epoch 1.",
    ]
    assert run("--check").exit_code == 0


@pytest.mark.integration
def test_recreated_by_others(run: Run, config: ClickHouse, kafka: _Broker, raw: KafkaAdminClient, wait_until):
    """A topic that somebody else re-created is a difference until it is recorded."""
    run()
    name = changelog(config)
    with TopicAdmin(KafkaConnection(kafka.bootstrap)) as admin:
        state = admin.describe([name])[name]
        raw.delete_topics([name])
        wait_until(lambda: not admin.describe([name]), what="the topic to be gone")
        kept = ("cleanup.policy", "max.message.bytes", "message.timestamp.type", "min.insync.replicas")
        configs = {key: state.config[key] for key in kept}
        topic = {"num_partitions": state.partitions, "replication_factor": 1, "configs": configs}
        raw.create_topics({name: topic}, wait_for_metadata=True)
        new = admin.describe([name])[name]
    assert run("--check").stdout == (
        f"Topic {name} was deleted and re-created: its id is {new.topic_id}, recorded is {state.topic_id}.\n"
    )
    assert run().stdout == (
        f"Topic {name} was deleted and re-created: its new id {new.topic_id} is recorded as epoch 1.\n"
    )


@pytest.mark.integration
def test_policy_is_corrected(run: Run, config: ClickHouse, kafka: _Broker, raw: KafkaAdminClient, wait_until):
    """A policy that somebody changed is a difference, and is set again."""
    run()
    name = changelog(config)
    raw.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, configs={"cleanup.policy": "delete"})])
    with TopicAdmin(KafkaConnection(kafka.bootstrap)) as admin:
        wait_until(lambda: admin.describe([name])[name].config["cleanup.policy"] == "delete", what="the policy")
    assert run("--check").stdout == f"Topic {name} has cleanup.policy=delete instead of compact.\n"
    assert run().stdout == f"Topic {name}: cleanup.policy set to compact (was delete).\n"


@pytest.mark.integration
def test_grown_topic(run: Run, config: ClickHouse, kafka: _Broker, raw: KafkaAdminClient, wait_until):
    """More partitions than recorded are an error that no setting hides."""
    run()
    name = changelog(config)
    with connect(config) as client:
        before = catalog.topics(client, config.database)[name]
    raw.create_partitions({name: before.partitions + 1})
    with TopicAdmin(KafkaConnection(kafka.bootstrap)) as admin:
        wait_until(lambda: admin.describe([name])[name].partitions > before.partitions, what="the new partition")
    sentence = f"Topic {name} was recorded with {before.partitions} partitions and now has {before.partitions + 1}"
    assert run("--check").stdout.startswith(sentence)
    result = run()
    assert isinstance(result.exception, TopicFault)
    assert sentence in str(result.exception)


@pytest.mark.integration
def test_another_number_of_partitions(run: Run, config: ClickHouse):
    """A number of partitions that the topics do not have is refused, and nothing is changed."""
    run()
    with connect(config) as client:
        partitions = catalog.topics(client, config.database)[EVENTS].partitions
    result = run("--partitions", str(partitions + 1))
    assert isinstance(result.exception, TopicFault)
    assert f"Topic {EVENTS} has {partitions} partitions instead of {partitions + 1}" in str(result.exception)
    assert run("--check").exit_code == 0


@pytest.mark.integration
def test_kafka_unreachable(run: Run):
    """Without Kafka the schema is made, and one sentence says what is missing."""
    result = run(KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1")
    assert isinstance(result.exception, KafkaUnreachable)
    assert result.exception.exit_code == 3


def test_clickhouse_unreachable():
    """Without ClickHouse nothing is touched, and one sentence says what to do."""
    result = run_with({"CLICKHOUSE_PORT": "1", "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"})()
    assert isinstance(result.exception, ClickHouseUnreachable)
    assert result.exception.exit_code == 3


def test_database_name():
    """A database name that cannot be used is refused with the variable's name, before any server is asked."""
    result = run_with({"CLICKHOUSE_DATABASE": "a;b", "CLICKHOUSE_PORT": "1"})()
    assert isinstance(result.exception, UsageFault)
    assert "CLICKHOUSE_DATABASE" in str(result.exception)


def test_help():
    """The help shows an example."""
    result = CliRunner().invoke(root, ["migrate", "--help"])
    assert "clustertrack migrate --check" in result.stdout
