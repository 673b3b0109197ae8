"""The figures, counted by going through the final state: no Kafka, no ClickHouse, none of the pipeline's code."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from typing import Any, Final

from clustertrack.simulator.final import PROVES, Activity, State
from clustertrack.simulator.scenario import OUTCOMES, YEARS
from clustertrack.simulator.world import World, is_small

HELPED: Final = "helped"


def canonical(world: World, cvr: int, day: date) -> int:
    """The company that a number had become by the end of a day. There are no cycles in the simulated register."""
    while True:
        company = world.companies[cvr]
        if company.successor is None or company.successor_from is None or company.successor_from > day:
            return cvr
        cvr = company.successor


def outcomes_of(state: State) -> tuple[str, ...]:
    """Outcomes that a version means: those it states, else the one its type proves."""
    if state.outcomes is not None:
        return state.outcomes
    return (PROVES[state.type],) if state.type in PROVES else ()


def figures(world: World, activities: Iterable[Activity]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The published figures of every year, and their details (clusters, public bodies, basis), by year and outcome."""
    by_year: dict[int, list[Activity]] = {year: [] for year in YEARS}
    for activity in activities:
        by_year[activity.state.day.year].append(activity)
    years, details = {}, {}
    for year, of_year in by_year.items():
        years[str(year)], details[str(year)] = _figures(world, of_year, date(year, 12, 31))
    return years, details


def _figures(world: World, activities: list[Activity], year_end: date) -> tuple[dict[str, Any], dict[str, Any]]:
    companies: dict[str, set[int]] = defaultdict(set)
    others: dict[str, set[int]] = defaultdict(set)
    in_cluster: dict[str, set[tuple[str, int]]] = defaultdict(set)
    basis: dict[str, set[tuple[str, int]]] = defaultdict(set)
    for activity in activities:
        state = activity.state
        company = canonical(world, state.cvr, year_end)
        for outcome in (HELPED, *outcomes_of(state)):
            if world.companies[company].public:
                others[outcome].add(company)
                continue
            companies[outcome].add(company)
            in_cluster[outcome].add((state.cluster, company))
            basis[outcome].add(("derived" if state.outcomes is None else "reported", company))
    published, details = {}, {}
    for outcome in (HELPED, *OUTCOMES):
        small = [is_small(world.companies[company], year_end) for company in companies[outcome]]
        published[outcome] = {
            "companies": len(small),
            "under_50": small.count(True),
            "unknown_size": small.count(None),
        }
        clusters: dict[str, int] = defaultdict(int)
        for slug, _ in in_cluster[outcome]:
            clusters[slug] += 1
        details[outcome] = {
            "participants_other": len(others[outcome]),
            "sum_over_clusters": len(in_cluster[outcome]),
            "clusters": dict(sorted(clusters.items())),
        }
        if outcome != HELPED:
            for word in ("reported", "derived"):
                details[outcome][word] = sum(1 for one, _ in basis[outcome] if one == word)
    return published, details
