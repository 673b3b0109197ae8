"""The files of the project, for the house rules."""

import ast
import subprocess
from functools import lru_cache
from pathlib import Path

PRODUCT = {"brokers", "clustertrack", "reports", "schemas", "sinks", "sources", "streams"}


def files() -> list[Path]:
    """All files of the project that git knows or would add."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        capture_output=True,
        text=True,
        check=True,
    )
    return sorted({path for path in map(Path, filter(None, listed.stdout.split("\0"))) if path.is_file()})


def tree(path: Path) -> ast.Module:
    """What a file of Python says."""
    return _parsed(path.read_bytes())


@lru_cache(maxsize=1)
def _parsed(code: bytes) -> ast.Module:
    """Several rules look at one file after the other."""
    return ast.parse(code)


def is_product(path: Path) -> bool:
    """Whether a file is Python of the product."""
    return path.suffix == ".py" and path.parts[0] in PRODUCT
