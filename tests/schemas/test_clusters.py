"""The cluster registry: whom a source speaks for, and the errors for a file that cannot be used."""

from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.clusters import Cluster, ClusterRegistry
from schemas.errors import UsageFault
from schemas.faults import Fault

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
    return ClusterRegistry.read(REGISTRY.encode(), "test.toml")


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
    registry = ClusterRegistry.read(text.encode(), "test.toml")
    assert registry.resolve(FOOD, date(2018, 12, 31), None) == "food-bio"
    assert registry.resolve("urn:new", date(2019, 1, 1), None) == "food-bio"
    assert registry.names["food-bio"] == "Food & Bio 2"


def test_clusters_in_a_year(registry: ClusterRegistry):
    """A cluster belongs to every calendar year in which it existed for a day."""
    by_year = {year: [c.slug for c in registry.clusters_in(year)] for year in (2017, 2018, 2019, 2020)}
    assert by_year == {2017: [], 2018: ["food-bio", "kelp"], 2019: ["kelp", "wool"], 2020: ["kelp", "wool"]}


def test_the_bundled_sample():
    """Without a file of the operator the sample is read: the example of the documentation works in it."""
    registry = ClusterRegistry.load()
    assert registry.resolve(FOOD, date(2018, 5, 3), None) == "food-bio"
    assert len(registry.clusters_in(2021)) == 14
    assert all(source.endswith(".example") for c in registry.clusters for source in c.sources)


def test_a_file_of_the_operator(tmp_path: Path):
    """A path reads that file, also one that an editor began with a byte order mark."""
    path = tmp_path / "clusters.toml"
    path.write_bytes(b"\xef\xbb\xbf" + REGISTRY.encode())
    assert ClusterRegistry.load(path).knows(FOOD)


CLUSTER = '[[cluster]]\nslug = "kelp"\nname = "Kelp"\nvalid_from = 2018-01-01\nsources = ["urn:kelp"]\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("", ["no cluster", "add a [[cluster]] table"], id="empty"),
        pytest.param("cluster = []", ["no cluster"], id="empty list"),
        pytest.param("cluster = 3", ["no cluster"], id="not a list"),
        pytest.param("cluster = [3]", ["cluster number 1", "[[cluster]] table"], id="not a table"),
        pytest.param("[cluster]\n", ["no cluster", "[[cluster]]"], id="one bracket"),
        pytest.param("slug = \n", ["not TOML", "line 1"], id="broken"),
        pytest.param(CLUSTER + "[other]\n", ["unknown entry 'other'"], id="other table"),
        pytest.param(CLUSTER + 'source = "x"\n', ["cluster 'kelp'", "unknown entry 'source'", "sources"], id="typo"),
        pytest.param(CLUSTER.replace('slug = "kelp"\n', ""), ["cluster number 1", "slug is missing"], id="no slug"),
        pytest.param(CLUSTER.replace('"kelp"', '"Kelp!"'), ["cluster 'Kelp!'", "a-z"], id="slug of other letters"),
        pytest.param(CLUSTER.replace('"kelp"', '"unknown"'), ["cluster 'unknown'", "another slug"], id="reserved slug"),
        pytest.param(CLUSTER.replace('"Kelp"', '""'), ["cluster 'kelp'", "name = ''"], id="empty name"),
        pytest.param(
            CLUSTER.replace("2018-01-01", '"2018-01-01"'), ["valid_from", "without quotes"], id="day in quotes"
        ),
        pytest.param(CLUSTER.replace("2018-01-01", "2018-01-01T00:00:00Z"), ["valid_from"], id="an instant"),
        pytest.param(CLUSTER.replace("2018-01-01", "2018-02-30"), ["not TOML"], id="no such day"),
        pytest.param(CLUSTER + "valid_to = 2017-12-31\n", ["cluster 'kelp'", "before valid_from"], id="ends first"),
        pytest.param(CLUSTER.replace('["urn:kelp"]', "[]"), ["cluster 'kelp'", "sources"], id="no source"),
        pytest.param(CLUSTER.replace('["urn:kelp"]', '"urn:kelp"'), ["cluster 'kelp'", "sources"], id="one source"),
        pytest.param(CLUSTER.replace("urn:kelp", "urn: kelp"), ["cluster 'kelp'", "sources"], id="space in source"),
        pytest.param(CLUSTER.replace('"urn:kelp"', '"u:a", "u:a"'), ["cluster 'kelp'", "twice"], id="source twice"),
        pytest.param(CLUSTER + CLUSTER, ["cluster 'kelp'", "no valid_to", "overlap"], id="slug twice"),
        pytest.param(
            CLUSTER + "valid_to = 2019-01-01\n" + CLUSTER.replace("2018-01-01", "2019-01-01"),
            ["cluster 'kelp'", "ends on 2019-01-01", "begins on 2019-01-01"],
            id="spans that share a day",
        ),
    ],
)
def test_files_that_cannot_be_used(text: str, said: list[str]):
    """Each mistake ends in one sentence that names the file, the cluster and what to do."""
    with pytest.raises(UsageFault) as caught:
        ClusterRegistry.read(text.encode(), "my/clusters.toml")
    message = str(caught.value)
    assert message.startswith("my/clusters.toml: ")
    assert "\n" not in message
    assert [words for words in said if words not in message] == []


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        pytest.param("missing.toml", None, "No such file", id="missing"),
        pytest.param("latin.toml", "name = 'Fødevarer'".encode("cp1252"), "not UTF-8 at byte 9", id="cp1252"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, name: str, content: bytes | None, said: str):
    """A file that is missing or no UTF-8 is named with what to do."""
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageFault, match=said) as caught:
        ClusterRegistry.load(path)
    assert str(path) in str(caught.value)


def test_a_folder_is_no_registry(tmp_path: Path):
    """A folder in the place of the file is a mistake of the user, not a traceback."""
    with pytest.raises(UsageFault, match="CLUSTERTRACK_CLUSTERS"):
        ClusterRegistry.load(tmp_path)
