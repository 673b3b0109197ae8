"""What every chaos scenario needs: a load whose truth is known, and the comparison of the ledger with it.

The load is seeded. Its truth is kept beside it in plain Python while it is drawn: which versions were published, which
state stands at the end, how many records are invalid. Nothing here uses the product's own rules.

Set by scripts/chaos for its long runs: CHAOS_SEED, CHAOS_SCALE (records of each scenario, times so many), CHAOS_NODES
(1 or 3 brokers) and CHAOS_OUTCOMES (the file that gets one JSON line for each outcome).
"""

import itertools
import json
import os
import random
import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from kafka import KafkaProducer
from samples import SOURCE
from stack import Stack

SEED = int(os.environ.get("CHAOS_SEED", "20181231"))
SCALE = float(os.environ.get("CHAOS_SCALE", "1"))
NODES = int(os.environ.get("CHAOS_NODES", "1"))
EVENTS, ENRICHED = "activity.events.v1", "activity.enriched.v1"
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
    """What a scenario's end looks like; a line of the published table."""

    scenario: str
    seed: int = SEED
    nodes: int = NODES
    events: int = 0
    """Records published for it."""
    faults: int = 0
    lost: int = 0
    """Published versions that the ledger lacks, and standing activities that it does not show."""
    counted_twice: int = 0
    """Rows that nobody published, and activities that stand otherwise than published."""
    wrong_figures: int = 0
    without_receipt: int = 0
    """Offsets of the events topic that have not exactly one receipt."""
    repeats_in_enriched: int = 0
    recovery_seconds: float = 0.0
    """From the end of the faults and of the publishing until everything is counted."""
    notes: list[str] = field(default_factory=list)

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
        self.concluded = 0
        self.repeated = 0

    @staticmethod
    def size(number: int) -> int:
        """So many records in the short form, more in a long run."""
        return int(number * SCALE)

    def pause(self, least: float, most: float) -> None:
        """Let so many seconds go by, drawn from the seed: when a fault strikes is part of a scenario."""
        self._stop.wait(self._moments.uniform(least, most))

    # ---- drawing

    def _record(self) -> tuple[bytes | None, bytes | None, int | None]:
        """(key, value, partition); partition None = where the key belongs."""
        draw, kind = self._draw, self._draw.random()
        if kind < 0.02:
            self.invalid += 1
            # A record without key and value is none that a client sends.
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
        """So many records as (key, value, partition), for a test that publishes them itself."""
        self.published += number
        return [self._record() for _ in range(number)]

    # ---- publishing

    def publish(self, number: int) -> None:
        """Publish so many records at once and wait until all are confirmed, also by a broker that was away."""
        self._run(number, None)

    def background(self, rate: int, seconds: float) -> threading.Thread:
        """Publish `rate` records a second for so long, in a thread; join it before `verify`."""
        thread = threading.Thread(target=self._run, args=(int(rate * seconds), rate), daemon=True)
        thread.start()
        return thread

    def stop(self) -> None:
        """End the background load early."""
        self._stop.set()

    def _run(self, number: int, rate: int | None) -> None:
        producer = KafkaProducer(
            bootstrap_servers=self.stack.bootstrap, acks="all", linger_ms=5, delivery_timeout_ms=300_000
        )
        try:
            pending = []
            started = time.monotonic()
            for n in range(number):
                if self._stop.is_set():
                    break
                key, value, partition = self._record()
                pending.append(producer.send(EVENTS, key=key, value=value, partition=partition))
                self.published += 1
                if rate is not None and n % 20 == 0:
                    self._stop.wait(max(0.0, started + n / rate - time.monotonic()))
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
        """Activity -> its newest version, where that is no retraction."""
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


def conclude(load: Load, scenario: str, *, faults: int, seconds: float = 120) -> Outcome:
    """Wait until everything is counted, compare the whole ledger with the truth, and `record` the outcome.

    The comparison is of everything that the load ever published; events and repeats are those since the last time.
    """
    stack = load.stack
    outcome = Outcome(scenario, load.seed, stack.nodes, load.published - load.concluded, faults)
    started = time.monotonic()
    stack.wait_counted(seconds)
    outcome.recovery_seconds = round(time.monotonic() - started, 1)
    load.concluded = load.published

    # Repeats differ in nothing, so a version may stand under the id of any of its publications: here they share it.
    stored = {row[0] for row in stack.query("SELECT DISTINCT event_id FROM impact.activity_revision")}
    published = load.versions()
    outcome.lost = len(published - stored)
    outcome.counted_twice = len(stored - published)

    shown = {
        activity: (company, day, kind)
        for activity, company, day, kind in stack.query(
            "SELECT activity_id, company_id, occurred_on, event_type "
            "FROM impact.activity_at(known = '2200-01-01 00:00:00')"
        )
    }
    standing = {activity: (v.company, v.day, v.kind) for activity, v in load.standing().items()}
    outcome.lost += len(standing.keys() - shown.keys())
    outcome.counted_twice += sum(shown[a] != standing.get(a) for a in shown)

    report = stack.report(2018)
    figures = load.figures()
    outcome.wrong_figures = sum(report[name]["companies"] != number for name, number in figures.items())

    records = stack.read(EVENTS)
    receipts = Counter(
        stack.query(
            "SELECT partition, offset FROM impact.receipt FINAL WHERE topic = {t:String} AND topic_epoch = "
            "(SELECT max(topic_epoch) FROM impact.topic WHERE topic = {t:String})",
            t=EVENTS,
        )
    )
    places = {(r.partition, r.offset) for r in records}
    outcome.without_receipt = len(places - receipts.keys()) + sum(n != 1 for n in receipts.values())
    reconciled = stack.run("reconcile", "--json", expect=None)
    if reconciled.returncode != 0:
        outcome.notes.append(f"reconcile ended with {reconciled.returncode}: {reconciled.stdout[:500]}")
    origins = Counter(dict(record.headers)["ct-origin"] for record in stack.read(ENRICHED))
    repeated = origins.total() - len(origins)
    outcome.repeats_in_enriched, load.repeated = repeated - load.repeated, repeated
    record(outcome)
    return outcome
