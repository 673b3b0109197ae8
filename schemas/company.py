"""The company register: one version of a company, how it is read, and what holds on a day.

A version is the whole state of a company from `valid_from` on, until the next version begins. What holds on a day is
decided here and in the ledger's views `company_at` and `company_canonical`; the two agree (see tests/schemas).
"""

import json
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from operator import attrgetter
from typing import Annotated, Final, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, ValidationInfo
from pydantic import field_validator as check

from schemas.binding import MAX_FIELDS, parse
from schemas.classifications import (
    MAX_EMPLOYEES,
    ClassificationError,
    parse_employees,
    parse_industry,
    parse_legal_form,
    parse_region,
    region_of,
)
from schemas.cvr import CvrError, parse_cvr, sound_cvr
from schemas.faults import Fault, fault
from schemas.register_dates import DayError, read_register_day, sound_day

REQUIRED_COLUMNS: Final = (
    "cvr",
    "valid_from",
    "name",
    "legal_form",
    "employees",
    "region",
    "industry_scheme",
    "industry",
    "successor_cvr",
    "successor_from",
)
OPTIONAL_COLUMNS: Final = ("municipality", "ceased_on")
"""Columns of the register file, in any order; a contract."""

CODES: Final[dict[str, str]] = {
    "key_mismatch": "the record's key is not that of its value: CVR/valid_from, a registry's revision, a key's id",
    "invalid_employees": "neither a number of employees nor an interval of the CVR register",
    "unknown_region": "not a Danish NUTS 2 or NUTS 3 code",
    "unknown_municipality": "not the number of a Danish municipality",
    "region_disagrees": "the municipality does not lie in the region",
    "unknown_industry_scheme": "the scheme is DB07, DB25, NACE2 or NACE2.1",
    "invalid_industry": "not a code of that scheme",
    "invalid_legal_form": "a legal form is a number of 1 to 3 digits",
    "successor_is_itself": "a company cannot be its own successor",
    "revision_in_future": "the revision is more than a minute later than the arrival of the record",
}
"""Code -> meaning, in addition to those in `schemas.faults` that register records share with events."""

LATEST_REVISION_MS: Final = 60_000
"""How far a revision may be ahead of its record's arrival: `companies load` takes it from a clock that need not be the
broker's. One that is ahead keeps other statements of the company out for so long, so it is no more than clocks need."""
MOST_MERGERS: Final = 100
"""Mergers in a row that are followed from one company; the view `company_canonical` has the same number. What a chain
costs workers and views has to end somewhere, and chains of real registers are far shorter."""
_MAX_NAME: Final = 500
_T = TypeVar("_T")


_CODED: Final = (CvrError, ClassificationError, DayError)
"""Errors that carry the code of a fault."""


def _sound_region(nuts: str) -> str:
    if parse_region(nuts) != nuts:
        raise ClassificationError("unknown_region", nuts)
    return nuts


def _sound_legal_form(code: str) -> str:
    if parse_legal_form(code) != code:
        raise ClassificationError("invalid_legal_form", code)
    return code


_Cvr = Annotated[int, AfterValidator(sound_cvr)]
_Day = Annotated[date, AfterValidator(sound_day)]


