"""Clients as CRM teams write them, before a running collector: the examples of the documentation, SDKs, conformance."""

import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cloudevents.core.bindings.http import to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent
from collecting import FOOD, FOOD_KEY, Answered, Broker, RunningCollector
from pages import ROOT, Page

from clustertrack.local.ports import HOST
from schemas.faults import MASK

pytestmark = pytest.mark.integration

PAGE = Page("docs/crm-teams.md")
MODULES = ROOT / ".venv" / "javascript" / "node_modules"
JAVASCRIPT = pytest.mark.skipif(
    shutil.which("node") is None or not MODULES.exists(),
    reason="node is not installed, or npm was not for scripts/setup",
)
EXPECTED = {"source": FOOD, "id": "first-event-1", "subject": "13748136"}


def run(collector: RunningCollector, command: list[str], folder: Path) -> str:
    """What a program prints that knows the collector's address and a key."""
    environment = {**os.environ, "COLLECTOR": f"http://{HOST}:{collector.port}", "KEY": FOOD_KEY}
    done = subprocess.run(
        command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, check=True, timeout=60
    )
    return done.stdout


def node(collector: RunningCollector, script: str, folder: Path) -> str:
    """What a script in JavaScript prints, which may use the CloudEvents SDK."""
    (folder / "node_modules").symlink_to(MODULES)
    (folder / "script.mjs").write_text(script, encoding="utf-8")
    return run(collector, ["node", "script.mjs"], folder)


def record_at(broker: Broker, place: dict[str, Any]) -> Any:
    """The record that an answer names."""
    return next(r for r in broker.read() if (r.partition, r.offset) == (place["partition"], place["offset"]))


def is_first_event(value: bytes) -> bool:
    """Whether a record is the event that the page sends."""
    found = json.loads(value)
    data = {"activity_id": "WS-113/13748136", "occurred_on": "2018-05-03"}
    return all(found[name] == value for name, value in EXPECTED.items()) and found["data"] == data


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_a_first_event_with_curl(broker: Broker, collector: RunningCollector, tmp_path: Path):
    """The command of the page is run by a shell, and the answer has the fields that the page shows."""
    [command] = [block for block in PAGE.blocks("sh") if block.startswith("curl ")]
    said = json.loads(run(collector, ["bash", "-c", command], tmp_path))
    page = json.loads(PAGE.blocks("")[0])
    assert said.keys() == page.keys()
    assert said["events"][0].keys() == page["events"][0].keys()
    assert said["events"][0]["status"] == "accepted"
    assert is_first_event(record_at(broker, said["events"][0]).value)


def test_a_first_event_with_python(broker: Broker, collector: RunningCollector, tmp_path: Path):
    """The program of the page, as it is."""
    [program] = [block for block in PAGE.blocks("python") if "urlopen" in block]
    said = json.loads(run(collector, [sys.executable, "-c", program], tmp_path))
    assert said["events"][0]["status"] == "accepted"
    assert is_first_event(record_at(broker, said["events"][0]).value)
    said = json.loads(run(collector, [sys.executable, "-c", program.replace('"13748136"', '"1"')], tmp_path))
    assert [fault["field"] for fault in said["events"][0]["faults"]] == ["subject"]


@JAVASCRIPT
def test_a_first_event_with_javascript(broker: Broker, collector: RunningCollector, tmp_path: Path):
    """The script of the page, as it is."""
    [script] = PAGE.blocks("js")
    said = json.loads(node(collector, script, tmp_path))
    assert said["events"][0]["status"] == "accepted"
    assert is_first_event(record_at(broker, said["events"][0]).value)


def test_a_first_event_with_a_spreadsheet(broker: Broker, tmp_path: Path):
    """The table of the page, sent by the commands of the page."""
    [table] = PAGE.blocks("csv")
    (tmp_path / "first.csv").write_text(table, encoding="utf-8")
    [commands] = [block for block in PAGE.blocks("sh") if "publish first.csv" in block]
    environment = {**os.environ, "KAFKA_BOOTSTRAP_SERVERS": broker.node.bootstrap}
    before = len(broker.read())
    for line in commands.splitlines():
        command = [sys.executable, "-m", *line.split()]
        subprocess.run(command, cwd=tmp_path, env=environment, check=True, timeout=60, stdout=subprocess.PIPE)
    found = broker.read()
    assert len(found) == before + 1
    assert is_first_event(max(found, key=lambda record: record.timestamp).value)


