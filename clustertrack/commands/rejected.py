"""`clustertrack rejected`: the dead letters listed, shown, sent again, discarded."""

import functools
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

from brokers import topics
from brokers.offsets import KafkaOffsets, Partition
from clustertrack.rejected import choose as replays
from clustertrack.rejected import rejected_json
from clustertrack.rejected import rejected_text as text
from clustertrack.rejected.actions import ActionBook, list_closed, story_of
from clustertrack.rejected.records import Action, RejectedRecord, read_address, without_people
from clustertrack.rejected.replay import Results, Run, resend
from clustertrack.rejected.replay_topic import kafka_topic
from clustertrack.rejected.set_aside_checks import LEARNED_SECONDS, check_offsets, check_place, read_range
from clustertrack.rejected.store import Selection, count_open, list_open, open_places, read_records
from clustertrack.settings import load_settings
from schemas.addresses import RecordAddress
from schemas.counts import counted, one_or_many
from schemas.errors import CheckFailed, UsageFault
from schemas.faults import MAX_VALUE, SET_ASIDE
from schemas.own_files import write_whole
from schemas.screen import note_reached, say, say_bytes, show, width_of_results
from schemas.visible import as_lines, json_lines
from sinks import catalog
from sinks.clickhouse import open_ledger
from sinks.events_topic import check_topic, recorded_topic
from sinks.set_aside import Order, first_counted, orders_of, write_order

PAGE: Final = 100


class Instant(click.ParamType):
    """An ISO 8601 day or time; UTC where no zone is given."""

    name = "instant"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:  # noqa: ANN401, D102  (click's own)
        try:
            found = datetime.fromisoformat(value)
            found = found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            found = None
        # The ledger's columns hold no others.
        if found is None or found.year not in range(1970, 2200):
            self.fail(f"{value!r} is no time: write 2018-05-03 or 2018-05-03T14:05:00+02:00", param, ctx)
        return found


_FILTERS: Final = (
    click.argument("places", nargs=-1, metavar="[PLACE]..."),
    click.option(
        "--reason", multiple=True, metavar="CODE", help="Only records whose first fault is CODE; may be repeated."
    ),
    click.option("--source", multiple=True, metavar="URI", help="Only records of this source; may be repeated."),
    click.option("--topic", multiple=True, metavar="TOPIC", help="Only records of this topic; may be repeated."),
    click.option(
        "--since",
        type=Instant(),
        metavar="INSTANT",
        help="Only records that arrived at INSTANT or later (UTC, or +02:00).",
    ),
    click.option("--until", type=Instant(), metavar="INSTANT", help="Only records that arrived before INSTANT."),
)


