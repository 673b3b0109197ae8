from datetime import date

import pytest

from reports.annual import published_mapping
from reports.model import (
    AllNotCounted,
    AnnualReport,
    ClusterFigures,
    ClusterNotCounted,
    Figures,
    NationalFigures,
)
from reports.text import annual_text
from schemas.indicators import OUTCOMES, PIPELINE_VERSION
from schemas.visible import table

REPORT = AnnualReport(
    year=2018,
    as_known_on=date(2019, 3, 31),
    size_as_at=date(2018, 12, 31),
    provisional=False,
    helped=NationalFigures(
        companies=18058, under_50=13012, unknown_size=200, reported=18058, derived=18058, sum_over_clusters=20123
    ),
    new_competencies=NationalFigures(
        companies=6868, under_50=4843, participants_other=12, reported=4000, derived=3500, sum_over_clusters=7000
    ),
    clusters=(
        ClusterFigures(cluster="food-bio", helped=Figures(companies=9000, participants_other=3)),
        ClusterFigures(cluster="water", helped=Figures(companies=11123), new_ideas=Figures(companies=7)),
    ),
    mapping=published_mapping(),
    not_counted=AllNotCounted(
        rejected=205,
        companies_without_register_row=100,
        clusters=(
            ClusterNotCounted(cluster="food-bio", rejected=200, companies_without_register_row=100),
            ClusterNotCounted(cluster="unknown", rejected=5),
        ),
    ),
)


def test_the_sentence_comes_first():
    """The first line is the whole published sentence."""
    assert annual_text(REPORT).splitlines()[0].startswith("more than 18,000 companies helped; 6,868 companies (4,843 ")


def test_figures_are_aligned_beneath():
    """The table has a row per figure with basis, unknown sizes and other participants, in columns of one width."""
    lines = annual_text(REPORT).splitlines()
    head = next(number for number, line in enumerate(lines) if line.endswith("other participants"))
    table = lines[head : head + 5]
    assert [line.split()[-1] for line in table[1:]] == ["0", "12", "0", "0"]
    assert len({len(line) for line in table}) == 1
    assert table[1].split() == ["companies", "helped", "18,058", "13,012", "200", "-", "-", "20,123", "0"]
    assert table[2].split()[-7:] == ["6,868", "4,843", "0", "4,000", "3,500", "7,000", "12"]


@pytest.mark.parametrize(
    "words",
    [
        pytest.param("2018, as known at the end of 2019-03-31, sizes and mergers as at 2018-12-31", id="days"),
        pytest.param("  workshop.attended -> new competencies and tools", id="mapping"),
        pytest.param(f"where the cluster stated no outcome (mapping {PIPELINE_VERSION}):", id="version of the mapping"),
        pytest.param(f"sha256 {REPORT.sha256}", id="hash"),
    ],
)
def test_what_the_figures_rest_on_is_printed(words: str):
    """Days, mapping and hash are part of the report."""
    assert words in " ".join(annual_text(REPORT).split("\n"))


def test_clusters_and_what_waits_are_listed():
    """Every cluster has its row; what is not counted has a row per cluster and one for all."""
    rows = [line.split() for line in annual_text(REPORT).splitlines()]
    none = ["0"] * len(OUTCOMES)
    assert ["food-bio", "9,000", *none, "3"] in rows
    assert ["water", "11,123", *none[:1], "7", *none[2:], "0"] in rows
    assert ["all", "205", "0", "0", "100"] in rows


def test_a_running_year_is_marked():
    """A provisional report says so next to the year."""
    assert "PROVISIONAL: the year had not ended" in annual_text(REPORT.model_copy(update={"provisional": True}))


def test_a_year_without_data_is_sensible():
    """No clusters, no waiting records: the empty tables are left out."""
    empty = AnnualReport(
        year=2031, as_known_on=None, size_as_at=date(2031, 12, 31), provisional=False, mapping=published_mapping()
    )
    text = annual_text(empty)
    assert text.startswith("No company is known to have been helped in 2031.\n")
    assert "Nothing to look at" in text
    assert "cluster  " not in text


def test_columns_are_aligned():
    """Names are on the left, figures on the right, no blanks at the end."""
    assert table([("", "n"), ("a", "10"), ("bcd", "")], numbers=True) == "      n\na    10\nbcd"
