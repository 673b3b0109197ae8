"""What a change of the registry would do, as far as the ledger can tell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from clickhouse_connect.driver.client import Client

from clustertrack.rejected.store import NOW, Wanted, count_open
from schemas.classifications import OTHER_FORMS
from schemas.registry_change import RegistryChange
from sinks.clickhouse import check_database_name

_UNKNOWN_SOURCE: Final = "unknown_source"


class ChangedCompany(NamedTuple):
    """A company whose kind changes, with its name in the register; empty where the register lacks it."""

    cvr: int
    name: str


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What the ledger says; `not_asked` says why it could not be asked, and then nothing else is known."""

    activities: Mapping[str, int] = field(default_factory=dict)
    """Source that loses a cluster -> activities that count; those without any are left out."""
    companies: Sequence[ChangedCompany] = ()
    """Of the ledger's activity, those that change kind on some days."""
    waiting: int = 0
    """Records rejected as unknown_source whose source the new version knows."""
    sources: Sequence[str] = ()
    """Theirs."""
    not_asked: str = ""


def effect_on_ledger(client: Client, database: str, change: RegistryChange) -> Effect:
    """Ask the ledger; raises what clickhouse-connect raises."""
    db = check_database_name(database)
    activities = client.query(
        f"SELECT toString(source), count() FROM {db}.activity FINAL WHERE source IN {{sources:Array(String)}} "  # noqa: S608  (an identifier; values are bound)
        "GROUP BY source",
        parameters={"sources": sorted({one.source for one in change.lost})},
    ).result_rows
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
        activities=dict(activities),
        companies=[ChangedCompany(cvr, name) for cvr, name in companies],
        waiting=sum(waiting.values()),
        sources=sorted(waiting),
    )
