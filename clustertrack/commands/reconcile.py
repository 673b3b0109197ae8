"""`clustertrack reconcile`: the proof that every Kafka record is accounted for."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import click
from clickhouse_connect.driver.client import Client

from clustertrack.ledger import open_ledger
from clustertrack.offsets import KafkaOffsets, Partition, Reading
from clustertrack.settings import Settings, load_settings
from reports.layout import aligned, number
from schemas.errors import CheckFailed
from sinks import catalog
from sinks.reconcile import LISTED, Bound, PartitionAccount, Place, Range, Reconciliation, reconcile
from streams import topics
from streams.topics import TopicAdmin

COUNTS: Final = (
    "received",
    "accepted",
    "retracted",
    "duplicate",
    "rejected",
    "rerouted",
    "no_record",
    "pending",
    "missing",
    "expired",
    "without_row",
)
"""Counts of a partition, as `sinks.reconcile.PartitionAccount` names them."""


class NotWhole(CheckFailed):
    """Records are lost, or rows and receipts disagree; `result` says which."""

    def __init__(self, message: str, result: Reconciliation) -> None:
        super().__init__(message)
        self.result = result


@click.command(epilog="\b\nExamples:\n  clustertrack reconcile\n  clustertrack reconcile --json")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(*, as_json: bool) -> None:
    """Prove that every Kafka record is accounted for: a receipt for every offset, a row for every receipt.

    Exit code 1 when records are missing, or were deleted by Kafka before they were read; what is not committed yet is
    pending and no fault.
    """
    settings = load_settings()
    with open_ledger(settings.clickhouse()) as client, KafkaOffsets(settings.kafka_client_config()) as offsets:
        result = examine(settings, client, offsets)
    click.echo(json.dumps(as_dict(result), indent=2) + "\n" if as_json else as_text(result), nl=False)
    if not result.whole:
        raise NotWhole(_verdict(result), result)


def examine(settings: Settings, client: Client, offsets: KafkaOffsets) -> Reconciliation:
    """The account of the events topic in its present epoch.

    Holes are looked up in Kafka: an offset at which it delivers nothing, such as the marker of a transaction, is none.
    """
    database = settings.clickhouse_database
    group = topics.app_id(settings.kafka_consumer_group, catalog.ledger_id(client, database))
    epoch = _present_epoch(settings, client)
    bounds = list(bounds_of(offsets.read(group, [topics.EVENTS]), epoch))
    result = reconcile(client, database, bounds)
    holes = {_place(account): account.holes for account in result.partitions if account.holes}
    if not holes:
        return result
    empty = {
        place: [
            Range(first, last)
            for hole in ranges
            for first, last in offsets.undelivered(Partition(place.topic, place.partition), hole.first, hole.last)
        ]
        for place, ranges in holes.items()
    }
    return reconcile(client, database, bounds, no_record=empty) if any(empty.values()) else result


def bounds_of(reading: Reading, topic_epoch: int) -> Iterator[Bound]:
    """What Kafka says of each partition, as `reconcile` takes it."""
    for place, progress in reading.progress.items():
        yield Bound(place.topic, topic_epoch, place.partition, progress.low, progress.end, progress.committed or 0)


def _present_epoch(settings: Settings, client: Client) -> int:
    """The recorded epoch of the events topic; raises CheckFailed when Kafka has another topic of that name."""
    recorded = catalog.topics(client, settings.clickhouse_database)
    with TopicAdmin(settings.kafka_client_config()) as admin:
        actual = admin.describe([topics.EVENTS])
    name = topics.EVENTS
    if name not in recorded or name not in actual or recorded[name].topic_id != actual[name].topic_id:
        raise CheckFailed(f"Topic {name} is not the one that the ledger knows: run `clustertrack migrate`.")
    return recorded[name].topic_epoch


def as_dict(result: Reconciliation) -> dict[str, Any]:
    """The result as JSON types."""
    return {
        "whole": result.whole,
        "pending": result.pending,
        "partitions": [
            {
                "topic": account.topic,
                "topic_epoch": account.topic_epoch,
                "partition": account.partition,
                "low": account.low,
                "high": account.high,
                "committed": account.committed,
                "expected": account.expected,
                **_counts(account),
                "holes": [list(hole) for hole in account.holes],
                "expired_unread": [list(hole) for hole in account.expired_unread],
                "whole": account.whole,
            }
            for account in result.partitions
        ],
        "row_without_receipt": result.row_without_receipt,
        "rows_without_receipt": [version._asdict() for version in result.rows_without_receipt],
        "receipt_without_row": result.receipt_without_row,
        "receipts_without_row": [lost._asdict() for lost in result.receipts_without_row],
        "activity_difference": result.activity_difference,
    }


def as_text(result: Reconciliation) -> str:
    """A table with a row per partition and one for all, what is wrong beneath, the verdict last."""
    names = [name.replace("_", " ") for name in COUNTS]
    rows = [("topic", "epoch", "partition", "offsets", *names)]
    rows += [
        (
            account.topic,
            str(account.topic_epoch),
            str(account.partition),
            number(account.expected),
            *(number(count) for count in _counts(account).values()),
        )
        for account in result.partitions
    ]
    rows.append(("all", "", "", number(_expected(result)), *(number(_total(result, name)) for name in COUNTS)))
    verdict = f"{'whole' if result.whole else 'NOT WHOLE'}: {_verdict(result)}"
    return "\n\n".join(part for part in (aligned(rows), "\n".join(_faults(result)), verdict) if part) + "\n"


def _faults(result: Reconciliation) -> list[str]:
    """A line for everything that is wrong, the first LISTED of each kind."""
    lines = []
    for words, ranges_of in (
        ("without a receipt, still in Kafka", "holes"),
        ("deleted by Kafka before they were read", "expired_unread"),
    ):
        found = [(account, hole) for account in result.partitions for hole in getattr(account, ranges_of)]
        lines += [
            f"{account.topic}/{account.partition}: offsets {hole.first} to {hole.last} {words}"
            for account, hole in found[:LISTED]
        ]
        if len(found) > LISTED:
            lines.append(f"... and {number(len(found) - LISTED)} more ranges {words}")
    lines += [
        f"{lost.topic}/{lost.partition}: offset {lost.offset} is {lost.status}, but its row is not there"
        for lost in result.receipts_without_row
    ]
    lines += [
        f"{version.source} {version.activity_id}, revision {version.revision}: a row without a receipt"
        for version in result.rows_without_receipt
    ]
    return lines


def _verdict(result: Reconciliation) -> str:
    """One sentence."""
    if result.whole:
        pending = f", {number(result.pending)} of them pending" if result.pending else ""
        return f"all {number(_expected(result))} offsets are accounted for{pending}."
    wrong: Mapping[str, int] = {
        "offsets without a receipt": _total(result, "missing"),
        "offsets that expired unread": _total(result, "expired"),
        "receipts without their row": result.receipt_without_row,
        "rows without a receipt": result.row_without_receipt,
        "activities that differ from their history": result.activity_difference,
    }
    found = ", ".join(f"{number(count)} {words}" for words, count in wrong.items() if count)
    return f"{found or 'receipts and offsets do not add up'}; the ledger's account is on standard output."


def _place(account: PartitionAccount) -> Place:
    return Place(account.topic, account.topic_epoch, account.partition)


def _counts(account: PartitionAccount) -> dict[str, int]:
    return {name: getattr(account, name) for name in COUNTS}


def _total(result: Reconciliation, name: str) -> int:
    return sum(_counts(account)[name] for account in result.partitions)


def _expected(result: Reconciliation) -> int:
    return sum(account.expected for account in result.partitions)
