"""The rules of the register file: from the rows of one company to the records that make the topic say the same. Pure.

1. `combine`: the rows of one company -> its versions. A successor counts from its own day, the end of the company from
   the day it ceased; where no version starts on that day one is added, with the attributes then in force.
2. `statement`: versions -> records. The file states all versions of each company that it lists, so what the topic has
   beyond them is withdrawn; and a newer statement that the topic already has wins.

Every version of a listed company is sent, changed or not: the revision on the topic is the only trace of when the
company was last stated, and without it an older extract could win later (compaction keeps the last record of a key,
regardless of its revision).
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import date
from hashlib import blake2b
from operator import attrgetter
from typing import Final, NamedTuple

from schemas.company import CODES as COMPANY_CODES
from schemas.company import CompanyVersion, RegisterRow
from schemas.faults import CODES, Fault
from schemas.register_dates import FIRST_DAY, LAST_DAY

_ABOUT_ANOTHER_DAY: Final = ("successor_cvr", "successor_from", "ceased_on")
"""Columns that may count from another day than the row's own."""


_DAYS: Final = {
    "date_too_early": f"the day is before {FIRST_DAY.isoformat()}: correct the year",
    "date_too_late": f"the day is after {LAST_DAY.isoformat()}: leave the cell empty when there is no such day",
}
"""The register has other limits than events."""


class StatedRow(NamedTuple):
    """A sound row of the file, and the line on which it begins."""

    line: int
    row: RegisterRow


class Contradiction(NamedTuple):
    """Two rows of one company that cannot both hold."""

    line: int
    field: str
    reason: str


class Known(NamedTuple):
    """What the topic says of one key."""

    revision: int
    withdrawn: bool
    digest: bytes


class Statement(NamedTuple):
    """What to send for one company.

    Attributes:
        records: its versions, then its withdrawals.
        changed: how many of the versions are new on the topic or say something else than before.
        withdrawn: how many withdrawals.
        outdated: the topic has a newer statement; nothing to send.
        clash: the topic has another statement of the same instant; nothing to send.
    """

    records: Sequence[CompanyVersion] = ()
    changed: int = 0
    withdrawn: int = 0
    outdated: bool = False
    clash: bool = False


def describe(faults: Sequence[Fault]) -> tuple[str, str]:
    """(column of the first fault, all faults in words)."""
    words = []
    for fault in faults:
        meaning = _DAYS.get(fault.code) or COMPANY_CODES.get(fault.code) or CODES[fault.code]
        words.append(f"{fault.field}{f' {fault.value!r}' if fault.value else ''}: {meaning}")
    return faults[0].field, "; ".join(words)


def combine(rows: Sequence[StatedRow]) -> list[CompanyVersion] | Contradiction:
    """The versions of one company, by `valid_from`; or the first pair of rows that contradict each other.

    Args:
        rows: all rows of one company, in any order.
    """
    stated: dict[date, StatedRow] = {}
    successors: dict[date, tuple[int, int]] = {}
    for one in rows:
        other = stated.setdefault(one.row.valid_from, one)
        if _own(other.row) != _own(one.row):
            return Contradiction(one.line, "valid_from", f"line {other.line} states the same day differently")
        named = one.row.other_successor or one.row.successor_cvr
        if named is not None:
            since = one.row.successor_from or one.row.valid_from
            line, successor = successors.setdefault(since, (one.line, named))
            if successor != named:
                return Contradiction(one.line, "successor_cvr", f"line {line} names another successor for {since}")
    ends = sorted({one.row.ceased_on for one in rows if one.row.ceased_on is not None})
    own_days = sorted(stated)
    versions = []
    for day in sorted({*stated, *successors, *ends}):
        # Before the first version the first one's attributes hold.
        in_force = stated[own_days[max(0, bisect_right(own_days, day) - 1)]].row
        fields = {name: getattr(in_force, name) for name in CompanyVersion.model_fields}
        ended = bisect_right(ends, day)
        fields |= {
            "valid_from": day,
            "successor_cvr": successors[day][1] if day in successors else None,
            # Written on the version of that day and on every later one; not before (design, clickhouse.md, rule 9).
            "ceased_on": ends[ended - 1] if ended else None,
        }
        # Every value was checked with its row.
        versions.append(CompanyVersion.model_construct(**fields))
    return versions


def _own(row: RegisterRow) -> tuple[object, ...]:
    return tuple(getattr(row, name) for name in CompanyVersion.model_fields if name not in _ABOUT_ANOTHER_DAY)


_revision_of: Final = attrgetter("revision")


def statement(versions: Sequence[CompanyVersion], known: Mapping[date, Known], *, withdraw: bool = True) -> Statement:
    """What to send so that the topic states exactly these versions of one company.

    Args:
        versions: all of the company, of one revision; at least one.
        known: `valid_from` -> what the topic says, the highest revision of each.
        withdraw: whether what the file lacks is withdrawn.
    """
    revision = versions[0].revision
    newest = max(map(_revision_of, known.values()), default=-1)
    if newest > revision:
        return Statement(outdated=True)
    digests = {version.valid_from: digest(version) for version in versions}
    for day, one in known.items():
        # Of one instant: a repetition says the same, or less if it was broken off.
        if one.revision == revision and (
            one.digest != digests.get(day, one.digest) or one.withdrawn == (day in digests)
        ):
            return Statement(clash=True)
    changed = sum(day not in known or known[day].digest != content for day, content in digests.items())
    withdrawn = [
        CompanyVersion(cvr=versions[0].cvr, valid_from=day, revision=revision, withdrawn=True)
        for day, one in sorted(known.items())
        if withdraw and day not in digests and not one.withdrawn
    ]
    return Statement([*versions, *withdrawn], changed, len(withdrawn))


def digest(version: CompanyVersion) -> bytes:
    """8 bytes of what a version says, its revision left out."""
    said = tuple(getattr(version, name) for name in CompanyVersion.model_fields if name != "revision")
    return blake2b(repr(said).encode("utf-8", "surrogatepass"), digest_size=8).digest()
