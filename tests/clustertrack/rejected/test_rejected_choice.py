"""Which rejected records a command means: by the time of their arrival, and page by page."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner, Result
from samples import CVRS, event

from brokers.topics import EVENTS
from clustertrack.cli import root
from schemas.errors import ClustertrackError, UsageFault
from sinks.clickhouse import ClickHouse, connect

pytestmark = pytest.mark.integration

DAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=10)
"""The ledger keeps rejected records for 90 days."""
TICK = timedelta(milliseconds=1)
ARRIVED = [DAY - TICK, DAY, DAY + timedelta(hours=12), DAY + timedelta(days=1) - TICK, DAY + timedelta(days=1)]
TODAY, TOMORROW = f"{DAY:%Y-%m-%d}", f"{DAY + timedelta(days=1):%Y-%m-%d}"


class Ledger:
    """A migrated ledger with a rejected record for each instant, at the offsets 0 to 4."""

    def __init__(self, bootstrap: str, config: ClickHouse) -> None:
        self._environment = {
            "KAFKA_BOOTSTRAP_SERVERS": bootstrap,
            "CLICKHOUSE_HOST": config.host,
            "CLICKHOUSE_PORT": str(config.port),
            "CLICKHOUSE_DATABASE": config.database,
        }
        self.run("migrate")
        self.run("registry", "load", "--sample")
        rows = [
            (EVENTS, 0, 1, offset, at, "crm", [("source", "unknown_source", "crm")], event(CVRS[0], f"WS-{offset}"))
            for offset, at in enumerate(ARRIVED)
        ]
        names = ("topic", "topic_epoch", "partition", "offset", "log_time", "source", "faults", "payload")
        with connect(config) as client:
            client.insert("rejected", rows, column_names=names)

    def invoke(self, *arguments: str) -> Result:
        """Run the command line in this process."""
        return CliRunner().invoke(root, arguments, env=self._environment)

    def run(self, *arguments: str) -> str:
        """Run the command line, which must end well, and give what it prints."""
        result = self.invoke(*arguments)
        assert result.exit_code == 0, result.output
        return result.stdout

    def offsets(self, *options: str) -> list[int]:
        """Offsets of the records that `list` gives, which must agree with what a replay would take."""
        records: list[dict[str, Any]] = json.loads(self.run("rejected", "list", "--json", *options))["records"]
        return [record["offset"] for record in records]


@pytest.fixture
def ledger(kafka, clickhouse, database: str) -> Ledger:
    """Kafka is asked for the topics and the registry: no activity is sent."""
    return Ledger(kafka.bootstrap, ClickHouse(host=clickhouse.host, port=clickhouse.port, database=database))


@pytest.mark.parametrize(
    ("options", "offsets"),
    [
        pytest.param(["--since", TODAY], [1, 2, 3, 4], id="since a day, from its first instant"),
        pytest.param(["--until", TODAY], [0], id="until a day, without it"),
        pytest.param(["--since", TODAY, "--until", TOMORROW], [1, 2, 3], id="a day"),
        pytest.param(["--until", f"{TODAY}T12:00:00"], [0, 1], id="UTC without a zone"),
        pytest.param(["--since", f"{TODAY}T14:00:00+02:00"], [2, 3, 4], id="a zone"),
        pytest.param(["--since", f"{TODAY}T12:00:00Z", "--until", f"{TODAY}T12:00:00.001Z"], [2], id="a millisecond"),
        pytest.param(["--since", TOMORROW, "--until", TODAY], [], id="the wrong way round"),
        pytest.param(["--since", TODAY, "--reason", "unknown_source"], [1, 2, 3, 4], id="and a reason"),
        pytest.param(["--since", TODAY, "--reason", "too_long"], [], id="and another reason"),
    ],
)
def test_records_are_chosen_by_their_arrival(ledger: Ledger, options: list[str], offsets: list[int]):
    """A day begins at midnight UTC; `--since` includes its instant, `--until` does not; a replay takes the same."""
    assert ledger.offsets(*options) == offsets
    would = json.loads(ledger.run("rejected", "replay", "--dry-run", "--json", *options))
    assert [w["place"] for w in would["would_replay"]] == [f"{EVENTS}/1/{offset}" for offset in offsets]
    assert (would["dry_run"], would["replayed"]) == (True, [])
    assert ledger.offsets() == [0, 1, 2, 3, 4], "nothing was done"


@pytest.mark.parametrize("option", ["--since", "--until"])
@pytest.mark.parametrize(
    "text", ["yesterday", "2026-13-01", "2026-11-01T25:00", "", "1 Nov", "0001-01-01", "9999-12-31T23:59:59-12:00"]
)
def test_what_is_no_time_is_wrong_use(option: str, text: str):
    """One sentence with an example, and exit code 2; so is a time that no record can have."""
    result = CliRunner().invoke(root, ["rejected", "list", option, text])
    assert result.exit_code == 2, result.exception
    assert f"{text!r} is no time: write 2018-05-03 or" in result.stderr


@pytest.mark.parametrize("verb", [["list"], ["list", "--closed"], ["replay", "--dry-run"], ["discard", "--note", "x"]])
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--reason", "unknown_sorce"], "--reason unknown_sorce is no fault code (did you mean unknown_source?)"),
        (["--source", "crm.foodbio.example"], "--source crm.foodbio.example is no source of a rejected record or of"),
        (["--topic", "events"], "--topic events is no topic that workers read: see"),
    ],
    ids=["reason", "source", "topic"],
)
def test_a_misspelt_filter_is_an_error(ledger: Ledger, verb: list[str], options: list[str], words: str):
    """It would find nothing, which looks like good news; the word that was meant is named."""
    result = ledger.invoke("rejected", *verb, *options)
    assert isinstance(result.exception, UsageFault)
    assert words in str(result.exception)


def test_a_source_without_rejected_records(ledger: Ledger):
    """A source of the registry is no mistake."""
    assert ledger.offsets("--source", "https://crm.foodbio.example") == []


def test_pages(ledger: Ledger):
    """One record a page: each page names the next, until there is none; the count is that of all."""
    seen: list[str] = []
    options: list[str] = []
    while True:
        page = json.loads(ledger.run("rejected", "list", "--json", "--limit", "1", *options))
        assert page["open"] == 5
        seen += [record["place"] for record in page["records"]]
        if page["next"] is None:
            break
        assert page["next"] == seen[-1]
        options = ["--after", page["next"]]
    assert seen == [f"{EVENTS}/1/{offset}" for offset in range(5)]
    text = ledger.run("rejected", "list", "--limit", "1", "--after", f"{EVENTS}/1/2")
    assert f"{EVENTS}/1/3 " in text
    assert text.endswith(f"the next ones: --after {EVENTS}/1/3\n")
    assert "the next ones" not in ledger.run("rejected", "list", "--limit", "1", "--after", f"{EVENTS}/1/3")
    assert ledger.offsets("--limit", "1", "--after", f"{EVENTS}/1/4") == []
    assert ledger.offsets("--since", TODAY, "--limit", "2", "--after", f"{EVENTS}/0/99") == [1, 2]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        pytest.param(["--after", "17"], "is no place of a record", id="no place"),
        pytest.param(["--limit", "0"], "--limit", id="an empty page"),
    ],
)
def test_pages_that_do_not_exist(options: list[str], words: str):
    """Wrong use, before anything is asked."""
    result = CliRunner().invoke(root, ["rejected", "list", *options])
    code = result.exception.exit_code if isinstance(result.exception, ClustertrackError) else result.exit_code
    assert code == 2
    assert words in f"{result.stderr}{result.exception}"
