"""CPU time of the worker's own work on a record, stage by stage: no Kafka, no ClickHouse, no threads.

    python bench/hot_path.py [--events 100000] [--repeats 7] [--json]

Prints nanoseconds per record (median, minimum, maximum). The events are those of bench/generate.py.

- validate: `read_event` alone
- batch: all of `process_batch`, validation included, and its outputs into Kafka batches, as the pipeline does at once
- arrow: the columns for ClickHouse
- marks: marks into Kafka batches
- total: batch, arrow and marks

The dedupe state is a dict here: RocksDB's time is not in these figures. On a machine with other work look
at the minimum, and compare in turns.
"""

# ruff: noqa: SLF001, T201  (steps are timed one by one; it prints)

import argparse
import gc
import json
import statistics
import time
from collections.abc import Sequence
from datetime import date
from typing import Any

import generate
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.structs import ConsumerRecord

from brokers.partitioning import partition_of
from schemas.clusters import ClusterRegistry
from schemas.company import CompanyVersion
from schemas.events import read_event
from schemas.registry_document import read_sample
from sinks import writer
from streams.app import GC_THRESHOLD, PRODUCER_BATCH
from streams.company_register import Register
from streams.decide import PartitionInfo, process_batch
from streams.interfaces import Group
from streams.outbox import Filled, KafkaParcel

PARTITIONS = 4
BATCH = 2_000
GROUP = 16_000
ARRIVED = 1_798_000_000_000
STAGES = ("validate", "batch", "arrow", "marks")


def records(number: int) -> list[tuple[int, list[Any]]]:
    """Batches of one partition, as aiokafka gives records; every other one with the headers of `publish`."""
    by_partition: dict[int, list[Any]] = {partition: [] for partition in range(PARTITIONS)}
    for n, (_, value, _) in enumerate(generate.events(number, generate.company_numbers())):
        key = generate.subject_of(value)
        partition = partition_of(int(key), PARTITIONS)
        mine = by_partition[partition]
        headers = tuple(generate.HEADERS) if n % 2 else ()
        mine.append(
            ConsumerRecord("activity.events.v1", partition, len(mine), ARRIVED + n, 1, key, value, None, 8, 9, headers)
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
        region, industry = generate.REGIONS[number % 5], generate.INDUSTRIES[number % 5]
        register.apply(
            CompanyVersion(
                cvr=cvr,
                valid_from=date(2010, 1, 1),
                revision=1,
                name=f"Syntetisk Møbelfabrik {number} ApS",
                legal_form="80",
                employees=number % 250,
                nuts=region,
                industry_scheme="DB07",
                industry=industry,
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
        for _, part in group:
            for record in part:
                read_event(record.value, None, record.timestamp, self.clusters)

    def batch(self, group: Sequence[tuple[int, Sequence[Any]]]) -> Group:
        """`process_batch`, joined into a group as the pipeline does."""
        joined = Group(None, 0.0, KafkaParcel(new_batch))
        for partition, part in group:
            place = PartitionInfo("activity.events.v1", 0, partition, PARTITIONS)
            batch = process_batch(
                place, part, seen=self.seen, register=self.register, clusters=self.clusters, condemned={}
            )
            self.known.update(batch.marks)
            joined.add(place, part, batch)
        return joined

    def seen(self, keys: list[bytes]) -> list[bytes | None]:
        """Marks by their keys."""
        return [self.known.get(key) for key in keys]


def new_batch() -> BatchBuilder:
    """As the producer makes them."""
    return BatchBuilder(PRODUCER_BATCH, 0)


def arrow(group: Group) -> None:
    """Rows into Arrow tables."""
    rows = group.rows
    if rows.rejected:
        writer._rejected(rows.rejected)
    writer._activities(rows.activities)
    writer._receipts(rows.receipts)


def marks(group: Group) -> None:
    """Marks into Kafka batches."""
    for written in group.marks.values():
        Filled(new_batch).add((key, mark, []) for key, mark in written.items())


def measure(groups: Sequence[Sequence[tuple[int, Sequence[Any]]]], worker: Worker) -> dict[str, int]:
    """Nanoseconds of CPU by stage."""
    spent = dict.fromkeys(STAGES, 0)
    for group in groups:
        clock = [time.process_time_ns()]
        worker.validate(group)
        clock.append(time.process_time_ns())
        batch = worker.batch(group)
        clock.append(time.process_time_ns())
        arrow(batch)
        clock.append(time.process_time_ns())
        marks(batch)
        clock.append(time.process_time_ns())
        for name, began, ended in zip(spent, clock, clock[1:], strict=False):
            spent[name] += ended - began
    return spent


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="medians in microseconds, as JSON")
    options = parser.parse_args()
    clusters = read_sample().by_source
    made, register = records(options.events), register_of(generate.company_numbers())
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
    if options.json:
        print(json.dumps({name: round(statistics.median(values) / 1000, 2) for name, values in found.items()}))
        return
    print(f"{options.events} events of {min(sizes)} to {max(sizes)} bytes, median {statistics.median(sizes):.0f}")
    print("ns of CPU per record: median, min, max")
    for name, values in found.items():
        print(f"{name:10} {statistics.median(values):8.0f} {min(values):8.0f} {max(values):8.0f}")


if __name__ == "__main__":
    main()
