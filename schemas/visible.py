"""Escapes text from others: publishers, files, operators and servers may write anything, and a terminal obeys it.

What stays is known to be harmless: letters, digits, punctuation and symbols that run from left to right, blanks, and a
few combining marks on a letter. Everything else is shown as Python would escape it: `\\x1b`, `\\u202e`, `\\n`.

A screen takes `Lines` only. They are made here, line by line, so that no text can end a line and write another one.
"""

import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NewType

from schemas.counts import counted

Lines = NewType("Lines", str)
"""Harmless lines, joined by newlines. Only this module makes them; scripts/house_rules.py looks after that."""

MOST_MARKS: Final = 3
"""Combining marks on one letter: no language needs more, and a pile of them covers the lines above and below."""
MOST_BLANKS: Final = 2
"""Blanks in a row within a text: more could push the rest of it to where another column, or line, begins."""

_SHOWN: Final = "LNPS"
"""First letters of the categories that can be seen: letters, numbers, punctuation, symbols."""
_MARKS: Final = frozenset({"Mn", "Mc", "Me"})
_LEFT_TO_RIGHT: Final = frozenset({"L", "EN", "ES", "ET", "CS", "ON"})
"""Bidirectional classes that leave the order of a line as it is: a letter that runs the other way takes the digits next
to it along."""
NOTHING_TO_SEE: Final = frozenset(
    map(chr, (0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0, 0x16FE4, 0x1D159))
) | frozenset(map(chr, (*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))
"""Letters, symbols and marks by their category that Unicode says are not drawn."""
_LONG_GAP: Final = re.compile(f"(?<= {{{MOST_BLANKS}}}) +")


def visible(text: str, longest: int | None = None) -> str:
    """A text on one line, as a field of it. A backslash of its own is doubled, so that each text is shown differently.

    Args:
        text: what someone else wrote.
        longest: characters of it that are looked at; how many more there are is added after them.
    """
    more = 0 if longest is None else len(text) - longest
    kept = text if more <= 0 else text[:longest]
    shown = _escaped(kept.replace("\\", "\\\\"), _as_python, marks_at_start=0)
    shown = _LONG_GAP.sub(lambda gap: len(gap[0]) * "\\x20", shown)
    return shown if more <= 0 else f"{shown}... (and {counted(more, 'character')})"


def one_line(text: str) -> str:
    """A line of ours with texts of others in it; what is visible already stays as it is."""
    return _escaped(text, _as_python)


def json_text(document: str) -> Lines:
    """A JSON document on as many lines as it has, escaped as JSON does, so it means the same."""
    return Lines("\n".join(_escaped(line, _as_json) for line in document.split("\n")))


def is_visible(text: str) -> bool:
    """Whether a text can be shown as it is, on one line."""
    return one_line(text) == text


def as_lines(lines: Iterable[str]) -> Lines:
    """Lines of ours, each on one line no matter what is in it."""
    return Lines("\n".join(map(one_line, lines)))


def stacked(parts: Iterable[Lines], *, between: int = 0, end: bool = False) -> Lines:
    """Parts below each other, with `between` empty lines between two of them; empty parts are left out."""
    text = ("\n" * (between + 1)).join(part for part in parts if part)
    return Lines(text + "\n" if end else text)


def json_lines(value: Any) -> Lines:  # noqa: ANN401  (JSON types)
    """A value as an indented JSON document; letters stay what they are."""
    return Lines(json_text(json.dumps(value, ensure_ascii=False, indent=2)) + "\n")


def table(rows: Sequence[Sequence[str]], *, numbers: bool = False, indent: str = "") -> Lines:
    """Rows of equal length as lines, two blanks between; every cell is made visible.

    Args:
        rows: none give no line.
        numbers: all columns but the first hold numbers: to the right.
        indent: before each line.
    """
    shown = [[visible(cell) for cell in row] for row in rows]
    widths = [max(map(_width, column)) for column in zip(*shown, strict=True)]
    return as_lines(
        indent
        + "  ".join(
            _padded(cell, width, to_the_right=numbers and column > 0)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in shown
    )


def _escaped(text: str, escape: Callable[[str], str], marks_at_start: int = MOST_MARKS) -> str:
    if text.isascii() and text.isprintable():
        return text
    left = marks_at_start
    shown = []
    for character in text:
        category = unicodedata.category(character)
        if category in _MARKS:
            good = left > 0 and character not in NOTHING_TO_SEE
            left -= 1
        else:
            good = character == " " or (
                category[0] in _SHOWN
                and unicodedata.bidirectional(character) in _LEFT_TO_RIGHT
                and character not in NOTHING_TO_SEE
            )
            left = MOST_MARKS if good else 0
        shown.append(character if good else escape(character))
    return "".join(shown)


def _as_python(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _as_json(character: str) -> str:
    return json.dumps(character)[1:-1] if not character.isascii() or character < " " else f"\\u{ord(character):04x}"


def _width(text: str) -> int:
    """Columns of a terminal that a visible text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.category(c) in {"Mn", "Me"} else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def _padded(cell: str, width: int, *, to_the_right: bool) -> str:
    blanks = " " * (width - _width(cell))
    return blanks + cell if to_the_right else cell + blanks
