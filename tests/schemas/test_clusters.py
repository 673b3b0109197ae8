"""The cluster registry: whom a source speaks for, and when."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.clusters import Cluster, ClusterRegistry
from schemas.faults import Fault
from schemas.registry_document import read_file

FOOD = "https://crm.foodbio.example"
SHARED = "https://crm.shared.example"
REGISTRY = """
[[cluster]]
slug = "food-bio"
name = "Food & Bio"
valid_from = 2018-01-01
valid_to = 2018-12-31
sources = ["https://crm.foodbio.example"]

[[cluster]]
slug = "kelp"
name = "Kelp"
valid_from = 2018-01-01
sources = ["https://crm.shared.example"]

[[cluster]]
slug = "wool"
name = "Wool"
valid_from = 2019-01-01
sources = ["https://crm.shared.example", "https://crm.wool.example"]
"""


@pytest.fixture
def registry() -> ClusterRegistry:
    return read_file(REGISTRY.encode(), "test.toml", 7).by_source


@pytest.mark.parametrize(
    ("source", "day", "wanted", "answer"),
    [
        pytest.param(FOOD, "2018-01-01", None, "food-bio", id="first day"),
        pytest.param(FOOD, "2018-12-31", None, "food-bio", id="last day"),
        pytest.param(FOOD, "2018-05-03", "food-bio", "food-bio", id="named though needless"),
        pytest.param(FOOD, "2017-12-31", None, ("data.occurred_on", "outside_cluster_span"), id="day before"),
        pytest.param(FOOD, "2019-01-01", None, ("data.occurred_on", "outside_cluster_span"), id="day after"),
        pytest.param(
            FOOD, "2019-01-01", "food-bio", ("data.occurred_on", "outside_cluster_span"), id="named, too late"
        ),
        pytest.param(FOOD, "2018-05-03", "kelp", ("data.cluster", "not_a_cluster_of_source"), id="another's cluster"),
        pytest.param(SHARED, "2018-05-03", None, "kelp", id="shared, one cluster yet"),
        pytest.param(
            SHARED, "2018-05-03", "wool", ("data.cluster", "not_a_cluster_of_source"), id="not yet its cluster"
        ),
        pytest.param(SHARED, "2019-05-03", None, ("data.cluster", "cluster_required"), id="shared, a choice"),
        pytest.param(SHARED, "2019-05-03", "wool", "wool", id="shared, chosen"),
        pytest.param("https://nobody.example", "2018-05-03", None, ("source", "unknown_source"), id="unknown source"),
    ],
)
def test_resolve(registry: ClusterRegistry, source: str, day: str, wanted: str | None, answer: str | tuple[str, str]):
    """The cluster is the one that lists the source and whose span holds the day; of several the event names one."""
    found = registry.resolve(source, date.fromisoformat(day), wanted)
    assert (found if isinstance(found, str) else found[:2]) == answer


slugs = st.sampled_from(["a", "b", "c"])
sources = st.sampled_from(["s", "t", "u"])
days = st.integers(0, 30).map(lambda n: date(2018, 1, 1) + timedelta(n))
clusters = st.lists(
    st.builds(
        lambda slug, first, length, listed: Cluster(
            slug=slug,
            name=slug.upper(),
            valid_from=first,
            valid_to=None if length is None else first + timedelta(length),
            sources=tuple(sorted(listed)),
        ),
        slugs,
        days,
        st.none() | st.integers(0, 10),
        st.sets(sources, min_size=1),
    ),
    max_size=5,
    unique_by=lambda cluster: cluster.slug,
)


@given(clusters, st.lists(st.tuples(sources, days, st.none() | slugs), max_size=60))
def test_resolve_agrees_with_a_search(listed: list[Cluster], questions: list[tuple[str, date, str | None]]):
    """The answer is that of going through all clusters."""
    registry = ClusterRegistry(tuple(listed))
    for source, day, wanted in questions:
        of_source = {c.slug: c for c in listed if source in c.sources}
        on_day = {s for s, c in of_source.items() if c.valid_from <= day and (c.valid_to is None or day <= c.valid_to)}
        found = registry.resolve(source, day, wanted)
        assert registry.knows(source) == bool(of_source)
        assert {slug for slug in "abc" if registry.ever_speaks_for(source, slug)} == of_source.keys()
        if not of_source:
            assert isinstance(found, Fault)
            assert found.code == "unknown_source"
        elif not on_day:
            assert isinstance(found, Fault)
            assert found.code == "outside_cluster_span"
        elif wanted is None:
            assert {found} == on_day if len(on_day) == 1 else found[1] == "cluster_required"
        else:
            assert found == wanted if wanted in on_day else found[1] == "not_a_cluster_of_source"


def test_an_end_that_no_day_follows():
    """The last day of the calendar, as registers write for no end, is an end like any other."""
    cluster = Cluster(slug="a", name="A", valid_from=date(2018, 1, 1), valid_to=date.max, sources=("s",))
    registry = ClusterRegistry((cluster,))
    assert [registry.resolve("s", day, None) for day in (date(2018, 1, 1), date.max)] == ["a", "a"]


def test_a_cluster_may_change_its_crm():
    """The same slug in two spans is one cluster, each span with its own sources."""
    text = REGISTRY + (
        '[[cluster]]\nslug = "food-bio"\nname = "Food & Bio 2"\nvalid_from = 2019-01-01\nsources = ["urn:new"]\n'
    )
    registry = read_file(text.encode(), "test.toml", 7).by_source
    assert registry.resolve(FOOD, date(2018, 12, 31), None) == "food-bio"
    assert registry.resolve("urn:new", date(2019, 1, 1), None) == "food-bio"
    assert registry.names["food-bio"] == "Food & Bio 2"


@pytest.mark.parametrize(
    ("source", "slug", "speaks"),
    [
        pytest.param(FOOD, "food-bio", True, id="until 2018"),
        pytest.param(SHARED, "kelp", True, id="one of two"),
        pytest.param(SHARED, "wool", True, id="the other"),
        pytest.param(SHARED, "food-bio", False, id="another's cluster"),
        pytest.param(FOOD, "", False, id="no slug"),
        pytest.param(FOOD, "food", False, id="part of a slug"),
        pytest.param("https://nobody.example", "food-bio", False, id="unknown source"),
    ],
)
def test_ever_speaks_for(registry: ClusterRegistry, source: str, slug: str, *, speaks: bool):
    """A source belongs to each cluster that lists it on any day, however long ago."""
    assert registry.ever_speaks_for(source, slug) is speaks
