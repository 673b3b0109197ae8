"""What every chaos scenario needs: a load whose truth is known, and the comparison of the ledger with it.

The load is seeded. Its truth is kept with it in plain Python while it is drawn: which versions were published, which
state holds at the end, how many records are invalid. Nothing here uses the product's own rules.

Set by scripts/chaos for its long runs: what `runs` reads, and CHAOS_OUTCOMES (the file that gets one JSON line for each
outcome).
"""

import itertools
import json
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from runs import NODES, SCALE, SEED
from samples import SOURCE
from stack import Stack
from verdict import arrivals, doubled, missing, origins, repeats, without_one_receipt

EVENTS, ENRICHED, REJECTED = "activity.events.v1", "activity.enriched.v1", "activity.rejected.v1"
TYPES = {
    "company.joined": None,
    "workshop.attended": "new_competencies",
    "project.started": "new_ideas",
    "product.launched": "new_products",
}
POISON: tuple[bytes | None, ...] = (b"{", b"", b"null", b"[]", b'{"specversion":"1.0"}', b"\xff\xfe", None, b"0" * 5000)


def cvr_numbers(count: int, seed: int = 1) -> list[int]:
    """Valid CVR numbers (modulus 11), for load only."""
    draw, found = random.Random(seed), set[int]()
    while len(found) < count:
        serial = draw.randrange(1_000_000, 10_000_000)
        digits = [int(d) for d in str(serial)]
        rest = sum(w * d for w, d in zip((2, 7, 6, 5, 4, 3, 2), digits, strict=True)) % 11
        if rest != 1:
            found.add(serial * 10 + (0 if rest == 0 else 11 - rest))
    return sorted(found)


COMPANIES = cvr_numbers(500)


@dataclass
class Version:
    """One published version of an activity."""

    event_id: str
    time: datetime
    company: int
    day: date
    kind: str
    retracted: bool


@dataclass
class Outcome:
    """The result of a scenario; a line of the published table."""

    scenario: str
    seed: int = SEED
    nodes: int = NODES
    events: int = 0
    """Records published for it."""
    faults: int = 0
    lost: int = 0
    """Published versions that the ledger lacks, activities in force that it does not show, and records that have not
    arrived on the topic that their receipt means: enriched, rejected, or sent on."""
    counted_twice: int = 0
    """Versions that nobody published or that are there twice, and activities that differ from what was published."""
    wrong_figures: int = 0
    without_receipt: int = 0
    """Offsets of the events topic that have not exactly one receipt, or one for no record."""
    repeats_in_enriched: int = 0
    repeats_in_rejected: int = 0
    repeats_sent_on: int = 0
    """On the events topic: records that were sent on to the right partition more than once."""
    recovery_seconds: float = 0.0
    """From the end of the faults and of the publishing until everything is counted."""
    notes: list[str] = field(default_factory=list)
    """What else differs from the promise."""
    fixed_nodes: bool = False
    """Whether the number of brokers belongs to the scenario, so CHAOS_NODES does not change it."""
    story: list[str] = field(default_factory=list)
    """What was done when, where the seed draws that."""

    @property
    def kept(self) -> bool:
        """Whether the promise was kept."""
        return not (self.lost or self.counted_twice or self.wrong_figures or self.without_receipt or self.notes)


def record(outcome: Outcome) -> None:
    """Keep the outcome of a scenario for the table, and fail the test unless the promise was kept."""
    if path := os.environ.get("CHAOS_OUTCOMES"):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(outcome) | {"kept": outcome.kept}) + "\n")
    assert outcome.kept, outcome


