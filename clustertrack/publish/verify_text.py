"""What `publish --verify` says: rows that are not counted as they are in the file, counts, and what the file lacks."""

from typing import Any, Final

from clustertrack.publish.held import HeldActivity, held_as_dict
from clustertrack.publish.snapshot_text import spelled_days
from clustertrack.publish.verdicts import AS_PLANNED, MEANING, Verdict
from clustertrack.publish.verify import Verified
from schemas.counts import counted, number, one_or_many
from schemas.errors import CheckFailed
from schemas.event_time import day_of
from schemas.people import masked
from schemas.screen import say, show
from schemas.visible import as_lines, json_lines, table

_SHOWN: Final = 100
"""Rows, and activities that a file lacks, that are printed; JSON has more."""
_IN_JSON: Final = 100_000


class VerifyReport:
    """Says what became of the rows of files."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._files: list[dict[str, Any]] = []
        self._not_counted = 0
        self._begin()

    def _begin(self) -> None:
        self._rows: list[dict[str, Any]] = []
        self._lacking: list[dict[str, Any]] = []
        self._said = 0

    def row(self, found: Verdict) -> None:
        """One row; those that are counted as they are in the file, or retract, are only counted."""
        if found.status in AS_PLANNED and found.status != "duplicate":
            return
        self._not_counted += found.status not in AS_PLANNED
        if self._as_json:
            if len(self._rows) < _IN_JSON:
                self._rows.append(_row_as_dict(found))
            return
        self._said += 1
        if self._said <= _SHOWN:
            say(_sentence(found))

    def lacking(self, one: HeldActivity) -> None:
        """One activity that the file lacks."""
        if len(self._lacking) < (_IN_JSON if self._as_json else _SHOWN):
            self._lacking.append(held_as_dict(one))

    def file(self, done: Verified) -> None:
        """One file is done."""
        if self._as_json:
            self._files.append(
                {
                    "file": done.file,
                    "rows": {status: done.rows[status] for status in MEANING},
                    "decided_by": [
                        {"registry_revision": revision, "rows": rows}
                        for revision, rows in sorted(done.decided_by.items())
                    ],
                    "not_as_in_file": self._rows,
                    "days": {source: [_iso(span.first), _iso(span.last)] for source, span in done.spans.items()},
                    "lacking": done.lacking,
                    "lacks": self._lacking,
                }
            )
        else:
            if self._said > _SHOWN:
                say(f"and {self._said - _SHOWN:,} more such rows; --json has them")
            counts = [
                [number(rows), one_or_many(rows, *meaning)]
                for status, meaning in MEANING.items()
                if (rows := done.rows[status])
            ]
            show(as_lines([f"{done.file}:"]))
            show(table(counts, indent="  "))
            for revision, rows in sorted(done.decided_by.items()):
                say(
                    f"  {number(rows)} of these {one_or_many(rows, 'was', 'were')} decided by revision {revision} of "
                    "the registry; the one in force would decide otherwise"
                )
            self._say_lacking(done)
        self._begin()

    def _say_lacking(self, done: Verified) -> None:
        for source, span in done.spans.items():
            say(f"  days of {source}: {spelled_days(span)}")
        if not done.spans:
            say("  no row has a day: what the file lacks cannot be asked")
            return
        if not done.lacking:
            say("  the ledger counts nothing in these days that the file lacks")
            return
        say(f"  {done.lacking:,} that the ledger counts in these days and the file lacks:")
        rows = [[one["activity_id"], one["company"], one["occurred_on"], one["type"]] for one in self._lacking]
        show(table(rows, indent="    "))
        if done.lacking > len(rows):
            say(f"    and {done.lacking - len(rows):,} more; --json has them")

    def finish(self) -> None:
        """Print the JSON answer; raise CheckFailed when a row is not counted as it is in its file."""
        if self._as_json:
            show(json_lines({"files": self._files}))
        if self._not_counted:
            rows = f"{counted(self._not_counted, 'row')} {one_or_many(self._not_counted, 'is', 'are')}"
            raise CheckFailed(
                f"{rows} not counted as in the file: see above why; for what was just sent, "
                "wait until `clustertrack status --wait 60` returns"
            )


def _row_as_dict(found: Verdict) -> dict[str, Any]:
    differences = [{**one._asdict(), "file": masked(one.file)} for one in found.differences]
    return {**found._asdict(), "differences": differences, "why": masked(found.why)}


def _sentence(found: Verdict) -> str:
    name = f" {found.activity_id}" if found.activity_id else ""
    said = [masked(found.why)] if found.why else []
    if found.status in ("other_content", "missing"):
        said += [
            f"{one.field}: {masked(one.file) or 'nothing'} in the file, {one.ledger or 'nothing'} in the ledger"
            for one in found.differences
        ]
    return f"line {found.line:,}:{name} {MEANING_OF_ONE[found.status]}: {'; '.join(said)}"


MEANING_OF_ONE: Final = {
    "other_content": "is counted with other content",
    "duplicate": "is a duplicate",
    "rejected": "was rejected",
    "missing": "never arrived",
    "refused": "is no event",
}


def _iso(days: int) -> str:
    return day_of(days).isoformat()
