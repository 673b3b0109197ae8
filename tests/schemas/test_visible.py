"""All text of others is shown; a terminal obeys none of it."""

import ast
import json
import sys

import pytest
from hostile import FORGED, HOSTILE, tricks
from hypothesis import given
from hypothesis import strategies as st

from schemas.visible import (
    MOST_MARKS,
    as_lines,
    is_visible,
    json_lines,
    json_text,
    one_line,
    stacked,
    table,
    visible,
)

ANY_TEXT = st.text(st.characters(exclude_categories=()))
PARAMETERS = [pytest.param(text, id=name) for name, text in HOSTILE.items()]


@pytest.mark.parametrize("text", PARAMETERS)
def test_hostile_text_is_one_harmless_line(text: str):
    """As a field, as a line of its own, and within JSON, which still means the same."""
    for shown in (visible(text), one_line(text), as_lines([text])):
        assert tricks(shown) == []
        assert "\n" not in shown
    document = json_lines({text: [text]})
    assert tricks(document) == []
    assert json.loads(document) == {text: [text]}
    assert len(document.splitlines()) == 5


@given(ANY_TEXT)
def test_any_text_is_one_harmless_line(text: str):
    """Of all characters that there are, with nothing after the newline that ends no line of ours."""
    assert tricks(visible(text)) == []
    assert len(f"{visible(text)}.".splitlines()) == 1
    assert tricks(json_text(json.dumps(text, ensure_ascii=False))) == []
    assert json.loads(json_text(json.dumps(text, ensure_ascii=False))) == text


@given(ANY_TEXT)
def test_each_text_is_shown_differently(text: str):
    """What is shown can be read back, so a text cannot look like the escape of another one."""
    quoted = '"' + visible(text).replace('"', '\\"') + '"'
    assert ast.literal_eval(quoted) == text


@given(ANY_TEXT)
def test_what_is_visible_stays(text: str):
    """A line goes through the last fence unchanged when its fields were made visible."""
    assert one_line(f"a {visible(text)} b") == f"a {visible(text)} b"
    assert one_line(one_line(text)) == one_line(text)
    assert is_visible(one_line(text))


def test_every_character_alone():
    """None of all code points is printed that ends a line, moves the cursor, or cannot be seen."""
    for number in range(sys.maxunicode + 1):
        shown = visible(chr(number))
        assert tricks(shown) == [], hex(number)
        assert shown.strip() or number == 0x20, hex(number)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("Blåbærgrød på Ærø, Ølsted & Sønner A/S: 50 % «billigere» (1.234,5 kr.)", id="danish"),
        pytest.param("Ţęxt žluťoučký Straße İstanbul Þór", id="latin"),
        pytest.param("Ελληνικά Кириллица 漢字 かな 한글 ไทย", id="other scripts"),
        pytest.param("Blåbær".replace("å", "a\u030a"), id="decomposed"),
        pytest.param("✓ → € § ½ ² 🚀", id="symbols"),
    ],
)
def test_ordinary_text_stays(text: str):
    """Names of companies and people's notes are read as they were written."""
    assert visible(text) == text == one_line(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("C:\\temp", "C:\\\\temp", id="backslash"),
        pytest.param("\\x1b", "\\\\x1b", id="looks like an escape"),
        pytest.param("a\x1b\n\t\x9b\u202e\U000e0041\udc80", "a\\x1b\\n\\t\\x9b\\u202e\\U000e0041\\udc80", id="escapes"),
        pytest.param("a" + "\u0301" * 5, "a" + "\u0301" * MOST_MARKS + "\\u0301\\u0301", id="pile of marks"),
        pytest.param("a  b   c", "a  b  \\x20c", id="blanks"),
    ],
)
def test_how_it_is_shown(text: str, shown: str):
    """As Python escapes; a backslash of the text is doubled."""
    assert visible(text) == shown


def test_a_long_text_is_cut():
    """It is cut before any other work; the rest is counted."""
    assert visible("\x1b" * 1_000_000, longest=2) == "\\x1b\\x1b... (and 999,998 characters)"
    assert visible("ab", longest=2) == "ab"


def test_a_table_holds_its_columns():
    """A cell neither ends a line nor pushes the next column away; wide letters take two places."""
    rows = table([("name", "n"), (f"a\n{FORGED}", "12"), ("漢字", "1")], numbers=True).splitlines()
    assert len(rows) == 3
    assert rows[0].endswith("   n")
    assert rows[2] == "漢字" + " " * (len(rows[1]) - 6) + " 1"


def test_stacked_parts():
    """Empty ones are left out."""
    assert stacked([as_lines(["a", "b"]), as_lines([]), as_lines(["c"])], between=1, end=True) == "a\nb\n\nc\n"
