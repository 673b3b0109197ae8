"""The company register as the rules read it: which version holds, whom a company counts as, and its attributes."""

import json
from collections.abc import Sequence
from datetime import date, datetime
from operator import attrgetter
from typing import Any

from tally.records import Company, Registry


class Register:
    """The register as known at an instant."""

    def __init__(self, rows: Sequence[Company], known: datetime) -> None:
        newest: dict[tuple[int, date], Company] = {}
        for row in rows:
            if row.known_at > known:
                continue
            other = newest.get((row.company_id, row.valid_from))
            # Of one revision that came twice, what was known first stays.
            if (
                other is None
                or row.revision > other.revision
                or (row.revision == other.revision and row.known_at < other.known_at)
            ):
                newest[row.company_id, row.valid_from] = row
        self.versions: dict[int, list[Company]] = {}
        for (company, _), row in sorted(newest.items()):
            if not row.is_deleted:
                self.versions.setdefault(company, []).append(row)

    def successor(self, company: int, day: date) -> int | None:
        """The successor in force: of the versions that began by that day, the last that names one."""
        named = [v.successor_id for v in self.versions.get(company, []) if v.successor_id and v.valid_from <= day]
        return named[-1] if named else None

    def chain(self, company: int, day: date) -> tuple[list[int], bool]:
        """The company, its successor, and so on; and whether the chain leads back to itself."""
        path = [company]
        while (following := self.successor(path[-1], day)) is not None:
            if following in path:
                return [*path, following], True
            path.append(following)
        return path, False

    def canonical(self, company: int, day: date) -> tuple[int, bool]:
        """The company that another one counts as, and whether it is in a cycle and counts as itself."""
        path, in_cycle = self.chain(company, day)
        return (company if in_cycle else path[-1]), in_cycle

    def own(self, company: int) -> list[tuple[date, Company]]:
        """First day of each version and the attributes from then on: those of its last day for a ceased company."""
        versions = self.versions.get(company, [])
        found = []
        for version in versions:
            attributes = version
            if version.ceased_on is not None and version.ceased_on <= version.valid_from:
                before = [v for v in versions if v.valid_from < version.ceased_on]
                attributes = before[-1] if before else version
            found.append((version.valid_from, attributes))
        return found

    def as_at(self, company: int, day: date) -> Company | None:
        """Attributes on a day; before the first version those of the first; None without any."""
        own = self.own(company)
        begun = [attributes for first, attributes in own if first <= day]
        if begun:
            return begun[-1]
        return own[0][1] if own else None


def in_force(registries: Sequence[Registry], known: datetime) -> dict[str, Any] | None:
    """The registry of the highest revision known by then; None before the first."""
    found = max((row for row in registries if row.known_at <= known), key=attrgetter("revision"), default=None)
    return None if found is None else dict(json.loads(found.content))


def listed(registry: dict[str, Any] | None, day: date) -> dict[int, dict[str, Any]]:
    """The institutions of a day, by their number."""
    return {
        one["cvr"]: one
        for one in (registry or {}).get("institutions", ())
        if date.fromisoformat(one["valid_from"]) <= day
        and (one["valid_to"] is None or day <= date.fromisoformat(one["valid_to"]))
    }


def described(company: Company | None, *, is_listed: bool) -> dict[str, Any]:
    """Attributes as the views call them; a company that the register lacks has unknown ones."""
    if company is None:
        return {
            "employees": None,
            **dict.fromkeys(
                ("nuts", "region", "industry_scheme", "industry", "division", "legal_form"),
                "unknown",
            ),
            "kind": "other" if is_listed else "company",
        }
    return {
        "employees": company.employees,
        "nuts": company.nuts or "unknown",
        "region": company.nuts[:4] or "unknown",
        "industry_scheme": company.industry_scheme or "unknown",
        "industry": company.industry or "unknown",
        "division": company.industry[:2] or "unknown",
        "legal_form": company.legal_form or "unknown",
        "kind": "other" if is_listed or company.legal_form in ("230", "245", "250") else "company",
    }


def size_band(employees: int | None) -> str:
    """The band in which the CVR register publishes a number of employees."""
    if employees is None:
        return "unknown"
    for below, name in (
        (1, "0"), (2, "1"), (5, "2-4"), (10, "5-9"), (20, "10-19"), (50, "20-49"), (100, "50-99"),
        (200, "100-199"), (500, "200-499"), (1000, "500-999"),
    ):  # fmt: skip
        if employees < below:
            return name
    return "1000+"


def is_small(employees: int | None) -> bool:
    """Fewer than 50; an unknown size is never small."""
    return employees is not None and employees < 50
