"""CPU time of the worker's own work on a record, stage by stage: no Kafka, no ClickHouse, no threads.

    python bench/hot_path.py [--events 100000] [--repeats 7]

Prints nanoseconds per record (median, minimum, maximum). The events are synthetic: 300 to 500 bytes as CRMs send
them, 18,000 companies, 5 % repeats, 5 % corrections, 1 % retractions, 0.5 % invalid.

- validate: `read_event` alone
- batch: all of `process_batch`, validation included
- arrow: the columns for ClickHouse
- produce: filling Kafka batches with outputs and marks
- total: batch, arrow and produce

The dedupe state is a dict here: RocksDB's time is not in these figures. On a machine that does other work as well look
at the minimum, and compare in turns.
"""

# ruff: noqa: PLR2004, SLF001, T201  (shares of a mix stand where they are used; steps are timed one by one; it prints)

import argparse
import gc
import json
import statistics
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.structs import ConsumerRecord

from schemas.clusters import ClusterRegistry
from schemas.company import CompanyVersion
from schemas.cvr import CvrFault, parse_cvr
from schemas.events import read_event
from sinks import writer
from streams.app import GC_THRESHOLD, PRODUCER_BATCH
from streams.batch import Batch, Place, process_batch
from streams.partitions import partition_of
from streams.register import Register

COMPANIES = 18_000
PARTITIONS = 4
BATCH = 2_000
GROUP = 20_000
ARRIVED = 1_798_000_000_000
HEADERS = (("content-type", b"application/cloudevents+json; charset=utf-8"),)
KINDS = (
    ("workshop.attended", "workshop_id", "WS"),
    ("project.started", "project_id", "PR"),
    ("product.launched", "product_id", "PD"),
)
TITLES = (
    "Digital twins in food production",
    "Bæredygtige materialer",
    "AI for exporters",
    "Grøn omstilling: første skridt",
)
NUTS = ("DK011", "DK021", "DK032", "DK041", "DK050")
OUTCOMES = (["new_competencies"], ["new_ideas", "new_competencies"], ["new_products"], [])


def company_numbers(rng: Random) -> list[int]:
    """Valid CVR numbers."""
    found: set[int] = set()
    while len(found) < COMPANIES:
        try:
            found.add(parse_cvr(str(rng.randrange(10_000_000, 70_000_000))))
        except CvrFault:
            continue
    return sorted(found)


def event(rng: Random, number: int, company: int, source: str) -> dict[str, Any]:
    """One event as a CRM sends it."""
    kind, field, prefix = rng.choice(KINDS)
    thing = f"{prefix}-{rng.randrange(40_000)}"
    day = date(2021, 1, 1) + timedelta(days=rng.randrange(1_000))
    recorded = datetime(2022, 1, 1, 8, tzinfo=UTC) + timedelta(milliseconds=rng.randrange(60_000_000_000))
    data: dict[str, Any] = {"activity_id": f"{thing}/{company}-{number}", "occurred_on": day.isoformat()}
    if rng.random() < 0.8:
        data |= {field: thing, "title": rng.choice(TITLES)}
    if rng.random() < 0.4:
        data["outcomes"] = rng.choice(OUTCOMES)
    subject = f"{company:08d}" if rng.random() < 0.9 else f"DK {company:08d}"
    return {
        "specversion": "1.0",
        "id": f"{rng.getrandbits(128):032x}",
        "source": source,
        "type": f"org.clustertrack.{kind}.v1",
        "subject": subject,
        "time": recorded.isoformat(timespec="milliseconds" if rng.random() < 0.5 else "seconds"),
        "datacontenttype": "application/json",
        "data": data,
    }


def events(number: int, companies: Sequence[int], sources: Sequence[str]) -> Iterator[bytes]:
    """Values of records."""
    rng = Random(2018)  # noqa: S311  (synthetic data)
    sent: list[dict[str, Any]] = []
    for n in range(number):
        draw = rng.random()
        if sent and draw < 0.05:
            document = rng.choice(sent[-20_000:])
        elif sent and draw < 0.10:
            before = rng.choice(sent[-20_000:])
            document = {**before, "data": {**before["data"], "title": "Corrected"}, "time": "2025-03-01T08:00:00+01:00"}
        elif sent and draw < 0.11:
            before = rng.choice(sent[-20_000:])
            data = {"activity_id": before["data"]["activity_id"], "reason": "entered twice"}
            kind = "org.clustertrack.activity.retracted.v1"
            document = {**before, "type": kind, "data": data, "time": "2026-03-01T08:00:00+01:00"}
        else:
            document = event(rng, n, rng.choice(companies), rng.choice(sources))
            if draw > 0.995:
                document = {**document, "subject": "12345678", "data": {**document["data"], "email": "x"}}
            else:
                sent.append(document)
        yield json.dumps(document, ensure_ascii=n % 3 == 0, separators=(",", ":") if n % 3 else None).encode()


