"""Histories in phases, each with what must be true at the end, written by hand.

A tale's records of one phase may arrive in any order; its phases follow each other. Tales share no company and no
activity, so that they can run at once.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from chaos import cvr_numbers
from samples import event
from stack import Stack

PHASES = 3
Record = tuple[bytes | None, bytes | None, list[Any], int | None]
"""Key, value, headers, partition (None = that of the key)."""
Counted = tuple[int, str, str]
"""Company that an activity counts for, its band of size, its type."""


@dataclass
class Tale:
    """What is published in each phase, and how each activity counts at the end of a phase; None where it does not."""

    name: str
    activity: str
    events: list[list[Record]] = field(default_factory=lambda: [[] for _ in range(PHASES)])
    companies: list[list[Record]] = field(default_factory=lambda: [[] for _ in range(PHASES)])
    then: dict[int, dict[str, Counted | None]] = field(default_factory=dict)

    def tell(self, phase: int, company: int, minute: int, kind: str = "workshop.attended", **data: Any) -> None:
        """A version of the activity, recorded in a minute of 3 May 2018."""
        said = {"type": f"org.clustertrack.{kind}.v1"}
        if kind == "activity.retracted":
            data = {"occurred_on": ..., "reason": "entered twice", **data}
        name = data.pop("activity", self.activity)
        time = f"2018-05-03T{minute // 60:02d}:{minute % 60:02d}:00Z"
        self.events[phase].append((b"%08d" % company, event(company, name, time=time, **said, data=data), [], None))

    def company(self, phase: int, cvr: int, revision: int = 1, **said: Any) -> None:
        """A version of a company."""
        version = {"cvr": cvr, "valid_from": "2010-01-01", "revision": revision, **UNKNOWN_COMPANY, **said}
        key = f"{cvr}/{version['valid_from']}".encode()
        self.companies[phase].append((key, json.dumps(version).encode(), [], None))


UNKNOWN_COMPANY = {
    "withdrawn": False, "name": "", "legal_form": "", "employees": None, "employees_is_band": False,
    "nuts": "", "industry_scheme": "", "industry": "", "successor_cvr": None, "ceased_on": None,
}  # fmt: skip
UNKNOWN, SMALL, LARGE = "unknown", "10-19", "100-199"
WORKSHOP, PROJECT = "workshop.attended", "project.started"


def tales(seed: int, versions: int) -> list[Tale]:
    """All tales; one of them has `versions` versions of one activity."""
    draw = random.Random(seed)
    numbers = iter(cvr_numbers(80, seed=2))
    told = [
        _correction_first, _retraction_first, _retraction_then_replay, _revived, _another_company, _retracted_elsewhere,
        _late_register, _merger, _withdrawn_merger, _chain, _cycle,
    ]  # fmt: skip
    found = [tell(numbers) for tell in told]
    found.append(_many_versions(numbers, draw, versions))
    return found


def phases(told: list[Tale], seed: int) -> Iterator[tuple[list[Record], list[Record]]]:
    """Companies and events of each phase, all tales mixed."""
    draw = random.Random(seed)
    for phase in range(PHASES):
        events = [record for tale in told for record in tale.events[phase]]
        draw.shuffle(events)
        yield [record for tale in told for record in tale.companies[phase]], events


def counted(stack: Stack) -> dict[str, Counted]:
    """How each activity of 2018 counts now."""
    rows = stack.query(
        "SELECT activity_id, company_id, size_band, event_type FROM fact(from = '2018-01-01', to = '2018-12-31', "
        "as_at = '2018-12-31', known = '2200-01-01 00:00:00') WHERE outcome = 'helped'"
    )
    return {activity: (company, band, kind) for activity, company, band, kind in rows}


# ---- the tales


def _correction_first(numbers: Iterator[int]) -> Tale:
    tale, company = Tale("correction before its original", "CORRECTED"), next(numbers)
    tale.tell(0, company, 30, PROJECT, title="as it was")
    tale.tell(1, company, 10, WORKSHOP, title="as it was thought")
    tale.tell(2, company, 20, WORKSHOP, title="a better guess")
    tale.then = {phase: {"CORRECTED": (company, UNKNOWN, PROJECT)} for phase in range(PHASES)}
    return tale


def _retraction_first(numbers: Iterator[int]) -> Tale:
    tale, company = Tale("retraction before what it retracts", "GONE"), next(numbers)
    tale.tell(0, company, 30, "activity.retracted")
    tale.tell(1, company, 10)
    tale.tell(2, company, 20)
    tale.then = {phase: {"GONE": None} for phase in range(PHASES)}
    return tale


def _retraction_then_replay(numbers: Iterator[int]) -> Tale:
    tale, company = Tale("retraction, then a replay of old versions", "REPLAYED"), next(numbers)
    for phase in (0, 2):
        tale.tell(phase, company, 10)
        tale.tell(phase, company, 20, PROJECT)
    tale.tell(1, company, 30, "activity.retracted")
    tale.then = {0: {"REPLAYED": (company, UNKNOWN, PROJECT)}, 1: {"REPLAYED": None}, 2: {"REPLAYED": None}}
    return tale


def _revived(numbers: Iterator[int]) -> Tale:
    tale, company = Tale("retracted and revived", "REVIVED"), next(numbers)
    tale.tell(0, company, 10)
    tale.tell(0, company, 20, "activity.retracted")
    tale.tell(1, company, 30, PROJECT)
    tale.tell(2, company, 20, "activity.retracted")
    in_force = (company, UNKNOWN, PROJECT)
    tale.then = {0: {"REVIVED": None}, 1: {"REVIVED": in_force}, 2: {"REVIVED": in_force}}
    return tale


def _another_company(numbers: Iterator[int]) -> Tale:
    """Eight companies: some of their partitions differ."""
    tale, companies = Tale("correction to another company", "MOVED"), [next(numbers) for _ in range(8)]
    for minute, company in enumerate(companies):
        tale.tell((0, 2, 1, 0, 2, 1, 0, 1)[minute], company, minute)
        back = f"BACK-{minute}"
        tale.tell(0, companies[0], 50, activity=back)
        tale.tell(1, company, 40, activity=back)
        tale.then.setdefault(2, {})[back] = (companies[0], UNKNOWN, WORKSHOP)
    tale.then = {
        phase: {**tale.then.get(phase, {}), "MOVED": (companies[last], UNKNOWN, WORKSHOP)}
        for phase, last in ((0, 6), (1, 7), (2, 7))
    }
    return tale


def _retracted_elsewhere(numbers: Iterator[int]) -> Tale:
    """A retraction's own subject says nothing about the activity's."""
    tale, company = Tale("retraction under another company", "ELSEWHERE"), next(numbers)
    tale.tell(0, company, 10)
    tale.then = {0: {"ELSEWHERE": (company, UNKNOWN, WORKSHOP)}, 1: {}, 2: {}}
    for number in range(6):
        other, name = next(numbers), f"ELSEWHERE-{number}"
        tale.tell(number % 2, company, 10, activity=name)
        tale.tell(2 - number % 2, other, 20, "activity.retracted", activity=name)
        tale.then[2][name] = None
    tale.tell(2, other, 11, "activity.retracted")
    tale.then[2]["ELSEWHERE"] = None
    return tale


def _late_register(numbers: Iterator[int]) -> Tale:
    """Sizes are unknown until the register arrives; what an older extract says changes nothing."""
    tale, small, large = Tale("register weeks later", "LATE"), next(numbers), next(numbers)
    tale.tell(0, small, 10, activity="LATE-small")
    tale.tell(0, large, 10, activity="LATE-large")
    tale.company(1, small, 2, employees=12)
    tale.company(1, large, 2, employees=120)
    tale.company(2, large, 1, employees=1)
    known: dict[str, Counted | None] = {"LATE-small": (small, SMALL, WORKSHOP), "LATE-large": (large, LARGE, WORKSHOP)}
    tale.then = {
        0: {"LATE-small": (small, UNKNOWN, WORKSHOP), "LATE-large": (large, UNKNOWN, WORKSHOP)},
        1: known,
        2: known,
    }
    return tale


def _merged(tale: Tale, phase: int, company: int, successor: int | None, **said: Any) -> None:
    tale.company(phase, company, phase + 2, valid_from="2018-06-01", employees=12, successor_cvr=successor, **said)


def _merger(numbers: Iterator[int]) -> Tale:
    """Two companies, then one: it counts with the attributes of the one that remains."""
    tale, first, second = Tale("two companies merge", "MERGER"), next(numbers), next(numbers)
    for company, name in ((first, "MERGER-first"), (second, "MERGER-second")):
        tale.tell(0, company, 10, activity=name)
    tale.company(0, first, employees=12)
    tale.company(0, second, employees=120)
    _merged(tale, 1, first, second)
    both: dict[str, Counted | None] = dict.fromkeys(("MERGER-first", "MERGER-second"), (second, LARGE, WORKSHOP))
    tale.then = {
        0: {"MERGER-first": (first, SMALL, WORKSHOP), "MERGER-second": both["MERGER-second"]},
        1: both,
        2: both,
    }
    return tale


def _withdrawn_merger(numbers: Iterator[int]) -> Tale:
    tale, first, second = Tale("a merger that is withdrawn", "UNDONE"), next(numbers), next(numbers)
    tale.tell(0, first, 10)
    tale.company(0, first, employees=12)
    tale.company(1, second, employees=120)
    _merged(tale, 1, first, second)
    _merged(tale, 2, first, None, withdrawn=True)
    alone, together = (first, SMALL, WORKSHOP), (second, LARGE, WORKSHOP)
    tale.then = {0: {"UNDONE": alone}, 1: {"UNDONE": together}, 2: {"UNDONE": alone}}
    return tale


def _chain(numbers: Iterator[int]) -> Tale:
    """Five companies, the last merger published first, the one between last."""
    tale, chain = Tale("a chain of mergers", "CHAIN"), [next(numbers) for _ in range(5)]
    for place, company in enumerate(chain):
        tale.tell(0, company, 10, activity=f"CHAIN-{place}")
        tale.company(0, company, employees=120 if company == chain[-1] else 12)
    for phase, place in ((0, 3), (1, 0), (1, 1), (2, 2)):
        _merged(tale, phase, chain[place], chain[place + 1])
    for phase, ends in enumerate(((0, 1, 2, 4, 4), (2, 2, 2, 4, 4), (4, 4, 4, 4, 4))):
        tale.then[phase] = {
            f"CHAIN-{place}": (chain[end], LARGE if end == 4 else SMALL, WORKSHOP) for place, end in enumerate(ends)
        }
    return tale


def _cycle(numbers: Iterator[int]) -> Tale:
    """Two companies that name each other count as themselves."""
    tale, first, second = Tale("a cycle of mergers", "CYCLE"), next(numbers), next(numbers)
    for company in (first, second):
        tale.tell(0, company, 10, activity=f"CYCLE-{company}")
        tale.company(0, company, employees=12)
    _merged(tale, 1, first, second)
    _merged(tale, 2, second, first)
    alone: dict[str, Counted | None] = {f"CYCLE-{number}": (number, SMALL, WORKSHOP) for number in (first, second)}
    together: dict[str, Counted | None] = {f"CYCLE-{number}": (second, SMALL, WORKSHOP) for number in (first, second)}
    tale.then = {0: alone, 1: together, 2: alone}
    return tale


def _many_versions(numbers: Iterator[int], draw: random.Random, number: int) -> Tale:
    """In any order, every third of them twice, of eight companies; the last one is a retraction until the end."""
    tale, companies = Tale(f"{number} versions of one activity", "OFTEN"), [next(numbers) for _ in range(8)]
    order = draw.sample(range(number), number)
    for place, version in enumerate(order):
        second, company = divmod(version, 60), companies[version % 8]
        kind = "activity.retracted" if version % 5 == 4 else draw.choice((WORKSHOP, PROJECT))
        time = f"2018-05-03T{second[0] // 60:02d}:{second[0] % 60:02d}:{second[1]:02d}Z"
        data: dict[str, Any] = {"title": f"version {version}"}
        if kind == "activity.retracted":
            data = {"occurred_on": ..., "reason": "wrong"}
        value = event(company, "OFTEN", time=time, type=f"org.clustertrack.{kind}.v1", data=data)
        for _ in range(2 if version % 3 == 0 else 1):
            tale.events[place * 2 // number].append((b"%08d" % company, value, [], None))
    tale.tell(1, companies[0], 1438, "activity.retracted")
    tale.tell(2, companies[1], 1439, PROJECT)
    tale.then = {1: {"OFTEN": None}, 2: {"OFTEN": (companies[1], UNKNOWN, PROJECT)}}
    return tale
