"""What publishers can put into one batch: it is rejected within bounds, and all else is counted, in order."""

import hashlib
import json
import math
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from chaos import COMPANIES, EVENTS, NODES, SEED, Outcome, cvr_numbers, record
from prometheus_client.parser import text_string_to_metric_families
from rawkafka import Parcel, Raw, send_raw
from runs import ALONE
from samples import event
from stack import Stack, wait_for

from brokers.partitioning import partition_of
from brokers.topics import COMPANIES as REGISTER

pytestmark = [pytest.mark.integration, pytest.mark.extended, pytest.mark.timeout(300)]

CODECS = ("gzip", "snappy", "lz4", "zstd")
GROWTH = 400 * 2**20
"""Bytes that a worker may take more at its peak: two groups of 48 MB, what is made of them, and the pieces at hand."""
BLOCKED = 1.0 if ALONE else 5.0
"""Seconds for which nothing may block a worker's event loop; other tests make it late for want of a processor."""
DOCUMENT = json.loads(event())


def fields(number: int) -> bytes:
    """An event with many attributes that are not text."""
    return json.dumps(DOCUMENT | {f"x{n}": [] for n in range(number)}).encode()


def data_fields(number: int) -> bytes:
    """An event with many fields that the schema does not know."""
    return json.dumps(DOCUMENT | {"data": {f"x{n}": 1 for n in range(number)}}).encode()


def blanks(size: int) -> list[Raw]:
    """One record of nothing but blanks."""
    return [Raw(b" " * size, b"1")]


EQUAL = ((b"ce_a", b"1"),)
TURNS = ((b"ce_a", b"1"), (b"ce_a", b"2"))
ATTACKS: dict[str, tuple[str, Callable[[], list[Raw]], str]] = {
    "300 MB of blanks, gzip": ("gzip", lambda: blanks(300_000_000), "too_long"),
    "200 MB of blanks, lz4": ("lz4", lambda: blanks(200_000_000), "too_long"),
    "18 MB of blanks, snappy": ("snappy", lambda: blanks(18_000_000), "too_long"),
    "600 MB of blanks, zstd": ("zstd", lambda: blanks(600_000_000), "unreadable"),
    "a million equal headers": (
        "gzip",
        lambda: [Raw(event(), b"1", ((b"ce_a", b"1"),) * 1_000_000)],
        "too_many_headers",
    ),
    "headers in turn": ("zstd", lambda: [Raw(event(), b"1", TURNS * 250_000)], "too_many_headers"),
    "1,000 headers in turn, 900 times": ("zstd", lambda: [Raw(event(), b"1", TURNS * 500)] * 900, "invalid_header"),
    "60,000 attributes, 40 times": ("zstd", lambda: [Raw(fields(60_000), b"1")] * 40, "too_many_fields"),
    "60 wrong attributes, 5,000 times": ("zstd", lambda: [Raw(fields(56), b"1")] * 5_000, "invalid_type"),
    "60,000 fields of data": ("zstd", lambda: [Raw(data_fields(60_000), b"1")] * 10, "too_many_fields"),
    "50,000 tombstones": ("snappy", lambda: [Raw(None)] * 50_000, "tombstone"),
    "1 MB of text, 60 times": ("gzip", lambda: [Raw(b'"' + b"a" * 999_000 + b'"', b"1")] * 60, "invalid_json"),
}
"""Name -> codec, records of one batch, and the code with which each of them is rejected."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One worker with the product's own settings."""
    made = Stack(tmp_path_factory.mktemp("content"), nodes=NODES)
    try:
        made.start_worker()
        yield made
    finally:
        made.close()


