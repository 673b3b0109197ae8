"""How the cost of a record grows with partitions and with companies: one worker, the same records in other settings.

    scripts/bench --only growth [--partitions 4 12 48] [--companies 18000 180000] [--events 400000]

One of them grows at a time, the other stays at its first value; each pair has a Kafka and a ClickHouse of its own.
The window opens when four tenths are counted: before, the worker also stores the register in the new ledger.
"""

import argparse
from collections.abc import Sequence
from statistics import median
from typing import Any

from contest import Arena, Run
from ground import running, say

WARM = 0.4


def main(arguments: Sequence[str]) -> list[dict[str, Any]]:
    """Returns medians for each pair."""
    parser = argparse.ArgumentParser(prog="scripts/bench --only growth", description=__doc__)
    parser.add_argument("--partitions", type=int, nargs="+", default=[4, 12, 48])
    parser.add_argument("--companies", type=int, nargs="+", default=[18_000, 180_000])
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args(arguments)
    pairs = [(partitions, options.companies[0]) for partitions in options.partitions]
    pairs += [(options.partitions[0], companies) for companies in options.companies[1:]]
    return [_measure(partitions, companies, options.events, options.repeats) for partitions, companies in pairs]


def _measure(partitions: int, companies: int, events: int, repeats: int) -> dict[str, Any]:
    with running(partitions=partitions) as stack:
        arena = Arena(stack, {events}, events, partitions=partitions, companies=companies)
        runs: list[Run] = []
        for _ in range(repeats):
            runs.append(arena.run("clustertrack", events, warm=WARM))
            say(f"{partitions} partitions, {companies:,} companies: {runs[-1].rate:,.0f} events/s")
    return {
        "partitions": partitions,
        "companies": companies,
        "events_per_second": round(median(run.rate for run in runs)),
        "events_per_second_least": round(min(run.rate for run in runs)),
        "events_per_second_most": round(max(run.rate for run in runs)),
        "events_per_cpu_second": round(median(run.rate_per_cpu for run in runs)),
        "worker_mb": round(median(run.rss_mb for run in runs)),
    }
