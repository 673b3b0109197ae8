"""Runs pytest as a child process, which ends what it started itself, however the run ends."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

ROOT: Final = Path(__file__).resolve().parent.parent
ENDING_SECONDS: Final = 90
"""Seconds that pytest may take to stop brokers, ClickHouse and workers when it is interrupted."""


def command(arguments: Sequence[str]) -> list[str]:
    """How tests are run."""
    return [sys.executable, "-m", "pytest", "-q", "--color=no", "-p", "no:cacheprovider", *arguments]


def run(arguments: Sequence[str], settings: Mapping[str, str], seconds: float | None = None) -> str:
    """Run tests with more in their environment; empty when all passed, else what happened, and what pytest said is
    printed then.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8") as said:
        child = subprocess.Popen(
            command(arguments), cwd=ROOT, env={**os.environ, **settings}, stdout=said, stderr=subprocess.STDOUT
        )
        try:
            how = "FAILED" if child.wait(seconds) else ""
        except subprocess.TimeoutExpired:
            how = f"not over after {seconds:g} s"
        finally:
            _end(child)
        if how:
            said.seek(0)
            print(said.read(), file=sys.stderr)
    return how


def _end(child: subprocess.Popen[bytes]) -> None:
    """Let pytest stop what it started, as after Ctrl-C; kill it only if it does not."""
    if child.poll() is not None:
        return
    child.send_signal(signal.SIGINT)
    try:
        child.wait(ENDING_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def take_sigterm_for_ctrl_c() -> None:
    """SIGTERM ends this process as Ctrl-C does."""
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
