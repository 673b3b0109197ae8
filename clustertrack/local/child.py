"""One child process: its own process group, its output in a file, its death with ours, a bounded stop."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from clustertrack.local.environment import child_environment
from schemas.own_folders import move, open_appending

_LARGEST_LOG_BYTES: Final = 10 * 1024 * 1024
_SIGKILL_TAKES_SECONDS: Final = 10
_TAIL_BYTES: Final = 16 * 1024
_LINE_LENGTH: Final = 200
_FEW: Final = 3
"""Lines of a log that are quoted as they are."""
_EXPLAINS: Final = re.compile(r"error|exception|fatal|fail|cannot|killed|denied|refused|no space", re.IGNORECASE)
"""Words of a line that may say why a program ended."""

_DIE_WITH_PARENT: Final = """\
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9, 0, 0, 0)
if os.getppid() != int(sys.argv[1]):
    sys.exit(1)
os.execvp(sys.argv[2], sys.argv[2:])
"""
"""On Linux the kernel kills the child when the thread that started it ends, however that happens. The child has to ask
for this itself, and not in a `preexec_fn`: that is unsafe while other threads run. So a tiny Python asks and then
becomes the program. A parent that died before that is noticed by its id."""


@dataclass(frozen=True)
class Command:
    """What a child runs, and what it sees: `environment`, and those of the variables in `passes` that we have."""

    name: str
    arguments: Sequence[str | Path]
    environment: Mapping[str, str | None] = field(default_factory=dict)
    passes: Collection[str] = ()


class Child:
    """A running (or ended) child process. Start it from a thread that lives as long as the child should."""

    def __init__(self, command: Command, logs: Path) -> None:
        self.name = command.name
        self.log = logs / f"{command.name}.log"
        arguments = [str(argument) for argument in command.arguments]
        if sys.platform == "linux":
            arguments = [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, str(os.getpid()), *arguments]
        _turn_over(self.log)
        with open_appending(self.log) as output:
            # What an earlier run wrote is not the reason of this one.
            self._began = output.tell()
            self._process = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=child_environment(os.environ, command.environment, command.passes),
                # Ctrl-C on the terminal must reach the supervisor alone, which then stops its children in order.
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Process id, which is also the id of its process group."""
        return self._process.pid

    def exit_code(self) -> int | None:
        """None while it runs; minus the number of the signal when one ended it."""
        if self._process.returncode is None and self._process.poll() is not None:
            # At once, while its id cannot belong to another process: what it started itself must not outlive it.
            self._signal(signal.SIGKILL)
        return self._process.returncode

    def terminate(self) -> None:
        """Ask the whole process group to stop, and do not wait."""
        if self.exit_code() is None:
            self._signal(signal.SIGTERM)

    def stop(self, grace: float) -> bool:
        """SIGTERM, at most `grace` seconds, SIGKILL. Returns whether it stopped by itself; afterwards nothing runs."""
        self.terminate()
        try:
            self._process.wait(grace)
        except subprocess.TimeoutExpired:
            self.kill()
            return False
        self._signal(signal.SIGKILL)
        return True

    def kill(self) -> None:
        """SIGKILL to the whole process group; returns when the child is gone."""
        if self.exit_code() is None:
            self._signal(signal.SIGKILL)
            self._process.wait(_SIGKILL_TAKES_SECONDS)

    def wait(self, timeout: float) -> int:
        """Wait for the end; returns the exit code. Raises subprocess.TimeoutExpired."""
        self._process.wait(timeout)
        self._signal(signal.SIGKILL)
        return int(self._process.returncode)

    def last_words(self) -> str:
        """The end of what this run logged, for a message: its last error if it names one, else its last three lines."""
        lines = self._lines()
        errors = [error for line in lines if (error := _error(line))]
        return (errors[-1] if errors else " | ".join(line[:_LINE_LENGTH] for line in lines[-3:]))[: 3 * _LINE_LENGTH]

    def reason(self) -> str:
        """What of this run's log explains its end: its last error, else its last line that speaks of one; or empty.

        A program that printed next to nothing has printed why.
        """
        lines = self._lines()
        errors = [error for line in lines if (error := _error(line))]
        explaining = errors or [line for line in lines if not line.startswith("{") and _EXPLAINS.search(line)]
        if not explaining and len(lines) <= _FEW:
            return self.last_words()
        return explaining[-1][: 3 * _LINE_LENGTH] if explaining else ""

    def _lines(self) -> list[str]:
        try:
            with self.log.open("rb") as log:
                log.seek(max(self._began, self.log.stat().st_size - _TAIL_BYTES))
                text = log.read().decode(errors="replace")
        except OSError:
            return []
        return [line.strip() for line in text.splitlines() if line.strip()]

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):
            # The group is gone; macOS says "not permitted" for one that only holds a zombie.
            return


def _turn_over(log: Path) -> None:
    """Keep one older log when the present one has grown large."""
    try:
        if log.lstat().st_size > _LARGEST_LOG_BYTES:
            move(log, log.with_suffix(".log.1"))
    except FileNotFoundError:
        return


def _error(line: str) -> str | None:
    """The message, if the line is an error of ours: `error: ...` of a command, or a JSON log line of that level."""
    if line.startswith("error: "):
        return line.removeprefix("error: ")
    if not line.startswith("{"):
        return None
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    if entry.get("level") not in {"error", "critical"}:
        return None
    cause = str(entry.get("exception", "")).rstrip().rpartition("\n")[2]
    return " ".join(filter(None, (str(entry.get("event", "")), cause)))
