"""The companies: who they are, how large, what they were merged into, and which outcome each had in 2018.

Every CVR number begins with 9 and every name with "Syntetisk": no real company is meant.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random
from typing import Final

from clustertrack.simulator.scenario import OUTCOMES, YEAR, Scenario, random
from clustertrack.simulator.simulated_clusters import Cluster, Source, registry

_WEIGHTS: Final = (2, 7, 6, 5, 4, 3, 2)
_TRADES: Final = (
    "Møbelfabrik", "Bådeværft", "Mejeri", "Bryggeri", "Smedje", "Savværk", "Rådgivning", "Ingeniørfirma",
    "Softwarehus", "Laboratorium", "Værktøjsfabrik", "Fiskeeksport", "Gartneri", "Trykkeri", "Elektronikfabrik",
    "Tegnestue", "Vævestue", "Ostehandel",
)  # fmt: skip
_PLACES: Final = (
    ("0101", "DK011"), ("0147", "DK011"), ("0151", "DK012"), ("0217", "DK013"), ("0265", "DK021"),
    ("0330", "DK022"), ("0400", "DK014"), ("0461", "DK031"), ("0561", "DK032"), ("0607", "DK032"),
    ("0657", "DK041"), ("0751", "DK042"), ("0851", "DK050"),
)  # fmt: skip
"""(municipality code, NUTS 3 code); the code of the first ones begins with a zero, which spreadsheets drop."""
_INDUSTRIES: Final = (
    ("DB07", "620100"),
    ("DB07", "014620"),
    ("DB07", "310900"),
    ("DB25", "620100"),
    ("DB25", "711290"),
    ("DB07", "721900"),
)
_COMPANY_FORMS: Final = (
    ("80", "ApS"),
    ("80", "ApS"),
    ("60", "A/S"),
    ("10", ""),
    ("30", "I/S"),
    ("40", "K/S"),
    ("90", ""),
    ("", ""),
)
_PUBLIC_FORMS: Final = (("230", "Styrelse"), ("245", "Region"), ("250", "Kommune"))
_BANDS: Final = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
_SMALL: Final = 50
_LAST_BAND: Final = "ANTAL_1000_999999"
YEAR_END: Final = date(YEAR, 12, 31)


@dataclass(slots=True)
class Version:
    """What the register says from a day on; `employees` None = unknown, `as_band`: written as an interval."""

    valid_from: date
    employees: int | None
    as_band: bool = False
    ceased_on: date | None = None


@dataclass(slots=True)
class Company:
    """One CVR number. No `versions`: the register has no row of it."""

    cvr: int
    name: str
    legal_form: str
    versions: list[Version]
    place: tuple[str, str]
    industry: tuple[str, str]
    home: int  # number of the cluster that knows it best
    public: bool = False
    successor: int | None = None
    successor_from: date | None = None


@dataclass(slots=True)
class World:
    """Everything that is there before any activity. Lists are in the order of drawing."""

    clusters: list[Cluster]
    sources: list[Source]
    companies: dict[int, Company] = field(default_factory=dict)
    institutions: list[int] = field(default_factory=list)
    members: dict[int, list[int]] = field(default_factory=dict)  # company of 2018 -> itself and those merged into it
    outcomes: dict[int, tuple[str, ...]] = field(default_factory=dict)  # company of 2018 -> its outcomes in 2018
    public_bodies: list[int] = field(default_factory=list)
    bystanders: dict[int, list[int]] = field(default_factory=dict)
    never: list[int] = field(default_factory=list)
    groups: dict[str, list[int]] = field(default_factory=dict)  # the special cases, for truth.json


def draw_world(scenario: Scenario, seed: int) -> World:
    """Clusters, companies and the outcomes of 2018."""
    clusters, sources = registry(scenario)
    world = World(clusters, sources)
    draw = _Companies(scenario, random(scenario.name, seed, "companies"), world)
    draw.merged()
    draw.special()
    draw.ordinary()
    draw.outside()
    _outcomes(world, scenario, random(scenario.name, seed, "outcomes"))
    return world


def cvr_numbers(rng: Random) -> Iterator[int]:
    """Different valid numbers without end: 7 digits, the first a 9, and the check digit of modulus 11."""
    used = set()
    while True:
        serial = rng.randint(9_000_000, 9_999_999)
        rest = sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, str(serial), strict=True)) % 11
        if rest != 1 and serial not in used:  # remainder 1 would need the check digit 10
            used.add(serial)
            yield serial * 10 + (11 - rest) % 11


class _Companies:
    """Adds companies to a world, keeping the promised totals of small and large ones among the companies of 2018."""

    def __init__(self, scenario: Scenario, rng: Random, world: World) -> None:
        self.scenario = scenario
        self.rng = rng
        self.world = world
        self.numbers = cvr_numbers(rng)
        known = scenario.helped - scenario.without_row - scenario.unknown_size
        small = scenario.helped_under_50
        # One class for every company of 2018 with a known size, handed out as they are drawn.
        self.classes = [True] * small + [False] * (known - small)
        rng.shuffle(self.classes)

    def merged(self) -> None:
        """Chains of mergers. The company of 2018 of each is the first that no merger had reached by 31 December."""
        singles = [n for n, chain in enumerate(self.scenario.chains) if len(chain) == 1 and chain[0].year == YEAR]
        without = singles[1 : 1 + self.scenario.successors_without_row]
        for number, chain in enumerate(self.scenario.chains):
            nodes = []
            waiting: list[int] = []
            small = True
            for day in (*chain, None):
                if day is not None and day <= YEAR_END:  # merged away: of the other class than its successor, set below
                    company = self._company([])
                    waiting.append(company.cvr)
                elif number in without and day is None:
                    company = self._of_2018([], waiting)
                    self._remember("without_row", company)
                else:
                    small = self.classes.pop()
                    company = self._of_2018([self._version(small)], waiting)
                if company.cvr not in waiting:
                    for cvr in waiting:
                        self.world.companies[cvr].versions = [self._version(not small)]
                    waiting = []
                nodes.append(company)
            for company, successor, day in zip(nodes, nodes[1:], chain, strict=False):
                company.successor, company.successor_from = successor.cvr, day
                if self.rng.random() < 0.5:
                    company.versions[-1].ceased_on = day
                self._remember("merged", company)

    def special(self) -> None:
        """Companies whose size is in no single row: ceased, unknown, without a row, growing, registered late."""
        scenario = self.scenario
        for number in range(scenario.ceased):
            self._remember("ceased", self._of_2018(self._ceased(number, small=self.classes.pop())))
        for _ in range(scenario.without_row - len(self.world.groups.get("without_row", ()))):
            self._remember("without_row", self._of_2018([]))
        for number in range(scenario.unknown_size):
            versions = [Version(self._old_day(), None)]
            if number % 2:  # known once, unknown since
                versions = [self._version(small=True), Version(self._day(YEAR), None)]
            if number % 5 == 0:  # becomes known too late for 2018
                versions.append(self._version(small=True, valid_from=self._day(YEAR + 1)))
            self._remember("unknown_size", self._of_2018(versions))
        for number in range(scenario.crossing_during):
            small = self.classes.pop()
            day = (date(YEAR, 12, 31), date(YEAR, 1, 1))[number] if number < 2 else self._day(YEAR)
            self._remember(
                "crossing_during", self._of_2018([self._version(not small), self._version(small, valid_from=day)])
            )
        for number in range(scenario.crossing_after):
            small = self.classes.pop()
            day = date(YEAR + 1, 1, 1) if number == 0 else self._day(YEAR + 1)
            self._remember(
                "crossing_after", self._of_2018([self._version(small), self._version(not small, valid_from=day)])
            )
        for _ in range(scenario.registered_late):  # before its first version, the first counts
            version = self._version(self.classes.pop(), valid_from=self._day(YEAR + 1))
            self._remember("registered_late", self._of_2018([version]))

    def ordinary(self) -> None:
        """The rest of the companies of 2018."""
        while self.classes:
            self._of_2018([self._version(self.classes.pop())])

    def outside(self) -> None:
        """Public bodies, companies of the neighbouring years, and companies that no true event is about."""
        scenario = self.scenario
        for number in range(scenario.public_bodies):
            listed = number < scenario.institutions
            form, kind = ("90", "Videninstitution") if listed else _PUBLIC_FORMS[number % len(_PUBLIC_FORMS)]
            body = self._company([self._version(self.rng.random() < 0.3)])
            body.legal_form, body.name, body.public = form, f"Syntetisk {kind} {number + 1:03d}", True
            self.world.public_bodies.append(body.cvr)
            if listed:
                self.world.institutions.append(body.cvr)
        for year, number in scenario.bystanders.items():
            self.world.bystanders[year] = [self._any().cvr for _ in range(number)]
        self.world.never = [self._any().cvr for _ in range(scenario.never)]

    def _any(self) -> Company:
        return self._company([self._version(self.rng.random() < 0.7)])

    def _company(self, versions: list[Version]) -> Company:
        rng = self.rng
        cvr = next(self.numbers)
        form, suffix = rng.choice(_COMPANY_FORMS)
        name = f"Syntetisk {rng.choice(_TRADES)} {cvr % 100_000:05d} {suffix}".rstrip()
        company = Company(
            cvr,
            name,
            form,
            versions,
            rng.choice(_PLACES),
            rng.choice(_INDUSTRIES),
            rng.randrange(self.scenario.clusters),
        )
        self.world.companies[cvr] = company
        return company

    def _of_2018(self, versions: list[Version], merged: list[int] | None = None) -> Company:
        company = self._company(versions)
        self.world.members[company.cvr] = [company.cvr, *(merged or ())]
        return company

    def _remember(self, group: str, company: Company) -> None:
        self.world.groups.setdefault(group, []).append(company.cvr)

    def _version(self, small: bool, valid_from: date | None = None) -> Version:
        rng = self.rng
        employees = (
            min(int(rng.expovariate(0.09)), _SMALL - 1) if small else min(_SMALL + int(rng.expovariate(0.008)), 4_000)
        )
        return Version(valid_from or self._old_day(), employees, as_band=rng.random() < 0.1)

    def _ceased(self, number: int, *, small: bool) -> list[Version]:
        """A company that ceased: stated in its only row, in a row of that day, or later, where no size is known."""
        version = self._version(small)
        day = self._day(YEAR - 1 if number % 10 == 1 else YEAR + 1 if number % 10 in (2, 3, 4) else YEAR)
        if number % 3 == 1:
            version.ceased_on = day
            return [version]
        gone = 0 if number % 2 else None
        after = day if number % 3 == 0 else day + timedelta(days=self.rng.randint(1, 20))
        return [version, Version(after, gone, ceased_on=day)]

    def _old_day(self) -> date:
        if self.rng.random() < 0.003:
            return date(self.rng.randint(1873, 1969), 4, 1)
        return date(self.rng.randint(1990, 2016), self.rng.randint(1, 12), self.rng.randint(1, 28))

    def _day(self, year: int) -> date:
        return date(year, self.rng.randint(1, 11), self.rng.randint(2, 28))


def _outcomes(world: World, scenario: Scenario, rng: Random) -> None:
    """Give every outcome to exactly the wanted numbers of small and large companies; to none of unknown size."""
    small = [cvr for cvr in world.members if is_small(world.companies[cvr])]
    large = [cvr for cvr in world.members if is_small(world.companies[cvr]) is False]
    had: dict[int, list[str]] = {cvr: [] for cvr in world.members}
    for outcome in OUTCOMES:
        companies, under_50 = scenario.outcomes[outcome]
        for cvr in (*rng.sample(small, under_50), *rng.sample(large, companies - under_50)):
            had[cvr].append(outcome)
    world.outcomes = {cvr: tuple(outcomes) for cvr, outcomes in had.items()}


def is_small(company: Company, day: date = YEAR_END) -> bool | None:
    """Whether the company itself had fewer than 50 employees on a day; None = unknown."""
    employees = employees_at(company, day)
    return None if employees is None else employees < _SMALL


def employees_at(company: Company, day: date) -> int | None:
    """The version in force on a day, before the first the first; once ceased, the last one from before that day."""
    versions = sorted(company.versions, key=lambda version: version.valid_from)
    if not versions:
        return None
    in_force = [version for version in versions if version.valid_from <= day] or versions[:1]
    version = in_force[-1]
    if version.ceased_on is not None and version.ceased_on <= version.valid_from:
        version = ([before for before in versions if before.valid_from < version.ceased_on] or [version])[-1]
    return version.employees


def interval(employees: int) -> str:
    """The CVR register's code of a size band, such as `ANTAL_10_19`."""
    if employees >= _BANDS[-1]:
        return _LAST_BAND
    number = max(number for number, low in enumerate(_BANDS) if low <= employees)
    return f"ANTAL_{_BANDS[number]}_{_BANDS[number + 1] - 1}"
