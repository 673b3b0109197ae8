"""The printed contract says what the code does: schemas against `read_event`, the topics against `brokers.topics`."""

import json
import sys
from typing import Any

import contract
import contract_topics
import printed_pages
import pytest
import yaml
from hypothesis import given, settings
from jsonschema import Draft202012Validator
from judging import ARRIVED, CLUSTERS, altered, retraction
from mutations import mutants
from pages import ROOT
from samples import event

from brokers.topics import topic_specs
from schemas.events import RETRACTION, read_event
from schemas.faults import Fault
from schemas.indicators import EVENT_TYPES
from schemas.registry_document import read_file, read_sample

NOT_SAID = {
    "unknown_source",
    "invalid_cvr_checksum",
    "personal_data",
    "time_too_early",
    "time_in_future",
    "date_too_late",
    "outside_cluster_span",
    "cluster_required",
    "not_a_cluster_of_source",
}
"""Codes of faults that no schema finds. Others are found but for the texts that descriptions name."""
MANY: dict[str, Any] = {f"x{n}": "" for n in range(60)}
VALIDATORS = {name: Draft202012Validator(contract.schema_of(name)) for name in EVENT_TYPES}


def takes(document: Any) -> bool:
    """Whether the schema of a type takes it."""
    return any(validator.is_valid(document) for validator in VALIDATORS.values())


def said(fault: Fault, document: Any) -> bool:
    """Whether a schema has to find the fault."""
    data = document["data"] if isinstance(document["data"], dict) else {}
    if fault.code in NOT_SAID:
        return False
    if fault.field == "subject":
        return document["subject"].isascii() and not document["subject"].endswith("\n")
    if fault == ("data.occurred_on", "missing", ""):  # a schema cannot compare two fields
        return data.get("activity_id") is None
    if fault.code in ("invalid_date", "invalid_time"):
        return "02-29" not in fault.value and not fault.value.endswith("\n")
    return not (fault.code == "invalid_type" and _whole(document.get(fault.field)))


def _whole(value: Any) -> bool:
    return isinstance(value, float) and value.is_integer()


def compare(value: bytes, clusters: Any = CLUSTERS) -> bool | None:
    """Hold the schemas against `read_event`; whether the event is accepted, None for what is no JSON."""
    judged = read_event(value, None, ARRIVED, clusters)
    try:
        document = json.loads(value)
    except ValueError:
        assert isinstance(judged, list)
        return None
    if isinstance(judged, tuple):
        assert takes(document), document
        return True
    if any(fault.code in ("invalid_json", "invalid_utf8") for fault in judged):
        return None  # such as half a character, which Python's parser reads
    if takes(document):
        assert [fault for fault in judged if said(fault, document)] == [], document
    return False


@pytest.mark.parametrize("name", EVENT_TYPES)
def test_each_schema_is_one(name: str):
    """It is a JSON Schema, each field has a description, and the example is in it."""
    schema = contract.schema_of(name)
    Draft202012Validator.check_schema(schema)
    data = schema["properties"]["data"]["properties"]
    assert all(field["description"] for field in (*schema["properties"].values(), *data.values()))
    assert schema["examples"] == [contract.example_of(name)]


@pytest.mark.parametrize("name", EVENT_TYPES)
def test_examples_are_accepted(name: str):
    """Each is taken by the schema of its type and no other, and counted with the registry of the product."""
    example = json.loads((contract.FOLDER / f"{contract.wire_type(name)}.example.json").read_bytes())
    assert [kind for kind, validator in VALIDATORS.items() if validator.is_valid(example)] == [name]
    judged = read_event(json.dumps(example).encode(), None, ARRIVED, read_sample().by_source)
    assert isinstance(judged, tuple), judged
    assert judged[0].event_type == name


def test_simulated_events():
    """Schemas take all that a worker accepts of the simulator's events, and find what is wrong with the others."""
    registry = read_file((ROOT / "examples/registry.toml").read_bytes(), "registry.toml").by_source
    lines = [*(ROOT / "examples/activity-crm-1.jsonl").read_bytes().splitlines()]
    raw = [json.loads(line)["value"].encode() for line in (ROOT / "examples/raw.jsonl").read_bytes().splitlines()]
    found = [compare(value, registry) for value in (*lines, *raw)]
    assert found.count(True) > 5
    assert False in found


