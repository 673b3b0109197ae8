"""Events: what makes another version of an activity, and what does not."""

from datetime import date
from typing import Any

import pytest
from judging import ARRIVED, CLUSTERS, SHARED, TYPE, accepted
from samples import CVRS, SOURCE, event

from schemas.clusters import Cluster, ClusterRegistry
from schemas.events import read_event
from schemas.indicators import EVENT_TYPES
from schemas.revisions import with_pipeline


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"subject": f"{CVRS[1]:08d}"}, id="company"),
        pytest.param({"data": {"occurred_on": "2018-05-02"}}, id="day"),
        pytest.param({"type": TYPE.format("project.started")}, id="type"),
        pytest.param({"data": {"outcomes": []}}, id="no outcomes"),
        pytest.param({"data": {"outcomes": ["new_competencies"]}}, id="the derived outcome, reported"),
        pytest.param({"data": {"title": ""}}, id="empty title"),
        pytest.param({"data": {"title": "x"}}, id="title"),
        pytest.param({"data": {"project_id": "x"}}, id="project"),
        pytest.param({"time": "2018-05-03T14:05:09.001Z"}, id="time"),
    ],
)
def test_what_makes_another_version(changes: dict[str, Any]):
    """Everything that an event says about its activity is part of the revision."""
    assert accepted(event(**changes)).revision != accepted(event()).revision


def test_membership_and_cluster_make_another_version():
    """They are part of the content, too."""
    joined = [
        accepted(
            event(source=SHARED, type=TYPE.format("company.joined"), data={"cluster": c, "membership": m})
        ).revision
        for c, m in [("kelp", ...), ("wool", ...), ("kelp", "member"), ("kelp", "participant")]
    ]
    assert len(set(joined)) == len(joined)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"id": "another"}, id="id"),
        pytest.param({"time": "2018-05-03T16:05:09.000999+02:00"}, id="the same ms in another zone"),
        pytest.param({"subject": "DK 13 74 81 36"}, id="spelling of the company"),
        pytest.param({"data": {"outcomes": None}}, id="null"),
        pytest.param({"data": {"cluster": "food-bio"}}, id="the cluster, named"),
        pytest.param({"traceparent": "00-4bf9-01"}, id="extension"),
        pytest.param({"datacontenttype": "application/json"}, id="content type"),
    ],
)
def test_what_makes_no_other_version(changes: dict[str, Any]):
    """The same version again is a duplicate, however it is published."""
    assert accepted(event(**changes)).revision == accepted(event()).revision


@pytest.mark.parametrize(
    ("outcomes", "same"),
    [
        pytest.param(["new_products", "new_ideas"], True, id="order"),
        pytest.param(["new_ideas", "new_products", "new_ideas"], True, id="repetition"),
        pytest.param(["new_ideas"], False, id="fewer"),
    ],
)
def test_outcomes_are_a_set(outcomes: list[str], same: bool):
    """In which order, and how often, an outcome is named makes no version."""
    one, other = (accepted(event(data={"outcomes": o})) for o in (["new_ideas", "new_products"], outcomes))
    assert (one.revision == other.revision) is same


def test_texts_do_not_run_into_each_other():
    """What moves from one field of the details to the next is another content."""
    one = accepted(event(data={"title": 'a","workshop_id":"b'}))
    other = accepted(event(data={"title": "a", "workshop_id": "b"}))
    assert one.revision != other.revision


def test_what_is_derived_makes_no_other_version(monkeypatch: pytest.MonkeyPatch):
    """A new mapping reorders nothing: versions of before and after it meet."""
    before = accepted(event())
    monkeypatch.setattr("schemas.events.DERIVED", dict.fromkeys(EVENT_TYPES, ("new_products",)))
    after = accepted(event())
    assert (before.derived, after.derived) == (("new_competencies",), ("new_products",))
    assert before.revision == after.revision


@pytest.mark.parametrize("named", [None, "food-bio"], ids=["unnamed", "named"])
def test_a_corrected_registry_makes_no_other_version(named: str | None):
    """The same event again is the same version, whichever cluster its source belongs to by then."""
    value = event(data={"cluster": named})
    moved = ClusterRegistry(
        (Cluster(slug="kelp", name="Kelp", valid_from=date(2000, 1, 1), sources=(SOURCE,)),), revision=8
    )
    before, after = read_event(value, None, ARRIVED, CLUSTERS), read_event(event(), None, ARRIVED, moved)
    assert isinstance(before, tuple)
    assert isinstance(after, tuple)
    assert (before[0].cluster, after[0].cluster) == ("food-bio", "kelp")
    assert before[0].revision == after[0].revision


def test_a_known_version():
    """Ledgers hold revisions: the same event always has the same one."""
    assert with_pipeline(accepted(event()).revision, 1) == 28137857453341274502110666017669
