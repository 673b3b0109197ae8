"""Reads the annual report from the ledger's parameterised views.

Every query binds its parameters, and all of them read the same instant `known`. The figures and their clusters come
from one query, so that a report printed while records arrive is of one piece; it equals the views `impact_annual`,
`impact_annual_as_known` and `impact_cluster`, which a test asserts.
"""

from collections.abc import Mapping as MappingOf
from datetime import date, datetime
from typing import Final

from clickhouse_connect.driver.client import Client

from reports.days import is_provisional, known_instant
from reports.model import (
    FIGURES,
    AllNotCounted,
    AnnualReport,
    ClusterFigures,
    ClusterNotCounted,
    Figures,
    Mapping,
    NationalFigures,
)
from schemas.indicators import DERIVED, PIPELINE_VERSION

# National figures (national = 1, cluster NULL) and those of every cluster.
BY_CLUSTER: Final = """
WITH kind = 'company' AS firm
SELECT outcome, grouping(cluster) AS national, ifNull(toString(cluster), '') AS name,
       uniqExactIf(company_id, firm) AS companies,
       uniqExactIf(company_id, firm AND under_50) AS small,
       uniqExactIf(company_id, firm AND isNull(employees)) AS unknown_size,
       uniqExactIf(company_id, kind = 'other') AS participants_other,
       uniqExactIf(company_id, firm AND reported) AS by_report,
       uniqExactIf(company_id, firm AND derived) AS by_mapping
FROM fact(from = {first:Date}, to = {last:Date}, as_at = {last:Date}, known = {known:DateTime64(3, 'UTC')})
GROUP BY GROUPING SETS ((outcome), (outcome, cluster))
"""

# What a source speaks for: its one cluster, else unknown. The registry file is not asked: the ledger alone decides.
_CLUSTER_OF: Final = """
cluster_of AS
(
    SELECT source, if(uniqExact(cluster) = 1, toString(any(cluster)), 'unknown') AS name
    FROM activity_revision
    WHERE cluster != '' AND known_at <= {known:DateTime64(3, 'UTC')}
    GROUP BY source
)
"""

# A message that was published twice waits once: its bytes and CloudEvents headers name it. In a tuple, because an
# aggregate function leaves out arguments that are NULL. A later pipeline version may have accepted it meanwhile.
REJECTED: Final = f"""
WITH {_CLUSTER_OF}
SELECT if(name = '', 'unknown', name) AS cluster, sum(records) AS records
FROM
(
    SELECT source, uniqExact((key, payload, arrayFilter(h -> startsWith(lower(h.name), 'ce_'), headers))) AS records
    FROM rejected FINAL
    WHERE log_time <= {{known:DateTime64(3, 'UTC')}} AND (topic, topic_epoch, partition, offset) IN
          (SELECT topic, topic_epoch, partition, offset FROM receipt FINAL WHERE status = 'rejected')
    GROUP BY source
) AS r
LEFT JOIN cluster_of USING (source)
GROUP BY cluster
SETTINGS join_use_nulls = 0
"""  # noqa: S608  (joined from the constants of this file)

RETRACTIONS: Final = f"""
WITH {_CLUSTER_OF}
SELECT multiIf(stated != '', stated, name != '', name, 'unknown') AS cluster, count() AS records
FROM
(
    SELECT source, activity_id, toString(argMax(cluster, revision)) AS stated
    FROM activity_revision
    WHERE known_at <= {{known:DateTime64(3, 'UTC')}}
    GROUP BY source, activity_id
    HAVING min(is_deleted) = 1
) AS r
LEFT JOIN cluster_of USING (source)
GROUP BY cluster
SETTINGS join_use_nulls = 0
"""  # noqa: S608  (joined from the constants of this file)

# activity_moved, as known at an instant and for the year of the newest version that is no retraction.
MOVED: Final = """
SELECT if(newest = '', 'unknown', newest) AS cluster, count() AS records
FROM
(
    SELECT toString(argMax(cluster, revision)) AS newest, argMax(occurred_on, revision) AS day
    FROM activity_revision
    WHERE is_deleted = 0 AND known_at <= {known:DateTime64(3, 'UTC')}
    GROUP BY source, activity_id
    HAVING min(company_id) != max(company_id)
)
WHERE day BETWEEN {first:Date} AND {last:Date}
GROUP BY cluster
"""

