"""Files -> Kafka in two rounds: every file is looked at as a whole before the first record of any of them is sent.

1. `open_input` and `survey`: can the file be read, does it fit its mapping, which activities name two companies
   at one time. A file that cannot be used ends the command here, with nothing sent.
2. `send`: row by row judged as the worker will judge it, and to the publisher; what cannot become an event, or would
   be rejected, goes to FILE.refused.csv.

Sending is safe to repeat: an event is a function of its row (and the instant of the export), so what arrives twice is
counted once.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from schemas.errors import UsageFault
from schemas.event_time import COPENHAGEN
from schemas.events import Activity
from schemas.faults import Fault
from sources.files.buckets import Buckets
from sources.files.cell_dates import read_moment
from sources.files.conflicts import CONTENTS, find_conflicts, note
from sources.files.date_formats import MomentError
from sources.files.event_builder import Builder, Event
from sources.files.jsonlines import JsonLines
from sources.files.judged_rows import FileJudge, refusals, together
from sources.files.mapping import FIELDS, Mapping, load_mapping, mapping_path, own_names
from sources.files.plain_cells import COLUMNS
from sources.files.refused_rows import Refusal, RefusedLines, RefusedRows
from sources.files.source_file import FileFault
from sources.files.spreadsheet import CsvSheet, Row, Sheet, heading
from sources.publisher import Publisher, SourceLine

JSON_LINES: Final = (".jsonl", ".ndjson")
_REFUSED_LINES: Final = re.compile(r".*\.(?:jsonl|ndjson)\.refused(?:-[0-9]+)?", re.DOTALL)
"""Name of a list of lines that were not sent."""

Progress = Callable[[int], object]
"""Called with how many bytes of the file have been read."""
Track = Callable[[str, "Input"], AbstractContextManager[Progress]]
"""Shows how much of a file is done, and what for."""
Conflicts = dict[bytes, str]
"""Mark of a version -> what contradicts itself in it (`sources.files.conflicts`)."""


class Example(NamedTuple):
    """An event of a file."""

    line: int
    value: bytes


@dataclass
class Outcome:
    """What became of one file."""

    file: str
    events: int = 0
    """Records that were sent, or would be in a dry run."""
    accepted: int = 0
    """Those among them that a worker will accept."""
    rejected: int = 0
    """Rows whose records a worker would reject, sent or not."""
    refused: int = 0
    """Rows that are not sent."""
    refused_file: Path | None = None
    """Where the refused rows wait to be corrected; None without any, in a dry run, and where it cannot be written."""
    list_trouble: str = ""
    """Why the list of refused rows is missing, or not whole."""
    left_out: tuple[str, ...] = ()
    """Fields that rows have and retractions have not."""
    without_key: int = 0
    """Events that were sent and whose subject is no CVR number."""
    examples: list[Example] = field(default_factory=list)
    """The first of the events."""


class Table:
    """A spreadsheet with its mapping.

    Args:
        path: a .csv or .xlsx file.
        mapping: the mapping file; None: the one next to it, else the columns' own names.
        exported_at: overrides the mapping's.

    Raises:
        FileFault, UsageFault
    """

    def __init__(self, path: Path, *, mapping: Path | None, exported_at: str | None) -> None:
        self.path = path
        place = mapping or (mapping_path(path) if mapping_path(path).exists() else None)
        rules = load_mapping(place) if place else None
        self.sheet = SHEETS[path.suffix.lower()](path, rules)
        given = len(COLUMNS) if self.sheet.was_refused else 0
        rules = rules or own_names(path, self.sheet.header[given:])
        instant = read_exported_at(exported_at, rules.zone) if exported_at else rules.exported(None)
        self.builder = Builder(
            rules,
            header=self.sheet.header,
            file=path,
            exported_at=instant,
            padded=self.sheet.short_rows_are_padded,
            was_refused=self.sheet.was_refused,
        )
        self.row = Row(0, None)
        """The row that `records` is at."""
        # An id made from the whole row is of that row alone.
        self._conflicts_are_possible = bool({"activity_id", "id"} & set(rules.fields))

    def survey(self, buckets: Buckets, progress: Progress) -> None:
        """Round 1: read the file to its end, and note what each version of an activity names and says.

        Raises:
            FileFault: the file cannot be read as a table to its end.
        """
        for row in self.sheet.rows(progress):
            if self._conflicts_are_possible and (found := self.builder.version(row)) is not None:
                note(buckets, *found)

    def contents(self, versions: AbstractSet[bytes], progress: Progress) -> Iterator[tuple[bytes, bool, bytes]]:
        """What the rows of these versions say: version, whether it is retracted, digest."""
        for row in self.sheet.rows(progress):
            version = self.builder.version(row)
            if version is not None and version[0] in versions and (content := self.builder.content(row)) is not None:
                yield version[0], *content

    def records(
        self, progress: Progress, conflicts: Conflicts, refused: RefusedRows | None
    ) -> Iterator[tuple[int, Event | Refusal]]:
        """Round 2: (line, record or refusal); what is refused is also written to `refused`."""
        for row in self.sheet.rows(progress):
            self.row = row
            built = self.builder.build(row, conflicts)
            if refused is not None and isinstance(built, Refusal):
                refused.add(built, _as_written(self, row))
            yield row.line, built

    def refused_rows(self) -> RefusedRows:
        """The file next to this one for its refused rows."""
        sheet = self.sheet
        return RefusedRows(self.path, header=sheet.header, encoding=sheet.encoding, separator=sheet.separator)


Input = Table | JsonLines


def read_exported_at(text: str, zone: ZoneInfo = COPENHAGEN) -> datetime:
    """The instant of the export as it is given on the command line.

    Raises:
        UsageFault
    """
    try:
        return read_moment(text.strip(), None, zone)
    except MomentError as fault:
        raise UsageFault(f"--exported-at: {fault}") from None


def open_input(path: Path, *, mapping: Path | None, exported_at: str | None) -> Input:
    """A file by the ending of its name.

    Raises:
        FileFault, UsageFault
    """
    suffix = path.suffix.lower()
    if suffix in JSON_LINES or _REFUSED_LINES.fullmatch(path.name.lower()):
        return JsonLines(path)
    if suffix in SHEETS:
        return Table(path, mapping=mapping, exported_at=exported_at)
    kinds = ", ".join((*SHEETS, *JSON_LINES))
    raise FileFault(path, f"is not a kind of file that can be published ({kinds}): export it as one of these")


def survey(inputs: Sequence[Input], progress: Callable[[Table], AbstractContextManager[Progress]]) -> Conflicts:
    """Round 1 for all files: the versions of activities that contradict themselves.

    Raises:
        FileFault, UsageFault
    """
    tables = [one for one in inputs if isinstance(one, Table)]
    with Buckets() as buckets:
        for table in tables:
            with progress(table) as reached:
                table.survey(buckets, reached)
        conflicts = find_conflicts(buckets)
    suspects = {version for version, why in conflicts.items() if why == CONTENTS}
    harmless = suspects - _contradicting(tables, suspects, progress) if suspects else suspects
    return {version: why for version, why in conflicts.items() if version not in harmless}


def _contradicting(
    tables: Sequence[Table],
    suspects: AbstractSet[bytes],
    progress: Callable[[Table], AbstractContextManager[Progress]],
) -> set[bytes]:
    """Of versions with rows that are not written alike those whose rows do not say the same.

    A retraction and its activity may have one time: the order of versions says that the retraction holds.
    """
    said: dict[tuple[bytes, bool], bytes] = {}
    found: set[bytes] = set()
    for table in tables:
        with progress(table) as reached:
            for version, retracts, content in table.contents(suspects, reached):
                if said.setdefault((version, retracts), content) != content:
                    found.add(version)
    return found


def events_of(
    source: Input, judge: FileJudge, conflicts: Conflicts, progress: Progress
) -> Iterator[tuple[int, Event | Refusal, Activity | list[Fault]]]:
    """Each row: its line, its event, and the activity that a worker makes of it, or why it rejects it."""
    records = source.records(progress, conflicts, None) if isinstance(source, Table) else source.records(progress, None)
    for line, record in records:
        yield line, record, [] if isinstance(record, Refusal) else judge.activity(record)


def accepts_any(source: Input, judge: FileJudge, conflicts: Conflicts, progress: Progress) -> bool:
    """Whether a worker will accept any event of a file. Reads no further than to the first.

    Raises:
        FileFault
    """
    records = source.records(progress, conflicts, None) if isinstance(source, Table) else source.records(progress, None)
    return any(not isinstance(record, Refusal) and not judge(record)[1] for _, record in records)


def send(
    source: Input,
    publisher: Publisher,
    *,
    judge: FileJudge,
    conflicts: Conflicts,
    progress: Progress,
    on_refusal: Callable[[Refusal], object],
    examples: int,
    write_refused: bool,
    send_rejected: bool = False,
) -> Outcome:
    """Round 2 for one file: returns when every event is confirmed.

    Args:
        source: the file.
        publisher: where to.
        judge: says which records a worker would reject.
        conflicts: what `survey` found, over all files of the command.
        progress: called with the bytes read.
        on_refusal: called with each row that cannot be sent, and each fault of one that a worker would reject.
        examples: how many of the first events to keep in the outcome.
        write_refused: write FILE.refused.csv (FILE.refused for JSON lines), or remove that of an earlier run.
        send_rejected: send also what a worker would reject.

    Raises:
        DeliveryFailed, FileFault
    """
    name = str(source.path)
    outcome = Outcome(name)
    refused: RefusedRows | RefusedLines | None = None
    if isinstance(source, Table):
        rows = refused = source.refused_rows() if write_refused else None
        records = source.records(progress, conflicts, rows)
    else:
        lines = refused = RefusedLines(source.path) if write_refused else None
        records = source.records(progress, lines)
    try:
        for line, record in records:
            if isinstance(record, Refusal):
                outcome.refused += 1
                on_refusal(record)
                continue
            key, faults = judge(record)
            if faults:
                outcome.rejected += 1
                found = refusals(name, line, faults, sent=send_rejected)
                for one in found:
                    on_refusal(one)
                if not send_rejected:
                    outcome.refused += 1
                    _keep(refused, source, found)
                    continue
            publisher.send(key, record.value, SourceLine(name, line))
            outcome.events += 1
            outcome.accepted += not faults
            outcome.without_key += key is None
            if len(outcome.examples) < examples:
                outcome.examples.append(Example(line, record.value))
        publisher.flush()
    except BaseException:  # Ctrl-C and cancellation too
        if refused is not None:
            refused.abandon()
        raise
    if isinstance(source, Table):
        outcome.left_out = tuple(sorted(source.builder.left_out))
    if refused is not None:
        outcome.refused_file = refused.finish()
        outcome.list_trouble = refused.trouble
    return outcome


def _keep(refused: RefusedRows | RefusedLines | None, source: Input, found: Sequence[Refusal]) -> None:
    """Write the row that a file is at to its list."""
    if isinstance(refused, RefusedRows) and isinstance(source, Table):
        refused.add(together(found), _as_written(source, source.row))
    elif isinstance(refused, RefusedLines) and isinstance(source, JsonLines):
        refused.add(source.line)


def _workbook(path: Path, rules: Mapping | None) -> Sheet:
    from sources.files.workbook import XlsxSheet  # noqa: PLC0415  (openpyxl is half a second that others need not pay)

    return XlsxSheet(path, sheet=rules.sheet if rules else None)


def _delimited(path: Path, rules: Mapping | None) -> Sheet:
    wanted = [column for rule in rules.fields.values() for column in rule.columns] if rules else list(FIELDS)
    sheet = CsvSheet(
        path,
        encoding=rules.encoding if rules else None,
        separator=rules.separator if rules else None,
        wanted=[heading(column) for column in wanted],
    )
    # A list of refused rows of a workbook has the workbook's mapping.
    if rules and rules.sheet and not sheet.was_refused:
        raise UsageFault(f"{path} is not a workbook, but its mapping names the sheet {rules.sheet!r}: remove that key")
    return sheet


SHEETS: Final = {".csv": _delimited, ".tsv": _delimited, ".xlsx": _workbook}
"""Ending of a table's name -> how it is opened. A new kind is a line here."""


def _as_written(table: Table, row: Row) -> Sequence[object]:
    return [row.raw] if row.cells is None else table.builder.listed(row)
