"""What another version of the registry changes: entries, sources that lose a cluster, who becomes a company or none."""

from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from schemas.clusters import Cluster, ClusterRegistry
from schemas.registry_document import Institution, Registry


class LostCluster(NamedTuple):
    """A source that spoke for a cluster on days on which it will not."""

    source: str
    slug: str
    listed: bool
    """Whether the source is in the registry at all."""


@dataclass(frozen=True)
class RegistryChange:
    """From the version in force, if there is one, to another."""

    before: Registry | None
    after: Registry

    @property
    def is_empty(self) -> bool:
        """Whether both say the same."""
        return self.before is not None and self.before.content == self.after.content

    @property
    def removed(self) -> list[Cluster | Institution]:
        """Entries that are not in the new version; a changed one is removed and added."""
        return _less(self.before, self.after)

    @property
    def added(self) -> list[Cluster | Institution]:
        """Entries that are new."""
        return _less(self.after, self.before)

    @property
    def lost(self) -> list[LostCluster]:
        """Sources that lose a cluster, on all days or on some."""
        if self.before is None:
            return []
        old, new = self.before.by_source, self.after.by_source
        return [
            LostCluster(source, slug, new.knows(source))
            for source in sorted(old.sources)
            for slug in _lost_by(source, old, new)
        ]

    @property
    def institutions(self) -> list[int]:
        """CVR numbers that are listed on other days than before."""
        old = set(self.before.institutions) if self.before else set()
        return sorted({one.cvr for one in old ^ set(self.after.institutions)})

    def days_listed(self, cvr: int) -> list[str]:
        """The spans in which the new version lists an institution."""
        return [spelled(one) for one in sorted(self.after.institutions, key=_first_day) if one.cvr == cvr]


def described(entry: Cluster | Institution) -> str:
    """An entry in a line."""
    if isinstance(entry, Institution):
        return f"institution {entry.cvr:08d}, {spelled(entry)}: {entry.reason}"
    english = f" ({entry.name_en})" if entry.name_en else ""
    return f"cluster {entry.slug}, {entry.name}{english}, {spelled(entry)}: {', '.join(entry.sources)}"


def spelled(span: Cluster | Institution) -> str:
    """The days of an entry."""
    return f"from {span.valid_from}" + (f" to {span.valid_to}" if span.valid_to else "")


def as_dict(entry: Cluster | Institution) -> dict[str, Any]:
    """An entry as JSON types."""
    return entry.model_dump(mode="json")


def _first_day(entry: Cluster | Institution) -> date:
    return entry.valid_from


def _less(one: Registry | None, other: Registry | None) -> list[Cluster | Institution]:
    if one is None:
        return []
    clusters = set(one.clusters) - set(other.clusters if other else ())
    institutions = set(one.institutions) - set(other.institutions if other else ())
    return [
        *sorted(clusters, key=lambda cluster: (cluster.slug, cluster.valid_from)),
        *sorted(institutions, key=lambda institution: (institution.cvr, institution.valid_from)),
    ]


def _lost_by(source: str, old: ClusterRegistry, new: ClusterRegistry) -> list[str]:
    days = {*old.changes_of(source), *new.changes_of(source)}
    return sorted({slug for day in days for slug in old.slugs_of(source, day) if slug not in new.slugs_of(source, day)})
