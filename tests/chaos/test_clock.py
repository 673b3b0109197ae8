"""Clocks and calendars: workers and publishers whose clocks are wrong, and the days of Copenhagen."""

import ast
import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from chaos import COMPANIES, EVENTS, Load, Outcome, conclude, cvr_numbers, record
from kafka import KafkaProducer
from offclock import wrong_clock
from samples import event
from stack import wait_for

from brokers.partitioning import partition_of

pytestmark = [pytest.mark.timeout(300)]

DAYS = 2 * 86_400
MS = timedelta(milliseconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def clocks(load: Load) -> Iterator[Load]:
    """Two workers that share the partitions, one two days ahead, one two days behind."""
    stack = load.stack
    workers = {
        name: stack.start_worker(name, wait=False, **wrong_clock(stack.folder, seconds))
        for name, seconds in (("ahead", DAYS), ("behind", -DAYS))
    }
    for name, worker in workers.items():
        stack.wait_ready(worker)
        said = json.loads((stack.folder / f"{name}.log").read_text().splitlines()[-1])["timestamp"]
        off = datetime.fromisoformat(said) - datetime.now(UTC)
        assert abs(off) > timedelta(hours=47), "its clock is right"
    wait_for(lambda: json.loads(stack.run("status", "--json").stdout)["workers"] == 2, 60, "two workers in the group")
    yield load
    for worker in workers.values():
        assert worker.exit_code() is None


@pytest.mark.integration
@pytest.mark.extended
def test_workers_two_days_off(clocks: Load) -> None:
    """No figure depends on a worker's clock, nor does the time at which something was known: that is the broker's."""
    before = datetime.now(UTC)
    clocks.publish(clocks.size(600))
    conclude(clocks, "workers' clocks two days off", faults=2)
    known = clocks.stack.query("SELECT min(known_at), max(known_at) FROM activity_revision")[0]
    assert before - timedelta(minutes=1) < known[0].replace(tzinfo=UTC)
    assert known[1].replace(tzinfo=UTC) < datetime.now(UTC) + timedelta(minutes=1)


class Truth:
    """Activities and how they must be: their day, or the code with which they are refused."""

    def __init__(self, load: Load, name: str) -> None:
        self.stack, self.name = load.stack, name
        self.days: dict[str, date] = {}
        self.refused: dict[str, str] = {}
        self.sent: list[tuple[bytes, bytes, int | None]] = []

    def add(self, company: int, time: str, said: date | str, day: str | None = None, stamp: int | None = None) -> None:
        """An event of a time (RFC 3339), of a `day` or else of that time's; `stamp`: as a client stamps it, in ms."""
        activity = f"{self.name}-{len(self.sent)}"
        data = {"activity_id": activity, "occurred_on": day if day is not None else ...}
        self.sent.append((b"%08d" % company, event(company, activity, time=time, id=activity, data=data), stamp))
        if isinstance(said, date):
            self.days[activity] = said
        else:
            self.refused[activity] = said

    def publish(self) -> None:
        """Send all and wait until all are counted."""
        producer = KafkaProducer(bootstrap_servers=self.stack.bootstrap, acks="all", linger_ms=5)
        sent = [producer.send(EVENTS, key=k, value=v, timestamp_ms=stamp) for k, v, stamp in self.sent]
        producer.flush(timeout=60)
        for future in sent:
            future.get(timeout=30)
        producer.close(timeout=10)
        self.stack.wait_counted()

    def conclude(self, scenario: str) -> None:
        """Compare and record."""
        like = {"like": f"{self.name}-%"}
        rows = dict(self.stack.query(
            "SELECT activity_id, occurred_on FROM activity FINAL WHERE activity_id LIKE {like:String}", **like
        ))  # fmt: skip
        codes = {
            json.loads(payload)["id"]: reason
            for payload, reason in self.stack.query(
                "SELECT payload, reason FROM rejected FINAL WHERE payload LIKE concat('%', {like:String})", **like
            )
        }
        outcome = Outcome(scenario, nodes=self.stack.nodes, events=len(self.sent), faults=len(self.sent))
        outcome.lost, outcome.counted_twice = len(self.days.keys() - rows), len(rows.keys() - self.days)
        wrong: dict[str, tuple[Any, Any]] = {
            a: (rows.get(a), day) for a, day in self.days.items() if rows.get(a) != day
        }
        wrong |= {a: (codes.get(a), code) for a, code in self.refused.items() if codes.get(a) != code}
        outcome.wrong_figures = len(wrong)
        outcome.notes += [f"{activity}: {found} instead of {must}" for activity, (found, must) in wrong.items()][:5]
        for year in {day.year for day in self.days.values()}:
            self._compare_year(year, outcome)
        reconciled = self.stack.run("reconcile", "--json", expect=None)
        if reconciled.returncode != 0:
            outcome.notes.append(f"reconcile ended with {reconciled.returncode}: {reconciled.stdout[:500]}")
        record(outcome)

    def _compare_year(self, year: int, outcome: Outcome) -> None:
        """Companies of each day and of the year; every event here has a company of its own."""
        span = f"from = '{year}-01-01', to = '{year}-12-31', as_at = '{year}-12-31', known = '2200-01-01 00:00:00'"
        rows = self.stack.query(
            f"SELECT occurred_on, uniqExact(company_id) FROM fact({span}) "
            "WHERE outcome = 'helped' AND activity_id LIKE {like:String} GROUP BY occurred_on",
            like=f"{self.name}-%",
        )
        expected = Counter(day for day in self.days.values() if day.year == year)
        if dict(rows) != expected:
            outcome.notes.append(f"{year}: {dict(rows)} instead of {dict(expected)}")


def of_all_partitions(load: Load, number: int) -> Iterator[int]:
    """Companies of every partition in turn, none of them in the load."""
    partitions = load.stack.partitions
    numbers = [n for n in cvr_numbers(400, seed=3) if n not in COMPANIES]
    by_partition = [[n for n in numbers if partition_of(n, partitions) == p] for p in range(partitions)]
    for place in range(number):
        yield by_partition[place % partitions][place // partitions]


@pytest.mark.integration
@pytest.mark.extended
def test_the_future_is_judged_by_the_brokers_clock(clocks: Load) -> None:
    """A worker two days behind rejects nothing more, one ahead accepts nothing more; client timestamps are ignored."""
    now = datetime.now(UTC).replace(microsecond=0)
    truth = Truth(clocks, "FUTURE")
    today = (now + timedelta(hours=6)).date()  # beyond midnight everywhere: far from both limits
    cases: list[tuple[timedelta, int | None, str | None]] = [
        (timedelta(0), None, None),
        (timedelta(hours=23), None, None),
        (timedelta(hours=25), None, "time_in_future"),
        (timedelta(hours=47), None, "time_in_future"),
        (timedelta(0), 360, None),
        (timedelta(0), 372, "date_too_late"),
    ]
    companies = of_all_partitions(clocks, clocks.stack.partitions * len(cases) * 3)
    for ahead, days, code in cases:
        for stamp in (None, 0, (now + timedelta(days=30_000) - EPOCH) // MS):
            for _ in range(clocks.stack.partitions):
                day = today + timedelta(days=days or 0)
                truth.add(next(companies), (now + ahead).isoformat(), code or day, day.isoformat(), stamp)
    truth.publish()
    truth.conclude("clocks: the future, by the broker's clock")


BOUNDARIES = [
    # (time, day in Copenhagen)
    ("2018-05-03T21:59:59.999Z", date(2018, 5, 3)),
    ("2018-05-03T22:00:00Z", date(2018, 5, 4)),
    ("2018-05-04T00:00:00+02:00", date(2018, 5, 4)),
    ("2018-05-03T23:59:59+02:00", date(2018, 5, 3)),
    ("2018-05-03T23:30:00+01:00", date(2018, 5, 4)),
    ("2018-02-01T22:59:59Z", date(2018, 2, 1)),
    ("2018-02-01T23:00:00Z", date(2018, 2, 2)),
    # New Year
    ("2017-12-31T22:59:59.999Z", date(2017, 12, 31)),
    ("2017-12-31T23:00:00Z", date(2018, 1, 1)),
    ("2018-01-01T00:00:00+01:00", date(2018, 1, 1)),
    ("2017-12-31T23:59:59+01:00", date(2017, 12, 31)),
    ("2018-01-01T13:59:59+15:00", date(2017, 12, 31)),
    ("2018-01-01T12:59:59+14:00", date(2017, 12, 31)),
    ("2018-01-01T13:00:00+14:00", date(2018, 1, 1)),
    ("2017-12-31T12:00:00-11:00", date(2018, 1, 1)),
    ("2018-12-31T22:59:59Z", date(2018, 12, 31)),
    ("2018-12-31T23:00:00Z", date(2019, 1, 1)),
    # summer time begins: the day has 23 hours
    ("2018-03-24T22:59:59Z", date(2018, 3, 24)),
    ("2018-03-24T23:00:00Z", date(2018, 3, 25)),
    ("2018-03-25T00:59:59Z", date(2018, 3, 25)),
    ("2018-03-25T01:00:00Z", date(2018, 3, 25)),
    ("2018-03-25T02:30:00+01:00", date(2018, 3, 25)),
    ("2018-03-25T21:59:59Z", date(2018, 3, 25)),
    ("2018-03-25T22:00:00Z", date(2018, 3, 26)),
    ("2018-03-25T23:30:00+01:00", date(2018, 3, 26)),
    # and ends: 25 hours, one of them twice
    ("2018-10-27T21:59:59Z", date(2018, 10, 27)),
    ("2018-10-27T22:00:00Z", date(2018, 10, 28)),
    ("2018-10-28T02:30:00+02:00", date(2018, 10, 28)),
    ("2018-10-28T02:30:00+01:00", date(2018, 10, 28)),
    ("2018-10-28T22:59:59Z", date(2018, 10, 28)),
    ("2018-10-28T23:00:00Z", date(2018, 10, 29)),
    ("2018-10-29T00:30:00+02:00", date(2018, 10, 28)),
    # a leap day
    ("2020-02-28T23:00:00Z", date(2020, 2, 29)),
    ("2020-02-29T23:00:00Z", date(2020, 3, 1)),
]


@pytest.mark.integration
@pytest.mark.extended
def test_days_and_years_of_copenhagen(clocks: Load) -> None:
    """Midnight, New Year and both changes of summer time, written in any zone: the day, and the year that counts it."""
    truth = Truth(clocks, "DAY")
    companies = of_all_partitions(clocks, 2 * len(BOUNDARIES))
    for time, day in BOUNDARIES:
        truth.add(next(companies), time, day)
        # A day that is given counts, and not the time of the record.
        given = date(day.year - 1, 12, 31) if day.day == 1 else date(day.year, 1, 1)
        truth.add(next(companies), time, given, given.isoformat())
    truth.publish()
    truth.conclude("clocks: days and years of Copenhagen")


_CLOCKS: dict[str, Callable[[ast.Attribute], bool]] = {
    "time": lambda node: isinstance(node.value, ast.Name) and node.value.id == "time",
    "time_ns": lambda _: True,
    "now": lambda node: isinstance(node.value, ast.Name | ast.Attribute),
    "utcnow": lambda _: True,
    "today": lambda _: True,
}


@pytest.mark.parametrize("package", ["schemas", "streams", "reports"])
def test_nothing_that_decides_reads_the_wall_clock(package: str) -> None:
    """Time is an argument: no line of the code that judges and counts asks for the current time."""
    asked = [
        f"{path}:{node.lineno}"
        for path in sorted((Path(__file__).parents[2] / package).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in _CLOCKS and _CLOCKS[node.attr](node)
    ]
    assert asked == []
