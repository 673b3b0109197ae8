"""What became of a row, by what the ledger holds: decided without a ledger."""

from typing import Any

import pytest
from judging import accepted, retraction
from samples import event

from clustertrack.publish.held import Rejected
from clustertrack.publish.verdicts import Difference, verdict
from schemas.addresses import RecordAddress
from schemas.events import Activity
from schemas.faults import Fault

EARLY, LATE = "2018-05-02T10:00:00Z", "2018-05-03T10:00:00Z"
DEAD = Rejected(RecordAddress("events", 0, 3, 7), (Fault("subject", "empty", ""), Fault("time", "invalid_time", "x")))


def version(time: str = EARLY, **data: Any) -> Activity:
    """A version of the one activity."""
    return accepted(event(time=time, data=data))


RETRACTED = accepted(retraction(time=LATE))


@pytest.mark.parametrize(
    ("row", "holds", "same_time", "dead", "status", "why"),
    [
        pytest.param(version(), version(), [version()], None, "counted", "", id="counted"),
        pytest.param(version(), version(), [version()], DEAD, "counted", "", id="rejected once, then accepted"),
        pytest.param(version(), version(LATE), [], None, "counted", "", id="the same with another time"),
        pytest.param(RETRACTED, RETRACTED, [RETRACTED], None, "retracted", "", id="a retraction"),
        pytest.param(version(), None, [], None, "missing", "the ledger has no version of it", id="missing"),
        pytest.param(
            version(LATE, title="A"), version(), [], None, "missing", "an older version holds", id="only an older one"
        ),
        pytest.param(
            version(), version(LATE, title="A"), [version()], None, "other_content", "a later version holds", id="later"
        ),
        pytest.param(version(), RETRACTED, [version()], None, "other_content", "a later version holds", id="retracted"),
        pytest.param(
            version(title="B"),
            version(title="A"),
            [version(title="A")],
            None,
            "other_content",
            "another version holds, this one did not arrive",
            id="another of the same time",
        ),
        pytest.param(
            version(),
            None,
            [],
            DEAD,
            "rejected",
            "subject: the text is empty or blank; time: not an RFC 3339 time (x); see events/3/7",
            id="rejected",
        ),
    ],
)
def test_verdicts(row: Activity, holds: Activity, same_time: list[Activity], dead: Rejected, status: str, why: str):
    """Each kind of answer, with its reason."""
    found = verdict(7, row, holds, same_time, dead, row)
    assert (found.line, found.status, found.why, found.activity_id) == (7, status, why, "WS-1")


def test_differences_are_named():
    """Every field that says something else, as the file and as the ledger say it; the order of outcomes is none."""
    row = version(occurred_on="2018-05-01", title="A", outcomes=["new_ideas", "new_products"])
    holds = version(LATE, occurred_on="2018-05-02", project_id="P", outcomes=["new_products", "new_ideas"])
    assert verdict(7, row, holds, [row], None, row).differences == (
        Difference("occurred_on", "2018-05-01", "2018-05-02"),
        Difference("title", "A", ""),
        Difference("project_id", "", "P"),
    )
    row = version()
    (outcomes,) = verdict(7, row, version(LATE, outcomes=[]), [row], None, row).differences
    assert outcomes == Difference("outcomes", "not stated", "none")


UNKNOWN = [Fault("source", "unknown_source", "urn:old")]


@pytest.mark.parametrize(
    ("stated", "held", "today", "expected"),
    [
        pytest.param("", "food-bio", "food-bio", ("counted", None), id="as today"),
        pytest.param("food-bio", "food-bio", UNKNOWN, ("counted", 7), id="no longer known"),
        pytest.param("", "food-bio", UNKNOWN, ("counted", 7), id="no longer known, and no cluster named"),
        pytest.param("", "food-bio", "bio", ("counted", 7), id="another slug today"),
        pytest.param("bio", "food-bio", "bio", ("other_content", None), id="another cluster is named"),
    ],
)
def test_the_ledger_decides_and_not_the_registry_of_today(
    stated: str, held: str, today: str | list[Fault], expected: tuple[str, int | None]
):
    """A row counts as it was decided; the revision is named where the registry in force would decide otherwise."""
    row = version()
    now = today if isinstance(today, list) else row._replace(cluster=today)
    found = verdict(7, row._replace(cluster=stated), row._replace(cluster=held), [], None, now)
    assert (found.status, found.decided_by) == expected


def test_a_row_that_is_not_there_is_told_what_a_worker_would_say():
    """Without a version and without a rejected record, what would become of it today is the reason."""
    found = verdict(7, version(), None, [], None, UNKNOWN)
    assert found.why == "a worker would reject it: source: the cluster registry does not list this source (urn:old)"
