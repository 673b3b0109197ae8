"""One run of one contender: the process is started on preloaded records, watched, stopped, and its result is checked.

The window of measurement opens when a tenth of the records have a receipt in ClickHouse (what starts,
connects and warms up is before it) and closes when all of them have one and every enriched record is on its topic.
"""

import hashlib
import json
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import generate
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from ground import check, cpu_seconds, resident_mb, say
from stack import Stack, wait_for

from brokers.topics import ENRICHED, EVENTS
from clustertrack.local.child import Child, Command

HERE = Path(__file__).parent
PARTITIONS = 4
"""As `clustertrack up` makes topics."""
WARM = 0.1
POLL_SECONDS = (0.04, 0.5)
"""Shortest and longest time between two checks of a contender's progress; they come closer towards the end. Each takes
5 ms of ClickHouse: steady looks every 40 ms would take a tenth of a core from what is measured."""
LOOKS = 20
"""At most this many checks in the time that is left."""
QUIET = {"log_level": 0}
"""librdkafka prints a line for every connection that is closed with its stack; errors that matter are raised."""
START_SECONDS = 120
STALL_SECONDS = 60
"""A contender that stores nothing for this many seconds has failed."""
LOG_APPEND = {"message.timestamp.type": "LogAppendTime", "max.message.bytes": str(2**20)}


class Wrong(Exception):
    """A contender's result differs from the truth: its speed does not count."""


@dataclass(frozen=True)
class Run:
    """What was measured. Rates are of the window; CPU in seconds of it."""

    contender: str
    events: int
    seconds: float
    rate: float
    cpu: float
    cpu_kafka: float
    cpu_clickhouse: float
    rate_per_cpu: float
    counted: int
    """Records of the window."""
    repeated: int
    """Enriched records more than once."""
    rss_mb: int
    """Resident megabytes of the contender's processes at the end."""


