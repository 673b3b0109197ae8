"""The published figures by brute force: every rule of counting once, in plain Python over the rows of a history.

Each function gives the rows of the view of its name, as dicts of all its columns.
"""

from collections.abc import Callable, Container, Iterable, Sequence
from datetime import date, datetime, timedelta
from itertools import combinations
from typing import Any

from tally.records import NOW, Activity, History
from tally.register import Register, described, in_force, is_small, listed, size_band

Row = dict[str, Any]
Facts = list[Row]


class Figures:
    """All figures of one history. What several of them share is computed once."""

    def __init__(self, history: History) -> None:
        self.history = history
        self._registers: dict[datetime, Register] = {}
        self._facts: dict[tuple[date, date, date, datetime], Facts] = {}

    def register(self, known: datetime) -> Register:
        """The register as known at an instant."""
        if known not in self._registers:
            self._registers[known] = Register(self.history.companies, known)
        return self._registers[known]

    def standing(self, known: datetime) -> list[Activity]:
        """Of each activity the highest revision known by then, unless it retracts."""
        newest: dict[tuple[str, str], Activity] = {}
        for row in self.history.activities:
            if row.known_at <= known:
                other = newest.get(row.identity)
                if other is None or row.revision > other.revision:
                    newest[row.identity] = row
        return [row for row in newest.values() if not row.is_deleted]

    # ---- the registry

    def registry_known(self, known: datetime) -> list[Row]:
        """The version in force."""
        registry = in_force(self.history.registries, known)
        texts = {row.revision: row.content for row in self.history.registries}
        return [{"revision": registry["revision"], "content": texts[registry["revision"]]}] if registry else []

    def cluster_known(self, known: datetime) -> list[Row]:
        """Clusters of the version in force; days beyond those of the ledger are its first and last."""
        registry = in_force(self.history.registries, known) or {"clusters": []}
        return [
            {
                "cluster": one["slug"],
                "name": one["name"],
                "name_en": one["name_en"] or one["name"],
                "valid_from": max(date(1900, 1, 1), date.fromisoformat(one["valid_from"])),
                "valid_to": one["valid_to"] and min(date(2299, 12, 31), date.fromisoformat(one["valid_to"])),
                "sources": tuple(one["sources"]),
            }
            for one in registry["clusters"]
        ]

    def institutions(self, as_at: date, known: datetime) -> dict[int, Row]:
        """Institutions as at a day."""
        return listed(in_force(self.history.registries, known), as_at)

    def institution_at(self, as_at: date, known: datetime) -> list[Row]:
        """The same as rows."""
        return [
            {
                "company_id": cvr,
                "valid_from": date.fromisoformat(one["valid_from"]),
                "valid_to": one["valid_to"] and date.fromisoformat(one["valid_to"]),
                "reason": one["reason"],
            }
            for cvr, one in self.institutions(as_at, known).items()
        ]

    # ---- activities and companies

    def activity_at(self, known: datetime) -> list[Row]:
        """Activities in force."""
        return [
            {
                "source": row.source,
                "activity_id": row.activity_id,
                "revision": row.revision,
                "company_id": row.company_id,
                "cluster": row.cluster,
                "event_type": row.event_type,
                "reported": row.reported,
                "derived": row.derived,
                "occurred_on": row.occurred_on,
            }
            for row in self.standing(known)
        ]

    def company_known(self, known: datetime) -> list[Row]:
        """Versions in force."""
        hidden = ("revision", "is_deleted", "known_at")
        return [
            {name: value for name, value in version._asdict().items() if name not in hidden}
            for versions in self.register(known).versions.values()
            for version in versions
        ]

    def company_canonical(self, as_at: date, known: datetime) -> list[Row]:
        """Companies that have a successor in force."""
        register = self.register(known)
        rows = []
        for company in register.versions:
            if register.successor(company, as_at) is not None:
                chain, in_cycle = register.chain(company, as_at)
                rows.append(
                    {
                        "company_id": company,
                        "last": (tuple(chain[:-1]), chain[-1]),
                        "in_cycle": in_cycle,
                        "canonical_id": company if in_cycle else chain[-1],
                        "chain": tuple(chain),
                    }
                )
        return rows

    def company_at(self, as_at: date, known: datetime) -> list[Row]:
        """Every company of the register with the attributes of the one that it counts as."""
        register = self.register(known)
        institutions = self.institutions(as_at, known)
        rows = []
        for company in register.versions:
            canonical, in_cycle = register.canonical(company, as_at)
            end = register.as_at(canonical, as_at)
            rows.append(
                {
                    "company_id": company,
                    "canonical_id": canonical,
                    "in_cycle": in_cycle,
                    "sizes": tuple((day, version.employees) for day, version in register.own(company)),
                    "name": end.name if end else "",
                    **described(end, is_listed=canonical in institutions),
                }
            )
        return rows

    def fact(self, first: date, last: date, as_at: date, known: datetime) -> Facts:
        """Activity x outcome between two days, with the company that counts."""
        key = (first, last, as_at, known)
        if key not in self._facts:
            register, institutions = self.register(known), self.institutions(as_at, known)
            self._facts[key] = [
                fact
                for row in self.standing(known)
                if first <= row.occurred_on <= last
                for fact in _facts_of(row, register, institutions, as_at)
            ]
        return self._facts[key]

    def year(self, year: int, known: datetime = NOW) -> Facts:
        """Facts of a calendar year, sizes and mergers as at 31 December."""
        return self.fact(date(year, 1, 1), date(year, 12, 31), date(year, 12, 31), known)

    # ---- figures of a year

    def impact_annual_figures(self, year: int, known: datetime) -> list[Row]:
        """Of the country and of each cluster."""
        registered = self.register(known).versions
        return _grouped(
            self.year(year, known),
            lambda fact: [
                {"outcome": fact["outcome"], "level": "national unique", "cluster": ""},
                {"outcome": fact["outcome"], "level": "cluster", "cluster": fact["cluster"]},
            ],
            lambda facts: {
                **_basis_counts(facts),
                "companies_unknown_size": _count(facts, size_band="unknown"),
                "companies_without_register_row": len({fact["company_id"] for fact in facts} - set(registered)),
            },
        )

    def impact_annual_as_known(self, year: int, known: datetime) -> list[Row]:
        """National figures."""
        return _grouped(
            self.year(year, known),
            lambda fact: [{"outcome": fact["outcome"]}],
            lambda facts: {**_basis_counts(facts), "companies_unknown_size": _count(facts, size_band="unknown")},
        )

    def impact_annual(self, year: int) -> list[Row]:
        """National figures as known now."""
        return self.impact_annual_as_known(year, NOW)

    def impact_annual_at_activity(self, year: int) -> list[Row]:
        """Sized as the reported company was on the day of each activity."""
        return _grouped(
            self.year(year),
            lambda fact: [{"outcome": fact["outcome"], "size_band": band} for band in ("all", fact["size_band_then"])],
            lambda facts: {
                "companies": _count(facts),
                "companies_under_50": _count(facts, under_50_then=True),
                "participants_other": _others(facts),
            },
        )

    def impact_annual_by(self, year: int) -> list[Row]:
        """By none, one or two of five breakdowns."""
        columns = {
            "cluster": ("cluster",),
            "region": ("region",),
            "industry": ("industry_scheme", "industry"),
            "size_band": ("size_band",),
            "event_type": ("event_type",),
        }
        chosen = [pick for size in range(3) for pick in combinations(columns, size)]

        def groups(fact: Row) -> list[Row]:
            values = {**fact, "industry": fact["division"]}
            return [
                {
                    "outcome": fact["outcome"],
                    "breakdown": ", ".join(pick),
                    **{
                        column: values[column] if name in pick else "all"
                        for name, parts in columns.items()
                        for column in parts
                    },
                }
                for pick in chosen
            ]

        return _grouped(self.year(year), groups, _basis_counts)

    def impact_cluster(self, year: int) -> list[Row]:
        """Per cluster, their sum, and every company once."""
        facts = self.year(year)
        clusters = _grouped(
            facts,
            lambda fact: [{"outcome": fact["outcome"], "level": "cluster", "cluster": fact["cluster"]}],
            _basis_counts,
        )
        national = _grouped(
            facts,
            lambda fact: [{"outcome": fact["outcome"], "level": "national unique", "cluster": ""}],
            _basis_counts,
        )
        sums = []
        for outcome in {row["outcome"] for row in clusters}:
            rows = [row for row in clusters if row["outcome"] == outcome]
            counts = {name: sum(row[name] for row in rows) for name in rows[0] if isinstance(rows[0][name], int)}
            sums.append({"outcome": outcome, "level": "sum over clusters", "cluster": "", **counts})
        return clusters + national + sums

    # ---- rolling windows

    def impact_rolling_basis(self, first: date, last: date, window: int, basis: str) -> list[Row]:
        """For each day the companies of the `window` days ending on it; an outcome without any company has no rows."""
        facts = [
            fact
            for fact in self.fact(first - timedelta(days=window - 1), last, last, NOW)
            if fact["kind"] == "company"
            and {"reported": fact["reported"], "derived": fact["derived"], "both": True}[basis]
        ]
        rows = []
        for outcome in {fact["outcome"] for fact in facts}:
            mine = [fact for fact in facts if fact["outcome"] == outcome]
            day = first
            while day <= last:
                opened = day - timedelta(days=window - 1)
                inside = [fact for fact in mine if opened <= fact["occurred_on"] <= day]
                rows.append(
                    {
                        "outcome": outcome,
                        "day": day,
                        "companies": _count(inside),
                        "companies_under_50": _count(inside, under_50=True),
                    }
                )
                day += timedelta(days=1)
        return rows

    def impact_rolling(self, first: date, last: date, window: int) -> list[Row]:
        """The same on either basis."""
        return self.impact_rolling_basis(first, last, window, "both")


