"""The long form of tests/chaos: rounds of all scenarios until the time is over, and the table of their outcomes.

Every round has a seed of its own and, in turn, one broker or three. `scripts/chaos` sets everything up and calls this.
"""

import argparse
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
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "delivery-guarantees.md"
BEGIN, END = "<!-- what scripts/chaos --write has written: begin -->", "<!-- end -->"
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
    ("repeats in enriched", "--:"),
    ("recovery, s: median (longest)", "--:"),
)


def main() -> int:
    """Run, print, write; 0 if every scenario passed."""
    options = _options()
    seed = random.SystemRandom().randrange(2**31) if options.seed is None else options.seed
    deadline = time.monotonic() + options.minutes * 60
    files = sorted((ROOT / "tests" / "chaos").glob("test_*.py"))
    outcomes, failed, rounds = [], [], 0
    started = datetime.now(UTC)
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        collected = Path(folder, "outcomes.jsonl")
        for number, file in itertools.product(range(10_000), files):
            if time.monotonic() > deadline:
                break
            rounds = number + 1
            brokers = (1, 3)[number % 2]
            say = f"seed {seed + number}, {brokers} broker(s), {file.relative_to(ROOT)}"
            print(say, end=" ... ", file=sys.stderr, flush=True)
            began = time.monotonic()
            settings = {
                "CHAOS_SEED": str(seed + number),
                "CHAOS_NODES": str(brokers),
                "CHAOS_SCALE": str(options.scale),
                "CHAOS_OUTCOMES": str(collected),
            }
            done = subprocess.run(
                [sys.executable, "-m", "pytest", "-q", "--color=no", "-p", "no:cacheprovider", file],
                cwd=ROOT,
                env={**os.environ, **settings},
                capture_output=True,
                text=True,
                timeout=LONGEST_FILE_SECONDS,
                check=False,
            )
            print(f"{'kept' if not done.returncode else 'FAILED'}, {time.monotonic() - began:.0f} s", file=sys.stderr)
            if done.returncode:
                failed.append(say)
                print(done.stdout, file=sys.stderr)
        if collected.exists():
            outcomes = [json.loads(line) for line in collected.read_text(encoding="utf-8").splitlines()]
    minutes = (datetime.now(UTC) - started).total_seconds() / 60
    page = [
        (
            f"Run of {started:%Y-%m-%d}: {minutes:.0f} minutes, seeds {seed} to {seed + rounds - 1}, scale "
            f"{options.scale:g}; {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}."
        ),
        "",
        *table(outcomes),
        "",
        *([f"Failed: {say}" for say in failed] or ["No promise was broken."]),
    ]
    print("\n".join(page))
    if options.json:
        Path(os.environ.get("CHAOS_HERE", "."), options.json).write_text(json.dumps(outcomes, indent=1) + "\n")
    if options.write:
        _write(page)
    return 1 if failed or not outcomes else 0


def table(outcomes: list[dict[str, Any]]) -> list[str]:
    """Lines of Markdown: one for each scenario, its runs added up, and one for all."""
    scenarios: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for outcome in outcomes:
        scenarios[outcome["scenario"]].append(outcome)
    lines = [[title for title, _ in HEAD], [line for _, line in HEAD]]
    lines += [_line(name, runs) for name, runs in sorted(scenarios.items())]
    if outcomes:
        lines.append(_line("**all**", outcomes))
    return [f"| {' | '.join(line)} |" for line in lines]


def _line(name: str, runs: list[dict[str, Any]]) -> list[str]:
    def added(field: str) -> str:
        return f"{sum(run[field] for run in runs):,}"

    recovery = [run["recovery_seconds"] for run in runs]
    return [
        name,
        str(len(runs)),
        ", ".join(map(str, sorted({run["nodes"] for run in runs}))),
        *map(added, ("events", "faults", "lost", "counted_twice", "wrong_figures", "without_receipt")),
        added("repeats_in_enriched"),
        f"{statistics.median(recovery):.1f} ({max(recovery):.1f})",
    ]


def _write(page: list[str]) -> None:
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END, 1)[1]
    PAGE.write_text("\n".join([before + BEGIN, "", *page, "", END + after]), encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/chaos",
        description="Runs every scenario of tests/chaos on real Kafka and ClickHouse until the time is over, each "
        "round with another seed and in turn on one broker and on three, and prints the table of what was lost and "
        "what was counted twice. Ends with 1 if a scenario failed.",
    )
    parser.add_argument("--minutes", type=float, required=True, help="no scenario is begun after so long")
    parser.add_argument("--seed", type=int, help="of the first round; drawn and printed when not given")
    parser.add_argument(
        "--scale", type=float, default=3, help="records and faults of the short form, times (default: 3)"
    )
    parser.add_argument("--json", metavar="FILE", help="write every outcome to this file too")
    parser.add_argument("--write", action="store_true", help="put the table into docs/delivery-guarantees.md")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
