import string
from collections import Counter
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.annual import published_mapping
from reports.layout import fitted
from reports.model import (
    FIGURES,
    AllNotCounted,
    AnnualReport,
    ClusterFigures,
    ClusterNotCounted,
    Figures,
    NationalFigures,
    PreviousYear,
)
from reports.text import annual_text
from schemas.indicators import OUTCOMES, PIPELINE_VERSION
from schemas.visible import table

REPORT = AnnualReport(
    year=2018,
    as_known_on=date(2019, 3, 31),
    size_as_at=date(2018, 12, 31),
    provisional=False,
    known_since=datetime(2018, 1, 5, tzinfo=UTC),
    helped=NationalFigures(companies=18058, under_50=13012, unknown_size=200, sum_over_clusters=20123),
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
    previous_year=PreviousYear(
        year=2017, companies=dict.fromkeys(FIGURES, 0) | {"helped": 17001, "new_competencies": 6868, "new_ideas": 7}
    ),
)
NAMES = {"food-bio": "Food & Bio Cluster Denmark", "water": "Water Valley Denmark, the Danish cluster for all water"}


def shown(report: AnnualReport = REPORT, width: int = 120) -> str:
    """The report as text."""
    return annual_text(report, NAMES, width)


def test_title_and_sentence_come_first():
    """A title, what the report speaks for, and the sentence."""
    lines = shown().splitlines()
    assert lines[0] == "Companies helped by clusters in 2018"
    assert lines[1] == "As known at the end of 2019-03-31; sizes and mergers as at 2018-12-31."
    assert lines[3].startswith("more than 18,000 companies helped; 6,868 companies (4,843 with fewer than 50 employees")


@pytest.mark.parametrize("width", [72, 80, 100, 120])
def test_it_fits_the_screen(width: int):
    """No line is wider than the screen, no figure and no word is cut, and legends come before their tables."""
    text = shown(width=width)
    assert max(map(len, text.splitlines())) <= width
    assert {"18,058", "20,123", "17,001", "+1,057", "participants", "11,123"} <= {*text.split()}
    assert "\u2026" not in text
    assert text.index("Companies are counted once") < text.index("13,012")
    assert text.index("Worth a look") < text.index("205")


def test_figures_are_aligned_beneath():
    """A row per figure: companies, the year before and the change, sizes; then the basis."""
    rows = [line.split() for line in shown().splitlines()]
    assert ["companies", "helped", "18,058", "17,001", "+1,057", "13,012", "200"] in rows
    assert ["new", "competencies", "and", "tools", "6,868", "6,868", "0", "4,843", "0"] in rows
    assert ["new", "ideas", "0", "7", "-7", "0", "0"] in rows
    assert ["companies", "helped", "-", "-", "20,123", "0"] in rows
    assert ["new", "competencies", "and", "tools", "4,000", "3,500", "7,000", "12"] in rows


def test_without_a_year_before_there_is_no_change():
    """What is not known of the year before is not shown as zero."""
    rows = [line.split() for line in shown(REPORT.model_copy(update={"previous_year": None})).splitlines()]
    assert ["companies", "helped", "18,058", "13,012", "200"] in rows


@pytest.mark.parametrize(
    "words",
    [
        pytest.param("As known at the end of 2019-03-31; sizes and mergers as at 2018-12-31", id="days"),
        pytest.param("  workshop.attended -> new competencies and tools", id="mapping"),
        pytest.param(f"derived from which type of activity (mapping {PIPELINE_VERSION}):", id="version of the mapping"),
        pytest.param(f"sha256 {REPORT.sha256}", id="hash"),
    ],
)
def test_what_the_figures_rest_on_is_printed(words: str):
    """Days, mapping and hash are part of the report."""
    assert words in " ".join(shown().split("\n"))


