import json
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner, Result
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from kafka.structs import OffsetAndMetadata

from brokers.connection import KafkaConnection
from brokers.explain import KafkaUnreachable
from brokers.offsets import KafkaOffsets, Partition, Progress, Reading
from brokers.topics import COMPANIES, EVENTS, app_id
from clustertrack.cli import root
from clustertrack.commands.status import (
    TOPICS,
    NotCounted,
    Status,
    wait_until_counted,
)
from schemas.errors import CheckFailed
from sinks import catalog
from sinks.clickhouse import ClickHouse, ClickHouseUnreachable, connect

PLACE = Partition(EVENTS, 0)


def at(committed: int, end: int) -> Reading:
    """A reading of one partition with one worker."""
    return Reading({PLACE: Progress(0, end, committed)}, 1)


class Time:
    """A clock that only moves on sleep."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Seconds slept so far."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


def wait(
    readings: Sequence[Reading | KafkaUnreachable], seconds: float = 60, *, empty: bool = False
) -> tuple[Reading, int]:
    """Wait with a worker that makes these readings one after the other, the last one forever."""
    time = Time()
    following = iter(readings[1:])
    first = last = readings[0]
    assert isinstance(first, Reading)

    def read() -> Reading:
        nonlocal last
        last = next(following, last)
        if isinstance(last, KafkaUnreachable):
            raise last
        return last

    return wait_until_counted(
        first,
        read,
        seconds,
        is_empty=lambda ranges: empty and ranges == {PLACE: (4, 4)},
        clock=time,
        sleep=time.sleep,
        show=lambda _done, _total: None,
    )


@pytest.mark.parametrize(
    ("readings", "last"),
    [
        pytest.param([at(5, 5)], at(5, 5), id="counted at the call"),
        pytest.param([at(0, 5), at(3, 5), at(5, 5)], at(5, 5), id="counted after a while"),
        pytest.param([at(0, 5), at(5, 7), at(6, 9), at(7, 99)], at(7, 99), id="rerouted records are waited for, once"),
        pytest.param([at(0, 5), KafkaUnreachable("gone"), at(5, 5)], at(5, 5), id="the broker was away"),
    ],
)
def test_waiting_ends_when_all_is_counted(readings: list[Reading | KafkaUnreachable], last: Reading):
    """First the ends at the call, then those of the moment when they were reached; later records do not matter."""
    assert wait(readings) == (last, 0)


def test_the_time_limit():
    """At the limit the records that are left are counted."""
    assert wait([at(0, 5), at(3, 5)], seconds=1) == (at(3, 5), 2)


def test_no_time_at_all():
    """A limit of zero only looks."""
    assert wait([at(0, 5)], seconds=0) == (at(0, 5), 5)
    assert wait([at(5, 5)], seconds=0) == (at(5, 5), 0)


def test_the_marker_of_a_transaction_is_not_waited_for():
    """An offset at which Kafka delivers nothing never gets a commit; the wait ends without it."""
    assert wait([at(0, 5), at(4, 5)], empty=True) == (at(4, 5), 0)
    assert wait([at(0, 5), at(4, 5)], empty=False) == (at(4, 5), 1)


def test_a_broker_that_stays_away():
    """A broker that is away at the limit is unreachable, which is not the same as behind."""
    with pytest.raises(KafkaUnreachable):
        wait([at(0, 5), KafkaUnreachable("gone")], seconds=1)


STATUS = Status(
    "0b1c",
    "clustertrack-0b1c",
    Reading(
        {
            Partition(EVENTS, 0): Progress(100, 12_100, 12_000),
            Partition(EVENTS, 1): Progress(0, 0, None),
            Partition(COMPANIES, 0): Progress(0, 7, 7),
        },
        0,
    ),
    {"accepted": 11_000, "retracted": 10, "duplicate": 900, "rejected": 90, "rerouted": 0},
)


def test_status_as_json():
    """Lag per topic and partition, workers and receipts, under plain keys."""
    status = json.loads(json.dumps(STATUS.as_dict()))
    assert (status["ledger"], status["group"], status["workers"], status["lag"]) == (
        "0b1c",
        "clustertrack-0b1c",
        0,
        100,
    )
    assert status["topics"][EVENTS]["lag"] == 100
    assert status["topics"][EVENTS]["partitions"][0] == {
        "partition": 0,
        "low": 100,
        "end": 12100,
        "committed": 12000,
        "lag": 100,
        "held": 0,
    }
    assert status["topics"][COMPANIES]["lag"] == 0
    assert status["receipts"]["duplicate"] == 900


def test_status_as_text():
    """A line per topic and per status, and whether a worker runs."""
    text = STATUS.as_text()
    assert "no worker is running" in text
    rows = [line.split() for line in text.splitlines()]
    assert [EVENTS, "2", "12,000", "11,900", "100"] in rows
    assert ["accepted", "11,000"] in rows


@pytest.fixture
def environment(kafka, clickhouse, database: str) -> dict[str, str]:
    """Settings that name the session's servers and this test's database."""
    return {
        "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap,
        "CLICKHOUSE_HOST": clickhouse.host,
        "CLICKHOUSE_PORT": str(clickhouse.port),
        "CLICKHOUSE_DATABASE": database,
    }


@pytest.fixture
def run(environment: dict[str, str]) -> Callable[..., Result]:
    """Runs the command line on a migrated ledger of the test's own."""

    def invoke(*arguments: str, **more: str) -> Result:
        return CliRunner().invoke(root, arguments, env={**environment, **more})

    migrated = invoke("migrate")
    assert migrated.exit_code == 0, migrated.output
    return invoke


