"""The first, or the named, sheet of an .xlsx file as rows of cells: streamed, but openpyxl keeps its shared texts."""

import re
import warnings
import weakref
import zipfile
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

from openpyxl.cell.read_only import EMPTY_CELL
from openpyxl.reader.excel import ExcelReader
from openpyxl.utils.cell import range_boundaries

from sources.files.cell_texts import MOST_DIGITS, Unreadable, canonical, why_unreadable
from sources.files.checked_archive import CheckedArchive, snapshot
from sources.files.shown_numbers import shown_number
from sources.files.source_file import FileFault, read_head
from sources.files.spreadsheet import Cell, Row, heading
from sources.files.workbook_cells import CellParser

MOST_COLUMNS: Final = 1_000
"""Columns that are read. A stray cell in the last of Excel's 16,384 would make every row that wide."""

_MOST_CHARACTERS: Final = 1_000_000_000
"""Of all cells together: one long text can be in a million cells and take a few bytes in each."""

_BEYOND: Final = 16
"""Columns after the last heading that are looked at: a cell there has no heading, so its row has shifted."""

_MOST_MERGED: Final = 100_000
"""Merged areas of a sheet."""

_TAIL: Final = 32 * 1024 * 1024
"""Bytes of a sheet after its rows, where its merged areas are."""

_CHUNK: Final = 1024 * 1024
_LONGEST_TAG: Final = 64
_END_OF_ROWS: Final = re.compile(rb"</(?:\w{1,40}:)?sheetData\s*>")
_MERGED: Final = re.compile(rb"<(?:\w{1,40}:)?mergeCell\s[^<>]{0,200}?\bref\s*=\s*[\"']([A-Za-z0-9:$]{1,40})[\"']")
_ESCAPED: Final = re.compile(r"_x([0-9A-Fa-f]{4})_")
"""How Excel writes a character that XML cannot hold."""

_BOOK: Final = "xl/workbook.xml"
_BOOK_BEGIN: Final = 4096
_STRICT: Final = b"purl.oclc.org/ooxml"
"""In the names of the dialect that openpyxl does not read."""
_RECALCULATED: Final = re.compile(rb"<(?:\w{1,40}:)?calcPr\s[^<>]{0,1000}?\bfullCalcOnLoad\s*=\s*[\"'](?:1|true)[\"']")
"""Formulas are calculated when the workbook is opened: what wrote it may have stored a 0 for each (XlsxWriter does)."""


_HALF: Final = "holds half of a character: write that character again"
_MERGED_HEADING: Final = "is merged with its heading: divide the merged cells"
_MERGED_LEFT: Final = "is merged with the column before it: divide the merged cells"

_MOST_ROWS: Final = 1_048_576
"""Rows of a sheet in Excel; a crafted row number must not make us count for hours."""


