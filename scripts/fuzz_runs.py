"""Fuzzes each target for its share of the time, and prints one table. `scripts/fuzz` sets everything up and calls this.

A target runs in a process of its own (`fuzz_child`). What it finds is kept as a file, which a test can replay.
"""

import argparse
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pytest_child
from pytest_child import ROOT

sys.path.append(str(ROOT / "tests" / "support"))

from fuzzing.targets import TARGETS
from fuzzing.words import write_dictionary

FINDS: Final = ROOT / "tests" / "fuzz" / "finds"
SHORT_SECONDS: Final = 60
LARGEST_INPUT: Final = 16_384
"""Bytes of an input. Headers have a number of repeats, so that a small one can be a large record."""
SLOWEST: Final = 60
"""Seconds that one input may take by the clock: most take a hundredth of one, but a busy machine is not a fault."""
MOST_MEMORY: Final = 2048
"""MB that a process may take: ten times what it takes."""
_STARTING: Final = 120
"""Seconds for a process to start and to end, on top of its share of the time."""
_PROGRESS: Final = re.compile(r"^#\d+\s.* cov: (\d+) ft: (\d+) corp: (\d+)/", re.MULTILINE)
_EXECUTED: Final = re.compile(r"^stat::number_of_executed_units: (\d+)", re.MULTILINE)
_NOISE: Final = re.compile(r"^(INFO: Instrumenting|#\d+\s|INFO: seed corpus|\s*$).*\n?", re.MULTILINE)
HEAD: Final = ("target", "executions", "coverage", "features", "corpus", "finds", "seconds")


@dataclass
class Outcome:
    """How the fuzzing of one target went."""

    target: str
    executions: int = 0
    coverage: int = 0
    """Edges between pieces of the product's code that were reached."""
    features: int = 0
    """The same, and how often each one was."""
    corpus: int = 0
    """Inputs that each reach something of their own."""
    seconds: float = 0
    finds: list[Path] = field(default_factory=list)
    said: str = ""
    """What the process printed, where it did not end as it should."""


def main() -> int:
    """Run, print; 0 if nothing was found."""
    options = _options()
    if find_spec("atheris") is None:
        print("error: atheris is not installed; it has wheels for Linux and Python 3.11 to 3.13", file=sys.stderr)
        return 2
    seed = random.SystemRandom().randrange(1, 2**31) if options.seed is None else options.seed
    names = options.target or list(TARGETS)
    kept = Path(os.environ.get("FUZZ_HERE", "."), options.keep).resolve()
    kept.mkdir(parents=True, exist_ok=True)
    pytest_child.take_sigterm_for_ctrl_c()
    workers = max(1, min(len(names), (os.cpu_count() or 1), 4))
    total = options.seconds if options.minutes is None else options.minutes * 60
    share = max(1, round(total * workers / len(names)))
    print(f"seed {seed}: {len(names)} targets, {share} s each, {workers} at a time", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        with ThreadPoolExecutor(workers) as pool:
            runs = [pool.submit(fuzz, name, share, seed, Path(folder), kept, options.planted) for name in names]
        outcomes = [run.result() for run in runs]
    print("\n".join(table(outcomes)))
    return report(outcomes)


def fuzz(name: str, seconds: int, seed: int, folder: Path, kept: Path, planted: Path | None = None) -> Outcome:
    """Fuzz one target in a process of its own.

    Args:
        name: the target's.
        seconds: how long.
        seed: of libFuzzer's choices.
        folder: for the inputs, and for what the process prints; dropped afterwards.
        kept: where inputs that show a fault are kept.
        planted: a module that replaces something of the product by something wrong, to see that it is found.
    """
    corpus = folder / name
    corpus.mkdir()
    for number, data in enumerate(TARGETS[name].seeds()):
        (corpus / f"seed-{number:05}").write_bytes(data)
    for number, path in enumerate(sorted((FINDS / name).glob("*"))):
        (corpus / f"find-{number:05}").write_bytes(path.read_bytes())
    words = folder / f"{name}.words"
    write_dictionary(words)
    prefix = kept / f"{name}-"
    command = [
        sys.executable,
        str(ROOT / "scripts" / "fuzz_child.py"),
        name,
        str(corpus),
        str(planted or "-"),
        f"-max_total_time={seconds}",
        f"-seed={seed}",
        f"-dict={words}",
        f"-artifact_prefix={prefix}",
        f"-max_len={LARGEST_INPUT}",
        f"-timeout={SLOWEST}",
        f"-report_slow_units={SLOWEST}",
        f"-rss_limit_mb={MOST_MEMORY}",
        "-print_final_stats=1",
    ]
    before = set(kept.glob(f"{name}-*"))
    began = time.monotonic()
    with (folder / f"{name}.log").open("w+", encoding="utf-8", errors="replace") as log:
        child = subprocess.Popen(
            command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, "PYTHONHASHSEED": "0"}
        )
        try:
            code = child.wait(seconds + _STARTING)
        except subprocess.TimeoutExpired:
            code = 1
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
        log.seek(0)
        said = log.read()
    outcome = read(name, said)
    outcome.seconds = time.monotonic() - began
    outcome.finds = sorted(set(kept.glob(f"{name}-*")) - before)
    if code:
        outcome.said = _NOISE.sub("", said) or f"it ended with {code}"
    return outcome


