"""`clustertrack migrate`: the ClickHouse schema, the ledger's id, the Kafka topics, and the ledger's record of them."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import click
from clickhouse_connect.driver.client import Client

from brokers.codecs import require_codecs
from brokers.offsets import KafkaOffsets
from brokers.topics import (
    COMPANIES,
    EVENTS,
    KEYS,
    READ,
    REGISTRY,
    TopicAdmin,
    TopicFault,
    TopicSpec,
    TopicState,
    app_id,
    topic_specs,
)
from clustertrack.settings import Settings, WorkerSettings, load_settings
from schemas.counts import counted
from schemas.errors import CheckFailed, UsageFault
from schemas.screen import note_reached, say
from sinks import catalog
from sinks.clickhouse import connect, explained
from sinks.guard import lost_receipts, older_than_commits
from sinks.migrator import migrate
from sinks.replaced import replaced, sentence


@dataclass(frozen=True)
class _Target:
    """What both directions, changing and checking, work on."""

    settings: Settings
    client: Client
    admin: TopicAdmin

    @property
    def database(self) -> str:
        return self.settings.clickhouse.database

    def specs(self, ledger: str | None) -> list[TopicSpec]:
        """The topics as they must be; without a ledger id the changelog is left out, since its name is unknown."""
        specs = topic_specs(
            app_id(self.settings.kafka.consumer_group, ledger or ""),
            partitions=self._partitions(),
            replication_factor=self.settings.worker.replication_factor,
            min_insync_replicas=self.settings.worker.min_insync_replicas,
        )
        return specs if ledger else specs[:-1]

    def recorded(self) -> dict[str, catalog.TopicRecord]:
        return catalog.topics(self.client, self.database) if catalog.exists(self.client, self.database) else {}

    def actual(self, names: Sequence[str]) -> dict[str, catalog.ActualTopic]:
        """Those of the topics that exist."""
        return _as_actual(self.admin.describe(names))

    def made(self, names: Sequence[str]) -> dict[str, catalog.ActualTopic]:
        """All of the topics, some of which were just created."""
        return _as_actual(self.admin.await_described(names))

    def _partitions(self) -> int:
        """The number asked for, else the one that the topics were created with."""
        if "partitions" in self.settings.worker.model_fields_set:
            return self.settings.worker.partitions
        recorded = self.recorded().get(EVENTS)
        if recorded is not None:
            return recorded.partitions
        existing = self.admin.describe([EVENTS]).get(EVENTS)
        return self.settings.worker.partitions if existing is None else existing.partitions


def _as_actual(states: Mapping[str, TopicState]) -> dict[str, catalog.ActualTopic]:
    return {
        name: catalog.ActualTopic(topic=name, topic_id=state.topic_id, partitions=state.partitions, config=state.config)
        for name, state in states.items()
    }


@click.command(epilog="\b\nExamples:\n  clustertrack migrate --partitions 4\n  clustertrack migrate --check")
@click.option("--check", is_flag=True, help="Change nothing; list the differences and exit with 1 if there are any.")
@click.option(
    "--partitions",
    type=click.IntRange(1, 10_000),
    help="Partitions of new topics; cannot be changed later. Default: as in existing topics, else "
    f"CLUSTERTRACK_PARTITIONS or {WorkerSettings.model_fields['partitions'].default}.",
)
@click.option(
    "--recreate",
    is_flag=True,
    help="Delete topics whose number of partitions was changed, with everything in them, and create them as they were.",
)
def command(*, check: bool, partitions: int | None, recreate: bool) -> None:
    """Create or update the ClickHouse schema and the Kafka topics. Running it again changes nothing."""
    if check and recreate:
        raise UsageFault("--check changes nothing and --recreate deletes topics: give one of them")
    settings = load_settings(worker=None if partitions is None else {"partitions": partitions})
    require_codecs()  # the newest committed record of each partition is read
    config = settings.clickhouse.connection()
    # The ledger's own database may not exist yet.
    with explained(config), connect(config, database="default") as client:
        note_reached("what was created is kept")
        lines = migrate(client, settings.clickhouse.database, check=check)
        with TopicAdmin(settings.kafka.connection()) as admin:
            target = _Target(settings, client, admin)
            if check:
                lines += _differences(target)
            else:
                if recreate:
                    lines += _delete_resized(target)
                lines += _bring_about(target, uuid.uuid4(), datetime.now(UTC))
    for line in lines:
        say(line)
    if check and lines:
        raise CheckFailed(f"{counted(len(lines), 'difference')}: see above, then run `clustertrack migrate`.")
    if not lines:
        say(f"Nothing to do: database {settings.clickhouse.database} and all topics are as they should be.")


_AGAIN: Final = {
    EVENTS: "publish them again",
    COMPANIES: "load the company register again",
    REGISTRY: "load the registry again",
    KEYS: "create new keys",
}


def _delete_resized(target: _Target) -> list[str]:
    """Deletes the topics that have other partitions than recorded; a line for each, with what is lost with it."""
    known = catalog.find_ledger_id(target.client, target.database) if target.recorded() else None
    if known is None:
        return []
    names = _resized(target.recorded(), target.actual([spec.name for spec in target.specs(known)]))
    lines = []
    for name in names:
        left = ""
        if name in READ:
            with KafkaOffsets(target.settings.kafka.connection()) as offsets:
                reading = offsets.read(app_id(target.settings.kafka.consumer_group, known), [name])
            if reading.workers:
                raise TopicFault(
                    f"Workers that are running: {reading.workers}. Stop them before {name} is deleted.", name
                )
            left = f", with {counted(reading.lag, 'record')} not counted: {_AGAIN[name]}"
        target.admin.delete(name)
        lines.append(f"Topic {name} deleted{left}.")
    return lines


def _bring_about(target: _Target, new_id: uuid.UUID, now: datetime) -> list[str]:
    """Gives the ledger its id, creates and fixes the topics, records them; a line for each change."""
    lines: list[str] = []
    recorded = target.recorded()
    known = catalog.find_ledger_id(target.client, target.database)
    # What is refused must change nothing.
    existing = target.specs(known)
    resized = _resized(recorded, target.actual([spec.name for spec in existing]))
    if resized:
        raise TopicFault(" ".join(resized.values()))
    target.admin.check_partitions(existing)
    outdated = None if known is None else _outdated(target, known, recorded)
    if known is not None and outdated is not None:
        catalog.withdraw_ledger_id(target.client, target.database, known)
    ledger = catalog.give_ledger_id(target.client, target.database, new_id, now)
    if outdated is not None:
        lines.append(f"{outdated}; with its new id {ledger} the workers read everything that Kafka still has again.")
    elif known is None:
        lines.append(f"Ledger {ledger} created in {target.database}.")
    specs = target.specs(ledger)
    lines += target.admin.ensure(specs)
    actual = target.made([spec.name for spec in specs])
    for spec in specs:
        again = spec.name == EVENTS and outdated is not None and outdated.replaced
        record = catalog.next_record(recorded.get(spec.name), actual[spec.name], spec.config, replaced=again)
        if record is None:
            continue
        catalog.record_topic(target.client, target.database, record, now)
        lines.append(_recorded_line(recorded.get(spec.name), record))
    return lines


@dataclass(frozen=True)
class _Outdated:
    """Why a ledger needs a new id."""

    why: str
    replaced: bool = False
    """Whether offsets of the events topic were given out again, so that it needs a new epoch too."""

    def __str__(self) -> str:
        return self.why


def _outdated(target: _Target, ledger: str, recorded: Mapping[str, catalog.TopicRecord]) -> _Outdated | None:
    """Why the commits of the ledger's group no longer say anything about this ledger, so that it needs a new id.

    They are about offsets of a topic that is gone, or about receipts that a restored ledger lacks.
    """
    actual = target.actual(READ)
    known = {name: recorded[name] for name in READ if name in recorded}
    for name, record in known.items():
        if name not in actual or actual[name].topic_id != record.topic_id:
            return _Outdated(f"Ledger {ledger} was filled from a topic {name} that is gone")
    if EVENTS not in known:
        return None
    with KafkaOffsets(target.settings.kafka.connection()) as offsets:
        progress = offsets.read(app_id(target.settings.kafka.consumer_group, ledger), [EVENTS]).progress
        asked = (target.client, target.database, offsets, progress, recorded[EVENTS].topic_epoch)
        lost, again = lost_receipts(*asked), replaced(*asked)
    if again:
        return _Outdated(sentence(again), replaced=True)
    return _Outdated(older_than_commits(lost)) if lost else None


def _differences(target: _Target) -> list[str]:
    """What `migrate` would change or refuse, apart from the schema; changes nothing."""
    ledger = None
    if catalog.exists(target.client, target.database):
        ledger = catalog.find_ledger_id(target.client, target.database)
    lines = [] if ledger else [f"Database {target.database} has no ledger id, and so no changelog topic."]
    specs = target.specs(ledger)
    recorded = target.recorded()
    outdated = _outdated(target, ledger, recorded) if ledger else None
    if outdated is not None:
        lines.append(f"{outdated}.")
    actual = target.actual([spec.name for spec in specs])
    resized = _resized(recorded, actual)
    lines += resized.values()
    others = [spec for spec in specs if spec.name not in resized]
    lines += target.admin.differences(others)
    for spec in others:
        if spec.name not in actual:
            continue
        record = catalog.next_record(recorded.get(spec.name), actual[spec.name], spec.config)
        if record is not None:
            lines.append(_unrecorded_line(recorded.get(spec.name), record))
    return lines


def _resized(recorded: Mapping[str, catalog.TopicRecord], actual: Mapping[str, catalog.ActualTopic]) -> dict[str, str]:
    """Name -> sentence of topics that got more partitions since they were recorded: companies moved within them."""
    return {
        name: f"Topic {name} was recorded with {counted(recorded[name].partitions, 'partition')} and now has "
        f"{topic.partitions}: the count is fixed for life. {catalog.RECREATE}"
        for name, topic in actual.items()
        if name in recorded
        and recorded[name].topic_id == topic.topic_id
        and recorded[name].partitions != topic.partitions
    }


def _recorded_line(before: catalog.TopicRecord | None, record: catalog.TopicRecord) -> str:
    if before is None:
        return f"Topic {record.topic} recorded: id {record.topic_id}, {counted(record.partitions, 'partition')}."
    if before.topic_epoch != record.topic_epoch:
        if before.topic_id == record.topic_id:
            return f"Topic {record.topic} is read again from its beginning, as epoch {record.topic_epoch}."
        return (
            f"Topic {record.topic} was deleted and re-created: its new id {record.topic_id} is recorded as "
            f"epoch {record.topic_epoch}."
        )
    return f"Topic {record.topic} recorded with its new policies."


def _unrecorded_line(before: catalog.TopicRecord | None, record: catalog.TopicRecord) -> str:
    if before is None:
        return f"Topic {record.topic} is not recorded."
    if before.topic_epoch != record.topic_epoch:
        return (
            f"Topic {record.topic} was deleted and re-created: its id is {record.topic_id}, "
            f"recorded is {before.topic_id}."
        )
    return f"Topic {record.topic} is recorded with other policies."
