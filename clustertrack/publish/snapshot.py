"""`publish --snapshot`: what the ledger counts of the sources of a full export, and the export lacks, is retracted.

All files of the command are one export, made at one instant. The order of versions decides as for any other event: a
retraction has the time of the export, so that it takes back what was recorded until then, and nothing that was recorded
later. An activity that an earlier snapshot took back, and that is in the export again, gets a version of the time of
this one. Ids follow from content: sending again is harmless.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any, Final, Self

from pydantic_core import from_json, to_json

from clustertrack.publish import held
from clustertrack.publish.file_index import FileIndex, Span, activity_mark
from clustertrack.publish.held import HeldActivity
from schemas.errors import UsageFault
from schemas.event_time import day_of, to_ms
from schemas.events import RETRACTION, Activity
from schemas.indicators import TYPE_PREFIX, TYPE_SUFFIX
from schemas.own_files import nameless_file
from sources.files.cell_dates import rfc3339
from sources.files.event_builder import Event
from sources.files.file_publisher import Conflicts, Input, Table, Track, events_of, read_exported_at
from sources.files.judged_rows import FileJudge
from sources.files.made_events import cloud_event, content_id
from sources.publisher import Publisher, SourceLine

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

ABSENT: Final = "absent from the export of "
"""How the reason of a retraction by snapshot begins."""
_IN_MEMORY: Final = 1024 * 1024
_SHOWN: Final = 1000
"""Activities that are kept to be shown."""
_MOST_REVIVED: Final = 500_000


@dataclass
class SourcePlan:
    """What would be retracted of one source."""

    source: str
    span: Span
    held: int
    """Activities that the ledger counts in the span."""
    retracted: int = 0
    newer: int = 0
    """Activities that the export lacks, and that were recorded after it: they stay."""
    rows: Span | None = None
    """Days of its rows in the export; None without any."""


@dataclass
class Plan:
    """What a snapshot would do; `close` it."""

    instant: datetime
    refused: int = 0
    """Rows without an activity: with any, nothing is retracted, as it may be theirs."""
    sources: list[SourcePlan] = field(default_factory=list)
    outside: dict[str, Span] = field(default_factory=dict)
    """Sources of which nothing is compared -> the days of their rows: all before --from, or all after --to."""
    shown: list[HeldActivity] = field(default_factory=list)
    """The first of those that would be retracted."""
    revived: set[bytes] = field(default_factory=set)
    """Marks of activities of the export that an earlier snapshot has retracted."""
    retractions: IO[bytes] = field(default_factory=lambda: nameless_file(_IN_MEMORY))
    """Their values, a line each."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.retractions.close()

    @property
    def retracted(self) -> int:
        """How many activities would be retracted."""
        return sum(one.retracted for one in self.sources)

    @property
    def percent(self) -> float:
        """The largest share of what the ledger counts of a source that would be retracted."""
        return max((100 * one.retracted / one.held for one in self.sources if one.held), default=0.0)


def instant_of(inputs: Sequence[Input], given: str | None, now: int) -> datetime:
    """The instant of the export that the files are.

    Args:
        inputs: the files.
        given: the instant on the command line.
        now: ms since 1970 UTC.

    Raises:
        UsageFault: a file states none, two state different ones, or it lies in the future.
    """
    found: set[datetime] = set()
    for one in inputs:
        stated = read_exported_at(given) if given else None
        instant = one.builder.exported_at if isinstance(one, Table) else stated
        if instant is None:
            raise UsageFault(
                f"--snapshot needs the instant at which {one.path} was exported: give --exported-at, or exported_at in "
                "the mapping"
            )
        found.add(instant)
    if len(found) > 1:
        raise UsageFault("The files state different instants of the export: give one with --exported-at")
    (instant,) = found
    if to_ms(instant) > now:
        raise UsageFault(f"The export is dated {rfc3339(instant)}, which is in the future: correct --exported-at")
    return instant


