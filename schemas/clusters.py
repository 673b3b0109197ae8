"""Which cluster organisation a source speaks for, and when. The registry as a whole is in `schemas.registry_document`.

Programmes went from 38 clusters to 14, 13 and 11: no number and no name is a constant. A slug may be listed several
times when its spans do not overlap (a cluster that changed its CRM or its name).
"""

from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta
from functools import cached_property
from typing import Annotated, Final, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from schemas.faults import Fault, fault

Text = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^\S(.*\S)?$")]
"""One line without blanks around it."""
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]
"""Names a cluster, in every figure."""
_Source = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[!-~]+$")]


class Cluster(BaseModel):
    """One cluster organisation in one span of days, both ends included."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    slug: Slug
    name: Text
    """In Danish, as it calls itself."""
    name_en: Text | None = None
    """In English, where that is another one."""
    valid_from: date
    valid_to: date | None = None
    sources: Annotated[tuple[_Source, ...], Field(min_length=1, strict=False)]

    def holds(self, day: date) -> bool:
        """Whether the day lies in the span."""
        return self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)


class _Eras(NamedTuple):
    """The clusters of one source in the course of time."""

    begins: list[date]
    """Days on which a cluster begins, or no longer exists; one fewer than there are eras."""
    slugs: list[tuple[str, ...]]
    """Of each era, in the order of the alphabet."""


def _eras(clusters: list[Cluster]) -> _Eras:
    ends = {cluster.valid_to + timedelta(days=1) for cluster in clusters if cluster.valid_to not in (None, date.max)}
    begins = sorted({cluster.valid_from for cluster in clusters} | ends)
    return _Eras(begins, [(), *(tuple(sorted(c.slug for c in clusters if c.holds(day))) for day in begins)])


class ClusterRegistry:
    """Which cluster a source speaks for on a day. Immutable.

    Args:
        clusters: those of one version of the registry.
        revision: of that version; every decision names it.
    """

    def __init__(self, clusters: tuple[Cluster, ...], revision: int = 0) -> None:
        self.clusters: Final = clusters
        self.revision: Final = revision
        by_source: dict[str, list[Cluster]] = {}
        for cluster in clusters:
            for source in cluster.sources:
                by_source.setdefault(source, []).append(cluster)
        self._eras: Final = {source: _eras(of_source) for source, of_source in by_source.items()}

    def knows(self, source: str) -> bool:
        """Whether any cluster lists the source, on any day."""
        return source in self._eras

    @property
    def sources(self) -> Collection[str]:
        """All sources that are listed, on any day."""
        return self._eras.keys()

    def slugs_of(self, source: str, day: date) -> tuple[str, ...]:
        """Clusters that the source speaks for on a day, in the order of the alphabet."""
        eras = self._eras.get(source)
        return () if eras is None else eras.slugs[bisect_right(eras.begins, day)]

    def ever_speaks_for(self, source: str, slug: str) -> bool:
        """Whether the cluster lists the source, on any day."""
        eras = self._eras.get(source)
        return eras is not None and any(slug in slugs for slugs in eras.slugs)

    def changes_of(self, source: str) -> Sequence[date]:
        """Days from which on a source speaks for other clusters than the day before."""
        eras = self._eras.get(source)
        return () if eras is None else eras.begins

    def resolve(self, source: str, day: date, wanted: str | None) -> str | Fault:
        """Slug of the cluster that the source speaks for on a day.

        Args:
            source: the event's source.
            day: the day of the activity.
            wanted: the cluster that the event names, None when it names none.

        Returns:
            A slug, or the fault `unknown_source`, `outside_cluster_span`, `cluster_required` or
            `not_a_cluster_of_source`.
        """
        if source not in self._eras:
            return fault("source", "unknown_source", source)
        slugs = self.slugs_of(source, day)
        if wanted in slugs:
            return wanted
        if not slugs:
            return fault("data.occurred_on", "outside_cluster_span", day.isoformat())
        if wanted is not None:
            return fault("data.cluster", "not_a_cluster_of_source", wanted)
        return slugs[0] if len(slugs) == 1 else fault("data.cluster", "cluster_required")

    @cached_property
    def names(self) -> Mapping[str, str]:
        """Slug -> name; of several spans the last."""
        return {c.slug: c.name for c in sorted(self.clusters, key=lambda c: (c.slug, c.valid_from))}