class Load:
    """Publishes a seeded mixture: new activities, repeats, corrections, retractions, poison, wrong partitions."""

    def __init__(self, stack: Stack, seed: int) -> None:
        self.stack, self.seed = stack, seed
        self._draw = random.Random(seed)
        self._moments = random.Random(seed)
        self.histories: dict[str, list[Version]] = {}
        self.published = 0
        self.invalid = 0
        self.misplaced = 0
        self._clock = itertools.count()
        self._sent: list[tuple[bytes | None, bytes]] = []
        self._stop = threading.Event()
        self._publishing: list[threading.Thread] = []
        self._broken: list[BaseException] = []
        self.fixed_nodes = False
        """Whether the number of brokers belongs to the scenarios."""
        self.concluded = 0
        self.versions_concluded = 0
        self.repeated: Counter[str] = Counter()

    @staticmethod
    def size(number: int) -> int:
        """`number` of records in the short form, more in a long run."""
        return int(number * SCALE)

    def pause(self, least: float, most: float) -> None:
        """Wait a number of seconds drawn from the seed: the moment of a fault is part of a scenario."""
        threading.Event().wait(self._moments.uniform(least, most))

    # ---- drawing

    def _record(self) -> tuple[bytes | None, bytes | None, int | None]:
        """(key, value, partition); partition None = where the key belongs."""
        draw, kind = self._draw, self._draw.random()
        if kind < 0.02:
            self.invalid += 1
            # No client sends a record without key and value.
            return b"x", draw.choice(POISON), draw.randrange(self.stack.partitions)
        if kind < 0.08 and self._sent:
            return (*draw.choice(self._sent), None)
        key, value = self._version()
        if kind > 0.99:
            self.misplaced += 1
            return None, value, draw.randrange(self.stack.partitions)
        self._sent.append((key, value))
        if len(self._sent) > 5000:
            self._sent[draw.randrange(5000)] = self._sent.pop()
        return key, value, None

    def _version(self) -> tuple[bytes, bytes]:
        draw = self._draw
        number = next(self._clock)
        # Times go up and down, so that corrections come before their originals too; each is unique.
        shuffled = number ^ draw.choice((0, 0, 0, 1023))
        when = datetime(2018, 1, 1, tzinfo=UTC) + timedelta(milliseconds=shuffled * 1_000_003 % 30_000_000_000 + number)
        if draw.random() < 0.2 and self.histories:
            activity = draw.choice(tuple(itertools.islice(reversed(self.histories), 200)))
        else:
            activity = f"A-{self.seed}-{number}"
        history = self.histories.setdefault(activity, [])
        while any(v.time == when for v in history):
            when += timedelta(milliseconds=1)
        retracted = bool(history) and draw.random() < 0.3
        company = draw.choice(COMPANIES)
        if history and draw.random() < 0.7:
            company = history[0].company
        version = Version(
            event_id=f"e-{self.seed}-{number}",
            time=when,
            company=company,
            day=date(2018, 1, 1) + timedelta(days=draw.randrange(365)),
            kind=draw.choice(tuple(TYPES)),
            retracted=retracted,
        )
        history.append(version)
        return f"{company:08d}".encode(), self._event(activity, version)

    def _event(self, activity: str, version: Version) -> bytes:
        data: dict[str, Any] = {"activity_id": activity}
        if version.retracted:
            data["reason"] = "entered twice"
        else:
            data["occurred_on"] = version.day.isoformat()
        document = {
            "specversion": "1.0",
            "id": version.event_id,
            "source": SOURCE,
            "type": f"org.clustertrack.{'activity.retracted' if version.retracted else version.kind}.v1",
            "subject": f"{version.company:08d}",
            "time": version.time.isoformat(),
            "data": data,
        }
        return json.dumps(document).encode()

    def draw(self, number: int) -> list[tuple[bytes | None, bytes | None, int | None]]:
        """Records as (key, value, partition), for a test that publishes them itself."""
        self.published += number
        return [self._record() for _ in range(number)]

    # ---- publishing

    def publish(self, number: int) -> None:
        """Publish records at once and wait until all are confirmed, also by a broker that was down."""
        self._run(number, None, threading.Event())

    def background(self, rate: int, seconds: float) -> threading.Thread:
        """Publish `rate` records a second for some time, in a thread; join it before `conclude`."""
        # A new event: what stopped an earlier load must not stop a later one.
        self._stop = threading.Event()

        def run(stop: threading.Event) -> None:
            try:
                self._run(int(rate * seconds), rate, stop)
            except BaseException as error:
                self._broken.append(error)
                raise

        thread = threading.Thread(target=run, args=(self._stop,), daemon=True)
        self._publishing.append(thread)
        thread.start()
        return thread

    def stop(self) -> None:
        """Stop the background load early."""
        self._stop.set()

    def check_ended(self) -> None:
        """Fail while a background load still publishes, or when one broke off: the truth would be different."""
        assert not any(thread.is_alive() for thread in self._publishing), "the load is still publishing"
        assert not self._broken, f"the load broke off: {self._broken}"
        self._publishing.clear()

    def _run(self, number: int, rate: int | None, stop: threading.Event) -> None:
        producer = KafkaProducer(
            bootstrap_servers=self.stack.bootstrap, acks="all", linger_ms=5, delivery_timeout_ms=300_000
        )
        try:
            pending = []
            started = time.monotonic()
            for n in range(number):
                if stop.is_set():
                    break
                key, value, partition = self._record()
                pending.append(producer.send(EVENTS, key=key, value=value, partition=partition))
                self.published += 1
                if rate is not None and n % 20 == 0:
                    stop.wait(max(0.0, started + n / rate - time.monotonic()))
            producer.flush(timeout=300)
            for future in pending:
                future.get(timeout=60)
        finally:
            producer.close(timeout=30)

    # ---- truth

    def versions(self) -> set[str]:
        """Event ids of all published versions."""
        return {version.event_id for history in self.histories.values() for version in history}

    def standing(self) -> dict[str, Version]:
        """Activity -> its newest version, unless that is a retraction."""
        newest = {activity: max(history, key=lambda v: v.time) for activity, history in self.histories.items()}
        return {activity: version for activity, version in newest.items() if not version.retracted}

    def figures(self) -> dict[str, int]:
        """Outcome -> distinct companies in 2018."""
        companies: dict[str, set[int]] = {"helped": set(), **{outcome: set() for outcome in TYPES.values() if outcome}}
        for version in self.standing().values():
            companies["helped"].add(version.company)
            if (outcome := TYPES[version.kind]) is not None:
                companies[outcome].add(version.company)
        return {outcome: len(found) for outcome, found in companies.items()}


