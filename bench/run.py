"""Compares the worker with other ways to do the same work, or takes one of the further measurements.

    scripts/bench --quick --json result.json    under five minutes, on an idle machine
    scripts/bench                               five rounds, larger runs
    scripts/bench --check                       a quick run, compared with bench/baseline.json
    scripts/bench --write                       also writes docs/performance.md's table, its chart, and the baseline
    scripts/bench --only latency [--write]      or reads, recovery, scaling, growth, memory, publisher, collector,
                                                profiling

Every contender does the whole path on the same records, broker and ClickHouse: bytes from Kafka, validated by the
product's own functions, deduplicated, enriched from 18,000 companies, rows and receipts inserted, enriched record
confirmed, offset committed. A run whose ledger or enriched topic differs from the truth ends the benchmark.
"""

import argparse
import importlib
import importlib.metadata
import json
import os
import platform
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import results
from contest import Arena, Wrong
from ground import ROOT, running, say

FULL = {
    "clustertrack": 600_000,
    "librdkafka": 400_000,
    "quixstreams": 200_000,
    "bytewax": 200_000,
    "faust": 40_000,
    "faust_tuned": 40_000,
}
QUICK = {
    "clustertrack": 300_000,
    "librdkafka": 200_000,
    "quixstreams": 90_000,
    "bytewax": 90_000,
    "faust": 16_000,
    "faust_tuned": 16_000,
}
"""Events of one run: slow ones get fewer, so that a round ends. What is compared is the rate in the window."""
ROUNDS, QUICK_ROUNDS = 5, 2
MEASUREMENTS = ("latency", "reads", "recovery", "scaling", "growth", "memory", "publisher", "collector", "profiling")
PACKAGES = (
    *("faust-streaming", "quixstreams", "confluent-kafka", "bytewax", "pydantic"),
    *("kafka-python", "fastapi", "uvicorn", "httptools"),
)
"""What has a part in any of them; the versions are printed."""
FAILED = (Wrong, RuntimeError, AssertionError)
BASELINE = ROOT / "bench" / "baseline.json"
PAGE, CHART = ROOT / "docs" / "performance.md", ROOT / "docs" / "performance.svg"


def machine() -> dict[str, Any]:
    """What this is measured on."""
    from clustertrack.local.kafka_jars import KAFKA_VERSION  # noqa: PLC0415  (only what is printed needs it)

    model = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "?"
    )
    versions = {"Python": platform.python_version(), "Kafka": KAFKA_VERSION}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "cpu": model,
        "cores": len(os.sched_getaffinity(0)),
        "system": platform.system(),
        "when": datetime.now(UTC).date().isoformat(),
        "load": os.getloadavg()[0],
        "versions": versions,
    }


def _lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="utf-8").splitlines()


def absent() -> dict[str, str]:
    """Competitors that cannot run here, and why."""
    try:
        importlib.import_module("bytewax")
    except ImportError:
        return {"bytewax": f"0.21 has no build for Python {platform.python_version()}"}
    return {}


def compare(sizes: dict[str, int], rounds: int) -> dict[str, Any]:
    """All contenders, one by one, in each round."""
    about, missing = machine(), absent()
    contenders = [name for name in sizes if name not in missing]
    runs: list[dict[str, Any]] = []
    with running() as stack:
        arena = Arena(stack, {sizes[name] for name in contenders}, sizes[results.OURS])
        for number in range(1, rounds + 1):
            for name in [name for name in contenders if name not in missing]:
                try:
                    run = arena.run(name, sizes[name])
                except FAILED as error:
                    if name == results.OURS:
                        raise
                    # The others can still be compared; earlier runs of this one do not count either.
                    missing[name] = f"{type(error).__name__}: {error}"
                    runs = [run for run in runs if run["contender"] != name]
                    say(f"round {number}: {name} is out: {missing[name]}")
                    continue
                runs.append(asdict(run) | {"round": number})
                say(
                    f"round {number}: {name:13}{run.rate:9,.0f} events/s {run.rate_per_cpu:9,.0f} per CPU-second"
                    f"{run.seconds:7.1f} s"
                )
    return results.report_of(runs, missing, about)


def write(report: dict[str, Any], command: str) -> None:
    """The table and the chart into the documentation, the ratios as what `--check` compares with."""
    text = f"{results.table(report)}\n\n`{command}`: {results.described(report)}"
    write_page("comparison", text)
    write_page("cluster", results.cluster(report))
    CHART.write_text(results.chart(report), encoding="utf-8")
    kept = {key: value for key, value in report.items() if key != "runs"}
    BASELINE.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")


def write_page(name: str, text: str) -> None:
    """Replace the text between the markers of that name in docs/performance.md."""
    PAGE.write_text(results.between(PAGE.read_text(encoding="utf-8"), name, text), encoding="utf-8")


def main(arguments: Sequence[str]) -> int:
    """Returns the exit code: 1 when `--check` finds a regression, or something failed."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer events, two rounds")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write everything that was measured")
    parser.add_argument("--check", action="store_true", help="a quick run; fails when a ratio fell by more than 25 %%")
    parser.add_argument(
        "--write",
        action="store_true",
        help="write the result into docs/performance.md; of the comparison also the chart and the baseline",
    )
    parser.add_argument("--only", choices=MEASUREMENTS, help="another measurement; it says its own options with --help")
    parser.add_argument("--rounds", type=int, help=f"default {ROUNDS}, quick {QUICK_ROUNDS}")
    parser.add_argument("--scale", type=float, default=1.0, help="multiply the events of every run by this")
    options, rest = parser.parse_known_args(arguments)
    if rest and not options.only:
        parser.error(f"unknown: {' '.join(rest)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers that were started are stopped, too
    try:
        return measure(options, rest) if options.only else comparison(options)
    except FAILED as error:
        say(f"error: {error}")
        return 1


def comparison(options: argparse.Namespace) -> int:
    """The comparison, shown and kept as the options say; 1 when `--check` finds a regression."""
    baseline = json.loads(BASELINE.read_text(encoding="utf-8")) if options.check else None
    quick = options.quick or options.check
    sizes = {name: int(size * options.scale) for name, size in (QUICK if quick else FULL).items()}
    report = compare(sizes, options.rounds or (QUICK_ROUNDS if quick else ROUNDS))
    print(f"{results.table(report)}\n\n{results.described(report)}")
    for sentence in results.short_of_target(report):
        print(f"Short of its target: {sentence}")
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    if options.write:
        scale = [f"--scale {options.scale:g}"] if options.scale != 1 else []
        write(report, " ".join(["scripts/bench", "--write", *scale]))
    fallen = results.check(report, baseline) if baseline else []
    for sentence in fallen:
        say(f"error: {sentence}")
    return 1 if fallen else 0


def measure(options: argparse.Namespace, rest: Sequence[str]) -> int:
    """One of the further measurements: bench/NAME.py."""
    about = machine()
    found = importlib.import_module(options.only).main(rest)
    print(json.dumps(found, indent=2))
    if options.json:
        options.json.write_text(json.dumps({options.only: found, "machine": about}, indent=2) + "\n", encoding="utf-8")
    if options.write:
        command = " ".join(["scripts/bench", "--only", options.only, *rest])
        write_page(options.only, f"{results.listed(found)}\n\n`{command}`: {results.described({'machine': about})}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
