"""Rules of this house that no linter knows. This file has those about files and words; `house_doors.py` has those about
what the product may reach, `house_dialect.py` those about the form of code, and `house_docs.py` that of documents.
"""

import ast
import re
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from house_dialect import bare_marks, loose_constants, odd_docstrings, odd_errors
from house_docs import shared_lines
from house_doors import other_doors, stray_clients, stray_exits, stray_settings, stray_writes
from house_files import PRODUCT, files, is_product, tree

# Spelled so that this file does not find itself.
UNFINISHED = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b")
TEXT = {".py", ".sql", ".md", ".toml", ".yml", ".yaml", ".txt", ".sh", ".example", ""}


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
    for node in ast.walk(tree(path)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or not node.name.startswith("test_"):
            continue
        if not ast.get_docstring(node):
            yield f"{path}:{node.lineno}: {node.name} does not say in a docstring what it shows"


def named_hosts(path: Path) -> Iterator[str]:
    """Lines of a lock file that name where packages come from: that belongs to each machine."""
    if path.parts[0] != "requirements":
        return
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if "://" in line or line.startswith(("--index-url", "--extra-index-url", "--find-links")):
            yield f"{path}:{number}: names a host"


WIRED = {
    (Path("clustertrack/commands/collector.py"), Path("sources/collector/collector.py")),
    (Path("clustertrack/commands/keys.py"), Path("schemas/keys.py")),
    (Path("clustertrack/commands/registry.py"), Path("clustertrack/registry.py")),
}
"""Verbs that have the name of the one module that they are about."""


def same_names(paths: Sequence[Path]) -> Iterator[str]:
    """Modules that have their file name in common: a name means one thing."""
    named: dict[str, list[Path]] = defaultdict(list)
    for path in paths:
        if is_product(path) and not path.name.startswith("__"):
            named[path.name].append(path)
    wires = {verb for verb, module in WIRED if module in paths}
    for together in named.values():
        found = [path for path in together if path not in wires]
        if len(found) > 1:
            yield f"{found[0]}: has the name of {', '.join(map(str, found[1:]))}"


ROOMS = PRODUCT | {"tests", "bench", "scripts"}
"""Folders of code. A new one belongs into the import rules of `pyproject.toml` too."""


def new_rooms(paths: Sequence[Path]) -> Iterator[str]:
    """Folders of code that no import rule names."""
    for room in sorted({path.parts[0] for path in paths if path.suffix == ".py"} - ROOMS):
        yield f"{room}: a new folder of code: name it in PRODUCT of scripts/house_files.py and in pyproject.toml"
    linter = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    layers = {name.strip() for layer in linter["contracts"][0]["layers"] for name in layer.split("|")}
    for listed in (set(linter["root_packages"]), layers):
        for room in sorted(PRODUCT ^ listed):
            yield f"pyproject.toml: the import rules and PRODUCT of scripts/house_files.py differ in {room}"


LONGEST = 400
"""Lines of a file of code: one that grows beyond has a seam somewhere."""


def too_long(path: Path) -> Iterator[str]:
    """Files of code with more lines than `LONGEST`."""
    if path.suffix in {".py", ".sql"} and (lines := len(path.read_text(encoding="utf-8").splitlines())) > LONGEST:
        yield f"{path}:{lines}: has more than {LONGEST} lines: split it"


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
BREAK = r"(?:[ \t\\]*[\"']?[ \t]*\n[ \t]*(?:(?:#|--|>|\*|f?[\"'])[ \t]*)?| )"
"""What may be between two words: a space, or the end of a line with the signs of a comment or a text around it."""
ALL_OLD = re.sub(r"\[ _\]| ", lambda gap: BREAK if gap[0] == " " else f"(?:_|{BREAK})", "|".join(OLD_WORDS))
OLD_WORD = re.compile(rf"(?<![a-z])({ALL_OLD})(?![a-z])", re.IGNORECASE)
NAMES_OLD_WORDS = {"CONTRIBUTING.md", "LICENSE", "scripts/house_rules.py", "tests/scripts/test_house_rules.py"}
"""Files that hold the glossary, and the licence, which others wrote."""


def old_words(path: Path) -> Iterator[str]:
    """Words that the glossary replaces, also where a line ends between two of them."""
    name = path.as_posix()
    if path.suffix not in TEXT or name in NAMES_OLD_WORDS:
        return
    text = path.read_text(encoding="utf-8", errors="replace")
    for match in OLD_WORD.finditer(text):
        line, word = text.count("\n", 0, match.start()) + 1, re.sub(BREAK, " ", match[0])
        yield f"{path}:{line}: {word!r}: write {_instead(word)!r}, see the glossary in CONTRIBUTING.md"


def _instead(word: str) -> str:
    return next(new for old, new in OLD_WORDS.items() if re.match(rf"({old})(?![a-z])", word, re.IGNORECASE))


RULES = (
    unfinished,
    silent_tests,
    named_hosts,
    other_doors,
    stray_writes,
    stray_settings,
    stray_clients,
    stray_exits,
    too_long,
    bare_marks,
    loose_constants,
    odd_docstrings,
    old_words,
    shared_lines,
)
"""Rules that look at one file."""


def main() -> int:
    """Print what is wrong; 1 if anything is."""
    paths = files()
    found = [fault for path in paths for rule in RULES for fault in rule(path)]
    found += [*same_names(paths), *new_rooms(paths), *odd_errors(paths)]
    for fault in found:
        print(fault)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
