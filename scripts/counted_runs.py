"""The long form of tests/counted: seed after seed, every argument of every view, all sabotages once.

`scripts/counted` sets everything up and calls this.
"""

import argparse
import contextlib
import itertools
import random
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import pytest_child

SEEDS: Final = "COUNTED_SEEDS"
"""Tells the tests which history to look at; see tests/support/tally/seeds.py."""
SABOTAGES: Final = "tests/counted/test_sabotage.py"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and print; 0 if everything was counted correctly and every mistake was found."""
    options = _options(arguments)
    wanted = itertools.count(random.SystemRandom().randrange(2**31)) if options.seeds is None else options.seeds
    pytest_child.take_sigterm_for_ctrl_c()
    failed: list[int] = []
    looked = 0
    with contextlib.suppress(KeyboardInterrupt):
        for number, seed in enumerate(until(wanted, options.minutes)):
            if not look(seed, sabotages=number == 0):
                failed.append(seed)
            looked += 1
    wrong = f"; not as the model says, or a mistake not seen: seed {', '.join(map(str, failed))}" if failed else ""
    print(f"{looked} histories{wrong}")
    return 1 if failed or not looked else 0


def until(seeds: Iterable[int], minutes: float | None) -> Iterator[int]:
    """The seeds, as long as there is time; at least one."""
    deadline = None if minutes is None else time.monotonic() + minutes * 60
    for number, seed in enumerate(seeds):
        if number and deadline is not None and time.monotonic() > deadline:
            return
        yield seed


def tests(*, sabotages: bool) -> list[str]:
    """Arguments of pytest; the mistakes do not depend on the seed."""
    return ["tests/counted"] if sabotages else ["tests/counted", "--ignore", SABOTAGES]


def look(seed: int, *, sabotages: bool) -> bool:
    """Check one history and print how it went; returns whether it was counted correctly."""
    print(f"seed {seed}{' and all sabotages' if sabotages else ''}", end=" ... ", file=sys.stderr, flush=True)
    began = time.monotonic()
    how = pytest_child.run(tests(sabotages=sabotages), {SEEDS: str(seed)})
    print(f"{how or 'as counted'}, {time.monotonic() - began:.0f} s", file=sys.stderr)
    return not how


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
