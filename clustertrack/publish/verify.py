"""`publish --verify`: reads files again, and asks the ledger what became of each row. Memory is bounded."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple

from clustertrack.publish import held
from clustertrack.publish.file_index import FileIndex, Span
from clustertrack.publish.held import HeldActivity
from clustertrack.publish.verdicts import Status, Verdict, faults_text, says_the_same, verdict
from schemas.events import Activity
from schemas.faults import Fault
from sources.files.file_publisher import Conflicts, Input, Track, events_of
from sources.files.judged_rows import FileJudge
from sources.files.refused_rows import Refusal

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

_ROWS: Final = 1_000
_NAMES: Final = 60_000
"""Rows that are looked up at once, and characters of their names: a request has a limit."""


@dataclass
class Verified:
    """What became of one file."""

    file: str
    rows: Counter[Status] = field(default_factory=Counter)
    decided_by: Counter[int] = field(default_factory=Counter)
    """Revision of the registry -> rows that count by it and that the one in force would decide otherwise."""
    lacking: int = 0
    """Activities that the ledger counts in the file's days and the file has not."""
    spans: dict[str, Span] = field(default_factory=dict)


def verify(
    client: "Client",
    database: str,
    source: Input,
    *,
    reader: FileJudge,
    judge: FileJudge,
    conflicts: Conflicts,
    track: Track,
    on_row: Callable[[Verdict], object],
    on_lacking: Callable[[HeldActivity], object],
) -> Verified:
    """What became of each row of a file, and what the ledger counts of its sources in its days that it lacks.

    Args:
        client: of the ledger.
        database: the ledger's.
        source: the file.
        reader: judges by no registry, as the ledger may hold what the one in force has no place for.
        judge: as workers judge now.
        conflicts: as for sending.
        track: shows how much is done.
        on_row: called with each row's verdict, in no particular order.
        on_lacking: called with each activity that the file lacks.

    Raises:
        FileFault
    """
    done = Verified(str(source.path))

    def tell(found: Verdict) -> None:
        done.rows[found.status] += 1
        if found.decided_by is not None:
            done.decided_by[found.decided_by] += 1
        on_row(found)

    with FileIndex() as index:
        with track("reading", source) as progress:
            for line, _, read in events_of(source, reader, conflicts, progress):
                if isinstance(read, Activity):
                    index.add(line, read)
        repeats = index.repeats()
        waiting: list[_Row] = []
        wrong: list[tuple[int, list[Fault], bytes]] = []
        names = 0
        with track("verifying", source) as progress:
            for line, record, read in events_of(source, reader, conflicts, progress):
                if isinstance(record, Refusal):
                    tell(
                        Verdict(
                            line, "refused", why=f"{record.field}: {record.reason}" if record.field else record.reason
                        )
                    )
                elif isinstance(read, Activity) and line in repeats:
                    why = f"says the same as line {repeats[line]:,}"
                    tell(Verdict(line, "duplicate", read.source, read.activity_id, why=why))
                else:
                    today, digest = judge.activity(record), sha256(record.value).digest()
                    if isinstance(read, Activity):
                        waiting.append(_Row(line, read, digest, today))
                        names += len(read.source) + len(read.activity_id)
                    else:
                        wrong.append((line, read if isinstance(today, Activity) else today, digest))
                if len(waiting) + len(wrong) >= _ROWS or names >= _NAMES:
                    _look_up(client, database, waiting, wrong, tell)
                    waiting, wrong, names = [], [], 0
            _look_up(client, database, waiting, wrong, tell)
        done.spans = index.spans
        for part in index.parts():
            for name, span in index.spans.items():
                for one in held.lacking(client, database, name, span, part):
                    done.lacking += 1
                    on_lacking(one)
    return done


class _Row(NamedTuple):
    """A row that can be an event."""

    line: int
    read: Activity
    digest: bytes
    """SHA-256 of its record's value."""
    today: Activity | list[Fault]
    """What a worker would make of it now."""


def _look_up(
    client: "Client",
    database: str,
    rows: Sequence[_Row],
    wrong: Sequence[tuple[int, list[Fault], bytes]],
    tell: Callable[[Verdict], object],
) -> None:
    names = [(row.read.source, row.read.activity_id) for row in rows]
    holds = held.newest(client, database, names) if names else {}
    other = [row for row, name in zip(rows, names, strict=True) if not says_the_same(row.read, holds.get(name))]
    times = [(row.read.source, row.read.activity_id, row.read.recorded_at) for row in other]
    same_time = held.of_time(client, database, times) if times else {}
    digests = [*(row.digest for row in other), *(digest for *_, digest in wrong)]
    dead = held.rejected(client, database, digests) if digests else {}
    for row, name in zip(rows, names, strict=True):
        found = dead.get(row.digest)
        tell(verdict(row.line, row.read, holds.get(name), same_time.get(name, ()), found, row.today))
    for line, faults, digest in wrong:
        found = dead.get(digest)
        if found is None:
            tell(Verdict(line, "missing", why=f"a worker would reject it: {faults_text(faults)}"))
        else:
            tell(Verdict(line, "rejected", why=f"{faults_text(found.faults)}; see {found.place}"))
