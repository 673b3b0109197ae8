"""`reconcile` on a real ledger and real topics, where the tests do what workers do."""

import json
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from kafka.structs import OffsetAndMetadata

from brokers.connection import KafkaConnection
from brokers.offsets import KafkaOffsets, Partition, Progress, Reading
from brokers.topics import EVENTS, app_id
from clustertrack.cli import root
from clustertrack.commands.reconcile import NotWhole, bounds_of
from clustertrack.reconcile.account import Bound
from sinks import catalog
from sinks.clickhouse import ClickHouse, connect


def test_bounds_carry_what_kafka_says():
    """Every partition is bounded by its watermarks; without a commit the group is at 0."""
    reading = Reading({Partition(EVENTS, 0): Progress(5, 20, 12), Partition(EVENTS, 1): Progress(0, 0, None)}, 1)
    assert list(bounds_of(reading, 2)) == [Bound(EVENTS, 2, 0, 5, 20, 12), Bound(EVENTS, 2, 1, 0, 0, 0)]


class Pipeline:
    """A migrated ledger and the broker; the test does what workers do."""

    def __init__(self, bootstrap: str, config: ClickHouse) -> None:
        self.config = config
        self.bootstrap = bootstrap
        self.environment = {
            "KAFKA_BOOTSTRAP_SERVERS": bootstrap,
            "CLICKHOUSE_HOST": config.host,
            "CLICKHOUSE_PORT": str(config.port),
            "CLICKHOUSE_DATABASE": config.database,
        }

    def run(self, *arguments: str) -> Result:
        """Run the command line."""
        return CliRunner().invoke(root, arguments, env=self.environment)

    def publish(self, records: int) -> None:
        """Send records to partition 0."""
        producer = KafkaProducer(bootstrap_servers=[self.bootstrap])
        for _ in range(records):
            producer.send(EVENTS, uuid.uuid4().bytes, partition=0)
        producer.close()

    def count(self, *, leave_out: Callable[[Partition, int], bool] = lambda _place, _offset: False) -> None:
        """Give every offset a receipt that says rejected, with its record, and commit all of them."""
        with connect(self.config) as client:
            group = app_id("clustertrack", catalog.ledger_id(client, self.config.database))
            epoch = catalog.topics(client, self.config.database)[EVENTS].topic_epoch
            with KafkaOffsets(KafkaConnection(self.bootstrap)) as offsets:
                ends = offsets.read(group, [EVENTS]).ends
                arrived, now = arrivals(offsets, ends), datetime.now(UTC)
            rows = [
                (
                    EVENTS,
                    epoch,
                    place.partition,
                    offset,
                    "rejected",
                    "",
                    arrived.get((place, offset), now),
                )
                for place, end in ends.items()
                for offset in range(end)
                if not leave_out(place, offset)
            ]
            names = ("topic", "topic_epoch", "partition", "offset", "status", "source", "log_time")
            client.insert("receipt", rows, column_names=names)
            kept = [(*row[:4], row[6], row[5], [("", "too_long", "")]) for row in rows]
            names = ("topic", "topic_epoch", "partition", "offset", "log_time", "source", "faults")
            client.insert("rejected", kept, column_names=names)
        admin = KafkaAdminClient(bootstrap_servers=[self.bootstrap])
        admin.alter_group_offsets(
            group, {TopicPartition(*place): OffsetAndMetadata(end, "", None) for place, end in ends.items()}
        )
        admin.close()

    def end(self) -> int:
        """The end of partition 0."""
        with KafkaOffsets(KafkaConnection(self.bootstrap)) as offsets:
            return offsets.read("nobody", [EVENTS]).progress[Partition(EVENTS, 0)].end


def arrivals(offsets: KafkaOffsets, ends: dict[Partition, int]) -> dict[tuple[Partition, int], datetime]:
    """When each record arrived, by Kafka's clock: `reconcile` compares receipts with it."""
    found: dict[tuple[Partition, int], datetime] = {}
    with offsets.consumer(EVENTS) as consumer:
        left = {TopicPartition(*place): end for place, end in ends.items() if end}
        consumer.assign(list(left))
        consumer.seek_to_beginning(*left)
        while any(consumer.position(place) < end for place, end in left.items()):
            for place, records in consumer.poll(timeout_ms=500).items():
                found |= {
                    (Partition(*place), one.offset): datetime.fromtimestamp(one.timestamp / 1000, UTC)
                    for one in records
                }
    return found


@pytest.fixture
def pipeline(kafka, clickhouse, database: str) -> Pipeline:
    """Topics and ledger, freshly migrated; other tests may have left records on the topics."""
    made = Pipeline(kafka.bootstrap, ClickHouse(host=clickhouse.host, port=clickhouse.port, database=database))
    migrated = made.run("migrate")
    assert migrated.exit_code == 0, migrated.output
    return made