@given(mutants)
@settings(max_examples=400, deadline=None)
def test_random_events(mutant: Any):
    """No schema refuses what is accepted, nor takes what it could refuse."""
    compare(mutant.value)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(event(specversion="0.3"), id="version of CloudEvents"),
        pytest.param(event(type="org.clustertrack.workshop.attended.v2"), id="version of the type"),
        pytest.param(event(id=" \u2003"), id="blank id"),
        pytest.param(event(id="x" * 201), id="long id"),
        pytest.param(event(source=""), id="no source"),
        pytest.param(event(subject="SE 13748136"), id="foreign number"),
        pytest.param(event(subject="1374813"), id="short number"),
        pytest.param(event(subject="03748136"), id="leading zero"),
        pytest.param(event(time="2018-05-03T14:05:09"), id="time without zone"),
        pytest.param(event(time="2018-04-31T14:05:09Z"), id="no such day"),
        pytest.param(event(time="1998-04-30T14:05:09Z"), id="too early"),
        pytest.param(event(datacontenttype="text/plain"), id="content type"),
        pytest.param(event(datacontenttype="application/cloudevents+json"), id="an event in an event"),
        pytest.param(event(data_base64="e30="), id="bytes"),
        pytest.param(event(x={}), id="object in an extension"),
        pytest.param(event(x=1.5), id="fraction in an extension"),
        pytest.param(event(x=2**31), id="large number"),
        pytest.param(event(**MANY), id="many attributes"),
        pytest.param(altered({"data": None}, {}), id="no data"),
        pytest.param(event(data={"name": "x"}), id="another field"),
        pytest.param(event(data={"occurred_on": "2018-02-30"}), id="no such occurred_on"),
        pytest.param(event(data={"occurred_on": "1999-12-31"}), id="occurred_on too early"),
        pytest.param(event(data={"outcomes": ["helped"]}), id="unknown outcome"),
        pytest.param(event(data={"outcomes": ["new_ideas"] * 101}), id="many outcomes"),
        pytest.param(event(data={"membership": "member"}), id="membership of another type"),
        pytest.param(event(data={"title": "x" * 501}), id="long title"),
        pytest.param(retraction(data={"reason": "\x1c"}), id="blank reason"),
        pytest.param(retraction(data={"activity_id": ...}), id="retraction of nothing"),
        pytest.param(retraction(data={"occurred_on": "2018-05-03"}), id="retraction with a day"),
    ],
)
def test_what_schemas_refuse(value: bytes):
    """Both do: the worker, and the schema of every type."""
    assert isinstance(read_event(value, None, ARRIVED, CLUSTERS), list)
    assert not takes(json.loads(value))


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(event(subject="\tdk-13.74 81:36 "), id="separators"),
        pytest.param(event(subject="\uff11\uff13748136"), id="wide digits"),
        pytest.param(event(time="2018-05-03t23:59:59.123456789123z"), id="lower case"),
        pytest.param(event(time="1999-12-31T23:30:00-01:00"), id="first hour"),
        pytest.param(event(datacontenttype="Application/Vnd.X+JSON ; charset=utf-8"), id="content type"),
        pytest.param(event(datacontenttype=None, data_base64=None, x=None, data={"title": None}), id="null"),
        pytest.param(event(id="\x1c"), id="a separator of information is not blank"),
        pytest.param(retraction(data={"occurred_on": None}), id="null in a retraction"),
    ],
)
def test_what_schemas_take(value: bytes):
    """Rare forms that a worker accepts."""
    assert compare(value) is True


def test_blanks_of_unicode():
    """Every character that is blank to the worker alone in an id or a reason is so to the schemas."""
    characters = [chr(n) for n in range(sys.maxunicode + 1) if not 0xD800 <= n < 0xE000 and chr(n).isspace()]
    for text in (*characters, "\u200b", "\ufeff", "\x00"):
        assert compare(event(id=text)) is not None
        for value in (event(id=text), retraction(data={"reason": text})):
            assert takes(json.loads(value)) == isinstance(read_event(value, None, ARRIVED, CLUSTERS), tuple), text


def test_topics_of_the_contract():
    """Every topic but the changelog, with its policy; every reference leads somewhere."""
    document = yaml.safe_load(contract_topics.FILE.read_text(encoding="utf-8"))
    specs = {spec.name: spec.config for spec in topic_specs("", partitions=1) if not spec.name.endswith("changelog")}
    assert document["channels"].keys() == specs.keys()
    for name, channel in document["channels"].items():
        policy = channel["bindings"]["kafka"]["topicConfiguration"]
        assert policy["cleanup.policy"] == [specs[name]["cleanup.policy"]]
        assert str(policy.get("retention.ms", "")) == specs[name].get("retention.ms", "")
        assert channel["messages"]
    assert {*EVENT_TYPES, "binary"} == document["channels"]["activity.events.v1"]["messages"].keys()
    for reference in references(document):
        file, _, path = reference.partition("#")
        if file:
            assert (contract.FOLDER / file).exists(), reference
        found = document
        for part in path.split("/")[1:]:
            found = found[part]


def references(part: Any) -> list[str]:
    """All `$ref` of a document."""
    if isinstance(part, list):
        return [found for one in part for found in references(one)]
    if not isinstance(part, dict):
        return []
    own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
    return own + [found for one in part.values() for found in references(one)]


def test_a_new_type_has_a_schema(monkeypatch: pytest.MonkeyPatch):
    """One line in `schemas/indicators.py` is enough."""
    monkeypatch.setattr(contract, "DERIVED", {"market.entered": ()})
    made = Draft202012Validator(contract.schema_of("market.entered"))
    assert made.is_valid(contract.example_of("market.entered"))
    assert not made.is_valid(contract.example_of(RETRACTION))


def test_a_contract_that_differs(tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any):
    """The check names what is missing, edited or left over; without the option it is put right."""
    folder = tmp_path / "contract"
    monkeypatch.setattr(contract, "FOLDER", folder)
    monkeypatch.setattr(contract_topics, "FILE", folder / "asyncapi.yaml")
    monkeypatch.setattr(printed_pages, "ROOT", tmp_path)
    assert printed_pages.main(["--check"]) == 1
    assert printed_pages.main([]) == 0
    assert printed_pages.main(["--check"]) == 0
    (folder / "asyncapi.yaml").write_text("asyncapi: 2.0.0\n", encoding="utf-8")
    (folder / "old.schema.json").write_text("{}", encoding="utf-8")
    capsys.readouterr()
    assert printed_pages.main(["--check"]) == 1
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert printed_pages.main([]) == 0
    assert not (folder / "old.schema.json").exists()
    assert printed_pages.main(["--check"]) == 0
