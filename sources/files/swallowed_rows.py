"""Whether a quotation mark too many has made one cell of several rows. Pure.

People write line breaks and separators into cells too. But a cell that swallowed the end of one row and the beginning
of another has about as many separators before its first line break, and after its last one, as these rows have there.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

_LINE_END: Final = re.compile(r"\r\n|[\r\n]")
_DIGITS: Final = re.compile(r"[0-9]+")
_LETTERS: Final = re.compile(r"[^\W\d_]+")
_LONG: Final = 200
"""Characters of a text that is surely no CVR number, day or word of a list: it is like no other."""
_TELLING: Final = 6
"""Digits from which a number is a CVR number, a day or a time: two of these in one column are no coincidence."""
_SLACK: Final = 1
"""Separators that a row may have more or less than the header: something else may be wrong with it too."""


def swallows(cells: Sequence[str], width: int, separator: str) -> bool:
    """Whether a quoted cell with line breaks holds (parts of) rows that look like this one. Linear in the row.

    Args:
        cells: of the row that has it.
        width: how many cells a row has.
        separator: between them.
    """
    least = width - 1
    shapes: list[str] = []
    for column, cell in enumerate(cells):
        if not least or ("\n" not in cell and "\r" not in cell) or cell.count(separator) < max(1, least - _SLACK):
            continue
        shapes = shapes or [_shape(one) for one in cells]
        first, *lines = (line.split(separator) for line in _LINE_END.split(cell))
        # Of its own row the cell has what follows, of the next rows all, of the last what comes before.
        end = column + width - len(cells)
        if abs(len(first) - (width - column)) > _SLACK or abs(len(lines[-1]) - 1 - end) > _SLACK:
            continue
        pairs = [*_pairs(cells, shapes, column, first, lines)]
        alike = sum(same for *_, same in pairs)
        if alike * 2 >= len(pairs) > 0 or any(_digits(part) == _digits(own) >= _TELLING for part, own, _ in pairs):
            return True
    return False


def _pairs(
    cells: Sequence[str], shapes: Sequence[str], column: int, first: Sequence[str], lines: Sequence[Sequence[str]]
) -> Iterator[tuple[str, str, bool]]:
    """(part of the cell, the row's own cell in that column, whether they look alike)."""
    for begin, row in ((column, first), *((0, line) for line in lines)):
        for place, part in enumerate(row[: len(cells) - begin], begin):
            if place != column and part.strip():
                shape = _shape(part)
                yield part, cells[place], bool(shape) and shape == shapes[place]


def _digits(text: str) -> int:
    return sum(map(len, _DIGITS.findall(text))) if len(text) <= _LONG else 0


def _shape(text: str) -> str:
    """A text with a 0 for each number and an a for each word; nothing for a long one."""
    return _LETTERS.sub("a", _DIGITS.sub("0", text.strip())) if len(text) <= _LONG else ""
