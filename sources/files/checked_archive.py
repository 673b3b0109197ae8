"""The parts of a workbook, checked while they are unpacked: everything that is read is bounded.

A workbook is an archive of XML parts. Small ones can unpack to any size, and a few bytes of XML can cost a reader a
hundred times as much work. So the reader gets every part through `CheckedArchive`, chunk by chunk, each of which has
been looked at before. What the archive's directory says about sizes is believed only where it says "too large".
"""

import zipfile
from pathlib import Path
from typing import IO, Any, Final, Self
from xml.parsers import expat

from schemas.own_files import nameless_file
from sources.files.source_file import FileFault, open_bytes

MAX_UNPACKED: Final = 200 * 1024 * 1024
"""Bytes of all parts of the workbook together, and of the packed file. A small archive can unpack to any size."""

_OFTEN: Final = 2
"""The sheets are opened twice: for their size and for their rows."""

_MAX_DIRECTORY: Final = 4 * 1024 * 1024
"""Bytes of the archive's directory: about 40,000 parts. A workbook has some tens, and one for each of its pictures."""

_MAX_RATIO: Final = 300
_RATIO_FROM: Final = 16 * 1024 * 1024
"""How many times larger a part may become; of those that become large. Tables of equal rows get 20 to 100 times
smaller, and no more than 1,032 times is possible."""

_MAX_ROWS: Final = 1_048_576
"""Rows of a sheet in Excel."""

_MAX_CELLS_IN_ROW: Final = 16_384
"""Columns of a sheet in Excel."""

_MAX_TEXTS: Final = 2_000_000
"""Different texts of a workbook: all of them are kept in memory."""

_MAX_PIECES: Final = 10_000
"""Elements within one cell or text; each differently formatted piece of a text takes some."""

_MAX_CELL_FORMATS: Final = 65_490
"""`<xf/>`: Excel's own limit. Each costs the reader a tenth of a millisecond."""

_MAX_OTHER: Final = 100_000
"""Elements of a part that are neither rows, cells nor texts: links, merged cells, formats, names, sheets."""

_MAX_SHEETS: Final = 1_000
"""Each of them is opened to see what it is."""

_MAX_DEPTH: Final = 64
"""Elements within elements; sheets have about 10."""

_MAX_TAG: Final = 256 * 1024
"""Bytes of one tag with its attributes, or of anything else that cannot be looked at in pieces."""

MAX_CELL_TEXT: Final = 131_072
"""Characters of a cell, as in a CSV file. Excel has 32,767."""

_CHUNK: Final = 64 * 1024

_CELLS: Final = frozenset({"sheetData", "row", "c", "v", "f", "is", "si", "t"})
"""What a sheet is made of: each has limits of its own."""

_AS_CSV: Final = "save the sheet as CSV, which has no such limit"


def snapshot(path: Path) -> IO[bytes]:
    """A copy of the packed file that nobody can change while it is read.

    Raises:
        FileFault: unreadable, or larger than any workbook may be.
    """
    copy = nameless_file(_RATIO_FROM)
    size = 0
    try:
        with open_bytes(path) as stream:
            while chunk := stream.read(_CHUNK):
                size += len(chunk)
                if size > MAX_UNPACKED:
                    raise FileFault(path, f"has more than {MAX_UNPACKED // 2**20:,} MiB: {_AS_CSV}")  # noqa: TRY301  (read in pieces)
                copy.write(chunk)
    except OSError as error:
        copy.close()
        raise FileFault(path, f"cannot be read to its end ({error.strerror or error})") from error
    except BaseException:  # Ctrl-C too
        copy.close()
        raise
    return copy


class CheckedArchive(zipfile.ZipFile):
    """An archive whose parts are checked while they are read.

    Args:
        file: the archive.
        path: its name for errors.

    Raises:
        FileFault: too many parts, or they unpack to too much.
        zipfile.BadZipFile, OSError, ValueError: no archive.
    """

    def __init__(self, file: IO[bytes], path: Path) -> None:
        # The standard library reads the whole directory into memory; its size is at the end of the file.
        private: Any = zipfile
        end = private._EndRecData(file)  # noqa: SLF001  (tested in test_workbook.py)
        if end and end[private._ECD_SIZE] > _MAX_DIRECTORY:  # noqa: SLF001  (the same)
            raise FileFault(path, f"has a list of parts of over {_MAX_DIRECTORY // 2**20} MiB, as no workbook has")
        super().__init__(file)
        self._path = path
        self.unpacked = 0
        """Bytes that were read so far."""
        size = sum(part.file_size for part in self.infolist())
        if size > MAX_UNPACKED:
            raise FileFault(path, f"unpacks to {size / 2**20:,.0f} MiB, more than {MAX_UNPACKED // 2**20}: {_AS_CSV}")

    def open(self, name: Any, mode: Any = "r", pwd: Any = None, *, force_zip64: bool = False) -> Any:  # noqa: ANN401  (as zipfile has it)
        """A part for reading."""
        stream = super().open(name, mode, pwd, force_zip64=force_zip64)
        part = name if isinstance(name, zipfile.ZipInfo) else self.getinfo(name)
        return _CheckedPart(stream, part, self)

    def count(self, size: int) -> None:
        """So many more bytes were unpacked."""
        self.unpacked += size
        if self.unpacked > _OFTEN * MAX_UNPACKED:
            raise FileFault(self._path, f"unpacks to more than {MAX_UNPACKED // 2**20} MiB: {_AS_CSV}")

    def fault(self, part: str, what: str) -> FileFault:
        """A limit that a part goes beyond."""
        return FileFault(
            self._path, f"{what} (in its part {part[:200]}): copy the table into a new workbook, or {_AS_CSV}"
        )