@pytest.fixture
def counted(environment: dict[str, str], kafka, run) -> Iterator[Callable[[], None]]:
    """Commits, as workers of this ledger do, everything that the topics hold."""
    del run
    with connect(
        ClickHouse(
            host=environment["CLICKHOUSE_HOST"],
            port=int(environment["CLICKHOUSE_PORT"]),
            database=environment["CLICKHOUSE_DATABASE"],
        )
    ) as client:
        group = app_id("clustertrack", catalog.ledger_id(client, environment["CLICKHOUSE_DATABASE"]))
    admin = KafkaAdminClient(bootstrap_servers=[kafka.bootstrap])

    def commit() -> None:
        with KafkaOffsets(KafkaConnection(kafka.bootstrap)) as offsets:
            ends = offsets.read(group, TOPICS).ends
        admin.alter_group_offsets(
            group, {TopicPartition(*place): OffsetAndMetadata(end, "", None) for place, end in ends.items()}
        )

    yield commit
    admin.close()


@pytest.mark.integration
def test_waiting_on_a_real_broker(run, counted, kafka):
    """Records that nobody counted are left at the limit with exit code 1; once counted, the wait ends with 0."""
    producer = KafkaProducer(bootstrap_servers=[kafka.bootstrap])
    producer.send(EVENTS, b"{}", key=uuid.uuid4().bytes).get(timeout=10)
    producer.close()
    behind = run("status", "--wait", "0.3", "--json")
    assert isinstance(behind.exception, NotCounted)
    assert behind.exception.exit_code == 1
    assert "no worker is running" in str(behind.exception)
    assert json.loads(behind.stdout)["lag"] == behind.exception.records > 0
    counted()
    done = run("status", "--wait", "20", "--json")
    assert done.exit_code == 0, done.output
    status = json.loads(done.stdout)
    assert (status["lag"], status["workers"]) == (0, 0)
    assert set(status["topics"]) == set(TOPICS)


@pytest.mark.integration
def test_receipts_are_counted_by_status(run, clickhouse, database: str):
    """Receipts come from the ledger, each record once however often its receipt was written."""
    config = ClickHouse(host=clickhouse.host, port=clickhouse.port, database=database)
    names = ("topic", "partition", "offset", "status", "source", "log_time")
    rows = [(EVENTS, 0, offset, "accepted", "crm", datetime.now(UTC)) for offset in (0, 1, 1)]
    with connect(config) as client:
        client.insert("receipt", rows, column_names=names)
    shown = run("status", "--json")
    assert shown.exit_code == 0, shown.output
    assert json.loads(shown.stdout)["receipts"] == {
        "accepted": 2,
        "retracted": 0,
        "duplicate": 0,
        "rejected": 0,
        "rerouted": 0,
    }


def nowhere() -> str:
    """A port of this machine on which nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


@pytest.mark.integration
def test_kafka_unreachable(run):
    """Without a broker the command ends with exit code 3 and a sentence, at once."""
    result = run("status", KAFKA_BOOTSTRAP_SERVERS=f"127.0.0.1:{nowhere()}")
    assert isinstance(result.exception, KafkaUnreachable)
    assert result.exception.exit_code == 3


def test_warnings_of_libraries_end_no_verb():
    """PYTHONWARNINGS=error in the shell must not turn a library's deprecation into a failure."""
    answer = subprocess.run(
        [sys.executable, "-m", "clustertrack", "status"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={"PYTHONWARNINGS": "error", "CLICKHOUSE_PORT": nowhere()},
    )
    assert answer.returncode == 3
    assert answer.stderr.startswith("error: ClickHouse does not answer")


def test_clickhouse_unreachable():
    """Without ClickHouse the command ends with exit code 3."""
    result = CliRunner().invoke(root, ["status"], env={"CLICKHOUSE_PORT": nowhere()})
    assert isinstance(result.exception, ClickHouseUnreachable)
    assert result.exception.exit_code == 3


@pytest.mark.integration
@pytest.mark.parametrize("missing", [pytest.param(True, id="no database"), pytest.param(False, id="empty database")])
def test_not_migrated(environment: dict[str, str], missing: bool):
    """A database that is not there or empty ends with exit code 1 and names `migrate`."""
    more = {"CLICKHOUSE_DATABASE": "nowhere_at_all"} if missing else {}
    result = CliRunner().invoke(root, ["status"], env={**environment, **more})
    assert isinstance(result.exception, CheckFailed)
    assert result.exception.exit_code == 1
    assert "clustertrack migrate" in str(result.exception)