def filters(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the arguments and options by which records are chosen; the command gets them as one `wanted`."""

    @functools.wraps(command)
    def chosen(
        places: tuple[str, ...],
        reason: tuple[str, ...],
        source: tuple[str, ...],
        topic: tuple[str, ...],
        since: datetime | None,
        until: datetime | None,
        **options: Any,  # noqa: ANN401  (any other option of the command)
    ) -> None:
        named = [read_address(place) for place in places]
        wanted = Selection(places=named, reasons=reason, sources=source, topics=topic, since=since, until=until)
        command(wanted=wanted, **options)

    for option in reversed(_FILTERS):
        chosen = option(chosen)
    return chosen


@click.group(
    epilog="\b\nExamples:\n  clustertrack rejected list --reason unknown_source\n"
    "  clustertrack rejected show activity.events.v1/2/17\n"
    "  clustertrack rejected replay --reason unknown_source --dry-run"
)
def command() -> None:
    """List, show, replay and discard records that were rejected; set records aside.

    PLACE is where a record is: topic/partition/offset, as `list` prints it.
    """


@command.command(
    "list",
    epilog="\b\nExamples:\n  clustertrack rejected list --source https://crm.foodbio.example --since 2026-11-01\n"
    "  clustertrack rejected list --closed --json",
)
@filters
@click.option("--closed", is_flag=True, help="Records that were replayed or discarded, with what became of them.")
@click.option("--after", metavar="PLACE", help="Only records after PLACE: the next page.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=PAGE, show_default=True, help="Records of a page.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(wanted: Selection, closed: bool, after: str | None, limit: int, as_json: bool) -> None:
    """List open rejected records."""
    settings = load_settings()
    database = settings.clickhouse.database
    behind = None
    if after is not None:
        named = read_address(after)
        behind = RecordAddress(named.topic, named.topic_epoch or 0, named.partition, named.offset)
    with open_ledger(settings.clickhouse.connection()) as client:
        replays.check_words(client, settings, wanted)
        if closed:
            done = list_closed(client, database, wanted, after=behind, limit=limit)
            made = (
                json_lines({"closed": [rejected_json.done_dict(d) for d in done]})
                if as_json
                else text.closed_text(done)
            )
            show(made)
            return
        count = count_open(client, database, wanted)
        page = list_open(client, database, wanted, after=behind, limit=limit)
    most = settings.worker.replay_limit
    if as_json:
        show(json_lines(rejected_json.list_dict(page, count, limit=most)))
    else:
        show(text.list_text(page, count, limit=most, width=width_of_results()))


@command.command(
    "show",
    short_help="Show one rejected record and what was done with it.",
    epilog="\b\nExamples:\n  clustertrack rejected show activity.events.v1/2/17\n"
    "  clustertrack rejected show activity.events.v1/2/17 --raw event.json",
)
@click.argument("place")
@click.option("--raw", metavar="FILE", help="Write the payload only, byte for byte, to FILE (- for standard output).")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show_(place: str, raw: str | None, as_json: bool) -> None:
    """Show one rejected record: its faults, headers, key and payload, and what was done with it.

    CPR numbers and e-mail addresses are masked; --raw writes the payload as it came.
    """
    settings = load_settings()
    database = settings.clickhouse.database
    with open_ledger(settings.clickhouse.connection()) as client:
        [exact] = replays.resolve(client, database, [read_address(place)])
        [record] = read_records(client, database, [exact])
        story = story_of(client, database, exact)
        aside = orders_of(client, database, exact) if record.reason == SET_ASIDE else []
    if raw is not None:
        _write_raw(record, raw)
        return
    record = without_people(record)
    show(json_lines(rejected_json.show_dict(record, story, aside)) if as_json else text.show_text(record, story, aside))


@command.command(
    "replay",
    epilog="\b\nExamples:\n  clustertrack rejected replay --reason unknown_source --dry-run\n"
    "  clustertrack rejected replay activity.events.v1/2/17 --edit event.json --note 'CVR number mistyped'",
)
@filters
@click.option("--all", "everything", is_flag=True, help="All open records.")
@click.option(
    "--edit",
    "--value",
    "edit",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Send the event in FILE in place of the one record named, as a new event.",
)
@click.option("--note", default="", help="Why; kept with the action.")
@click.option(
    "--dry-run", is_flag=True, help="Send nothing; say what would be sent, and how workers would judge it now."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def replay(wanted: Selection, everything: bool, edit: Path | None, note: str, dry_run: bool, as_json: bool) -> None:
    """Send rejected records again, when their cause is fixed.

    Each goes to its original topic as it was, with its replays counted, and is judged again. If the command is
    interrupted, repeat it: what arrives twice is counted once. With --edit a fixed event is sent in place of one
    record.
    """
    _require_choice(wanted, everything)
    if edit is not None and len(wanted.places) != 1:
        raise UsageFault("--edit FILE is sent in place of one record: name its PLACE.")
    settings = load_settings()
    database = settings.clickhouse.database
    with open_ledger(settings.clickhouse.connection()) as client:
        replays.check_words(client, settings, wanted)
        wanted, results = replays.named(client, database, wanted)
        recorded = recorded_topic(client, database)
        plan = functools.partial(
            replays.plan, partitions=recorded.partitions, limit=settings.worker.replay_limit, edit=edit
        )
        chunks = open_places(client, database, wanted)
        if dry_run:
            would = replays.dry_run(client, settings, chunks, plan, results)
            _finish_replay(results, would, dry_run=True, as_json=as_json)
            return
        check_topic(settings.kafka.connection(), recorded)
        run = Run(
            acted_by=replays.user(),
            note=note,
            plan=plan,
            clock=lambda: datetime.now(UTC),
            new_attempt=uuid.uuid4,
        )
        book = ActionBook(client, database)
        with kafka_topic(settings.kafka.connection(), topics.EVENTS, recorded.topic_epoch) as topic:
            try:
                for chunk in chunks:
                    resend(read_records(client, database, chunk), run, topic, book, results)
                    if len(results.replayed) > text.SHOWN:
                        say(f"replayed {text.records(len(results.replayed))}", err=True)
            except KeyboardInterrupt:
                raise
            except BaseException:  # cancellation too
                say(f"stopped after {text.records(len(results.replayed))}; repeating is safe", err=True)
                raise
            finally:
                note_reached(f"{text.records(len(results.replayed))} replayed")
    _finish_replay(results, [], dry_run=False, as_json=as_json)


@command.command(
    "discard",
    short_help="Close rejected records that nobody needs.",
    epilog="Example: clustertrack rejected discard activity.events.v1/2/17 --note 'a test of the CRM'",
)
@filters
@click.option("--all", "everything", is_flag=True, help="All open records.")
@click.option("--note", required=True, help="Why nobody needs them; kept with the action.")
@click.option("--dry-run", is_flag=True, help="Discard nothing; say what would be discarded.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def discard(wanted: Selection, everything: bool, note: str, dry_run: bool, as_json: bool) -> None:
    """Close rejected records that nobody needs: they are no longer listed, nor reported as waiting.

    The records stay in the ledger until they expire; the action is kept permanently.
    """
    _require_choice(wanted, everything)
    if not note.strip():
        raise UsageFault("--note is empty: say why the records are discarded.")
    settings = load_settings()
    database = settings.clickhouse.database
    discarded: list[Action] = []
    with open_ledger(settings.clickhouse.connection()) as client:
        replays.check_words(client, settings, wanted)
        wanted, results = replays.named(client, database, wanted)
        book = ActionBook(client, database)
        for chunk in open_places(client, database, wanted):
            actions = [
                Action(place, uuid.uuid4(), "discarded", datetime.now(UTC), replays.user(), note) for place in chunk
            ]
            if not dry_run:
                book.write(actions)
                note_reached(f"{text.records(len(discarded) + len(actions))} discarded")
            discarded += actions
    if as_json:
        answer = {"dry_run": dry_run, "discarded": [rejected_json.action_dict(action) for action in discarded]}
        show(json_lines({**answer, "refused": rejected_json.refused_dicts(results)}))
    else:
        lines = [*text.first_lines([str(action.place) for action in discarded]), *text.refused_lines(results)]
        show(as_lines([*lines, f"{'would discard' if dry_run else 'discarded'} {text.records(len(discarded))}"]))
    _raise_if_refused(results)


@command.command(
    "set-aside",
    short_help="Make workers skip a record that crashes them.",
    epilog="Example: clustertrack rejected set-aside activity.events.v1/2/17 --reason 'ends every worker since 3 May'",
)
@click.argument("place")
@click.option("--reason", required=True, help="Why; kept with the order.")
@click.option("--dry-run", is_flag=True, help="Order nothing; say whether it could be.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def set_aside_(place: str, reason: str, dry_run: bool, as_json: bool) -> None:
    """Make workers skip a record that crashes them: they reject it unread, with a receipt, and go on after it.

    PLACE is topic/partition/offset, or topic/partition/first-last for several. It must lie between what the workers
    have committed and the end of the partition, and have no receipt. Workers learn of it when they start, and within
    10 s while they run. Nothing of the record is kept but its place; Kafka has it until it expires.
    """
    reason = reason.strip()
    if not reason:
        raise UsageFault("--reason is blank: say in a few words why the record is set aside, for the record.")
    named, last = read_range(place)
    settings = load_settings()
    database = settings.clickhouse.database
    with open_ledger(settings.clickhouse.connection()) as client:
        recorded = recorded_topic(client, database)
        check_place(named, recorded)
        check_topic(settings.kafka.connection(), recorded)
        group = topics.app_id(settings.kafka.consumer_group, catalog.ledger_id(client, database))
        with KafkaOffsets(settings.kafka.connection()) as offsets:
            progress = offsets.read(group, [topics.EVENTS]).progress[Partition(topics.EVENTS, named.partition)]
        where = RecordAddress(topics.EVENTS, recorded.topic_epoch, named.partition, named.offset)
        check_offsets(named, last, progress, first_counted(client, database, where, last))
        order = Order(*where, last, datetime.now(UTC), replays.user(), reason[:MAX_VALUE])
        if not dry_run:
            write_order(client, database, order)
            note_reached("the order was written")
    if as_json:
        show(json_lines({"dry_run": dry_run, "order": rejected_json.order_dict(order)}))
        return
    will = "would be" if dry_run else "will be"
    say(f"{order} {will} rejected unread by workers when they start, and within {LEARNED_SECONDS} s while they run")


def _require_choice(wanted: Selection, everything: bool) -> None:
    if not wanted and not everything:
        raise UsageFault("Name the records: a PLACE, a filter such as --reason CODE, or --all.")


def _finish_replay(results: Results, would: list[text.Would], *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        show(json_lines(rejected_json.replayed_dict(results, would, dry_run=dry_run)))
    else:
        show(text.replayed_text(results, would, dry_run=dry_run))
    _raise_if_refused(results)


def _raise_if_refused(results: Results) -> None:
    if results.refused:
        stay = one_or_many(len(results.refused), "stays", "stay")
        raise CheckFailed(f"{text.records(len(results.refused))} {stay} as before: standard output says why.")


def _write_raw(record: RejectedRecord, raw: str) -> None:
    if record.payload is None:
        raise CheckFailed(f"{record.place} has no payload: it is a tombstone.")
    if raw == "-":
        say_bytes(record.payload)
        return
    try:
        write_whole(Path(raw), record.payload)
    except OSError as error:
        raise UsageFault(f"{raw} cannot be written ({error.strerror}): choose another place with --raw.") from error
    say(f"wrote {counted(len(record.payload), 'byte')} to {raw}", err=True)
