"""CSV and .xlsx as rows of cells with the line on which each row begins. Read as a stream, never whole.

Sheet (Protocol)
├── CsvSheet
└── XlsxSheet   in sources/files/workbook.py
"""

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import date
from itertools import islice
from pathlib import Path
from typing import IO, Final, NamedTuple, Protocol, cast

from sources.files.cell_texts import canonical
from sources.files.plain_cells import COLUMNS, as_it_was, is_refused_list
from sources.files.source_file import (
    ZERO_BYTE,
    FileFault,
    find_encoding,
    is_wide,
    open_bytes,
    read_head,
    refuse_other_kinds,
)
from sources.files.swallowed_rows import swallows

SEPARATORS: Final = (";", ",", "\t", "|")

_LONGEST_LINE: Final = 4 * 1024 * 1024
"""Characters. A longer line is no table: a binary file, or one with another line ending."""

MOST_COLUMNS: Final = 16_384
"""Columns of a sheet in Excel. A line of nothing but separators must not become millions of cells."""

_CELL_LIMIT: Final = _LONGEST_LINE
"""Characters of a cell, as of a row."""
_SEP_LINE: Final = re.compile('"?sep=(.)"?;*', re.IGNORECASE)
"""The line by which Excel is told the separator; it is no row."""
_DOS_END: Final = ["\x1a"]
"""The row that Ctrl-Z makes, with which programs of DOS end a text."""
_BLANK_AND_MARK: Final = r'[ \xa0]+"'

_STATE_IT: Final = 'state the encoding in its mapping, e.g. encoding = "cp1252" for a file saved by Excel'

Cell = str | date
"""Text without blanks around it, or the date (or datetime) that a workbook keeps."""


class Row(NamedTuple):
    """One row.

    Attributes:
        line: on which it begins, counted from 1 (in a workbook: the row number).
        cells: None when the row cannot be split into cells.
        problem: why they cannot be right; else empty.
        raw: its text where it cannot be split.
        last: the line on which it ends; 0: where it begins.
    """

    line: int
    cells: Sequence[Cell] | None
    problem: str = ""
    raw: str = ""
    last: int = 0


class Sheet(Protocol):
    """A table in a file."""

    path: Path
    header: list[str]
    encoding: str
    separator: str
    short_rows_are_padded: bool
    """Whether a row that ends early has empty cells there (workbooks), or lacks columns (CSV)."""
    was_refused: bool
    """Whether it is a list of refused rows."""

    def rows(self, progress: Callable[[int], object]) -> Iterator[Row]:
        """The rows below the header, blank ones left out; `progress` gets the bytes read so far, now and then."""


def heading(cell: object) -> str:
    """A column's heading as it is compared: neither blanks nor what nobody sees count, nor how accents are composed."""
    return canonical(str(cell))


