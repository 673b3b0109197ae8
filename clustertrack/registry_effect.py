"""What a change of the registry would do, as far as the ledger can tell."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final, NamedTuple

from clickhouse_connect.driver.client import Client

from clustertrack.rejected.store import NOW, Wanted, count_open
from schemas.classifications import OTHER_FORMS
from schemas.registry_change import ClusterRequired, LostCluster, RegistryChange
from schemas.registry_document import Registry
from sinks.clickhouse import check_database_name

_UNKNOWN_SOURCE: Final = "unknown_source"


class ChangedCompany(NamedTuple):
    """A company whose kind changes, with its name in the register; empty where the register lacks it."""

    cvr: int
    name: str


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What the ledger says; `not_asked` says why it could not be asked, and then nothing else is known."""

    activities: Mapping[str, Mapping[tuple[str, date], int]] = field(default_factory=dict)
    """Of sources that speak for other clusters: cluster and day -> activities that count."""
    companies: Sequence[ChangedCompany] = ()
    """Of the ledger's activity, those that change kind on some days."""
    waiting: int = 0
    """Records rejected as unknown_source whose source the new version knows."""
    sources: Sequence[str] = ()
    """Theirs."""
    not_asked: str = ""

    def of(self, change: LostCluster | ClusterRequired) -> int:
        """How many activities the ledger counts of a source on the days of a change; of one that is lost, for it."""
        slugs = (change.slug,) if isinstance(change, LostCluster) else None
        return sum(
            number
            for (slug, day), number in self.activities.get(change.source, {}).items()
            if (slugs is None or slug in slugs) and any(days.holds(day) for days in change.days)
        )

    def concerns(self, change: LostCluster | ClusterRequired) -> bool:
        """Whether somebody has to agree to a change: it is one of activity that there is, or is probably to come."""
        if self.not_asked:
            return True
        # A cluster ends in time. That a source has to name its cluster, its operators have to be told first.
        return self.of(change) > 0 if isinstance(change, LostCluster) else bool(self.activities.get(change.source))


class Landed(NamedTuple):
    """What the topic says after a version was sent."""

    newest: int
    """Revision of the version in force."""
    in_force: bool
    """Whether it is the one that was sent."""
    arrived: bool
    """Whether workers read the one that was sent."""
    between: tuple[int, ...]
    """Revisions that were loaded after the version compared with, and are before the one that was sent."""


def landed_among(versions: Iterable[Registry], change: RegistryChange) -> Landed:
    """What became of the new version of a change, by all versions on the topic after it was sent."""
    ours, before = change.after, change.before.revision if change.before else -1
    newest: Registry | None = None
    arrived, between = False, set()
    for one in versions:
        arrived = arrived or one == ours
        if newest is None or one.revision > newest.revision:  # of equal ones the first, as workers take it
            newest = one
        if before < one.revision < ours.revision:
            between.add(one.revision)
    return Landed(newest.revision if newest else before, newest == ours, arrived, tuple(sorted(between)))


def effect_on_ledger(client: Client, database: str, change: RegistryChange) -> Effect:
    """Ask the ledger; raises what clickhouse-connect raises."""
    db = check_database_name(database)
    activities: dict[str, dict[tuple[str, date], int]] = {}
    sources = {one.source for one in change.lost} | {one.source for one in change.required}
    for source, slug, day, number in client.query(
        "SELECT toString(source), toString(cluster), occurred_on, count() "  # noqa: S608  (an identifier; values are bound)
        f"FROM {db}.activity FINAL WHERE source IN {{sources:Array(String)}} GROUP BY ALL",
        parameters={"sources": sorted(sources)},
    ).result_rows:
        activities.setdefault(source, {})[slug, day] = number
    # A public body is none either way.
    companies = client.query(
        "SELECT company_id, max(name) FROM ("  # noqa: S608  (as above)
        f"SELECT company_id, '' AS name FROM {db}.activity FINAL WHERE company_id IN {{cvrs:Array(UInt32)}} UNION ALL "
        f"SELECT company_id, argMax(name, (valid_from, revision)) FROM {db}.company_version "
        "WHERE company_id IN {cvrs:Array(UInt32)} GROUP BY company_id) "
        f"WHERE company_id NOT IN (SELECT company_id FROM {db}.company_at(as_at = today(), known = {{known:String}}) "
        "WHERE legal_form IN {forms:Array(String)}) GROUP BY company_id ORDER BY company_id",
        parameters={"cvrs": change.institutions, "forms": sorted(OTHER_FORMS), "known": NOW},
    ).result_rows
    rejected = client.query(
        f"SELECT DISTINCT toString(source) FROM {db}.rejected WHERE reason = {{reason:String}} "  # noqa: S608  (as above)
        "AND source IN {sources:Array(String)}",
        parameters={"reason": _UNKNOWN_SOURCE, "sources": sorted(change.after.by_source.sources)},
    ).result_rows
    waiting = {
        source: count
        for (source,) in rejected
        if (count := count_open(client, database, Wanted(reasons=[_UNKNOWN_SOURCE], sources=[source])).records)
    }
    return Effect(
        activities=activities,
        companies=[ChangedCompany(cvr, name) for cvr, name in companies],
        waiting=sum(waiting.values()),
        sources=sorted(waiting),
    )
