"""One simulated world on disk: the truth first, then the events that lead to it, then everything that goes wrong."""

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Final

from clustertrack.simulator.exports import Written, write_file
from clustertrack.simulator.final import Desk, State, draw_final, uuid
from clustertrack.simulator.history import History, Version, draw_histories
from clustertrack.simulator.invalid import InvalidRecords
from clustertrack.simulator.layouts import LAYOUTS, mapping_toml
from clustertrack.simulator.noise import RAW, Entry, Files, spread
from clustertrack.simulator.refused import unusable_rows
from clustertrack.simulator.register import register_csv
from clustertrack.simulator.scenario import SCENARIOS, Scenario, random
from clustertrack.simulator.simulated_clusters import ISO, JSONL, Source, registry_toml
from clustertrack.simulator.truth import figures
from clustertrack.simulator.world import World, draw_world
from schemas.errors import UsageFault
from schemas.own_files import read_within, write_whole
from schemas.own_folders import close_folder, private_folder, remove

TRUTH: Final = "truth.json"
STAGES: Final = 5 + len(JSONL) + len(LAYOUTS) + 1
_ANOTHER: Final = "choose another --out"
_LARGEST_TRUTH: Final = 256 * 1024 * 1024
"""Bytes of the truth of an earlier run."""

_README: Final = """Synthetic data, written by `clustertrack simulate --scenario {scenario} --seed {seed}`.

No company, cluster or activity in these files is real: names begin with "Syntetisk", CVR numbers with 9, and sources
end in .example. Every mistake is here on purpose, as CRMs make them.

  registry.toml       clusters and institutions    clustertrack registry load registry.toml
  companies.csv       company register             clustertrack companies load companies.csv
  activity-*          exports of CRMs              clustertrack publish --send-invalid activity-*.jsonl activity-*.csv activity-*.xlsx
  raw.jsonl           records under wrong keys     clustertrack simulate --raw-publish raw.jsonl
  truth.json          what must come out
"""  # noqa: E501  (a command is copied as one line)


def simulate(
    scenario: Scenario, out: Path, seed: int, progress: Callable[[str], object] = lambda _: None
) -> dict[str, Any]:
    """Write a scenario into a folder and return its truth.

    Args:
        scenario: how many of everything.
        out: folder, created when missing; what an earlier run wrote there is replaced.
        seed: the same seed gives identical files.
        progress: called with what begins, `STAGES` times.

    Raises:
        UsageFault: the folder holds something else, or cannot be written.
    """
    try:
        _make_room(out)
        return _simulate(scenario, out, seed, progress)
    except OSError as error:
        raise UsageFault(f"{out} cannot be written ({error.strerror}); choose another --out") from error


def _simulate(scenario: Scenario, out: Path, seed: int, progress: Callable[[str], object]) -> dict[str, Any]:
    progress("companies")
    world = draw_world(scenario, seed)
    progress("final state")
    final = draw_final(world, scenario, seed)
    progress("truth")
    years, details = figures(world, final)
    truth: dict[str, Any] = {"scenario": scenario.name, "seed": seed, "synthetic": True, "years": years}
    _write(out / TRUTH, _json(truth))
    progress("history")
    histories = draw_histories(world, final, scenario, seed)
    files, noise = spread(histories, world, scenario, seed)
    _add_bad_ones(files, world, histories, scenario, seed)
    progress("register")
    _write(out / "companies.csv", register_csv(world))
    _write(out / "registry.toml", _registry(world, scenario, seed))
    _write(out / "README.txt", _README.format(scenario=scenario.name, seed=seed))
    written = Written()
    for file, entries in files.items():
        progress(file)
        write_file(out / file, entries, world, random(scenario.name, seed, file), written)
        if file in LAYOUTS:
            homes = [source for source in world.sources if source.home == file]
            _write(out / LAYOUTS[file].mapping, mapping_toml(LAYOUTS[file], None if file == ISO else homes[0]))
    truth |= _account(written, histories, noise, world) | {"details": details}
    _write(out / TRUTH, _json(truth))
    return truth


