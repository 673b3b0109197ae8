"""Rules of this house that no linter knows.

No unfinished marks, every test says what it shows, locks name no host, and the product prints through one door.
"""

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


PRODUCT = ("clustertrack", "schemas", "sources", "streams", "sinks", "reports")
SCREENS = {
    "schemas/screen.py": ("sys.stdout", "sys.stderr"),
    "schemas/visible.py": ("Lines",),
    "clustertrack/progress.py": ("rich", "Console"),
    "clustertrack/logs.py": ("StreamHandler", "sys.stderr"),
}
"""Files that may print, and what with. Everything else hands them text: it may be somebody else's."""
PRINTERS = {
    *("print", "pprint", "pp", "input", "echo", "secho", "style", "echo_via_pager", "confirm", "prompt", "progressbar"),
    *("print_exc", "print_exception", "print_stack", "print_tb", "dump_traceback"),
    *("StreamHandler", "basicConfig", "PrintLogger", "PrintLoggerFactory", "WriteLogger", "WriteLoggerFactory"),
    *("get_text_stream", "get_binary_stream", "Console", "Lines"),
}
"""Functions and classes by which text reaches a screen, whatever module they are taken from."""
STREAMS = {"stdout", "stderr", "__stdout__", "__stderr__"}


def other_doors(path: Path) -> Iterator[str]:
    """Ways to a screen that go around `schemas.screen`."""
    if path.parts[0] not in PRODUCT or path.suffix != ".py":
        return
    allowed = SCREENS.get(path.as_posix(), ())
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        for way in _ways_to_a_screen(node):
            if way not in allowed:
                yield f"{path}:{node.lineno}: {way} goes around schemas.screen: use say, show or say why in SCREENS"  # type: ignore[attr-defined]  # nodes with a way have a line


def _ways_to_a_screen(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name in PRINTERS:
            yield name
        case ast.Attribute(value=ast.Name(id="sys"), attr=name) if name in STREAMS:
            yield f"sys.{name}"
        case ast.ImportFrom(module="sys", names=names):
            yield from (f"sys.{alias.name}" for alias in names if alias.name in STREAMS)
        case ast.ImportFrom(module=str(module)) if module.partition(".")[0] == "rich":
            yield "rich"
        case ast.ImportFrom(names=names):
            yield from (alias.name for alias in names if alias.name in PRINTERS - {"Lines"})
        case ast.Import(names=names):
            yield from ("rich" for alias in names if alias.name.partition(".")[0] == "rich")
        case ast.Call(func=ast.Attribute(value=ast.Name(id="os"), attr="write"), args=[ast.Constant(value=1 | 2), *_]):
            yield "os.write"


RULES = (unfinished, silent_tests, named_hosts, other_doors)


def main() -> int:
    """Print what is wrong; 1 if anything is."""
    found = [fault for path in files() for rule in RULES for fault in rule(path)]
    for fault in found:
        print(fault)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
