"""What pages, docstrings, comments and SQL name exists: files, modules, verbs, settings, views and anchors."""

import ast
import importlib
import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from pages import ROOT, Page, pages

from clustertrack.cli import VERBS
from clustertrack.settings import variables

PRODUCT = ("brokers", "clustertrack", "reports", "schemas", "sinks", "sources", "streams")
FOLDERS = (*PRODUCT, "bench", "deploy", "docs", "examples", "requirements", "scripts", "tests")
FILE = re.compile(rf"(?<![\w/.<$-])((?:{'|'.join(FOLDERS)})/[\w./*-]*\w)")
BARE = re.compile(r"(?<![\w/.<*-])([a-z]\w*\.(?:py|sql))\b")
MODULE = re.compile(rf"`((?:{'|'.join(PRODUCT)})(?:\.\w+)+)`")
VERB = re.compile(r"`clustertrack ([a-z]+)(?: [^\n`]+)?`")
SETTING = re.compile(r"\b((?:CLUSTERTRACK|KAFKA|CLICKHOUSE|METRICS|LOG)_[A-Z_]*[A-Z])\b")
VIEW = re.compile(r"\b(?:views? `?|FROM (?:\$\{DATABASE\}\.|impact\.)?)([a-z]+_[a-z_]+)\b")
MADE = re.compile(r"CREATE (?:TABLE|VIEW|MATERIALIZED VIEW) IF NOT EXISTS \$\{DATABASE\}\.(\w+)")
LINK = re.compile(r"(docs/[\w-]+\.md)#([\w-]+)")

ELSEWHERE = {"CHANGELOG.md", "deploy/README.md"}
"""Pages that name what was there once, and what an operator makes."""
IN_EXAMPLES = {"CONTRIBUTING.md": {"impact_annual_by_legal_form"}}
"""Names of a page that its examples add."""


def of_python(path: Path) -> Iterator[str]:
    """Docstrings, those of constants too, and comments."""
    code = path.read_bytes()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.value.value
    for token in tokenize.tokenize(io.BytesIO(code).readline):
        if token.type == tokenize.COMMENT:
            yield token.string


def texts() -> Iterator[tuple[str, str]]:
    """Every file whose words are looked at, by its name."""
    for page in pages():
        if page.name not in ELSEWHERE:
            yield page.name, page.text
    for folder in PRODUCT:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield str(path.relative_to(ROOT)), "\n".join(of_python(path))
        for path in sorted((ROOT / folder).rglob("*.sql")):
            yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")


TEXTS = [pytest.param(name, text, id=name) for name, text in texts() if text.strip()]


@cache
def exists(name: str) -> bool:
    """Whether a path of the project, with stars for any name, leads to something."""
    return any(ROOT.glob(name))


@cache
def file_names() -> set[str]:
    return {path.name for folder in FOLDERS for path in (ROOT / folder).rglob("*.*")}


@cache
def tables_and_views() -> set[str]:
    return {name for path in ROOT.glob("sinks/migrations/*.sql") for name in MADE.findall(path.read_text())}


@cache
def read_variables() -> set[str]:
    """All settings, and what else of the environment the product reads by its name."""
    trees = (ast.parse(path.read_bytes()) for folder in PRODUCT for path in (ROOT / folder).rglob("*.py"))
    texts = {node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    return {*variables(), *(text for text in texts if isinstance(text, str))}


def resolves(dotted: str) -> bool:
    """Whether a dotted name is a module, or something in one."""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for name in parts[length:]:
            if not hasattr(found, name):
                return False
            found = getattr(found, name)
        return True
    return False


@pytest.mark.parametrize(("name", "text"), TEXTS)
def test_what_is_named_exists(name: str, text: str):
    """No text sends its reader to something that was renamed or removed."""
    assert set(missing_names(text)) == IN_EXAMPLES.get(name, set())


def missing_names(text: str) -> list[str]:
    """What a text names and nobody finds."""
    missing = [name for name in FILE.findall(text) if not exists(name)]
    missing += [name for name in BARE.findall(text) if name not in file_names()]
    missing += [name for name in MODULE.findall(text) if not resolves(name)]
    missing += [verb for verb in VERB.findall(text) if verb not in VERBS]
    missing += [name for name in SETTING.findall(text) if name not in read_variables()]
    missing += [name for name in VIEW.findall(text) if name not in tables_and_views()]
    missing += [f"{page}#{anchor}" for page, anchor in LINK.findall(text) if anchor not in Page(page).anchors]
    return missing


@pytest.mark.parametrize(
    "text",
    [
        "see streams/gone.py",
        "see gone.py",
        "see `streams.gone.Thing`",
        "see `streams.deliver.Gone`",
        "run `clustertrack vanish --now`",
        "set CLUSTERTRACK_GONE",
        "the view impact_gone",
        "docs/operators.md#gone-for-good",
    ],
)
def test_what_is_missing_is_found(text: str):
    """Each kind of name that leads nowhere is seen."""
    assert len(missing_names(text)) == 1
