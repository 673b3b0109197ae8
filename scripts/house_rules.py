"""Rules of this house that no linter knows: no unfinished marks, every test says what it shows, locks name no host."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

# Spelled so that this file does not find itself.
UNFINISHED = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b")
TEXT = {".py", ".sql", ".md", ".toml", ".yml", ".yaml", ".txt", ".sh", ".example", ""}


def files() -> list[Path]:
    """All files of the project that git knows or would add."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        capture_output=True,
        text=True,
        check=True,
    )
    return sorted(path for path in map(Path, filter(None, listed.stdout.split("\0"))) if path.is_file())


def unfinished(path: Path) -> Iterator[str]:
    """Lines with a mark that says the work is not done."""
    if path.suffix not in TEXT:
        return
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        if match := UNFINISHED.search(line):
            yield f"{path}:{number}: unfinished: {match[0]}"


def silent_tests(path: Path) -> Iterator[str]:
    """Tests without a docstring."""
    if path.parts[0] != "tests" or path.suffix != ".py":
        return
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or not node.name.startswith("test_"):
            continue
        if not ast.get_docstring(node):
            yield f"{path}:{node.lineno}: {node.name} does not say in a docstring what it shows"


def named_hosts(path: Path) -> Iterator[str]:
    """Lines of a lock file that name where packages come from: that is each machine's own business."""
    if path.parts[0] != "requirements":
        return
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if "://" in line or line.startswith(("--index-url", "--extra-index-url", "--find-links")):
            yield f"{path}:{number}: names a host"


def main() -> int:
    """Print what is wrong; 1 if anything is."""
    found = [fault for path in files() for rule in (unfinished, silent_tests, named_hosts) for fault in rule(path)]
    for fault in found:
        print(fault)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
