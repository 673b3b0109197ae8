"""Rules of this house that no linter knows: no unfinished marks, every test says what it shows, locks name no host.

The product writes files in one place only, and prints through one door. Constants, docstrings, exceptions and the
reasons of `noqa` have one form, and no file of code grows without end.
And the product writes files in one place only, and prints through one door. No text has a word that the glossary
replaces.
"""

import ast
import builtins
import io
import re
import subprocess
import sys
import tokenize
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import lru_cache
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
"""Calls that write to a stream of theirs; names of folders for the kernel, and a new start of this program."""

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
"""What the product may use of these modules elsewhere: none of it creates, changes or removes a file."""

CHANGING = {
    *("chmod", "chown", "hardlink_to", "lchmod", "link", "makedirs", "mkdir", "mkdtemp", "rename", "renames", "rmdir"),
    *("rmtree", "save", "symlink", "symlink_to", "touch", "unlink", "write_bytes", "write_text", "write_to_textfile"),
}
"""Methods that change a file, by their names: their type is not known here."""


def files() -> list[Path]:
    """All files of the project that git knows or would add."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        capture_output=True,
        text=True,
        check=True,
    )
    return sorted(path for path in map(Path, filter(None, listed.stdout.split("\0"))) if path.is_file())


def _tree(path: Path) -> ast.Module:
    return _parsed(path.read_bytes())


@lru_cache(maxsize=1)
def _parsed(code: bytes) -> ast.Module:
    """Several rules look at one file after the other."""
    return ast.parse(code)


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
    for node in ast.walk(_tree(path)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or not node.name.startswith("test_"):
            continue
        if not ast.get_docstring(node):
            yield f"{path}:{node.lineno}: {node.name} does not say in a docstring what it shows"


def stray_writes(path: Path) -> Iterator[str]:
    """Calls of the product that write, rename or remove a file elsewhere than in `WRITERS`."""
    if path.parts[0] not in PRODUCT or path.suffix != ".py" or path in WRITERS:
        return
    tree = _tree(path)
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
    # Texts, dates and records have a `replace` too, but never with a single argument.
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
    """Lines of a lock file that name where packages come from: that belongs to each machine."""
    if path.parts[0] != "requirements":
        return
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if "://" in line or line.startswith(("--index-url", "--extra-index-url", "--find-links")):
            yield f"{path}:{number}: names a host"


SCREENS = {
    "schemas/screen.py": ("sys.stdout", "sys.stderr"),
    "schemas/visible.py": ("Lines",),
    "clustertrack/__main__.py": ("os.write",),  # before anything is imported
    "clustertrack/progress.py": ("rich", "Console"),
    "reports/layout.py": ("rich", "Console", "print"),  # into a text, which becomes lines
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
    for node in ast.walk(_tree(path)):
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
    """Modules that have their file name in common: a name means one thing. The module of a verb is named for it."""
    named: dict[str, list[Path]] = defaultdict(list)
    for path in paths:
        is_module = path.suffix == ".py" and not path.name.startswith("__")
        if path.parts[0] in PRODUCT and is_module and path.parent.name != "commands":
            named[path.name].append(path)
    for found in named.values():
        if len(found) > 1:
            yield f"{found[0]}: has the name of {', '.join(map(str, found[1:]))}"


LONGEST = 400
"""Lines of a file of code: one that grows beyond has a seam somewhere."""
NOQA = re.compile(r"#\s*noqa\b(?!: [A-Z]+[0-9]+(?:, [A-Z]+[0-9]+)*  \([^)].*\)$)")
CONSTANT = re.compile(r"_?[A-Z][A-Z0-9_]+")
PROSE = re.compile(r"\n\s*\n\s*(Raises [A-Z]\w+|Returns (?:the|a|whether)\b)")


def too_long(path: Path) -> Iterator[str]:
    """Files of code with more lines than `LONGEST`."""
    if path.suffix in {".py", ".sql"} and (lines := len(path.read_text(encoding="utf-8").splitlines())) > LONGEST:
        yield f"{path}:{lines}: has more than {LONGEST} lines: split it"


def bare_noqa(path: Path) -> Iterator[str]:
    """A `noqa` that does not say which rule and why."""
    if path.suffix != ".py":
        return
    code = path.read_bytes()
    if b"# noqa" in code:
        for token in tokenize.tokenize(io.BytesIO(code).readline):
            if token.type == tokenize.COMMENT and NOQA.search(token.string):
                yield f"{path}:{token.start[0]}: write noqa as `noqa: RULE  (reason)`"


def loose_constants(path: Path) -> Iterator[str]:
    """Constants of the product that may be assigned again, or whose reason stands above them."""
    if path.parts[0] not in PRODUCT or path.suffix != ".py":
        return
    lines = path.read_text(encoding="utf-8").splitlines()
    for node in _tree(path).body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)]) if CONSTANT.fullmatch(name):
                yield f"{path}:{node.lineno}: {name} is not Final"
            case ast.AnnAssign(target=ast.Name(id=name)) if CONSTANT.fullmatch(name):
                if "Final" not in ast.unparse(node.annotation):
                    yield f"{path}:{node.lineno}: {name} is not Final"
                if lines[node.lineno - 2].startswith("# "):
                    yield f"{path}:{node.lineno}: write the reason of {name} as a docstring after it"


def odd_docstrings(path: Path) -> Iterator[str]:
    """Docstrings of the product without a summary, or with errors and results outside of a section."""
    if path.parts[0] not in PRODUCT or path.suffix != ".py":
        return
    for node in ast.walk(_tree(path)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        text = ast.get_docstring(node) or ""
        if text.startswith(("Args:", "Returns:", "Raises:")):
            yield f"{path}:{node.lineno}: {node.name} has a docstring without a summary"
        if match := PROSE.search(text):
            section = match[1].partition(" ")[0]
            yield f"{path}:{node.lineno}: {node.name}: write `{match[1]} ...` as a section `{section}:`"


def odd_errors(paths: Sequence[Path]) -> Iterator[str]:
    """Exceptions of the product that are neither of the tree of `schemas/errors.py` nor called an Error.

    And those of the tree that nobody catches by name and that carry nothing: their base says as much.
    """
    trees = {path: _tree(path) for path in paths if path.parts[0] in PRODUCT and path.suffix == ".py"}
    found = {
        node.name: (path, node)
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    caught = {name for tree in trees.values() for node in ast.walk(tree) for name in _caught(node)}
    for name, (path, node) in found.items():
        bases = _bases(name, found)
        if "ClustertrackError" in bases:
            fields = [part for part in node.body if not isinstance(part, ast.Expr | ast.Pass)]
            if not fields and name not in caught:
                yield f"{path}:{node.lineno}: nobody catches {name}, and it carries nothing: use its base"
        elif name != "ClustertrackError" and bases & EXCEPTIONS and not name.endswith("Error"):
            yield f"{path}:{node.lineno}: {name} is not of the tree of schemas/errors.py, and is not called an Error"


EXCEPTIONS = {
    name for name, kind in vars(builtins).items() if isinstance(kind, type) and issubclass(kind, BaseException)
}


def _bases(name: str, classes: dict[str, tuple[Path, ast.ClassDef]]) -> set[str]:
    """Names of all classes that a class of the product is derived from."""
    if name not in classes:
        return set()
    own = {base.id for base in classes[name][1].bases if isinstance(base, ast.Name)} - {name}
    return own.union(*(_bases(base, classes) for base in own))


def _caught(node: ast.AST) -> set[str]:
    """Names of what a node catches or asks for."""
    match node:
        case ast.ExceptHandler(type=ast.AST() as kinds):
            asked = [kinds]
        case ast.Call(func=ast.Name(id="isinstance" | "suppress") | ast.Attribute(attr="suppress"), args=asked):
            pass
        case _:
            return set()
    return {part.id for kind in asked for part in ast.walk(kind) if isinstance(part, ast.Name)}


OLD_WORDS = {
    r"stands?(?![-_]in\b| in for\b| for\b)|stood": "is, are",
    r"mend(s|ed|ing)?": "fix",
    r"made[ _](again|anew)|anew": "re-created, again",
    r"behind (an|the|that|its) offset": "after it",
    r"said of": "about",
    r"ill(?!-)|illness|unwell": "unhealthy",
    r"for[ _]ever": "permanently, forever",
    r"nobody[ _](can[ _])?knows?": "unknown",
    r"beside": "next to, with",
    r"whoever|whatever": "anyone who; or name the thing",
}
"""The glossary of CONTRIBUTING.md, as far as a pattern can tell: the words on the left, and what to write."""
OLD_WORD = re.compile(rf"(?<![a-z])({'|'.join(OLD_WORDS)})(?![a-z])", re.IGNORECASE)
NAMES_OLD_WORDS = {"CONTRIBUTING.md", "LICENSE", "scripts/house_rules.py", "tests/scripts/test_house_rules.py"}
"""Files that hold the glossary, and the licence, which others wrote."""


def old_words(path: Path) -> Iterator[str]:
    """Lines with a word that the glossary replaces."""
    name = path.as_posix()
    if path.suffix not in TEXT or name in NAMES_OLD_WORDS:
        return
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        if match := OLD_WORD.search(line):
            yield f"{path}:{number}: {match[0]!r}: write {_instead(match[0])!r}, see the glossary in CONTRIBUTING.md"


def _instead(word: str) -> str:
    return next(new for old, new in OLD_WORDS.items() if re.match(rf"({old})(?![a-z])", word, re.IGNORECASE))


RULES = (
    unfinished,
    silent_tests,
    named_hosts,
    other_doors,
    stray_writes,
    too_long,
    bare_noqa,
    loose_constants,
    odd_docstrings,
    old_words,
)


def main() -> int:
    """Print what is wrong; 1 if anything is."""
    paths = files()
    found = [fault for path in paths for rule in RULES for fault in rule(path)]
    found += [*same_names(paths), *odd_errors(paths)]
    for fault in found:
        print(fault)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
