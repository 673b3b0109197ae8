"""Poison: what must be rejected is kept as received with its faults, everything around it is counted, nothing stops."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiokafka.errors import MessageSizeTooLargeError
from chaos import COMPANIES as NUMBERS
from chaos import ENRICHED, EVENTS, NODES, SEED, Load, Outcome, record
from hypothesis import HealthCheck, Phase, given, seed, settings
from judging import CLUSTERS
from mutations import mutants
from poison import COMPANIES, NOT_STORABLE, ODD, REFUSED, UNPROCESSABLE, Poison, filling
from poison_rules import RULES, Broken, one_event
from rawkafka import Parcel, Raw, send_raw
from samples import event
from stack import Stack, wait_for

from brokers import kafka_python
from brokers.connection import KafkaConnection
from brokers.partitioning import partition_of
from schemas.company import read_company
from schemas.events import read_event
from sources.register.register_topic import read_topic

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

REJECTED, REGISTER = "activity.rejected.v1", "companies.v1"
CARRIED = 1_500_000
"""Bytes up to which a refused record travels to the rejected topic."""
KEPT, MAX_HEADERS = 1024 * 1024, 1000
"""Bytes of a payload that are kept; headers that an event may have."""
MUTANTS = 400
BROKEN = 4
"""Events for each rule."""

Row = tuple[Any, ...]


@dataclass
class Bench:
    """The stack, its only worker, and the activities that must be in the ledger."""

    stack: Stack
    worker: int
    expected: set[str] = field(default_factory=set)
    sent: int = 0


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Bench"]:
    """A worker that cannot enrich one company, a ClickHouse that does not take one activity, a poisoned register."""
    kafka_python.install()
    folder = tmp_path_factory.mktemp("poison")
    registry = folder / "registry.toml"
    registry.write_text(
        "\n".join(
            f'[[cluster]]\nslug = "{c.slug}"\nname = "x"\nvalid_from = {c.valid_from}\nsources = {list(c.sources)}'
            + (f"\nvalid_to = {c.valid_to}" if c.valid_to else "")
            for c in CLUSTERS.clusters
        ),
        encoding="utf-8",
    )
    (folder / "sitecustomize.py").write_text(
        "from streams.company_register import Register\n"
        "real = Register.company_as_at\n"
        "def broken(self, cvr, days):\n"
        f"    if cvr == {UNPROCESSABLE}:\n"
        '        raise RuntimeError("poison")\n'
        "    return real(self, cvr, days)\n"
        "Register.company_as_at = broken\n",
        encoding="utf-8",
    )
    made = Stack(folder, nodes=NODES, registry=registry)
    print(f"seed {SEED}")  # noqa: T201  (shown when a scenario fails)
    try:
        client = made.client()
        client.command(f"ALTER TABLE activity_revision ADD CONSTRAINT taken CHECK activity_id != '{NOT_STORABLE}'")
        client.close()
        send_raw(made.bootstrap, REGISTER, [Parcel(n % made.partitions, [raw]) for n, raw in enumerate(COMPANIES)])
        worker = made.start_worker(PYTHONPATH=str(folder))
        yield Bench(made, worker.pid)
    finally:
        made.close()


def at(partition: int, partitions: int) -> int:
    """A company of a partition."""
    return next(number for number in NUMBERS if partition_of(number, partitions) == partition)


def good(stack: Stack, partition: int, activity: str) -> Raw:
    """A sound event for a partition."""
    company = at(partition, stack.partitions)
    return Raw(event(company, activity), b"%08d" % company)


def receipts(stack: Stack) -> dict[tuple[int, int], str]:
    """(partition, offset) -> status."""
    rows = stack.query("SELECT partition, offset, status FROM receipt FINAL WHERE topic = {t:String}", t=EVENTS)
    return {(partition, offset): status for partition, offset, status in rows}


def rejections(stack: Stack) -> dict[tuple[int, int], Row]:
    """(partition, offset) -> key, payload, headers, faults of what was rejected, as bytes."""
    client = stack.client()
    rows = client.query(
        "SELECT partition, offset, key, payload, headers, faults FROM rejected FINAL WHERE topic = {t:String}",
        parameters={"t": EVENTS},
        query_formats={"String": "bytes"},
    ).result_rows
    client.close()
    return {(partition, offset): tuple(rest) for partition, offset, *rest in rows}


def shown(name: bytes) -> bytes:
    """A header name as it is kept: what is not text as escapes."""
    return name.decode("utf-8", "backslashreplace").encode()


def difference(poison: Poison, row: Row | None) -> str:
    """What is wrong with the row of a record that had to be rejected; empty if nothing."""
    if row is None:
        return f"{poison.name}: not rejected"
    key, payload, headers, faults = row
    found = sorted((fault["field"].decode(), fault["code"].decode()) for fault in faults)
    if found != sorted(poison.faults):
        return f"{poison.name}: faults {found[:5]} instead of {sorted(poison.faults)[:5]}"
    kept = [(header["name"], header["value"]) for header in headers]
    value = poison.value if poison.value is None else poison.value[:KEPT]
    came = [(shown(name), content) for name, content in poison.headers[:MAX_HEADERS]]
    if (key, payload, kept) != (poison.key, value, came[: len(kept)]) or (len(kept) < len(came) and not is_cut(poison)):
        return f"{poison.name}: not kept as it came"
    return ""


def is_cut(poison: Poison) -> bool:
    """Whether only a part of the record is kept."""
    return len(poison.headers) > MAX_HEADERS or len(poison.value or b"") > KEPT


def conclude(bench: Bench, outcome: Outcome) -> None:
    """Compare activities, receipts and the account; record the outcome."""
    stack = bench.stack
    stored = {activity for (activity,) in stack.query("SELECT DISTINCT activity_id FROM activity_revision")}
    outcome.lost, outcome.counted_twice = len(bench.expected - stored), len(stored - bench.expected)
    outcome.notes += [f"lost: {activity!r}" for activity in sorted(bench.expected - stored)][:5]
    records = stack.read(EVENTS)
    outcome.events, bench.sent = len(records) - bench.sent, len(records)
    outcome.without_receipt = len({(r.partition, r.offset) for r in records} ^ receipts(stack).keys())
    reconciled = stack.run("reconcile", "--json", expect=None)
    if reconciled.returncode != 0:
        outcome.notes.append(f"reconcile ended with {reconciled.returncode}: {reconciled.stdout[:500]}")
    origins = [dict(r.headers)["ct-origin"] for r in stack.read(ENRICHED)]
    outcome.repeats_in_enriched = len(origins) - len(set(origins))
    (alive,) = stack.workers
    if alive.exit_code() is not None or alive.pid != bench.worker:
        outcome.notes.append(f"the worker ended: {alive.last_words()}")
    record(outcome)


def test_the_corpus(bench: Bench) -> None:
    """Each record of the corpus among sound ones of its batch: kept with exactly its faults, the sound ones counted."""
    stack = bench.stack
    parcels, poisons = [], [*REFUSED, *ODD.values()]
    for number, poison in enumerate(poisons):
        partition = number % stack.partitions
        if poison.company is not None:
            partition = partition_of(poison.company, stack.partitions)
        before, after = (good(stack, partition, f"{side}-{number}") for side in ("BEFORE", "AFTER"))
        bench.expected |= {f"BEFORE-{number}", f"AFTER-{number}"}
        batches = [[before], [poison.raw], [after]] if poison.alone else [[before, poison.raw, after]]
        parcels.append([Parcel(partition, batch, poison.codec) for batch in batches])
    bench.expected |= ODD.keys()
    offsets = iter(send_raw(stack.bootstrap, EVENTS, [parcel for split in parcels for parcel in split]))
    places = []
    for split in parcels:
        found = [(parcel.partition, offset) for parcel in split for offset in next(offsets)]
        places.append(found[1])

    wait_for(lambda: len(receipts(stack)) >= 3 * len(poisons), 180, "all receipts")
    rejected = rejections(stack)
    outcome = Outcome("poison: a fixed corpus", nodes=stack.nodes, faults=len(REFUSED))
    at_place = dict(zip(places, poisons, strict=True))
    outcome.notes += [
        text for place, p in at_place.items() if p.faults and (text := difference(p, rejected.get(place)))
    ]
    outcome.notes += [
        f"rejected: {at_place.get(p) or p}" for p in rejected if p not in at_place or not at_place[p].faults
    ]
    outcome.notes += topic_differences(stack, {place: p for place, p in at_place.items() if p.faults})
    conclude(bench, outcome)


def topic_differences(stack: Stack, refused: dict[tuple[int, int], Poison]) -> list[str]:
    """What the rejected topic lacks or has otherwise than it came; a record beyond its limit is there by name only."""
    at_origin = {}
    for r in stack.read(REJECTED):
        ours = dict(r.headers[-3:])
        topic, partition, offset = ours["ct-origin"].decode().split("/")
        if topic == EVENTS:
            at_origin[int(partition), int(offset)] = (r.key, r.value, r.headers[:-3])
    wrong = []
    for place, poison in refused.items():
        headers = [(shown(name).decode(), value) for name, value in poison.headers]
        size = len(poison.value or b"") + sum(len(name) + len(value or b"") + 10 for name, value in headers)
        came = (poison.key, poison.value, headers[:MAX_HEADERS])
        if size > CARRIED or len(poison.headers) > MAX_HEADERS:
            came = (None, None, [])
        if at_origin.get(place) != came:
            wrong.append(f"{poison.name}: on the rejected topic it is not as it came")
    return wrong


def test_kafka_refuses_a_larger_batch(bench: Bench) -> None:
    """The corpus holds the largest batch that there can be: with one more byte its publisher gets an error."""
    largest = next(poison.value for poison in REFUSED if "largest batch" in poison.name)
    assert largest == filling(1024 * 1024)
    with pytest.raises(MessageSizeTooLargeError):
        send_raw(bench.stack.bootstrap, EVENTS, [Parcel(0, [Raw(largest + b" ", b"13748136")])])


def test_random_records(bench: Bench) -> None:
    """Events changed at random, all published at once: the ledger says of each what `read_event` says of it alone."""
    found: list[Any] = []

    @seed(SEED)
    @settings(
        max_examples=Load.size(MUTANTS), database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    @given(mutants)
    def collect(mutant: Any) -> None:
        found.append(mutant)

    collect()
    stack = bench.stack
    batches: dict[int, list[Raw]] = {}
    for mutant in found:
        headers = [(name.encode(), value) for name, value in mutant.headers.items()]
        partition = partition_of(mutant.company, stack.partitions)
        batches.setdefault(partition, []).append(Raw(mutant.value, b"%08d" % mutant.company, headers))
    sent = [Parcel(partition, records) for partition, records in batches.items()]
    offsets = send_raw(stack.bootstrap, EVENTS, sent)
    places = {
        (parcel.partition, offset): raw
        for parcel, those in zip(sent, offsets, strict=True)
        for raw, offset in zip(parcel.records, those, strict=True)
    }
    stack.wait_counted()

    rejected, statuses = rejections(stack), receipts(stack)
    stored = set(stack.query("SELECT source, activity_id, revision FROM activity_revision"))
    arrived = {(r.partition, r.offset): r.timestamp for r in stack.read(EVENTS)}
    outcome = Outcome("poison: events changed at random", nodes=stack.nodes, faults=0)
    for place, raw in places.items():
        judged = read_event(raw.value, named(raw), arrived[place], CLUSTERS)
        row = rejected.get(place)
        if isinstance(judged, list):
            outcome.faults += 1
            said = [tuple(part.decode() for part in one.values()) for one in row[3]] if row else None
            if said != [tuple(one) for one in judged] or statuses[place] != "rejected":
                outcome.notes.append(f"{raw}: {said} instead of {judged}")
            if row and (row[0], row[1]) != (raw.key, raw.value):
                outcome.notes.append(f"{raw}: not kept as it came")
            continue
        activity = judged[0]
        bench.expected.add(activity.activity_id)
        here = partition_of(activity.company_id, stack.partitions) == place[0]
        allowed = {"duplicate", "retracted" if activity.is_deleted else "accepted"} if here else {"rerouted"}
        if statuses[place] not in allowed or activity[:3] not in stored:
            outcome.notes.append(f"{raw}: {statuses[place]}, must be one of {allowed}")
    assert 0.2 < outcome.faults / len(places) < 0.9, "the records are not of both kinds"
    conclude(bench, outcome)


def test_one_broken_rule(bench: Bench) -> None:
    """Sound events with one field that breaks exactly one rule: each has that fault and no other, by a table of rules
    that knows nothing of the worker's.
    """
    found: list[Broken] = []
    for rule in (None, *RULES):

        @seed(SEED)
        @settings(
            max_examples=Load.size(BROKEN),
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(one_event(rule))
        def collect(broken: Broken) -> None:
            found.append(broken)

        collect()
    stack = bench.stack
    batches: dict[int, list[Broken]] = {}
    for broken in found:
        batches.setdefault(partition_of(broken.company, stack.partitions), []).append(broken)
    sent = [Parcel(p, [Raw(one.value, b"%08d" % one.company) for one in batch]) for p, batch in batches.items()]
    offsets = send_raw(stack.bootstrap, EVENTS, sent)
    stack.wait_counted()

    rejected = rejections(stack)
    outcome = Outcome("poison: one rule broken", nodes=stack.nodes, faults=sum(one.fault is not None for one in found))
    for (partition, batch), those in zip(batches.items(), offsets, strict=True):
        for one, offset in zip(batch, those, strict=True):
            row = rejected.get((partition, offset))
            said = [(fault["field"].decode(), fault["code"].decode()) for fault in row[3]] if row else []
            if said != ([one.fault] if one.fault else []):
                outcome.notes.append(f"{one}: {said}")
            if one.fault is None:
                bench.expected.add(one.activity)
    conclude(bench, outcome)


def named(raw: Raw) -> dict[str, bytes | None] | None:
    """The headers as the judge of events takes them."""
    return {name.decode(): value for name, value in raw.headers} or None


def test_commands_that_read_topics(bench: Bench) -> None:
    """Records that are no text in any part stop no command: the register's loader, `rejected`."""
    stack = bench.stack
    connection = KafkaConnection(stack.bootstrap)
    assert list(read_topic(connection, REGISTER, read_company, lambda _passed, _all: None)) == []
    listed = json.loads(stack.run("rejected", "list", "--json", "--limit", "100000").stdout)
    assert len(listed["records"]) == len(rejections(stack)) + len(COMPANIES)