def records(number: int, companies: Sequence[int], sources: Sequence[str]) -> list[tuple[int, list[Any]]]:
    """Batches of one partition, as aiokafka gives records; every other one with the headers of `publish`."""
    by_partition: dict[int, list[Any]] = {partition: [] for partition in range(PARTITIONS)}
    for n, value in enumerate(events(number, companies, sources)):
        subject = json.loads(value)["subject"][-8:]
        partition = partition_of(int(subject), PARTITIONS)
        mine = by_partition[partition]
        headers = HEADERS if n % 2 else ()
        mine.append(
            ConsumerRecord(
                "activity.events.v1", partition, len(mine), ARRIVED + n, 1, subject.encode(), value, None, 8, 9, headers
            )
        )
    return [
        (partition, part[start : start + BATCH])
        for start in range(0, max(map(len, by_partition.values())), BATCH)
        for partition, part in by_partition.items()
        if start < len(part)
    ]


def register_of(companies: Sequence[int]) -> Register:
    """A register with one version of each company."""
    register = Register()
    for number, cvr in enumerate(companies):
        name, nuts, employees = f"Syntetisk Møbelfabrik {number} ApS", NUTS[number % len(NUTS)], number % 250
        register.apply(
            CompanyVersion(
                cvr=cvr,
                valid_from=date(2010, 1, 1),
                revision=1,
                name=name,
                legal_form="80",
                employees=employees,
                nuts=nuts,
                industry_scheme="DB07",
                industry="620100",
            )
        )
    return register


class Worker:
    """What a worker does with records, without its I/O; the dedupe state is empty at first."""

    def __init__(self, register: Register, clusters: ClusterRegistry) -> None:
        self.register, self.clusters = register, clusters
        self.known: dict[bytes, bytes] = {}

    def validate(self, group: Sequence[tuple[int, Sequence[Any]]]) -> None:
        """`read_event` of each record alone."""
        headers = dict(HEADERS)
        for _, part in group:
            for record in part:
                read_event(record.value, headers if record.headers else None, record.timestamp, self.clusters)

    def batch(self, group: Sequence[tuple[int, Sequence[Any]]]) -> Batch:
        """`process_batch`, joined into a group as the pipeline does."""
        joined = Batch()
        for partition, part in group:
            place = Place("activity.events.v1", 0, partition, PARTITIONS)
            batch = process_batch(
                place, part, seen=self.seen, register=self.register, clusters=self.clusters, condemned={}
            )
            self.known.update(batch.marks)
            joined.rows.extend(batch.rows)
            joined.outputs += batch.outputs
            joined.marks.update(batch.marks)
        return joined

    def seen(self, keys: list[bytes]) -> list[bytes | None]:
        """Marks by their keys."""
        return [self.known.get(key) for key in keys]


def arrow(group: Batch) -> None:
    """Rows into Arrow tables."""
    rows = group.rows
    if rows.rejected:
        writer._rejected(rows.rejected)
    writer._activities(rows.activities)
    writer._receipts(rows.receipts)


def produce(group: Batch) -> None:
    """Outputs and marks into Kafka batches."""
    fill((output.key, output.value, output.headers) for output in group.outputs)
    fill((key, mark, ()) for key, mark in group.marks.items())


def fill(entries: Iterator[tuple[bytes | None, bytes | None, Sequence[Any]]]) -> None:
    """As `streams.outbox` does."""
    batch = BatchBuilder(PRODUCER_BATCH, 0)
    for key, value, headers in entries:
        if batch.append(key=key, value=value, timestamp=None, headers=list(headers)) is None:
            batch = BatchBuilder(PRODUCER_BATCH, 0)
            batch.append(key=key, value=value, timestamp=None, headers=list(headers))


def measure(groups: Sequence[Sequence[tuple[int, Sequence[Any]]]], worker: Worker) -> dict[str, int]:
    """Nanoseconds of CPU by stage."""
    spent = dict.fromkeys(("validate", "batch", "arrow", "produce"), 0)
    for group in groups:
        clock = [time.process_time_ns()]
        worker.validate(group)
        clock.append(time.process_time_ns())
        batch = worker.batch(group)
        clock.append(time.process_time_ns())
        arrow(batch)
        clock.append(time.process_time_ns())
        produce(batch)
        clock.append(time.process_time_ns())
        for name, began, ended in zip(spent, clock, clock[1:], strict=False):
            spent[name] += ended - began
    return spent


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    clusters = ClusterRegistry.load()
    sources = [c.sources[0] for c in clusters.clusters if c.valid_to]  # the others share a source
    companies = company_numbers(Random(1))  # noqa: S311  (synthetic data)
    made, register = records(options.events, companies, sources), register_of(companies)
    sizes = [len(record.value) for _, part in made for record in part]
    groups = [made[start : start + GROUP // BATCH] for start in range(0, len(made), GROUP // BATCH)]
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLD)
    found: dict[str, list[float]] = {}
    for repeat in range(options.repeats + 1):
        once = measure(groups, Worker(register, clusters))
        once["total"] = sum(once.values()) - once["validate"]
        if repeat:  # the first fills caches
            for name, value in once.items():
                found.setdefault(name, []).append(value / options.events)
    print(f"{options.events} events of {min(sizes)} to {max(sizes)} bytes, median {statistics.median(sizes):.0f}")
    print("ns of CPU per record: median, min, max")
    for name, values in found.items():
        print(f"{name:10} {statistics.median(values):8.0f} {min(values):8.0f} {max(values):8.0f}")


if __name__ == "__main__":
    main()
