"""The invented cluster registry, and how each source (a CRM) writes its exports."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Final

from clustertrack.simulator.scenario import Scenario

_THEMES: Final = (
    "Fødevarer", "Energi", "Robotter", "Vand", "Vind", "Lyd", "Lys", "Møbler", "Mode", "Byggeri", "Beton", "Træ",
    "Skibe", "Havne", "Fly", "Droner", "Rumfart", "Sundhed", "Medicin", "Pleje", "Data", "Spil", "Film", "Betaling",
    "Sikkerhed", "Materialer", "Plast", "Genbrug", "Klima", "Landbrug", "Fiskeri", "Turisme", "Transport",
    "Logistik", "Sensorer", "Laser", "Kemi", "Læring",
)  # fmt: skip
_ASCII: Final = str.maketrans({"æ": "ae", "ø": "oe", "å": "aa"})

FIRST_DAY: Final = date(2016, 1, 1)
OLD_FIRST_DAY: Final = date(1990, 1, 1)
"""One cluster is old enough for a day before 2000, so that such a day has one fault only."""
LAST_DAY: Final = date(2019, 12, 31)
DOCUMENTED: Final = ("food-bio", "https://crm.foodbio.example")
"""The cluster of the documentation's examples, and its source: they count wherever simulated data do."""
LISTED_FROM: Final = date(2007, 1, 1)
"""First day of every institution."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """One cluster of the registry; `valid_to` None = still there."""

    slug: str
    name: str
    valid_from: date
    valid_to: date | None
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """One CRM: the clusters it speaks for and the habits of its exports.

    `home` is the file its events are exported to. `row_ids`: activities are numbered by the CRM and keep that number
    when the company is corrected; otherwise the number is made of the object and the CVR. `minutes`: times are to the
    minute. `objects`: events carry `workshop_id`, `project_id` or `product_id`. `bare_joins`: memberships come without
    an `activity_id` and without a day.
    """

    uri: str
    clusters: tuple[str, ...]
    home: str
    row_ids: bool
    minutes: bool = False
    objects: bool = True
    bare_joins: bool = False


JSONL: Final = ("activity-crm-1.jsonl", "activity-crm-2.jsonl", "activity-crm-3.jsonl")
ISO: Final = "activity-iso.csv"
DANISH: Final = "activity-danish.csv"
DANISH_PLAIN: Final = "activity-danish-2.csv"
EXCEL: Final = "activity-excel.xlsx"


def registry(scenario: Scenario) -> tuple[list[Cluster], list[Source]]:
    """The clusters, all valid in 2017-2019, and their sources; some share a source, some have two."""
    slugs = [f"{scenario.prefix}-" + theme.lower().translate(_ASCII) for theme in _THEMES[: scenario.clusters]]
    groups = [slugs[0:3], slugs[3:5], slugs[5:7], slugs[7:9]] if len(slugs) > 9 else [slugs[0:2]]
    grouped = [slug for group in groups for slug in group]
    by_cluster: dict[str, list[str]] = {slug: [] for slug in slugs}
    sources: list[tuple[str, tuple[str, ...]]] = []
    for number, group in enumerate(groups, 1):
        sources.append((f"https://crm.{scenario.prefix}-faelles-{number}.example", tuple(group)))
    sources.extend((f"https://crm.{slug}.example", (slug,)) for slug in slugs[len(grouped) :])
    moved = slugs[-2:] if len(slugs) > 9 else []
    sources.extend((f"https://arkiv.{slug}.example", (slug,)) for slug in moved)
    for uri, owners in sources:
        for slug in owners:
            by_cluster[slug].append(uri)
    clusters = [
        Cluster(
            slug,
            f"Syntetisk klynge for {theme.lower()}" + ("" if scenario.prefix == "syn" else f" ({scenario.prefix})"),
            OLD_FIRST_DAY if number == len(slugs) - 1 else FIRST_DAY,
            LAST_DAY if number % 5 == 4 else None,
            tuple(by_cluster[slug]),
        )
        for number, (slug, theme) in enumerate(zip(slugs, _THEMES, strict=False))
    ]
    return clusters, [_habits(number, uri, owners, len(groups)) for number, (uri, owners) in enumerate(sources)]


def _habits(number: int, uri: str, owners: tuple[str, ...], groups: int) -> Source:
    """Which file a source exports to: the CRM of three clusters writes Excel, some write CSV, most JSON lines."""
    small = groups == 1
    homes = (
        {1: ISO, 2: DANISH, 3: DANISH_PLAIN, 4: EXCEL}
        if small
        else {0: EXCEL, 1: ISO, 4: DANISH, 5: DANISH_PLAIN, **dict.fromkeys(range(6, 12), ISO)}
    )
    home = homes.get(number, JSONL[number % (1 if small else len(JSONL))])
    if home == DANISH:  # its activity numbers are built by the mapping, from the case number and the CVR
        return Source(uri, owners, home, row_ids=False, minutes=True, objects=False)
    if home in (DANISH_PLAIN, EXCEL):
        return Source(uri, owners, home, row_ids=True, minutes=True)
    return Source(uri, owners, home, row_ids=number % 2 == 0, bare_joins=home in JSONL and number % 3 == 0)


def registry_toml(clusters: Iterable[Cluster], institutions: Iterable[int]) -> str:
    """The registry as operators write it, with the cluster of the documentation."""
    parts = ["# Synthetic: nothing in this registry exists. Written by `clustertrack simulate`.\n"]
    slug, source = DOCUMENTED
    documented = Cluster(slug, "Syntetisk klynge for dokumentationens eksempler", FIRST_DAY, None, (source,))
    for one in (documented, *clusters):
        until = f"valid_to = {one.valid_to.isoformat()}\n" if one.valid_to else ""
        names = ", ".join(f'"{uri}"' for uri in one.sources)
        parts.append(
            f'[[cluster]]\nslug = "{one.slug}"\nname = "{one.name}"\n'
            f"valid_from = {one.valid_from.isoformat()}\n{until}sources = [{names}]\n"
        )
    parts += [
        f"[[institution]]\ncvr = {cvr}\nvalid_from = {LISTED_FROM.isoformat()}\n"
        'reason = "synthetic knowledge institution"\n'
        for cvr in sorted(institutions)
    ]
    return "\n".join(parts)
