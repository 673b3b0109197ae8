"""Whose answers the collector gives out."""

from datetime import UTC, datetime

import pytest

from clustertrack.collector_ledger import answer_for
from reports.receipts.answer_model import Answer, Version
from sources.collector.questions import NotOwnError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def version(cluster: str) -> Version:
    """A version of an activity that counts for a cluster; empty for a retraction."""
    return Version(
        event_id="1",
        time=EPOCH,
        known_at=EPOCH,
        retracts=not cluster,
        company="13748136",
        type="workshop.attended",
        day=None,
        cluster=cluster,
        outcomes_given=False,
        reported=(),
        derived=(),
        membership="",
    )


@pytest.mark.parametrize(
    ("clusters", "is_own"),
    [
        pytest.param(["kelp"], True, id="its own"),
        pytest.param(["wool"], False, id="another's"),
        pytest.param(["wool", "kelp"], True, id="corrected to another"),
        pytest.param(["", "wool"], False, id="retracted"),
        pytest.param([], True, id="not in the ledger"),
    ],
)
def test_an_activity_is_shown_to_whom_it_counts_for(clusters: list[str], is_own: bool):
    """A source may be one of several clusters; the sources of others are refused before the ledger is asked."""
    versions = tuple(map(version, clusters))
    found = Answer(
        source="urn:crm",
        event_id=None,
        activity_id="1",
        state="accepted" if versions else "unknown",
        version=versions[0] if versions else None,
        versions=versions,
    )
    if is_own:
        assert answer_for(found, "kelp")["activity_id"] == "1"
    else:
        with pytest.raises(NotOwnError):
            answer_for(found, "kelp")
