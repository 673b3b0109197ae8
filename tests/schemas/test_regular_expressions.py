"""Every regular expression that foreign text meets takes time that grows with the text, and not with its square."""

import ast
import re
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import schemas
from schemas.envelope import validate_python

ROOT = Path(schemas.__file__).parents[1]
PACKAGES = ("schemas", "brokers", "streams")
TIMES = 4
"""The longer text is this many times the shorter one: quadratic work takes 16 times as long."""
LONGER = 8
"""How many times longer it may take."""
_SHORT, _ENOUGH = 0.0005, 0.004
"""Seconds for a text of some kB that deserve a closer look, and that are long enough to compare."""
_FEW, _MANY = 500, 4000
"""Pieces of a text: many, unless few already take long."""
BEGINNINGS = (
    "", "application/", "application/json", "2018-05-03T14:05:09", "2018-05-03T14:05:09.", "ANTAL_1000", "a/0/", "a@1/",
    "org.clustertrack.", "x@",
)  # fmt: skip
PIECES = (
    "a", "0", " ", "-", ".", "/", "+", ";", ":", "A", "_", "\n", "\u00e6", "json", "+json", "0/1", "/1", "a-", "- ",
    "; ", "00:00", "+01:00", "ANTAL_1000_", "@a.", "a@", "010170", "\x1b[", "\\x", "%41",
)  # fmt: skip
"""Parts of texts on which an expression may backtrack."""


def patterns() -> Iterator[Any]:
    """Every expression that a module holds, alone or among others, and those that are written where they are used."""
    for path in sorted(path for package in PACKAGES for path in (ROOT / package).glob("*.py")):
        module, source = f"{path.parent.name}.{path.stem}", path.read_text("utf-8")
        for name, value in vars(import_module(module)).items():
            held = value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else (value,)
            for number, one in enumerate(held):
                if isinstance(one, re.Pattern):
                    searched = f"{name}.search(" in source or f"{name}.sub(" in source or f"{name}.finditer(" in source
                    yield pytest.param(one, searched, id=f"{module}.{name}[{number}]")
        for node in ast.walk(ast.parse(source)):
            if (
                isinstance(node, ast.Call)
                and ast.unparse(node.func) in ("re.fullmatch", "re.match", "re.search", "re.sub")
                and isinstance(node.args[0], ast.Constant)
            ):
                pattern = re.compile(str(node.args[0].value))
                yield pytest.param(pattern, ast.unparse(node.func) != "re.fullmatch", id=f"{module}:{node.lineno}")


@pytest.mark.parametrize(("pattern", "searched"), list(patterns()))
def test_time_grows_with_the_text(pattern, searched):
    """Four times as long a text takes about four times as long, with any beginning, repetition and end."""
    _linear(pattern, searched=searched)


@pytest.mark.parametrize(
    "text",
    [r"a*a*b", r"2018-05-03T14:05:09\.\d+\d*Z", r"application/json\s*;?\s*$"],
    ids=["twice", "digits", "blanks"],
)
def test_an_expression_that_gets_lost_is_seen(text):
    """Two parts that can share a text between them in many ways take time that grows with its square."""
    with pytest.raises(AssertionError):
        _linear(re.compile(text), searched=False)


def _linear(pattern: Any, *, searched: bool) -> None:
    for begin in BEGINNINGS:
        for piece in PIECES:
            for end in ("", "!"):

                def text(number: int, begin: str = begin, piece: str = piece, end: str = end) -> Any:
                    made = begin + piece * number + end
                    return made.encode() if isinstance(pattern.pattern, bytes) else made

                for match in (pattern.search,) if searched else (pattern.fullmatch,):
                    number = _FEW if _seconds(match, text(_FEW)) > _SHORT else _MANY
                    if _seconds(match, text(TIMES * number)) <= _ENOUGH:
                        continue
                    one, two = _least(match, text(number), 3), _least(match, text(TIMES * number), 3)
                    if two > max(_ENOUGH, LONGER * one):  # perhaps the machine was busy
                        one, two = _least(match, text(number), 20), _least(match, text(TIMES * number), 20)
                    assert two <= max(_ENOUGH, LONGER * one), (pattern.pattern, begin, piece, end)


def _least(match: Callable[[Any], Any], text: Any, tries: int) -> float:
    """The shortest of several runs; a very long one runs once."""
    least = _seconds(match, text)
    for _ in range(tries - 1):
        if not _SHORT < least < 100 * _ENOUGH:
            break
        least = min(least, _seconds(match, text))
    return least


def _seconds(match: Callable[[Any], Any], text: Any) -> float:
    begun = time.process_time()
    match(text)
    return time.process_time() - begun


@pytest.mark.parametrize("field", ["id", "source", "time", "subject", "type"])
def test_expressions_of_pydantic(field):
    """Pydantic's expressions have no backtracking."""

    def validate(text: str) -> None:
        with pytest.raises(ValueError, match=field):
            validate_python({field: text})

    one, two = (min(_seconds(validate, " " * number) for _ in range(5)) for number in (500_000, TIMES * 500_000))
    assert two <= max(_ENOUGH, LONGER * one)