def _registry(world: World, scenario: Scenario, seed: int) -> str:
    """One registry for the data of all scenarios: the small ones of `examples/` count in the demo, too."""
    worlds = [world if one.name == scenario.name else draw_world(one, seed) for one in SCENARIOS.values()]
    return registry_toml(
        [cluster for one in worlds for cluster in one.clusters],
        {cvr for one in worlds for cvr in one.institutions if one is world or cvr not in world.companies},
    )


def _add_bad_ones(files: Files, world: World, histories: list[History], scenario: Scenario, seed: int) -> None:
    """Invalid records and unusable rows, anywhere among the good ones of their file."""
    rng = random(scenario.name, seed, "bad")
    desk = Desk(world, rng, taken=[version for history in histories for version in history.versions])
    last = max(entry.order for entries in files.values() for entry in entries)
    first = last - timedelta(days=2 * 365).total_seconds()

    def version(state: State, source: Source, activity_id: str) -> Version:
        at = datetime(2018, 6, 1, 8, tzinfo=UTC) + timedelta(minutes=rng.randrange(500_000))
        return Version(source, activity_id, str(uuid(rng)), at, state.cvr, state)

    def add(file: str, what: Any) -> None:  # noqa: ANN401  (any entry)
        files[file].append(Entry(first + rng.random() * (last - first), what, *_key(rng, file)))

    invalid = InvalidRecords(world, desk, rng, version)
    lines = [file for file in files if file in JSONL]
    for record in invalid.records(scenario.invalid_kinds, scenario.invalid_each):
        add(rng.choice(lines), record)
    for record in invalid.without_key(scenario.invalid_raw):
        add(RAW, record)
    for number, (file, layout) in enumerate(LAYOUTS.items()):
        source = next(source for source in world.sources if source.home == file)
        if "id" in layout.fields:  # an id made of the row could not be named here
            for row in invalid.rows(source, layout.fields, scenario.invalid_rows, number):
                add(file, row)
        for bad in unusable_rows(
            layout, source, world, desk, rng, version, scenario.refused_kinds, scenario.refused_each
        ):
            add(file, bad)


def _key(rng: Random, file: str) -> tuple[str | None, str | None]:
    if file != RAW:
        return None, None
    return rng.choice(((None, None), ("kontakt-1", None), ("90000009", "crc32")))


def _account(written: Written, histories: list[History], noise: dict[str, int], world: World) -> dict[str, Any]:
    """What must become of the records, and how many of everything there is."""
    sent = sum(written.records.values())
    known = len(written.versions) + len(written.retractions)
    groups = {name: sorted(cvrs) for name, cvrs in world.groups.items()}
    groups |= {"public_bodies": sorted(world.public_bodies), "institutions": sorted(world.institutions)}
    return {
        "records": written.records,
        "receipts": {
            "accepted": len(written.versions),
            "retracted": len(written.retractions),
            "duplicate": sent - known - len(written.rejected),
            "rejected": len(written.rejected),
        },
        "rejected": written.rejected,
        "refused": written.refused,
        "noise": noise | {"histories": dict(sorted(Counter(one.kind for one in histories if one.kind).items()))},
        "companies": {
            "rows": sum(1 for company in world.companies.values() if company.versions),
            "mergers": sum(1 for company in world.companies.values() if company.successor),
            "groups": groups,
        },
    }


def _make_room(out: Path) -> None:
    private_folder(out, advice=_ANOTHER)
    if not any(out.iterdir()):
        close_folder(out, advice=_ANOTHER)
        return
    try:
        ours = json.loads(read_within(out / TRUTH, _LARGEST_TRUTH)).get("synthetic") is True
    except (OSError, ValueError, AttributeError):
        ours = False
    if not ours:
        raise UsageFault(f"{out} holds files that `simulate` has not written; choose an empty folder for --out")
    close_folder(out, advice=_ANOTHER)
    for old in sorted(out.glob("activity-*")):
        remove(old)


def _json(truth: dict[str, Any]) -> str:
    return json.dumps(truth, indent=1, ensure_ascii=False) + "\n"


def _write(path: Path, text: str) -> None:
    write_whole(path, text.encode())
