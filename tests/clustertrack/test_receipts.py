"""`clustertrack receipts` against a ledger with a short history."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner, Result
from clickhouse_connect.driver.client import Client
from published import OURS, Published, store

from clustertrack.cli import root
from schemas.errors import UsageFault
from sinks.clickhouse import ClickHouse

pytestmark = pytest.mark.integration


@pytest.fixture
def history(server: ClickHouse, ledger: Client, database: str, monkeypatch: pytest.MonkeyPatch) -> Published:
    """A history in the ledger that the settings name."""
    address = ClickHouse(host=server.host, port=server.port, database=database)
    for name, value in (("HOST", address.host), ("PORT", address.port), ("DATABASE", database)):
        monkeypatch.setenv(f"CLICKHOUSE_{name}", str(value))
    made = Published(seed=2, steps=60, begins=datetime.now(UTC).replace(microsecond=0) - timedelta(days=7))
    store(made, ledger, address)
    return made


def run(*arguments: str) -> Result:
    """The command, as a user calls it."""
    return CliRunner().invoke(root, ["receipts", "--source", OURS, *arguments])


def test_what_is_printed(history: Published):
    """The sentence and the records; with --json the whole answer, and the sentence in it."""
    good = next(one for one in history.sent if one.source == OURS and not one.codes)
    bad = next(one for one in history.sent if one.source == OURS and one.codes)
    text = run("--activity", good.activity_id)
    assert (text.exit_code, text.stdout.split()[:2]) == (0, ["Activity", *good.activity_id.split()[:1]])
    assert str(good.place) in text.stdout
    found = json.loads(run("--id", bad.event_id, "--json").stdout)
    assert found["event_id"] == bad.event_id
    assert {one["code"] for one in found["rejected"][-1]["faults"]} == set(bad.codes)
    assert found["sentence"].startswith(f"Event {bad.event_id} was")
    assert run("--id", "never sent").stdout.startswith("Event never sent is not in the ledger")


@pytest.mark.parametrize("options", [(), ("--id", "a", "--activity", "b")], ids=["none", "both"])
@pytest.mark.usefixtures("history")
def test_one_thing_is_asked_about(options: tuple[str, ...]):
    """An event or an activity."""
    assert isinstance(run(*options).exception, UsageFault)
