"""What another version of the registry changes: entries, for whom sources speak, who becomes a company or none."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import Any, NamedTuple

from schemas.clusters import Cluster
from schemas.registry_document import Institution, Registry


class Days(NamedTuple):
    """Days without a gap, both ends included; without an end, all that follow."""

    first: date
    last: date | None

    def holds(self, day: date) -> bool:
        """Whether the day is one of them."""
        return self.first <= day and (self.last is None or day <= self.last)

    def __str__(self) -> str:
        return f"from {self.first}" + (f" to {self.last}" if self.last else "")


class LostCluster(NamedTuple):
    """A source that spoke for a cluster on days on which it will not."""

    source: str
    slug: str
    listed: bool
    """Whether the source is in the registry at all."""
    days: tuple[Days, ...]
    instead: str = ""
    """The one cluster for which it speaks on those days and did not before."""
    renamed: bool = False
    """Whether `instead` is new in the registry, and the slug is in it no more: one cluster under another slug."""


class ClusterRequired(NamedTuple):
    """A source that spoke for one cluster on days on which it will speak for several: events have to name theirs."""

    source: str
    slugs: tuple[str, ...]
    days: tuple[Days, ...]


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
        found: dict[tuple[str, str, str], list[Days]] = {}
        for source, days, old, new in self._eras():
            gone, come = sorted({*old} - {*new}), sorted({*new} - {*old})
            instead = come[0] if len(gone) == len(come) == 1 else ""
            for slug in gone:
                found.setdefault((source, slug, instead), []).append(days)
        return [
            LostCluster(
                source,
                slug,
                self.after.by_source.knows(source),
                _joined(days),
                instead,
                bool(instead) and self._is_renamed(slug, instead),
            )
            for (source, slug, instead), days in sorted(found.items())
        ]

    @property
    def required(self) -> list[ClusterRequired]:
        """Sources whose events have to name their cluster from now on, on all days or on some."""
        found: dict[tuple[str, tuple[str, ...]], list[Days]] = {}
        for source, days, old, new in self._eras():
            if len(old) == 1 and len(new) > 1:
                found.setdefault((source, new), []).append(days)
        return [ClusterRequired(source, slugs, _joined(days)) for (source, slugs), days in sorted(found.items())]

    def _eras(self) -> Iterator[tuple[str, Days, tuple[str, ...], tuple[str, ...]]]:
        """Source, days without a change in them, and the clusters that it spoke for and will speak for on them."""
        if self.before is None:
            return
        old, new = self.before.by_source, self.after.by_source
        for source in sorted(old.sources):
            begins = sorted({*old.changes_of(source), *new.changes_of(source)})
            for first, following in pairwise((*begins, None)):
                assert first is not None  # noqa: S101  (for mypy: only the last one is None)
                last = None if following is None else following - timedelta(days=1)
                yield source, Days(first, last), old.slugs_of(source, first), new.slugs_of(source, first)

    def _is_renamed(self, slug: str, instead: str) -> bool:
        return (
            self.before is not None
            and slug not in self.after.by_source.names
            and instead not in self.before.by_source.names
        )

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
    return str(Days(span.valid_from, span.valid_to))


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


def _joined(days: list[Days]) -> tuple[Days, ...]:
    """The same days, in order, those that follow each other as one."""
    joined: list[Days] = []
    for one in days:
        if joined and joined[-1].last == one.first - timedelta(days=1):
            joined[-1] = Days(joined[-1].first, one.last)
        else:
            joined.append(one)
    return tuple(joined)
