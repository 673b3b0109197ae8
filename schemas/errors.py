"""The errors that a user can cause, or has to know about.

    ClustertrackError
    ├── CheckFailed      exit code 1: the command ran, and what it checked does not hold
    ├── UsageFault       exit code 2: options, settings or files that cannot be used
    └── Unreachable      exit code 3: a service does not answer

Packages derive their own from these three. A message is one sentence that says what happened, where, and what to do.
"""

from typing import ClassVar


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
