"""Whether the cells of a row are what they look like, before any of them becomes a field. Pure."""

import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, datetime
from typing import Final, cast

from schemas.cvr import format_cvr, read_cvr
from sources.files.cell_texts import FREE_TEXT, Unreadable, cvr_text, may_be_unreadable, why_unreadable
from sources.files.shown_numbers import Shown
from sources.files.spreadsheet import Cell, Row

_DATED: Final = ("time", "occurred_on")
_NOT_UTF8: Final = re.compile("[\ud800-\udfff]")


class UnbuildableError(ValueError):
    """No event can be made of a row.

    Attributes:
        field: the event's field that is the trouble; empty for the row as a whole.
        reason: why, as a part of a sentence.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field
        self.reason = reason


class SoundRows:
    """Reads the rows of one sheet.

    Args:
        header: the sheet's headings.
        columns: event field -> the columns that it is made from.
        padded: a row that ends early has empty cells there instead of missing ones.
    """

    def __init__(self, header: Sequence[str], columns: Mapping[str, Sequence[int]], *, padded: bool) -> None:
        self._header = header
        self._columns = columns
        self._padded = padded
        used = {index: name for name, indices in columns.items() for index in indices}
        self.used: list[tuple[int, str]] = sorted(used.items())
        """Columns that fields are made from, with the field."""
        self.last = self.used[-1][0]
        self._free = {
            index for index in used if all(name in FREE_TEXT for name, indices in columns.items() if index in indices)
        }
        """Columns of titles and reasons alone."""
        self._company = {*columns.get("subject", ())}
        dated = {index for name in _DATED for index in columns.get(name, ())}
        self._lenient = self._free | self._company | dated
        """Columns in which a number may be shown in any form."""
        others = ({*indices} - self._company for name, indices in columns.items() if name not in FREE_TEXT)
        self._alone = {index for indices in others for index in indices if len(indices) == 1} - dated
        """Columns that are an id or a word alone, or with the company: a date there is what Excel made of a text."""
        self._nameless = [index for index, title in enumerate(header) if not title]

    def whole(self, row: Row) -> Sequence[str] | None:
        """The cells of a row of a CSV file that has as many as the header, unchecked; None of any other."""
        if self._padded or row.cells is None or row.problem or len(row.cells) != len(self._header):
            return None
        return cast("Sequence[str]", row.cells)

    def read(self, row: Row, unread: AbstractSet[int] = frozenset()) -> tuple[Sequence[Cell], Sequence[str]]:
        """The cells of a row that has what the mapping needs: as they are, and as text. Columns of `unread` may hold
        anything.
        """
        cells = row.cells
        if cells is None or row.problem:
            raise UnbuildableError("", row.problem)
        width = len(self._header)
        if self._padded:
            if len(cells) < width:
                cells = [*cells, *[""] * (width - len(cells))]
            cells = self._as_fields_need(cells, unread)
            self._check_values(cells, unread)
            self._check_headings(cells)
            return cells, [cell if isinstance(cell, str) else as_text(cell) for cell in cells]
        texts = cast("Sequence[str]", cells)
        if len(texts) != width:
            self._check_width(texts)
        together = "".join(texts)
        whole = together.isascii() or _is_whole(together)
        if not whole:
            self._check_decoded(texts, unread)
        if not whole or may_be_unreadable(together):
            self._check_values(texts, unread)
        if self._nameless:
            self._check_headings(texts)
        return texts, texts

    def _as_fields_need(self, cells: Sequence[Cell], unread: AbstractSet[int]) -> Sequence[Cell]:
        """Numbers as their cells show them, but for CVR numbers; no dates for ids alone."""
        needed = list(cells)
        for index, name in self.used:
            cell = cells[index]
            why = ""
            if type(cell) is Shown:
                needed[index] = cell.number if index in self._company else str(cell)
                why = "" if index in self._lenient else cell.why
            elif index in self._alone and isinstance(cell, date):
                why = f"holds the date {as_text(cell)} where an id or a word is expected: make the column a text"
            if why and index not in unread:
                raise UnbuildableError(name, f"the column {self._header[index]!r} {why}")
        return needed

    def _check_values(self, cells: Sequence[Cell], unread: AbstractSet[int]) -> None:
        """A cell that shows an error, or what Excel made of a number, does not hold what it held."""
        for index, name in self.used:
            cell = cells[index]
            if index in unread or not isinstance(cell, str):
                continue
            free = index in self._free
            if type(cell) is Unreadable:
                why = "" if free and cell.mild else cell.why
            else:
                why = why_unreadable(cell, free=free) if may_be_unreadable(cell) else ""
            if why:
                raise UnbuildableError(name, f"the column {self._header[index]!r} {why}")

    def _check_headings(self, cells: Sequence[Cell]) -> None:
        width = len(self._header)
        if any(cells[index] for index in self._nameless if index < len(cells)) or any(cells[width:]):
            number = next(n for n, cell in enumerate(cells, 1) if cell and (n > width or not self._header[n - 1]))
            raise UnbuildableError(
                "",
                f"cell {number} is filled and its column has no heading: a cell has shifted, or a heading is missing",
            )

    def _check_width(self, texts: Sequence[str]) -> None:
        width = len(self._header)
        if len(texts) <= self.last:
            name = next(name for index, name in self.used if index >= len(texts))
            column = next(self._header[index] for index in self._columns[name] if index >= len(texts))
            raise UnbuildableError(name, f"the row ends after {len(texts)} of {width} columns, before {column!r}")
        if len(texts) > width:
            raise UnbuildableError(
                "", f"the row has {len(texts)} cells and the header {width}: quote the cell with a separator"
            )
        if not texts[-1]:
            raise UnbuildableError(
                "", f"the row has {len(texts)} cells and the header {width}: look for a separator that is missing"
            )

    def _check_decoded(self, texts: Sequence[str], unread: AbstractSet[int]) -> None:
        for index, name in self.used:
            if index not in unread and _NOT_UTF8.search(texts[index]):
                column = self._header[index]
                raise UnbuildableError(name, f"the column {column!r} cannot be decoded: not the file's encoding")


def company_of(written: str) -> tuple[int | None, str]:
    """The CVR number and the subject: its 8 digits, or the text where it is none; `-13748136` and `1374813.6` raise."""
    digits = cvr_text(written)
    cvr = read_cvr(digits)
    if isinstance(cvr, str):
        return None, written
    subject = format_cvr(cvr)
    if digits != subject:
        raise UnbuildableError(
            "subject", f"{written!r} is not a way to write a CVR number: write its 8 digits, as {subject} if it is that"
        )
    return cvr, subject


def as_text(cell: Cell) -> str:
    """A cell as a text; the date that a workbook keeps as ISO 8601."""
    if isinstance(cell, str):
        return cell
    return cell.isoformat(sep=" ") if isinstance(cell, datetime) else cell.isoformat()


def _is_whole(text: str) -> bool:
    """Whether no byte of it could not be decoded. Twice as fast as to search for what stands for such a byte."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
