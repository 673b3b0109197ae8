"""One row of a spreadsheet -> one CloudEvent, or the reason why there can be none. Pure: no file, no Kafka, no clock.

Only a row from which no event can be built (undecodable, a column missing, no readable date), or whose activity names
two companies at one time, is refused here. Everything else is built as written, wrong CVR numbers and unknown types
included: `sources.files.judged_rows` judges it as the worker will, with every fault.

What a cell says is remembered column by column, as most columns repeat a few words.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from pydantic_core import from_json, to_json

from schemas.bounded_cache import RememberedTexts
from schemas.envelope import DETAILS
from schemas.errors import UsageFault
from schemas.field_rules import NOT_RETRACTED
from schemas.indicators import TYPE_PREFIX, TYPE_SUFFIX
from sources.files.cell_dates import TimeTexts, listed, read_day, read_moment, rfc3339
from sources.files.cell_texts import FREE_TEXT, NO_ID, canonical, why_no_id
from sources.files.conflicts import digest, mark
from sources.files.date_formats import MomentError
from sources.files.made_events import cloud_event, content_id
from sources.files.mapping import HOLE, RETRACTED, ColumnRule
from sources.files.mapping import Mapping as FileMapping
from sources.files.outcome_cells import read_outcomes
from sources.files.refused_rows import Refusal
from sources.files.sound_rows import SoundRows, UnbuildableError, as_text, company_of
from sources.files.spreadsheet import Cell, Row, heading
from sources.publisher import MAX_VALUE

_Read = TypeVar("_Read")

_IDS: Final = ("id", "activity_id")
_OPTIONAL_IDS: Final = ("workshop_id", "project_id", "product_id")
_PLAIN: Final = ("cluster", "membership", *DETAILS)
_SHORT: Final = 64
"""Characters of the longest cell that is remembered."""
_COMPANIES: Final = 32_768
_WORDS: Final = 4_096
"""How many cells are remembered of the column of companies, and of any other."""


class Event(NamedTuple):
    """A record for the events topic."""

    key: bytes | None
    """The CVR number, 8 digits; None when the subject is not a CVR number."""
    value: bytes
    """CloudEvent 1.0, structured JSON, UTF-8."""
    document: dict[str, Any] | None = None
    """The same as an object, where the event was made here."""


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
        self.exported_at: Final = exported_at
        """The instant of the export, where it is stated."""
        if "time" not in mapping.fields and exported_at is None:
            raise UsageFault(
                f"{file} has no `time`: map a column with date and time of the last change, or give the instant of the "
                "export (exported_at in the mapping, or --exported-at)"
            )
        self._columns = {name: self._resolve(name, rule) for name, rule in mapping.fields.items()}
        self._rows = SoundRows(header, self._columns, padded=padded)
        self._templates = {name for name, rule in mapping.fields.items() if HOLE.search(rule.column)}
        others = {index for name in self._columns if name not in NOT_RETRACTED for index in self._columns[name]}
        self._not_retracted = {index for name in NOT_RETRACTED for index in self._columns.get(name, ())} - others
        # By field: of two files with one mapping the columns may be in another order.
        self._said = list(dict.fromkeys(index for _, indices in sorted(self._columns.items()) for index in indices))
        self._subject = self._columns["subject"][0] if len(self._columns["subject"]) == 1 else -1
        self._readers = {
            name: self._reader(name, rule)
            for name, rule in mapping.fields.items()
            if name not in ("time", "occurred_on")
        }
        self._source = str(mapping.source)
        self._read_subject = self._readers["subject"]
        self._read_source, self._read_activity_id, self._read_id = map(
            self._readers.get, ("source", "activity_id", "id")
        )
        self._company = RememberedTexts(company_of, _COMPANIES, _SHORT)
        self._type = RememberedTexts(_full_type, _WORDS, _SHORT)
        self._plain = [(name, self._readers[name]) for name in _PLAIN if name in mapping.fields]
        if (rule := mapping.fields.get("outcomes")) is not None:
            self._outcomes = RememberedTexts(partial(read_outcomes, rule), _WORDS, _SHORT)
        self._days = RememberedTexts(self._read_day, _WORDS, _SHORT)
        times = None if was_refused or "time" in self._templates else mapping.fields.get("time")
        self._times = TimeTexts.of(times.format, self._zone) if times is not None else None
        self.left_out: set[str] = set()
        """Fields that were left out of retractions, which have none of them."""

    @property
    def uses(self) -> dict[str, list[str]]:
        """Heading of each column that is used, with the fields that are made from it, in the order of the columns."""
        found: dict[str, list[str]] = {}
        for index, _ in self._rows.used:
            fields = [name for name, indices in self._columns.items() if index in indices]
            found[self._header[index]] = fields
        return found

    @property
    def unused(self) -> list[str]:
        """Headings of the columns of which nothing is sent."""
        used = {index for index, _ in self._rows.used}
        return [title for index, title in enumerate(self._header) if title and index not in used]

    @property
    def fixed(self) -> dict[str, str]:
        """Fields that are the same in every row, with what they say."""
        time = None if "time" in self._columns or self.exported_at is None else rfc3339(self.exported_at)
        stated = {"source": self._mapping.source, "type": self._mapping.type, "time": time}
        return {name: value for name, value in stated.items() if value is not None}

    def version(self, row: Row) -> tuple[bytes, int, int] | None:
        """Mark, company and digest of the version that a row is about, to look for conflicts; None of any other row.

        An id that is made from the whole row is no version: no two rows share it.
        """
        try:
            # Whether its cells are sound is asked when it is built: a row that is refused then does no harm here.
            whole = self._rows.whole(row)
            cells, texts = self._rows.read(row) if whole is None else (whole, whole)
            source, _, cvr, activity_id, own_id = self._names(texts)
            activity = activity_id or own_id
            if cvr is None or activity is None:
                return None
            version = mark(source, activity, self._milliseconds(cells))
        except UnbuildableError:
            return None
        return version, cvr, digest([texts[index] for index in self._said])

    def content(self, row: Row) -> tuple[bool, bytes] | None:
        """Whether a row retracts, and a digest of what its event says besides its id; None without an event."""
        event = self.build(row, {})
        if isinstance(event, Refusal):
            return None
        said = from_json(event.value)
        content = to_json([said["type"], said["subject"], said["data"]])
        return said["type"] == f"{TYPE_PREFIX}{RETRACTED}{TYPE_SUFFIX}", blake2b(content, digest_size=16).digest()

    def build(self, row: Row, conflicts: Mapping[bytes, str]) -> Event | Refusal:
        """The event of a row, or why there is none."""
        try:
            return self._build(row, conflicts)
        except UnbuildableError as fault:
            return Refusal(self._file, row.line, fault.field, fault.reason, row.last)

    def listed(self, row: Row) -> list[Cell]:
        """The cells of a row for the list of refused rows, where they are read again as they were here."""
        cells = list(row.cells or ())
        if self._padded:
            cells += [""] * (len(self._header) - len(cells))
        for name, rule in self._mapping.fields.items():
            index = self._columns[name][0]
            if rule.format and name not in self._templates and index < len(cells):
                cells[index] = listed(cells[index], rule.format)
        return cells

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
            if name in FREE_TEXT:
                return lambda texts, _: values.get(canonical(texts[index]), texts[index]) if values else texts[index]
            if name in _IDS and not values:  # seldom the same twice
                return lambda texts, _: self._id(name, index, canonical(texts[index]))
            if name == "outcomes":  # each of several is read for itself, and their separator may be a line break
                return lambda texts, _: texts[index]
            most = _COMPANIES if name == "subject" else _WORDS
            known = RememberedTexts(lambda text: values.get(canonical(text), canonical(text)), most, _SHORT)
            return lambda texts, _: known[texts[index]]

        first, *literals = parts[::2]
        own = self._subject if name != "subject" else -1
        holes = [*zip(indices, literals, strict=True)]
        checked = NO_ID if name in _IDS else ()

        def fill(texts: Sequence[str], subject: str) -> str:
            text = first
            for index, literal in holes:
                if index == own:
                    text += subject + literal
                elif cell := texts[index] if name == "outcomes" else canonical(texts[index]):
                    text += (self._id(name, index, cell) if cell[0] in checked else cell) + literal
                elif name == "outcomes":  # an empty cell says nothing
                    text += literal
                elif name == "title":  # half of one would be wrong, and nothing counts by it
                    return ""
                else:
                    raise UnbuildableError(name, f"the column {self._header[index]!r} is empty")
            return values.get(text, text)

        return fill

    def _id(self, name: str, index: int, text: str) -> str:
        """An id, or a part of one, in its canonical form."""
        if text[:1] in NO_ID and (why := why_no_id(text)):
            raise UnbuildableError(name, f"the column {self._header[index]!r} {why}")
        return text

    def _cell(self, name: str, cells: Sequence[Cell]) -> Cell:
        """A dated cell: as the workbook keeps it, or the text of a column or template."""
        if name not in self._templates:
            return cells[self._columns[name][0]]
        texts = iter([canonical(as_text(cells[index])) for index in self._columns[name]])
        return HOLE.sub(lambda _: next(texts), self._mapping.fields[name].column).strip()

    # ---- rows

    def _names(self, texts: Sequence[str]) -> tuple[str, str, int | None, str | None, str | None]:
        """Source, subject, CVR number, activity_id and id."""
        cvr, subject = self._company[self._read_subject(texts, "")]
        source = self._source if self._read_source is None else self._read_source(texts, subject)
        activity_id = None if self._read_activity_id is None else self._read_activity_id(texts, subject)
        return source, subject, cvr, activity_id, None if self._read_id is None else self._read_id(texts, subject)

    def _kind(self, texts: Sequence[str], subject: str = "") -> tuple[str, bool]:
        """The type of the event, and whether it retracts."""
        read = self._readers.get("type")
        return self._type[read(texts, subject) if read else str(self._mapping.type)]

    def _moment(self, cells: Sequence[Cell]) -> datetime:
        if "time" not in self._columns:
            return self.exported_at  # type: ignore[return-value]  # the constructor has seen to it
        try:
            return self._dated(read_moment, "time", self._cell("time", cells))
        except MomentError as fault:
            raise UnbuildableError("time", str(fault)) from None

    def _time(self, cells: Sequence[Cell]) -> str:
        """When the version was recorded, as events write it."""
        if self._times is not None:
            cell = cells[self._columns["time"][0]]
            if isinstance(cell, str) and (text := self._times.read(cell)) is not None:
                return text
        return rfc3339(self._moment(cells))

    def _milliseconds(self, cells: Sequence[Cell]) -> int:
        """The same since 1970 UTC, by which versions are ordered."""
        if self._times is not None:
            cell = cells[self._columns["time"][0]]
            if isinstance(cell, str) and (found := self._times.milliseconds(cell)) is not None:
                return found
        return round(self._moment(cells).timestamp() * 1000)

    def _build(self, row: Row, conflicts: Mapping[bytes, str]) -> Event:
        cells, texts = self._read_row(row)
        source, subject, cvr, activity_id, own_id = self._names(texts)
        time = self._time(cells)
        kind, retracted = self._kind(texts, subject)
        data: dict[str, Any] = {} if activity_id is None else {"activity_id": activity_id}
        if retracted:
            self._note_left_out(texts)
        else:
            self._state(data, cells, texts, subject)
        for name, read in self._plain:
            if not (retracted and name in NOT_RETRACTED) and (text := read(texts, subject)):
                if name in _OPTIONAL_IDS and text[0] in NO_ID and text[0] != "=" and why_no_id(text):
                    continue  # a database's NULL says the same as an empty cell
                data[name] = text
        if conflicts:
            activity = activity_id or own_id
            if activity and (why := conflicts.get(mark(source, activity, self._milliseconds(cells)))):
                raise UnbuildableError("activity_id", f"{activity!r} {why}")
        if own_id is None:
            # The instant of the export is no part of the row: the same row exported again keeps its id.
            stated = time if "time" in self._columns else None
            own_id = content_id([source, activity_id, kind, subject, stated, data])
        event = cloud_event(own_id, source=source, kind=kind, subject=subject, time=time, data=data)
        value = to_json(event)
        if len(value) > MAX_VALUE:
            raise UnbuildableError(
                "", f"its event would have {len(value):,} bytes, more than Kafka takes ({MAX_VALUE:,})"
            )
        return Event(None if cvr is None else subject.encode(), value, event)

    def _read_row(self, row: Row) -> tuple[Sequence[Cell], Sequence[str]]:
        """Its cells; of a retraction without a look at the columns of what it has not."""
        try:
            return self._rows.read(row)
        except UnbuildableError as fault:
            if fault.field not in NOT_RETRACTED:
                raise
            cells, texts = self._rows.read(row, unread=self._not_retracted)
            if not self._kind(texts)[1]:
                raise
            return cells, texts

    def _note_left_out(self, texts: Sequence[str]) -> None:
        for name in NOT_RETRACTED:
            if any(texts[index] for index in self._columns.get(name, ())):
                self.left_out.add(name)

    def _state(self, data: dict[str, Any], cells: Sequence[Cell], texts: Sequence[str], subject: str) -> None:
        """Day and outcomes of an activity."""
        if day := self._day(cells):
            data["occurred_on"] = day
        if "outcomes" in self._readers:
            outcomes = self._outcomes[self._readers["outcomes"](texts, subject)]
            if outcomes is not None:
                data["outcomes"] = outcomes

    def _day(self, cells: Sequence[Cell]) -> str | None:
        if "occurred_on" not in self._columns:
            return None
        cell = self._cell("occurred_on", cells)
        try:
            return self._days[cell] if isinstance(cell, str) else self._read_day(cell)
        except MomentError as fault:
            raise UnbuildableError("occurred_on", str(fault)) from None

    def _read_day(self, cell: Cell) -> str | None:
        # Without an activity_id the day of `time` is used.
        if "activity_id" not in self._columns and isinstance(cell, str) and not canonical(cell):
            return None
        return self._dated(read_day, "occurred_on", cell)

    def _dated(self, read: Callable[[Cell, str | None, ZoneInfo], _Read], name: str, cell: Cell) -> _Read:
        pattern = self._mapping.fields[name].format
        try:
            return read(cell, pattern, self._zone)
        except MomentError:
            if pattern and self._was_refused:
                with suppress(MomentError):
                    return read(cell, None, self._zone)
            raise


def _full_type(kind: str) -> tuple[str, bool]:
    """The type as events write it, and whether it retracts."""
    retracted = kind.removeprefix(TYPE_PREFIX).removesuffix(TYPE_SUFFIX) == RETRACTED
    return kind if kind.startswith(TYPE_PREFIX) else f"{TYPE_PREFIX}{kind}{TYPE_SUFFIX}", retracted