def _facts_of(row: Activity, register: Register, institutions: Container[int], as_at: date) -> Iterable[Row]:
    canonical, _ = register.canonical(row.company_id, as_at)
    attributes = described(register.as_at(canonical, as_at), is_listed=canonical in institutions)
    then = register.as_at(row.company_id, row.occurred_on)
    employees, employees_then = attributes["employees"], then.employees if then else None
    for outcome in {"helped", *row.reported, *row.derived}:
        yield {
            "source": row.source,
            "activity_id": row.activity_id,
            "occurred_on": row.occurred_on,
            "event_type": row.event_type or "unknown",
            "cluster": row.cluster or "unknown",
            "outcome": outcome,
            "reported": outcome == "helped" or outcome in row.reported,
            "derived": outcome == "helped" or outcome in row.derived,
            "reported_company_id": row.company_id,
            "company_id": canonical,
            **attributes,
            "size_band": size_band(employees),
            "under_50": is_small(employees),
            "employees_then": employees_then,
            "size_band_then": size_band(employees_then),
            "under_50_then": is_small(employees_then),
        }


def _grouped(
    facts: Facts, groups: Callable[[Row], Sequence[Row]], counts: Callable[[Facts], dict[str, int]]
) -> list[Row]:
    """One row for each group with at least one fact."""
    found: dict[tuple[tuple[str, Any], ...], Facts] = {}
    for fact in facts:
        for group in groups(fact):
            found.setdefault(tuple(group.items()), []).append(fact)
    return [{**dict(group), **counts(members)} for group, members in found.items()]


def _count(facts: Facts, **wanted: Any) -> int:
    """Distinct companies, public bodies left out, of the facts whose columns are as wanted."""
    return len(
        {
            fact["company_id"]
            for fact in facts
            if fact["kind"] == "company" and all(fact[name] == value for name, value in wanted.items())
        }
    )


def _others(facts: Facts) -> int:
    return len({fact["company_id"] for fact in facts if fact["kind"] == "other"})


def _basis_counts(facts: Facts) -> dict[str, int]:
    return {
        "companies": _count(facts),
        "companies_under_50": _count(facts, under_50=True),
        "reported_companies": _count(facts, reported=True),
        "reported_companies_under_50": _count(facts, reported=True, under_50=True),
        "derived_companies": _count(facts, derived=True),
        "derived_companies_under_50": _count(facts, derived=True, under_50=True),
        "participants_other": _others(facts),
    }
