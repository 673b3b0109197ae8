"""The long form of tests/chaos: rounds of all scenarios until the time is over, and the table of their outcomes.

Every round has a seed of its own, and runs each file on one broker and on three. `scripts/chaos` sets everything up and
calls this. However it ends, also by Ctrl-C, the table of what has run until then is printed and written.
"""

import argparse
import contextlib
import itertools
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest_child
from pytest_child import ROOT

PAGE = ROOT / "docs" / "delivery-guarantees.md"
END = "<!-- end -->"
BROKERS = (1, 3)
LONGEST_FILE_SECONDS = 3600
HEAD = (
    ("scenario", "---"),
    ("runs", "--:"),
    ("brokers", ":-:"),
    ("events", "--:"),
    ("faults", "--:"),
    ("lost", "--:"),
    ("counted twice", "--:"),
    ("wrong figures", "--:"),
    ("offsets without exactly one receipt", "--:"),
    ("repeats: enriched, rejected, sent on", "--:"),
    ("recovery, s: median (longest)", "--:"),
)
REPEATS = ("repeats_in_enriched", "repeats_in_rejected", "repeats_sent_on")

Outcomes = list[dict[str, Any]]
Kept = dict[str, Any]
"""A run: see `kept`."""


@dataclass
class Session:
    """What has run so far."""

    seed: int
    """Of the first round."""
    scale: float
    outage: float
    """Seconds, see `OUTAGE` in tests/support/runs.py."""
    started: datetime
    rounds: int = 0
    failed: list[str] = field(default_factory=list)
    """What failed, and how."""


def main() -> int:
    """Run, print, write; 0 if every scenario passed."""
    options = _options()
    if options.join:
        return _finish(options, [json.loads(Path(_here(), name).read_text(encoding="utf-8")) for name in options.join])
    files = chosen(sorted((ROOT / "tests" / "chaos").glob("test_*.py")), options.only)
    if not files:
        print(f"error: no file of tests/chaos is named like {' or '.join(options.only)}", file=sys.stderr)
        return 2
    seed = random.SystemRandom().randrange(2**31) if options.seed is None else options.seed
    session = Session(seed, options.scale, options.outage, datetime.now(UTC))
    pytest_child.take_sigterm_for_ctrl_c()
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        collected = Path(folder, "outcomes.jsonl")
        with contextlib.suppress(KeyboardInterrupt):
            run(session, files, collected, options.minutes)
        outcomes = read(collected)
    return _finish(options, [kept(session, outcomes)])


def _finish(options: argparse.Namespace, runs: Sequence[Kept]) -> int:
    page = lines(runs)
    print("\n".join(page))
    if options.json and not options.join:
        Path(_here(), options.json).write_text(json.dumps(runs[0], indent=1) + "\n")
    if options.write:
        write(PAGE, options.only, page)
    return 1 if any(one["failed"] or not one["outcomes"] for one in runs) else 0


def _here() -> Path:
    """The folder that file names of the command line count from."""
    return Path(os.environ.get("CHAOS_HERE", "."))


def run(session: Session, files: Sequence[Path], collected: Path, minutes: float) -> None:
    """File after file until the time is over; raises KeyboardInterrupt when somebody stops it earlier."""
    deadline = time.monotonic() + minutes * 60
    for number, brokers, file in plan(files):
        if time.monotonic() > deadline:
            return
        session.rounds = number + 1
        say = f"seed {session.seed + number}, {brokers} broker(s), tests/chaos/{file.name}"
        print(say, end=" ... ", file=sys.stderr, flush=True)
        began = time.monotonic()
        settings = {
            "CHAOS_SEED": str(session.seed + number),
            "CHAOS_NODES": str(brokers),
            "CHAOS_SCALE": str(session.scale),
            "CHAOS_OUTAGE": str(session.outage),
            "CHAOS_OUTCOMES": str(collected),
        }
        how = "interrupted"
        try:
            how = pytest_child.run([str(file)], settings, LONGEST_FILE_SECONDS)
        finally:
            if how:
                session.failed.append(f"{say}: {how}")
            print(f"{how or 'kept'}, {time.monotonic() - began:.0f} s", file=sys.stderr)


def plan(files: Sequence[Path]) -> Iterator[tuple[int, int, Path]]:
    """(round, brokers, file) without end: in each round every file on one broker and on three."""
    for number in itertools.count():
        for file in files:
            for brokers in BROKERS:
                yield number, brokers, file


def read(collected: Path) -> Outcomes:
    """The outcomes that the scenarios have written, one in a line."""
    if not collected.exists():
        return []
    return [json.loads(line) for line in collected.read_text(encoding="utf-8").splitlines()]


def chosen(files: Sequence[Path], names: Sequence[str]) -> list[Path]:
    """The files whose name holds one of the names; all of them without any."""
    return [file for file in files if not names or any(name in file.name for name in names)]


def kept(session: Session, outcomes: Outcomes) -> Kept:
    """What `--json` writes: how the run was made, what failed, every outcome."""
    minutes = (datetime.now(UTC) - session.started).total_seconds() / 60
    last = session.seed + max(1, session.rounds) - 1
    how = f"seeds {session.seed} to {last}, scale {session.scale:g}, outage {session.outage:g} s"
    where = f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
    return {
        "run": f"Run of {session.started:%Y-%m-%d}{commit()}: {minutes:.0f} minutes, {how}; {where}.",
        "failed": session.failed,
        "outcomes": outcomes,
    }


