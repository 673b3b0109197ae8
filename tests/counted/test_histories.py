"""Random histories hold what they are meant to: a history in which nothing happens proves nothing."""

from collections.abc import Callable
from datetime import date
from functools import cache
from itertools import pairwise

import pytest
from tally.histories import random_history
from tally.records import NOW, Activity, History
from tally.register import Register, in_force, listed

pytestmark = pytest.mark.parametrize("usual", [pytest.param(seed, id=f"seed-{seed}") for seed in (1, 2)])

LAST_DAY = date(2018, 12, 31)


@cache
def history_of(seed: int) -> History:
    """The history that the other tests count, made once."""
    return random_history(seed)


def _versions(history: History) -> list[list[Activity]]:
    """Deliveries of each activity, by revision."""
    found: dict[tuple[str, str], list[Activity]] = {}
    for row in sorted(history.activities, key=lambda row: row.revision):
        found.setdefault(row.identity, []).append(row)
    return list(found.values())


def _pairs(history: History) -> list[tuple[Activity, Activity]]:
    """Neighbouring versions of an activity."""
    return [pair for rows in _versions(history) for pair in pairwise(rows)]


def _register(history: History) -> Register:
    return Register(history.companies, NOW)


def _chains(history: History) -> list[tuple[list[int], bool]]:
    register = _register(history)
    return [register.chain(company, LAST_DAY) for company in register.versions]


EVENTS: dict[str, Callable[..., int]] = {
    "repeated": lambda h: sum(a.revision == b.revision for a, b in _pairs(h)),
    "known late": lambda h: sum(a.revision < b.revision and a.known_at > b.known_at for a, b in _pairs(h)),
    "same millisecond": lambda h: sum(
        a.revision != b.revision and a.recorded_at == b.recorded_at and a.company_id != b.company_id
        for a, b in _pairs(h)
    ),
    "reprocessed": lambda h: sum((row.revision >> 55) % 256 == 2 for row in h.activities),
    "retracted": lambda h: sum(b.is_deleted and not a.is_deleted for a, b in _pairs(h)),
    "revived": lambda h: sum(a.is_deleted and not b.is_deleted for a, b in _pairs(h)),
    "retracted only": lambda h: sum(all(row.is_deleted for row in rows) for rows in _versions(h)),
    "moved to another year": lambda h: sum(a.occurred_on.year != b.occurred_on.year for a, b in _pairs(h)),
    "missing from the register": lambda h: sum(
        row.company_id not in _register(h).versions for row in h.activities[:100]
    ),
    **{
        f"corrected {name}": lambda h, n=name: sum(getattr(a, n) != getattr(b, n) for a, b in _pairs(h))
        for name in ("company_id", "occurred_on", "event_type", "cluster", "reported", "outcomes_given", "details")
    },
}
REGISTERS: dict[str, Callable[[History], int]] = {
    "merged": lambda h: sum(len(path) == 2 for path, _ in _chains(h)),
    "chain": lambda h: sum(len(path) > 2 and not cycle for path, cycle in _chains(h)),
    "cycle": lambda h: sum(cycle and path[-1] == path[0] for path, cycle in _chains(h)),
    "chain into a cycle": lambda h: sum(cycle and path[-1] != path[0] for path, cycle in _chains(h)),
    "successor that the register lacks": lambda h: sum(path[-1] not in _register(h).versions for path, _ in _chains(h)),
    "public body": lambda h: sum(row.legal_form in ("230", "250") for row in h.companies),
    "changed form": lambda h: sum(len({v.legal_form for v in vs}) > 1 for vs in _register(h).versions.values()),
    "institution": lambda h: len({*listed(in_force(h.registries, NOW), date(2018, 12, 31))} & {*_register(h).versions}),
    "institution that the register lacks": lambda h: len(
        {*listed(in_force(h.registries, NOW), date(2018, 12, 31))} - {*_register(h).versions}
    ),
    "other institutions as known before": lambda h: len({row.content for row in h.registries}) - 1,
    "ceased": lambda h: sum(
        attributes.valid_from != first
        for company in _register(h).versions
        for first, attributes in _register(h).own(company)
    ),
    "withdrawn": lambda h: sum(row.is_deleted for row in h.companies),
    "corrected": lambda h: len(h.companies) - len({row[:2] for row in h.companies}),
    "before 1970": lambda h: sum(row.valid_from.year < 1970 for row in h.companies),
    "edge of 50": lambda h: sum(row.employees in (49, 50) for row in h.companies),
    "size unknown": lambda h: sum(row.employees is None for row in h.companies),
}
RECEIPTS: dict[str, Callable[[History], int]] = {
    status: lambda h, s=status: sum(receipt.status == s for receipt in h.receipts)
    for status in ("accepted", "retracted", "duplicate", "rejected", "rerouted")
} | {
    "by the next pipeline": lambda h: sum(receipt.pipeline_version == 2 for receipt in h.receipts),
    "written twice": lambda h: len(h.receipts) - len({receipt[:4] for receipt in h.receipts}),
    "not within the bounds": lambda h: sum(
        receipt.offset < bound.low for bound in h.bounds for receipt in h.receipts if receipt[:3] == bound[:3]
    ),
}


@pytest.mark.parametrize("count", [pytest.param(count, id=name) for name, count in EVENTS.items()])
def test_activities(count: Callable[[History], int], usual: int):
    """Each history has each of these."""
    assert count(history_of(usual))


@pytest.mark.parametrize("count", [pytest.param(count, id=name) for name, count in REGISTERS.items()])
def test_register(count: Callable[[History], int], usual: int):
    """Each register has each of these."""
    assert count(history_of(usual))


@pytest.mark.parametrize("count", [pytest.param(count, id=name) for name, count in RECEIPTS.items()])
def test_receipts(count: Callable[[History], int], usual: int):
    """Receipts of each kind."""
    assert count(history_of(usual))


def test_a_seed_gives_the_same_history(usual: int):
    """A failure can be repeated."""
    assert random_history(usual) == history_of(usual)
