"""How each activity came to its final state: the versions that a CRM recorded, the last of which holds.

Earlier versions are drawn so that counting one of them would be seen: they name a company that no true event is about,
a year in which the company was not helped, or an outcome that it did not have.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Final
from zoneinfo import ZoneInfo

from clustertrack.simulator.final import PROVES, Activity, Desk, State, uuid
from clustertrack.simulator.scenario import OUTCOMES, YEARS, Scenario, random
from clustertrack.simulator.simulated_clusters import Source
from clustertrack.simulator.truth import canonical, outcomes_of
from clustertrack.simulator.world import World

COPENHAGEN: Final = ZoneInfo("Europe/Copenhagen")
LAST_INSTANT: Final = datetime(2020, 1, 31, 18, tzinfo=COPENHAGEN)
"""No version is recorded later, so that none lies in the future however early the files are published."""
_REASONS: Final = (
    "Syntetisk: registreret to gange",
    "Syntetisk: virksomheden mødte ikke op",
    "Syntetisk: fejl i indtastning",
)


@dataclass(frozen=True, slots=True)
class Version:
    """One version of an activity; `state` None = a retraction. `time` in UTC, strictly rising within an activity."""

    source: Source
    activity_id: str
    event_id: str
    time: datetime
    subject: int
    state: State | None
    reason: str | None = None
    bare: bool = False


@dataclass(slots=True)
class History:
    """All versions of one activity, by `time`. `kind` says what happened to it; empty = nothing."""

    versions: list[Version]
    kind: str = ""


def draw_histories(world: World, activities: Sequence[Activity], scenario: Scenario, seed: int) -> list[History]:
    """The history of every activity that counts, and those of activities that do not: retracted, or never there."""
    rng = random(scenario.name, seed, "history")
    past = _Past(world, activities, rng)
    kinds = _chosen(activities, scenario, rng)
    histories = [past.history(activity, kinds.get(number, "")) for number, activity in enumerate(activities)]
    desk = Desk(world, rng, taken=activities)
    histories.extend(past.retracted(desk) for _ in range(scenario.retracted))
    histories.extend(past.retraction_of_nothing(desk) for _ in range(scenario.retracted_unknown))
    return histories


def _chosen(activities: Sequence[Activity], scenario: Scenario, rng: Random) -> dict[int, str]:
    """Which activities were corrected, and in what."""
    order = list(range(len(activities)))
    rng.shuffle(order)
    chosen: dict[int, str] = {}
    for kind, number in scenario.corrections.items():
        left = number
        for candidate in order:
            if left and candidate not in chosen and _can_be(kind, activities[candidate]):
                chosen[candidate] = kind
                left -= 1
    return chosen


def _can_be(kind: str, activity: Activity) -> bool:
    if activity.bare:  # its day is the day of its time, so another version would be another day
        return False
    if kind == "cluster":
        return len(activity.source.clusters) > 1
    return kind != "company" or activity.source.row_ids


class _Past:
    def __init__(self, world: World, activities: Sequence[Activity], rng: Random) -> None:
        self._world = world
        self._rng = rng
        self._outcomes: dict[tuple[int, int], set[str]] = defaultdict(set)
        for activity in activities:
            self._outcomes[self._company(activity.state)].update(("helped", *outcomes_of(activity.state)))

    def _company(self, state: State) -> tuple[int, int]:
        year = state.day.year
        return canonical(self._world, state.cvr, date(year, 12, 31)), year

    def history(self, activity: Activity, kind: str) -> History:
        """The versions that lead to a standing activity."""
        final = activity.state
        if not kind:
            return History([self._version(activity, self._first(activity), final)])
        before: list[State | None] = [self._other(final, kind, activity.source)]
        if kind == "revived":
            before = [final, None]
        elif self._rng.random() < 0.15:
            before.insert(0, self._other(final, "day", activity.source))
        states = [*before, final]
        times = self._times(activity, len(states))
        versions = [self._version(activity, at, state) for at, state in zip(times, states, strict=True)]
        return History(versions, kind)

    def retracted(self, desk: Desk) -> History:
        """An activity that was reported, perhaps corrected, and taken back."""
        rng = self._rng
        source = rng.choice(self._world.sources)
        state = desk.activity(rng.choice(self._world.never), rng.choice(YEARS), rng.choice(list(PROVES)), None, source)
        states: list[State | None] = [state.state]
        if rng.random() < 0.2:
            states.append(self._other(state.state, "day", source))
        states.append(None)
        times = self._times(state, len(states))
        return History([self._version(state, at, one) for at, one in zip(times, states, strict=True)], "retracted")

    def retraction_of_nothing(self, desk: Desk) -> History:
        """A retraction of an activity that was never reported."""
        source = self._rng.choice(self._world.sources)
        activity = desk.activity(self._rng.choice(self._world.never), YEARS[1], "workshop.attended", None, source)
        return History([self._version(activity, self._first(activity), None)], "retracted_unknown")

    def _other(self, final: State, kind: str, source: Source) -> State:
        """What was said before the correction: wrong in a way that changes a figure if it is counted."""
        rng = self._rng
        if kind == "company":
            return replace(final, cvr=rng.choice(self._world.never))
        if kind == "cluster":
            return replace(final, cluster=rng.choice([slug for slug in source.clusters if slug != final.cluster]))
        if kind == "outcomes":
            had = self._outcomes[self._company(final)]
            extra = [outcome for outcome in OUTCOMES if outcome not in had] or [
                outcome for outcome in OUTCOMES if outcome not in outcomes_of(final)
            ]
            kept = outcomes_of(final)
            said = tuple(one for one in OUTCOMES if one in kept or one in extra[:1])
            return replace(final, outcomes=said if said != final.outcomes else ())
        years = [year for year in YEARS if year != final.day.year]
        rng.shuffle(years)
        year_ends = {year: (canonical(self._world, final.cvr, date(year, 12, 31)), year) for year in years}
        year = min(years, key=lambda one: bool(self._outcomes.get(year_ends[one])))
        return replace(final, day=date(year, rng.randint(1, 12), rng.randint(1, 28)))

    def _version(self, activity: Activity, at: datetime, state: State | None) -> Version:
        event_id = activity.activity_id if activity.bare else str(uuid(self._rng))
        reason = self._rng.choice(_REASONS) if state is None else None
        subject = activity.state.cvr if state is None else state.cvr
        # A retraction speaks of the activity; some CRMs have put another company on it by then.
        if state is None and activity.source.row_ids and self._rng.random() < 0.2:
            subject = self._rng.choice(self._world.never)
        bare = activity.bare and state is not None
        return Version(
            activity.source, activity.activity_id, event_id, at.astimezone(UTC), subject, state, reason, bare
        )

    def _first(self, activity: Activity) -> datetime:
        """When the CRM recorded the activity: mostly some days later, sometimes when it was planned."""
        rng, day = self._rng, activity.state.day
        if activity.bare:  # recorded on its day, sometimes in the hour in which UTC is still in the day before
            clock = time(0, rng.randrange(60)) if rng.random() < 0.15 else time(rng.randrange(3, 24), rng.randrange(60))
            return datetime.combine(day, clock, COPENHAGEN).replace(second=rng.randrange(60))
        later = rng.randint(0, 21) if rng.random() < 0.85 else -rng.randint(1, 60)
        return self._at(activity.source, day + timedelta(days=later))

    def _times(self, activity: Activity, number: int) -> list[datetime]:
        """Rising times, at least a day apart."""
        times = [self._first(activity)]
        for left in range(number - 1, 0, -1):
            room = (LAST_INSTANT - times[-1]).days - left
            day = times[-1].astimezone(COPENHAGEN).date() + timedelta(days=self._rng.randint(1, max(1, min(150, room))))
            times.append(self._at(activity.source, day))
        return times

    def _at(self, source: Source, day: date) -> datetime:
        """An instant in office hours, as exactly as the source keeps its times."""
        rng = self._rng
        exact = (0, 0) if source.minutes else (rng.randrange(60), rng.randrange(1000) * 1000)
        return datetime.combine(day, time(rng.randint(7, 17), rng.randrange(60), *exact), COPENHAGEN)
