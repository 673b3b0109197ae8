"""The Kafka topics: their names, their policies, and how they are created and checked.

    CheckFailed
    └── TopicFault    a topic cannot be used, created or changed; `topic` names it

`brokers.explain` covers what else can go wrong with Kafka.

All topics of one pipeline have the same number of partitions, fixed for life: a company's partition is murmur2(CVR)
modulo that number, in the events, the enriched events and the changelog of marks alike.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self

from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import (
    AuthorizationError,
    GroupAuthorizationFailedError,
    RetriableError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
    for_code,
)

from brokers.admin import CheckedAdmin
from brokers.attempts import attempts
from brokers.connection import KafkaConnection
from brokers.explain import KafkaUnreachable, await_usable, explained, failed, needing, not_allowed, right
from schemas.counts import counted
from schemas.errors import CheckFailed

EVENTS: Final = "activity.events.v1"
COMPANIES: Final = "companies.v1"
REGISTRY: Final = "registry.v1"
KEYS: Final = "keys.v1"
ENRICHED: Final = "activity.enriched.v1"
REJECTED: Final = "activity.rejected.v1"
READ: Final = (EVENTS, COMPANIES, REGISTRY, KEYS)
"""The topics that workers read and carry into the ledger."""

DAY_MS: Final = 24 * 60 * 60 * 1000
EVENTS_KEPT_DAYS: Final = 30
ENRICHED_KEPT_DAYS: Final = 30
REJECTED_KEPT_DAYS: Final = 90
"""As long as the rows of the table `rejected`."""

MEBIBYTE: Final = 1024 * 1024
EVENT_BYTES: Final = 1 * MEBIBYTE
DERIVED_BYTES: Final = 2 * MEBIBYTE
"""Enriched and rejected records hold the original and more, so the largest event must fit with room to spare."""

TIMEOUT_MS: Final = 10_000

CONNECT_PAUSE: Final = 0.1
"""Seconds between two looks at a change."""


class TopicFault(CheckFailed):
    """A topic cannot be used, created or changed; `topic` is its name, empty if there are several."""

    def __init__(self, message: str, topic: str = "") -> None:
        super().__init__(message)
        self.topic = topic


@dataclass(frozen=True, kw_only=True)
class TopicSpec:
    """What a topic must be like; `config` holds Kafka's own keys and values."""

    name: str
    partitions: int
    replication_factor: int = 1
    config: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TopicState:
    """What a topic is like: its UUID as text, its number of partitions and replicas, all of its configuration."""

    topic_id: str
    partitions: int
    replicas: int
    config: Mapping[str, str]


def app_id(group: str, ledger_id: str) -> str:
    """Name of the worker's consumer group and Faust app. A new ledger has a new one, and so starts at the beginning."""
    return f"{group}-{ledger_id}"


def changelog_topic(app_id: str) -> str:
    """Name of the topic behind the table of marks, as Faust builds it: app, table, `changelog`."""
    return f"{app_id}-seen-changelog"


def worker_rights(app_id: str) -> dict[str, tuple[str, ...]]:
    """Topic -> operations that a worker needs on it."""
    return {
        EVENTS: ("Read", "Write", "DescribeConfigs"),
        COMPANIES: ("Read", "DescribeConfigs"),
        REGISTRY: ("Read", "DescribeConfigs"),
        KEYS: ("Read", "DescribeConfigs"),
        ENRICHED: ("Write", "DescribeConfigs"),
        REJECTED: ("Write", "DescribeConfigs"),
        changelog_topic(app_id): ("Read", "Write", "DescribeConfigs"),
    }


COLLECTOR_RIGHTS: Final[Mapping[str, tuple[str, ...]]] = {EVENTS: ("Write",), REGISTRY: ("Read",), KEYS: ("Read",)}
"""Topic -> operations that a collector needs on it."""


def topic_specs(
    app_id: str, *, partitions: int, replication_factor: int = 1, min_insync_replicas: int = 1
) -> list[TopicSpec]:
    """The six topics and the changelog of one ledger."""

    def kept(days: int, largest: int) -> dict[str, str]:
        # Without retention.bytes a broker's own limit could delete events that nobody has read.
        return {
            "cleanup.policy": "delete",
            "retention.ms": str(days * DAY_MS),
            "retention.bytes": "-1",
            "max.message.bytes": str(largest),
            "message.timestamp.type": "LogAppendTime",
        }

    compacted = {
        "cleanup.policy": "compact",
        "max.message.bytes": str(EVENT_BYTES),
        "message.timestamp.type": "LogAppendTime",
    }
    configs: dict[str, dict[str, str]] = {
        EVENTS: kept(EVENTS_KEPT_DAYS, EVENT_BYTES),
        COMPANIES: compacted,
        REGISTRY: compacted,
        KEYS: compacted,
        ENRICHED: kept(ENRICHED_KEPT_DAYS, DERIVED_BYTES),
        REJECTED: kept(REJECTED_KEPT_DAYS, DERIVED_BYTES),
        changelog_topic(app_id): compacted,
    }
    return [
        TopicSpec(
            name=name,
            partitions=partitions,
            replication_factor=replication_factor,
            config={**config, "min.insync.replicas": str(min_insync_replicas)},
        )
        for name, config in configs.items()
    ]


