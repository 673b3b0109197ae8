"""One row of a spreadsheet -> one CloudEvent, or the reason why there can be none. Pure: no file, no Kafka, no clock.

The worker judges events; only a row from which no event can be built (undecodable, a column missing, no readable date),
or whose activity names two companies at one time, is refused here. Everything else is passed on as written, wrong CVR
numbers and unknown types included: they come back as rejected records, with every fault.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar, cast
from zoneinfo import ZoneInfo

from pydantic_core import from_json, to_json

from schemas.cvr import CvrError, format_cvr, parse_cvr
from schemas.envelope import DETAILS
from schemas.errors import UsageFault
from schemas.field_rules import NOT_RETRACTED
from schemas.indicators import TYPE_PREFIX, TYPE_SUFFIX
from sources.files.cell_dates import MomentError, read_day, read_moment, rfc3339
from sources.files.cell_texts import Unreadable, canonical, cvr_text, may_be_unreadable, why_unreadable
from sources.files.conflicts import digest, mark
from sources.files.mapping import HOLE, RETRACTED, ColumnRule
from sources.files.mapping import Mapping as FileMapping
from sources.files.refused_rows import Refusal
from sources.files.spreadsheet import Cell, Row, heading
from sources.publisher import MAX_VALUE

_Read = TypeVar("_Read")

_NOT_UTF8: Final = re.compile("[\ud800-\udfff]")
_NONE: Final = "-"
"""The cell that says "no outcomes"; an empty one says nothing."""

_FREE_TEXT: Final = ("reason", "title")
"""What people wrote, kept as they wrote it; everything else is an id or a word."""
_PLAIN: Final = ("cluster", "membership", *DETAILS)


class Event(NamedTuple):
    """A record for the events topic."""

    key: bytes | None
    """The CVR number, 8 digits; None when the subject is not a CVR number."""
    value: bytes
    """CloudEvent 1.0, structured JSON, UTF-8."""


class Identity(NamedTuple):
    """What decides which activity a row speaks of."""

    source: str
    subject: str
    """8 digits when it is a CVR number, else as written."""
    cvr: int | None
    activity_id: str | None
    id: str | None
    moment: datetime

    @property
    def mark(self) -> bytes | None:
        """Of this version of this activity; None when the id is made from the whole row and so cannot be shared."""
        activity = self.activity_id or self.id
        return None if activity is None else mark(self.source, activity, round(self.moment.timestamp() * 1000))


class _UnbuildableError(ValueError):
    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field
        self.reason = reason


class Builder:
    """Builds the events of one sheet.

    Args:
        mapping: the columns of the fields.
        header: the sheet's headings.
        file: as the user named it.
        exported_at: `time` of the events when no column has it.
        padded: a row that ends early has empty cells there instead of missing ones.
        was_refused: it is a list of refused rows, in which the dates of a workbook are ISO 8601.

    Raises:
        UsageFault: a column that the sheet lacks or has twice; no source of `time`.
    """

    def __init__(
        self,
        mapping: FileMapping,
        *,
        header: Sequence[str],
        file: Path,
        exported_at: datetime | None,
        padded: bool,
        was_refused: bool = False,
    ) -> None:
        self._mapping = mapping
        self._header = header
        self._file = str(file)
        self._padded = padded
        self._was_refused = was_refused
        self._zone = mapping.zone
        self._exported_at = exported_at
        if "time" not in mapping.fields and exported_at is None:
            raise UsageFault(
                f"{file} has no `time`: map a column with date and time of the last change, or give the instant of the "
                "export (exported_at in the mapping, or --exported-at)"
            )
        self._columns = {name: self._resolve(name, rule) for name, rule in mapping.fields.items()}
        used = {index: name for name, indices in self._columns.items() for index in indices}
        self._used: list[tuple[int, str]] = sorted(used.items())
        self._last = self._used[-1][0]
        naming = [name for name in ("source", "activity_id", "id", "time") if name in self._columns]
        self._about = [index for name in naming for index in self._columns[name]]
        self._templates = {name for name, rule in mapping.fields.items() if HOLE.search(rule.column)}
        self._subject = self._columns["subject"][0] if len(self._columns["subject"]) == 1 else -1
        self._readers = {
            name: self._reader(name, rule)
            for name, rule in mapping.fields.items()
            if name not in ("time", "occurred_on")
        }
        self._plain = [name for name in _PLAIN if name in mapping.fields]
        self.left_out: set[str] = set()
        """Fields that were left out of retractions, which have none of them."""
        self._outcome_words = mapping.fields["outcomes"].words if "outcomes" in mapping.fields else {}
        self._nameless = [index for index, title in enumerate(header) if not title]

    @property
    def ends_with_company(self) -> bool:
        """Whether each activity_id ends with the 8 digits of its company: then no two companies can share one."""
        rule = self._mapping.fields.get("activity_id")
        if rule is None or rule.values or HOLE.split(rule.column)[-1]:
            return False
        return self._columns["activity_id"][-1] == self._subject

    def version(self, row: Row, *, apart: bool) -> tuple[bytes, int, bytes] | None:
        """Mark, company and digest of the version that a row is about, to look for conflicts; None of any other row.

        With `apart` no two companies can share an activity, in any of the files: only rows of one file can contradict
        each other, and what they say is compared as it is written.
        """
        if apart:
            if row.cells is None or len(row.cells) <= self._last:
                return None
            said = [cell if isinstance(cell, str) else _as_text(cell) for cell in row.cells]
            return self._mark_as_written(said), 0, digest([said[index] for index, _ in self._used])
        try:
            cells, texts = self._sound_cells(row)
            identity = self._identity(cells, texts)
        except _UnbuildableError:
            return None
        if identity.cvr is None or (version := identity.mark) is None:
            return None
        return version, identity.cvr, digest([texts[index] for index, _ in self._used])

    def content(self, row: Row) -> tuple[bool, bytes] | None:
        """Whether a row retracts, and a digest of what its event says besides its id; None without an event."""
        event = self.build(row, {})
        if isinstance(event, Refusal):
            return None
        said = from_json(event.value)
        content = to_json([said["type"], said["subject"], said["data"]])
        return said["type"] == f"{TYPE_PREFIX}{RETRACTED}{TYPE_SUFFIX}", blake2b(content, digest_size=16).digest()

    def _mark_as_written(self, texts: Sequence[str]) -> bytes:
        return mark(self._file, "\0".join([texts[index] for index in self._about]), 0)

    def build(self, row: Row, conflicts: Mapping[bytes, str]) -> Event | Refusal:
        """The event of a row, or why there is none."""
        try:
            return self._build(row, conflicts)
        except _UnbuildableError as fault:
            return Refusal(self._file, row.line, fault.field, fault.reason, row.last)

    # ---- columns

    def _resolve(self, name: str, rule: ColumnRule) -> list[int]:
        indices = []
        for column in rule.columns:
            wanted = heading(column)
            places = [index for index, title in enumerate(self._header) if title == wanted]
            if len(places) != 1:
                what = "no column" if not places else f"{len(places)} columns"
                known = ", ".join(repr(title) for title in self._header if title)[:500]
                advice = known.encode("utf-8", "replace").decode()
                raise UsageFault(f"{self._file} has {what} {column!r} (fields.{name} of its mapping); it has {advice}")
            indices.append(places[0])
        return indices

    def _reader(self, name: str, rule: ColumnRule) -> Callable[[Sequence[str], str], str]:
        """A function (cells as text, normalised subject) -> text of the field."""
        indices = self._columns[name]
        parts = HOLE.split(rule.column)
        values = rule.words
        if len(parts) == 1:
            (index,) = indices
            if index == self._subject and name != "subject":
                return lambda _, subject: values.get(subject, subject)
            if name in _FREE_TEXT:
                return lambda texts, _: values.get(canonical(texts[index]), texts[index]) if values else texts[index]
            if values and name != "outcomes":

                def look_up(texts: Sequence[str], _: str) -> str:
                    text = canonical(texts[index])
                    return values.get(text, text)

                return look_up
            return lambda texts, _: canonical(texts[index])

        literals = parts[::2]

        def fill(texts: Sequence[str], subject: str) -> str:
            text = literals[0]
            for index, literal in zip(indices, literals[1:], strict=True):
                cell = subject if index == self._subject and name != "subject" else canonical(texts[index])
                if not cell and index != self._subject:
                    raise _UnbuildableError(name, f"the column {self._header[index]!r} is empty")
                text += cell + literal
            return values.get(text, text)

        return fill

    def _cell(self, name: str, cells: Sequence[Cell]) -> Cell:
        """A dated cell: as the workbook keeps it, or the text of a column or template."""
        if name not in self._templates:
            return cells[self._columns[name][0]]
        texts = iter([_as_text(cells[index]) for index in self._columns[name]])
        return HOLE.sub(lambda _: next(texts), self._mapping.fields[name].column).strip()

    # ---- rows

    def _sound_cells(self, row: Row) -> tuple[Sequence[Cell], Sequence[str]]:
        """The cells of a row that has what the mapping needs: as they are, and as text."""
        cells = row.cells
        if cells is None:
            raise _UnbuildableError("", row.problem)
        width = len(self._header)
        if self._padded:
            if len(cells) < width:
                cells = [*cells, *[""] * (width - len(cells))]
            self._check_values(cells)
            self._check_headings(cells)
            return cells, [cell if isinstance(cell, str) else _as_text(cell) for cell in cells]
        texts = cast("Sequence[str]", cells)
        if len(texts) != width:
            self._check_width(texts)
        together = "".join(texts)
        if not together.isascii() and _NOT_UTF8.search(together):
            self._check_decoded(texts)
        if may_be_unreadable(together):
            self._check_values(texts)
        if self._nameless:
            self._check_headings(texts)
        return texts, texts

    def _check_values(self, cells: Sequence[Cell]) -> None:
        """A cell that shows an error, or what Excel made of a number, does not hold what it held."""
        for index, name in self._used:
            cell = cells[index]
            if isinstance(cell, str) and (why := cell.why if type(cell) is Unreadable else why_unreadable(cell)):
                raise _UnbuildableError(name, f"the column {self._header[index]!r} {why}")

    def _check_headings(self, cells: Sequence[Cell]) -> None:
        width = len(self._header)
        if any(cells[index] for index in self._nameless if index < len(cells)) or any(cells[width:]):
            number = next(n for n, cell in enumerate(cells, 1) if cell and (n > width or not self._header[n - 1]))
            raise _UnbuildableError(
                "",
                f"cell {number} is filled and its column has no heading: a cell has shifted, or a heading is missing",
            )

    def _check_width(self, texts: Sequence[str]) -> None:
        width = len(self._header)
        if len(texts) <= self._last:
            name = next(name for index, name in self._used if index >= len(texts))
            column = next(self._header[index] for index in self._columns[name] if index >= len(texts))
            raise _UnbuildableError(name, f"the row ends after {len(texts)} of {width} columns, before {column!r}")
        if any(texts[width:]):
            raise _UnbuildableError(
                "", f"the row has {len(texts)} cells and the header {width}: quote the cell with a separator"
            )

    def _check_decoded(self, texts: Sequence[str]) -> None:
        for index, name in self._used:
            if _NOT_UTF8.search(texts[index]):
                column = self._header[index]
                raise _UnbuildableError(name, f"the column {column!r} cannot be decoded: not the file's encoding")

    def _identity(self, cells: Sequence[Cell], texts: Sequence[str]) -> Identity:
        readers = self._readers
        written = readers["subject"](texts, "")
        try:
            cvr: int | None = parse_cvr(cvr_text(written))
        except CvrError:
            cvr = None
        subject = written if cvr is None else format_cvr(cvr)
        source = readers["source"](texts, subject) if "source" in readers else str(self._mapping.source)
        activity_id = readers["activity_id"](texts, subject) if "activity_id" in readers else None
        own_id = readers["id"](texts, subject) if "id" in readers else None
        if "time" in self._columns:
            try:
                moment = self._dated(read_moment, "time", self._cell("time", cells))
            except MomentError as fault:
                raise _UnbuildableError("time", str(fault)) from None
        else:
            moment = self._exported_at  # type: ignore[assignment]  # the constructor has seen to it
        return Identity(source, subject, cvr, activity_id, own_id, moment)

    def _build(self, row: Row, conflicts: Mapping[bytes, str]) -> Event:
        cells, texts = self._sound_cells(row)
        identity = self._identity(cells, texts)
        subject, activity_id = identity.subject, identity.activity_id
        readers = self._readers
        kind = readers["type"](texts, subject) if "type" in readers else str(self._mapping.type)
        data: dict[str, Any] = {}
        if activity_id is not None:
            data["activity_id"] = activity_id
        retracted = kind.removeprefix(TYPE_PREFIX).removesuffix(TYPE_SUFFIX) == RETRACTED
        if not retracted and (day := self._day(cells)):
            data["occurred_on"] = day
        if "outcomes" in readers and (outcomes := self._outcomes(readers["outcomes"](texts, subject))) is not None:
            data["outcomes"] = outcomes
        for name in self._plain:
            text = readers[name](texts, subject)
            if text:
                data[name] = text
        if retracted:
            if "occurred_on" in self._columns and self._cell("occurred_on", cells) != "":
                self.left_out.add("occurred_on")
            self.left_out.update(name for name in NOT_RETRACTED if data.pop(name, None) is not None)
        if conflicts:
            why = conflicts.get(identity.mark or b"") or conflicts.get(self._mark_as_written(texts))
            if why is not None:
                raise _UnbuildableError("activity_id", f"{activity_id or identity.id!r} {why}")
        kind = kind if kind.startswith(TYPE_PREFIX) else f"{TYPE_PREFIX}{kind}{TYPE_SUFFIX}"
        time = rfc3339(identity.moment)
        own_id = identity.id
        if own_id is None:
            # The instant of the export is no part of the row: the same row exported again keeps its id.
            stated = time if "time" in self._columns else None
            content = to_json([identity.source, activity_id, kind, subject, stated, data])
            own_id = blake2b(content, digest_size=16).hexdigest()
        value = to_json(
            {
                "specversion": "1.0",
                "id": own_id,
                "source": identity.source,
                "type": kind,
                "subject": subject,
                "time": time,
                "datacontenttype": "application/json",
                "data": data,
            }
        )
        if len(value) > MAX_VALUE:
            raise _UnbuildableError(
                "", f"its event would have {len(value):,} bytes, more than Kafka takes ({MAX_VALUE:,})"
            )
        return Event(None if identity.cvr is None else subject.encode(), value)

    def _day(self, cells: Sequence[Cell]) -> str | None:
        if "occurred_on" not in self._columns:
            return None
        cell = self._cell("occurred_on", cells)
        # Without an activity_id the day of `time` is used.
        if cell == "" and "activity_id" not in self._columns:
            return None
        try:
            return self._dated(read_day, "occurred_on", cell)
        except MomentError as fault:
            raise _UnbuildableError("occurred_on", str(fault)) from None

    def _dated(self, read: Callable[[Cell, str | None, ZoneInfo], _Read], name: str, cell: Cell) -> _Read:
        pattern = self._mapping.fields[name].format
        if pattern and self._was_refused:
            try:
                return read(cell, None, self._zone)
            except MomentError:
                pass
        return read(cell, pattern, self._zone)

    def _outcomes(self, text: str) -> list[str] | None:
        if not text:
            return None
        if text == _NONE:
            return []
        values = self._outcome_words
        items = [canonical(item.strip()) for item in text.split(self._mapping.fields["outcomes"].separator)]
        return [values.get(item, item) for item in items if item]


def _as_text(cell: Cell) -> str:
    if isinstance(cell, str):
        return cell
    return cell.isoformat(sep=" ") if isinstance(cell, datetime) else cell.isoformat()