def conclude(
    load: Load, scenario: str, *, faults: int, seconds: float = 120, quiet: bool = False, story: Sequence[str] = ()
) -> Outcome:
    """Wait until everything is counted, compare the whole ledger with the truth, and `record` the outcome.

    The comparison is of everything that the load ever published; events and repeats are those since the last time.
    `quiet`: nothing new had to be published since then. Any other scenario without a load proves nothing, and fails.
    """
    stack = load.stack
    load.check_ended()
    published = load.versions()
    assert quiet or len(published) > load.versions_concluded, "no new version was published for this scenario"
    load.versions_concluded = len(published)
    outcome = Outcome(scenario, load.seed, stack.nodes, load.published - load.concluded, faults)
    outcome.fixed_nodes, outcome.story = load.fixed_nodes, list(story)
    started = time.monotonic()
    stack.wait_counted(seconds)
    outcome.recovery_seconds = round(time.monotonic() - started, 1)
    load.concluded = load.published
    _compare_activities(load, outcome)
    _compare_topics(load, outcome)
    reconciled = stack.run_here("reconcile", "--json", expect=None)
    if reconciled.exit_code != 0:
        outcome.notes.append(f"reconcile: {reconciled.exception!r} {reconciled.stdout[:500]}")
    record(outcome)
    return outcome


def _compare_activities(load: Load, outcome: Outcome) -> None:
    """Versions, those in force, and the figures of the year, with what was published."""
    stack, published = load.stack, load.versions()
    rows = stack.query("SELECT source, activity_id, revision, event_id FROM impact.activity_revision FINAL")
    ((pipelines,),) = stack.query("SELECT uniqExact(pipeline_version) FROM impact.receipt FINAL")
    # Repeats differ in nothing, so a version may have the id of any of its publications: here they share it.
    stored = {event_id for *_, event_id in rows}
    outcome.lost = len(published - stored)
    outcome.counted_twice = len(stored - published) + doubled(rows, pipelines)

    ((surplus,),) = stack.query("SELECT count() - uniqExact(source, activity_id) FROM impact.activity FINAL")
    standing = {activity: (v.company, v.day, v.kind) for activity, v in load.standing().items()}
    rows = stack.query(
        "SELECT activity_id, company_id, occurred_on, event_type FROM impact.activity_at(known = '2200-01-01 00:00:00')"
    )
    shown = {activity: tuple(rest) for activity, *rest in rows}
    outcome.lost += len(standing.keys() - shown.keys())
    outcome.counted_twice += surplus + len(rows) - len(shown) + sum(shown[a] != standing.get(a) for a in shown)

    report = json.loads(stack.run_here("report", "--year", "2018", "--format", "json").stdout)
    outcome.wrong_figures = sum(report[name]["companies"] != number for name, number in load.figures().items())


def _compare_topics(load: Load, outcome: Outcome) -> None:
    """Receipts with the records of the events topic, and with what was produced of them."""
    stack = load.stack
    records = stack.read(EVENTS)
    ((epoch,),) = stack.query("SELECT max(topic_epoch) FROM impact.topic WHERE topic = {t:String}", t=EVENTS)
    receipts = stack.query(
        "SELECT partition, offset, toString(status) FROM impact.receipt FINAL WHERE topic = {t:String} "
        "AND topic_epoch = {e:UInt16}",
        t=EVENTS,
        e=epoch,
    )
    # As origins name it: in another epoch another record is at the same offset.
    topic = f"{EVENTS}@{epoch}" if epoch else EVENTS
    statuses = {(partition, offset): status for partition, offset, status in receipts}
    lows = _lows(stack)
    outcome.without_receipt = without_one_receipt(records, [(p, offset) for p, offset, _ in receipts], lows)
    enriched, rejected = origins(stack.read(ENRICHED), topic), origins(stack.read(REJECTED), topic)
    sent_on = arrivals(records, topic, [place for place, status in statuses.items() if status == "rerouted"])
    wanted = {"accepted": enriched, "retracted": enriched, "rejected": rejected, "rerouted": sent_on}
    if any(lows.values()):
        del wanted["rerouted"]  # Kafka may have deleted the record or its copy: here `reconcile` alone tells
    outcome.lost += missing(topic, statuses, wanted)
    for name, found in (("in_enriched", enriched), ("in_rejected", rejected), ("sent_on", sent_on)):
        before, now = load.repeated[name], repeats(found)
        # A topic that was re-created holds none of the former ones.
        setattr(outcome, f"repeats_{name}", now - before if now >= before else now)
        load.repeated[name] = now


def _lows(stack: Stack) -> dict[int, int]:
    """By partition, the first offset of the events topic that Kafka still has."""
    with closing(KafkaConsumer(bootstrap_servers=stack.bootstrap)) as consumer:
        found = consumer.beginning_offsets([TopicPartition(EVENTS, p) for p in range(stack.partitions)])
    return {place.partition: offset for place, offset in found.items()}
