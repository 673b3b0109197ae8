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
MEANING: Final[dict[Status, tuple[str, str]]] = {
    "counted": ("counted as in the file",) * 2,
    "retracted": ("retraction that holds", "retractions that hold"),
    "other_content": ("counted with other content, or retracted since",) * 2,
    "duplicate": ("duplicate of an earlier row of the file", "duplicates of an earlier row of the file"),
    "rejected": ("rejected by a worker",) * 2,
    "missing": ("never arrived",) * 2,
    "refused": ("row that cannot become an event", "rows that cannot become an event"),
}
"""The words for one row, and for several."""


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
    decided_by: int | None = None
    """Revision of the registry by which a counted row was decided, where the one in force would decide otherwise."""


def verdict(
    line: int,
    row: Activity,
    holds: Activity | None,
    same_time: Sequence[Activity],
    dead: Rejected | None,
    today: Activity | Sequence[Fault],
) -> Verdict:
    """What became of a row that is an event.

    Args:
        line: where it is.
        row: its version of the activity, with the cluster that it names itself.
        holds: the version that holds in the ledger.
        same_time: the ledger's versions with the row's time.
        dead: a rejected record with the row's value.
        today: what a worker would make of it now, or why it would reject it.
    """
    arrived = any(not _differences(row, one) for one in same_time)
    different = () if holds is None else tuple(_differences(row, holds))
    about = Verdict(line, "missing", row.source, row.activity_id, different)
    if holds is not None and not different:
        by = None if isinstance(today, Activity) and today.cluster == holds.cluster else holds.registry_revision
        return about._replace(status="retracted" if row.is_deleted else "counted", decided_by=by)
    if not arrived and dead is not None:
        return about._replace(status="rejected", why=f"{faults_text(dead.faults)}; see {dead.place}")
    if not arrived and not isinstance(today, Activity):
        return about._replace(why=f"a worker would reject it: {faults_text(today)}")
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
    """Where a row and a version of its activity say different things; the time that orders them is none.

    Nor is the cluster of a row that names none: the registry of its time gave it one.
    """
    ours, theirs = _said(row), _said(held)
    if not row.cluster:
        theirs.pop("cluster", None)
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
