"""Rows that cannot be sent: what is reported about them, and the file next to the input where they can be fixed."""

import codecs
import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from schemas.errors import UsageFault
from schemas.own_files import Beginning, identity, remove_left
from schemas.people import masked
from sources.files.plain_cells import COLUMNS, as_plain_text

MOST_BYTES: Final = 100 * 1024 * 1024
"""Bytes of one list. Nobody corrects more than that by hand: such a list has a single cause, and a short cell that a
workbook repeats in every row could fill the disk."""


class Refusal(NamedTuple):
    """One row, or line, from which no record can be made."""

    file: str
    line: int
    field: str
    """Event field (or register column); empty when the row as a whole is the trouble."""
    reason: str
    last: int = 0
    """The line on which the row ends; 0: where it begins."""
    code: str = ""
    """Why a worker would reject its record (`schemas.faults.CODES`); empty when no record can be made."""
    value: str = ""
    """The value that is at fault, masked where it may be personal."""
    sent: bool = False
    """Whether the record is sent all the same, to be rejected."""

    def __str__(self) -> str:
        field = f"{self.field}: " if self.field else ""
        lines = f"lines {self.line} to {self.last}" if self.last > self.line else f"line {self.line}"
        return f"{self.file} {lines}: {field}{self.reason}"

    def without_people(self) -> "Refusal":
        """To be shown: without the CPR numbers and e-mail addresses in it. The list of refused rows has them."""
        return self._replace(field=masked(self.field), reason=masked(self.reason))


class _RefusedList:
    """A file next to the input that appears only when something was written to it and `finish` was called.

    Until then nobody sees it under its name. A list of ours from an earlier run is replaced or removed; anything else
    is left alone, and the list gets another name. If it cannot be written, the rows are still sent: `trouble` says why
    there is no list.
    """

    def __init__(self, original: Path, suffix: str) -> None:
        self._folder = original.parent
        self._stem = original.name
        self._suffix = suffix
        self._new: Beginning | None = None
        self._size = 0
        self.trouble = ""
        """Why the list is not there, or not whole: a part of a sentence."""
        try:
            self._same: tuple[int, int] | None = identity(self._folder)
        except OSError:
            self._same = None

    def _write(self, chunk: bytes) -> None:
        if self.trouble:
            return
        if self._size + len(chunk) > MOST_BYTES:
            self.trouble = (
                f"the list ends after {self._size:,} bytes, there are more rows than anybody corrects by hand"
            )
            return
        try:
            if self._new is None:
                self._new = Beginning(self._folder, same=self._same)
            self._new.stream.write(chunk)
            self._size += len(chunk)
        except (OSError, UsageFault) as error:
            self._give_up(error)

    def finish(self) -> Path | None:
        """Put the file in its place; None when nothing was refused, or it cannot be written."""
        try:
            if self._new is not None:
                return self._folder / self._new.leave(self._stem, self._suffix)
            if not self.trouble:
                remove_left(self._folder, self._stem, self._suffix, same=self._same)
        except (OSError, UsageFault) as error:
            # A list of ours that cannot be removed is no trouble: this run did not report it.
            if self._new is not None:
                self._give_up(error)
        return None

    def abandon(self) -> None:
        """Leave no half file behind."""
        if self._new is not None:
            self._new.abandon()
            self._new = None

    def _give_up(self, error: OSError | UsageFault) -> None:
        self.abandon()
        why = error.strerror or str(error) if isinstance(error, OSError) else str(error)
        self.trouble = f"no list next to the file: its folder {self._folder} cannot be written ({why})"


class RefusedRows(_RefusedList):
    """`FILE.refused.csv`: line, field and reason before the row as it was, with encoding and separator of FILE.

    Columns go by name, so a corrected FILE.refused.csv can be published with the mapping of FILE. No cell of it is a
    formula (`sources.files.plain_cells`).
    """

    def __init__(self, original: Path, *, header: Sequence[str], encoding: str, separator: str) -> None:
        super().__init__(original, ".refused.csv")
        self._header = header
        self._encoding = encoding
        # surrogateescape: bytes that could not be decoded come out again as they were.
        self._encoder = codecs.getincrementalencoder(encoding)("surrogateescape")
        self._text = io.StringIO(newline="")
        self._writer: Any = csv.writer(self._text, delimiter=separator)
        self._begun = False

    def add(self, refusal: Refusal, cells: Iterable[object]) -> None:
        """Write one row."""
        if not self._begun:
            self._begun = True
            taken = {name.casefold() for name in self._header}
            self._row([*(f"refused_{name}" if name in taken else name for name in COLUMNS), *self._header])
        reason = refusal.reason.encode(self._encoding, "replace").decode(self._encoding)
        self._row([refusal.line, refusal.field, reason, *cells])

    def _row(self, cells: Iterable[object]) -> None:
        self._writer.writerow([as_plain_text(cell) if isinstance(cell, str) else cell for cell in cells])
        self._write(self._encoder.encode(self._text.getvalue()))
        self._text.seek(0)
        self._text.truncate()


class RefusedLines(_RefusedList):
    """`FILE.refused`: lines of a JSON lines file that were not sent, byte for byte."""

    def __init__(self, original: Path) -> None:
        super().__init__(original, ".refused")

    def add(self, chunk: bytes) -> None:
        """Append a part of a line, newlines included."""
        self._write(chunk)