class TopicAdmin:
    """Reads and creates topics with kafka-python's admin client; use it in a `with` block.

    Every method raises KafkaUnreachable when no broker can be used within `timeout_ms`, and CheckFailed or TopicFault
    for a right that the user lacks and for anything else that Kafka refuses.
    """

    def __init__(self, kafka: KafkaConnection, *, timeout_ms: int = TIMEOUT_MS) -> None:
        self._kafka = kafka
        self._timeout_ms = timeout_ms
        await_usable(kafka, timeout_ms / 1000)
        with explained(kafka):
            self._admin = CheckedAdmin.connect(kafka, timeout_ms=timeout_ms)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        del kind, error, trace
        self.close()

    def close(self) -> None:
        """Closes the connections; nothing is pending after a method has returned."""
        self._admin.close()

    def sizes(self, names: Sequence[str]) -> dict[str, tuple[str, int]]:
        """The UUID, as text, and the number of partitions of those of the topics that exist."""
        with explained(self._kafka):
            found = self._found(names).items()
            return {name: (str(topic["topic_id"]), len(topic["partitions"])) for name, topic in found}

    def delete(self, name: str) -> None:
        """Delete a topic with all that it holds; returns when the broker no longer knows it."""
        with explained(self._kafka):
            [answer] = self._admin.delete_topics([name], timeout_ms=self._timeout_ms, raise_errors=False)["topics"]
            error = failed(answer["error_code"], answer.get("error_message"))
            if error is not None:
                raise needing(error, "Delete", "topic", name)
        for more in self._attempts():
            if name not in self.sizes([name]):
                return
            if not more:
                raise TopicFault(f"Topic {name} is still being deleted: run it again.", name)

    def describe(self, names: Sequence[str]) -> dict[str, TopicState]:
        """State of those of the topics that exist."""
        if not names:
            return {}
        with explained(self._kafka):
            found = self._found(names)
            resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in found]
            configs = self._admin.describe_configs(resources, config_filter="all")["topic"] if found else {}
        return {
            name: TopicState(
                topic_id=str(topic["topic_id"]),
                partitions=len(topic["partitions"]),
                replicas=len(topic["partitions"][0]["replica_nodes"]),
                config={key: str(entry["value"]) for key, entry in configs[name].items()},
            )
            for name, topic in found.items()
            if configs.get(name)  # else Kafka was just creating or deleting it
        }

    def await_described(self, names: Sequence[str]) -> dict[str, TopicState]:
        """State of all of the topics, which were just created: other brokers than the one that created them learn of it
        later.

        Raises:
            TopicFault: for one that does not appear in time.
        """
        states: dict[str, TopicState] = {}
        for more in self._attempts():
            try:
                states = self.describe(names)
            except KafkaUnreachable:  # also from a broker that does not know the topic yet
                if not more:
                    raise
            if states.keys() >= {*names}:
                return states
        missing = next(name for name in names if name not in states)
        raise TopicFault(f"Topic {missing} was created, but not every broker knows it yet: run it again.", missing)

    def differences(self, specs: Sequence[TopicSpec]) -> list[str]:
        """Sentences about what differs from what is required; changes nothing."""
        states = self.describe([spec.name for spec in specs])
        lines: list[str] = []
        for spec in specs:
            state = states.get(spec.name)
            if state is None:
                lines.append(f"Topic {spec.name} is missing.")
                continue
            if state.partitions != spec.partitions:
                lines.append(partitions_differ(spec, state))
            lines += [
                f"Topic {spec.name} has {key}={state.config.get(key)} instead of {wanted}."
                for key, wanted in _differing(spec, state).items()
            ]
        return lines

    def check_partitions(self, specs: Sequence[TopicSpec]) -> dict[str, TopicState]:
        """State of those of the topics that exist; raises TopicFault when one has another number of partitions."""
        states = self.describe([spec.name for spec in specs])
        wrong = [
            partitions_differ(spec, states[spec.name])
            for spec in specs
            if spec.name in states and states[spec.name].partitions != spec.partitions
        ]
        if wrong:
            more = f" The same holds for {counted(len(wrong) - 1, 'more topic')}." if len(wrong) > 1 else ""
            raise TopicFault(wrong[0] + more)
        return states

    def ensure(self, specs: Sequence[TopicSpec]) -> list[str]:
        """Creates missing topics, sets configurations that differ, and returns a line for each change.

        Never changes a number of partitions: a difference raises TopicFault before anything is changed.
        """
        states = self.check_partitions(specs)
        lines: list[str] = []
        for spec in specs:
            state = states.get(spec.name)
            if state is None:
                self._create(spec)
                lines.append(f"Topic {spec.name} created with {counted(spec.partitions, 'partition')}.")
                continue
            changes = _differing(spec, state)
            if changes:
                self._alter(spec, changes)
            lines += [
                f"Topic {spec.name}: {key} set to {wanted} (was {state.config.get(key)})."
                for key, wanted in changes.items()
            ]
        return lines

    def missing_rights(self, needed: Mapping[str, Sequence[str]], group: str | None = None) -> list[str]:
        """Rights that the user lacks, in words: of those on topics, and Read on the consumer group if there is one.

        What Kafka does not report (a topic that does not exist, a group that has no members yet) is not among them.
        """
        lacking = []
        with explained(self._kafka):
            for topic in self._admin.describe_topics(list(needed)):
                hidden = for_code(topic["error_code"]) is TopicAuthorizationFailedError
                allowed = [] if hidden else topic["authorized_operations"]
                if allowed is None or (topic["error_code"] and not hidden):
                    continue
                have = {_spelled(operation) for operation in allowed}
                lacking += [right(each, "topic", topic["name"]) for each in needed[topic["name"]] if each not in have]
            allowed = self._group_operations(group) if group else None
        if group and allowed and "READ" not in map(str, allowed):
            lacking.append(right("Read", "group", group))
        return lacking

    def _group_operations(self, group: str) -> list[str] | None:
        """Operations that the user may do with the group; a new cluster takes a moment before it can hold groups."""
        for more in self._attempts():
            try:
                allowed: list[str] | None = self._admin.describe_groups([group])[group].get("authorized_operations")
            except GroupAuthorizationFailedError:
                return ["NONE"]
            except RetriableError:
                if not more:
                    raise
            else:
                return allowed
        return None

    def _attempts(self) -> Iterator[bool]:
        return attempts(self._timeout_ms / 1000, CONNECT_PAUSE)

    def _found(self, names: Sequence[str]) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for topic in self._admin.describe_topics(list(names)):
            error = for_code(topic["error_code"])
            if error is UnknownTopicOrPartitionError:
                continue
            if topic["error_code"] and issubclass(error, RetriableError | AuthorizationError):
                raise needing(error(), "Describe", "topic", topic["name"])
            if topic["error_code"]:
                raise TopicFault(f"Kafka does not describe topic {topic['name']}: {error.__name__}.", topic["name"])
            found[topic["name"]] = topic
        return found

    def _create(self, spec: TopicSpec) -> None:
        request = {
            "num_partitions": spec.partitions,
            "replication_factor": spec.replication_factor,
            "configs": dict(spec.config),
        }
        with explained(self._kafka):
            result = self._admin.create_topics({spec.name: request}, timeout_ms=self._timeout_ms, raise_errors=False)
            [answer] = result["topics"]
            error = for_code(answer["error_code"])
            if answer["error_code"] and error is not TopicAlreadyExistsError:
                if issubclass(error, RetriableError | AuthorizationError):
                    raise needing(error(answer["error_message"]), "Create", "topic", spec.name)
                raise TopicFault(
                    f"Topic {spec.name} cannot be created with {counted(spec.partitions, 'partition')} and "
                    f"{counted(spec.replication_factor, 'replica')}: {answer['error_message'] or error.__name__}",
                    spec.name,
                )
            self._admin.wait_for_topics([spec.name], timeout_ms=self._timeout_ms)

    def _alter(self, spec: TopicSpec, changes: Mapping[str, str]) -> None:
        resource = ConfigResource(ConfigResourceType.TOPIC, spec.name, configs=dict(changes))
        with explained(self._kafka):
            answer = self._admin.alter_configs([resource])["topic"][spec.name]
        if "Authorization" in answer:
            raise not_allowed(self._kafka, right("AlterConfigs", "topic", spec.name))
        if answer != "OK":
            raise TopicFault(f"Topic {spec.name} refuses {', '.join(changes)}: {answer}", spec.name)
        # The controller answers before the brokers know: a worker that starts at once would still see the old policy.
        for more in self._attempts():
            if not _differing(spec, self.describe([spec.name])[spec.name]):
                return
            if not more:
                raise TopicFault(f"Topic {spec.name} did not apply {', '.join(changes)}: run it again.", spec.name)


def partitions_differ(spec: TopicSpec, state: TopicState) -> str:
    """One sentence about a number of partitions that is not the wanted one."""
    return (
        f"Topic {spec.name} has {counted(state.partitions, 'partition')} instead of {spec.partitions}, and the count "
        f"is fixed for life: set CLUSTERTRACK_PARTITIONS={state.partitions}, or delete it if it is new and empty."
    )


def _spelled(operation: object) -> str:
    """An operation as ACLs are usually written: DESCRIBE_CONFIGS is DescribeConfigs."""
    return "".join(part.capitalize() for part in str(operation).split("_"))


def _differing(spec: TopicSpec, state: TopicState) -> dict[str, str]:
    return {key: wanted for key, wanted in spec.config.items() if state.config.get(key) != wanted}
