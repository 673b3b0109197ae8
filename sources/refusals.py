"""Rows that cannot be sent: what is said about them, and the file beside the input in which they wait to be mended."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

from schemas.errors import UsageFault

COLUMNS: Final = ("line", "field", "reason")


class Refusal(NamedTuple):
    """One row, or line, from which no record can be made."""

    file: str
    line: int
    field: str
    """Event field (or register column); empty when the row as a whole is the trouble."""
    reason: str

    def __str__(self) -> str:
        field = f"{self.field}: " if self.field else ""
        return f"{self.file} line {self.line}: {field}{self.reason}"


class _Beside:
    """A file that appears only when something was written to it and `finish` was called; an old one disappears.

    Until then the lines stand in `NAME.part`, so that nobody takes half a list for the whole.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._part = path.with_name(path.name + ".part")
        self._stream: IO[Any] | None = None

    def finish(self) -> Path | None:
        """Put the file in its place; None when nothing was refused."""
        if self._stream is not None:
            self._stream.close()
        self._replace(written=self._stream is not None)
        return self.path if self._stream is not None else None

    def abandon(self) -> None:
        """Leave no half file behind."""
        if self._stream is not None:
            self._stream.close()
            self._part.unlink(missing_ok=True)

    def _fault(self, error: OSError) -> UsageFault:
        return UsageFault(
            f"{self.path} cannot be written ({error.strerror or error}): make its folder writable and repeat the "
            "command, what arrives twice is counted once"
        )

    def _replace(self, *, written: bool) -> None:
        try:
            if written:
                self._part.replace(self.path)
            else:
                self.path.unlink(missing_ok=True)
        except OSError as error:
            raise self._fault(error) from error


class RefusedRows(_Beside):
    """`FILE.refused.csv`: line, field and reason before the row as it was, with encoding and separator of FILE.

    Columns go by name, so a mended FILE.refused.csv can be published with the mapping of FILE.
    """

    def __init__(self, original: Path, *, header: Sequence[str], encoding: str, separator: str) -> None:
        super().__init__(original.with_name(original.name + ".refused.csv"))
        self._header = header
        self._encoding = encoding
        self._separator = separator
        self._writer: Any = None

    def add(self, refusal: Refusal, cells: Iterable[object]) -> None:
        """Write one row.

        Raises:
            UsageFault: the folder cannot be written to.
        """
        try:
            if self._stream is None:
                # surrogateescape: bytes that could not be decoded come out again as they were.
                self._stream = self._part.open("w", encoding=self._encoding, errors="surrogateescape", newline="")
                self._writer = csv.writer(self._stream, delimiter=self._separator)
                taken = {name.casefold() for name in self._header}
                self._writer.writerow(
                    [*(f"refused_{name}" if name in taken else name for name in COLUMNS), *self._header]
                )
            reason = refusal.reason.encode(self._encoding, "replace").decode(self._encoding)
            self._writer.writerow([refusal.line, refusal.field, reason, *cells])
        except OSError as error:
            raise self._fault(error) from error


class RefusedLines(_Beside):
    """`FILE.refused`: lines of a JSON lines file that are too long for Kafka, byte for byte."""

    def __init__(self, original: Path) -> None:
        super().__init__(original.with_name(original.name + ".refused"))

    def add(self, chunk: bytes) -> None:
        """Append a part of a line, newlines included.

        Raises:
            UsageFault: the folder cannot be written to.
        """
        try:
            if self._stream is None:
                self._stream = self._part.open("wb")
            self._stream.write(chunk)
        except OSError as error:
            raise self._fault(error) from error