def lines(runs: Sequence[Kept]) -> list[str]:
    """What is printed at the end and in the page: how they ran, their table, what failed."""
    outcomes = [outcome for one in runs for outcome in one["outcomes"]]
    failed = [say for one in runs for say in one["failed"]]
    return [
        *(one["run"] for one in runs),
        "",
        *table(outcomes),
        "",
        *one_kind_only(outcomes),
        *([f"Failed: {say}" for say in failed] or ["No promise was broken."]),
    ]


def commit() -> str:
    """What ran, as `, commit ...`; empty where there is no git."""
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--exclude=*"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return f", commit {found.stdout.strip()}"


def table(outcomes: Outcomes) -> list[str]:
    """Lines of Markdown: one for each scenario with its runs added up, and one for all."""
    rows = [[title for title, _ in HEAD], [line for _, line in HEAD]]
    rows += [_line(name, runs) for name, runs in sorted(_by_scenario(outcomes).items())]
    if outcomes:
        rows.append(_line("**all**", outcomes))
    return [f"| {' | '.join(row)} |" for row in rows]


def one_kind_only(outcomes: Outcomes) -> list[str]:
    """A line for each kind of stack that was the only one for scenarios which could run on the other one too."""
    only: dict[int, list[str]] = defaultdict(list)
    for name, runs in sorted(_by_scenario(outcomes).items()):
        kinds = {run["nodes"] for run in runs}
        if len(kinds) == 1 and not any(run["fixed_nodes"] for run in runs):
            only[kinds.pop()].append(name)
    said = []
    for brokers, names in sorted(only.items()):
        said += [f"On {brokers} broker{'s' if brokers > 1 else ''} only, in this run: {'; '.join(names)}.", ""]
    return said


def _by_scenario(outcomes: Outcomes) -> dict[str, Outcomes]:
    scenarios: dict[str, Outcomes] = defaultdict(list)
    for outcome in outcomes:
        scenarios[outcome["scenario"]].append(outcome)
    return scenarios


def _line(name: str, runs: Outcomes) -> list[str]:
    def added(name: str) -> str:
        return f"{sum(run[name] for run in runs):,}"

    recovery = [run["recovery_seconds"] for run in runs]
    return [
        name,
        str(len(runs)),
        ", ".join(map(str, sorted({run["nodes"] for run in runs}))),
        *map(added, ("events", "faults", "lost", "counted_twice", "wrong_figures", "without_receipt")),
        " / ".join(map(added, REPEATS)),
        f"{statistics.median(recovery):.1f} ({max(recovery):.1f})",
    ]


def begin(only: Sequence[str]) -> str:
    """The mark in a page under which a run of these files is put."""
    chosen = "".join(f" --only {name}" for name in only)
    return f"<!-- what scripts/chaos{chosen} --write has written: begin -->"


def write(path: Path, only: Sequence[str], page: Sequence[str]) -> None:
    """Put the lines between the two marks of a page, in place of what is there."""
    mark = begin(only)
    before, rest = path.read_text(encoding="utf-8").split(mark)
    after = rest.split(END, 1)[1]
    path.write_text("\n".join([before + mark, "", *page, "", END + after]), encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/chaos",
        description="Runs every scenario of tests/chaos on real Kafka and ClickHouse until the time is over, each "
        "round with another seed, every file on one broker and on three, and prints the table of what was lost "
        "and what was counted twice; after Ctrl-C that of what has run. Ends with 1 if a scenario failed.",
    )
    way = parser.add_mutually_exclusive_group(required=True)
    way.add_argument("--minutes", type=float, help="no file of scenarios is begun after so long")
    way.add_argument(
        "--join",
        metavar="FILE",
        nargs="+",
        help="run nothing: make one table of several runs, each from what its --json has written",
    )
    parser.add_argument("--seed", type=int, help="of the first round; drawn and printed when not given")
    parser.add_argument(
        "--scale", type=float, default=3, help="records and faults of the short form, times (default: 3)"
    )
    parser.add_argument(
        "--outage",
        type=float,
        default=330,
        metavar="SECONDS",
        help="how long ClickHouse is away under back-pressure (default: 330, longer than a Kafka client "
        "may wait between two fetches by default; the short form: 30)",
    )
    parser.add_argument(
        "--only", metavar="NAME", action="append", default=[], help="only files of that name, or part; may be repeated"
    )
    parser.add_argument("--json", metavar="FILE", help="write the run, and every outcome, to this file too")
    parser.add_argument(
        "--write",
        action="store_true",
        help="put the table into docs/delivery-guarantees.md, where the mark of the same --only is",
    )
    options = parser.parse_args()
    if options.write and begin(options.only) not in PAGE.read_text(encoding="utf-8"):
        parser.error(f"{PAGE.name} has no place for these files: it lacks the line {begin(options.only)}")
    return options


if __name__ == "__main__":
    sys.exit(main())
