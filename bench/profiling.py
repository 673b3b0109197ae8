"""Where the time of a worker goes: CPU by process, time by step of delivery, CPU of its own work by stage.

    scripts/bench --only profiling [--events 400000]

`worker, main thread` decides, enriches and produces; its other threads fetch and insert. Steps are those of the
worker's own metrics; shares are of the time that was measured, and above 1 in all, since one group is decided on while
another one is stored. Stages are those of `bench/hot_path.py`, which does the same work without any I/O.
"""

import argparse
import json
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from contest import WARM, Arena
from ground import PYTHON, ROOT, STOP_SECONDS, TICKS, cpu_seconds, running, say
from stack import Stack, Worker

STEPS = ("decide", "insert", "produce", "mark")


def main(arguments: Sequence[str]) -> dict[str, Any]:
    """Returns microseconds of CPU per event by thread, shares of time by step, microseconds by stage."""
    parser = argparse.ArgumentParser(prog="scripts/bench --only profiling", description=__doc__)
    parser.add_argument("--events", type=int, default=400_000)
    options = parser.parse_args(arguments)
    with running() as stack:
        arena = Arena(stack, {options.events}, options.events)
        worker = stack.start_worker("worker", wait=False)
        first = arena.wait_counted([worker], "impact", int(options.events * WARM))
        began, cpu, steps = time.monotonic(), _cpu(stack, worker), _steps(stack, worker)
        last = arena.wait_counted([worker], "impact", int(options.events * 0.98))
        seconds, events = time.monotonic() - began, last - first
        found: dict[str, Any] = {
            "events": events,
            "events_per_second": round(events / seconds),
            "cpu_us_per_event": {
                name: round((after - cpu[name]) * 1e6 / events, 1) for name, after in _cpu(stack, worker).items()
            },
            "share_of_time": {
                step: round((after - steps[step]) / seconds, 2) for step, after in _steps(stack, worker).items()
            },
        }
        worker.stop(STOP_SECONDS)
    say(f"{found}")
    hot = [str(PYTHON), str(ROOT / "bench" / "hot_path.py"), "--json"]
    done = subprocess.run(hot, capture_output=True, text=True, check=True, env={"PYTHONPATH": str(ROOT)})
    return {**found, "hot_path_us_per_event": json.loads(done.stdout)}


def _cpu(stack: Stack, worker: Worker) -> dict[str, float]:
    """CPU seconds so far."""
    fields = Path(f"/proc/{worker.pid}/task/{worker.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    main_thread = sum(map(int, fields[11:13])) / TICKS
    return {
        "worker, main thread": main_thread,
        "worker, other threads": cpu_seconds(worker.pid) - main_thread,
        "kafka": cpu_seconds(stack.brokers[0].pid),
        "clickhouse": cpu_seconds(stack.clickhouse.pid),
    }


def _steps(stack: Stack, worker: Worker) -> dict[str, float]:
    """Seconds that each step of the pipeline of events has taken."""
    lines = stack.metrics(worker).splitlines()
    name = 'clustertrack_step_seconds_sum{{pipeline="events",step="{}"}} '
    return {
        step: sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name.format(step)))
        for step in STEPS
    }
