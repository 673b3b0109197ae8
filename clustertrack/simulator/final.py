"""The activities that count at the end, drawn from the world: what is counted, and what the events must lead to."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Final, Protocol
from uuid import UUID

from clustertrack.simulator.scenario import OUTCOMES, YEAR, YEARS, Scenario, random
from clustertrack.simulator.simulated_clusters import Source
from clustertrack.simulator.world import World

PROVES: Final = {
    "workshop.attended": "new_competencies",
    "project.started": "new_ideas",
    "product.launched": "new_products",
}
"""Written down here again on purpose: the truth must not be counted with the mapping that it checks."""
_TYPE_OF: Final = {outcome: event_type for event_type, outcome in PROVES.items()}
JOINED: Final = "company.joined"
_PREFIX: Final = {"workshop.attended": "WS", "project.started": "PR", "product.launched": "PD", JOINED: "ME"}
_OBJECT: Final = {
    "workshop.attended": "workshop",
    "project.started": "projekt",
    "product.launched": "produkt",
    JOINED: "medlemskab",
}
OBJECT_FIELD: Final = {
    "workshop.attended": "workshop_id",
    "project.started": "project_id",
    "product.launched": "product_id",
}
_TOPICS: Final = (
    "digitale tvillinger", "grøn omstilling", "råvarer, affald og genbrug", "kunstig intelligens på gulvet",
    "bæredygtige materialer", 'nye "cirkulære" forretninger', "sensorer i kæder", "eksport; første skridt",
    "varme fra overskud", "æbler, øl og åben innovation",
)  # fmt: skip
_OUTCOMES_OTHER_YEARS: Final = (0.35, 0.25, 0.12)


@dataclass(frozen=True, slots=True)
class State:
    """What a version says. `outcomes` None = nothing said, then they follow from the type; () = none."""

    cvr: int
    day: date
    type: str
    outcomes: tuple[str, ...] | None
    cluster: str
    membership: str | None = None
    object_id: str | None = None
    title: str | None = None


@dataclass(frozen=True, slots=True)
class Activity:
    """One company's part in something, as it is at the end. `bare`: exported with an `id` only and no day."""

    source: Source
    activity_id: str
    state: State
    bare: bool = False


class Named(Protocol):
    """Anything that occupies the number of an activity."""

    @property
    def source(self) -> Source:
        """Where it was entered."""

    @property
    def activity_id(self) -> str:
        """Its number there."""


def draw_final(world: World, scenario: Scenario, seed: int) -> list[Activity]:
    """All standing activities of the three years. Those of 2018 give every company exactly its outcomes."""
    rng = random(scenario.name, seed, "final")
    desk = Desk(world, rng)
    activities: list[Activity] = []
    for company, outcomes in world.outcomes.items():
        members = world.members[company]
        parts = list(_parts(outcomes, scenario, rng))
        while len(parts) < len(members) - 1:  # each company that was merged away was active under its old number
            parts.append((JOINED, None))
        rng.shuffle(parts)
        for number, (event_type, given) in enumerate(parts, 1):
            cvr = members[number] if number < len(members) else rng.choice(members)
            activities.append(desk.activity(cvr, YEAR, event_type, given))
    for cvr in world.public_bodies:
        activities.extend(_year(desk, cvr, YEAR, scenario, rng))
    for year in YEARS:
        for cvr in world.bystanders.get(year, ()):
            activities.extend(_year(desk, cvr, year, scenario, rng))
        if year != YEAR:
            share = scenario.active_share[year]
            for members in world.members.values():
                for cvr in members:
                    if rng.random() < share:
                        activities.extend(_year(desk, cvr, year, scenario, rng))
    return activities


def _year(desk: "Desk", cvr: int, year: int, scenario: Scenario, rng: Random) -> Iterator[Activity]:
    outcomes = [
        outcome for outcome, chance in zip(OUTCOMES, _OUTCOMES_OTHER_YEARS, strict=True) if rng.random() < chance
    ]
    for event_type, given in _parts(outcomes, scenario, rng):
        yield desk.activity(cvr, year, event_type, given)


