"""Events: what is read from a valid one."""

import json
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judging import ENDED, SHARED, TYPE, accepted, ms, read, refused, retraction
from samples import SOURCE, event

from schemas.events import Activity
from schemas.indicators import PIPELINE_RELEASED

# ---- what is read


def test_a_sound_event_becomes_a_row():
    """Every column of the ledger comes from the field that the design names."""
    row = accepted(
        event(
            13748136,
            "WS-113/13748136",
            id="5f0c",
            time="2018-05-03T14:05:09.120+02:00",
            data={"outcomes": ["new_ideas"], "workshop_id": "WS-113", "title": "Digital twins"},
        )
    )
    assert row == Activity(
        source=SOURCE,
        activity_id="WS-113/13748136",
        revision=row.revision,
        is_deleted=0,
        event_id="5f0c",
        company_id=13748136,
        cluster="food-bio",
        event_type="workshop.attended",
        reported=("new_ideas",),
        derived=(),
        outcomes_given=1,
        membership="",
        details='{"title":"Digital twins","workshop_id":"WS-113"}',
        occurred_on=(date(2018, 5, 3) - date(1970, 1, 1)).days,
        recorded_at=ms("2018-05-03T12:05:09.120Z"),
        known_at=row.known_at,
        registry_revision=7,
    )
    assert row.revision >> 64 == row.recorded_at


def test_the_event_itself_is_handed_on():
    """Outputs carry the event as it came, extensions included; only its subject is normalised."""
    sent = event(subject="DK 13 74 81 36", traceparent="00-4bf9-01", sampled=True, shard=-3, partitionkey=None)
    found = read(sent)
    assert isinstance(found, tuple)
    assert found[1] == json.loads(sent) | {"subject": "13748136"}


@pytest.mark.parametrize("time", ["2018-05-03T14:05:09Z", "2026-12-24T00:00:00Z"])
def test_nothing_was_known_before_its_pipeline(time: str):
    """A row is known from the arrival of its record, but not before the release of the pipeline that wrote it."""
    arrived = ms(time)
    assert accepted(event(), arrived).known_at == max(arrived, PIPELINE_RELEASED.timestamp() * 1000)


@pytest.mark.parametrize(
    ("short", "derived"),
    [
        pytest.param("company.joined", (), id="joining proves nothing"),
        pytest.param("workshop.attended", ("new_competencies",), id="workshop"),
        pytest.param("project.started", ("new_ideas",), id="project"),
        pytest.param("product.launched", ("new_products",), id="product"),
    ],
)
@pytest.mark.parametrize(
    ("outcomes", "reported"),
    [
        pytest.param(..., None, id="absent"),
        pytest.param(None, None, id="null"),
        pytest.param([], (), id="none"),
        pytest.param(["new_products"], ("new_products",), id="one"),
        pytest.param(["new_products", "new_competencies"], ("new_competencies", "new_products"), id="unordered"),
        pytest.param(["new_ideas"] * 4, ("new_ideas",), id="repeated"),
    ],
)
def test_outcomes_are_reported_or_derived(short: str, derived: tuple[str, ...], outcomes: Any, reported: Any):
    """Only an event without outcomes has derived ones; an empty list says that there are none."""
    row = accepted(event(type=TYPE.format(short), data={"outcomes": outcomes}))
    expected = ((), derived, 0) if reported is None else (reported, (), 1)
    assert (row.reported, row.derived, row.outcomes_given) == expected
    assert row.event_type == short


@pytest.mark.parametrize("membership", ["member", "participant"])
def test_membership_of_a_company_that_joined(membership: str):
    """A company joins as a member or as a participant."""
    assert accepted(event(type=TYPE.format("company.joined"), data={"membership": membership})).membership == membership


def test_the_activity_is_the_event_unless_named():
    """Without activity_id the publication is the activity."""
    row = accepted(event(id="E-1", data={"activity_id": ..., "occurred_on": ...}))
    assert (row.activity_id, row.event_id) == ("E-1", "E-1")


@pytest.mark.parametrize("name", ["activity_id", "occurred_on", "outcomes", "cluster", "membership", "reason", "title"])
def test_null_is_unset(name: str):
    """A field of data that is null is the same as one that is not there."""
    data = {"activity_id": ..., "occurred_on": ...}
    unset, null = (accepted(event(id="E-1", data={**data, name: value})) for value in (..., None))
    assert unset == null