def make_plan(
    client: "Client",
    database: str,
    inputs: Sequence[Input],
    *,
    instant: datetime,
    days: tuple[int | None, int | None],
    judge: FileJudge,
    conflicts: Conflicts,
    track: Track,
) -> Plan:
    """Compare files with the ledger.

    Args:
        client: of the ledger.
        database: the ledger's.
        inputs: the files: together one full export.
        instant: when it was made.
        days: first and last day since 1970 that it is about; None: that of the files.
        judge: as workers judge.
        conflicts: as for sending.
        track: shows how much is done.

    Raises:
        FileFault, UsageFault
    """
    plan = Plan(instant)
    with FileIndex() as index:
        for source in inputs:
            with track("comparing", source) as progress:
                for line, _, judged in events_of(source, judge, conflicts, progress):
                    if isinstance(judged, Activity):
                        index.add(line, judged)
                    else:
                        plan.refused += 1
        if plan.refused:
            return plan
        spans = spans_of(index.spans, inputs, days)
        plan.outside = {name: rows for name, rows in index.spans.items() if spans[name].first > spans[name].last}
        for name in sorted(spans.keys() - plan.outside.keys()):
            span = spans[name]
            one = SourcePlan(name, span, held.count_held(client, database, name, span), rows=index.spans.get(name))
            plan.sources.append(one)
            for part in index.parts():
                for activity in held.lacking(client, database, name, span, part):
                    note(plan, one, activity)
            for part in index.parts():
                for activity_id, revision in held.gone(client, database, name, ABSENT):
                    # Of two versions of one time the retraction holds.
                    if (
                        revision >> 64 < to_ms(instant)
                        and (mark := activity_mark(name, activity_id)) in part.activities
                    ):
                        plan.revived.add(mark)
            if len(plan.revived) > _MOST_REVIVED:
                raise UsageFault(
                    f"More than {_MOST_REVIVED:,} activities of the export were retracted by an earlier snapshot: "
                    "publish a part of it at a time"
                )
    return plan


def spans_of(rows: Mapping[str, Span], inputs: Sequence[Input], days: tuple[int | None, int | None]) -> dict[str, Span]:
    """The days on which each source is compared; it ends before it begins where all its rows are on other days.

    Args:
        rows: source -> the days of its rows.
        inputs: the files.
        days: first and last day that are given.
    """
    first, last = days
    found = {
        name: Span(span.first if first is None else first, span.last if last is None else last)
        for name, span in rows.items()
    }
    if first is not None and last is not None:  # a source without any row in the export
        stated = [one.builder.fixed.get("source") for one in inputs if isinstance(one, Table)]
        found |= {name: Span(first, last) for name in stated if name is not None}
    return found


def note(plan: Plan, one: SourcePlan, activity: HeldActivity) -> None:
    """Plan what becomes of an activity that the export lacks."""
    # A retraction of one time with a version is after it, unless that was dated after its arrival.
    if activity.revision >= to_ms(plan.instant) << 64 | 1 << 63:
        one.newer += 1
        return
    one.retracted += 1
    if len(plan.shown) < _SHOWN:
        plan.shown.append(activity)
    plan.retractions.write(retraction(activity, plan.instant) + b"\n")


def retraction(activity: HeldActivity, instant: datetime) -> bytes:
    """The event that takes back an activity which the export of an instant lacks."""
    data = {"activity_id": activity.activity_id, "reason": f"{ABSENT}{rfc3339(instant)}"}
    kind = f"{TYPE_PREFIX}{RETRACTION}{TYPE_SUFFIX}"
    return _event(activity.source, kind, f"{activity.company_id:08d}", rfc3339(instant), data)


def revival(event: Mapping[str, Any], activity: Activity, instant: datetime) -> bytes:
    """The event of a row again, as the version of the export: it is in there again."""
    day = day_of(activity.occurred_on).isoformat()
    data = {**event["data"], "activity_id": activity.activity_id, "occurred_on": day}
    return _event(activity.source, event["type"], f"{activity.company_id:08d}", rfc3339(instant), data)


def _event(source: str, kind: str, subject: str, time: str, data: Mapping[str, Any]) -> bytes:
    event_id = content_id([source, kind, subject, time, data])
    return to_json(cloud_event(event_id, source=source, kind=kind, subject=subject, time=time, data=data))


def send_plan(
    plan: Plan,
    inputs: Sequence[Input],
    publisher: Publisher,
    *,
    judge: FileJudge,
    conflicts: Conflicts,
    track: Track,
) -> None:
    """Send the retractions of a plan, and what is in the export again, after the files themselves.

    Raises:
        DeliveryFailed, FileFault
    """
    plan.retractions.seek(0)
    for number, line in enumerate(plan.retractions, 1):
        value = line.rstrip(b"\n")
        publisher.send(json.loads(value)["subject"].encode(), value, SourceLine("the retractions", number))
    if plan.revived:
        for source in inputs:
            with track("looking again at", source) as progress:
                for number, value in _revivals(plan, events_of(source, judge, conflicts, progress)):
                    key = json.loads(value)["subject"].encode()
                    publisher.send(key, value, SourceLine(str(source.path), number))
    publisher.flush()


def _revivals(plan: Plan, rows: Iterator[tuple[int, Event | Any, Activity | list[Any]]]) -> Iterator[tuple[int, bytes]]:
    for line, record, judged in rows:
        if (
            isinstance(judged, Activity)
            and not judged.is_deleted
            and judged.recorded_at < to_ms(plan.instant)
            and activity_mark(judged.source, judged.activity_id) in plan.revived
        ):
            yield line, revival(from_json(record.value), judged, plan.instant)