def read(name: str, said: str) -> Outcome:
    """The numbers in what libFuzzer printed."""
    outcome = Outcome(name)
    if progress := _PROGRESS.findall(said):
        outcome.coverage, outcome.features, outcome.corpus = map(int, progress[-1])
    if executed := _EXECUTED.search(said):
        outcome.executions = int(executed[1])
    return outcome


def table(outcomes: Sequence[Outcome]) -> list[str]:
    """Lines of Markdown, one for each target."""
    rows = [HEAD, ("---", *["--:"] * (len(HEAD) - 1))]
    rows += [
        (
            one.target,
            *(f"{number:,}" for number in (one.executions, one.coverage, one.features, one.corpus, len(one.finds))),
            f"{one.seconds:.0f}",
        )
        for one in outcomes
    ]
    return [f"| {' | '.join(row)} |" for row in rows]


def report(outcomes: Sequence[Outcome]) -> int:
    """Say what was found, where it is and what to do with it; 0 if nothing was."""
    for one in outcomes:
        if one.said:
            print(f"\n{one.target}:\n{one.said[-4000:]}", file=sys.stderr)
        for path in one.finds:
            target = FINDS / one.target
            print(f"\nFound: {path}\nTo make it a test: mkdir -p {target} && cp {path} {target}/a-good-name")
    failed = [one.target for one in outcomes if one.said or one.finds]
    print(f"Failed: {', '.join(failed)}" if failed else "Nothing was found.")
    return 1 if failed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/fuzz",
        description="Looks for records, headers and batches that break a promise of the worker, guided by the code "
        "that they reach. The inputs begin with the corpora of the tests. Ends with 1 if something was found.",
    )
    long = parser.add_mutually_exclusive_group()
    long.add_argument("--minutes", type=float, help="how long in all")
    long.add_argument(
        "--seconds", type=float, default=SHORT_SECONDS, help=f"how long in all (default: {SHORT_SECONDS})"
    )
    parser.add_argument(
        "--target", action="append", choices=list(TARGETS), default=[], help="only this one; may be repeated"
    )
    parser.add_argument("--seed", type=int, help="of all random choices; drawn and printed when not given")
    parser.add_argument(
        "--keep",
        metavar="FOLDER",
        default="fuzz-finds",
        help="where inputs are kept that show a fault (default: %(default)s)",
    )
    parser.add_argument(
        "--planted", type=Path, metavar="FILE", help="a module that plants a fault, to see that it is found"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