@pytest.mark.parametrize("convert", [to_binary_event, to_structured_event], ids=["binary", "structured"])
def test_the_sdk_of_cloudevents(broker: Broker, collector: RunningCollector, convert: Any):
    """Events that the Python SDK makes, in both of its modes, with letters that headers have to encode."""
    data = {"activity_id": f"sdk-{convert.__name__}", "occurred_on": "2018-05-03", "title": "Blåbær"}
    attributes = {
        "id": "Euro € 😀",
        "source": FOOD,
        "type": "org.clustertrack.workshop.attended.v1",
        "subject": "13748136",
        "time": datetime(2018, 5, 3, 14, 5, 9, tzinfo=UTC),
        "datacontenttype": "application/json",
    }
    message = convert(CloudEvent(attributes, data))
    answer = collector.send(message.body, None, **message.headers)
    assert (answer.status, answer.json["events"][0]["id"]) == (202, "Euro € 😀")
    assert "Blåbær" in str(json.loads(record_at(broker, answer.json["events"][0]).value))


@JAVASCRIPT
def test_the_sdk_of_cloudevents_in_javascript(broker: Broker, collector: RunningCollector, tmp_path: Path):
    """Events that the JavaScript SDK makes, in both of its modes."""
    script = """
        import { CloudEvent, HTTP } from "cloudevents";
        for (const mode of ["binary", "structured"]) {
          const event = new CloudEvent({
            id: `js-${mode}`, source: "https://crm.foodbio.example", type: "org.clustertrack.workshop.attended.v1",
            subject: "13748136", time: "2018-05-03T14:05:09Z", traceparent: "00-1",
            data: { activity_id: `js-${mode}`, occurred_on: "2018-05-03", title: "Blåbær" },
          });
          const { headers, body } = HTTP[mode](event);
          const answer = await fetch(`${process.env.COLLECTOR}/v1/events`, {
            method: "POST", headers: { ...headers, authorization: `Bearer ${process.env.KEY}` }, body,
          });
          console.log(await answer.text());
        }
    """
    for line, mode in zip(node(collector, script, tmp_path).splitlines(), ("binary", "structured"), strict=True):
        [said] = json.loads(line)["events"]
        assert (said["status"], said["id"]) == ("accepted", f"js-{mode}")
        assert "Blåbær" in str(json.loads(record_at(broker, said).value))


BINARY = pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8"])
STRUCTURED = pytest.mark.parametrize(
    "content_type", ["application/cloudevents+json", "application/cloudevents+json; charset=utf-8"]
)
ATTRIBUTES = {
    "specversion": "1.0",
    "type": "com.example.someevent",
    "time": "2018-04-05T03:56:24Z",
    "id": "1234-1234-1234",
    "source": "/mycontext/subcontext",
}
"""Of the event in the CloudEvents conformance scenarios for HTTP."""
DATA = {"message": "Hello World!"}
OURS = {"type": "org.clustertrack.workshop.attended.v1", "source": FOOD, "subject": "13748136"}
OUR_DATA = {"occurred_on": "2018-04-05"}


def binary(attributes: dict[str, str]) -> dict[str, str]:
    """Attributes as headers of a request in binary mode."""
    return {f"ce_{name}": value for name, value in attributes.items()}


def is_read(answer: Answered) -> None:
    """The answer shows that every part of the event was read: it is no activity, and nothing else is wrong."""
    [said] = answer.json["events"]
    assert (answer.status, said["id"], said["source"]) == (422, ATTRIBUTES["id"], ATTRIBUTES["source"])
    found = {(fault["field"], fault["code"], fault["value"]) for fault in said["faults"]}
    assert found == {
        ("subject", "missing", ""),
        ("data.message", "extra_field", MASK),
        ("source", "unknown_source", ATTRIBUTES["source"]),
        ("type", "unknown_type", ATTRIBUTES["type"]),
    }


@BINARY
def test_conformance_in_binary_mode(broker: Broker, collector: RunningCollector, content_type: str):
    """The scenarios of the CloudEvents conformance suite: all attributes and the data, the content type as it came."""
    is_read(collector.send(json.dumps(DATA), content_type, **binary(ATTRIBUTES)))
    answer = collector.send(json.dumps(OUR_DATA), content_type, **binary(ATTRIBUTES | OURS | {"id": content_type}))
    assert answer.status == 202, answer.json
    record = record_at(broker, answer.json["events"][0])
    expected = {f"ce_{name}": value.encode() for name, value in (ATTRIBUTES | OURS | {"id": content_type}).items()}
    assert dict(record.headers) == {**expected, "content-type": content_type.encode()}
    assert json.loads(record.value) == OUR_DATA


@STRUCTURED
def test_conformance_in_structured_mode(broker: Broker, collector: RunningCollector, content_type: str):
    """The same in one JSON object, whether the content type says its charset or not."""
    event = {**ATTRIBUTES, "datacontenttype": "application/json", "data": DATA}
    is_read(collector.send(json.dumps(event), content_type))
    event |= {**OURS, "id": content_type, "data": OUR_DATA}
    answer = collector.send(json.dumps(event), content_type)
    assert answer.status == 202, answer.json
    assert json.loads(record_at(broker, answer.json["events"][0]).value) == event
