"""What became of a row of a file, by what the ledger holds. Pure: `clustertrack.publish.verify` asks the ledger."""

import json
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from clustertrack.publish.held import Rejected
from schemas.event_time import day_of
from schemas.events import Activity
from schemas.faults import CODES, Fault

Status = Literal["counted", "retracted", "other_content", "duplicate", "rejected", "missing", "refused"]

AS_PLANNED: Final[tuple[Status, ...]] = ("counted", "retracted", "duplicate")
"""What becomes of a row when everything is right."""
MEANING: Final[dict[Status, str]] = {
    "counted": "counted as in the file",
    "retracted": "retractions that hold",
    "other_content": "counted with other content, or retracted since",
    "duplicate": "duplicates of an earlier row of the file",
    "rejected": "rejected by a worker",
    "missing": "never arrived",
    "refused": "rows from which no event can be made",
}


class Difference(NamedTuple):
    """A field that says something else in the ledger."""

    field: str
    file: str
    ledger: str


class Verdict(NamedTuple):
    """What became of one row."""

    line: int
    status: Status
    source: str = ""
    activity_id: str = ""
    differences: tuple[Difference, ...] = ()
    why: str = ""
    """A part of a sentence."""


def verdict(
    line: int, row: Activity, holds: Activity | None, same_time: Sequence[Activity], dead: Rejected | None
) -> Verdict:
    """What became of a row that is an event.

    Args:
        line: where it is.
        row: its version of the activity.
        holds: the version that holds in the ledger.
        same_time: the ledger's versions with the row's time.
        dead: a rejected record with the row's value.
    """
    arrived = any(not _differences(row, one) for one in same_time)
    different = () if holds is None else tuple(_differences(row, holds))
    about = Verdict(line, "missing", row.source, row.activity_id, different)
    if holds is not None and not different:
        return about._replace(status="retracted" if row.is_deleted else "counted")
    if not arrived and dead is not None:
        return about._replace(status="rejected", why=f"{faults_text(dead.faults)}; see {dead.place}")
    if holds is None:
        return about._replace(why="the ledger has no version of it")
    if not arrived and holds.recorded_at < row.recorded_at:
        return about._replace(why="an older version holds")
    return about._replace(
        status="other_content",
        why="a later version holds" if arrived else "another version holds, this one did not arrive",
    )


def says_the_same(row: Activity, holds: Activity | None) -> bool:
    """Whether the version that holds says what a row says."""
    return holds is not None and not _differences(row, holds)


def faults_text(faults: Sequence[Fault]) -> str:
    """Faults as a part of a sentence."""
    parts = []
    for one in faults:
        field = f"{one.field}: " if one.field else ""
        parts.append(f"{field}{CODES.get(one.code, one.code)}" + (f" ({one.value})" if one.value else ""))
    return "; ".join(parts)


def _differences(row: Activity, held: Activity) -> list[Difference]:
    """Where two versions of one activity say different things; the time that orders them is none."""
    ours, theirs = _said(row), _said(held)
    return [
        Difference(name, ours.get(name, ""), theirs.get(name, ""))
        for name in dict.fromkeys((*ours, *theirs))
        if ours.get(name, "") != theirs.get(name, "")
    ]


def _said(version: Activity) -> dict[str, str]:
    """What a version says, field by field, as text; a retraction says no more than why."""
    details = {name: str(text) for name, text in json.loads(version.details).items()}
    said = {"retracted": "yes" if version.is_deleted else "no", "subject": f"{version.company_id:08d}"}
    if not version.is_deleted:
        outcomes = ", ".join(version.reported) or "none"
        said |= {
            "type": version.event_type,
            "occurred_on": day_of(version.occurred_on).isoformat(),
            "outcomes": outcomes if version.outcomes_given else "not stated",
            "cluster": version.cluster,
            "membership": version.membership,
        }
    return said | details
