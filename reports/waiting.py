"""What waits next to the figures: rejected records, retractions of nothing, activities of several companies.

Counts are per cluster, and made so that publishing the same files twice does not change them.
"""

from collections.abc import Mapping
from typing import Final

from clickhouse_connect.driver.client import Client

_CLUSTER_OF: Final = """
cluster_of AS
(
    SELECT source, if(uniqExact(cluster) = 1, toString(any(cluster)), 'unknown') AS name
    FROM activity_revision
    WHERE cluster != '' AND known_at <= {known:DateTime64(3, 'UTC')}
    GROUP BY source
)
"""
"""What a source speaks for: its one cluster, else unknown. The registry file is not asked: the ledger alone decides."""

REJECTED: Final = f"""
WITH {_CLUSTER_OF}
SELECT if(name = '', 'unknown', name) AS cluster, sum(records) AS records
FROM
(
    SELECT source, uniqExact(message) AS records
    FROM rejected_open(known = {{known:DateTime64(3, 'UTC')}})
    GROUP BY source
) AS r
LEFT JOIN cluster_of USING (source)
GROUP BY cluster
SETTINGS join_use_nulls = 0
"""  # noqa: S608  (joined from the constants of this file)
"""What is open, and which records are the same message, is decided in one place: the view rejected_open. A message that
was published twice waits once."""

RETRACTIONS: Final = f"""
WITH {_CLUSTER_OF}
SELECT multiIf(stated != '', stated, name != '', name, 'unknown') AS cluster, count() AS records
FROM
(
    SELECT source, activity_id, toString(argMax(cluster, revision)) AS stated
    FROM activity_revision
    WHERE known_at <= {{known:DateTime64(3, 'UTC')}}
      AND (source, activity_id) IN (SELECT source, activity_id FROM activity_revision WHERE is_deleted = 1)
    GROUP BY source, activity_id
    HAVING min(is_deleted) = 1
) AS r
LEFT JOIN cluster_of USING (source)
GROUP BY cluster
SETTINGS join_use_nulls = 0
"""  # noqa: S608  (joined from the constants of this file)
"""Only activities that were ever retracted are grouped: few of many."""

MOVED: Final = """
SELECT if(newest = '', 'unknown', newest) AS cluster, count() AS records
FROM
(
    SELECT toString(argMax(cluster, revision)) AS newest, argMax(occurred_on, revision) AS day
    FROM activity_revision
    WHERE is_deleted = 0 AND known_at <= {known:DateTime64(3, 'UTC')} AND (source, activity_id) IN
    (
        SELECT source, activity_id
        FROM activity_revision
        WHERE is_deleted = 0 AND known_at <= {known:DateTime64(3, 'UTC')}
        GROUP BY source, activity_id
        HAVING min(company_id) != max(company_id)
    )
    GROUP BY source, activity_id
)
WHERE day BETWEEN {first:Date} AND {last:Date}
GROUP BY cluster
"""
"""activity_moved, as known at an instant and for the year of the newest version that is no retraction. The inner query
finds the few, so that only their rows are compared as a whole."""

QUERIES: Final = {
    "rejected": REJECTED,
    "retractions_without_activity": RETRACTIONS,
    "activities_of_several_companies": MOVED,
}
"""Field of `reports.model.NotCounted` -> query that counts it per cluster."""


def read_waiting(client: Client, bound: Mapping[str, str]) -> dict[str, dict[str, int]]:
    """Field -> cluster -> count, `unknown` among the clusters; `bound` holds first and last day and known."""
    return {field: dict(client.query(query, parameters=bound).result_rows) for field, query in QUERIES.items()}
