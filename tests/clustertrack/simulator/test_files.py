"""The files: the same bytes for the same seed, marked as synthetic, written as CRMs write them."""

import csv
import hashlib
import json
import tomllib
from datetime import date, datetime
from pathlib import Path
from typing import Any, Protocol

import pytest
from openpyxl import load_workbook
from stdnum.dk import cvr

from clustertrack.simulator.build import STAGES, simulate
from clustertrack.simulator.scenario import PUBLISHED, SMALL
from clustertrack.simulator.world import _PLACES
from schemas.classifications import municipality_nuts
from schemas.errors import UsageFault
from schemas.registry_document import read_file

EXAMPLES = Path(__file__).parents[3] / "examples"
SEED = 2018


class Exports(Protocol):
    """The files of a scenario as conftest.py reads them."""

    truth: dict[str, Any]
    events: list[Any]
    register: Any
    folder: Path


def _bytes(folder: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
        if ".refused" not in path.name
    }


def test_examples_are_what_the_scenario_writes(small: Exports):
    """`examples/` equals the output of `clustertrack simulate --scenario small`, byte for byte."""
    assert _bytes(EXAMPLES) == _bytes(small.folder), "run: clustertrack simulate --scenario small --out examples"


def test_the_same_seed_gives_the_same_bytes(small: Exports, tmp_path: Path):
    """Written twice, also over an earlier output, every file is the same, the workbook too."""
    simulate(SMALL, tmp_path, SEED + 1)
    assert _bytes(tmp_path) != _bytes(small.folder)
    simulate(SMALL, tmp_path, SEED)
    assert _bytes(tmp_path) == _bytes(small.folder)


@pytest.mark.parametrize("seed", range(20))
def test_any_seed_keeps_the_promise(tmp_path: Path, seed: int):
    """The figures of 2018 and the number of invalid kinds do not depend on the seed."""
    truth = simulate(SMALL, tmp_path, seed)
    figures = truth["years"]["2018"]
    assert figures["helped"] == {"companies": 20, "under_50": 13, "unknown_size": 2}
    assert figures["new_competencies"] == {"companies": 8, "under_50": 5, "unknown_size": 0}
    assert len({code for one in truth["rejected"] for code in one["codes"]}) >= 8


def test_progress_is_reported(tmp_path: Path):
    """Every stage is announced, so that a progress bar can reach its end."""
    told: list[str] = []
    simulate(SMALL, tmp_path, SEED, told.append)
    assert 0 < len(told) <= STAGES


def test_size(published: Exports):
    """The published scenario has between 60,000 and 90,000 records."""
    assert 60_000 <= sum(published.truth["records"].values()) <= 90_000


def test_a_folder_of_others_is_left_alone(tmp_path: Path):
    """A folder that holds anything else is refused with a sentence, and nothing in it is touched."""
    (tmp_path / "activity-of-mine.csv").write_text("precious")
    with pytest.raises(UsageFault, match="choose an empty folder"):
        simulate(SMALL, tmp_path, SEED)
    assert [path.name for path in tmp_path.iterdir()] == ["activity-of-mine.csv"]


def test_a_folder_that_cannot_be_made(tmp_path: Path):
    """A path through a file ends in a sentence, too."""
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageFault, match="cannot be written"):
        simulate(SMALL, tmp_path / "file" / "out", SEED)


def test_everything_is_marked_as_synthetic(published: Exports):
    """Names, titles, files and the truth say that nothing in them is real; sources end in a reserved domain."""
    assert published.truth["synthetic"] is True
    for name in ("README.txt", "registry.toml", "activity-iso.mapping.toml"):
        assert "ynthetic" in (published.folder / name).read_text(encoding="utf-8").splitlines()[0]
    names = {row["name"] for rows in published.register.rows.values() for row in rows}
    assert all(name.startswith("Syntetisk ") for name in names)
    assert all(event.source.endswith(".example") for event in published.events)
    assert all(title.startswith("Syntetisk ") for event in published.events if (title := event.rest[-1]))


def test_cvr_numbers(published: Exports):
    """Every number is valid by python-stdnum, unique, and begins with a 9."""
    numbers = {f"{event.cvr}" for event in published.events} | {f"{number}" for number in published.register.rows}
    assert all(number.startswith("9") and cvr.is_valid(number) for number in numbers)