class _CheckedPart:
    """A part as a stream. What `read` gives has been looked at."""

    def __init__(self, stream: IO[bytes], part: zipfile.ZipInfo, archive: CheckedArchive) -> None:
        self._stream = stream
        self._archive = archive
        self._name = part.filename
        self._packed = max(1, part.compress_size)
        self._size = 0
        self._look = _Look(lambda what: archive.fault(part.filename, what))

    def read(self, size: int | None = -1) -> bytes:
        """The next bytes; without a size all of them."""
        if size is not None and size >= 0:
            return self._next(size)
        chunks = []
        while chunk := self._next(_CHUNK):
            chunks.append(chunk)
        return b"".join(chunks)

    def _next(self, size: int) -> bytes:
        chunk = self._stream.read(min(size, _CHUNK))
        self._size += len(chunk)
        self._archive.count(len(chunk))
        if self._size > max(_RATIO_FROM, _MAX_RATIO * self._packed):
            raise self._archive.fault(self._name, f"unpacks to more than {_MAX_RATIO} times its size")
        self._look.feed(chunk, last=not chunk and size > 0)
        return chunk

    def close(self) -> None:
        """Close the part."""
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class _Look:
    """Counts what is in an XML part, and raises at the first thing that is too much."""

    def __init__(self, fault: Any) -> None:  # noqa: ANN401  (a function that gives the error)
        self._fault = fault
        self._depth = self._rows = self._cells = self._texts = self._pieces = self._other = self._formats = 0
        self._sheets = self._characters = self._fed = 0
        self._ended = False
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.StartDoctypeDeclHandler = self._doctype

    def feed(self, chunk: bytes, *, last: bool) -> None:
        """Look at the next piece.

        Raises:
            FileFault
            ValueError: it is no XML.
        """
        if self._ended:
            return
        self._ended = last
        try:
            self._parser.Parse(chunk, last)
        except expat.ExpatError as error:
            raise ValueError(str(error)) from None
        self._fed += len(chunk)
        if self._fed - self._parser.CurrentByteIndex > _MAX_TAG + _CHUNK and not last:
            raise self._fault(f"has a tag of more than {_MAX_TAG // 1024:,} KiB")

    def _start(self, name: str, _attributes: object) -> None:
        tag = name.rpartition(" ")[2]
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise self._fault(f"has more than {_MAX_DEPTH} elements within each other")
        if tag == "c":
            self._cells += 1
            self._pieces = self._characters = 0
            if self._cells > _MAX_CELLS_IN_ROW:
                raise self._fault(f"has more than {_MAX_CELLS_IN_ROW:,} cells in row {self._rows:,}")
        elif tag == "row":
            self._rows += 1
            self._cells = 0
            if self._rows > _MAX_ROWS:
                raise self._fault(f"has more than {_MAX_ROWS:,} rows")
        elif tag == "si":
            self._texts += 1
            self._pieces = self._characters = 0
            if self._texts > _MAX_TEXTS:
                raise self._fault(f"has more than {_MAX_TEXTS:,} different texts")
        else:
            self._piece(tag)

    def _piece(self, tag: str) -> None:
        self._pieces += 1
        if tag in _CELLS:
            if self._pieces > _MAX_PIECES and tag != "sheetData":
                raise self._fault(f"has more than {_MAX_PIECES:,} pieces in the text or cell at {self._place()}")
            return
        self._other += 1
        self._formats += tag == "xf"
        self._sheets += tag == "sheet"
        if self._other > _MAX_OTHER:
            raise self._fault(f"has more than {_MAX_OTHER:,} formats, links, merged cells and names")
        if self._formats > _MAX_CELL_FORMATS:
            raise self._fault(f"has more than {_MAX_CELL_FORMATS:,} cell formats")
        if self._sheets > _MAX_SHEETS:
            raise self._fault(f"has more than {_MAX_SHEETS:,} sheets")

    def _place(self) -> str:
        return f"row {self._rows:,}, cell {self._cells:,}" if self._rows else f"text {self._texts:,}"

    def _end(self, _name: str) -> None:
        self._depth -= 1

    def _text(self, text: str) -> None:
        self._characters += len(text)
        if self._characters > MAX_CELL_TEXT and (self._cells or self._texts):
            raise self._fault(f"has more than {MAX_CELL_TEXT:,} characters in {self._place()}")

    def _doctype(self, *_what: object) -> None:
        raise self._fault("has a document type, as no workbook has")
