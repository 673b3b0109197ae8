"""Text that fits a width: paragraphs and tables."""

import io
import textwrap
from collections.abc import Sequence
from typing import Final

from schemas.visible import Lines, as_lines, stacked, table, visible

GAP: Final = 2
"""Blanks between two columns."""
INDENT: Final = "  "
"""Before the lines of a row that became a block."""


def prose(text: str, width: int, indent: str = "") -> Lines:
    """A paragraph, in lines of up to `width` characters with the indent before each."""
    wrapped = textwrap.wrap(
        text, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
    )
    return as_lines(wrapped)


def fitted(rows: Sequence[Sequence[str]], width: int, *, texts: int = 1) -> Lines:
    """A table that fits the width: its cells wrap between words, and where that is not enough, a row becomes a block.

    Args:
        rows: the first holds the titles of the columns.
        width: columns of the screen.
        texts: how many columns hold text; the ones after them hold numbers, aligned to the right.
    """
    from rich.cells import cell_len  # noqa: PLC0415  (0.1 s that other formats need not pay)
    from rich.console import Console  # noqa: PLC0415  (the same)
    from rich.table import Table  # noqa: PLC0415  (the same)
    from rich.text import Text  # noqa: PLC0415  (the same)

    shown = [[visible(cell) for cell in row] for row in rows]
    columns = list(zip(*shown, strict=True))
    least = [max(cell_len(word) for cell in column for word in cell.split(" ")) for column in columns]
    room = width - GAP * (len(columns) - 1)
    if sum(least) > room:
        return stacked([_block(rows[0], row, width) for row in rows[1:]], between=1)
    widths = _shared(room, least, [max(map(cell_len, column)) for column in columns])
    made = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False)
    for position, (title, share) in enumerate(zip(shown[0], widths, strict=True)):
        made.add_column(Text(title), justify="left" if position < texts else "right", width=share)
    for row in shown[1:]:
        made.add_row(*map(Text, row))
    # Neither the terminal nor the environment has a say: no colours, and this width.
    console = Console(file=io.StringIO(), width=width, color_system=None, force_terminal=False, _environ={})
    with console.capture() as printed:
        console.print(made)
    return as_lines(line.rstrip() for line in printed.get().rstrip("\n").split("\n"))


def _shared(room: int, least: Sequence[int], wanted: Sequence[int]) -> list[int]:
    """Widths of columns: each has the least that it needs, and who lacks most of what it wants gets more first."""
    widths = list(least)
    for _ in range(room - sum(least)):
        lacks = [want - width for want, width in zip(wanted, widths, strict=True)]
        if max(lacks) <= 0:
            break
        widths[lacks.index(max(lacks))] += 1
    return widths


def _block(titles: Sequence[str], row: Sequence[str], width: int) -> Lines:
    """A row on lines of its own: its first cell, and the others with their titles, wrapped where they are long."""
    room = max(1, width - len(INDENT) - max(map(len, titles[1:])) - GAP)
    lines = [
        ("" if part else title, line)
        for title, cell in zip(titles[1:], row[1:], strict=True)
        for part, line in enumerate(textwrap.wrap(cell, room, break_on_hyphens=False, break_long_words=False))
    ]
    return stacked([as_lines([visible(row[0])]), table(lines, indent=INDENT) if lines else as_lines([])])