def test_the_whole_corpus_sent_again(bench: Bench) -> None:
    """A careless `rejected replay --all`: what can be sent comes back and is rejected again, and nothing stops."""
    stack = bench.stack
    before = rejections(stack)
    said = json.loads(stack.run("rejected", "replay", "--all", "--json", expect=1).stdout)
    stack.wait_counted()
    after = rejections(stack)
    outcome = Outcome("poison: all of it sent again", nodes=stack.nodes, faults=len(said["replayed"]))
    for done in said["replayed"]:
        old, new = (before.get(place(done["place"])), after.get(place(done["to"])))
        if new is None:  # a header without a value is not sent again, and was all that was wrong
            assert any(header["value"] is None for header in old[2]), done
            document = json.loads(old[1])
            bench.expected.add(document.get("data", document)["activity_id"])
        elif (old[0], old[1], codes(old)) != (new[0], new[1], codes(new)):
            outcome.notes.append(f"{done['place']}: {codes(new)} instead of {codes(old)}")
    kept = {place(one["place"]) for one in said["refused"] if one["place"].startswith(EVENTS)}
    assert all(
        before[one][1] is None or len(before[one][1]) > 900_000 or len(before[one][2]) >= MAX_HEADERS for one in kept
    )
    assert len(said["replayed"]) + len(said["refused"]) == len(before) + len(COMPANIES)
    conclude(bench, outcome)


def codes(row: Row) -> list[tuple[bytes, bytes]]:
    """Field and code of each fault: how large a record is changes with the headers of a replay."""
    return [(fault["field"], fault["code"]) for fault in row[3]]


def place(text: str) -> tuple[int, int]:
    """Partition and offset of a place as the command line names it."""
    _, partition, offset = text.split("/")
    return int(partition), int(offset)
