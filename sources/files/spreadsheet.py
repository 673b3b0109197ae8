"""CSV and .xlsx as rows of cells with the line on which each row begins. Read as a stream, never whole.

Sheet (Protocol)
├── CsvSheet
└── XlsxSheet   in sources/files/workbook.py
"""

import csv
import io
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import IO, Final, NamedTuple, Protocol, cast

from sources.files.plain_cells import as_it_was, is_refused_list
from sources.files.source_file import FileFault, find_encoding, open_bytes, read_head, refuse_other_kinds

SEPARATORS: Final = (";", ",", "\t", "|")

_LONGEST_LINE: Final = 4 * 1024 * 1024
"""Characters. A longer line is no table: a binary file, or one with another line ending."""

MOST_COLUMNS: Final = 16_384
"""Columns of a sheet in Excel. A line of nothing but separators must not become millions of cells."""

_CELL_LIMIT: Final = 131_072
"""Characters of a cell: more is a quotation mark that was opened and never closed."""

_STATE_IT: Final = 'state the encoding in its mapping, e.g. encoding = "cp1252" for a file saved by Excel'

Cell = str | date
"""Text without blanks around it, or the date (or datetime) that a workbook keeps."""


class Row(NamedTuple):
    """One row.

    Attributes:
        line: on which it begins, counted from 1 (in a workbook: the row number).
        cells: None when the row cannot be split into cells.
        problem: why it cannot; else empty.
        raw: its text then.
    """

    line: int
    cells: Sequence[Cell] | None
    problem: str = ""
    raw: str = ""


class Sheet(Protocol):
    """A table in a file."""

    path: Path
    header: list[str]
    encoding: str
    separator: str
    short_rows_are_padded: bool
    """Whether a row that ends early has empty cells there (workbooks), or lacks columns (CSV)."""

    def rows(self, progress: Callable[[int], object]) -> Iterator[Row]:
        """The rows below the header, blank ones left out; `progress` gets the bytes read so far, now and then."""


def heading(cell: object) -> str:
    """A column's heading as it is compared: blanks around it do not count, nor how its accents are composed."""
    return unicodedata.normalize("NFC", str(cell).strip())


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
        refuse_other_kinds(path, head, "a CSV file")
        self.encoding = find_encoding(path, head, encoding, advice)
        self._skip = 0
        self._record: list[str] = []
        """The lines of the row that is being read."""
        self._was_refused = False
        self.separator = separator or self._find_separator(wanted)
        self.header = self._header(self.separator)
        if len(self.header) > MOST_COLUMNS:
            raise FileFault(
                path,
                f"has more than {MOST_COLUMNS:,} columns: remove those that no mapping names, or check its separator",
                line=self._skip + 1,
            )
        if is_refused_list(self.header):
            self._was_refused = True
            self.header = [as_it_was(name) for name in self.header]
        if not any(self.header):
            raise FileFault(path, "has no header: its first line must name the columns", line=self._skip + 1)

    def _open(self) -> io.TextIOWrapper:
        # surrogateescape keeps undecodable bytes apart, row by row. UTF-16 cannot do that.
        errors = "strict" if self.encoding == "utf-16" else "surrogateescape"
        return io.TextIOWrapper(open_bytes(self.path), encoding=self.encoding, errors=errors, newline="")

    def _find_separator(self, wanted: Sequence[str]) -> str:
        """Excel's own `sep=;` line, else the separator that yields most of the wanted headings, then most columns."""
        with self._open() as stream:
            first = next(self._lines(stream), "").rstrip("\r\n")
        if first.startswith("sep=") and len(first) == len("sep=;"):
            self._skip = 1
            return first[-1]

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
            raise FileFault(
                self.path, f"is not {self.encoding} ({error}): save it as UTF-8", line=number + 1
            ) from error
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
                    if "end of data" in str(error) or "field limit" in str(error):
                        raise FileFault(
                            self.path,
                            "begins a row with a quotation mark that is never closed: fix it, then repeat the command",
                            line=begin,
                        ) from None
                    problem = "a quotation mark is where none may be: " + str(error)
                    yield Row(begin, None, problem, "".join(record).rstrip("\r\n"))
                    record.clear()
                    begin = skip + 1 + reader.line_num
                    continue
                record.clear()
                if header:
                    header = False
                elif any(cells):
                    if len(cells) > MOST_COLUMNS:
                        raise FileFault(
                            self.path,
                            f"has {len(cells):,} cells, more than a table has columns ({MOST_COLUMNS:,}): "
                            "look for the wrong separator",
                            line=begin,
                        )
                    cells = list(map(str.strip, cells))
                    yield Row(begin, list(map(as_it_was, cells)) if self._was_refused else cells)
                begin = skip + 1 + reader.line_num
                if not begin & 0x3FF:
                    progress(read_ahead.tell())


csv.field_size_limit(_CELL_LIMIT)
