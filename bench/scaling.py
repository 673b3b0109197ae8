"""Events a second of one, two and more workers on the same records; broker and ClickHouse share the cores with them.

    scripts/bench --only scaling [--workers 1 2] [--events 600000] [--repeats 3]

The window opens at 30 %: until then all workers have joined and their partitions have moved.
"""

import argparse
from collections.abc import Sequence
from statistics import median
from typing import Any

from contest import Arena
from ground import running, say

WARM = 0.3


def main(arguments: Sequence[str]) -> list[dict[str, Any]]:
    """Returns medians by number of workers."""
    parser = argparse.ArgumentParser(prog="scripts/bench --only scaling", description=__doc__)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--events", type=int, default=600_000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args(arguments)
    runs: dict[int, list[Any]] = {workers: [] for workers in options.workers}
    with running() as stack:
        arena = Arena(stack, {options.events}, options.events)
        for _ in range(options.repeats):
            for workers, mine in runs.items():
                mine.append(arena.run("clustertrack", options.events, workers=workers, warm=WARM))
                say(f"{workers} workers: {mine[-1].rate:,.0f} events/s, {mine[-1].rate_per_cpu:,.0f} per CPU-second")
    return [
        {
            "workers": workers,
            "events_per_second": round(median(run.rate for run in mine)),
            "events_per_second_least": round(min(run.rate for run in mine)),
            "events_per_second_most": round(max(run.rate for run in mine)),
            "events_per_cpu_second": round(median(run.rate_per_cpu for run in mine)),
            "cores_used": {
                "workers": round(median(run.cpu / run.seconds for run in mine), 2),
                "kafka": round(median(run.cpu_kafka / run.seconds for run in mine), 2),
                "clickhouse": round(median(run.cpu_clickhouse / run.seconds for run in mine), 2),
            },
        }
        for workers, mine in runs.items()
    ]
