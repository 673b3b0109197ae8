"""The truth: the published figures, and equal to what a brute force over the files finds."""

import ast
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, Protocol

import pytest

from clustertrack.simulator import final, scenario
from schemas import indicators


class Exports(Protocol):
    """The files of a scenario as conftest.py reads them."""

    truth: dict[str, Any]
    events: list[Any]
    register: Any

    def count(self, year: int, but: str = "") -> dict[str, dict[str, int]]:
        """Figures of a year."""

    def standing(self) -> list[Any]:
        """Versions in force."""


def test_published_figures(published: Exports):
    """The figures of 2018 are the published ones, and the companies of unknown size are in `helped` alone."""
    assert published.truth["years"]["2018"] == {
        "helped": {"companies": 18058, "under_50": 13012, "unknown_size": 200},
        "new_competencies": {"companies": 6868, "under_50": 4843, "unknown_size": 0},
        "new_ideas": {"companies": 5296, "under_50": 3941, "unknown_size": 0},
        "new_products": {"companies": 2689, "under_50": 1998, "unknown_size": 0},
    }


@pytest.mark.parametrize("year", [2017, 2018, 2019])
@pytest.mark.parametrize("name", ["small", "published"])
def test_the_files_lead_to_the_truth(written: Callable[[str], Exports], name: str, year: int):
    """Reading the files and applying the rules one by one gives the truth, for every year."""
    exports = written(name)
    assert exports.count(year) == exports.truth["years"][str(year)]


@pytest.mark.parametrize(
    "rule",
    [
        "versions", "first version", "last arrival", "retractions", "mergers", "public bodies", "size at year end",
        "size before", "ceased", "stated outcomes", "derived outcomes", "stated replace derived",
    ],
)  # fmt: skip
def test_every_rule_is_needed(published: Exports, rule: str):
    """Leaving one rule out gives other figures for 2018: the data would show a pipeline that forgets it."""
    assert published.count(2018, but=rule) != published.truth["years"]["2018"]


@pytest.mark.parametrize("name", ["small", "published"])
def test_receipts(written: Callable[[str], Exports], name: str):
    """Accepted, retracted and duplicate are what the distinct versions in the files say, equal across formats."""
    exports = written(name)
    versions = {event.version for event in exports.events}
    retractions = {event.version for event in exports.events if event.type == "activity.retracted"}
    assert exports.truth["receipts"] == {
        "accepted": len(versions) - len(retractions),
        "retracted": len(retractions),
        "duplicate": len(exports.events) - len(versions),
        "rejected": len(exports.truth["rejected"]),
    }


@pytest.mark.parametrize("name", ["small", "published"])
def test_versions_of_an_activity_never_tie(written: Callable[[str], Exports], name: str):
    """Two versions of one activity have different times, so that their order is not left to chance."""
    exports = written(name)
    versions = {event.version for event in exports.events}
    assert len({(*version[:2], version[2]) for version in versions}) == len(versions)


@pytest.mark.parametrize("name", ["small", "published"])
def test_details(written: Callable[[str], Exports], name: str):
    """The details of 2018 (clusters, basis) are what the activities in force say."""
    exports = written(name)
    details = exports.truth["details"]["2018"]["new_ideas"]
    in_clusters, reported, derived = set(), set(), set()
    for event in exports.standing():
        company = exports.register.canonical(event.cvr, date(2018, 12, 31))
        said = event.outcomes is not None
        ideas = "new_ideas" in (event.outcomes or ()) if said else event.type == "project.started"
        if ideas and event.day.year == 2018 and not exports.register.is_public(company):
            in_clusters.add((event.cluster, company))
            (reported if said else derived).add(company)
    assert details["sum_over_clusters"] == len(in_clusters) == sum(details["clusters"].values())
    assert (details["reported"], details["derived"]) == (len(reported), len(derived))


def test_the_mapping_is_the_published_one():
    """The simulator's own copy of the mapping agrees with the pipeline's, in the types that it simulates."""
    assert {kind: indicators.DERIVED[kind] for kind in final.PROVES} == {k: (o,) for k, o in final.PROVES.items()}
    assert tuple(name for name in indicators.OUTCOMES if name in scenario.OUTCOMES) == scenario.OUTCOMES


def test_the_truth_is_independent():
    """The simulator imports nothing of ours but its own files and the errors of `schemas`."""
    folder = Path(final.__file__).parent
    imports = set()
    for path in sorted(folder.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                imports.add(node.module)
            elif isinstance(node, ast.Import):
                imports.update(name.name for name in node.names)
    ours = {"schemas", "sources", "streams", "sinks", "reports", "clustertrack"}
    used = {name for name in imports if name.split(".")[0] in ours and not name.startswith("clustertrack.simulator")}
    assert used == {"schemas.errors", "schemas.own_files", "schemas.own_folders"}
