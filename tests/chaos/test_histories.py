"""Histories in the wrong order: corrections, retractions, companies and mergers that arrive when they like."""

from collections.abc import Iterator
from datetime import date
from typing import Any, NamedTuple

import pytest
from chaos import EVENTS, NODES, SEED, Load, Outcome, record
from samples import SOURCE
from stack import Stack, wait_for
from tales import PHASES, Counted, Tale, counted, phases, tales
from tally.calls import Call
from tally.judge import Cluster
from tally.look_back import disagreements, look_back
from tally.report import expected_report, printed

pytestmark = [pytest.mark.integration, pytest.mark.extended, pytest.mark.timeout(300)]

COMPANIES = "companies.v1"
TALES = tales(SEED, Load.size(1000))


class Told(NamedTuple):
    """What was seen while the tales ran."""

    stack: Stack
    counted: list[dict[str, Counted]]
    """At the end of each phase."""
    notes: list[str]
    """Where the ledger differs from the model, or the account is not whole."""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """All tales at once, phase by phase, to two workers with small groups; each phase is counted before the next."""
    folder = tmp_path_factory.mktemp("histories")
    registry = folder / "registry.toml"
    registry.write_text(
        f'[[cluster]]\nslug = "food-bio"\nname = "Food"\nvalid_from = 2000-01-01\nsources = ["{SOURCE}"]\n',
        encoding="utf-8",
    )
    stack = Stack(folder, nodes=NODES, registry=registry)
    print(f"seed {SEED}")  # noqa: T201  (shown when a scenario fails)
    seen = Told(stack, [], [])
    try:
        small = {"CLUSTERTRACK_MAX_ROWS": "50", "CLUSTERTRACK_LINGER_MS": "20"}
        workers = [stack.start_worker(f"worker-{number}", wait=False, **small) for number in range(2)]
        for worker in workers:
            stack.wait_ready(worker)
        for companies, events in phases(TALES, SEED):
            stack.send(COMPANIES, companies)
            stack.send(EVENTS, events)
            _wait_counted(stack)
            seen.counted.append(counted(stack))
        seen.notes.extend(_differences(stack))
        yield seen
    finally:
        stack.close()


def _wait_counted(stack: Stack) -> None:
    """Every event has its receipt and every version of a company its row."""
    versions = len({(r.key, r.value) for r in stack.read(COMPANIES)})
    stored = "SELECT uniqExact(company_id, valid_from, revision) FROM company_version"
    wait_for(lambda: stack.query(stored) == [(versions,)], 90, "every version of a company to be stored")
    stack.wait_counted(90)


def _differences(stack: Stack) -> list[str]:
    """Tables, the figures of the year and the report against the model of what is in Kafka."""
    model = look_back(stack, [Cluster("food-bio", date(2000, 1, 1), date(2100, 1, 1), SOURCE)])
    year = Call("impact_annual", "year = 2018", lambda model: model.figures.impact_annual(2018))
    notes = [str(found)[:500] for found in disagreements(stack, model, [year])]
    said, expected = printed(stack.report(2018)), expected_report(model, 2018, [])
    notes += [
        f"report: {name} is {said[name]}, not {expected[name]}" for name in expected if said[name] != expected[name]
    ]
    reconciled = stack.run("reconcile", "--json", expect=None)
    if reconciled.returncode != 0:
        notes.append(f"reconcile ended with {reconciled.returncode}: {reconciled.stdout[:500]}")
    return notes


@pytest.mark.parametrize("tale", [pytest.param(tale, id=tale.name) for tale in TALES])
def test_it_counts_as_it_was_told(told: Told, tale: Tale) -> None:
    """At the end of each phase every activity counts for the right company, band and type."""
    outcome = Outcome(f"histories: {tale.name}", nodes=told.stack.nodes, events=sum(map(len, tale.events)), faults=1)
    for phase, expected in sorted(tale.then.items()):
        shown: dict[str, Any] = told.counted[phase]
        for activity, counts in expected.items():
            found = shown.get(activity)
            if found != counts:
                outcome.lost += found is None
                outcome.counted_twice += counts is None
                outcome.wrong_figures += 1
                outcome.notes.append(f"{activity} after phase {phase}: {found} instead of {counts}")
    assert tale.then[PHASES - 1], "the tale has an end"
    record(outcome)


def test_everything_is_as_the_model_says(told: Told) -> None:
    """All tales together: every row of the tables, the figures of the year and the report; the account is whole."""
    events = sum(len(records) for tale in TALES for records in tale.events)
    record(Outcome("histories: all of them", nodes=told.stack.nodes, events=events, notes=told.notes))
