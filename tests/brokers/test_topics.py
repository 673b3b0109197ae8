"""Topics on a real broker: created, compared, corrected; and their names."""

import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol

import pytest
from kafka import KafkaAdminClient

from brokers.connection import KafkaConnection
from brokers.explain import KafkaUnreachable
from brokers.topics import (
    COMPANIES,
    ENRICHED,
    EVENTS,
    KEYS,
    REGISTRY,
    REJECTED,
    TopicAdmin,
    TopicFault,
    TopicSpec,
    app_id,
    changelog_topic,
    topic_specs,
)

LEDGER = "3f0e7c1a-0000-4000-8000-000000000000"
APP = app_id("clustertrack", LEDGER)


class _Broker(Protocol):
    bootstrap: str


@pytest.fixture
def admin(kafka: _Broker) -> Iterator[TopicAdmin]:
    """An admin on the session's broker."""
    with TopicAdmin(KafkaConnection(kafka.bootstrap)) as found:
        yield found


@pytest.fixture
def specs() -> list[TopicSpec]:
    """The seven topics under names of this test's own."""
    prefix = uuid.uuid4().hex[:8]
    return [replace(spec, name=f"{prefix}.{spec.name}") for spec in topic_specs(APP, partitions=3)]


def test_names():
    """Group, app and changelog carry the ledger's id; the topics do not."""
    assert app_id("clustertrack", LEDGER) == f"clustertrack-{LEDGER}"
    assert [spec.name for spec in topic_specs(APP, partitions=1)] == [
        EVENTS, COMPANIES, REGISTRY, KEYS, ENRICHED, REJECTED, f"clustertrack-{LEDGER}-seen-changelog",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "policy", "kept_days", "largest"),
    [
        pytest.param(EVENTS, "delete", 30, 1_048_576, id="events"),
        pytest.param(COMPANIES, "compact", None, 1_048_576, id="companies"),
        pytest.param(REGISTRY, "compact", None, 1_048_576, id="registry"),
        pytest.param(KEYS, "compact", None, 1_048_576, id="keys"),
        pytest.param(ENRICHED, "delete", 30, 2_097_152, id="enriched"),
        pytest.param(REJECTED, "delete", 90, 2_097_152, id="rejected"),
        pytest.param(changelog_topic(APP), "compact", None, 1_048_576, id="changelog"),
    ],
)
def test_policies(name: str, policy: str, kept_days: int | None, largest: int):
    """Each topic keeps what the design says, for as long as it says."""
    specs = {spec.name: spec for spec in topic_specs(APP, partitions=12, replication_factor=3, min_insync_replicas=2)}
    spec = specs[name]
    assert (spec.partitions, spec.replication_factor) == (12, 3)
    assert spec.config["cleanup.policy"] == policy
    assert spec.config.get("retention.ms") == (str(kept_days * 86_400_000) if kept_days else None)
    assert spec.config["max.message.bytes"] == str(largest)
    assert spec.config["message.timestamp.type"] == "LogAppendTime"
    assert spec.config["min.insync.replicas"] == "2"


@pytest.mark.integration
def test_ensure(admin: TopicAdmin, specs: list[TopicSpec]):
    """Missing topics are created as specified; a second time there is nothing to do."""
    assert admin.differences(specs) == [f"Topic {spec.name} is missing." for spec in specs]
    assert admin.ensure(specs) == [f"Topic {spec.name} created with 3 partitions." for spec in specs]
    assert admin.differences(specs) == []
    assert admin.ensure(specs) == []
    states = admin.describe([spec.name for spec in specs])
    assert [state.partitions for state in states.values()] == [3] * 7
    assert len({uuid.UUID(state.topic_id) for state in states.values()}) == 7
    assert all(state.config["message.timestamp.type"] == "LogAppendTime" for state in states.values())


@pytest.mark.integration
def test_describe_leaves_out_what_is_missing(admin: TopicAdmin):
    """A topic that does not exist is left out, and asking does not create it."""
    name = f"absent-{uuid.uuid4().hex}"
    assert admin.describe([name]) == {}
    assert admin.describe([name]) == {}
    assert admin.describe([]) == {}


