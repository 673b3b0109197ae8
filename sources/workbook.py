"""The first, or the named, sheet of an .xlsx file as rows of cells: streamed, but openpyxl keeps its shared texts."""

import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final

from openpyxl import load_workbook

from sources.files import FileFault, read_head
from sources.spreadsheet import Cell, Row, heading

MAX_UNPACKED: Final = 200 * 1024 * 1024
"""Bytes of all parts of the workbook together. A small archive can unpack to any size."""

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
        self._refuse_oversize(read_head(path))
        self.header: list[str] = []
        for line, cells in self._cells():
            self.header = [heading(_plain(cell)) for cell in cells]
            if any(self.header):
                self._header_line = line
                break
        else:
            raise FileFault(path, "has no header: the first row of the sheet must name the columns")

    def _refuse_oversize(self, head: bytes) -> None:
        if head.startswith(b"\xd0\xcf\x11\xe0"):
            raise FileFault(self.path, "is an old .xls or has a password: save it as .xlsx without one")
        try:
            with zipfile.ZipFile(self.path) as archive:
                size = sum(part.file_size for part in archive.infolist())
        except (zipfile.BadZipFile, OSError, ValueError) as error:
            raise FileFault(self.path, f"is no .xlsx workbook ({error}): save it again as .xlsx, or as CSV") from error
        if size > MAX_UNPACKED:
            raise FileFault(
                self.path,
                f"unpacks to {size / 2**20:,.0f} MiB, more than {MAX_UNPACKED // 2**20}: save the sheet as CSV, "
                "which has no limit",
            )

    def _cells(self) -> Iterator[tuple[int, Sequence[Any]]]:
        """Rows of openpyxl's cells, numbered from 1."""
        with warnings.catch_warnings():
            # openpyxl warns about validation lists, styles and other parts that do not concern us.
            warnings.simplefilter("ignore")
            workbook = None
            try:
                workbook = load_workbook(self.path, read_only=True, data_only=True)
                sheet = self._choose(workbook)
                # What the file says about its own size is often wrong; without it openpyxl reads to the end.
                sheet.reset_dimensions()
                for line, cells in enumerate(sheet.iter_rows(), start=1):
                    if line > _MOST_ROWS:
                        raise ValueError(f"row {line:,} of {_MOST_ROWS:,} possible ones")  # noqa: TRY301
                    yield line, cells
            except FileFault:
                raise
            except Exception as error:  # openpyxl raises whatever a broken part of the archive leads it to
                reason = str(error).split("\n", 1)[0][:120] or type(error).__name__
                raise FileFault(
                    self.path, f"is a broken workbook ({reason}): open it, save it again as .xlsx, or as CSV"
                ) from error
            finally:
                if workbook is not None:
                    workbook.close()

    def _choose(self, workbook: Any) -> Any:  # noqa: ANN401  (openpyxl has several classes of sheets)
        names = [sheet.title for sheet in workbook.worksheets]
        if self._sheet is None and names:
            return workbook.worksheets[0]
        if self._sheet not in names:
            raise FileFault(self.path, f"has no sheet {self._sheet!r}; its sheets are {', '.join(names) or 'none'}")
        return workbook[self._sheet]

    def rows(self, progress: Callable[[int], object]) -> Iterator[Row]:
        """See `Sheet`. The progress is a guess from the row number while the size of the sheet is unknown."""
        size = self.path.stat().st_size
        for line, cells in self._cells():
            if line <= self._header_line:
                continue
            texts = [_text(cell) for cell in cells]
            if any(texts):
                yield Row(line, texts)
            if not line & 0xFF:
                # About 40 packed bytes a row; the file's end is reported when it is reached.
                progress(min(size, line * 40))


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