UNREGISTERED: Final = """
SELECT grouping(cluster) AS national, ifNull(toString(cluster), '') AS name, uniqExact(company_id) AS records
FROM fact(from = {first:Date}, to = {last:Date}, as_at = {last:Date}, known = {known:DateTime64(3, 'UTC')})
WHERE outcome = 'helped'
  AND company_id NOT IN (SELECT company_id FROM company_known(known = {known:DateTime64(3, 'UTC')}))
GROUP BY GROUPING SETS ((), (cluster))
"""


def annual_report(
    client: Client, year: int, *, today: date, mapping: Mapping, as_known_on: date | None = None
) -> AnnualReport:
    """The annual statistics of `year` from the database that `client` is connected to.

    `today` is the day in Europe/Copenhagen; `mapping` is printed with the figures. Raises ReportFault for a day that
    has not ended, and what clickhouse-connect raises for a server that fails.
    """
    last = date(year, 12, 31)
    known = known_instant(as_known_on, today)
    bound = {"first": date(year, 1, 1).isoformat(), "last": last.isoformat(), "known": _instant(known)}
    national, clusters = _figures(client, bound)
    return AnnualReport(
        year=year,
        as_known_on=as_known_on,
        size_as_at=last,
        provisional=is_provisional(year, as_known_on, today),
        **national,
        clusters=clusters,
        mapping=mapping,
        not_counted=_not_counted(client, bound),
    )


def published_mapping() -> Mapping:
    """The mapping of this version of the product: types of event from which an outcome follows."""
    return Mapping(version=PIPELINE_VERSION, derived={name: outcomes for name, outcomes in DERIVED.items() if outcomes})


def _instant(known: datetime) -> str:
    """The text of an instant for a bound DateTime64(3, 'UTC')."""
    return f"{known:%Y-%m-%d %H:%M:%S}.{known.microsecond // 1000:03d}"


def _figures(
    client: Client, bound: MappingOf[str, str]
) -> tuple[dict[str, NationalFigures], tuple[ClusterFigures, ...]]:
    """National figures by outcome, and the clusters in the order of their names."""
    national: dict[str, Figures] = {}
    clusters: dict[str, dict[str, Figures]] = {}
    for outcome, is_national, name, *counts in client.query(BY_CLUSTER, parameters=bound).result_rows:
        figures = Figures(**dict(zip(Figures.model_fields, counts, strict=True)))
        if is_national:
            national[outcome] = figures
        else:
            clusters.setdefault(name, {})[outcome] = figures
    sums = {
        outcome: sum(figures[outcome].companies for figures in clusters.values() if outcome in figures)
        for outcome in FIGURES
    }
    return (
        {
            outcome: NationalFigures(**national.get(outcome, Figures()).model_dump(), sum_over_clusters=sums[outcome])
            for outcome in FIGURES
        },
        tuple(ClusterFigures(cluster=name, **clusters[name]) for name in sorted(clusters)),
    )


def _not_counted(client: Client, bound: MappingOf[str, str]) -> AllNotCounted:
    """What the figures may lack, or rest on, per cluster and together."""
    total: dict[str, int] = {}
    clusters: dict[str, dict[str, int]] = {}
    for field, query in (
        ("rejected", REJECTED),
        ("retractions_without_activity", RETRACTIONS),
        ("activities_of_several_companies", MOVED),
    ):
        for name, records in client.query(query, parameters=bound).result_rows:
            clusters.setdefault(name, {})[field] = records
            total[field] = total.get(field, 0) + records
    field = "companies_without_register_row"
    for is_national, name, records in client.query(UNREGISTERED, parameters=bound).result_rows:
        if is_national:
            total[field] = records
        else:
            clusters.setdefault(name, {})[field] = records
    return AllNotCounted(
        **total,
        clusters=tuple(ClusterNotCounted(cluster=name, **clusters[name]) for name in sorted(clusters)),
    )