class Arena:
    """The loaded stack: records on topics of the sizes asked for, and the register."""

    def __init__(
        self,
        stack: Stack,
        sizes: set[int],
        ours: int,
        *,
        partitions: int = PARTITIONS,
        companies: int = generate.COMPANIES,
    ) -> None:
        """Args:
        stack: a running stack.
        sizes: numbers of records, each gets a topic of its own.
        ours: the size of the product's own topic, whose name is fixed.
        partitions: of each topic, as the stack was configured.
        companies: in the register; the records are of the first of them.
        """
        self.stack, self.partitions = stack, partitions
        self.ledger = stack.client()
        self.admin = AdminClient({"bootstrap.servers": stack.bootstrap, **QUIET})
        self._looker = self._new_looker()
        self.truth: dict[int, generate.Truth] = {}
        self.topics: dict[int, str] = {}
        self._number = 0
        file = events_file(max(sizes)) if sizes else Path()
        for size in sorted(sizes):
            self.topics[size] = EVENTS if size == ours else f"bench.events.{size}"
            if size != ours:
                self.create([self.topics[size]], LOG_APPEND)
            self.truth[size] = generate.truth_of(generate.read_events(file, size))
            started = time.monotonic()
            produce(stack.bootstrap, self.topics[size], generate.read_events(file, size))
            say(f"loaded {size:,} events in {time.monotonic() - started:.1f} s")
        register = stack.folder / "register.csv"
        generate.write_register(register, companies)
        stack.run("companies", "load", str(register), "--as-of", "2022-12-01T08:00:00+01:00", seconds=600)

    def create(self, topics: list[str], config: dict[str, str]) -> None:
        """Create topics and wait until they exist."""
        made = self.admin.create_topics([NewTopic(name, self.partitions, 1, config=config) for name in topics])
        for future in made.values():
            future.result(30)
        for topic in topics:
            wait_for(lambda topic=topic: self._has_leaders(topic), 30, f"the partitions of {topic}")

    def _has_leaders(self, topic: str) -> bool:
        try:
            return len(self.ends(topic)) == self.partitions
        except KafkaException:
            self._looker = self._new_looker()  # the old one remembers a topic that was not ready yet
            return False

    def _new_looker(self) -> Consumer:
        return Consumer({"bootstrap.servers": self.stack.bootstrap, "group.id": "bench-looks", **QUIET})

    def ends(self, topic: str) -> list[int]:
        """End offset of every partition."""
        places = (TopicPartition(topic, partition) for partition in range(self.partitions))
        return [self._looker.get_watermark_offsets(place, timeout=30)[1] for place in places]

    def committed(self, group: str, topic: str) -> int:
        """Records that a group has committed."""
        places = [TopicPartition(topic, p) for p in range(self.partitions)]
        asked = self.admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group, places)])
        return sum(max(0, place.offset) for place in asked[group].result(30).topic_partitions)

    def next_name(self, contender: str) -> str:
        """A name for a ledger of its own."""
        self._number += 1
        return f"bench_{self._number}_{contender}"

    def rows(self, sql: str) -> Sequence[Sequence[Any]]:
        """Rows of a query."""
        return self.ledger.query(sql).result_rows

    def number(self, sql: str) -> int:
        """The one number that a query gives."""
        return int(self.rows(sql)[0][0])

    # ---- one run

    def run(self, contender: str, events: int, *, workers: int = 1, warm: float = WARM) -> Run:
        """Run a contender on `events` events; raises Wrong when its result is wrong.

        Args:
            contender: one of `PROGRAMS`, or the product.
            events: one of the sizes that were loaded.
            workers: how many of the product's workers share the records.
            warm: part of the records that is counted before the window opens.
        """
        name = self.next_name(contender)
        self.stack.run("migrate", CLICKHOUSE_DATABASE=name)
        folder = self.stack.folder / name
        ours = contender == "clustertrack"
        enriched, rejected = (ENRICHED, "") if ours else (f"{name}.enriched", f"{name}.rejected")
        if not ours:
            self.create([enriched, rejected], LOG_APPEND)
        before = self.ends(enriched)
        if ours:
            processes: list[Child] = [self._worker(name, folder, number) for number in range(1, workers + 1)]
            group = f"clustertrack-{self.rows(f'SELECT id FROM {name}.ledger LIMIT 1')[0][0]}"
        else:
            processes, group = [self._start(contender, name, self.topics[events], enriched, rejected)], name
        try:
            produced = lambda: sum(self.ends(enriched)) - sum(before)  # noqa: E731  (it closes over what this run began with)
            run = self._measure(contender, processes, name, events, produced, warm)
            if contender != "bytewax":  # keeps its offsets in its own recovery store
                self._wait_committed(group, events)
        finally:
            for process in processes:
                process.kill()
        repeated = self._check(name, events, enriched, before)
        self.ledger.command(f"DROP DATABASE {name}")
        if not ours:
            self.admin.delete_topics([enriched, rejected])
        shutil.rmtree(folder, ignore_errors=True)
        return Run(**{**asdict(run), "repeated": repeated})

    def _start(self, contender: str, name: str, topic: str, enriched: str, rejected: str) -> Child:
        setup = {
            "bootstrap": self.stack.bootstrap,
            "clickhouse_port": self.stack.clickhouse_port,
            "database": name,
            "topic": topic,
            "enriched": enriched,
            "rejected": rejected,
            "group": name,
            "partitions": self.partitions,
            "folder": str(self.stack.folder / name),
        }
        file, *arguments = PROGRAMS[contender]
        command = [sys.executable, str(HERE / "competitors" / file), *arguments, json.dumps(setup)]
        environment = {"PYTHONPATH": str(HERE.parent), "CLICKHOUSE_PASSWORD": self.stack.password}
        return Child(Command(name, command, environment | SETTINGS.get(contender, {})), self.stack.folder)

    def _worker(self, name: str, folder: Path, number: int) -> Child:
        settings = {"CLICKHOUSE_DATABASE": name, "CLUSTERTRACK_DATA_DIR": str(folder / str(number))}
        return self.stack.start_worker(f"{name}-{number}", wait=False, **settings)

    def _measure(
        self,
        contender: str,
        processes: Sequence[Child],
        name: str,
        events: int,
        produced: Callable[[], int],
        warm: float,
    ) -> Run:
        pids = (self.stack.brokers[0].pid, self.stack.clickhouse.pid, *(process.pid for process in processes))
        wanted = self.truth[events].versions
        first = self.wait_counted(processes, name, int(events * warm))
        opened, cpu = time.monotonic(), [cpu_seconds(pid) for pid in pids]
        self.wait_counted(processes, name, events)
        wait_for(lambda: produced() >= wanted, STALL_SECONDS, f"the enriched records of {contender}", 0.02)
        seconds = time.monotonic() - opened
        kafka, clickhouse, *each = (cpu_seconds(pid) - before for pid, before in zip(pids, cpu, strict=True))
        own, counted = sum(each), events - first
        if counted < events / 2:
            raise Wrong(f"{name} counted {first:,} of {events:,} records at once: too few are left to measure")
        rss = round(sum(resident_mb(process.pid) for process in processes))
        rate, rate_per_cpu = counted / seconds, counted / own
        return Run(contender, events, seconds, rate, own, kafka, clickhouse, rate_per_cpu, counted, 0, rss)

    def wait_counted(self, processes: Sequence[Child], database: str, wanted: int) -> int:
        """Wait until `wanted` records have a receipt; returns how many have. Raises Wrong when nothing moves."""
        shortest, longest = POLL_SECONDS
        counted, began = 0, time.monotonic()
        moved = began
        while True:
            now = self.number(f"SELECT count() FROM {database}.receipt")
            if now >= wanted:
                return now
            if now > counted:
                counted, moved = now, time.monotonic()
            elif time.monotonic() - moved > (STALL_SECONDS if counted else START_SECONDS):
                logs = "\n".join(process.last_words() for process in processes)
                raise Wrong(f"{database} is stuck at {counted:,} of {wanted:,} records\n{logs}")
            for process in processes:
                check(process)
            left = (time.monotonic() - began) * (wanted - now) / now if now else 0.0
            time.sleep(min(longest, max(shortest, left / LOOKS)))

    def _wait_committed(self, group: str, events: int) -> None:
        try:
            wait_for(lambda: self.committed(group, self.topics[events]) == events, 20, "the commit", 0.1)
        except AssertionError:
            committed = self.committed(group, self.topics[events])
            raise Wrong(f"{group} committed {committed:,} of {events:,} records") from None

    # ---- correctness

    def _check(self, name: str, events: int, enriched: str, before: list[int]) -> int:
        """Compare the ledger and the enriched topic with the truth; returns enriched records beyond the first."""
        truth = self.truth[events]
        versions, ids = self.rows(
            "SELECT count(), sumWithOverflow(reinterpretAsUInt64(reverse(unhex(substring(event_id, 1, 16))))) FROM "
            f"(SELECT source, activity_id, revision, any(event_id) AS event_id FROM {name}.activity_revision "
            "GROUP BY source, activity_id, revision)"
        )[0]
        self._same(name, "versions in the ledger", int(versions), truth.versions)
        self._same(name, "ids of versions", int(ids), truth.ids)
        statuses = {s: int(n) for s, n in self.rows(f"SELECT status, count() FROM {name}.receipt FINAL GROUP BY 1")}
        self._same(name, "receipts", sum(statuses.values()), events)
        self._same(name, "repeats", statuses.get("duplicate", 0), truth.repeats)
        self._same(name, "refused records", statuses.get("rejected", 0), truth.invalid)
        refused = self.number(f"SELECT count() FROM {name}.rejected FINAL")
        self._same(name, "rows of refused records", refused, truth.invalid)
        accepted = self.rows(
            f"SELECT partition * 1099511627776 + offset FROM {name}.receipt FINAL "
            "WHERE status IN ('accepted', 'retracted')"
        )
        origins = read_origins(self.stack.bootstrap, enriched, before, self.ends(enriched))
        distinct = set(origins)
        if distinct != {int(row[0]) for row in accepted}:
            raise Wrong(f"{name}: {len(distinct):,} enriched records are not those of {len(accepted):,} accepted ones")
        return len(origins) - len(distinct)

    def _same(self, name: str, what: str, found: int, wanted: int) -> None:
        if found != wanted:
            raise Wrong(f"{name}: {found:,} {what}, should be {wanted:,}")


