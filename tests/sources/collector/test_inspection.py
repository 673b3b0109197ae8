"""Whose events a key publishes."""

from datetime import date
from typing import Any

import pytest
from judging import ARRIVED, TYPE, retraction
from samples import SOURCE, event

from brokers.record_headers import STRUCTURED
from schemas.clusters import Cluster, ClusterRegistry
from sources.collector.http_events import Candidate
from sources.collector.inspection import OTHER_CLUSTER, Inspector, OutRecord

SHARED = "urn:crm:shared"
CLUSTERS = ClusterRegistry(
    (
        Cluster(
            slug="kelp", name="Kelp", valid_from=date(2000, 1, 1), valid_to=date(2017, 12, 31), sources=(SOURCE, SHARED)
        ),
        Cluster(slug="wool", name="Wool", valid_from=date(2018, 1, 1), sources=(SOURCE, SHARED)),
        Cluster(slug="hemp", name="Hemp", valid_from=date(2018, 1, 1), sources=(SHARED,)),
    ),
    1,
)


def codes(value: bytes, source: str, cluster: str) -> list[str]:
    """Of the faults of an event that is sent with a key of the cluster."""
    candidate = Candidate("x", source, value, (STRUCTURED,))
    found = Inspector(CLUSTERS, allow_personal_data=False).inspect(candidate, cluster, ARRIVED)
    return [] if isinstance(found, OutRecord) else [one.code for one in found]


@pytest.mark.parametrize(
    ("source", "day", "named", "cluster", "expected"),
    [
        pytest.param(SOURCE, "2017-12-31", ..., "kelp", [], id="in its time"),
        pytest.param(SOURCE, "2018-01-01", ..., "kelp", [OTHER_CLUSTER], id="in another one's time"),
        pytest.param(SOURCE, "2018-01-01", ..., "wool", [], id="its successor"),
        pytest.param(SOURCE, "2017-12-31", ..., "wool", [OTHER_CLUSTER], id="before its time"),
        pytest.param(SOURCE, "2018-01-01", ..., "hemp", [OTHER_CLUSTER], id="of no source"),
        pytest.param(SHARED, "2018-01-01", "hemp", "hemp", [], id="shared, its own"),
        pytest.param(SHARED, "2018-01-01", "wool", "hemp", [OTHER_CLUSTER], id="shared, the other's"),
    ],
)
def test_a_key_publishes_what_counts_for_its_cluster(
    source: str, day: str, named: Any, cluster: str, expected: list[str]
):
    """By the day of the activity and the cluster that it names, and not by the source alone."""
    value = event(source=source, data={"occurred_on": day, "cluster": named})
    assert codes(value, source, cluster) == expected


@pytest.mark.parametrize(("cluster", "expected"), [("kelp", []), ("wool", []), ("hemp", [OTHER_CLUSTER])])
def test_retractions_are_those_of_a_source(cluster: str, expected: list[str]):
    """They do not say the day of their activity, which may be of the time before a source moved."""
    assert codes(retraction(source=SOURCE), SOURCE, cluster) == expected


def test_faults_of_another_cluster_s_event():
    """All of them are named, the cluster first."""
    value = event(type=TYPE.format("workshop.attend"), data={"occurred_on": "2018-05-03"})
    assert codes(value, SOURCE, "hemp") == [OTHER_CLUSTER, "unknown_type"]
