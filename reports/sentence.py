"""The published sentence: the figures as a minister reads them."""

from typing import Final

from reports.model import AnnualReport, Figures
from schemas.counts import counted, number, one_or_many

THOUSAND: Final = 1000


def companies(value: int) -> str:
    """The number with its noun: 6,868 companies, 1 company."""
    return counted(value, "company", "companies")


def helped(value: int) -> str:
    """Companies helped, rounded down to the thousand and never up; exact below a thousand and at a whole thousand."""
    rounded = value // THOUSAND * THOUSAND
    if rounded in (0, value):
        return f"{companies(value)} helped"
    return f"more than {companies(rounded)} helped"


def sentence(report: AnnualReport) -> str:
    """The figures of the published sentence, on one line; a year without any company says so."""
    if report.helped.companies == 0:
        return f"No company is known to have been helped in {report.year}."
    new = report.new_competencies
    ideas = report.new_ideas
    products = report.new_products
    were = one_or_many(new.companies, "was", "were")
    return (
        f"{helped(report.helped.companies)}; "
        f"{companies(new.companies)}{_sizes(new, ' with fewer than 50 employees')} "
        f"{were} given new competencies and tools; "
        f"{number(ideas.companies)}{_sizes(ideas)} developed new ideas; "
        f"{number(products.companies)}{_sizes(products)} developed new products, services or processes."
    )


def _sizes(figures: Figures, words: str = "") -> str:
    """How many are small, in brackets; unknown sizes are not small, and are shown next to it."""
    if figures.companies == 0:
        return ""
    if figures.unknown_size == figures.companies:
        return f" ({one_or_many(figures.companies, 'size', 'sizes')} unknown)"
    unknown = f", {number(figures.unknown_size)} of unknown size" if figures.unknown_size else ""
    return f" ({number(figures.under_50)}{words}{unknown})"
