"""The company register as a file: one row a version, with the habits of spreadsheets (leading zeros dropped)."""

import csv
import io
from datetime import date
from typing import Final

from clustertrack.simulator.world import Company, Version, World, interval

COLUMNS: Final = (
    "cvr", "valid_from", "name", "legal_form", "employees", "region", "municipality", "industry_scheme", "industry",
    "successor_cvr", "successor_from", "ceased_on",
)  # fmt: skip


def register_csv(world: World) -> str:
    """All versions of all companies that have a row, by CVR number."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for cvr in sorted(world.companies):
        writer.writerows(_rows(world.companies[cvr]))
    return text.getvalue()


def _rows(company: Company) -> list[list[str]]:
    municipality, nuts = company.place
    scheme, industry = company.industry
    habit = company.cvr // 10 % 8  # of the person who typed the row; the last digit is the check digit
    place = [
        [nuts, ""],
        [nuts[:4], municipality],
        ["", municipality],
        ["", str(int(municipality))],
        [nuts, municipality],
        [nuts[:4], ""],
        [nuts, str(int(municipality))],
        ["", ""],
    ][habit]
    industry = str(int(industry)) if habit % 2 else industry
    rows: list[list[str]] = []

    def row(valid_from: date, version: Version, successor: list[str]) -> None:
        employees = "" if version.employees is None else str(version.employees)
        if version.as_band and version.employees is not None:
            employees = interval(version.employees)
        ceased_on = version.ceased_on.isoformat() if version.ceased_on else ""
        known = [str(company.cvr), valid_from.isoformat(), company.name, company.legal_form, employees]
        rows.append([*known, *place, scheme, industry, *successor, ceased_on])

    # Half of the mergers are in the row in force, with their day; the others have a row of that day.
    own_row = company.successor_from is not None and habit % 2 == 0
    merged = [str(company.successor), str(company.successor_from)]
    for number, version in enumerate(company.versions, 1):
        last = number == len(company.versions) and company.successor is not None and not own_row
        row(version.valid_from, version, merged if last else ["", ""])
    if own_row and company.successor_from is not None:
        row(company.successor_from, company.versions[-1], [merged[0], ""])
    return rows
