"""The annual report by brute force, in the form of `clustertrack report --format json`."""

from collections.abc import Sequence
from typing import Any

from tally.calls import Model
from tally.figures import Facts
from tally.records import NOW, Activity

from schemas.indicators import HELPED
from schemas.indicators import OUTCOMES as STATED

OUTCOMES = (HELPED, *STATED)


def expected_report(model: Model, year: int, refused: Sequence[tuple[Any, ...]]) -> dict[str, Any]:
    """What the report of a year must say; `refused` are the messages that were refused, as often as they came."""
    facts = model.figures.year(year)
    clusters = sorted({fact["cluster"] for fact in facts})
    by_cluster = [{"cluster": name, **{o: _figures(facts, o, name) for o in OUTCOMES}} for name in clusters]
    return {
        **{
            o: {**_figures(facts, o), "sum_over_clusters": sum(row[o]["companies"] for row in by_cluster)}
            for o in OUTCOMES
        },
        "clusters": by_cluster,
        "not_counted": {
            "rejected": len(set(refused)),
            "retractions_without_activity": len(model.proofs.retraction_without_activity()),
            "activities_of_several_companies": _moved(model, year),
            "companies_without_register_row": len(
                {fact["company_id"] for fact in facts} - set(model.figures.register(NOW).versions)
            ),
        },
    }


def printed(report: dict[str, Any]) -> dict[str, Any]:
    """The same parts of a report as it was printed."""
    parts = {name: report[name] for name in (*OUTCOMES, "clusters", "not_counted")}
    parts["not_counted"] = {name: n for name, n in report["not_counted"].items() if name != "clusters"}
    return parts


def _figures(facts: Facts, outcome: str, cluster: str | None = None) -> dict[str, int | None]:
    mine = [f for f in facts if f["outcome"] == outcome and cluster in (None, f["cluster"])]
    firms = [f for f in mine if f["kind"] == "company"]

    def distinct(some: Facts) -> int:
        return len({f["company_id"] for f in some})

    return {
        "companies": distinct(firms),
        "under_50": distinct([f for f in firms if f["under_50"]]),
        "unknown_size": distinct([f for f in firms if f["employees"] is None]),
        "participants_other": distinct([f for f in mine if f["kind"] == "other"]),
        "reported": None if outcome == HELPED else distinct([f for f in firms if f["reported"]]),
        "derived": None if outcome == HELPED else distinct([f for f in firms if f["derived"]]),
    }


def _moved(model: Model, year: int) -> int:
    """Activities that named several companies; the newest version that does not retract decides the year."""
    newest: dict[tuple[str, str], Activity] = {}
    for row in model.history.activities:
        if not row.is_deleted and (row.identity not in newest or row.revision > newest[row.identity].revision):
            newest[row.identity] = row
    moved = {(row["source"], row["activity_id"]) for row in model.proofs.activity_moved()}
    return sum(row.occurred_on.year == year for identity, row in newest.items() if identity in moved)
