"""A register file -> `companies.v1`, company by company, without ever holding the whole register in memory.

1. `spread`: the rows are read once and put into buckets by company; a row whose company cannot be read is refused.
2. `spread_known`: what the topic says is put into buckets in the same way.
3. `load`: bucket by bucket, the rows of each company become its statement (`company_statement`) and are sent. A company
   with a refused row is left out whole: the file's statement about it is incomplete, and what is missing would be
   withdrawn. Where a refused row names no company, it may be about any of them, and nothing is withdrawn.
"""

import json
import re
import struct
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final, NamedTuple

from schemas.company import OPTIONAL_COLUMNS, REQUIRED_COLUMNS, CompanyVersion, version_from_row
from schemas.counts import counted
from schemas.cvr import CvrError, parse_cvr
from schemas.faults import Fault
from schemas.people import masked
from sources.files.buckets import BUCKETS, Buckets
from sources.files.refused_rows import Refusal, RefusedRows
from sources.files.source_file import FileFault
from sources.files.spreadsheet import CsvSheet, Row
from sources.publisher import Publisher, SourceLine
from sources.register.company_statement import Contradiction, Known, StatedRow, combine, describe, digest, statement

_COLUMNS: Final = REQUIRED_COLUMNS + OPTIONAL_COLUMNS
_NOT_UTF8: Final = re.compile("[\ud800-\udfff]")
_KNOWN: Final = struct.Struct(">IiQ?8s")

_SORTED: Final = 50_000
"""Refused rows that are held back to be listed by line; more come in several runs of lines."""

_HELD: Final = 16 * 1024 * 1024
"""Characters that are held back at most: a row may be long."""


class _Kept(NamedTuple):
    """A row between the two rounds."""

    line: int
    field: str
    problem: str
    cells: list[str]


@dataclass
class Loaded:
    """What became of the file."""

    companies: int = 0
    """Companies whose statement was sent."""
    records: int = 0
    changed: int = 0
    """Versions that are new on the topic, or say something else than before."""
    withdrawn: int = 0
    outdated: int = 0
    """Companies for which the topic has a newer statement; left as they are."""
    left_out: int = 0
    """Companies with a refused row."""
    unknown: int = 0
    """Refused rows that name no company; with any of them nothing is withdrawn."""
    refused: int = 0
    refused_file: Path | None = None
    list_trouble: str = ""
    """Why the list of refused rows is missing, or not whole."""
    examples: list[bytes] = field(default_factory=list)


class RegisterFile:
    """A register as CSV; the columns are a contract (design, events.md).

    Raises:
        FileFault: unreadable, not UTF-8, or with other columns.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sheet = CsvSheet(
            path, encoding=None, separator=None, wanted=REQUIRED_COLUMNS, advice="save it as CSV UTF-8"
        )
        header = self.sheet.header
        missing = [column for column in REQUIRED_COLUMNS if column not in header]
        if missing:
            raise FileFault(path, f"has no column {missing[0]!r}: a register has the columns {', '.join(_COLUMNS)}")
        for column in header:
            if not column:  # a separator at the end of every line; a filled cell there is refused
                continue
            if column not in _COLUMNS:
                raise FileFault(
                    path, f"has the unknown column {masked(column)!r}: remove it; it may have {', '.join(_COLUMNS)}"
                )
            if header.count(column) > 1:
                raise FileFault(path, f"has the column {column!r} twice: remove one")
        self._cvr = header.index("cvr")
        self.unknown = 0
        """Refused rows of which nobody can tell the company."""

    def spread(
        self, buckets: Buckets, progress: Callable[[int], object], refuse: Callable[[Refusal, Iterable[object]], object]
    ) -> None:
        """Put every row into the bucket of its company.

        Raises:
            FileFault: the file cannot be read to its end.
        """
        for row in self.sheet.rows(progress):
            cells = [row.raw] if row.cells is None else [str(cell) for cell in row.cells]
            name, problem = self._problem(row)
            written = "" if row.cells is None else "".join(cells[self._cvr : self._cvr + 1])
            try:
                cvr = parse_cvr(written)
            except CvrError as fault:
                if not problem:
                    code = fault.code if written else "missing"
                    name, problem = describe([Fault("cvr", code, written[:200])])
                self.unknown += 1
                refuse(Refusal(str(self.path), row.line, name, problem, row.last), cells)
                continue
            kept = _Kept(row.line, name, problem, cells)
            buckets.add(cvr % BUCKETS, json.dumps([cvr, *kept]).encode() + b"\n")

    def _problem(self, row: Row) -> tuple[str, str]:
        """(column, what is wrong) of a row that is not made of the header's cells; both empty when it is."""
        header = self.sheet.header
        if row.cells is None:
            return "", row.problem
        width = len(row.cells)
        if any(name for name in header[width:]):
            return header[width], f"the row ends after {width} of {len(header)} columns"
        if any(row.cells[len(header) :]):
            return (
                "",
                f"the row has {counted(width, 'cell')} and the header {len(header)}: quote the cell with a separator",
            )
        for column, cell in zip(header, row.cells, strict=False):
            if cell and not column:
                return "", f"a cell under no heading is filled ({cell}): a cell has shifted, or a heading is missing"
            if _NOT_UTF8.search(str(cell)):
                return column, "cannot be decoded: not the file's encoding"
        return "", ""


