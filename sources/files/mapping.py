"""The mapping file: which column of a spreadsheet becomes which field of an event, and how its cells are written.

`export.mapping.toml` next to `export.csv`, or the one named by `--mapping`. Without one the columns carry the event's
own field names. docs/crm-teams.md describes every key.
"""

import codecs
import re
from collections.abc import Iterable
from datetime import date, datetime, time
from pathlib import Path
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from schemas.bounded_toml import MAX_BYTES, read_toml
from schemas.envelope import EventData
from schemas.errors import UsageFault
from schemas.own_files import read_within
from schemas.people import masked
from sources.files.cell_dates import read_moment
from sources.files.cell_texts import canonical
from sources.files.date_formats import MomentError, check_format

_ATTRIBUTES: Final = ("subject", "id", "source", "type", "time")
FIELDS: Final = (*_ATTRIBUTES, *EventData.__annotations__)
"""What a column can become: an attribute of the event, or a field of its `data`."""

HOLE: Final = re.compile(r"\{([^{}]+)\}")
"""A heading in a template."""

_SHOWN: Final = 300
"""Characters of a message or key that are shown."""

_OTHER_ZONES: Final = ("localtime", "posixrules", "Factory", "posix/", "right/")
"""Names that are read too, and mean what this machine has, no zone, or one with leap seconds."""

RETRACTED: Final = "activity.retracted"
_BOOLEANS: Final = (("SAND", "TRUE"), ("FALSK", "FALSE"))
_DATED: Final = ("time", "occurred_on")


def _known_field(name: str) -> str:
    if name not in FIELDS:
        raise ValueError(f"there is no such field; the fields are {', '.join(FIELDS)}")
    return name


def _text_or_table(value: object) -> object:
    """`subject = "CVR"` is short for `subject = {column = "CVR"}`."""
    return {"column": value} if isinstance(value, str) else value


def _known_encoding(name: str) -> str:
    try:
        "".encode(codecs.lookup(name).name)
    except LookupError:
        raise ValueError(f"{name!r} is not a text encoding; Excel writes cp1252 or utf-8") from None
    return name


def _known_zone(name: str) -> str:
    try:
        known = not name.startswith(_OTHER_ZONES) and bool(ZoneInfo(name).key)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        known = False
    if not known:
        raise ValueError(f"{name!r} is not a time zone like Europe/Copenhagen")
    if "/" not in name or name.startswith("Etc/"):
        winter, summer = (datetime(2018, month, 1, tzinfo=ZoneInfo(name)).utcoffset() for month in (1, 7))
        if winter == summer and winter:
            raise ValueError(
                f"{name!r} is {datetime(2018, 1, 1, tzinfo=ZoneInfo(name)):%z} from UTC all year, without summer time: "
                "write the place whose clock it is, such as Europe/Copenhagen"
            )
    return name


def _instant_as_text(value: object) -> object:
    """TOML has instants of its own; a day or a time of day alone is left for the check of the text."""
    return value.isoformat() if isinstance(value, datetime | date | time) else value


def _one_character(separator: str) -> str:
    if len(separator) != 1 or separator in '"\r\n':
        raise ValueError(f'{separator!r} is not a separator: write one character, such as ";", "," or "\\t" for a tab')
    return separator


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ColumnRule(_Strict):
    """Where a field comes from.

    Attributes:
        column: a column's heading, or a template with headings in braces (`{Workshop}/{CVR-nr}`).
        format: strptime format of `time` and `occurred_on`; without one ISO 8601.
        values: cell -> what the event says instead; a cell that is not listed is passed on as it is.
        separator: between several `outcomes` in one cell.
    """

    column: Annotated[str, Field(min_length=1, max_length=1_000)]
    format: Annotated[str, Field(min_length=2, max_length=100)] | None = None
    values: dict[str, str] | None = None
    separator: Annotated[str, Field(min_length=1)] = "|"

    @model_validator(mode="after")
    def _words_differ(self) -> "ColumnRule":
        seen: dict[str, tuple[str, str]] = {}
        for cell, value in (self.values or {}).items():
            other, said = seen.setdefault(canonical(cell), (cell, value))
            if said != value:
                raise ValueError(f"values: {other!r} and {cell!r} are one text, and say {said!r} and {value!r}")
        return self

    @property
    def words(self) -> dict[str, str]:
        """`values` by the canonical form of the cell; Excel shows its own words for true and false in each language."""
        words = {canonical(cell): value for cell, value in (self.values or {}).items()}
        for one, other in (*_BOOLEANS, *((english, danish) for danish, english in _BOOLEANS)):
            if one in words:
                words.setdefault(other, words[one])
        return words

    @property
    def columns(self) -> list[str]:
        """The headings that `column` names."""
        return HOLE.findall(self.column) or [self.column]