def peak(stack: Stack) -> int:
    """Bytes of memory that the worker had at most."""
    (worker,) = stack.workers
    lines = Path(f"/proc/{worker.pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def late(stack: Stack) -> dict[float, int]:
    """Seconds -> beats of the worker's event loop so far that were no later than that, and all under infinity."""
    name = "clustertrack_loop_late_seconds"
    samples = {
        sample.labels.get("le", ""): sample.value
        for family in text_string_to_metric_families(stack.metrics(stack.workers[0]))
        for sample in family.samples
        if sample.name == f"{name}_bucket"
    }
    return {float(bound): int(number) for bound, number in samples.items()}


def ordered(stack: Stack, company: int, prefix: str, number: int) -> Parcel:
    """Corrections of one activity, in their order."""
    partition = partition_of(company, stack.partitions)
    records = [
        Raw(event(company, prefix, time=f"2018-05-03T14:05:{n:02}Z", data={"title": f"{n}"}), b"%08d" % company)
        for n in range(number)
    ]
    return Parcel(partition, records)


@pytest.mark.parametrize("name", list(ATTACKS) if ALONE else list(ATTACKS)[::2])
def test_attack(stack: Stack, name: str) -> None:
    """Between sound records of its partition: all of those are counted, and the worker was not restarted."""
    codec, build, code = ATTACKS[name]
    records = build()
    number = list(ATTACKS).index(name)
    company = COMPANIES[number]
    partition = partition_of(company, stack.partitions)
    pid, before, beats = stack.workers[0].pid, peak(stack), late(stack)
    outcome = Outcome(f"content: {name}", seed=SEED, nodes=stack.nodes, events=20 + len(records), faults=len(records))
    parcels = [
        ordered(stack, company, f"BEFORE-{number}", 10),
        Parcel(partition, records, codec),
        ordered(stack, company, f"AFTER-{number}", 10),
    ]
    _, attack, _ = send_raw(stack.bootstrap, EVENTS, parcels)
    stack.wait_counted()
    where = {"p": partition, "first": attack[0], "last": attack[-1]}
    found = stack.query(
        "SELECT reason, count() FROM receipt FINAL WHERE partition = {p:UInt16} AND status = 'rejected'"
        " AND offset BETWEEN {first:UInt64} AND {last:UInt64} GROUP BY reason",
        **where,
    )
    if found != [(code, len(records))]:
        outcome.notes.append(f"receipts {found}")
    kept = stack.query(
        "SELECT count(), max(length(payload)) FROM rejected FINAL WHERE partition = {p:UInt16}"
        " AND offset BETWEEN {first:UInt64} AND {last:UInt64}",
        **where,
    )
    if kept[0][0] != len(records) or (kept[0][1] or 0) > 1024 * 1024:
        outcome.notes.append(f"kept {kept}")
    last = stack.query(
        "SELECT activity_id, argMax(JSONExtractString(details, 'title'), revision) FROM activity_revision"
        " WHERE activity_id IN {n:Array(String)} GROUP BY activity_id",
        n=[f"BEFORE-{number}", f"AFTER-{number}"],
    )
    outcome.lost = 2 - len(last)
    outcome.wrong_figures = sum(title != "9" for _, title in last)
    if stack.workers[0].exit_code() is not None or stack.workers[0].pid != pid:
        outcome.notes.append("the worker ended")
    if (grown := peak(stack) - before) > GROWTH:
        outcome.notes.append(f"the worker took {grown / 2**20:.0f} MB more")
    new = {bound: number - beats[bound] for bound, number in late(stack).items()}
    print("beats by how late they were:", new)  # noqa: T201  (shown when it fails)
    if (blocked := new[math.inf] - new[BLOCKED]) or not new[math.inf]:
        outcome.notes.append(f"{blocked} of {new[math.inf]} beats of the loop were more than {BLOCKED} s late")
    record(outcome)


FIRST_DAY = date(1900, 1, 1)


def versions_of_one(number: int) -> list[dict[str, Any]]:
    """So many versions of one company."""
    days = [FIRST_DAY + timedelta(n) for n in range(number)]
    return [{"cvr": COMPANIES[0], "valid_from": f"{day}", "revision": 1, "employees": n} for n, day in enumerate(days)]


def mergers_in_a_row(number: int) -> list[dict[str, Any]]:
    """A company that was merged into another, that one into the next, and so on, each a day later."""
    cvrs = [COMPANIES[0], *cvr_numbers(number, seed=3)]
    return [
        {"cvr": cvr, "valid_from": f"{FIRST_DAY + timedelta(n)}", "revision": 2, "successor_cvr": following}
        for n, (cvr, following) in enumerate(pairwise(cvrs))
    ]


REGISTERS = {
    "30,000 versions of one company": (versions_of_one, 30_000),
    "20,000 mergers in a row": (mergers_in_a_row, 20_000),
}


@pytest.mark.parametrize("name", list(REGISTERS))
def test_register(stack: Stack, name: str) -> None:
    """Sound records of the register that no register has: nothing blocks the worker, and events are counted."""
    build, number = REGISTERS[name]
    records = [Raw(json.dumps(one).encode(), f"{one['cvr']:08d}/{one['valid_from']}".encode()) for one in build(number)]
    pid, beats = stack.workers[0].pid, late(stack)
    [[before]] = stack.query("SELECT count() FROM company_version")
    send_raw(stack.bootstrap, REGISTER, [Parcel(0, records[n : n + 4000], "zstd") for n in range(0, number, 4000)])
    send_raw(stack.bootstrap, EVENTS, [ordered(stack, COMPANIES[0], f"{name}-{n}", 10) for n in range(20)])
    stack.wait_counted()
    wait_for(lambda: stack.query("SELECT count() FROM company_version")[0][0] >= before + number, 60, "the register")
    assert stack.workers[0].exit_code() is None
    assert stack.workers[0].pid == pid
    new = {bound: seen - beats[bound] for bound, seen in late(stack).items()}
    assert new[math.inf] == new[BLOCKED] > 0, new
    assert stack.report(2018)["year"] == 2018


def test_what_was_cut(stack: Stack) -> None:
    """Of a long payload the length and SHA-256 are kept, and it is not sent again as if it were whole."""
    size = 300_000_000
    [[_, length, sha256, partition, offset]] = stack.query(
        "SELECT length(payload), payload_size, hex(payload_sha256), partition, offset FROM rejected FINAL"
        " WHERE payload_size = {size:UInt64}",
        size=size,
    )
    digest = hashlib.sha256()
    for _ in range(300):
        digest.update(b" " * 1_000_000)
    assert (length, sha256) == (size, digest.hexdigest().upper())
    said: dict[str, Any] = json.loads(
        stack.run("rejected", "replay", f"{EVENTS}/{partition}/{offset}", "--json", expect=1).stdout
    )
    assert "only a part of it was kept" in said["refused"][0]["why"]


def test_the_account(stack: Stack) -> None:
    """After all of it `reconcile` finds everything accounted for."""
    stack.run("reconcile", expect=0)