class XlsxSheet:
    """A sheet of a workbook.

    Args:
        path: the file.
        sheet: its name; None: the first that is not hidden.

    Raises:
        FileFault: unreadable, too large when unpacked, no such sheet, without a header.
    """

    encoding = "utf-8-sig"
    separator = ";"
    short_rows_are_padded = True
    was_refused = False

    def __init__(self, path: Path, *, sheet: str | None) -> None:
        self.path = path
        self._sheet = sheet
        if read_head(path).startswith(b"\xd0\xcf\x11\xe0"):
            raise FileFault(path, "is an old .xls or has a password: save it as .xlsx without one")
        self._copy = snapshot(path)
        weakref.finalize(self, self._copy.close)
        self.header: list[str] = []
        self.name = ""
        self._areas: list[_Area] = []
        for line, cells in self._cells(MOST_COLUMNS):
            self.header = [heading(_text(cell)) for cell in cells]
            while self.header and not self.header[-1]:
                self.header.pop()
            if self.header:
                self._header_line = line
                break
        else:
            raise FileFault(path, "has no header: the first row of the sheet must name the columns")

    def _cells(self, width: int) -> Iterator[tuple[int, Sequence[Any]]]:
        """Rows of openpyxl's cells, numbered from 1 and cut after `width` columns."""
        with warnings.catch_warnings():
            # openpyxl warns about validation lists, styles and other parts that do not concern us.
            warnings.simplefilter("ignore")
            try:
                with CheckedArchive(self._copy, self.path) as archive:
                    self._refuse_strict(archive)
                    workbook = _opened(archive, self._copy)
                    sheet = self._choose(workbook)
                    if not self.name:
                        self.name = str(sheet.title)
                        self._areas = list(_merged(sheet._get_source()))  # noqa: SLF001  (test_workbook holds it)
                    recalculated = _BOOK in archive.namelist() and bool(_RECALCULATED.search(archive.read(_BOOK)))
                    last = 0
                    with sheet._get_source() as source:  # noqa: SLF001  (test_workbook holds it)
                        for line, cells in CellParser.of(workbook, sheet, source, recalculated=recalculated).parse():
                            if line > _MOST_ROWS:
                                raise ValueError(f"row {line:,} of {_MOST_ROWS:,} possible ones")  # noqa: TRY301  (one place that tells)
                            if not cells or (line <= last and all(cell["value"] is None for cell in cells)):
                                continue
                            columns = self._check_order(line, last, cells)
                            last = line
                            yield line, sheet._get_row(cells, 1, min(width, max(columns)))  # noqa: SLF001  (test_workbook holds it)
            except FileFault:
                raise
            except zipfile.BadZipFile as error:
                raise FileFault(
                    self.path, f"is not an .xlsx workbook ({error}): save it again as .xlsx, or as CSV"
                ) from error
            except Exception as error:  # openpyxl raises anything on a broken part of the archive
                reason = str(error).split("\n", 1)[0][:120] or type(error).__name__
                raise FileFault(
                    self.path, f"is a broken workbook ({reason}): open it, save it again as .xlsx, or as CSV"
                ) from error

    def _check_order(self, line: int, last: int, cells: Sequence[dict[str, Any]]) -> set[int]:
        """The columns of a row that has each cell once, and comes after the one before it."""
        columns = {cell["column"] for cell in cells}
        if line <= last:
            what = f"has row {line} after row {last}"
        elif len(columns) < len(cells):
            what = f"has a cell of row {line} twice"
        elif any(cell["row"] != line for cell in cells):
            what = f"has a cell of another row in row {line}"
        else:
            return columns
        raise FileFault(self.path, f"{what}, so nobody can say what it holds: open it in Excel and save it again")

    def _refuse_strict(self, archive: CheckedArchive) -> None:
        if _BOOK in archive.namelist() and _STRICT in archive.read(_BOOK)[:_BOOK_BEGIN]:
            raise FileFault(self.path, "is a Strict Open XML Spreadsheet: save it as Excel Workbook (.xlsx)")

    def _choose(self, workbook: Any) -> Any:  # noqa: ANN401  (openpyxl has several classes of sheets)
        if not workbook.worksheets:
            raise FileFault(self.path, "has no sheet with rows: save it again as .xlsx, or as CSV")
        if self._sheet is None:
            visible = [sheet for sheet in workbook.worksheets if sheet.sheet_state == "visible"]
            if not visible:
                raise FileFault(self.path, "has only hidden sheets: name the one to read with `sheet` in its mapping")
            return visible[0]
        named = [sheet for sheet in workbook.worksheets if sheet.title == self._sheet]
        wanted = canonical(self._sheet)
        named = named or [sheet for sheet in workbook.worksheets if canonical(sheet.title) == wanted]
        if len(named) != 1:
            names = ", ".join(repr(sheet.title) for sheet in workbook.worksheets)
            raise FileFault(
                self.path, f"has {len(named) or 'no'} sheet{'s' * bool(named)} {self._sheet!r}; its sheets are {names}"
            )
        return named[0]

    def rows(self, progress: Callable[[int], object]) -> Iterator[Row]:
        """See `Sheet`. The progress is a guess from the row number while the size of the sheet is unknown."""
        size = self._copy.seek(0, 2)
        characters = 0
        merged = _Merged(self._areas, after=self._header_line, width=len(self.header), path=self.path)
        for line, cells in self._cells(len(self.header) + _BEYOND):
            if line <= self._header_line:
                continue
            texts = ["" if cell is EMPTY_CELL else _text(cell) for cell in cells]
            if self._areas:
                merged.fill(line, texts)
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


class _Area(NamedTuple):
    """Merged cells, rows and columns counted from 1."""

    first_row: int
    first_column: int
    last_row: int
    last_column: int


