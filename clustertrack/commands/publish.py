"""`clustertrack publish`: activity from CSV, Excel and JSON lines files to Kafka."""

import gc
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from shlex import quote
from typing import Final

import click

from brokers import topics
from brokers.explain import KafkaUnreachable
from brokers.record_headers import STRUCTURED
from clustertrack.progress import Reached, track
from clustertrack.publish.outcome_text import Report
from clustertrack.publish.snapshot import Plan, instant_of, make_plan, send_plan
from clustertrack.publish.verify import verify
from clustertrack.publish.verify_text import VerifyReport
from clustertrack.registry import AnyClusters, registry_in_force, registry_of_file
from clustertrack.settings import Settings, load_settings
from schemas.errors import CheckFailed, UsageFault
from schemas.event_time import EPOCH_ORDINAL
from schemas.events import Clusters
from schemas.screen import INTERRUPTED, say
from sources.files.file_publisher import Conflicts, Input, Outcome, accepts_any, open_input, send, survey
from sources.files.judged_rows import FileJudge
from sources.publisher import Counter, Publisher, kafka_publisher

_EXAMPLES: Final = 3
_AT_MOST: Final = 5
"""Percent of what is counted of a source that a snapshot retracts unasked."""
_LAST_DAY: Final = 0xFFFF
"""2149-06-06, in days since 1970: the last one of the ledger."""
_DAY: Final = click.DateTime(["%Y-%m-%d"])


