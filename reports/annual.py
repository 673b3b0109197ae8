"""Reads the annual report from the ledger's parameterised views.

Every query binds its parameters, and all of them read the same instant `known`. The figures and their clusters come
from one query, so that a report printed while records arrive is consistent. How they are counted is in the view
`impact_annual_figures`, which `impact_annual`, `impact_annual_as_known` and `impact_cluster` read as well.
"""

from collections import Counter
from collections.abc import Mapping as MappingOf
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Final, NamedTuple

from clickhouse_connect.driver.client import Client

from reports.as_known import FIRST_YEAR, is_provisional, known_instant, report_day
from reports.model import (
    FIGURES,
    AllNotCounted,
    AnnualReport,
    ClusterFigures,
    ClusterNotCounted,
    Figures,
    Mapping,
    NationalFigures,
    PreviousYear,
)
from reports.waiting import read_waiting
from schemas.indicators import DERIVED, HELPED, PIPELINE_VERSION

BY_CLUSTER: Final = """
SELECT outcome, level = 'national unique', cluster,
       companies, companies_under_50, companies_unknown_size, participants_other, reported_companies, derived_companies,
       companies_without_register_row
FROM impact_annual_figures(year = {year:UInt16}, known = {known:DateTime64(3, 'UTC')})
"""
"""National figures and those of every cluster; the counts are in the order of the fields of Figures."""

PREVIOUS: Final = """
SELECT outcome, companies FROM impact_annual_as_known(year = {year:UInt16} - 1, known = {known:DateTime64(3, 'UTC')})
"""
NAMES: Final = "SELECT cluster, name FROM cluster_known(known = {known:DateTime64(3, 'UTC')}) ORDER BY valid_from"
BEGINS: Final = "SELECT min(known_at), count() FROM activity_revision"


class _Row(NamedTuple):
    """One figure: of the whole country, or of a cluster."""

    outcome: str
    cluster: str | None
    figures: Figures
    unregistered: int


def annual_report(
    client: Client, year: int, *, now: datetime, mapping: Mapping, as_known_on: date | datetime | None = None
) -> AnnualReport:
    """The annual statistics of `year` from the database that `client` is connected to.

    Args:
        client: its answers are read as UTC.
        year: calendar year in Copenhagen.
        now: decides what has not ended or not begun.
        mapping: is printed with the figures.
        as_known_on: count what was known by the end of this day in Copenhagen, or at this instant.

    Raises:
        UsageFault: for a day or instant that is not over.
        Exception: what clickhouse-connect raises for a server that fails.
    """
    last = date(year, 12, 31)
    known = known_instant(as_known_on, now)
    day = report_day(as_known_on, now)
    bound = {
        "year": str(year),
        "first": date(year, 1, 1).isoformat(),
        "last": last.isoformat(),
        "known": _instant(known),
    }
    rows = _read_rows(client, bound)
    begins = _ledger_begins(client)
    return AnnualReport(
        year=year,
        as_known_on=as_known_on,
        size_as_at=last,
        provisional=is_provisional(year, day),
        begun=day.year >= year,
        known_since=begins if begins is not None and begins <= known else None,
        ledger_begins=begins,
        **_national(rows),
        clusters=_clusters(rows),
        mapping=mapping,
        not_counted=_not_counted(rows, read_waiting(client, bound)),
        previous_year=_previous(client, year, bound),
    )


def published_mapping() -> Mapping:
    """The mapping of this version of the product: types of event from which an outcome follows."""
    return Mapping(version=PIPELINE_VERSION, derived={name: outcomes for name, outcomes in DERIVED.items() if outcomes})


def _instant(known: datetime) -> str:
    """The text of an instant for a bound DateTime64(3, 'UTC')."""
    return f"{known:%Y-%m-%d %H:%M:%S}.{known.microsecond // 1000:03d}"


def cluster_names(client: Client, *, now: datetime, as_known_on: date | datetime | None = None) -> MappingOf[str, str]:
    """Slug -> name in the registry as known then; of several spans the last.

    Raises:
        UsageFault: for a day or instant that is not over.
        Exception: what clickhouse-connect raises for a server that fails.
    """
    bound = {"known": _instant(known_instant(as_known_on, now))}
    return dict(client.query(NAMES, parameters=bound).result_rows)


def _read_rows(client: Client, bound: MappingOf[str, str]) -> list[_Row]:
    return [
        _Row(
            outcome,
            None if national else cluster,
            Figures(**dict(zip(Figures.model_fields, counts, strict=True))),
            unregistered,
        )
        for outcome, national, cluster, *counts, unregistered in client.query(BY_CLUSTER, parameters=bound).result_rows
    ]


def _ledger_begins(client: Client) -> datetime | None:
    [(begins, records)] = client.query(BEGINS).result_rows
    # The driver gives instants of UTC columns without their zone.
    return begins.replace(tzinfo=UTC) if records else None


def _previous(client: Client, year: int, bound: MappingOf[str, str]) -> PreviousYear | None:
    """The companies of the year before; None where nothing is known of it."""
    if year == FIRST_YEAR:
        return None
    found = dict(client.query(PREVIOUS, parameters=bound).result_rows)
    if not found:
        return None
    return PreviousYear(year=year - 1, companies={outcome: found.get(outcome, 0) for outcome in FIGURES})


def _national(rows: Sequence[_Row]) -> dict[str, NationalFigures]:
    """The national figures by outcome."""
    found = {row.outcome: row.figures for row in rows if row.cluster is None}
    sums = Counter[str]()
    for row in rows:
        if row.cluster is not None:
            sums[row.outcome] += row.figures.companies
    return {
        outcome: NationalFigures(**found.get(outcome, Figures()).model_dump(), sum_over_clusters=sums[outcome])
        for outcome in FIGURES
    }


def _clusters(rows: Sequence[_Row]) -> tuple[ClusterFigures, ...]:
    """The figures of every cluster, in the order of their names."""
    found: dict[str, dict[str, Figures]] = {}
    for row in rows:
        if row.cluster is not None:
            found.setdefault(row.cluster, {})[row.outcome] = row.figures
    return tuple(ClusterFigures(cluster=cluster, **found[cluster]) for cluster in sorted(found))


def _not_counted(rows: Sequence[_Row], waiting: MappingOf[str, MappingOf[str, int]]) -> AllNotCounted:
    """Known gaps and caveats of the figures; clusters in the order of their names, those without any left out."""
    field = "companies_without_register_row"
    helped = [row for row in rows if row.outcome == HELPED and row.unregistered]
    per_cluster = {**waiting, field: {row.cluster: row.unregistered for row in helped if row.cluster is not None}}
    # Clusters do not add up where they share a company.
    total = {name: sum(counts.values()) for name, counts in waiting.items()}
    total[field] = sum(row.unregistered for row in helped if row.cluster is None)
    clusters = sorted({cluster for counts in per_cluster.values() for cluster in counts})
    return AllNotCounted(
        **total,
        clusters=tuple(
            ClusterNotCounted(cluster=cluster, **{name: counts.get(cluster, 0) for name, counts in per_cluster.items()})
            for cluster in clusters
        ),
    )
