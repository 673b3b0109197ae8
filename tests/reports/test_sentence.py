import locale
from datetime import date

import pytest

from reports.model import AnnualReport, Mapping, NationalFigures
from reports.sentence import helped, sentence
from schemas.counts import number


def report(helped: int, new: int, ideas: int, products: int) -> AnnualReport:
    """A report of 2018 in which three of four companies of each outcome have fewer than 50 employees."""

    def figures(companies: int) -> NationalFigures:
        return NationalFigures(companies=companies, under_50=companies * 3 // 4)

    return AnnualReport(
        year=2018,
        as_known_on=None,
        size_as_at=date(2018, 12, 31),
        provisional=False,
        helped=figures(helped),
        new_competencies=figures(new),
        new_ideas=figures(ideas),
        new_products=figures(products),
        mapping=Mapping(version=1, derived={}),
    )


def test_the_published_sentence():
    """The published figures give the published sentence, word for word."""
    published = report(18058, 0, 0, 0).model_copy(
        update={
            "new_competencies": NationalFigures(companies=6868, under_50=4843),
            "new_ideas": NationalFigures(companies=5296, under_50=3941),
            "new_products": NationalFigures(companies=2689, under_50=1998),
        }
    )
    assert sentence(published) == (
        "more than 18,000 companies helped; 6,868 companies (4,843 with fewer than 50 employees) were given new "
        "competencies and tools; 5,296 (3,941) developed new ideas; 2,689 (1,998) developed new products, services or "
        "processes."
    )


@pytest.mark.parametrize(
    ("value", "words"),
    [
        pytest.param(1, "1 company helped", id="one"),
        pytest.param(999, "999 companies helped", id="below a thousand: exact"),
        pytest.param(1000, "1,000 companies helped", id="a whole thousand is not more than itself"),
        pytest.param(1001, "more than 1,000 companies helped", id="one more"),
        pytest.param(18999, "more than 18,000 companies helped", id="never rounded up"),
        pytest.param(1234567, "more than 1,234,000 companies helped", id="a million"),
    ],
)
def test_helped_is_rounded_down(value: int, words: str):
    """Helped is rounded down to the thousand, and exact where rounding would hide or overstate it."""
    assert helped(value) == words


def test_a_year_without_companies_says_so():
    """A year without data is a sensible sentence, not four zeros."""
    assert sentence(report(0, 0, 0, 0)) == "No company is known to have been helped in 2018."


def test_one_company_is_singular():
    """A single company is not plural; no company has no size."""
    assert "1 company (0 with fewer than 50 employees) was given" in sentence(report(1, 1, 0, 0))
    assert "; 0 developed new ideas; 0 developed" in sentence(report(1, 1, 0, 0))


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        pytest.param(
            NationalFigures(companies=9, under_50=4, unknown_size=2),
            "9 companies (4 with fewer than 50 employees, 2 of unknown size) were given",
            id="some",
        ),
        pytest.param(NationalFigures(companies=9, unknown_size=9), "9 companies (sizes unknown) were given", id="all"),
        pytest.param(NationalFigures(companies=1, unknown_size=1), "1 company (size unknown) was given", id="one"),
    ],
)
def test_unknown_sizes_are_said(figures: NationalFigures, words: str):
    """What is not known is not told as "0 with fewer than 50 employees"."""
    assert words in sentence(report(9, 0, 0, 0).model_copy(update={"new_competencies": figures}))


def test_commas_do_not_follow_the_locale():
    """Numbers carry commas under a locale that writes points."""
    names = ["da_DK.UTF-8", "de_DE.UTF-8", "C.UTF-8"]
    before = locale.setlocale(locale.LC_ALL)
    try:
        for name in names:
            try:
                locale.setlocale(locale.LC_ALL, name)
            except locale.Error:
                continue
            assert number(6868) == "6,868"
    finally:
        locale.setlocale(locale.LC_ALL, before)
