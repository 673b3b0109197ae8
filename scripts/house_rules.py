"""Rules of this house that no linter knows: no unfinished marks, every test says what it shows, locks name no host.

And the product writes files in one place only, and prints through one door.
"""

import ast
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

# Spelled so that this file does not find itself.
UNFINISHED = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b")
TEXT = {".py", ".sql", ".md", ".toml", ".yml", ".yaml", ".txt", ".sh", ".example", ""}

PRODUCT = {"brokers", "clustertrack", "reports", "schemas", "sinks", "sources", "streams"}
WRITERS = {Path("schemas/own_files.py"), Path("schemas/own_folders.py")}
"""Where files and folders are written, renamed and removed."""

IN_MEMORY = {
    (Path("clustertrack/simulator/exports.py"), "save()"),
    (Path("clustertrack/simulator/exports.py"), "ZipFile() for writing"),
    (Path("clustertrack/local/clickhouse/kernel_wall.py"), "os.open"),
    (Path("clustertrack/local/clickhouse/kernel_wall.py"), "os.O_PATH"),
    (Path("clustertrack/local/clickhouse/start.py"), "os.execve"),
}
"""Calls that write to a stream of theirs; names of folders for the kernel, and this program once more."""

HARMLESS = {
    "os": {
        "chdir",
        *("_exit", "close", "cpu_count", "dup", "dup2", "environ", "fdopen", "fspath", "fsencode", "fsdecode", "fstat"),
        *("get_terminal_size", "getegid", "geteuid", "getpgid", "getpid", "getppid", "getuid", "kill", "killpg"),
        *("memfd_create", "pipe", "read", "sched_getaffinity", "set_blocking", "stat", "sysconf", "urandom", "write"),
    },
    "shutil": {"disk_usage", "get_terminal_size", "which"},
    "tempfile": {"gettempdir"},
}
"""What the product may use of these modules elsewhere: it makes, changes and removes no file."""

CHANGING = {
    *("chmod", "chown", "hardlink_to", "lchmod", "link", "makedirs", "mkdir", "mkdtemp", "rename", "renames", "rmdir"),
    *("rmtree", "save", "symlink", "symlink_to", "touch", "unlink", "write_bytes", "write_text", "write_to_textfile"),
}
"""Methods that change a file, by their names: what they belong to is not known here."""


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


def stray_writes(path: Path) -> Iterator[str]:
    """Calls of the product that write, rename or remove a file elsewhere than in `WRITERS`."""
    if path.parts[0] not in PRODUCT or path.suffix != ".py" or path in WRITERS:
        return
    tree = ast.parse(path.read_text(encoding="utf-8"))
    modules = {
        name.asname or name.name: name.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for name in node.names
        if name.name in HARMLESS
    }
    lines = set()
    for node in ast.walk(tree):
        if not (what := _changes_files(node, modules)) or (path, what) in IN_MEMORY:
            continue
        line: int = node.lineno  # type: ignore[attr-defined]  # calls, attributes and imports have one
        if line not in lines:
            lines.add(line)
            yield f"{path}:{line}: {what}: use schemas/own_files.py or own_folders.py"


def _changes_files(node: ast.AST, modules: dict[str, str]) -> str:
    """What in a node changes files; empty if nothing does."""
    if isinstance(node, ast.ImportFrom) and node.module in HARMLESS:
        names = [name.name for name in node.names if name.name not in HARMLESS[node.module]]
        return f"from {node.module} import {names[0]}" if names else ""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
        module = modules[node.value.id]
        return "" if node.attr in HARMLESS[module] else f"{module}.{node.attr}"
    if not isinstance(node, ast.Call):
        return ""
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name in CHANGING:
        return f"{name}()"
    # Texts, dates and records have a `replace` too, but never with one argument alone.
    if name == "replace" and isinstance(node.func, ast.Attribute) and len(node.args) == 1 and not node.keywords:
        return "replace() of a file"
    if name in {"open", "ZipFile", "TarFile"} and _writes(node):
        return f"{name}() for writing"
    return ""


def _writes(call: ast.Call) -> bool:
    """Whether a call of some `open` has a mode that writes, or one that cannot be read here."""
    for keyword in call.keywords:
        if keyword.arg == "mode":
            return not isinstance(keyword.value, ast.Constant) or bool(set("wax+") & set(str(keyword.value.value)))
    is_function = isinstance(call.func, ast.Name)
    if is_function and len(call.args) > 1 and not isinstance(call.args[1], ast.Constant):
        return True
    modes = [arg.value for arg in call.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
    return any(set(mode) <= set("rwaxbtU+") and set("wax+") & set(mode) for mode in modes)


def named_hosts(path: Path) -> Iterator[str]:
    """Lines of a lock file that name where packages come from: that is each machine's own business."""
    if path.parts[0] != "requirements":
        return
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if "://" in line or line.startswith(("--index-url", "--extra-index-url", "--find-links")):
            yield f"{path}:{number}: names a host"


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


def same_names(paths: Sequence[Path]) -> Iterator[str]:
    """Modules of the product that have their file name in common: a name stands for one thing."""
    named: dict[str, list[Path]] = defaultdict(list)
    for path in paths:
        if path.parts[0] in PRODUCT and path.suffix == ".py" and not path.name.startswith("__"):
            named[path.name].append(path)
    for found in named.values():
        if len(found) > 1:
            yield f"{found[0]}: has the name of {', '.join(map(str, found[1:]))}"


RULES = (unfinished, silent_tests, named_hosts, other_doors, stray_writes)


def main() -> int:
    """Print what is wrong; 1 if anything is."""
    paths = files()
    found = [fault for path in paths for rule in RULES for fault in rule(path)] + list(same_names(paths))
    for fault in found:
        print(fault)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