@click.command(
    epilog="Example: clustertrack publish export.csv members.xlsx events.jsonl --mapping crm.mapping.toml --dry-run"
)
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--mapping",
    metavar="TOML",
    type=click.Path(path_type=Path),
    help="How columns become fields; default: FILE.mapping.toml next to each FILE, else the columns' own names.",
)
@click.option(
    "--exported-at",
    metavar="INSTANT",
    help="When the file was exported (2020-01-15T08:00:00+01:00): `time` of events without a column for it.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Show how the file is understood, and all faults as a worker would find them; send nothing. Needs no Kafka.",
)
@click.option(
    "--registry",
    metavar="TOML",
    type=click.Path(path_type=Path),
    help="With --dry-run: judge by this cluster registry, not by the one in force.",
)
@click.option(
    "--verify",
    "verifying",
    is_flag=True,
    help="Send nothing; ask the ledger what became of each row, and what it counts on those days that FILE does "
    "not contain.",
)
@click.option("--send-invalid", is_flag=True, help="Also send what a worker would reject.")
@click.option("--anyway", is_flag=True, help="Send a file even if a worker would reject every event in it.")
@click.option(
    "--snapshot",
    is_flag=True,
    help="The files are a full export: retract what the ledger counts of their sources and they do not contain.",
)
@click.option(
    "--from",
    "first",
    type=_DAY,
    metavar="DAY",
    help="With --snapshot: first DAY of the export; default: that of its rows.",
)
@click.option(
    "--to", "last", type=_DAY, metavar="DAY", help="With --snapshot: its last DAY; default: that of its rows."
)
@click.option(
    "--at-most",
    type=click.FloatRange(0, 100),
    metavar="PERCENT",
    help="With --snapshot: stop if more than PERCENT of a source would be retracted.  [default: 5]",
)
@click.option("--yes", is_flag=True, help="With --snapshot: retract, no matter how many.")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def command(
    files: tuple[Path, ...],
    mapping: Path | None,
    exported_at: str | None,
    registry: Path | None,
    first: datetime | None,
    last: datetime | None,
    at_most: float | None,
    *,
    dry_run: bool,
    verifying: bool,
    send_invalid: bool,
    anyway: bool,
    snapshot: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Send activity from CSV, Excel (.xlsx) or JSON lines (.jsonl) files to Kafka.

    Rows of spreadsheets become events by a mapping; JSON lines are sent byte for byte. Every event is judged first as a
    worker will judge it. Rows that cannot become an event, and those that a worker would reject, are listed with all
    their faults, written to FILE.refused.csv (FILE.refused for JSON lines), and make the exit code 1, while the rest is
    sent. Repeating is safe.
    """
    # Every record in flight is a handful of objects: searching them for cycles took a third of the time. No less often
    # than this, as kafka-python's futures hold the buffers of sent batches in cycles.
    gc.set_threshold(50_000, 5, 10)
    gc.freeze()
    if registry is not None and not dry_run:
        raise UsageFault("--registry goes with --dry-run: workers decide by the registry in force; leave it out")
    if verifying and (dry_run or send_invalid or anyway or snapshot):
        raise UsageFault("--verify sends nothing: leave out --dry-run, --send-invalid, --anyway and --snapshot")
    if not snapshot and (first or last or yes or at_most is not None):
        raise UsageFault("--from, --to, --at-most and --yes go with --snapshot: give it too, or leave them out")
    if first and last and first > last:
        raise UsageFault(f"--from {first.date()} is after --to {last.date()}: no day is between them; swap them")
    days = {"--from": first, "--to": last}
    report = Report(
        as_json=as_json,
        dry_run=dry_run,
        reading=_written({"--mapping": mapping, "--exported-at": exported_at}),
        sending=_written(
            {
                "--send-invalid": send_invalid,
                "--anyway": anyway,
                "--snapshot": snapshot,
                **{name: None if day is None else day.date() for name, day in days.items()},
                "--at-most": at_most,
                "--yes": yes,
            }
        ),
    )
    settings = load_settings()
    inputs = [open_input(path, mapping=mapping, exported_at=exported_at) for path in files]
    conflicts = survey(inputs, _checking)
    now = int(time.time() * 1000)
    instant = instant_of(inputs, exported_at, now) if snapshot else None
    judge = _judge(settings, registry, now, report, dry_run=dry_run)
    if verifying:
        reader = FileJudge(AnyClusters(), now, allow_personal_data=True)
        _verify(settings, inputs, reader, judge, conflicts, as_json=as_json)
        return
    with ExitStack() as stack:
        plan = None
        if instant is not None:
            plan = stack.enter_context(_plan(settings, inputs, judge, conflicts, instant, (first, last)))
            most = _AT_MOST if at_most is None else at_most
            needs_yes = plan.percent > most and not yes
            report.plan(plan, needs_yes=needs_yes)
            if needs_yes and not dry_run:
                report.answer()
                raise CheckFailed(
                    f"{plan.percent:.1f} % of what is counted would be retracted, more than {most:g} %: nothing was "
                    "sent; look at the plan, and repeat the command with --yes if it is right"
                )
        publisher: Publisher = Counter()
        if not dry_run:
            kafka = settings.kafka.connection()
            publisher = stack.enter_context(kafka_publisher(kafka, topics.EVENTS, headers=[STRUCTURED]))
        for source in inputs:
            report.file(source)
            sending = partial(
                send,
                judge=judge,
                conflicts=conflicts,
                on_refusal=report.refusal,
                examples=_EXAMPLES if dry_run else 0,
                write_refused=not dry_run,
                send_rejected=_sends_rejected(source, judge, conflicts, send_invalid=send_invalid, anyway=anyway),
            )
            report.outcome(_send(source, publisher, sending, "judging" if dry_run else "sending"))
        if plan is not None:
            with _interruptible(publisher):
                send_plan(plan, inputs, publisher, judge=judge, conflicts=conflicts, track=_tracked)
            report.snapshot_sent(plan)
    report.finish()


def _written(options: Mapping[str, object]) -> str:
    """Options as they are written after a command; those that are not given are left out."""
    given = {name: value for name, value in options.items() if value is not None and value is not False}
    return "".join(f" {name}" if value is True else f" {name} {quote(str(value))}" for name, value in given.items())


def _judge(settings: Settings, registry: Path | None, now: int, report: Report, *, dry_run: bool) -> FileJudge:
    """The judgement of a worker with the same settings, of what arrives now (ms since 1970 UTC).

    A dry run needs no Kafka: without it sources and clusters are not judged, which is said.
    """
    clusters: Clusters
    try:
        clusters = registry_in_force(settings) if registry is None else registry_of_file(registry).by_source
    except (KafkaUnreachable, CheckFailed) as error:
        if not dry_run:
            raise
        report.not_judged(str(error))
        clusters = AnyClusters()
    return FileJudge(clusters, now, allow_personal_data=settings.worker.allow_personal_data)


def _verify(
    settings: Settings,
    inputs: Sequence[Input],
    reader: FileJudge,
    judge: FileJudge,
    conflicts: Conflicts,
    *,
    as_json: bool,
) -> None:
    from sinks.clickhouse import open_ledger  # noqa: PLC0415  (sending needs no ClickHouse client)

    report = VerifyReport(as_json=as_json)
    with open_ledger(settings.clickhouse.connection()) as client:
        for source in inputs:
            done = verify(
                client,
                settings.clickhouse.database,
                source,
                reader=reader,
                judge=judge,
                conflicts=conflicts,
                track=_tracked,
                on_row=report.row,
                on_lacking=report.lacking,
            )
            report.file(done)
    report.finish()


@contextmanager
def _plan(
    settings: Settings,
    inputs: Sequence[Input],
    judge: FileJudge,
    conflicts: Conflicts,
    instant: datetime,
    days: tuple[datetime | None, datetime | None],
) -> Iterator[Plan]:
    from sinks.clickhouse import open_ledger  # noqa: PLC0415  (sending needs no ClickHouse client)

    # The ledger's days are within 16 bits.
    first, last = (None if day is None else min(max(day.toordinal() - EPOCH_ORDINAL, 0), _LAST_DAY) for day in days)
    with open_ledger(settings.clickhouse.connection()) as client:
        plan = make_plan(
            client,
            settings.clickhouse.database,
            inputs,
            instant=instant,
            days=(first, last),
            judge=judge,
            conflicts=conflicts,
            track=_tracked,
        )
    with plan:
        yield plan


def _tracked(what: str, source: Input) -> AbstractContextManager[Reached]:
    return track(f"{what} {source.path.name}", source.path.stat().st_size)


def _checking(source: Input) -> AbstractContextManager[Reached]:
    return _tracked("checking", source)


def _sends_rejected(source: Input, judge: FileJudge, conflicts: Conflicts, *, send_invalid: bool, anyway: bool) -> bool:
    if send_invalid == anyway:
        return anyway
    with _checking(source) as reached:
        some = accepts_any(source, judge, conflicts, reached)
    return send_invalid if some else anyway


def _send(source: Input, publisher: Publisher, sending: Callable[..., Outcome], doing: str) -> Outcome:
    with _tracked(doing, source) as reached, _interruptible(publisher):
        return sending(source, publisher, progress=reached)


@contextmanager
def _interruptible(publisher: Publisher) -> Iterator[None]:
    """Ctrl-C ends the command, and says how far it came."""
    try:
        yield
    except KeyboardInterrupt:
        place = publisher.confirmed
        say(f"stopped; last confirmed: {place or 'nothing'}; it is safe to run the command again", err=True)
        sys.exit(INTERRUPTED)
