"""A CPR number and an e-mail address in every part of a record: nothing that is printed or logged shows them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from samples import CVRS, event
from stack import Stack

from brokers.topics import ENRICHED, EVENTS, REJECTED

pytestmark = pytest.mark.integration

NUMBER, ADDRESS = "010190-1234", "ane@example.dk"
SECRETS = (NUMBER, "0101901234", ADDRESS)
JSON = [("content-type", b"application/cloudevents+json")]
TEXT = f"{NUMBER} {ADDRESS}"
FIELDS = ("id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "specversion", "note", ADDRESS)
DATA = ("activity_id", "occurred_on", "cluster", "membership", "reason", "title", "workshop_id", "project_id", "email")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Kafka, ClickHouse and a worker that has read every poisoned record."""
    made = Stack(tmp_path_factory.mktemp("stack"))
    made.start_worker()
    made.send(EVENTS, planted())
    made.wait_counted(60)
    yield made
    while made.workers:
        made.workers.pop().stop(20)
    made.close()


def planted() -> list[tuple[bytes | None, bytes | None, list[Any], int | None]]:
    """One record for each part in which something can be written."""
    key = b"%08d" % CVRS[0]
    values = [event(CVRS[0], f"F-{name}", **{name: TEXT}) for name in FIELDS]
    values += [event(CVRS[0], data={name: TEXT}) for name in DATA]
    values += [event(CVRS[0], data={"outcomes": [TEXT]}), event(CVRS[0], data={"title": [TEXT]}), TEXT.encode()]
    values += [event(CVRS[0], "S-1", subject="0101901234"), json.dumps({ADDRESS: {NUMBER: TEXT}}).encode()]
    records: list[tuple[bytes | None, bytes | None, list[Any], int | None]] = [(key, v, JSON, None) for v in values]
    records.append((b"0101901234", b"{", JSON, 0))
    records.append((TEXT.encode(), b"{", [*JSON, (ADDRESS, TEXT.encode()), ("cpr", b"0101901234")], 1))
    document = json.loads(event(CVRS[0], "B-1"))
    data = json.dumps(document.pop("data")).encode()
    for name in ("id", "source", "subject", "note", "type"):
        headers = [(f"ce_{k}", str(v).encode()) for k, v in {**document, name: TEXT}.items()]
        records.append((key, data, [("content-type", b"application/json"), *headers], None))
    records.append((key, data, [("content-type", TEXT.encode()), *headers], None))
    return records


def leaks(text: str) -> list[str]:
    """Lines that show a secret."""
    return [line[:300] for line in text.splitlines() if any(secret in line for secret in SECRETS)]


def test_every_record_is_refused(stack: Stack):
    """None is enriched, and each is on the rejected topic with the place from which it came."""
    assert stack.read(ENRICHED) == []
    assert len(stack.read(REJECTED)) == len(planted())


def test_the_ledger_and_the_rejected_topic_tell_nothing(stack: Stack):
    """Everything but the record as received: sources, reasons, faults, and the header that lists them."""
    rows = stack.query("SELECT source, reason, activity_id FROM impact.receipt FINAL")
    rows += stack.query("SELECT source, toString(faults) FROM impact.rejected FINAL")
    headers = [value for record in stack.read(REJECTED) for name, value in record.headers if name.startswith("ct-")]
    assert leaks("\n".join(map(str, rows))) == []
    assert leaks("\n".join(str(value, "utf-8") for value in headers)) == []


def test_no_command_shows_it(stack: Stack):
    """List, show and a trial of a replay, as text and as JSON; what is closed too."""
    places = [f"{EVENTS}/{r.partition}/{r.offset}" for r in stack.read(EVENTS)]
    commands = [("list",), ("list", "--json")]
    commands += [("show", place, *more) for place in places for more in ((), ("--json",))]
    commands += [("replay", "--all", "--dry-run"), ("replay", "--all", "--dry-run", "--json")]
    for command in commands:
        done = stack.run_here("rejected", *command, expect=None if command[0] == "replay" else 0)
        assert done.exit_code != 2, (command, done.output)
        assert leaks(done.output) == [], command
    stack.run_here("rejected", "discard", places[0], "--note", "poisoned")
    for more in ((), ("--json",)):
        assert leaks(stack.run_here("rejected", "list", "--closed", *more).output) == []


def test_no_log_shows_it(stack: Stack):
    """The worker's log shows neither."""
    logs = [path for path in Path(stack.folder).rglob("*.log") if "kafka" not in str(path) and "click" not in str(path)]
    assert logs
    for path in logs:
        assert leaks(path.read_text(encoding="utf-8", errors="replace")) == [], path
