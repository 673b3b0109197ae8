"""What `registry load` says about a change, by what the ledger counts, and about versions that came in between."""

from datetime import date
from typing import Any

import pytest

from clustertrack.registry_effect import Effect, Landed, landed_among
from clustertrack.registry_text import change_as_dict, change_text, harms_of
from schemas.registry_change import RegistryChange
from schemas.registry_document import Registry, read_file

SOURCE = "urn:kelp"
KELP = '[[cluster]]\nslug = "kelp"\nname = "Kelp"\nvalid_from = 2018-01-01\nsources = ["urn:kelp"]\n'
WOOL = '[[cluster]]\nslug = "wool"\nname = "Wool"\nvalid_from = 2030-01-01\nsources = ["urn:kelp"]\n'
USED = {SOURCE: {("kelp", date(2018, 5, 3)): 3, ("kelp", date(2020, 5, 3)): 1}}


def version(text: str, revision: int) -> Registry:
    return read_file(text.encode(), "my.toml", revision)


def change(after: str) -> RegistryChange:
    return RegistryChange(version(KELP, 1), version(after, 2))


@pytest.mark.parametrize(
    ("after", "line", "harms"),
    [
        pytest.param(
            KELP + "valid_to = 2030-12-31\n", "urn:kelp loses cluster kelp from 2031-01-01", [], id="ends later"
        ),
        pytest.param(
            KELP + "valid_to = 2019-12-31\n",
            "urn:kelp loses cluster kelp from 2020-01-01 (1 activity of that cluster and those days in the ledger)",
            ["1 source with activity in the ledger would lose a cluster, and what it sends for it be rejected"],
            id="ended before",
        ),
        pytest.param(
            KELP.replace('"kelp"', '"tang"'),
            "cluster kelp becomes tang for urn:kelp from 2018-01-01: figures show what was counted as kelp apart and "
            "without a name, and an event that names it is rejected; keep the slug to keep one cluster "
            "(4 activities of that cluster and those days in the ledger)",
            ["1 cluster with activity in the ledger would have another slug, and so be two in figures"],
            id="renamed",
        ),
        pytest.param(
            KELP + WOOL,
            "urn:kelp speaks for kelp and wool from 2030-01-01: an event without `cluster` is rejected as "
            "cluster_required",
            ["1 source with activity in the ledger would have to name its cluster in every event"],
            id="two clusters",
        ),
    ],
)
def test_what_follows_is_named_with_its_days(after: str, line: str, harms: list[str]):
    """Days are named, only activities on them are counted, and what needs a yes is what is in use."""
    effect = Effect(activities=USED)
    assert change_text(change(after), effect).split("\n")[-1] == line
    assert harms_of(change(after), effect) == harms
    assert harms_of(change(after), Effect()) == [], "nobody uses the source"


def test_a_ledger_that_cannot_be_asked():
    """Then every such change needs a yes, and no number is claimed."""
    effect = Effect(not_asked="away")
    for after in (KELP + "valid_to = 2030-12-31\n", KELP + WOOL, KELP.replace('"kelp"', '"tang"')):
        assert "that may have activity in the ledger" in harms_of(change(after), effect)[0]
    said = change_as_dict("f", change(KELP + WOOL), effect, dry_run=True, harms=["x"], landed=None)
    assert said["cluster_required"] == [
        {
            "source": SOURCE,
            "slugs": ("kelp", "wool"),
            "days": [{"from": "2030-01-01", "to": None}],
            "activities": None,
        }
    ]
    assert (said["sent"], said["needs_yes"]) == (False, True)


OTHER = KELP.replace("Kelp", "Tang")
BEFORE, OURS = version(KELP, 5), version(OTHER, 8)


@pytest.mark.parametrize(
    ("versions", "landed"),
    [
        pytest.param([BEFORE, OURS], Landed(8, True, True, ()), id="alone"),
        pytest.param([version(KELP, 3), BEFORE, version(WOOL, 7), OURS], Landed(8, True, True, (7,)), id="between"),
        pytest.param([BEFORE, version(WOOL, 9), OURS], Landed(9, False, True, ()), id="a newer one"),
        pytest.param([BEFORE, version(WOOL, 8), OURS], Landed(8, False, True, ()), id="one of the same time, first"),
        pytest.param([BEFORE, OURS, version(WOOL, 8)], Landed(8, True, True, ()), id="one of the same time, later"),
        pytest.param([BEFORE], Landed(5, False, False, ()), id="workers do not take it"),
    ],
)
def test_what_became_of_a_version(versions: list[Any], landed: Landed):
    """By what is on the topic afterwards: whether it is in force, and what was loaded meanwhile."""
    assert landed_among(versions, RegistryChange(BEFORE, OURS)) == landed
