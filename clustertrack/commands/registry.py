"""`clustertrack registry load`: clusters and institutions to Kafka."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from brokers import topics
from brokers.connection import KafkaConnection
from clustertrack.registry import find_registry, read_versions, registry_of_file
from clustertrack.registry_effect import Effect, Landed, effect_on_ledger, landed_among
from clustertrack.registry_text import SHOWN, change_as_dict, change_text, harms_of
from clustertrack.settings import Settings, load_settings
from schemas.counts import counted
from schemas.errors import CheckFailed, ClustertrackError, UsageFault
from schemas.registry_change import RegistryChange
from schemas.registry_document import SAMPLE, Registry, read_sample
from schemas.screen import say, show
from schemas.visible import json_lines
from sinks.clickhouse import open_ledger
from sources.publisher import SourceLine, kafka_publisher

_EXAMPLE: Final = "Example: clustertrack registry load registry.toml --dry-run"


@click.group(epilog=_EXAMPLE)
def command() -> None:
    """Load the registry of clusters and institutions."""


@command.command(short_help="Put the registry in a TOML file in force.", epilog=_EXAMPLE)
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path), required=False)
@click.option("--sample", is_flag=True, help="Instead of FILE: the bundled sample, unless a registry is in force.")
@click.option("--dry-run", is_flag=True, help="Show what would change; send nothing.")
@click.option(
    "--yes",
    is_flag=True,
    help="Load even if sources in use lose a cluster or have to name one.",
)
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def load(file: Path | None, *, sample: bool, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Send the registry in FILE (TOML) to Kafka, as a new version that is in force at once.

    FILE states all clusters with their sources, and all public knowledge institutions: anything missing from it is no
    longer in force. Workers follow without a restart; records that came before stay as they were decided. Whether a
    company counts as one is decided by each report, by the registry as it was known then. Loading the same content
    again changes nothing.
    """
    if (file is None) != sample:
        raise UsageFault("name the file with the registry, or give --sample")
    settings = load_settings()
    kafka = settings.kafka.connection()
    new = read_sample() if file is None else registry_of_file(file)  # before anything else is asked
    named = SAMPLE if file is None else str(file)
    before = find_registry(kafka)
    # Also in force where the clock is behind the one of who loaded the last version.
    revision = max(_ms(datetime.now(UTC)), before.revision + 1 if before else 0)
    change = RegistryChange(before, new.model_copy(update={"revision": revision}))
    if before is not None and (sample or change.is_empty):
        _say_unchanged(named, before, as_json=as_json)
        return
    effect = _effect(settings, change)
    harms = harms_of(change, effect)
    if not as_json:
        show(change_text(change, effect))
    stopped = bool(harms) and not (dry_run or yes)
    landed = None if dry_run or stopped else _send(kafka, change, named)
    if as_json:
        show(json_lines(change_as_dict(named, change, effect, dry_run=dry_run, harms=harms, landed=landed)))
    if stopped:
        raise CheckFailed(f"{named}: {'; '.join(harms)}; nothing was sent: correct the file, or repeat with --yes")
    if landed is not None:
        _require_in_force(named, change.after, landed)
    if not as_json:
        _say_done(named, change, effect, harms=harms, landed=landed)


def _send(kafka: KafkaConnection, change: RegistryChange, named: str) -> Landed:
    """Send the new version, and look at what is in force then."""
    with kafka_publisher(kafka, topics.REGISTRY) as publisher:
        publisher.send(change.after.key, change.after.to_json(), SourceLine(named, 1))
        publisher.flush()
    return landed_among(read_versions(kafka), change)


def _require_in_force(named: str, ours: Registry, landed: Landed) -> None:
    """Raise CheckFailed where what was sent is not in force."""
    if not landed.arrived:
        raise CheckFailed(
            f"{named}: workers do not take what was sent, as the clock of this machine is more than a minute ahead of "
            "Kafka's; set the clock and repeat the command"
        )
    if not landed.in_force:
        raise CheckFailed(
            f"{named}: sent as revision {ours.revision}, but revision {landed.newest} is in force, which somebody else "
            "loaded meanwhile; look at the difference with --dry-run, then load again what is right"
        )


def _ms(instant: datetime) -> int:
    return round(instant.timestamp() * 1000)


def _effect(settings: Settings, change: RegistryChange) -> Effect:
    """What the ledger says about the change; a reason instead, where it cannot be asked."""
    try:
        with open_ledger(settings.clickhouse.connection()) as client:
            return effect_on_ledger(client, settings.clickhouse.database, change)
    except ClustertrackError as error:
        return Effect(not_asked=str(error))


def _say_unchanged(file: str, before: Registry, *, as_json: bool) -> None:
    if as_json:
        show(json_lines({"file": file, "changed": False, "revision": before.revision}))
    else:
        say(f"{file}: nothing changed; the registry of {_instant(before.revision)} stays in force")


def _say_done(
    file: str, change: RegistryChange, effect: Effect, *, harms: Sequence[str], landed: Landed | None
) -> None:
    after = change.after
    institutions = len({one.cvr for one in after.institutions})
    what = f"{counted(len(after.by_source.names), 'cluster')}, {counted(institutions, 'institution')}"
    if landed is None:
        needs = f"; loading it needs --yes: {'; '.join(harms)}" if harms else ""
        say(f"{file}: {what} would be in force; nothing was sent{needs}")
    else:
        say(f"{file}: {what} in force from now on, as revision {after.revision}")
        if landed.between:
            say(
                f"somebody else loaded revision {', '.join(map(str, landed.between))} meanwhile, which is not in force "
                "any more, and with which this one was not compared"
            )
    if effect.waiting:
        which = "" if len(effect.sources) > SHOWN else "".join(f" --source {source}" for source in effect.sources)
        records = counted(effect.waiting, "record")
        say(
            f"{records} rejected as unknown_source can be replayed {'then' if landed is None else 'now'}: "
            f"clustertrack rejected replay --reason unknown_source{which} --note 'registry loaded'"
        )


def _instant(revision: int) -> str:
    return datetime.fromtimestamp(revision / 1000, UTC).isoformat(timespec="milliseconds")