def spread_known(versions: Iterable[CompanyVersion], buckets: Buckets) -> None:
    """Put what the topic says into the buckets of the companies."""
    for version in versions:
        day = version.valid_from.toordinal()
        record = _KNOWN.pack(version.cvr, day, version.revision, version.withdrawn, digest(version))
        buckets.add(version.cvr % BUCKETS, record)


class Refusals:
    """Refused rows on their way to the list and to FILE.refused.csv, in the order of their lines."""

    def __init__(self, on_refusal: Callable[[Refusal], object], rows: RefusedRows | None) -> None:
        self._on_refusal = on_refusal
        self._rows = rows
        self._held: list[tuple[Refusal, list[object]]] = []
        self._size = 0
        self.count = 0

    def add(self, refusal: Refusal, cells: Iterable[object]) -> None:
        """Note one row."""
        self.count += 1
        held = list(cells)
        self._held.append((refusal, held))
        self._size += sum(len(str(cell)) for cell in held)
        if len(self._held) >= _SORTED or self._size >= _HELD:
            self._release()

    def finish(self) -> Path | None:
        """List what is held; the place of FILE.refused.csv, if there is one now."""
        self._release()
        return self._rows.finish() if self._rows else None

    @property
    def trouble(self) -> str:
        """Why the list is missing, or not whole."""
        return self._rows.trouble if self._rows else ""

    def abandon(self) -> None:
        """Leave no half list behind."""
        if self._rows:
            self._rows.abandon()

    def _release(self) -> None:
        for refusal, cells in sorted(self._held, key=lambda held: held[0].line):
            self._on_refusal(refusal)
            if self._rows:
                self._rows.add(refusal, cells)
        self._held.clear()
        self._size = 0


class Loader:
    """Round 3.

    Args:
        file: the register file.
        revision: as-of instant of the extract, ms since 1970 UTC.
        refusals: where refused rows go.
        examples: how many of the first records to keep.
    """

    def __init__(self, file: RegisterFile, *, revision: int, refusals: Refusals, examples: int) -> None:
        self._file = file
        self._revision = revision
        self._refusals = refusals
        self._examples = examples
        self.loaded = Loaded()

    def load(self, rows: Buckets, known: Buckets, publisher: Publisher, progress: Callable[[int], object]) -> Loaded:
        """Send the statement of every company; returns when all is confirmed. `progress` gets the buckets done.

        Raises:
            DeliveryFailed
        """
        for number, (row_file, known_file) in enumerate(zip(rows.read(), known.read(), strict=True), 1):
            topic: defaultdict[int, dict[date, Known]] = defaultdict(dict)
            while record := known_file.read(_KNOWN.size):
                cvr, ordinal, revision, withdrawn, content = _KNOWN.unpack(record)
                versions, day = topic[cvr], date.fromordinal(ordinal)
                # Of equal revisions the first, as in schemas.company.standing.
                if day not in versions or versions[day].revision < revision:
                    versions[day] = Known(revision, withdrawn, content)
            companies: defaultdict[int, list[_Kept]] = defaultdict(list)
            for line in row_file:
                cvr, *kept = json.loads(line)
                companies[cvr].append(_Kept(*kept))
            for cvr, kept_rows in companies.items():
                self._company(kept_rows, topic.get(cvr, {}), publisher)
            progress(number)
        publisher.flush()
        self.loaded.refused, self.loaded.unknown = self._refusals.count, self._file.unknown
        return self.loaded

    def _company(self, rows: list[_Kept], known: dict[date, Known], publisher: Publisher) -> None:
        sound, bad = self._read(rows)
        if bad:
            self._leave_out(rows, bad)
            return
        versions = combine(sound)
        if isinstance(versions, Contradiction):
            self._leave_out(rows, {versions.line: (versions.field, versions.reason)})
            return
        stated = statement(versions, known, withdraw=not self._file.unknown)
        if stated.clash:
            reason = "another extract of the same instant has other data for this company: give a later --as-of"
            self._leave_out(rows, {row.line: ("valid_from", reason) for row in rows})
            return
        loaded = self.loaded
        if stated.outdated:
            loaded.outdated += 1
            return
        place = SourceLine(str(self._file.path), rows[0].line)
        for version in stated.records:
            value = version.to_json()
            publisher.send(version.key, value, place)
            if len(loaded.examples) < self._examples:
                loaded.examples.append(value)
        loaded.companies += 1
        loaded.records += len(stated.records)
        loaded.changed += stated.changed
        loaded.withdrawn += stated.withdrawn

    def _read(self, rows: list[_Kept]) -> tuple[list[StatedRow], dict[int, tuple[str, str]]]:
        """The sound rows, and of the others line -> (column, what is wrong)."""
        sound: list[StatedRow] = []
        bad: dict[int, tuple[str, str]] = {}
        header = self._file.sheet.header
        for kept in rows:
            if kept.problem:
                bad[kept.line] = kept.field, kept.problem
                continue
            read: Any = version_from_row(dict(zip(header, kept.cells, strict=False)), self._revision)
            if isinstance(read, list):
                bad[kept.line] = describe(read)
            else:
                sound.append(StatedRow(kept.line, read))
        return sound, bad

    def _leave_out(self, rows: list[_Kept], bad: dict[int, tuple[str, str]]) -> None:
        self.loaded.left_out += 1
        first = min(bad)
        for kept in rows:
            column, reason = bad.get(kept.line, ("cvr", f"left out, as line {first} of the same company is refused"))
            self._refusals.add(Refusal(str(self._file.path), kept.line, column, reason), kept.cells)
