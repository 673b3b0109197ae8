"""The dated registry of cluster organisations: who may publish for which cluster, and when.

A TOML file, one table a cluster and span:

    [[cluster]]
    slug = "food-bio"                            # in every figure; a-z, 0-9 and -
    name = "Food & Bio Cluster Denmark"
    valid_from = 2016-01-01                      # first day
    valid_to = 2024-12-31                        # last day, left out while the cluster exists
    sources = ["https://crm.foodbio.example"]    # the CRMs that speak for it

Programmes went from 38 clusters to 14, 13 and 11: no number and no name is a constant. A slug may be in several tables
when their spans do not overlap (a cluster that changed its CRM or its name). An edited registry acts on new records
only.
"""

from bisect import bisect_right
from collections.abc import Mapping
from datetime import date, timedelta
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from schemas.bounded_toml import MAX_BYTES, read_toml
from schemas.errors import UsageFault
from schemas.faults import Fault, fault
from schemas.own_files import read_within

BUNDLED: Final = "schemas/clusters.toml (bundled)"
_RESERVED: Final = ("all", "unknown")
"""Words that reports print in the place of a slug."""

_SHOWN: Final = 300
"""Characters of a value or message that are shown."""

_Text = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^\S(.*\S)?$")]
_Source = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[!-~]+$")]


class Cluster(BaseModel):
    """One cluster organisation in one span of days, both ends included."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    slug: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]
    name: _Text
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
    """Which cluster a source speaks for on a day. Immutable."""

    def __init__(self, clusters: tuple[Cluster, ...]) -> None:
        self.clusters: Final = clusters
        by_source: dict[str, list[Cluster]] = {}
        for cluster in clusters:
            for source in cluster.sources:
                by_source.setdefault(source, []).append(cluster)
        self._eras: Final = {source: _eras(of_source) for source, of_source in by_source.items()}

    @classmethod
    def load(cls, path: Path | None = None) -> Self:
        """Read a registry file; None reads the bundled sample.

        Raises:
            UsageFault: names the file, the cluster and what to do.
        """
        if path is None:
            return cls.read((files("schemas") / "clusters.toml").read_bytes(), BUNDLED)
        try:
            return cls.read(read_within(path, MAX_BYTES), str(path))
        except OSError as error:
            raise UsageFault(
                f"{path}: the cluster registry cannot be read ({error.strerror}); "
                "check CLUSTERTRACK_CLUSTERS, or leave it unset to use the bundled sample"
            ) from error

    @classmethod
    def read(cls, content: bytes, place: str) -> Self:
        """Read a registry from the bytes of its file; `place` is how errors name the file.

        Raises:
            UsageFault: names the file, the cluster and what to do.
        """
        try:
            tables = read_toml(content.decode("utf-8-sig").replace("\r\n", "\n"))
        except UnicodeDecodeError as error:
            raise UsageFault(f"{place}: not UTF-8 at byte {error.start}; save the file as UTF-8") from error
        except ValueError as error:
            raise UsageFault(
                f"{place}: not TOML: {str(error)[:_SHOWN]}; see the sample schemas/clusters.toml"
            ) from error
        return cls(_clusters(tables, place))

    def knows(self, source: str) -> bool:
        """Whether any cluster lists the source, on any day."""
        return source in self._eras

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
        eras = self._eras.get(source)
        if eras is None:
            return fault("source", "unknown_source", source)
        slugs = eras.slugs[bisect_right(eras.begins, day)]
        if wanted in slugs:
            return wanted
        if not slugs:
            return fault("data.occurred_on", "outside_cluster_span", day.isoformat())
        if wanted is not None:
            return fault("data.cluster", "not_a_cluster_of_source", wanted)
        return slugs[0] if len(slugs) == 1 else fault("data.cluster", "cluster_required")

    def clusters_in(self, year: int) -> tuple[Cluster, ...]:
        """Clusters that existed on some day of a calendar year, by slug; of several spans the last."""
        first, last = date(year, 1, 1), date(year, 12, 31)
        found = {
            c.slug: c
            for c in sorted(self.clusters, key=lambda c: c.valid_from)
            if c.valid_from <= last and (c.valid_to is None or c.valid_to >= first)
        }
        return tuple(found[slug] for slug in sorted(found))

    @cached_property
    def names(self) -> Mapping[str, str]:
        """Slug -> name; of several spans the last."""
        return {c.slug: c.name for c in sorted(self.clusters, key=lambda c: (c.slug, c.valid_from))}


def _clusters(tables: Mapping[str, Any], place: str) -> tuple[Cluster, ...]:
    unknown = sorted(set(tables) - {"cluster"})
    if unknown:
        raise UsageFault(f"{place}: unknown entry {unknown[0][:_SHOWN]!r}; the file holds [[cluster]] tables only")
    entries = tables.get("cluster")
    if not isinstance(entries, list) or not entries:
        raise UsageFault(f"{place}: no cluster; add a [[cluster]] table with slug, name, valid_from and sources")
    clusters = tuple(_cluster(entry, f"{place}: {_named(entry, number)}") for number, entry in enumerate(entries, 1))
    last: dict[str, Cluster] = {}
    for cluster in sorted(clusters, key=lambda c: (c.slug, c.valid_from)):
        before = last.get(cluster.slug)
        if before is not None and (before.valid_to is None or before.valid_to >= cluster.valid_from):
            end = "has no valid_to" if before.valid_to is None else f"ends on {before.valid_to}"
            raise UsageFault(
                f"{place}: cluster {cluster.slug!r} is listed twice and its spans overlap: the one from "
                f"{before.valid_from} {end}, the next begins on {cluster.valid_from}; end the first before the second "
                "begins, or rename one"
            )
        last[cluster.slug] = cluster
    return clusters


def _named(entry: object, number: int) -> str:
    slug = entry.get("slug") if isinstance(entry, dict) else None
    return f"cluster {slug[:_SHOWN]!r}" if isinstance(slug, str) else f"cluster number {number}"


_ADVICE: Final = {
    "slug": "write 1 to 60 of a-z and 0-9, parts joined by -",
    "name": "write the organisation's name in quotes",
    "valid_from": "write its first day without quotes, as valid_from = 2021-01-01",
    "valid_to": "write its last day without quotes, as valid_to = 2024-12-31, or leave it out",
    "sources": 'list the CRMs that publish for it as printed in their events, as sources = ["https://crm.example"]',
}


def _cluster(entry: object, place: str) -> Cluster:
    try:
        cluster = Cluster.model_validate(entry)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = str(first["loc"][0]) if first["loc"] else ""
        if first["type"] == "extra_forbidden":
            raise UsageFault(f"{place}: unknown entry {field[:_SHOWN]!r}; known are {', '.join(_ADVICE)}") from error
        what = (
            f"{field} is missing"
            if first["type"] == "missing"
            else f"{field} = {repr(first['input'])[:_SHOWN]} cannot be used"
        )
        raise UsageFault(f"{place}: {what}; {_ADVICE.get(field, 'write it as a [[cluster]] table')}") from error
    if cluster.slug in _RESERVED:
        raise UsageFault(f"{place}: reports use this word for something else; choose another slug")
    if cluster.valid_to is not None and cluster.valid_to < cluster.valid_from:
        raise UsageFault(f"{place}: valid_to {cluster.valid_to} is before valid_from {cluster.valid_from}; swap them")
    if len(set(cluster.sources)) != len(cluster.sources):
        raise UsageFault(f"{place}: a source is listed twice; list it once")
    return cluster