@given(st.dictionaries(st.sampled_from(["title", "reason", "product_id", "project_id", "workshop_id"]), st.text()))
def test_details_are_canonical_json(details: dict[str, str]):
    """What has no column of its own is kept as JSON: sorted, without spaces, as UTF-8."""
    row = accepted(event(data=details))
    assert row.details == json.dumps(details, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


# ---- clusters


@pytest.mark.parametrize(
    ("source", "day", "wanted", "cluster"),
    [
        pytest.param(SOURCE, "2018-05-03", ..., "food-bio", id="the only one"),
        pytest.param(SOURCE, "2018-05-03", "food-bio", "food-bio", id="the only one, named"),
        pytest.param(ENDED, "2018-05-02", ..., "ended", id="its last day"),
        pytest.param(ENDED, "2016-01-01", ..., "ended", id="its first day"),
        pytest.param(SHARED, "2018-01-01", "wool", "wool", id="one of two"),
        pytest.param(SHARED, "2017-12-31", ..., "kelp", id="before there were two"),
    ],
)
def test_the_cluster_is_that_of_source_and_day(source: str, day: str, wanted: Any, cluster: str):
    """The registry says for whom a source speaks on the day of the activity."""
    assert accepted(event(source=source, data={"occurred_on": day, "cluster": wanted})).cluster == cluster


@pytest.mark.parametrize(
    ("source", "day", "wanted", "fault"),
    [
        pytest.param(ENDED, "2018-05-03", ..., ("data.occurred_on", "outside_cluster_span"), id="ended"),
        pytest.param(ENDED, "2015-12-31", ..., ("data.occurred_on", "outside_cluster_span"), id="not yet"),
        pytest.param(SHARED, "2018-01-01", ..., ("data.cluster", "cluster_required"), id="one of two, unnamed"),
        pytest.param(SHARED, "2017-12-31", "wool", ("data.cluster", "not_a_cluster_of_source"), id="not yet its own"),
        pytest.param(SOURCE, "2018-05-03", "kelp", ("data.cluster", "not_a_cluster_of_source"), id="another's"),
        pytest.param(SOURCE, "2018-05-03", "", ("data.cluster", "not_a_cluster_of_source"), id="empty"),
    ],
)
def test_no_cluster_of_source_and_day(source: str, day: str, wanted: Any, fault: tuple[str, str]):
    """An activity that the registry assigns to no cluster is rejected."""
    assert refused(event(source=source, data={"occurred_on": day, "cluster": wanted})) == [fault]


# ---- retractions


def test_a_retraction_names_the_activity():
    """It carries no day and no outcomes, nor are any derived; its row has the day on which it was written."""
    row = accepted(retraction(time="2018-05-03T22:30:00Z"))
    assert (row.is_deleted, row.activity_id, row.event_type) == (1, "WS-1", "activity.retracted")
    assert (row.reported, row.derived, row.outcomes_given) == ((), (), 0)
    assert date(1970, 1, 1) + timedelta(row.occurred_on) == date(2018, 5, 4)
    assert row.revision >> 63 & 1 == 1
    assert row.details == '{"reason":"entered twice"}'


@pytest.mark.parametrize(
    ("source", "cluster"),
    [
        pytest.param(ENDED, "", id="of a cluster that ended"),
        pytest.param(SHARED, "", id="of one of two clusters"),
        pytest.param(SOURCE, "food-bio", id="of the only cluster"),
    ],
)
def test_a_retraction_is_not_checked_against_the_span(source: str, cluster: str):
    """A cluster that has ended can still put its records right."""
    assert accepted(retraction(source=source, time="2018-05-03T22:30:00Z")).cluster == cluster


@pytest.mark.parametrize(
    ("data", "faults"),
    [
        pytest.param({"activity_id": ...}, [("data.activity_id", "missing")], id="no activity"),
        pytest.param({"activity_id": None}, [("data.activity_id", "missing")], id="null activity"),
        pytest.param({"activity_id": 5}, [("data.activity_id", "invalid_type")], id="activity as number"),
        pytest.param({"reason": ...}, [("data.reason", "missing")], id="no reason"),
        pytest.param({"reason": "x" * 501}, [("data.reason", "too_long")], id="long reason"),
        pytest.param({"reason": " \t"}, [("data.reason", "empty")], id="blank reason"),
        pytest.param({"occurred_on": "2018-05-03"}, [("data.occurred_on", "not_allowed")], id="day"),
        pytest.param(
            {"occurred_on": 5},
            [("data.occurred_on", "invalid_type"), ("data.occurred_on", "not_allowed")],
            id="day of a wrong type",
        ),
        pytest.param({"outcomes": []}, [("data.outcomes", "not_allowed")], id="outcomes, if none"),
        pytest.param({"membership": "member"}, [("data.membership", "not_allowed")], id="membership"),
        pytest.param(
            {"activity_id": ..., "reason": ..., "occurred_on": "x", "outcomes": ["x"], "membership": "x"},
            [
                ("data.activity_id", "missing"),
                ("data.reason", "missing"),
                ("data.occurred_on", "not_allowed"),
                ("data.outcomes", "not_allowed"),
                ("data.membership", "not_allowed"),
            ],
            id="all at once",
        ),
    ],
)
def test_what_a_retraction_may_not_be(data: dict[str, Any], faults: list[tuple[str, str]]):
    """It needs the activity and a reason, and may say nothing about the activity itself."""
    assert refused(retraction(data=data)) == faults
