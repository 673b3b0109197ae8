"""`clustertrack registry load`: clusters and institutions to Kafka."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

from brokers import topics
from clustertrack.registry import find_registry, registry_of_file
from clustertrack.registry_effect import Effect, effect_on_ledger
from clustertrack.settings import Settings, load_settings
from schemas.counts import counted
from schemas.errors import CheckFailed, ClustertrackError, UsageFault
from schemas.registry_change import LostCluster, RegistryChange, as_dict, described
from schemas.registry_document import SAMPLE, Registry, read_sample
from schemas.screen import say, show
from schemas.visible import json_lines
from sinks.clickhouse import open_ledger
from sources.publisher import SourceLine, kafka_publisher

_SHOWN: Final = 20
"""Lines of each kind that are printed of a long change; JSON has all."""
_EXAMPLE: Final = "Example: clustertrack registry load registry.toml --dry-run"


@click.group(epilog=_EXAMPLE)
def command() -> None:
    """Load the registry of clusters and institutions."""


@command.command(epilog=_EXAMPLE)
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path), required=False)
@click.option("--sample", is_flag=True, help="Instead of FILE: the bundled sample, unless a registry is in force.")
@click.option("--dry-run", is_flag=True, help="Show what would change; send nothing.")
@click.option("--yes", is_flag=True, help="Also where a source that is in use loses a cluster.")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def load(file: Path | None, *, sample: bool, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Send the registry in FILE (TOML) to Kafka, as a new version that is in force at once.

    FILE states all clusters with their sources, and all public knowledge institutions: what it lacks is in force no
    more. Workers follow without a restart; records that came before stay as they were decided. Whether a company
    counts as one is decided by each report, by the registry as it was known then. Loading the same content again
    changes nothing.
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
    if not as_json:
        _show(change, effect)
    if not (dry_run or yes):
        _require_harmless(named, change, effect)
    if not dry_run:
        with kafka_publisher(kafka, topics.REGISTRY) as publisher:
            publisher.send(change.after.key, change.after.to_json(), SourceLine(named, 1))
            publisher.flush()
    if as_json:
        show(json_lines(_as_dict(named, change, effect, dry_run=dry_run)))
    else:
        _say_done(named, change, effect, dry_run=dry_run)


def _ms(instant: datetime) -> int:
    return round(instant.timestamp() * 1000)


def _effect(settings: Settings, change: RegistryChange) -> Effect:
    """What the ledger says about the change; a reason instead, where it cannot be asked."""
    try:
        with open_ledger(settings.clickhouse.connection()) as client:
            return effect_on_ledger(client, settings.clickhouse.database, change)
    except ClustertrackError as error:
        return Effect(not_asked=str(error))


def _require_harmless(file: str, change: RegistryChange, effect: Effect) -> None:
    """Raise CheckFailed where a source that is in use would lose a cluster."""
    used = [one for one in change.lost if effect.not_asked or one.source in effect.activities]
    if used:
        sources = counted(len({one.source for one in used}), "source")
        raise CheckFailed(
            f"{file}: {sources} with activity in the ledger would lose a cluster, "
            "and what they send for it would be rejected; nothing was sent: correct the file, or repeat with --yes"
        )


def _show(change: RegistryChange, effect: Effect) -> None:
    if change.before is None:
        say("no registry was loaded before")
    _list([f"- {described(entry)}" for entry in change.removed])
    _list([f"+ {described(entry)}" for entry in change.added])
    _list([_lost(one, effect) for one in change.lost])
    _list([f"{one.cvr:08d} {one.name} changes kind: {_kind(change, one.cvr)}" for one in effect.companies])
    if effect.not_asked:
        say(f"the ledger could not be asked what this changes: {effect.not_asked}")


def _list(lines: Sequence[str]) -> None:
    for line in lines[:_SHOWN]:
        say(line)
    if len(lines) > _SHOWN:
        say(f"and {len(lines) - _SHOWN:,} more: --json has all")


def _lost(one: LostCluster, effect: Effect) -> str:
    text = f"{one.source} loses cluster {one.slug}" + (" on some days" if one.listed else ": it is listed no more")
    count = effect.activities.get(one.source, 0)
    return f"{text} ({count:,} activities in the ledger)" if count else text


def _kind(change: RegistryChange, cvr: int) -> str:
    days = change.days_listed(cvr)
    return f"other {', '.join(days)}" if days else "a company"


def _say_unchanged(file: str, before: Registry, *, as_json: bool) -> None:
    if as_json:
        show(json_lines({"file": file, "changed": False, "revision": before.revision}))
    else:
        say(f"{file}: nothing changed; the registry of {_instant(before.revision)} stays in force")


def _say_done(file: str, change: RegistryChange, effect: Effect, *, dry_run: bool) -> None:
    after = change.after
    institutions = len({one.cvr for one in after.institutions})
    what = f"{counted(len(after.by_source.names), 'cluster')}, {counted(institutions, 'institution')}"
    if dry_run:
        say(f"{file}: {what} would be in force; nothing was sent")
    else:
        say(f"{file}: {what} in force from now on, as revision {after.revision}")
    if effect.waiting:
        which = "" if len(effect.sources) > _SHOWN else "".join(f" --source {source}" for source in effect.sources)
        records = counted(effect.waiting, "record")
        say(
            f"{records} rejected as unknown_source can be replayed {'then' if dry_run else 'now'}: "
            f"clustertrack rejected replay --reason unknown_source{which} --note 'registry loaded'"
        )


def _as_dict(file: str, change: RegistryChange, effect: Effect, *, dry_run: bool) -> dict[str, Any]:
    return {
        "file": file,
        "changed": True,
        "dry_run": dry_run,
        "revision": change.after.revision,
        "revision_before": change.before.revision if change.before else None,
        "removed": [as_dict(entry) for entry in change.removed],
        "added": [as_dict(entry) for entry in change.added],
        "lost": [
            {**one._asdict(), "activities": None if effect.not_asked else effect.activities.get(one.source, 0)}
            for one in change.lost
        ],
        "companies_of_other_kind": None if effect.not_asked else [one._asdict() for one in effect.companies],
        "waiting": None if effect.not_asked else effect.waiting,
        "not_asked": effect.not_asked or None,
    }


def _instant(revision: int) -> str:
    return datetime.fromtimestamp(revision / 1000, UTC).isoformat(timespec="milliseconds")