PROGRAMS = {
    "faust": ("faust_app.py", "worker"),
    "faust_tuned": ("faust_app.py", "worker"),
    "quixstreams": ("quixstreams_app.py",),
    "librdkafka": ("librdkafka_loop.py",),
    "bytewax": ("bytewax_flow.py",),
}
SETTINGS = {"faust_tuned": {"FAUST_TUNED": "1"}}
"""Environment of a contender's program."""


def events_file(count: int) -> Path:
    """A file of `events` events, written once for each version of the generator."""
    folder = HERE.parent / ".local" / "bench"
    made_by = hashlib.blake2b(Path(generate.__file__).read_bytes(), digest_size=4).hexdigest()
    path = folder / f"events-{count}-{made_by}.tsv"
    if not path.exists():
        say(f"writing {count:,} events")
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob(f"events-{count}-*.tsv"):
            old.unlink()
        partial = path.with_suffix(".part")
        generate.write_events(partial, count)
        partial.replace(path)
    return path


def produce(bootstrap: str, topic: str, made: Iterable[tuple[str, bytes, str]]) -> None:
    """Send events and wait until all are confirmed; every second one with the header of `clustertrack publish`."""
    failed: list[object] = []
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "acks": "all",
            "linger.ms": 50,
            "batch.size": 200_000,
            "partitioner": "murmur2_random",
            "queue.buffering.max.messages": 1_000_000,
            "error_cb": failed.append,
        }
    )
    for number, (_, value, _) in enumerate(made):
        headers = generate.HEADERS if number % 2 else None
        producer.produce(topic, value, generate.subject_of(value), headers=headers)
        if number % 10_000 == 0:
            producer.poll(0)
            while len(producer) > 500_000:  # noqa: PLR2004  (half of the queue)
                producer.poll(0.1)
    if producer.flush(120) or failed:
        raise RuntimeError(f"events could not be loaded: {failed}")


def read_origins(bootstrap: str, topic: str, begins: list[int], ends: list[int]) -> list[int]:
    """`ct-origin` of all records between the offsets, as partition << 40 | offset."""
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "bench", "enable.auto.commit": False, "fetch.max.bytes": 5 * 2**20}
    )
    consumer.assign([TopicPartition(topic, p, begin) for p, begin in enumerate(begins)])
    missing, found, moved = sum(ends) - sum(begins), [], time.monotonic()
    while missing > 0:
        records = consumer.consume(20_000, 0.1)
        if records:
            moved = time.monotonic()
        elif time.monotonic() - moved > STALL_SECONDS:
            raise Wrong(f"{missing:,} records of {topic} cannot be read")
        missing -= len(records)
        for record in records:
            origin = dict(record.headers())["ct-origin"]
            _, partition, offset = origin.rsplit(b"/", 2)
            found.append(int(partition) << 40 | int(offset))
    consumer.close()
    return found