@pytest.mark.integration
def test_pending_then_whole(pipeline: Pipeline):
    """Records that no worker took are pending; with receipts and commits the ledger is whole."""
    pipeline.publish(3)
    before = pipeline.run("reconcile", "--json")
    assert before.exit_code == 0, before.output
    assert json.loads(before.stdout)["pending"] >= 3
    pipeline.count()
    after = pipeline.run("reconcile")
    assert after.exit_code == 0, after.output
    assert "pending" not in after.stdout.splitlines()[-1]


@pytest.mark.integration
def test_a_lost_record_is_found(pipeline: Pipeline, tmp_path: Path):
    """An offset that was committed without a receipt is a hole, with exit code 1."""
    pipeline.publish(3)
    lost = pipeline.end() - 2
    pipeline.count(leave_out=lambda place, offset: place.partition == 0 and offset == lost)
    file = tmp_path / "clustertrack.prom"
    found = pipeline.run("reconcile", "--json", "--textfile", str(file))
    assert isinstance(found.exception, NotWhole)
    assert found.exception.exit_code == 1
    assert 'clustertrack_reconcile_faults{kind="missing"} 1.0' in file.read_text(encoding="utf-8").splitlines()
    partitions = json.loads(found.stdout)["partitions"]
    assert {row["partition"]: row["holes"] for row in partitions if row["holes"]} == {0: [[lost, lost]]}


@pytest.mark.integration
def test_the_marker_of_a_transaction_is_no_hole(pipeline: Pipeline, wait_until: Callable[..., None]):
    """An offset at which Kafka delivers nothing needs no receipt."""
    producer = KafkaProducer(bootstrap_servers=[pipeline.bootstrap], transactional_id=uuid.uuid4().hex)
    producer.init_transactions()
    producer.begin_transaction()
    producer.send(EVENTS, b"x", partition=0).get(timeout=10)
    before = pipeline.end()
    producer.commit_transaction()
    producer.close()
    # A commit is answered before its marker is written.
    wait_until(lambda: pipeline.end() > before, 10, "the marker of the transaction")
    pipeline.publish(1)
    marker = pipeline.end() - 2
    pipeline.count(leave_out=lambda place, offset: place.partition == 0 and offset == marker)
    found = pipeline.run("reconcile", "--json")
    assert found.exit_code == 0, found.output
    assert json.loads(found.stdout)["partitions"][0]["no_record"] == 1


@pytest.mark.integration
def test_a_row_without_receipt_is_found(pipeline: Pipeline):
    """A row that no receipt names is a fault of the ledger."""
    now = datetime.now(UTC)
    row = {
        "source": "crm",
        "activity_id": "a1",
        "revision": 1 << 64,
        "event_id": "e1",
        "company_id": 13748136,
        "cluster": "food-bio",
        "event_type": "workshop.attended",
        "reported": [],
        "derived": [],
        "outcomes_given": 0,
        "membership": "",
        "details": "{}",
        "occurred_on": date(2018, 5, 3),
        "recorded_at": now,
        "known_at": now,
    }
    with connect(pipeline.config) as client:
        client.insert("activity_revision", [list(row.values())], column_names=list(row))
    pipeline.count()
    found = pipeline.run("reconcile")
    assert isinstance(found.exception, NotWhole)
    assert "crm a1, revision 18446744073709551616: a row without a receipt" in found.stdout


@pytest.mark.integration
def test_every_day_when_asked_for(pipeline: Pipeline):
    """`--by-day` lists each source and day of a whole ledger, which are left out without it."""
    pipeline.publish(2)
    pipeline.count()
    today = datetime.now(UTC).date().isoformat()
    short, full = pipeline.run("reconcile"), pipeline.run("reconcile", "--by-day")
    assert (short.exit_code, full.exit_code) == (0, 0), full.output
    assert today not in short.stdout
    [line] = [line.split() for line in full.stdout.splitlines() if today in line]
    end = pipeline.end()
    with connect(pipeline.config) as client:
        [[receipts]] = client.query("SELECT count() FROM receipt FINAL").result_rows
    assert receipts >= end
    assert line == ["unknown", today, f"{receipts:,}", f"{receipts:,}"]  # columns of zeros are left out


@pytest.mark.integration
def test_without_time_nothing_is_called_lost(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch):
    """A hole that Kafka could not be asked for in time is unsettled, exit code 0; with time it is what it is."""
    pipeline.publish(3)
    lost = pipeline.end() - 2
    pipeline.count(leave_out=lambda place, offset: place.partition == 0 and offset == lost)
    monkeypatch.setattr("clustertrack.commands.reconcile.PROBE_SECONDS", 0)
    found = pipeline.run("reconcile", "--json")
    assert found.exit_code == 0, found.output
    assert json.loads(found.stdout)["unsettled_offsets"] == 1
    monkeypatch.undo()
    assert isinstance(pipeline.run("reconcile").exception, NotWhole)
