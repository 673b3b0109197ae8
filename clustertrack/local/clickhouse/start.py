"""What the server takes from its environment: two files with passwords, and nothing that is secret."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from clustertrack.local.clickhouse.host_guard import Login
from schemas.errors import UsageFault
from schemas.own_files import read_within

READER: Final = "reader"
_MAX_SECRET: Final = 64 * 1024

ENVIRONMENT: Final = frozenset(
    {
        "PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH",
        "PYTHONUNBUFFERED", "PYTHONUTF8", "PYTHONSAFEPATH",
        "CLICKHOUSE_USER", "CLICKHOUSE_PASSWORD_FILE", "CLICKHOUSE_READER_PASSWORD_FILE",
    }
)  # fmt: skip
"""Variables that the process keeps. Anything else from a shell, such as passwords, could be read from /proc."""


def read_logins(environ: Mapping[str, str], *, without_password: bool, any_setting: bool) -> tuple[Login, ...]:
    """The operator's login and, with a file for it, the reader's. Raises UsageFault."""
    user = environ.get("CLICKHOUSE_USER") or "default"
    if user == READER:
        raise UsageFault(f"CLICKHOUSE_USER is {READER}, the name of the login that only reads; choose another")
    if without_password:
        return Login(user, "", writes=True, any_setting=any_setting), Login(READER, "", writes=False)
    password = _secret(environ, "CLICKHOUSE_PASSWORD_FILE")
    if password is None:
        raise UsageFault(
            "has no password; put one into a file that only you can read and set CLICKHOUSE_PASSWORD_FILE "
            "to its path (CLICKHOUSE_PASSWORD is not read)"
        )
    reader = _secret(environ, "CLICKHOUSE_READER_PASSWORD_FILE")
    if reader is None:
        return (Login(user, password, writes=True),)
    return Login(user, password, writes=True), Login(READER, reader, writes=False)


def clean_environment() -> None:
    """Restart without the variables that are not on the list, if there are any.

    Taking them out of `os.environ` alone would leave them in /proc/self/environ.
    """
    kept = {name: value for name, value in os.environ.items() if name in ENVIRONMENT}
    if len(kept) < len(os.environ):
        os.execve(sys.executable, sys.orig_argv, kept)  # noqa: S606  (this very program)


def _secret(environ: Mapping[str, str], variable: str) -> str | None:
    place = environ.get(variable)
    if not place:
        return None
    try:
        secret = read_within(Path(place), _MAX_SECRET).decode().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise UsageFault(f"cannot read {variable} {place}: {reason}") from None
    if not secret:
        raise UsageFault(f"{variable} names {place}, which is empty; put a password into it")
    return secret
