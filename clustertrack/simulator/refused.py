"""Rows that `publish` must refuse: no event can be built, or their activity has two companies at one time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from random import Random
from typing import Final, Literal

from clustertrack.simulator.final import Desk, State
from clustertrack.simulator.history import Version
from clustertrack.simulator.layouts import CellValue, Layout
from clustertrack.simulator.scenario import OUTCOMES, YEAR
from clustertrack.simulator.simulated_clusters import DANISH, DANISH_PLAIN, EXCEL, ISO, Source
from clustertrack.simulator.world import World

Damage = Literal["", "undecodable", "short", "long", "quote"]
SHORT: Final = 3
"""Cells that are left of a row that ends early."""


@dataclass(frozen=True, slots=True)
class Unusable:
    """One row that must be refused because of its field `at`. `cells` by field; `damage` is done to the line."""

    kind: str
    at: str
    version: Version
    cells: dict[str, CellValue] = field(default_factory=dict)
    damage: Damage = ""


_ANY_CSV: Final[tuple[tuple[str, str, dict[str, CellValue], Damage], ...]] = (
    ("no day", "occurred_on", {"occurred_on": ""}, ""),
    ("cannot be decoded", "title", {}, "undecodable"),
    ("no time", "time", {"time": ""}, ""),
    ("ends early", "type", {}, "short"),
    ("a cell too many", "", {}, "long"),
    ("stray quotation mark", "", {}, "quote"),
    ("day in words", "occurred_on", {"occurred_on": "i foråret"}, ""),
)
_KINDS: Final[dict[str, tuple[tuple[str, str, dict[str, CellValue], Damage], ...]]] = {
    ISO: (
        ("hour that does not exist", "time", {"time": "2018-03-25T02:30:00"}, ""),
        ("day that does not exist", "occurred_on", {"occurred_on": "2018-02-31"}, ""),
        ("day instead of time", "time", {"time": "2018-05-03"}, ""),
        *_ANY_CSV,
    ),
    DANISH: (
        ("no case number", "activity_id", {"case": ""}, ""),
        ("hour that does not exist", "time", {"time": "25-03-2018 02:30"}, ""),
        ("day that does not exist", "occurred_on", {"occurred_on": "31-02-2018 09:00"}, ""),
        ("day instead of time", "time", {"time": "03-05-2018"}, ""),
        *_ANY_CSV,
    ),
    DANISH_PLAIN: (
        ("two companies", "activity_id", {}, ""),
        ("hour that does not exist", "time", {"time": "31-03-2019 02:00"}, ""),
        *_ANY_CSV,
    ),
    EXCEL: (
        ("day in words", "occurred_on", {"occurred_on": "i foråret"}, ""),
        ("two companies", "activity_id", {}, ""),
        ("no time", "time", {"time": ""}, ""),
        ("no day", "occurred_on", {"occurred_on": ""}, ""),
        ("day instead of time", "time", {"time": date(2018, 5, 3)}, ""),
        ("hour that does not exist", "time", {"time": datetime(2018, 3, 25, 2, 30)}, ""),  # noqa: DTZ001  (as Excel has it)
    ),
}


def unusable_rows(
    layout: Layout,
    source: Source,
    world: World,
    desk: Desk,
    rng: Random,
    version: Callable[[State, Source, str], Version],
    kinds: int,
    each: int,
) -> Iterator[Unusable]:
    """Rows of one spreadsheet, `each` of its first `kinds`, all about companies that no true event is about."""
    for kind, name, changed, damage in _KINDS[layout.file][:kinds]:
        for _ in range(each):
            first, second = rng.sample(world.never, 2)
            activity = desk.activity(first, YEAR, "workshop.attended", OUTCOMES, source)
            one = version(activity.state, source, activity.activity_id)
            yield Unusable(kind, name, one, changed, damage)
            if kind == "two companies":
                yield Unusable(kind, name, replace(one, subject=second, state=replace(activity.state, cvr=second)))
