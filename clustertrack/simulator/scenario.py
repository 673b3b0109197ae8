"""How many of everything a scenario holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from random import Random
from types import MappingProxyType
from typing import Final

OUTCOMES: Final = ("new_competencies", "new_ideas", "new_products")
YEARS: Final = (2017, 2018, 2019)
YEAR: Final = 2018
"""The year whose figures are given; its neighbours are counted."""


@dataclass(frozen=True)
class Scenario:
    """Sizes of one simulated world; counts of companies are distinct companies after mergers as at 31 December 2018."""

    name: str
    prefix: str  # of slugs and sources, so that one registry can hold the clusters of all scenarios
    clusters: int
    helped: int
    helped_under_50: int
    outcomes: Mapping[str, tuple[int, int]]  # companies, of which under 50
    chains: tuple[tuple[date, ...], ...]  # one chain of mergers each: the days on which its links took effect
    successors_without_row: int  # one-link chains of 2018 that end in a company that the register lacks
    ceased: int
    without_row: int
    unknown_size: int
    crossing_during: int
    crossing_after: int
    registered_late: int
    public_bodies: int
    institutions: int  # public bodies that only the list of institutions names
    bystanders: Mapping[int, int]  # companies active in that year but not in 2018
    never: int  # companies in the register that no standing activity names
    active_share: Mapping[int, float]  # of the companies of 2018, in the neighbouring years
    extra_activities: float  # chance of a further activity
    corrections: Mapping[str, int]
    retracted: int
    retracted_unknown: int  # retractions that name no activity
    before_original: float  # share of the histories whose last version is published first
    duplicates: float
    misrouted: float
    invalid_each: int  # records of each invalid kind in the JSON lines
    invalid_kinds: int  # how many kinds, in the order of invalid.py
    invalid_rows: int  # invalid rows of each spreadsheet
    invalid_raw: int
    refused_kinds: int  # how many kinds of refusals in each spreadsheet
    refused_each: int


def random(scenario: str, seed: int, stage: str) -> Random:
    """A generator of its own for every stage, so that a change in one leaves the draws of the others alone."""
    return Random(f"{scenario}/{seed}/{stage}")  # noqa: S311  (reproducible data is the point)


def _published_chains() -> tuple[tuple[date, ...], ...]:
    """100 mergers: single ones around 2018, chains within it and chains that go on in 2019."""
    rng = random("published", 0, "chains")

    def day(year: int) -> date:
        return date(year, rng.randint(1, 11), rng.randint(2, 28))

    singles = [(date(2018, 12, 31),), (date(2019, 1, 1),)]
    singles += [(day(year),) for year, number in ((2017, 20), (2018, 29), (2019, 23)) for _ in range(number)]
    pairs = [tuple(sorted((day(2018), day(2018)))) for _ in range(5)] + [(day(2018), day(2019)) for _ in range(5)]
    triples = [(day(2017), day(2018), date(2018, 12, 15)), (day(2017), day(2018), day(2019))]
    return (*singles, *pairs, *triples)


PUBLISHED: Final = Scenario(
    name="published",
    prefix="syn",
    clusters=38,
    helped=18_058,
    helped_under_50=13_012,
    outcomes=MappingProxyType(
        {"new_competencies": (6_868, 4_843), "new_ideas": (5_296, 3_941), "new_products": (2_689, 1_998)}
    ),
    chains=_published_chains(),
    successors_without_row=2,
    ceased=100,
    without_row=100,
    unknown_size=100,
    crossing_during=300,
    crossing_after=300,
    registered_late=100,
    public_bodies=50,
    institutions=20,
    bystanders=MappingProxyType({2017: 1_500, 2019: 2_000}),
    never=900,
    active_share=MappingProxyType({2017: 0.55, 2019: 0.62}),
    extra_activities=0.3,
    corrections=MappingProxyType({"company": 450, "day": 450, "outcomes": 450, "cluster": 350, "revived": 80}),
    retracted=650,
    retracted_unknown=10,
    before_original=0.35,
    duplicates=0.05,
    misrouted=0.01,
    invalid_each=4,
    invalid_kinds=99,
    invalid_rows=8,
    invalid_raw=20,
    refused_kinds=99,
    refused_each=2,
)

SMALL: Final = Scenario(
    name="small",
    prefix="lille",
    clusters=6,
    helped=20,
    helped_under_50=13,
    outcomes=MappingProxyType({"new_competencies": (8, 5), "new_ideas": (6, 4), "new_products": (3, 2)}),
    chains=((date(2018, 5, 1),), (date(2018, 12, 31),), (date(2019, 1, 1),)),
    successors_without_row=0,
    ceased=1,
    without_row=1,
    unknown_size=1,
    crossing_during=1,
    crossing_after=1,
    registered_late=1,
    public_bodies=2,
    institutions=1,
    bystanders=MappingProxyType({2017: 1, 2019: 1}),
    never=6,
    active_share=MappingProxyType({2017: 0.2, 2019: 0.2}),
    extra_activities=0.15,
    corrections=MappingProxyType({"company": 1, "day": 1, "outcomes": 1, "cluster": 1, "revived": 1}),
    retracted=2,
    retracted_unknown=0,
    before_original=0.5,
    duplicates=0.05,
    misrouted=0.03,
    invalid_each=1,
    invalid_kinds=9,
    invalid_rows=1,
    invalid_raw=1,
    refused_kinds=2,
    refused_each=1,
)

SCENARIOS: Final[Mapping[str, Scenario]] = MappingProxyType({one.name: one for one in (PUBLISHED, SMALL)})