class CompanyVersion(BaseModel):
    """The state of one company from a day on; every field in the form in which the ledger stores it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    cvr: _Cvr
    valid_from: _Day
    """First day on which this state holds."""
    revision: Annotated[int, Field(ge=0, lt=2**63)]
    """As-of instant of the register extract, ms since 1970 UTC; of one company and `valid_from` the highest holds."""
    withdrawn: bool = False
    """This version never held."""
    name: Annotated[str, StringConstraints(max_length=_MAX_NAME)] = ""
    legal_form: Annotated[str, AfterValidator(_sound_legal_form)] = ""
    employees: int | None = None
    employees_is_band: bool = False
    """`employees` is the lower bound of an interval."""
    nuts: Annotated[str, AfterValidator(_sound_region)] = ""
    """The most detailed NUTS code known."""
    industry_scheme: str = ""
    industry: str = ""
    successor_cvr: _Cvr | None = None
    """Company that this one was merged into from `valid_from` on; None: an earlier one stays in force."""
    ceased_on: _Day | None = None
    """Day on which the company ceased; None while it is active."""

    @check("employees")
    @classmethod
    def _employees(cls, employees: int | None) -> int | None:
        if employees is not None and not 0 <= employees <= MAX_EMPLOYEES:
            raise ClassificationError("invalid_employees", str(employees))
        return employees

    @check("employees_is_band")
    @classmethod
    def _band_has_a_bound(cls, is_band: bool, info: ValidationInfo) -> bool:
        if is_band and info.data.get("employees", 0) is None:
            raise ClassificationError("invalid_employees", "a band without its lower bound")
        return is_band

    @check("industry")
    @classmethod
    def _industry_of_scheme(cls, industry: str, info: ValidationInfo) -> str:
        scheme = info.data.get("industry_scheme", "")
        if parse_industry(scheme, industry)[1] != industry:
            raise ClassificationError("invalid_industry", industry)
        return industry

    @property
    def key(self) -> bytes:
        """Key on Kafka, `13748136/1999-01-01`: compaction keeps every version."""
        return f"{self.cvr:08d}/{self.valid_from.isoformat()}".encode()

    def to_json(self) -> bytes:
        """Value on Kafka: every field, sorted, without spaces, as UTF-8; equal versions are equal bytes."""
        fields = self.model_dump(mode="json")
        return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


class RegisterRow(CompanyVersion):
    """One row of a register file: a version, and the successor that it names from another day than its own.

    As a version it is right as it is: `successor_cvr` is set only if the successor counts from `valid_from`.
    """

    other_successor: Annotated[_Cvr | None, Field(exclude=True)] = None
    """Successor that counts from `successor_from`, which is not `valid_from`; None without one. Where no version starts
    on that day the loader adds one with the attributes in force, else it names the successor in that version."""
    successor_from: Annotated[_Day | None, Field(exclude=True)] = None
    """First day of `other_successor`."""

    @property
    def version(self) -> CompanyVersion:
        """The row as a plain version."""
        return CompanyVersion.model_validate({name: getattr(self, name) for name in CompanyVersion.model_fields})


def read_company(key: bytes | None, value: bytes | None, arrived: int) -> CompanyVersion | list[Fault]:
    """One record of the register topic, or everything wrong with it. Never raises.

    Args:
        key: the record's key.
        value: its value.
        arrived: when it arrived by the broker's clock (LogAppendTime), ms since 1970 UTC.
    """
    if value is None:
        return [fault("", "tombstone")]
    if len(value) > _LONG:  # each field that does not belong there costs a fault: they are counted first
        document = parse(value)
        if isinstance(document, dict) and len(document) > MAX_FIELDS:
            return [fault("", "too_many_fields", len(document))]
    try:
        version = CompanyVersion.model_validate_json(value)
    except ValidationError as error:
        return _structure_faults(error, value)
    faults = []
    if key != version.key:
        faults.append(fault("", "key_mismatch", "" if key is None else key.decode("utf-8", "backslashreplace")))
    if version.revision > arrived + LATEST_REVISION_MS:
        faults.append(fault("revision", "revision_in_future", version.revision))
    return faults or version


_LONG: Final = 16 << 10
"""Bytes from which the fields of a record are counted before it is validated; a real one has a few hundred."""
_STRUCTURE: Final = {
    "missing": "missing",
    "extra_forbidden": "extra_field",
    "string_too_long": "too_long",
    "date_type": "invalid_date",
    "date_parsing": "invalid_date",
    "date_from_datetime_parsing": "invalid_date",
    "date_from_datetime_inexact": "invalid_date",
}
"""pydantic's error types -> our codes; any other is a wrong JSON type."""


def _structure_faults(error: ValidationError, value: bytes) -> list[Fault]:
    faults = []
    for one in error.errors(include_url=False):
        if one["type"] in ("json_invalid", "model_type"):
            try:
                return [fault("", "invalid_json", value.decode("utf-8"))]
            except UnicodeDecodeError:
                return [fault("", "invalid_utf8", value.decode("utf-8", "backslashreplace"))]
        field = ".".join(str(part) for part in one["loc"])
        if one["type"] == "value_error":
            code = one["ctx"]["error"].code
        elif one["input"] is None and field in ("cvr", "valid_from", "revision"):
            code = "missing"
        else:
            code = _STRUCTURE.get(one["type"], "invalid_type")
        faults.append(fault(field, code, "" if code == "missing" else one["input"]))
    return faults


# ---- what holds on a day


def standing(versions: Iterable[CompanyVersion]) -> list[CompanyVersion]:
    """The versions of one company that hold, by `valid_from`: of each day the highest revision, unless withdrawn.

    Of equal revisions the first given, as the ledger keeps the one that was known first.
    """
    newest: dict[date, CompanyVersion] = {}
    for version in versions:
        other = newest.get(version.valid_from)
        if other is None or version.revision > other.revision:
            newest[version.valid_from] = version
    return [newest[day] for day in sorted(newest) if not newest[day].withdrawn]


_valid_from: Final = attrgetter("valid_from")


def attributes_as_at(versions: Sequence[CompanyVersion], day: date) -> CompanyVersion | None:
    """The version whose attributes a company has on a day, as in the view `company_at`.

    The version with the greatest `valid_from` up to the day; before the first, the first. A version from the day on
    which the company ceased, or later, takes the attributes of the last one before that day. Successors are not
    followed here (see `canonical`): only the attributes of the result count, not its `successor_cvr` and `ceased_on`.

    Args:
        versions: those of one company that hold (see `standing`), by `valid_from`.
        day: the day asked for.

    Returns:
        One of the versions; None when there is none.
    """
    if not versions:
        return None
    version = versions[max(0, bisect_right(versions, day, key=_valid_from) - 1)]
    ceased_on = version.ceased_on
    if ceased_on is None or ceased_on > version.valid_from or versions[0].valid_from >= ceased_on:
        return version
    return versions[bisect_left(versions, ceased_on, key=_valid_from) - 1]


