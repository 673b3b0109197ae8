"""What every measurement runs on: Kafka and ClickHouse as `clustertrack up` runs them, in a temporary folder.

One Kafka and one ClickHouse for everything that is compared. Each run has a ledger (a database) of its own; a new
ledger reads the events topic from its beginning.
"""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from stack import Stack

from clustertrack.local.child import Child

ROOT = Path(__file__).resolve().parents[1]
PYTHON = ROOT / ".venv" / "bin" / "python"
"""The product's own environment, without anything of its competitors."""
TICKS = os.sysconf("SC_CLK_TCK")
STOP_SECONDS = 20
"""That a worker has to stop by itself."""


def say(text: str) -> None:
    """A line for those who wait."""
    print(text, file=sys.stderr, flush=True)


def cpu_seconds(pid: int) -> float:
    """CPU time of a process, all its threads and its living and ended children, in seconds."""
    spent, ended = 0.0, [pid]
    while ended:
        process = ended.pop()
        try:
            fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
            spent += sum(map(int, fields[11:15])) / TICKS
            ended += _children_of(process)
        except FileNotFoundError:
            continue
    return spent


def _children_of(pid: int) -> list[int]:
    """Processes that a process started, whichever of its threads did."""
    found: list[int] = []
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(FileNotFoundError):
            found += map(int, listed.read_text(encoding="ascii").split())
    return found


def resident_mb(pid: int) -> float:
    """Resident memory of a process, MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def check(process: Child) -> None:
    """Raise when a process has ended: none that is measured ends by itself."""
    if (code := process.exit_code()) is not None:
        raise RuntimeError(f"{process.name} ended with {code}: {process.last_words()}")


@contextlib.contextmanager
def running(partitions: int = 4) -> Iterator[Stack]:
    """A fresh stack for as long as the block lasts; its folder is removed."""
    with tempfile.TemporaryDirectory(prefix="clustertrack-bench-") as made:
        stack = Stack(Path(made), as_up=True, python=PYTHON, partitions=partitions)
        try:
            yield stack
        finally:
            stack.close()
