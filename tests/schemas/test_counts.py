import ast
import re
from pathlib import Path

import pytest

from schemas.counts import counted, number, one_or_many

ROOT = Path(__file__).parents[2]
PRODUCT = ("brokers", "clustertrack", "reports", "schemas", "sinks", "sources", "streams")
NOUNS = re.compile(r"^ (?:rows|records|events|companies|versions|workers|partitions|differences|replicas)\b")


def test_numbers_with_their_nouns():
    """One is singular, everything else is plural; digits are in groups."""
    assert [counted(n, "row") for n in (0, 1, 2, 1_000)] == ["0 rows", "1 row", "2 rows", "1,000 rows"]
    assert [counted(n, "company", "companies") for n in (1, 2)] == ["1 company", "2 companies"]
    assert [one_or_many(n, "was", "were") for n in (0, 1, 2)] == ["were", "was", "were"]
    assert number(1_234_567) == "1,234,567"


def plain_plurals(path: Path) -> list[str]:
    """Places at which a value in a text is followed by a noun that is always plural."""
    found = []
    tree = ast.parse(path.read_text(encoding="utf-8"))
    chosen = {id(text) for node in ast.walk(tree) if isinstance(node, ast.IfExp) for text in (node.body, node.orelse)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.JoinedStr) or id(node) in chosen:
            continue
        for value, text in zip(node.values, node.values[1:], strict=False):
            if not (isinstance(value, ast.FormattedValue) and isinstance(text, ast.Constant)):
                continue
            given = ast.unparse(value.value)
            if NOUNS.match(str(text.value)) and not given.isupper() and not given.startswith("_"):
                found.append(f"{path.relative_to(ROOT)}:{node.lineno}: {given}{text.value!r}")
    return found


@pytest.mark.parametrize("package", PRODUCT)
def test_no_number_has_a_noun_that_does_not_fit(package: str):
    """`1 rows` is what a program writes; `counted` writes `1 row`."""
    found = [place for path in sorted((ROOT / package).rglob("*.py")) for place in plain_plurals(path)]
    assert found == []
