"""Real workers on real Kafka and the real ClickHouse engine."""

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
from samples import CVRS, SOURCE, event
from stack import Stack, wait_for

from brokers.partitioning import partition_of
from brokers.topics import COMPANIES, ENRICHED, EVENTS, REJECTED

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Kafka and ClickHouse, migrated; tests tell their records apart by activity_id."""
    made = Stack(tmp_path_factory.mktemp("stack"))
    yield made
    made.close()


@pytest.fixture
def workers(stack: Stack) -> Iterator[Stack]:
    """The stack; workers that a test starts end with it."""
    yield stack
    while stack.workers:
        stack.workers.pop().stop(20)


def receipts(stack: Stack, topic: str = EVENTS) -> dict[tuple[int, int], str]:
    """(partition, offset) -> status, after merging."""
    rows = stack.query("SELECT partition, offset, status FROM impact.receipt FINAL WHERE topic = {t:String}", t=topic)
    return {(partition, offset): status for partition, offset, status in rows}


def wait_for_receipts(stack: Stack, seconds: float = 60) -> dict[tuple[int, int], str]:
    """Every offset of the events topic has its receipt; records sent on count too."""
    stack.wait_counted(seconds)
    found = receipts(stack)
    assert found.keys() == {(record.partition, record.offset) for record in stack.read(EVENTS)}
    return found


def keyed(value: bytes, company: int) -> tuple[bytes | None, bytes | None, list[Any], int | None]:
    """A record as the publisher sends it."""
    return f"{company:08d}".encode(), value, [("content-type", b"application/cloudevents+json")], None


def mixture(prefix: str, number: int, seed: int) -> list[tuple[bytes | None, bytes | None, list[Any], int | None]]:
    """Records of all kinds: new, repeated, corrected, retracted, broken, on the wrong partition."""
    draw = random.Random(seed)
    records: list[tuple[bytes | None, bytes | None, list[Any], int | None]] = []
    for n in range(number):
        company = draw.choice(CVRS)
        activity = f"{prefix}-{draw.randrange(number)}"
        kind = draw.random()
        if kind < 0.05:
            records.append((None, b'{"id": "' + str(n).encode(), [], draw.randrange(4)))
        elif kind < 0.1:
            records.append((None, event(company, activity), [], draw.randrange(4)))
        elif kind < 0.2:
            retraction = event(
                company,
                activity,
                time=f"2018-06-{1 + n % 28:02d}T10:00:00Z",
                type="org.clustertrack.activity.retracted.v1",
                data={"activity_id": activity, "occurred_on": ..., "reason": "entered twice"},
            )
            records.append(keyed(retraction, company))
        else:
            records.append(keyed(event(company, activity, time=f"2018-05-{1 + n % 28:02d}T10:00:00Z"), company))
        if records and draw.random() < 0.1:
            records.append(draw.choice(records))
    return records


def test_a_record_becomes_receipt_row_and_enriched_event(workers: Stack) -> None:
    """The whole way of one event, with its company from the register."""
    row = "cvr,valid_from,name,legal_form,employees,region,industry_scheme,industry,successor_cvr,successor_from\n"
    row += f"{CVRS[0]},2010-01-01,Syntetisk Mejeri ApS,80,12,DK042,DB07,105100,,\n"
    file = workers.folder / "companies.csv"
    file.write_text(row, encoding="utf-8")
    workers.run("companies", "load", str(file))
    workers.start_worker()
    workers.send(EVENTS, [keyed(event(CVRS[0], "ONE"), CVRS[0])])
    wait_for_receipts(workers)
    (enriched,) = wait_for(
        lambda: [r for r in workers.read(ENRICHED) if json.loads(r.value)["data"]["activity_id"] == "ONE"], 20, "it"
    )
    company = json.loads(enriched.value)["data"]["company"]
    assert company["known"] is True
    assert (company["employees"], company["size_band"], company["nuts"]) == (12, "10-19", "DK042")
    assert enriched.key == b"%08d" % CVRS[0]
    assert dict(enriched.headers)["ct-origin"].startswith(b"activity.events.v1/")
    rows = workers.query(
        "SELECT source, company_id, cluster, derived FROM impact.activity FINAL WHERE activity_id = 'ONE'"
    )
    assert rows == [(SOURCE, CVRS[0], "food-bio", "new_competencies")]
    versions = workers.query(
        "SELECT employees, nuts, legal_form FROM impact.company_version WHERE company_id = {c:UInt32}", c=CVRS[0]
    )
    assert versions == [(12, "DK042", "80")]


def test_a_ledger_with_a_new_id_is_filled_again_from_the_topic(workers: Stack) -> None:
    """Rows are lost and the ledger gets a new id: a worker with its old data folder counts the whole topic again."""
    companies = CVRS[:4]
    # A year of its own, which no other test here uses.
    data = {"occurred_on": "2016-05-03"}
    workers.send(EVENTS, [keyed(event(cvr, f"AGAIN-{n}", data=data), cvr) for n, cvr in enumerate(companies * 3)])
    worker = workers.start_worker("worker-kept")
    wait_for_receipts(workers)
    before = workers.report(2016)
    assert worker.stop(20)
    client = workers.client()
    for table in ("activity_revision", "activity", "receipt", "rejected", "ledger"):
        client.command(f"TRUNCATE TABLE {table}")
    client.close()

    workers.run("migrate")
    workers.start_worker("worker-kept")
    wait_for_receipts(workers)

    assert workers.report(2016) == before
    assert before["helped"]["companies"] == len(companies)
    workers.run("reconcile")


@pytest.mark.extended  # tests/chaos kills workers at each step
def test_every_offset_has_one_receipt_with_two_workers_killed_and_stopped(workers: Stack) -> None:
    """Kill -9 of one worker, a graceful stop of the other, a third that takes over: nothing lost, nothing twice."""
    first, second = workers.start_worker("a", wait=False), workers.start_worker("b", wait=False)
    workers.wait_ready(first)
    workers.wait_ready(second)
    for wave in range(3):
        workers.send(EVENTS, mixture(f"KILL-{wave}", 2000, seed=wave))
        if wave == 0:
            workers.kill(first)
        if wave == 1:
            assert second.stop(20), "a graceful stop ends by itself"
            workers.start_worker("c")
    found = wait_for_receipts(workers, 120)
    assert set(found.values()) == {"accepted", "retracted", "duplicate", "rejected", "rerouted"}
    assert workers.query("SELECT count() FROM impact.receipt_without_row") == [(0,)]
    assert workers.query("SELECT count() FROM impact.row_without_receipt") == [(0,)]
    assert workers.query("SELECT count() FROM impact.activity_difference") == [(0,)]


def test_a_wiped_data_folder_is_recovered_from_the_changelog(workers: Stack) -> None:
    """The marks come back in bulk, and a version that was seen before the wipe is a duplicate after it."""
    workers.start_worker("before")
    workers.send(EVENTS, [keyed(event(CVRS[1], f"WIPE-{n}"), CVRS[1]) for n in range(3000)])
    wait_for_receipts(workers)
    workers.workers.pop().stop(20)
    workers.start_worker("empty-folder")
    again = event(CVRS[1], "WIPE-7")
    workers.send(EVENTS, [keyed(again, CVRS[1])])
    found = wait_for_receipts(workers)
    assert found[max(place for place in found if place[0] == partition_of(CVRS[1], 4))] == "duplicate"


def test_a_second_worker_on_a_folder_in_use(workers: Stack) -> None:
    """It would take the marks of the first one apart: refused with a sentence, and the first one goes on."""
    first = workers.start_worker("shared")
    refused = workers.run("worker", expect=2, CLUSTERTRACK_DATA_DIR=str(workers.folder / first.name), METRICS_PORT="1")
    assert "is in use by another worker of this ledger: give each worker a folder of its own" in refused.stderr
    assert first.exit_code() is None


def test_a_bad_record_is_kept_as_it_came(workers: Stack) -> None:
    """Original bytes, headers, place and all faults, in the table and on the topic; the worker goes on."""
    bad = event(CVRS[0], "BAD", time="yesterday", subject="12345678", data={"surname": "Hansen"})
    workers.start_worker()
    workers.send(EVENTS, [(b"\xff\x00key", bad, [("x-crm", b"\xfe\xff")], 2), keyed(event(CVRS[0], "AFTER"), CVRS[0])])
    wait_for_receipts(workers)
    key, payload, headers, faults = workers.query(
        "SELECT hex(key), payload, arrayMap(h -> (h.name, hex(h.value)), headers), "
        "arrayMap(f -> (f.field, f.code, f.value), faults) "
        "FROM impact.rejected FINAL WHERE payload LIKE '%surname%'"
    )[0]
    assert (key, payload.encode(), headers) == ("FF006B6579", bad, [("x-crm", "FEFF")])
    assert set(faults) == {
        ("time", "invalid_time", "yesterday"),
        ("subject", "invalid_cvr_checksum", "12345678"),
        ("data.surname", "extra_field", "***"),
    }
    (rejected,) = [r for r in workers.read(REJECTED) if r.value == bad]
    assert rejected.key == b"\xff\x00key"
    named = dict(rejected.headers)
    assert named["x-crm"] == b"\xfe\xff"
    assert {fault["code"] for fault in json.loads(named["ct-faults"])} == {f[1] for f in faults}


def test_a_bad_register_record_is_rejected(workers: Stack) -> None:
    """The register topic has no receipts; what cannot be read is kept all the same."""
    workers.start_worker()
    workers.send(COMPANIES, [(b"nonsense", b"{}", [], 0)])
    (row,) = wait_for(
        lambda: workers.query("SELECT key, payload FROM impact.rejected FINAL WHERE topic = {t:String}", t=COMPANIES),
        30,
        "the rejection",
    )
    assert row == ("nonsense", "{}")


def test_clickhouse_may_go_away_and_come_back(workers: Stack) -> None:
    """Killed with -9 under load: the worker waits, says so in /readyz, and loses nothing."""
    worker = workers.start_worker()
    workers.kill(workers.clickhouse)
    try:
        workers.send(EVENTS, mixture("OUTAGE", 1000, seed=9))
        wait_for(lambda: not workers.is_ready(worker), 30, "the worker to be unready")
        assert worker.exit_code() is None
    finally:
        workers.restart_clickhouse()
    wait_for_receipts(workers)
    wait_for(lambda: workers.is_ready(worker), 30, "the worker to be ready again")
    assert workers.query("SELECT count() FROM impact.receipt_without_row") == [(0,)]


def test_a_worker_does_not_start_on_a_recreated_topic(workers: Stack) -> None:
    """Kafka's topics must be those that the ledger recorded."""
    done = workers.run("worker", "--check")
    assert "fine" in done.stdout
    client = workers.client()
    client.command(
        "INSERT INTO impact.topic SELECT topic, topic_epoch, 'other', partitions, config, now() "
        "FROM impact.topic FINAL WHERE topic = {t:String}",
        parameters={"t": EVENTS},
    )
    try:
        refused = workers.run("worker", "--check", expect=1)
        assert "re-created" in refused.stderr
        assert "Traceback" not in refused.stderr
    finally:
        client.command("ALTER TABLE impact.topic DELETE WHERE topic_id = 'other' SETTINGS mutations_sync = 2")
        client.close()


class _NoText(str):
    """A header name that a client in another language writes: bytes that are no UTF-8."""

    __slots__ = ()

    def encode(self, *_: object) -> bytes:
        return b"\xff\xfe"


def test_a_header_name_that_is_no_text_stops_nobody(workers: Stack) -> None:
    """The client library cannot read such a record; the worker takes it and what comes after it."""
    workers.start_worker()
    records = [keyed(event(CVRS[2], f"HEADER-{n}"), CVRS[2]) for n in range(3)]
    key, value, headers, partition = records[1]
    records[1] = (key, value, [*headers, (_NoText("~~"), b"1")], partition)
    workers.send(EVENTS, records)
    wait_for(
        lambda: workers.query("SELECT count() FROM impact.activity FINAL WHERE activity_id LIKE 'HEADER-%'") == [(3,)],
        30,
        "the three activities",
    )
