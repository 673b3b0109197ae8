"""Text that fits a width: paragraphs and tables."""

import io
import textwrap
from collections.abc import Sequence
from typing import Final

from schemas.visible import Lines, as_lines, stacked, table, visible

GAP: Final = 2
"""Blanks between two columns."""


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
        texts: so many columns hold text; all after them hold numbers, to the right.
    """
    from rich.cells import cell_len  # noqa: PLC0415  (0.1 s that other formats need not pay)
    from rich.console import Console  # noqa: PLC0415  (the same)
    from rich.table import Table  # noqa: PLC0415  (the same)
    from rich.text import Text  # noqa: PLC0415  (the same)

    shown = [[visible(cell) for cell in row] for row in rows]
    least = [max(cell_len(word) for cell in column for word in cell.split(" ")) for column in zip(*shown, strict=True)]
    if sum(least) + GAP * (len(least) - 1) > width:
        return stacked([_block(rows[0], row) for row in rows[1:]], between=1)
    made = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False)
    for position, (title, widest_word) in enumerate(zip(shown[0], least, strict=True)):
        made.add_column(Text(title), justify="left" if position < texts else "right", min_width=widest_word)
    for row in shown[1:]:
        made.add_row(*map(Text, row))
    # Neither the terminal nor the environment has a say: no colours, and this width.
    console = Console(file=io.StringIO(), width=width, color_system=None, force_terminal=False, _environ={})
    with console.capture() as printed:
        console.print(made)
    return as_lines(line.rstrip() for line in printed.get().rstrip("\n").split("\n"))


def _block(titles: Sequence[str], row: Sequence[str]) -> Lines:
    """A row on lines of its own: its first cell, and the others with their titles."""
    lines = [(title, cell) for title, cell in zip(titles[1:], row[1:], strict=True) if cell]
    return stacked([as_lines([visible(row[0])]), table(lines, indent="  ") if lines else as_lines([])])