def test_clusters_and_what_waits_are_listed():
    """Every cluster has its row; what is not counted has a row per cluster and one for all."""
    rows = [line.split() for line in shown().splitlines()]
    none = ["0"] * len(OUTCOMES)
    assert ["food-bio", "Food", "&", "Bio", "Cluster", "Denmark", "9,000", *none, "3"] in rows
    ideas = ["7" if outcome == "new_ideas" else "0" for outcome in OUTCOMES]
    assert any(row[:2] == ["water", "Water"] and row[-len(ideas) - 2 :] == ["11,123", *ideas, "0"] for row in rows)
    assert ["all", "205", "0", "0", "100"] in rows


def test_a_running_year_is_marked():
    """A provisional report says so below its title."""
    assert "PROVISIONAL: the year had not ended." in shown(REPORT.model_copy(update={"provisional": True}))


EMPTY = AnnualReport(
    year=2031, as_known_on=None, size_as_at=date(2031, 12, 31), provisional=False, mapping=published_mapping()
)
BEGINS = datetime(2026, 11, 3, 23, 30, tzinfo=UTC)


def test_a_year_without_data_is_sensible():
    """No clusters, no waiting records: the empty tables are left out."""
    text = shown(EMPTY.model_copy(update={"known_since": BEGINS}))
    assert "No company is known to have been helped in 2031.\n" in text
    assert "Nothing to look at" in text
    assert "cluster  " not in text


@pytest.mark.parametrize(
    ("known", "words"),
    [
        pytest.param({"begun": False}, "2031 has not begun: nothing is known of it.", id="not begun"),
        pytest.param(
            {"begun": False, "as_known_on": date(2030, 12, 31)},
            "2031 had not begun at the end of 2030-12-31: nothing is known of it.",
            id="not begun then",
        ),
        pytest.param({}, "The ledger holds no activity yet: publish some", id="empty ledger"),
        pytest.param(
            {"as_known_on": date(2026, 11, 2), "ledger_begins": BEGINS},
            "The ledger knew nothing at the end of 2026-11-02: its first activity became known on 2026-11-04. Name "
            "that time or a later one: --as-known-on 2026-11-04T",
            id="the ledger began later",
        ),
    ],
)
def test_what_cannot_be_known_is_not_shown_as_zero(known: dict[str, object], words: str):
    """A year to come, or a ledger that began later, is said; there are no figures."""
    text = shown(EMPTY.model_copy(update=known))
    assert words in " ".join(text.split())
    assert " 0" not in text


def test_what_waits_is_shown_without_figures():
    """A ledger that holds nothing but rejected records says both."""
    text = shown(EMPTY.model_copy(update={"not_counted": REPORT.not_counted}))
    assert "The ledger holds no activity yet" in text
    assert "205" in text


def test_a_table_that_cannot_fit_is_stacked():
    """A row becomes a block where its words are wider than the screen; a cell of many words wraps there, too."""
    assert fitted([("name", "first", "second"), ("a", "1", ""), ("b", "2", "3")], 8) == (
        "a\n  first  1\n\nb\n  first   2\n  second  3"
    )
    assert fitted([("name", "long", "second"), ("a", "of two words", "3333333")], 17) == (
        "a\n  long    of two\n          words\n  second  3333333"
    )


_WORDS = st.text(string.ascii_letters, min_size=1, max_size=14)
_CELLS = st.lists(_WORDS, min_size=1, max_size=6).map(" ".join)


@given(
    st.lists(st.lists(_CELLS, min_size=5, max_size=5), min_size=2, max_size=4), st.integers(20, 130), st.integers(1, 2)
)
def test_no_word_is_lost_in_any_width(rows: list[list[str]], width: int, texts: int):
    """Every word of every row is shown whole, next to others or below them."""
    shown = fitted(rows, width, texts=texts)
    words = Counter(word for row in rows[1:] for cell in row for word in cell.split(" "))
    assert not words - Counter(shown.split())


def test_columns_are_aligned():
    """Names are on the left, figures on the right, no blanks at the end."""
    assert table([("", "n"), ("a", "10"), ("bcd", "")], numbers=True) == "      n\na    10\nbcd"
