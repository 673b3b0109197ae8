"""House rules about the form of code: each refuses what was planted, and leaves the house's own form alone."""

from pathlib import Path

import house_dialect
import pytest


@pytest.fixture
def some(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of the product, to be written."""
    monkeypatch.chdir(tmp_path)
    Path("streams").mkdir()
    return Path("streams/some.py")


@pytest.mark.parametrize(
    "line",
    [
        "import os  # noqa",
        "import os  # noqa: F401",
        "import os  #noqa: F401",
        "import os  # NOQA: F401",
        "import os  # noqa:F401  (why)",
        "import os  # noqa: F401  ()",
        "# ruff: noqa: F401",
        "# ruff:noqa",
        "# flake8: noqa",
        "x = y  # type: ignore",
        "x = y  # type: ignore[misc]",
        "x = y  #type:ignore[misc]",
        "x = y  # type: ignore[misc]  # noqa: F401  (a reason of the other)",
        "# mypy: ignore-errors",
    ],
)
def test_a_mark_without_rule_or_reason_is_found(line: str, some: Path):
    """However it is spelled, since the tools read them all."""
    some.write_text(f"\n{line}\n", encoding="utf-8")
    assert [fault.split(": ")[0] for fault in house_dialect.bare_marks(some)] == ["streams/some.py:2"]


@pytest.mark.parametrize(
    "line",
    [
        "import os  # noqa: F401  (for others)",
        "# ruff: noqa: S608, T201  (for all)",
        "x = y  # type: ignore[misc, union-attr]  # it is frozen",
        "x = y  # type: ignore[misc]  # it is frozen  # noqa: F401  (for others)",
        'x = "# noqa"',
    ],
)
def test_a_mark_with_its_reason_is_fine(line: str, some: Path):
    """Also in a text, where it is none."""
    some.write_text(line, encoding="utf-8")
    assert list(house_dialect.bare_marks(some)) == []


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        pytest.param("LIMIT = 1", "LIMIT is not Final", id="plain"),
        pytest.param("A, B = 1, 2", "A, B is not Final", id="two"),
        pytest.param("A = B = 3", "A, B is not Final", id="chain"),
        pytest.param("LIMIT: int = 1", "LIMIT is not Final", id="other type"),
        pytest.param("if True:\n    LIMIT = 1", "LIMIT is not Final", id="condition"),
        pytest.param("try:\n    pass\nexcept OSError:\n    LIMIT = 1", "LIMIT is not Final", id="handler"),
        pytest.param("LIMIT: Final = 1  # seconds", "write the reason of LIMIT as", id="trailing comment"),
        pytest.param("LIMIT: Final = (  # seconds\n    1,\n)", "write the reason of LIMIT as", id="at its beginning"),
        pytest.param("# Seconds.\nLIMIT: Final = 1", "write the reason of LIMIT as", id="comment above"),
        pytest.param("#: Seconds.\nLIMIT: Final = 1", "write the reason of LIMIT as", id="comment of Sphinx"),
    ],
)
def test_a_loose_constant_is_found(code: str, fault: str, some: Path):
    """One that may be assigned again, or whose reason is not a docstring after it."""
    some.write_text(code, encoding="utf-8")
    found = list(house_dialect.loose_constants(some))
    assert len(found) == 1
    assert fault in found[0]


@pytest.mark.parametrize(
    "code",
    [
        'LIMIT: Final = 1\n"""Seconds."""',
        "LIMIT: Final = 1\n# The last line, of something else.",
        "LIMITS: Final = {\n    1: 2,  # of the first\n    3: 4,  # of the second\n}",
        "LIMITS: Final = (\n    1, 2,\n)  # fmt: skip",
        'SQL: Final = f"{x}"  # noqa: S608  (constants)',
        'T = TypeVar("T")',
        "os.environ[ZONE] = 1",
        "Row = tuple[str, int]",
        "def some():\n    LIMIT = 1",
    ],
)
def test_other_assignments_are_fine(code: str, some: Path):
    """Constants of the house's form, remarks about their parts, types, and names that are no constants."""
    some.write_text(code, encoding="utf-8")
    assert list(house_dialect.loose_constants(some)) == []


@pytest.mark.parametrize(
    "text",
    ["Returns: one.", "Some.\n\n    Raises ValueError if not.\n    ", "Some.\n\n    Returns the other.\n    "],
)
def test_an_odd_docstring_is_found(text: str, some: Path):
    """One without a summary, or with results and errors outside of a section."""
    some.write_text(f'def some():\n    """{text}"""\n', encoding="utf-8")
    assert len(list(house_dialect.odd_docstrings(some))) == 1


def test_a_docstring_with_sections_is_fine(some: Path):
    """A summary, then sections."""
    some.write_text('def some():\n    """Some.\n\n    Raises:\n        ValueError: if not.\n    """', encoding="utf-8")
    assert list(house_dialect.odd_docstrings(some)) == []


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        pytest.param("class Trouble(Exception): pass", "is not called an Error", id="Python's"),
        pytest.param("class Trouble(kafka.errors.KafkaError): pass", "is not called an Error", id="library's"),
        pytest.param("class Trouble(Base): pass\nclass Base(lib.SomeError): pass", "is not called", id="in two steps"),
        pytest.param("class Lost(ClustertrackError): pass", "nobody catches Lost", id="tree"),
        pytest.param("class Lost(errors.ClustertrackError): pass", "nobody catches Lost", id="tree by its module"),
        pytest.param("class WrongError(click.ClickException): pass", "ends a command", id="Click's"),
        pytest.param("class EndError(SystemExit): pass", "ends a command", id="exit"),
    ],
)
def test_an_odd_error_is_found(code: str, fault: str, some: Path):
    """Of which kind it is follows from its bases, also where these have the name of their module before them."""
    some.write_text(code, encoding="utf-8")
    found = list(house_dialect.odd_errors([some]))
    assert any(fault in one for one in found)


@pytest.mark.parametrize(
    "code",
    [
        "class TroubleError(kafka.errors.KafkaError): pass",
        "class Lost(errors.ClustertrackError): pass\ntry: ...\nexcept module.Lost: ...",
        "class Lost(ClustertrackError):\n    def __init__(self, records): ...",
        "class Service(faust.Worker): pass",
    ],
)
def test_other_classes_are_fine(code: str, some: Path):
    """Errors that are called so, those of the tree that have a use, and classes that are no errors."""
    some.write_text(code, encoding="utf-8")
    assert list(house_dialect.odd_errors([some])) == []
