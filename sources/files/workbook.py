"""The first, or the named, sheet of an .xlsx file as rows of cells: streamed, but openpyxl keeps its shared texts."""

import warnings
import weakref
import zipfile
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import IO, Any, Final

from openpyxl.cell.read_only import EMPTY_CELL
from openpyxl.reader.excel import ExcelReader

from sources.files.checked_archive import CheckedArchive, snapshot
from sources.files.source_file import FileFault, read_head
from sources.files.spreadsheet import Cell, Row, heading

MOST_COLUMNS: Final = 1_000
"""Columns that are read. A stray cell in the last of Excel's 16,384 would make every row that wide."""

_MOST_CHARACTERS: Final = 1_000_000_000
"""Of all cells together: one long text can be in a million cells and take a few bytes in each."""

_MOST_ROWS: Final = 1_048_576
"""Rows of a sheet in Excel; a crafted row number must not make us count for hours."""


class XlsxSheet:
    """A sheet of a workbook.

    Args:
        path: the file.
        sheet: its name; None: the first.

    Raises:
        FileFault: unreadable, too large when unpacked, no such sheet, without a header.
    """

    encoding = "utf-8-sig"
    separator = ";"
    short_rows_are_padded = True

    def __init__(self, path: Path, *, sheet: str | None) -> None:
        self.path = path
        self._sheet = sheet
        if read_head(path).startswith(b"\xd0\xcf\x11\xe0"):
            raise FileFault(path, "is an old .xls or has a password: save it as .xlsx without one")
        self._copy = snapshot(path)
        weakref.finalize(self, self._copy.close)
        self.header: list[str] = []
        for line, cells in self._cells(MOST_COLUMNS):
            self.header = [heading(_plain(cell)) for cell in cells]
            while self.header and not self.header[-1]:
                self.header.pop()
            if self.header:
                self._header_line = line
                break
        else:
            raise FileFault(path, "has no header: the first row of the sheet must name the columns")

    def _cells(self, width: int) -> Iterator[tuple[int, Sequence[Any]]]:
        """Rows of openpyxl's cells, numbered from 1 and cut after so many columns."""
        with warnings.catch_warnings():
            # openpyxl warns about validation lists, styles and other parts that do not concern us.
            warnings.simplefilter("ignore")
            try:
                with CheckedArchive(self._copy, self.path) as archive:
                    sheet = self._choose(_opened(archive, self._copy))
                    # What the file says about its own size is often wrong; without it openpyxl reads to the end.
                    sheet.reset_dimensions()
                    for line, cells in enumerate(sheet.iter_rows(max_col=width), start=1):
                        if line > _MOST_ROWS:
                            raise ValueError(f"row {line:,} of {_MOST_ROWS:,} possible ones")  # noqa: TRY301  (a fault of the file like the others)
                        yield line, cells
            except FileFault:
                raise
            except zipfile.BadZipFile as error:
                raise FileFault(
                    self.path, f"is no .xlsx workbook ({error}): save it again as .xlsx, or as CSV"
                ) from error
            except Exception as error:  # openpyxl raises anything on a broken part of the archive
                reason = str(error).split("\n", 1)[0][:120] or type(error).__name__
                raise FileFault(
                    self.path, f"is a broken workbook ({reason}): open it, save it again as .xlsx, or as CSV"
                ) from error

    def _choose(self, workbook: Any) -> Any:  # noqa: ANN401  (openpyxl has several classes of sheets)
        names = [sheet.title for sheet in workbook.worksheets]
        if self._sheet is None and names:
            return workbook.worksheets[0]
        if self._sheet not in names:
            raise FileFault(self.path, f"has no sheet {self._sheet!r}; its sheets are {', '.join(names) or 'none'}")
        return workbook[self._sheet]

    def rows(self, progress: Callable[[int], object]) -> Iterator[Row]:
        """See `Sheet`. The progress is a guess from the row number while the size of the sheet is unknown."""
        size = self._copy.seek(0, 2)
        characters = 0
        for line, cells in self._cells(len(self.header)):
            if line <= self._header_line:
                continue
            texts = ["" if cell is EMPTY_CELL else _text(cell) for cell in cells]
            if any(texts):
                characters += sum(len(text) for text in texts if isinstance(text, str))
                if characters > _MOST_CHARACTERS:
                    raise FileFault(
                        self.path,
                        f"has more than {_MOST_CHARACTERS:,} characters in its cells: divide it into several files",
                        line=line,
                    )
                yield Row(line, texts)
            if not line & 0xFF:
                # About 40 packed bytes a row; the file's end is reported when it is reached.
                progress(min(size, line * 40))


class _Reader(ExcelReader):
    """openpyxl's reader without what does not concern us: charts and their pictures."""

    def read_chartsheet(self, sheet: Any, rel: Any) -> None:  # noqa: ANN401  (as openpyxl has it)
        """Pass over it."""


def _opened(archive: CheckedArchive, file: IO[bytes]) -> Any:  # noqa: ANN401  (openpyxl's workbook)
    """The workbook in an archive, every part of which openpyxl reads through our checks."""
    reader: Any = _Reader(file, read_only=True, data_only=True, keep_links=False)
    reader.archive = archive
    reader.read()
    return reader.wb


def _plain(cell: Any) -> object:  # noqa: ANN401  (openpyxl has several classes of cells)
    return "" if cell.value is None else cell.value


def _text(cell: Any) -> Cell:  # noqa: ANN401, PLR0911  (openpyxl has several classes of cells; one return a kind)
    """A cell as text, or as the day or time that it holds. Whole numbers have no decimal point."""
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, datetime):
        # A workbook keeps a day as a time at midnight; only the format of the cell tells them apart.
        if (value.hour, value.minute, value.second) == (0, 0, 0) and not _shows_clock(cell.number_format):
            return value.date()
        return value
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, date | time):
        return value if isinstance(value, date) else value.isoformat()
    if isinstance(value, timedelta):
        return str(value)
    return str(value)


def _shows_clock(number_format: object) -> bool:
    return "h" in str(number_format).lower()
