"""What `registry load` says about a change: entries, what becomes of sources and companies, and what needs a yes."""

from collections.abc import Sequence
from typing import Any, Final

from clustertrack.registry_effect import Effect, Landed
from schemas.counts import counted, one_or_many
from schemas.registry_change import ClusterRequired, LostCluster, RegistryChange, as_dict, described
from schemas.visible import Lines, as_lines

SHOWN: Final = 20
"""Lines of each kind that are printed of a long change; JSON has all."""


def change_text(change: RegistryChange, effect: Effect) -> Lines:
    """The difference to the version in force, and what follows from it."""
    lines = ["no registry was loaded before"] if change.before is None else []
    for part in (
        [f"- {described(entry)}" for entry in change.removed],
        [f"+ {described(entry)}" for entry in change.added],
        [_lost(one, effect) for one in change.lost],
        [_required(one, effect) for one in change.required],
        [_kind(change, one.cvr, one.name) for one in effect.companies],
    ):
        lines += part[:SHOWN]
        if len(part) > SHOWN:
            lines.append(f"and {len(part) - SHOWN:,} more: --json has all")
    if effect.not_asked:
        lines.append(f"the ledger could not be asked what this changes: {effect.not_asked}")
    return as_lines(lines)


def harms_of(change: RegistryChange, effect: Effect) -> list[str]:
    """What somebody has to agree to, as parts of a sentence; none where nothing that is in use changes."""
    lost = [one for one in change.lost if effect.concerns(one)]
    renamed = len({one.slug for one in lost if one.renamed})
    losing = len({one.source for one in lost if not one.renamed})
    required = len({one.source for one in change.required if effect.concerns(one)})
    use = "that may have activity in the ledger" if effect.not_asked else "with activity in the ledger"
    harms = []
    if losing:
        they = one_or_many(losing, "it sends", "they send")
        harms.append(f"{counted(losing, 'source')} {use} would lose a cluster, and what {they} for it be rejected")
    if renamed:
        harms.append(f"{counted(renamed, 'cluster')} {use} would have another slug, and so be two in figures")
    if required:
        harms.append(f"{counted(required, 'source')} {use} would have to name its cluster in every event")
    return harms


def change_as_dict(
    file: str, change: RegistryChange, effect: Effect, *, dry_run: bool, harms: Sequence[str], landed: Landed | None
) -> dict[str, Any]:
    """The same for programs."""
    unknown = bool(effect.not_asked)
    return {
        "file": file,
        "changed": True,
        "dry_run": dry_run,
        "sent": landed is not None,
        "needs_yes": bool(harms),
        "revision": change.after.revision,
        "revision_before": change.before.revision if change.before else None,
        "revision_in_force": landed.newest if landed else change.before.revision if change.before else None,
        "removed": [as_dict(entry) for entry in change.removed],
        "added": [as_dict(entry) for entry in change.added],
        "lost": [_change_as_dict(one, effect) for one in change.lost],
        "cluster_required": [_change_as_dict(one, effect) for one in change.required],
        "companies_of_other_kind": None if unknown else [one._asdict() for one in effect.companies],
        "waiting": None if unknown else effect.waiting,
        "not_asked": effect.not_asked or None,
    }


def _change_as_dict(one: LostCluster | ClusterRequired, effect: Effect) -> dict[str, Any]:
    days = [{"from": str(days.first), "to": str(days.last) if days.last else None} for days in one.days]
    return {**one._asdict(), "days": days, "activities": None if effect.not_asked else effect.of(one)}


def _lost(one: LostCluster, effect: Effect) -> str:
    days = " and ".join(map(str, one.days))
    if not one.listed:
        text = f"{one.source} loses cluster {one.slug}: it is listed no more"
    elif one.renamed:
        text = (
            f"cluster {one.slug} becomes {one.instead} for {one.source} {days}: figures show what was counted as "
            f"{one.slug} apart and without a name, and an event that names it is rejected; keep the slug to keep one "
            "cluster"
        )
    elif one.instead:
        text = f"{one.source} speaks for {one.instead} in place of {one.slug} {days}"
    else:
        text = f"{one.source} loses cluster {one.slug} {days}"
    return text + _activities(effect.of(one), "of that cluster and those days ")


def _required(one: ClusterRequired, effect: Effect) -> str:
    clusters = f"{', '.join(one.slugs[:-1])} and {one.slugs[-1]}"
    days = " and ".join(map(str, one.days))
    text = f"{one.source} speaks for {clusters} {days}: an event without `cluster` is rejected as cluster_required"
    return text + _activities(effect.of(one), "of those days ")


def _activities(number: int, which: str) -> str:
    return f" ({counted(number, 'activity', 'activities')} {which}in the ledger)" if number else ""


def _kind(change: RegistryChange, cvr: int, name: str) -> str:
    days = change.days_listed(cvr)
    who = f"{cvr:08d} {name}".rstrip()
    kind = f"other {', '.join(days)}" if days else "a company"
    return f"{who} changes kind: {kind}"