def canonical(cvr: int, day: date, versions_of: Callable[[int], Sequence[CompanyVersion]]) -> tuple[int, bool]:
    """The company as which another counts on a day, as in the view `company_canonical`.

    A successor stays in force until another is named, or the version that named it is withdrawn. Chains are followed to
    the end, whether or not the register knows the company there; one of more than MOST_MERGERS has none, like a cycle.

    Args:
        cvr: the company as reported.
        day: the day asked for.
        versions_of: the versions of a company that hold (see `standing`), by `valid_from`; empty when unknown. Those
            that name no successor may be missing.

    Returns:
        The company at the end of the chain and False; or the company itself and True when the chain has no end.
    """
    path = {cvr}
    end = cvr
    while (following := _successor(versions_of(end), day)) is not None:
        if following in path or len(path) > MOST_MERGERS:
            return cvr, True
        path.add(following)
        end = following
    return end, False


def _successor(versions: Sequence[CompanyVersion], day: date) -> int | None:
    for number in range(bisect_right(versions, day, key=_valid_from) - 1, -1, -1):
        if versions[number].successor_cvr is not None:
            return versions[number].successor_cvr
    return None


# ---- the register file


class _Cells:
    """The cells of one row, read one by one; what cannot be read becomes a fault of its column."""

    def __init__(self, row: Mapping[str, str]) -> None:
        # A row that is too short has None where csv.DictReader found no cell.
        self._cells = {column: (row.get(column) or "").strip() for column in REQUIRED_COLUMNS + OPTIONAL_COLUMNS}
        self.faults: list[Fault] = []

    def __getitem__(self, column: str) -> str:
        return self._cells[column]

    def read(self, column: str, reader: Callable[[str], _T], *, needed: bool = False) -> _T | None:
        """What the reader makes of a cell; None when it is empty or cannot be read."""
        text = self[column]
        if not text:
            if needed:
                self.refuse(column, "missing")
            return None
        try:
            return reader(text)
        except _CODED as error:
            self.refuse(column, error.code)
            return None

    def refuse(self, column: str, code: str) -> None:
        self.faults.append(fault(column, code, self[column]))


def version_from_row(row: Mapping[str, str], revision: int) -> RegisterRow | list[Fault]:
    """One row of a register file as a version, or everything wrong with it; the field of a fault is the column.

    An empty cell is unknown. CVR numbers are read as in events, days as YYYY-MM-DD, leading zeros of municipality and
    industry codes are restored by length.

    Args:
        row: column -> cell, as csv.DictReader gives it. Columns that the contract does not know are not looked at.
        revision: as-of instant of the extract, ms since 1970 UTC.
    """
    cells = _Cells(row)
    cvr = cells.read("cvr", parse_cvr, needed=True)
    valid_from = cells.read("valid_from", read_register_day, needed=True)
    if len(cells["name"]) > _MAX_NAME:
        cells.refuse("name", "too_long")
    legal_form = cells.read("legal_form", parse_legal_form) or ""
    employees, is_band = cells.read("employees", parse_employees) or (None, False)
    nuts = cells.read("region", parse_region) or ""
    nuts = cells.read("municipality", lambda text: region_of(nuts, text)) or nuts
    scheme, industry = _industry(cells)
    successor_cvr = cells.read("successor_cvr", parse_cvr)
    successor_from = cells.read("successor_from", read_register_day)
    if cells["successor_from"] and not cells["successor_cvr"]:
        cells.refuse("successor_cvr", "missing")
    if successor_cvr is not None and successor_cvr == cvr:
        cells.refuse("successor_cvr", "successor_is_itself")
    ceased_on = cells.read("ceased_on", read_register_day)
    if cells.faults or cvr is None or valid_from is None:
        return cells.faults
    elsewhere = successor_from not in (None, valid_from)
    return RegisterRow(
        cvr=cvr,
        valid_from=valid_from,
        revision=revision,
        name=cells["name"],
        legal_form=legal_form,
        employees=employees,
        employees_is_band=is_band,
        nuts=nuts,
        industry_scheme=scheme,
        industry=industry,
        successor_cvr=None if elsewhere else successor_cvr,
        ceased_on=ceased_on,
        other_successor=successor_cvr if elsewhere else None,
        successor_from=successor_from if elsewhere else None,
    )


def _industry(cells: _Cells) -> tuple[str, str]:
    try:
        return parse_industry(cells["industry_scheme"], cells["industry"])
    except ClassificationError as error:
        cells.refuse("industry" if error.code == "invalid_industry" else "industry_scheme", error.code)
        return "", ""
