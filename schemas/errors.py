"""The errors that a user can cause, or has to know about.

    ClustertrackError
    ├── CheckFailed      exit code 1: the command ran, and what it checked does not hold
    ├── UsageFault       exit code 2: options, settings or files that cannot be used
    └── Unreachable      exit code 3: a service does not answer

Packages derive their own from these three. A message is one sentence that says what happened, where, and what to do.
"""

from typing import ClassVar, Final

_LONGEST: Final = 500
"""Characters of what an error says in a sentence of ours."""


class ClustertrackError(Exception):
    """Base of all errors that end a command with a sentence instead of a traceback."""

    exit_code: ClassVar[int] = 1


class CheckFailed(ClustertrackError):
    """The command ran, and what it checked does not hold."""


class UsageFault(ClustertrackError):
    """Options, settings or files that cannot be used."""

    exit_code = 2


class Unreachable(ClustertrackError):
    """A service does not answer."""

    exit_code = 3


def first_line(error: BaseException) -> str:
    """The first line of an error's text, shortened: ClickHouse repeats the whole query after it."""
    text = str(error).strip()
    line = text.splitlines()[0] if text else type(error).__name__
    return line if len(line) <= _LONGEST else line[: _LONGEST - 3] + "..."
