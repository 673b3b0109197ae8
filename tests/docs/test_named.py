"""What pages, texts and comments of the code, and SQL name exists: files, modules, verbs, settings, tables, anchors."""

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

from brokers import record_headers, topics
from clustertrack.cli import VERBS
from clustertrack.settings import variables
from schemas.indicators import EVENT_TYPES, TYPE_PREFIX, TYPE_SUFFIX

PRODUCT = ("brokers", "clustertrack", "reports", "schemas", "sinks", "sources", "streams")
FOLDERS = (*PRODUCT, "bench", "deploy", "docs", "examples", "requirements", "scripts", "tests")
FILE = re.compile(rf"(?<![\w/.<$}}-])((?:{'|'.join(FOLDERS)})/[\w./*-]*\w)")
BARE = re.compile(r"(?<![\w/.<*}-])([a-z]\w*\.(?:py|sql))\b")
MODULE = re.compile(rf"`((?:{'|'.join(PRODUCT)})(?:\.\w+)+)`")
VERB = re.compile(r"`clustertrack ([a-z]+)(?: [^\n`]+)?`")
SHOWN = re.compile(r"(?:^|[\s/$\"])clustertrack ([a-z]+)\b", re.MULTILINE)
EXAMPLE = re.compile(
    r"(?:^ {2,}|\bExample: |\bsee |\brun )clustertrack ([a-z]+)\b|\bclustertrack ([a-z]+) --", re.MULTILINE
)
SETTING = re.compile(r"\b((?:CLUSTERTRACK|KAFKA|CLICKHOUSE|METRICS|LOG)_[A-Z_]*[A-Z])\b")
VIEW = re.compile(
    r"\b(?:views? `?|tables? `|(?:FROM|JOIN) (?:\$\{DATABASE\}\.|impact\.|DB\.)?)([a-z]+_[a-z_]+)\b"
    r"|\btables? `([a-z]+)`"
    r"|\b(?:FROM|JOIN) (?:\$\{DATABASE\}|impact|DB)\.([a-z_]+)\b"
)
LOCAL = re.compile(r"\b([a-z_]+)\s+AS\s*\(")
MADE = re.compile(r"CREATE (?:TABLE|VIEW|MATERIALIZED VIEW) IF NOT EXISTS \$\{DATABASE\}\.(\w+)")
LINK = re.compile(r"(?<![\w/.-])((?:docs/)?[\w-]+\.md)#([\w-]+)")
TOPIC = re.compile(r"(?<![\w.-])([a-z]+(?:\.[a-z]+)*\.v\d+)\b")
BLOCK = re.compile(r"^```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HEADER = re.compile(r"(?<![\w-])(ct-[a-z-]*[a-z])\b")

FOREIGN = {
    "default.sql",  # a file of the engine's
    "cloudevents.core.v1",  # a package of the SDK
    *("org.clustertrack.meeting.held.v1", "org.clustertrack.workshop.attended.v9"),  # what the simulator gets wrong
}
"""Names that exist elsewhere, or not on purpose."""
ELSEWHERE = {"CHANGELOG.md", "deploy/README.md"}
"""Pages that name what was there once, and what an operator makes."""
IN_EXAMPLES = {"CONTRIBUTING.md": {"impact_annual_by_legal_form", "org.clustertrack.market.entered.v1"}}
"""Names of a page that its examples add."""


def of_python(path: Path) -> Iterator[str]:
    """Texts, among them docstrings, messages and SQL, and comments."""
    code = path.read_bytes()
    for node in ast.walk(ast.parse(code)):
        match node:
            case ast.JoinedStr(values=parts):
                yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in parts)
            case ast.Constant(value=str(text)):
                yield text
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


@cache
def anchors(page: str) -> set[str]:
    """Of a page of `docs/`, which pages there name without the folder, or of another."""
    place = next((place for place in (f"docs/{page}", page) if (ROOT / place).exists()), None)
    return Page(place).anchors if place else set()


@cache
def topics_and_types() -> set[str]:
    """Topics of Kafka, and types of events."""
    names = {value for value in vars(topics).values() if isinstance(value, str)}
    return names | {TYPE_PREFIX + name + TYPE_SUFFIX for name in EVENT_TYPES}


@cache
def own_headers() -> set[str]:
    """The pipeline's own headers of records."""
    return {value for value in vars(record_headers).values() if isinstance(value, str)}


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
    missing += [verb for code in BLOCK.findall(text) for verb in SHOWN.findall(code) if verb not in VERBS]
    missing += [verb for verbs in EXAMPLE.findall(text) for verb in verbs if verb and verb not in VERBS]
    missing += [name for name in SETTING.findall(text) if name not in read_variables()]
    known = tables_and_views() | set(LOCAL.findall(text))
    missing += [name for names in VIEW.findall(text) for name in names if name and name not in known]
    missing += [f"{page}#{anchor}" for page, anchor in LINK.findall(text) if anchor not in anchors(page)]
    missing += [name for name in TOPIC.findall(text) if name not in topics_and_types()]
    missing += [name for name in HEADER.findall(text) if name not in own_headers()]
    return [name for name in dict.fromkeys(missing) if name not in FOREIGN]


@pytest.mark.parametrize(
    "text",
    [
        "see streams/gone.py",
        "see gone.py",
        "see `streams.gone.Thing`",
        "see `streams.deliver.Gone`",
        "run `clustertrack vanish --now`",
        "see clustertrack vanish --help",
        "Example: clustertrack vanish FILE",
        "Examples:\n  clustertrack vanish FILE",
        "set CLUSTERTRACK_GONE",
        "the view impact_gone",
        "the table `gone`",
        "SELECT 1 FROM impact_annual JOIN impact_gone",
        "FROM ${DATABASE}.gone",
        "docs/operators.md#gone-for-good",
        "operators.md#gone-for-good",
        "[as said](operators.md#gone-for-good)",
        "gone.md#at-all",
        "```sh\nclustertrack vanish --now\n```",
        "```\n$ .venv/bin/clustertrack vanish\n```",
        "the topic activity.gone.v1",
        "the type org.clustertrack.something.gone.v1",
        "the header `ct-gone`",
    ],
)
def test_what_is_missing_is_found(text: str):
    """Each kind of name that leads nowhere is seen."""
    assert len(missing_names(text)) == 1
