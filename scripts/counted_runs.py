"""The long form of tests/counted: seed after seed, every argument of every view, all sabotages once.

`scripts/counted` sets everything up and calls this.
"""

import argparse
import contextlib
import itertools
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

ROOT = Path(__file__).resolve().parent.parent
SEEDS: Final = "COUNTED_SEEDS"
"""Tells the tests which history to look at; see tests/support/tally/seeds.py."""
SABOTAGES: Final = "tests/counted/test_sabotage.py"
ENDING_SECONDS: Final = 60
"""So long may pytest take to end what it started when it is interrupted."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and print; 0 if everything was counted right and every mistake was seen."""
    options = _options(arguments)
    wanted = itertools.count(random.SystemRandom().randrange(2**31)) if options.seeds is None else options.seeds
    signal.signal(signal.SIGTERM, interrupt)
    failed: list[int] = []
    looked = 0
    with contextlib.suppress(KeyboardInterrupt):
        for number, seed in enumerate(until(wanted, options.minutes)):
            if run(seed, sabotages=number == 0) != 0:
                failed.append(seed)
            looked += 1
    wrong = f"; not as the model says, or a mistake not seen: seed {', '.join(map(str, failed))}" if failed else ""
    print(f"{looked} histories{wrong}")
    return 1 if failed or not looked else 0


def until(seeds: Iterable[int], minutes: float | None) -> Iterator[int]:
    """The seeds, as long as there is time; one at least."""
    deadline = None if minutes is None else time.monotonic() + minutes * 60
    for number, seed in enumerate(seeds):
        if number and deadline is not None and time.monotonic() > deadline:
            return
        yield seed


def command(*, sabotages: bool) -> list[str]:
    """How the tests are run; the mistakes do not depend on the seed."""
    left_out = [] if sabotages else ["--ignore", SABOTAGES]
    return [sys.executable, "-m", "pytest", "-q", "--color=no", "-p", "no:cacheprovider", "tests/counted", *left_out]


def run(seed: int, *, sabotages: bool) -> int:
    """Look at one history, say how it went; exit code of pytest, whose words are printed when it fails."""
    print(f"seed {seed}{' and all sabotages' if sabotages else ''}", end=" ... ", file=sys.stderr, flush=True)
    began = time.monotonic()
    with tempfile.TemporaryFile("w+", encoding="utf-8") as said:
        child = subprocess.Popen(
            command(sabotages=sabotages),
            cwd=ROOT,
            env={**os.environ, SEEDS: str(seed)},
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        try:
            code = child.wait()
        finally:
            end(child)
        print(f"{'FAILED' if code else 'as counted'}, {time.monotonic() - began:.0f} s", file=sys.stderr)
        if code:
            said.seek(0)
            print(said.read(), file=sys.stderr)
    return code


def end(child: subprocess.Popen[bytes]) -> None:
    """Let pytest end the services that it started, as after Ctrl-C; only if it does not, make it."""
    if child.poll() is not None:
        return
    child.send_signal(signal.SIGINT)
    try:
        child.wait(ENDING_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    """A polite end is one like Ctrl-C."""
    raise KeyboardInterrupt


def seeds(text: str) -> list[int]:
    """`7`, `1,5` or `100-199` as numbers."""
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    if not found:
        raise ValueError(text)
    return found


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/counted", description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, help="begin no further history after so long")
    parser.add_argument("--seeds", type=seeds, help="these histories, as 7 or 1,5 or 100-199; else random ones")
    options = parser.parse_args(arguments)
    if options.minutes is None and options.seeds is None:
        parser.error("say how long (--minutes N) or which (--seeds 100-199)")
    return options


if __name__ == "__main__":
    sys.exit(main())
