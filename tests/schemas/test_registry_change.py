"""For whom sources speak by another version of the registry: what they lose, what they have to name, and when."""

from datetime import date

import pytest

from schemas.registry_change import ClusterRequired, Days, LostCluster, RegistryChange
from schemas.registry_document import Registry, read_file

KELP = '[[cluster]]\nslug = "kelp"\nname = "Kelp"\nvalid_from = 2018-01-01\nsources = ["urn:kelp"]\n'
WOOL = KELP.replace("kelp", "wool").replace("Kelp", "Wool")
OF_KELP = '[[cluster]]\nslug = "{}"\nname = "W"\nvalid_from = {}\nsources = ["urn:kelp"]\n'
ALWAYS = (Days(date(2018, 1, 1), None),)


def registry_of(text: str, revision: int) -> Registry:
    return read_file(text.encode(), "my.toml", revision)


def change(before: str, after: str) -> RegistryChange:
    return RegistryChange(registry_of(before, 1), registry_of(after, 2))


def lost(*days: Days, instead: str = "", renamed: bool = False) -> list[LostCluster]:
    return [LostCluster("urn:kelp", "kelp", True, days, instead, renamed)]


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        pytest.param(
            KELP.replace("urn:kelp", "urn:other"), [LostCluster("urn:kelp", "kelp", False, ALWAYS)], id="whole"
        ),
        pytest.param(KELP + "valid_to = 2020-12-31\n", lost(Days(date(2021, 1, 1), None)), id="ends"),
        pytest.param(KELP.replace("2018", "2019"), lost(Days(date(2018, 1, 1), date(2018, 12, 31))), id="begins later"),
        pytest.param(
            KELP + "valid_to = 2018-12-31\n" + KELP.replace("2018", "2020") + "valid_to = 2020-12-31\n",
            lost(Days(date(2019, 1, 1), date(2019, 12, 31)), Days(date(2021, 1, 1), None)),
            id="a gap and an end",
        ),
        pytest.param(KELP.replace("2018", "2017"), [], id="begins earlier"),
        pytest.param(KELP.replace('["urn:kelp"]', '["urn:kelp", "urn:new"]'), [], id="one more source"),
        pytest.param(KELP.replace('"kelp"', '"tang"'), lost(*ALWAYS, instead="tang", renamed=True), id="renamed"),
        pytest.param(
            KELP + "valid_to = 2020-12-31\n" + OF_KELP.format("tang", "2021-01-01"),
            lost(Days(date(2021, 1, 1), None), instead="tang"),
            id="followed by another",
        ),
    ],
)
def test_sources_that_lose_their_cluster(after: str, expected: list[LostCluster]):
    """A source loses a cluster on the days on which it spoke for it and would not; a new slug is told apart."""
    assert change(KELP, after).lost == expected


def test_a_source_that_goes_to_a_known_cluster_renames_nothing():
    """Both clusters are in the registry before: one loses its source to the other."""
    after = WOOL.replace('["urn:wool"]', '["urn:wool", "urn:kelp"]')
    assert change(KELP + WOOL, after).lost == lost(*ALWAYS, instead="wool")


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        pytest.param(KELP + OF_KELP.format("wool", "2018-01-01"), (("kelp", "wool"), ALWAYS), id="always"),
        pytest.param(
            KELP + OF_KELP.format("wool", "2020-01-01") + "valid_to = 2020-12-31\n",
            (("kelp", "wool"), (Days(date(2020, 1, 1), date(2020, 12, 31)),)),
            id="for a time",
        ),
        pytest.param(
            OF_KELP.format("tang", "2018-01-01") + OF_KELP.format("wool", "2018-01-01"),
            (("tang", "wool"), ALWAYS),
            id="two others",
        ),
        pytest.param(OF_KELP.format("wool", "2018-01-01"), None, id="another one"),
        pytest.param(KELP + OF_KELP.format("wool", "2017-01-01") + "valid_to = 2017-12-31\n", None, id="before it"),
    ],
)
def test_sources_that_have_to_name_a_cluster(after: str, expected: tuple[tuple[str, ...], tuple[Days, ...]] | None):
    """Of a source that spoke for one cluster and will speak for several, events that name none will be rejected."""
    assert change(KELP, after).required == ([] if expected is None else [ClusterRequired("urn:kelp", *expected)])


def test_a_source_with_several_clusters_gets_one_more():
    """Its events name their cluster already."""
    two = KELP + OF_KELP.format("wool", "2018-01-01")
    assert change(two, two + OF_KELP.format("tang", "2018-01-01")).required == []


def test_without_a_version_before():
    """The first version takes nothing from anybody."""
    first = RegistryChange(None, registry_of(KELP, 1))
    assert (first.lost, first.required) == ([], [])
