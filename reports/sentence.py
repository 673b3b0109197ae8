"""The published sentence: four figures as a minister reads them."""

from typing import Final

from reports.layout import number
from reports.model import AnnualReport

THOUSAND: Final = 1000


def companies(value: int) -> str:
    """The number with its noun: 6,868 companies, 1 company."""
    return f"{number(value)} {'company' if value == 1 else 'companies'}"


def helped(value: int) -> str:
    """Companies helped, rounded down to the thousand and never up; exact below a thousand and at a whole thousand."""
    rounded = value // THOUSAND * THOUSAND
    if rounded in (0, value):
        return f"{companies(value)} helped"
    return f"more than {companies(rounded)} helped"


def sentence(report: AnnualReport) -> str:
    """The four figures as one sentence, on one line; a year without any company says so."""
    if report.helped.companies == 0:
        return f"No company is known to have been helped in {report.year}."
    new = report.new_competencies
    ideas = report.new_ideas
    products = report.new_products
    were = "was" if new.companies == 1 else "were"
    return (
        f"{helped(report.helped.companies)}; "
        f"{companies(new.companies)} ({number(new.under_50)} with fewer than 50 employees) "
        f"{were} given new competencies and tools; "
        f"{number(ideas.companies)} ({number(ideas.under_50)}) developed new ideas; "
        f"{number(products.companies)} ({number(products.under_50)}) developed new products, services or processes."
    )