class CsvSheet:
    """A CSV file.

    Args:
        path: the file.
        encoding: as the mapping states it; None: byte order mark, else UTF-8.
        separator: as the mapping states it; None: the one that gives the wanted headings.
        wanted: the headings that the mapping names.
        advice: what to do about a file of an unknown encoding.

    Raises:
        FileFault: unreadable, empty, binary, of another encoding, without a header.
    """

    short_rows_are_padded = False

    def __init__(
        self,
        path: Path,
        *,
        encoding: str | None,
        separator: str | None,
        wanted: Sequence[str],
        advice: str = _STATE_IT,
    ) -> None:
        self.path = path
        head = read_head(path)
        refuse_other_kinds(path, head, "a CSV file", "" if advice == _STATE_IT else advice)
        self.encoding = find_encoding(path, head, encoding, advice)
        self._skip = 0
        self._record: list[str] = []
        """The lines of the row that is being read."""
        self.was_refused = False
        """Whether it is a list of refused rows."""
        stated = self._stated_separator()
        self.separator = separator or stated or self._find_separator(wanted)
        self.header = self._header(self.separator)
        if len(self.header) > MOST_COLUMNS:
            raise FileFault(
                path,
                f"has more than {MOST_COLUMNS:,} columns: remove those that no mapping names, or check its separator",
                line=self._skip + 1,
            )
        if is_refused_list(self.header):
            self.was_refused = True
            self.header = [as_it_was(name) for name in self.header]
        if not any(self.header):
            raise FileFault(path, "has no header: its first line must name the columns", line=self._skip + 1)
        self._usual = self._usual_width()

    def _open(self) -> io.TextIOWrapper:
        # surrogateescape keeps undecodable bytes apart, row by row. UTF-16 cannot do that.
        errors = "strict" if is_wide(self.encoding) else "surrogateescape"
        return io.TextIOWrapper(open_bytes(self.path), encoding=self.encoding, errors=errors, newline="")

    def _stated_separator(self) -> str:
        """That of a line `sep=;`, which is passed over."""
        with self._open() as stream:
            found = _SEP_LINE.fullmatch(next(self._lines(stream), "").strip("\ufeff \r\n"))
        if found is None:
            return ""
        self._skip = 1
        return found[1]

    def _find_separator(self, wanted: Sequence[str]) -> str:
        """The separator that yields most of the wanted headings, then most columns."""

        def yields(separator: str) -> tuple[int, int]:
            header = self._header(separator)
            return len(set(wanted) & set(header)), len(header)

        return max(SEPARATORS, key=yields)

    def _header(self, separator: str) -> list[str]:
        with self._open() as stream:
            lines = self._lines(stream)
            for _ in range(self._skip):
                next(lines)
            try:
                return [heading(cell) for cell in next(csv.reader(lines, delimiter=separator, strict=True), [])]
            except csv.Error:
                return []

    def _lines(self, stream: io.TextIOWrapper) -> Iterator[str]:
        """The lines with their ends; FileFault where the file cannot be read, or a row has no end."""
        readline = stream.readline
        record = self._record
        record.clear()
        number = size = 0
        try:
            while line := readline(_LONGEST_LINE):
                number += 1
                if "\0" in line:
                    raise FileFault(self.path, ZERO_BYTE, line=number)
                if len(line) >= _LONGEST_LINE:
                    raise FileFault(self.path, "is longer than 4 million characters: this is not a table", line=number)
                size = size + len(line) if record else len(line)
                if size > _LONGEST_LINE:
                    raise FileFault(
                        self.path,
                        "begins a row of more than 4 million characters: look for a quotation mark that is not closed",
                        line=number - len(record),
                    )
                record.append(line)
                yield line
        except UnicodeError as error:
            raise FileFault(self.path, f"is not {self.encoding}: save it as UTF-8", line=number + 1) from error
        except OSError as error:
            raise FileFault(self.path, f"cannot be read any further ({error.strerror})", line=number + 1) from error

    def rows(self, progress: Callable[[int], object]) -> Iterator[Row]:
        """See `Sheet`.

        Raises:
            FileFault: a quoted cell never ends, or the file cannot be read to its end.
        """
        skip = self._skip
        begin = skip + 1
        with self._open() as stream:
            read_ahead = cast("IO[bytes]", stream.buffer)
            lines = self._lines(stream)
            record = self._record
            for _ in range(skip):
                next(lines)
            record.clear()
            reader = csv.reader(lines, delimiter=self.separator, strict=True)
            header = True
            while True:
                try:
                    cells = next(reader)
                except StopIteration:
                    break
                except csv.Error as error:
                    last = skip + reader.line_num
                    yield Row(begin, None, self._not_split(error, begin), "".join(record).rstrip("\r\n"), last)
                else:
                    last = skip + reader.line_num
                    if header:
                        header = False
                    elif self.was_refused:
                        yield from self._as_refused(list(map(as_it_was, cells)), begin, last)
                    elif (row := self._row(cells, begin, last)) is not None:
                        yield row
                record.clear()
                begin = last + 1
                if not begin & 0x3FF:
                    progress(read_ahead.tell())

    def _not_split(self, error: csv.Error, line: int) -> str:
        """Why a row cannot be split into cells; FileFault where it has no end."""
        if "end of data" in str(error) or "field limit" in str(error):
            raise FileFault(
                self.path,
                "begins a row with a quotation mark that is never closed: fix it, then repeat the command",
                line=line,
            ) from None
        return f"a quotation mark is where none may be: {error}"

    def _row(self, cells: list[str], begin: int, last: int) -> Row | None:
        """The row of these cells; None for one of blanks."""
        if last > begin or '"' in self._record[0]:
            raw = "".join(self._record)
            may_be_misplaced = last > begin or ' "' in raw or '\xa0"' in raw
            if may_be_misplaced and (problem := self._misplaced_mark(cells, raw, len(self.header))):
                return Row(begin, None, problem, raw.rstrip("\r\n"), last)
        cells = list(map(str.strip, cells))
        if not any(cells) or cells == _DOS_END:
            return None
        if len(cells) != len(self.header):
            cells = self._as_wide_as_the_header(cells, begin)
        return Row(begin, cells, last=last) if last > begin else Row(begin, cells)

    def _as_wide_as_the_header(self, cells: list[str], line: int) -> list[str]:
        """A row that has more or less cells, where every row of the file does; any other is left as it is."""
        width = len(self.header)
        if len(cells) > MOST_COLUMNS:
            raise FileFault(
                self.path,
                f"has {len(cells):,} cells, more than a table has columns ({MOST_COLUMNS:,}): "
                "look for the wrong separator",
                line=line,
            )
        if len(cells) != self._usual or any(cells[width:]):
            return cells
        return [*cells, *[""] * (width - len(cells))][:width]

    def _usual_width(self) -> int:
        """How many cells a row has, by the first two: as many as the header, or they end in more or fewer empty ones.

        Some exports put a separator at the end of each row, but not of the header, or the other way round.
        """
        width = len(self.header)
        found: list[list[str]] = []
        with self._open() as stream, suppress(csv.Error, FileFault):
            reader = csv.reader(self._lines(stream), delimiter=self.separator, strict=True)
            for cells in islice(reader, self._skip + 1, None):
                if any(map(str.strip, cells)):
                    found.append(cells)
                if len(found) > 1:
                    break
        usual = len(found[0]) if found else width
        alike = all(len(cells) == usual and not any(map(str.strip, cells[width:])) for cells in found)
        return usual if alike and not any(self.header[usual:]) else width

    def _misplaced_mark(self, cells: Sequence[str], raw: str, width: int) -> str:
        """Why the quotation marks of a row cannot be right; else empty."""
        if swallows(cells, width, self.separator):
            return "a quoted cell holds what looks like other rows: look for a quotation mark too many"
        if any(cell[:1].isspace() and cell.lstrip().startswith('"') for cell in cells) and re.search(
            f"(?:^|{re.escape(self.separator)}){_BLANK_AND_MARK}", raw
        ):
            return "a cell begins with a blank before its quotation mark, so that it is not quoted: remove the blank"
        return ""

    def _as_refused(self, cells: list[str], begin: int, last: int) -> Iterator[Row]:
        """A row of a list of refused rows. What could not be split is there as one cell, and is split again."""
        last = last if last > begin else 0
        given = len(COLUMNS)
        while is_refused_list(self.header[given:]):  # of a list of refused rows
            given += len(COLUMNS)
        if len(cells) <= given or any(cells[given + 1 :]) or self.separator not in cells[given]:
            if any(cells := list(map(str.strip, cells))):
                yield Row(begin, cells, last=last)
            return
        rows, problem = list[list[str]](), ""
        try:
            rows += csv.reader(io.StringIO(cells[given], newline=""), delimiter=self.separator, strict=True)
        except csv.Error as error:
            problem = f"a quotation mark is where none may be: {error}"
        width = len(self.header) - given
        problem = problem or next(filter(None, (self._misplaced_mark(row, cells[given], width) for row in rows)), "")
        if problem:
            yield Row(begin, cells, problem, last=last)
            return
        for row in filter(any, rows):
            yield Row(begin, [*cells[:given], *map(str.strip, row)], last=last)


csv.field_size_limit(_CELL_LIMIT)