@pytest.mark.integration
def test_topics_that_a_broker_hears_of_late(admin: TopicAdmin, kafka: _Broker, specs: list[TopicSpec]):
    """On a cluster the broker that is asked may not know yet what another one created: the command waits for it."""
    admin.ensure(specs[:1])
    names = [spec.name for spec in specs[:2]]

    def make_the_other() -> None:
        time.sleep(0.5)
        with TopicAdmin(KafkaConnection(kafka.bootstrap)) as other:
            other.ensure(specs[1:2])

    making = threading.Thread(target=make_the_other)
    making.start()
    assert admin.await_described(names).keys() == set(names)
    making.join()


@pytest.mark.integration
def test_a_topic_that_never_shows_itself(kafka: _Broker):
    """After the time limit a sentence names it."""
    with TopicAdmin(KafkaConnection(kafka.bootstrap), timeout_ms=1500) as admin:
        name = f"absent-{uuid.uuid4().hex}"
        with pytest.raises(TopicFault, match=f"Topic {name} was created, but not every broker knows it"):
            admin.await_described([name])


@pytest.mark.integration
def test_configuration_is_corrected(admin: TopicAdmin, specs: list[TopicSpec]):
    """A configuration that differs is named and set; other keys of the topic stay as they are."""
    spec = specs[0]
    admin.ensure([replace(spec, config={**spec.config, "retention.ms": "1000", "segment.ms": "7200000"})])
    assert admin.differences([spec]) == [f"Topic {spec.name} has retention.ms=1000 instead of 2592000000."]
    assert admin.ensure([spec]) == [f"Topic {spec.name}: retention.ms set to 2592000000 (was 1000)."]
    state = admin.describe([spec.name])[spec.name]
    assert (state.config["retention.ms"], state.config["segment.ms"]) == ("2592000000", "7200000")


@pytest.mark.integration
def test_partitions_are_never_changed(admin: TopicAdmin, specs: list[TopicSpec]):
    """Another number of partitions is an error, before anything else is changed."""
    spec = specs[0]
    admin.ensure([spec])
    wanted = [replace(spec, partitions=6), specs[1]]
    sentence = (
        f"Topic {spec.name} has 3 partitions instead of 6, and the count is fixed for life: "
        "set CLUSTERTRACK_PARTITIONS=3, or delete it if it is new and empty."
    )
    assert admin.differences(wanted) == [sentence, f"Topic {specs[1].name} is missing."]
    with pytest.raises(TopicFault) as caught:
        admin.ensure(wanted)
    assert str(caught.value) == sentence
    assert list(admin.describe([spec.name, specs[1].name])) == [spec.name]


@pytest.mark.integration
def test_topic_recreated(admin: TopicAdmin, kafka: _Broker, specs: list[TopicSpec], wait_until):
    """A topic that was deleted and re-created has another id."""
    spec = specs[0]
    admin.ensure([spec])
    before = admin.describe([spec.name])[spec.name].topic_id
    raw = KafkaAdminClient(bootstrap_servers=[kafka.bootstrap])
    raw.delete_topics([spec.name])
    raw.close()
    wait_until(lambda: admin.describe([spec.name]) == {}, what="the topic to be gone")
    admin.ensure([spec])
    assert admin.describe([spec.name])[spec.name].topic_id != before


@pytest.mark.integration
def test_refused(admin: TopicAdmin, specs: list[TopicSpec]):
    """What Kafka refuses is reported with its reason: three replicas need three brokers."""
    with pytest.raises(TopicFault, match=r"cannot be created with 3 partitions and 3 replicas: .*replication factor"):
        admin.ensure([replace(specs[0], replication_factor=3)])


def test_unreachable():
    """Without a broker there is one sentence within the time limit."""
    started = time.monotonic()
    with pytest.raises(KafkaUnreachable, match=r"nothing listens on 127\.0\.0\.1:1: start Kafka"):
        TopicAdmin(KafkaConnection("127.0.0.1:1"), timeout_ms=500)
    assert time.monotonic() - started < 5
