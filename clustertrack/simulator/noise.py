"""What happens to events on their way: they come twice, late, in the wrong file, under the wrong key."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from random import Random
from typing import Final

from clustertrack.simulator.history import History, Version
from clustertrack.simulator.invalid import Invalid, InvalidRow
from clustertrack.simulator.refused import Unusable
from clustertrack.simulator.scenario import Scenario, random
from clustertrack.simulator.simulated_clusters import DANISH, ISO, JSONL
from clustertrack.simulator.world import World

RAW: Final = "raw.jsonl"
_TWICE: Final = datetime(2018, 10, 28, 0, 30, tzinfo=UTC)
"""02:30 in Denmark on the day the clocks went back: it comes twice, and a time without zone means the first."""
_DAY: Final = 86_400.0


@dataclass(slots=True)
class Entry:
    """One line or row of a file, sorted by `order`: the time of publication rather than that of the version."""

    order: float
    what: Version | Invalid | InvalidRow | Unusable
    key: str | None = None
    partition: int | str | None = None


Files = dict[str, list[Entry]]


def spread(histories: Sequence[History], world: World, scenario: Scenario, seed: int) -> tuple[Files, dict[str, int]]:
    """Every version into the file of its source, some into others as well; and how many of each noise there is."""
    rng = random(scenario.name, seed, "noise")
    files: Files = {file: [] for file in sorted({source.home for source in world.sources})}
    files[RAW] = []
    placed: list[tuple[Version, float]] = []
    swapped = 0
    _plant_the_hour_that_comes_twice(histories)
    for history in histories:
        orders = [_published(version, rng) for version in history.versions]
        if len(orders) > 1:
            swapped += (swap := rng.random() < scenario.before_original)
            orders.sort(reverse=swap)
        placed.extend(zip(history.versions, orders, strict=True))
    exported = [index for index, (version, _) in enumerate(placed) if version.source.home in JSONL]
    astray = set(rng.sample(exported, round(len(placed) * scenario.misrouted)))
    companies = sorted(world.companies)
    twice = 0
    for index, (version, order) in enumerate(placed):
        if index in astray:
            files[RAW].append(_astray(Entry(order, version), companies, rng))
            if rng.random() < 0.8:
                continue
            twice += 1
        files[version.source.home].append(Entry(order, version))
    copies = rng.sample(placed, round(len(placed) * scenario.duplicates))
    copies.extend(one for one in placed if one[0].time == _TWICE and one[0].source.home == DANISH)
    for version, order in copies:
        again = order + rng.expovariate(1 / 20) * _DAY
        files[_second_file(version, sorted(files), rng)].append(Entry(again, version))
    counts = {"duplicates": len(copies) + twice, "misrouted": len(astray), "last_version_first": swapped}
    return files, counts


def _published(version: Version, rng: Random) -> float:
    """Mostly within days of the record, sometimes months off."""
    return version.time.timestamp() + rng.gauss(0, 90 if rng.random() < 0.1 else 2) * _DAY


def _plant_the_hour_that_comes_twice(histories: Sequence[History]) -> None:
    for history in histories:
        first = history.versions[0]
        if first.source.home == DANISH and not history.kind and first.state and first.state.day < _TWICE.date():
            history.versions[0] = replace(first, time=_TWICE)
            return


def _astray(entry: Entry, companies: Sequence[int], rng: Random) -> Entry:
    """As a plain producer would send it: without key, under a wrong one, or placed by CRC32 as librdkafka does."""
    if not isinstance(entry.what, Version):
        return entry
    right = f"{entry.what.subject:08d}"
    way = rng.randrange(6)
    if way == 0:
        entry.key = None
    elif way == 1:
        entry.key = f"kontakt-{rng.randrange(100_000)}"
    elif way == 2:
        entry.key = f"{rng.choice(companies):08d}"
    elif way == 3:
        entry.key, entry.partition = right, 0
    else:
        entry.key, entry.partition = right, "crc32"
    return entry


def _second_file(version: Version, files: Sequence[str], rng: Random) -> str:
    """The same file again, another export of JSON lines, or the CSV that several sources write."""
    draw = rng.random()
    lines = [file for file in files if file in JSONL and file != version.source.home]
    if version.time == _TWICE or (draw > 0.4 and lines and (draw < 0.75 or version.bare)):
        return rng.choice(lines) if lines else JSONL[0]
    if draw > 0.75 and not version.bare and version.source.home != ISO:
        return ISO
    return version.source.home
