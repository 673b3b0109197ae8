"""`clustertrack reconcile`: the proof that every Kafka record is accounted for."""

import dataclasses
import time
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Final

import click
from clickhouse_connect.driver.client import Client

from brokers import topics
from brokers.codecs import require_codecs
from brokers.offsets import PROBE_SECONDS, KafkaOffsets, Partition, Reading
from clustertrack.reconcile.account import Bound, Probe, Range, Reconciliation
from clustertrack.reconcile.account_metrics import ReconcileMetrics
from clustertrack.reconcile.account_run import reconcile
from clustertrack.reconcile.account_text import as_dict, as_text, verdict_of
from clustertrack.settings import Settings, load_settings
from schemas.addresses import TopicPartition
from schemas.errors import CheckFailed, UsageFault
from schemas.screen import note_reached, show, width_of_results
from schemas.visible import json_lines
from sinks import catalog
from sinks.clickhouse import open_ledger
from sinks.events_topic import check_topic, recorded_topic
from sinks.replaced import replaced

SETTLE_SECONDS: Final = 10.0
"""How long to wait for running workers when records in progress may explain what looks wrong."""


class NotWhole(CheckFailed):
    """Records are lost, or rows and receipts disagree; `result` says which."""

    def __init__(self, message: str, result: Reconciliation) -> None:
        super().__init__(message)
        self.result = result


EXAMPLES: Final = """\b
Examples:
  clustertrack reconcile
  clustertrack reconcile --json
  clustertrack reconcile --acknowledge "outage of July 2026, CRMs published it again"
  clustertrack reconcile --textfile /var/lib/node_exporter/clustertrack.prom"""


@click.command(epilog=EXAMPLES)
@click.option(
    "--acknowledge",
    metavar="REASON",
    help="Record in the ledger why the records that expired unread are lost; they are no longer a fault.",
)
@click.option("--by-day", is_flag=True, help="List every source and day, not only those with a fault.")
@click.option(
    "--textfile",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Also write metrics to FILE (NAME.prom), for the textfile collector of node_exporter.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(*, acknowledge: str | None, by_day: bool, textfile: Path | None, as_json: bool) -> None:
    """Prove that every Kafka record is accounted for: a receipt for every offset, a row for every receipt.

    Exit code 1 for every fault: records missing, or deleted by Kafka before they were read; receipts without their row,
    or rows without a receipt; duplicate or impossible receipts; records that were sent on and did not arrive;
    activities that differ from their history. What is not committed yet is pending, which is not a fault.

    What Kafka deleted before it was read stays lost. Once it is published again, or given up, --acknowledge REASON
    records that in the ledger, so that the next loss is not overlooked.
    """
    reason = (acknowledge or "").strip()
    if acknowledge is not None and not reason:
        raise UsageFault("--acknowledge is blank: say in a few words why these records are lost, for the record.")
    settings = load_settings()
    require_codecs()
    note_reached("there is no verdict")
    started = time.monotonic()
    with open_ledger(settings.clickhouse.connection()) as client, KafkaOffsets(settings.kafka.connection()) as offsets:
        result = examine(settings, client, offsets, acknowledge=reason)
    note_reached("the verdict was not printed")
    if textfile is not None:
        metrics = ReconcileMetrics()
        metrics.fill(result, now=time.time(), seconds=time.monotonic() - started)
        metrics.write(textfile)
    show(json_lines(as_dict(result)) if as_json else as_text(result, by_day=by_day, width=width_of_results()))
    if not result.whole:
        raise NotWhole(f"{verdict_of(result)[:-1]}; the ledger's account is on standard output.", result)


def examine(settings: Settings, client: Client, offsets: KafkaOffsets, *, acknowledge: str = "") -> Reconciliation:
    """The account of the events topic in its present epoch, and of what its former ones have left.

    `acknowledge` says why everything that expired unread is no fault from now on.

    Holes are looked up in Kafka: an offset at which it delivers nothing, such as a transaction marker, is not a hole.
    """
    database = settings.clickhouse.database
    group = topics.app_id(settings.kafka.consumer_group, catalog.ledger_id(client, database))
    recorded = recorded_topic(client, database)
    check_topic(settings.kafka.connection(), recorded)

    deadlines: dict[TopicPartition, float] = {}

    def no_record(place: TopicPartition, ranges: Sequence[Range]) -> Probe:
        left = deadlines.setdefault(place, time.monotonic() + PROBE_SECONDS) - time.monotonic()
        probed = offsets.probe(Partition(place.topic, place.partition), ranges, left)
        return Probe([Range(*found) for found in probed.empty], [Range(*found) for found in probed.unread])

    def ends(places: AbstractSet[TopicPartition]) -> dict[TopicPartition, int]:
        written = offsets.written([topics.EVENTS])
        return {place: written[Partition(place.topic, place.partition)] for place in places}

    def committed(places: AbstractSet[TopicPartition]) -> set[TopicPartition]:
        asked = {Partition(place.topic, place.partition): place for place in places}
        return {asked[found] for found in offsets.await_committed(group, asked.keys(), SETTLE_SECONDS)}

    reading = offsets.read(group, [topics.EVENTS])
    bounds = list(bounds_of(reading, recorded.topic_epoch))
    again = replaced(client, database, offsets, reading.progress, recorded.topic_epoch)
    result = reconcile(
        client,
        database,
        bounds,
        no_record=no_record,
        read_to_end=committed,
        ends=ends,
        acknowledge=acknowledge,
    )
    ranges = tuple((found.place, Range(found.first, found.last)) for found in again)
    return dataclasses.replace(result, replaced=sum(found.size for _, found in ranges), replaced_ranges=ranges)


def bounds_of(reading: Reading, topic_epoch: int) -> Iterator[Bound]:
    """What Kafka reports for each partition, as `reconcile` takes it."""
    for place, progress in reading.progress.items():
        yield Bound(place.topic, topic_epoch, place.partition, progress.low, progress.end, progress.committed or 0)