def _merged(source: IO[bytes]) -> Iterator[_Area]:
    """The merged areas of a sheet. They come after its rows, and are needed before."""
    window = b""
    found = None
    with source:
        while found is None:
            chunk = source.read(_CHUNK)
            if not chunk:
                return
            window = window[-_LONGEST_TAG:] + chunk
            found = _END_OF_ROWS.search(window)
        tail = bytearray(window[found.end() :])
        while chunk := source.read(_CHUNK):
            tail += chunk
            if len(tail) > _TAIL:
                raise ValueError(f"more than {_TAIL:,} bytes after its rows")
    for number, match in enumerate(_MERGED.finditer(tail)):
        if number >= _MOST_MERGED:
            raise ValueError(f"more than {_MOST_MERGED:,} merged cells")
        left, top, right, bottom = range_boundaries(match[1].decode().upper())
        if left and top and right and bottom:
            yield _Area(top, left, bottom, right)


class _Merged:
    """Gives the cells of merged areas, of which only the first one has a value, that value."""

    def __init__(self, areas: Sequence[_Area], *, after: int, width: int, path: Path) -> None:
        self._coming = sorted(
            (area for area in areas if area.last_row > after and area.first_column <= width), reverse=True
        )
        self._now: list[tuple[_Area, Cell]] = []
        self._width, self._path, self._after = width, path, after

    def fill(self, line: int, texts: list[Cell]) -> None:
        """Change the cells of a row; rows come in their order."""
        self._now = [(area, value) for area, value in self._now if area.last_row >= line]
        while self._coming and self._coming[-1].first_row <= line:
            area = self._coming.pop()
            if area.last_row >= line:
                here = area.first_row == line and area.first_column <= len(texts)
                nothing = "" if area.first_row > self._after else Unreadable("", _MERGED_HEADING)
                self._now.append((area, texts[area.first_column - 1] if here else nothing))
                if len(self._now) > self._width:
                    raise FileFault(self._path, "has merged cells that overlap: save it again as .xlsx", line=line)
        for area, value in self._now:
            last = min(area.last_column, self._width)
            texts.extend([""] * (last - len(texts)))
            texts[area.first_column - 1] = value
            for column in range(area.first_column, last):
                texts[column] = Unreadable("", _MERGED_LEFT)


def _text(cell: Any) -> Cell:  # noqa: ANN401, PLR0911  (openpyxl has several classes of cells; one return a kind)
    """A cell as text, or as the day or time that it holds. Whole numbers have no decimal point."""
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, str):
        if type(value) is Unreadable:
            return value
        if cell.data_type == "e":
            return Unreadable(value, why_unreadable(value) or f"holds the error {value}: fix it in the spreadsheet")
        return _unescaped(value) if "_x" in value else value.strip()
    if isinstance(value, datetime):
        # A workbook keeps a day as a time at midnight; only the format of the cell tells them apart.
        if (
            value.tzinfo is None
            and (value.hour, value.minute, value.second) == (0, 0, 0)
            and not _shows_clock(cell.number_format)
        ):
            return value.date()
        return value
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | float):
        if abs(value) >= 10**MOST_DIGITS:
            return Unreadable(
                str(value), f"holds {value}, a number of which Excel keeps {MOST_DIGITS} digits: make it a text"
            )
        return shown_number(value, _number_format(cell))
    if isinstance(value, date | time):
        return value if isinstance(value, date) else value.isoformat()
    if isinstance(value, timedelta):
        return _clock(value)
    return str(value)


def _unescaped(text: str) -> str:
    """A text with the characters that XML cannot hold; one beyond the first 65,536 is written as two halves."""
    halves = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text).encode("utf-16-le", "surrogatepass")
    try:
        return halves.decode("utf-16-le").strip()
    except UnicodeDecodeError:
        return Unreadable(halves.decode("utf-16-le", "replace"), _HALF)


def _number_format(cell: Any) -> str:  # noqa: ANN401  (openpyxl's)
    try:
        return str(cell.number_format)
    except IndexError:  # a style that the workbook does not have
        return "General"


def _clock(value: timedelta) -> str:
    """A time of day as ISO 8601 writes it, also where the format of the cell counts hours (`[h]:mm`)."""
    rounded = timedelta(milliseconds=round(value / timedelta(milliseconds=1)))
    if timedelta(0) <= rounded < timedelta(days=1):
        return (datetime(1, 1, 1) + rounded).time().isoformat()  # noqa: DTZ001  (a time of day alone)
    return str(rounded)


def _shows_clock(number_format: object) -> bool:
    return "h" in str(number_format).lower()