def test_municipalities_lie_in_their_regions():
    """The simulator's few municipalities agree with the product's table."""
    assert dict(_PLACES) == {code: municipality_nuts(code) for code, _ in _PLACES}


def test_registry_loads(published: Exports):
    """The product reads the registry, and finds 38 clusters of the scenario in each of the three years."""
    registry = read_file((published.folder / "registry.toml").read_bytes(), "registry.toml", 1).by_source
    for year in (2017, 2018, 2019):
        assert (
            sum(one.slug.startswith("syn-") for one in registry.clusters if one.holds(date(year, 6, 30)))
            == PUBLISHED.clusters
        )


def test_one_registry_for_all_scenarios(published: Exports, small: Exports):
    """The examples, and those of the documentation, count where the demo's registry is in force."""
    text, other = ((one.folder / "registry.toml").read_bytes() for one in (published, small))
    assert text == other
    registry = read_file(text, "registry.toml").by_source
    assert registry.resolve("https://crm.foodbio.example", date(2018, 5, 3), None) == "food-bio"


def test_danish_csv(published: Exports):
    """cp1252, semicolons, Windows line ends, day before month, and Danish letters in names and headings."""
    content = (published.folder / "activity-danish.csv").read_bytes()
    lines = content.split(b"\r\n")
    assert lines[0].decode("cp1252").startswith("Rækkenr;CVR-nr;")
    with pytest.raises(UnicodeDecodeError):
        content.decode("utf-8")
    text = content.decode("cp1252", "replace")
    assert all(letter in text for letter in "æøåÅ")
    dates = {line.split(";")[6] for line in text.split("\r\n")[1:] if line.count(";") == 10}
    assert any(written.endswith("-2018 23:30") for written in dates)


def test_iso_csv(published: Exports):
    """UTF-8 but for the rows that must be refused, commas, quotes where a title has a comma or a quotation mark."""
    content = (published.folder / "activity-iso.csv").read_bytes()
    assert len(content.decode("utf-8", "replace").split("\ufffd")) - 1 <= 2 * 2 * 2
    rows = list(csv.reader(content.decode("utf-8", "replace").splitlines()))
    titles = {row[-1] for row in rows if len(row) == len(rows[0])}
    assert any("," in title for title in titles)
    assert any('"' in title for title in titles)


def test_workbook(published: Exports):
    """Two sheets, real dates and times in whole minutes, some CVR numbers as numbers; no clock inside."""
    book = load_workbook(published.folder / "activity-excel.xlsx", read_only=True)
    assert book.sheetnames == ["Læs mig", "Aktiviteter"]
    rows = list(book["Aktiviteter"].iter_rows(min_row=2, max_row=400, values_only=True))
    header = next(book["Aktiviteter"].iter_rows(max_row=1, values_only=True))
    assert book.properties.created.year == book.properties.modified.year == 2020
    book.close()
    assert {type(row[header.index("CVR-nr")]) for row in rows} == {int, str}
    times = [row[header.index("Opdateret")] for row in rows]
    assert sum(isinstance(one, datetime) and one.second == one.microsecond == 0 for one in times) > 390


def test_mappings_are_toml(published: Exports):
    """Every spreadsheet has its mapping next to it, for columns that are there."""
    for name in published.truth["records"]:
        if name.endswith(".jsonl"):
            continue
        mapping = tomllib.loads((published.folder / name).with_suffix(".mapping.toml").read_text(encoding="utf-8"))
        assert "subject" in mapping["fields"]
        assert ("source" in mapping) != ("source" in mapping["fields"])


def test_truth_is_json_and_complete(small: Exports):
    """truth.json holds what the end-to-end test compares."""
    truth = json.loads((small.folder / "truth.json").read_text(encoding="utf-8"))
    assert {
        "scenario", "seed", "synthetic", "years", "details", "records", "receipts", "rejected", "refused", "noise",
        "companies",
    } == set(truth)  # fmt: skip
    for one in truth["rejected"]:
        assert {"file", "line", "codes"} < set(one)
        assert ("sha256" in one) != ("id" in one)
        assert one["codes"] == sorted(one["codes"])