class Mapping(_Strict):
    """The whole file; see the module's docstring."""

    source: Annotated[str, Field(min_length=1)] | None = None
    type: Annotated[str, Field(min_length=1)] | None = None
    exported_at: Annotated[str | None, BeforeValidator(_instant_as_text)] = None
    encoding: Annotated[str, AfterValidator(_known_encoding)] | None = None
    separator: Annotated[str, AfterValidator(_one_character)] | None = None
    timezone: Annotated[str, AfterValidator(_known_zone)] = "Europe/Copenhagen"
    sheet: Annotated[str, Field(min_length=1)] | None = None
    fields: dict[Annotated[str, AfterValidator(_known_field)], Annotated[ColumnRule, BeforeValidator(_text_or_table)]]

    @property
    def zone(self) -> ZoneInfo:
        """Zone of times that are written without one."""
        return ZoneInfo(self.timezone)

    def exported(self, given: str | None) -> datetime | None:
        """The instant of the export: `given` on the command line, else the mapping's own, else None.

        Raises:
            MomentError: unreadable, or a day alone.
        """
        text = given or self.exported_at
        return read_moment(text.strip(), None, self.zone) if text else None

    @model_validator(mode="after")
    def _complete(self) -> "Mapping":
        for name in ("source", "type"):
            if (getattr(self, name) is None) == (name not in self.fields):
                raise ValueError(f"{name}: give it once, either for the file or as fields.{name}")
        if "subject" not in self.fields:
            raise ValueError("fields.subject: name the column of the CVR number")
        for name, rule in self.fields.items():
            if rule.format and name not in _DATED:
                raise ValueError(f"fields.{name}.format: only {' and '.join(_DATED)} have a format")
            if rule.format:
                try:
                    check_format(rule.format, clock=name == "time")
                except MomentError as fault:
                    raise ValueError(f"fields.{name}.format: {fault}") from None
        if "activity_id" in self.fields and "occurred_on" not in self.fields and self.type not in (None, RETRACTED):
            raise ValueError("fields.occurred_on: an event with an activity_id needs the day of the activity")
        if self.exported_at is not None:
            try:
                self.exported(None)
            except MomentError as fault:
                raise ValueError(f"exported_at: {fault}") from None
        return self


def mapping_path(path: Path) -> Path:
    """`export.csv` -> `export.mapping.toml`."""
    return path.with_suffix(".mapping.toml")


def load_mapping(path: Path) -> Mapping:
    """Read a mapping file.

    Raises:
        UsageFault: with the file and the key.
    """
    try:
        content = read_toml(read_within(path, MAX_BYTES).decode("utf-8-sig").replace("\r\n", "\n"))
    except OSError as error:
        raise UsageFault(f"mapping {path} cannot be read ({error.strerror or error})") from error
    except UnicodeDecodeError:
        raise UsageFault(f"mapping {path} is not UTF-8: save it as UTF-8") from None
    except ValueError as error:
        raise UsageFault(f"mapping {path} is not TOML: {str(error)[:_SHOWN]}") from error
    return _validated(content, str(path))


def own_names(path: Path, header: Iterable[str]) -> Mapping:
    """The mapping of a file without one: every column is named like a field of the event.

    Raises:
        UsageFault: a column that is no field, or one that is needed and missing.
    """
    names = [name for name in header if name]
    unknown = [name for name in names if name not in FIELDS]
    advice = f"write {mapping_path(path).name} next to it, or give --mapping"
    if unknown:
        raise UsageFault(
            f"{path} has the unknown column {masked(unknown[0])!r}: without a mapping the columns must be called "
            f"{', '.join(FIELDS)}; {advice}"
        )
    needed = [name for name in ("subject", "source", "type") if name not in names]
    if needed:
        raise UsageFault(f"{path} has no column {needed[0]!r} and no mapping: {advice}")
    return _validated({"fields": {name: name for name in names}}, f"of {path} (by its own column names)")


def _validated(content: dict[str, Any], name: str) -> Mapping:
    try:
        return Mapping.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"] if part != "[key]")
        message = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            message = "there is no such key"
        raise UsageFault(f"mapping {name}: {place[:_SHOWN] + ': ' if place else ''}{message[:_SHOWN]}") from error