def _parts(outcomes: Iterable[str], scenario: Scenario, rng: Random) -> Iterator[tuple[str, tuple[str, ...] | None]]:
    """Types and stated outcomes of the activities that together give exactly these outcomes, at least one activity."""
    outcomes = list(outcomes)
    if len(outcomes) > 1 and rng.random() < 0.25:
        yield _TYPE_OF[rng.choice(outcomes)], tuple(outcomes)
    else:
        yield from (_proof(outcome, rng) for outcome in outcomes)
    if not outcomes:
        yield _nothing_new(rng)
    while rng.random() < scenario.extra_activities:
        yield _proof(rng.choice(outcomes), rng) if outcomes and rng.random() < 0.5 else _nothing_new(rng)


def _proof(outcome: str, rng: Random) -> tuple[str, tuple[str, ...] | None]:
    """An outcome follows from the type, or is reported with it, or is reported of something else."""
    draw = rng.random()
    if draw < 0.55:
        return _TYPE_OF[outcome], None
    if draw < 0.85:
        return _TYPE_OF[outcome], (outcome,)
    return rng.choice([event_type for event_type in _PREFIX if event_type != _TYPE_OF[outcome]]), (outcome,)


def _nothing_new(rng: Random) -> tuple[str, tuple[str, ...] | None]:
    """Help without an outcome: a membership, or anything that reports none."""
    return (JOINED, None) if rng.random() < 0.6 else (rng.choice(list(PROVES)), ())


class Desk:
    """Where activities are entered: chooses cluster, day and number, each `(source, activity_id)` once."""

    def __init__(self, world: World, rng: Random, taken: Sequence[Named] = ()) -> None:
        self._world = world
        self._rng = rng
        self._weights = [0.5 + 1.5 * rng.random() for _ in world.clusters]
        self._used = {(activity.source.uri, activity.activity_id) for activity in taken}
        # Row numbers start beyond those taken.
        self._numbers = Counter(activity.source.uri for activity in taken)
        self._by_cluster = {
            cluster.slug: [source for source in world.sources if cluster.slug in source.clusters]
            for cluster in world.clusters
        }

    def activity(
        self, cvr: int, year: int, event_type: str, outcomes: tuple[str, ...] | None, source: Source | None = None
    ) -> Activity:
        """A new activity of a company in a year, in the cluster that knows the company or in another."""
        rng = self._rng
        if source is None:
            home = self._world.companies[cvr].home
            near = rng.random() < 0.7
            cluster = self._world.clusters[home] if near else rng.choices(self._world.clusters, self._weights)[0]
            slug = cluster.slug
            source = rng.choice(self._by_cluster[slug])
        else:
            slug = rng.choice(source.clusters)
        bare = source.bare_joins and event_type == JOINED
        membership = rng.choice(("member", "participant", None)) if event_type == JOINED else None
        activity_id, object_id, title = self._named(source, cvr, year, event_type, bare=bare)
        state = State(cvr, self._day(year), event_type, outcomes, slug, membership, object_id, title)
        return Activity(source, activity_id, state, bare)

    def _named(
        self, source: Source, cvr: int, year: int, event_type: str, *, bare: bool
    ) -> tuple[str, str | None, str | None]:
        rng = self._rng
        number = rng.randint(1, 60)
        while True:
            case = f"{_PREFIX[event_type]}-{year % 100}{number:03d}"
            activity_id = str(uuid(rng)) if bare else f"{case}/{cvr}"
            if source.row_ids and not bare:
                self._numbers[source.uri] += 1
                activity_id = f"A-{self._numbers[source.uri]:06d}"
            if (source.uri, activity_id) not in self._used:
                break
            number += 1
        self._used.add((source.uri, activity_id))
        title = f"Syntetisk {_OBJECT[event_type]}: {_TOPICS[(number + year) % len(_TOPICS)]}"
        return activity_id, case if source.objects and event_type in OBJECT_FIELD else None, title

    def _day(self, year: int) -> date:
        draw = self._rng.random()
        if draw < 0.01:
            return date(year, 1, 1)
        if draw < 0.02:
            return date(year, 12, 31)
        return date(year, 1, 1) + timedelta(days=self._rng.randrange(365))


def uuid(rng: Random) -> UUID:
    """A random UUID that the seed decides."""
    return UUID(int=rng.getrandbits(128), version=4)
