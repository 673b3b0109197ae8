"""`clustertrack companies load`: the company register to Kafka."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import click

from brokers import topics
from brokers.codecs import require_codecs
from clustertrack.progress import track
from clustertrack.settings import Settings, load_settings
from schemas.company import LATEST_REVISION_MS, CompanyVersion, read_company
from schemas.counts import counted, number, one_or_many
from schemas.errors import CheckFailed, UsageFault
from schemas.event_time import COPENHAGEN
from schemas.screen import say, show
from schemas.visible import json_lines, json_text
from sources.files.buckets import BUCKETS, Buckets
from sources.files.cell_dates import read_moment
from sources.files.date_formats import MomentError
from sources.files.refused_rows import Refusal, RefusedRows
from sources.publisher import Counter, DeliveryFailed, Publisher, kafka_publisher
from sources.register.register_file import Loaded, Loader, Refusals, RegisterFile, spread_known
from sources.register.register_topic import read_topic

_EXAMPLES: Final = 3
_SHOWN: Final = 20
"""Refusals printed when they are also in FILE.refused.csv; a dry run prints all."""

_IN_JSON: Final = 100_000
"""Refusals in the JSON answer, which is one document and has to be held in memory."""

_AHEAD: Final = timedelta(milliseconds=LATEST_REVISION_MS)
"""Workers reject a revision from further in the future: it would keep every later extract out."""


@click.group(epilog="Example: clustertrack companies load register.csv --as-of 2020-01-15T08:00:00+01:00")
def command() -> None:
    """Load the company register."""


@command.command(epilog="Example: clustertrack companies load register.csv --as-of 2020-01-15T08:00:00+01:00 --dry-run")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--as-of", metavar="INSTANT", help="When the extract was made, with a time of day; default now.")
@click.option(
    "--dry-run", is_flag=True, help="Show the first records and all refused rows; send nothing. Needs no Kafka."
)
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def load(file: Path, as_of: str | None, *, dry_run: bool, as_json: bool) -> None:
    """Send the company versions of FILE (CSV) to Kafka.

    FILE states all versions of each company that it lists: versions missing from FILE are withdrawn. Other companies
    stay, and an older extract never overrules a newer one. A company with a row that cannot be read is left out whole
    and written to FILE.refused.csv; the exit code is 1 then. Repeating the command is safe.
    """
    settings = load_settings()
    if not dry_run:
        require_codecs()
    revision = _revision(as_of, datetime.now(UTC))
    register = RegisterFile(file)
    shown: list[Refusal] = []

    def on_refusal(refused: Refusal) -> None:
        refusal = refused.without_people()
        if len(shown) < _IN_JSON:
            shown.append(refusal)
        if not as_json and (dry_run or len(shown) <= _SHOWN):
            say(f"refused: {refusal}")

    sheet = register.sheet
    listed = (
        None if dry_run else RefusedRows(file, header=sheet.header, encoding=sheet.encoding, separator=sheet.separator)
    )
    refusals = Refusals(on_refusal, listed)
    loader = Loader(register, revision=revision, refusals=refusals, examples=_EXAMPLES if dry_run else 0)
    try:
        with Buckets() as rows, Buckets() as known, _publisher(settings, dry_run=dry_run) as publisher:
            with track(f"reading {file.name}", file.stat().st_size) as reached:
                register.spread(rows, reached, refusals.add)
            if not dry_run:
                spread_known(_known(settings), known)
            with track(f"sending {file.name}", BUCKETS, unit="parts") as reached:
                loaded = loader.load(rows, known, publisher, reached)
        loaded.refused_file = refusals.finish()
        loaded.list_trouble = refusals.trouble
    except BaseException as error:  # Ctrl-C and cancellation too
        refusals.abandon()
        if isinstance(error, DeliveryFailed):
            raise _broken_off(error, revision) from error
        raise
    _answer(file, loaded, shown, revision, dry_run=dry_run, as_json=as_json)


def _revision(as_of: str | None, now: datetime) -> int:
    """The as-of instant in ms since 1970 UTC."""
    moment = now
    if as_of is not None:
        try:
            moment = read_moment(as_of.strip(), None, COPENHAGEN)
        except MomentError as fault:
            raise UsageFault(f"--as-of: {fault}") from None
        if moment > now + _AHEAD:
            raise UsageFault(
                f"--as-of {as_of} is in the future, so no extract made before then could be loaded any more: give the "
                "time at which this extract was made"
            )
    return round(moment.timestamp() * 1000)


@contextmanager
def _publisher(settings: Settings, *, dry_run: bool) -> Iterator[Publisher]:
    opened: Any = nullcontext(Counter()) if dry_run else kafka_publisher(settings.kafka.connection(), topics.COMPANIES)
    with opened as publisher:
        yield publisher


def _known(settings: Settings) -> Iterable[CompanyVersion]:
    """What the topic says now."""
    with track("reading the register on Kafka", 1, unit="records") as reached:
        yield from read_topic(settings.kafka.connection(), topics.COMPANIES, read_company, reached)


def _broken_off(error: DeliveryFailed, revision: int) -> DeliveryFailed:
    """Records go out by company, not by line, so it reports how many, and the instant to repeat the command with."""
    instant = datetime.fromtimestamp(revision / 1000, UTC).isoformat(timespec="milliseconds")
    message = (
        f"Kafka did not confirm all company versions ({error.cause}): {error.records:,} are confirmed; repeat the "
        f"command with --as-of {instant} when Kafka answers, what arrives twice counts once"
    )
    error.args = (message,)
    return error


def _answer(file: Path, loaded: Loaded, shown: list[Refusal], revision: int, *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        answer = {
            "dry_run": dry_run,
            "file": str(file),
            "revision": revision,
            "companies": loaded.companies,
            "records": loaded.records,
            "changed": loaded.changed,
            "withdrawn": loaded.withdrawn,
            "outdated": loaded.outdated,
            "left_out": loaded.left_out,
            "unknown": loaded.unknown,
            "refused": loaded.refused,
            "refused_file": str(loaded.refused_file) if loaded.refused_file else None,
            "list_trouble": loaded.list_trouble or None,
            "refusals": [refusal._asdict() for refusal in shown],
            "examples": [json.loads(example) for example in loaded.examples],
        }
        show(json_lines(answer))
    else:
        for example in loaded.examples:
            show(json_text(example.decode()))
        say(_sentence(file, loaded, dry_run=dry_run))
    if loaded.unknown and not as_json:
        name = one_or_many(loaded.unknown, "names", "name")
        rows = f"{counted(loaded.unknown, 'refused row')} {name}"
        say(f"{rows} no company that can be read: nothing is withdrawn until the file is correct")
    if loaded.refused:
        rows = f"{counted(loaded.refused, 'row')} {one_or_many(loaded.refused, 'was', 'were')}"
        left_out = f" and {counted(loaded.left_out, 'company', 'companies')} left out" if loaded.left_out else ""
        fix = one_or_many(loaded.refused, "it", "them")
        raise CheckFailed(f"{rows} refused{left_out}: fix {fix} in {file} and load it again")


def _sentence(file: Path, loaded: Loaded, *, dry_run: bool) -> str:
    companies, refused = counted(loaded.companies, "company", "companies"), counted(loaded.refused, "row")
    if dry_run:
        text = f"{file}: {counted(loaded.records, 'version')} of {companies} would be sent, {refused} refused"
        if not loaded.unknown:
            whose = "this company" if loaded.companies == 1 else "these companies"
            text += f"; other versions of {whose} on Kafka would be withdrawn" if loaded.companies else ""
        return text
    text = (
        f"{file}: {counted(loaded.records - loaded.withdrawn, 'version')} of {companies} sent "
        f"({number(loaded.changed)} new or changed), {number(loaded.withdrawn)} withdrawn, {refused} refused"
    )
    if loaded.refused_file:
        text += f" (in {loaded.refused_file})"
    if loaded.list_trouble:
        text += f"; {loaded.list_trouble}: --dry-run prints them all"
    if loaded.outdated:
        text += f"; as they were, since Kafka has a newer extract: {counted(loaded.outdated, 'company', 'companies')}"
    return text
