"""`clustertrack publish`: activity from CSV, Excel and JSON lines files to Kafka."""

import gc
import json
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Final

import click

from brokers import topics
from brokers.record_headers import STRUCTURED
from clustertrack.progress import Reached, track
from clustertrack.settings import load_settings
from schemas.errors import CheckFailed
from schemas.people import masked_bytes
from schemas.screen import INTERRUPTED, say, show
from schemas.visible import Lines, as_lines, json_lines, json_text, visible
from sources.files.file_publisher import Conflicts, Input, Outcome, Table, open_input, send, survey
from sources.files.refused_rows import Refusal
from sources.publisher import Counter, Publisher, kafka_publisher

_EXAMPLES: Final = 3
_SHOWN: Final = 20
"""Refusals printed when they are also in FILE.refused.csv; a dry run prints all."""

_IN_JSON: Final = 100_000
"""Refusals in the JSON answer, which is one document and has to be held in memory."""


class _Report:
    """Says what was refused while the files are read, and what became of each file at the end."""

    def __init__(self, *, as_json: bool, dry_run: bool) -> None:
        self._as_json = as_json
        self._dry_run = dry_run
        self._outcomes: list[Outcome] = []
        self._refusals: list[Refusal] = []
        self._refused = 0

    def refusal(self, refusal: Refusal) -> None:
        """One row was refused."""
        self._refused += 1
        refusal = refusal.without_people()
        if self._as_json:
            if len(self._refusals) < _IN_JSON:
                self._refusals.append(refusal)
        elif self._dry_run or self._refused <= _SHOWN:
            say(f"refused: {refusal}")

    def outcome(self, outcome: Outcome) -> None:
        """One file is done."""
        self._outcomes.append(outcome)
        if self._as_json:
            return
        for example in outcome.examples:
            show(_example(masked_bytes(example)))
        verb = "would be sent" if self._dry_run else "sent"
        events = "1 event" if outcome.events == 1 else f"{outcome.events:,} events"
        text = f"{outcome.file}: {events} {verb}, {outcome.refused:,} refused"
        if outcome.refused_file:
            text += f" (in {outcome.refused_file})"
        if outcome.list_trouble:
            text += f"; {outcome.list_trouble}: --dry-run prints them all"
        if outcome.left_out:
            text += f"; left out of retractions, which have none: {', '.join(outcome.left_out)}"
        if outcome.without_key:
            text += f"; {outcome.without_key:,} without a readable CVR number are sent for the worker to reject"
        say(text)

    def finish(self) -> None:
        """Print the JSON answer; raise CheckFailed when rows were refused."""
        if self._as_json:
            answer = {
                "dry_run": self._dry_run,
                "events": sum(outcome.events for outcome in self._outcomes),
                "refused": self._refused,
                "files": [_as_dict(outcome) for outcome in self._outcomes],
                "refusals": [refusal._asdict() for refusal in self._refusals],
            }
            show(json_lines(answer))
        if self._refused:
            rows = "1 row was" if self._refused == 1 else f"{self._refused:,} rows were"
            do = "fix them" if self._dry_run else "fix them in the .refused files, then publish those"
            raise CheckFailed(f"{rows} refused: {do}; everything else {'can be' if self._dry_run else 'is'} sent")


@click.command(
    epilog="Example: clustertrack publish export.csv members.xlsx events.jsonl --mapping crm.mapping.toml --dry-run"
)
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--mapping",
    metavar="TOML",
    type=click.Path(path_type=Path),
    help="Columns to fields; without it FILE.mapping.toml next to each FILE, else the columns' own names.",
)
@click.option(
    "--exported-at",
    metavar="INSTANT",
    help="When the file was exported (2020-01-15T08:00:00+01:00): `time` of events without a column for it.",
)
@click.option(
    "--dry-run", is_flag=True, help="Show the first events and all refused rows; send nothing. Needs no Kafka."
)
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def command(
    files: tuple[Path, ...], mapping: Path | None, exported_at: str | None, *, dry_run: bool, as_json: bool
) -> None:
    """Send activity from CSV, Excel (.xlsx) or JSON lines (.jsonl) files to Kafka.

    JSON lines are sent byte for byte. Rows of spreadsheets become events by a mapping; rows of which no event can be
    made are listed, written to FILE.refused.csv, and make the exit code 1, while the rest is sent. Repeating is
    safe.
    """
    # Every record in flight is a handful of objects: searching them for cycles took a third of the time. No less often
    # than this, as kafka-python's futures hold the buffers of sent batches in cycles.
    gc.set_threshold(50_000, 5, 10)
    gc.freeze()
    report = _Report(as_json=as_json, dry_run=dry_run)
    kafka = load_settings().kafka.connection()
    inputs = [open_input(path, mapping=mapping, exported_at=exported_at) for path in files]
    conflicts = survey(inputs, _checking)
    opened: Any = nullcontext(Counter()) if dry_run else kafka_publisher(kafka, topics.EVENTS, headers=[STRUCTURED])
    with opened as publisher:
        for source in inputs:
            report.outcome(_send(source, publisher, report, conflicts, dry_run=dry_run))
    report.finish()


def _checking(table: Table) -> AbstractContextManager[Reached]:
    return track(f"checking {table.path.name}", table.path.stat().st_size)


def _send(source: Input, publisher: Publisher, report: _Report, conflicts: Conflicts, *, dry_run: bool) -> Outcome:
    with track(f"sending {source.path.name}", source.path.stat().st_size) as reached:
        try:
            return send(
                source,
                publisher,
                conflicts=conflicts,
                progress=reached,
                on_refusal=report.refusal,
                examples=_EXAMPLES if dry_run else 0,
                write_refused=not dry_run,
            )
        except KeyboardInterrupt:
            place = publisher.confirmed
            say(f"stopped; last confirmed: {place or 'nothing'}; it is safe to run the command again", err=True)
            sys.exit(INTERRUPTED)


def _as_dict(outcome: Outcome) -> dict[str, Any]:
    return {
        "file": outcome.file,
        "events": outcome.events,
        "refused": outcome.refused,
        "refused_file": str(outcome.refused_file) if outcome.refused_file else None,
        "list_trouble": outcome.list_trouble or None,
        "left_out": list(outcome.left_out),
        "without_key": outcome.without_key,
        "examples": [
            json.loads(shown) for shown in map(masked_bytes, outcome.examples) if shown[:1] == b"{" and _is_json(shown)
        ],
    }


def _example(value: bytes) -> Lines:
    """One line: an event as it is sent; what is no JSON is a text like any other."""
    text = value.decode("utf-8", "backslashreplace")
    one = text.replace("\r", " ").replace("\n", " ")  # blanks between JSON's values
    return json_text(one) if _is_json(value) else as_lines([visible(text)])


def _is_json(value: bytes) -> bool:
    try:
        json.loads(value)
    except ValueError:
        return False
    return True
