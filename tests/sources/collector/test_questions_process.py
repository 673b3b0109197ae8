"""Questions to a collector process, with a real Kafka and a ledger that holds a history."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest
from collecting import FOOD, FOOD_KEY, WATER_KEY, Answered, Broker, RunningCollector
from published import DANISH, OURS, SHARED, THEIRS, Published, store
from samples import event

from clustertrack.local.probes import get
from sinks import catalog
from sinks.clickhouse import ClickHouse, connect
from sinks.migrator import migrate
from sources.collector.page import FILES

pytestmark = pytest.mark.integration

DATABASE = "test_questions"


@pytest.fixture(scope="module")
def history() -> Published:
    """A week ago."""
    return Published(seed=3, steps=120, begins=datetime.now(UTC).replace(microsecond=0) - timedelta(days=7))


@pytest.fixture(scope="module")
def collector(
    history: Published, clickhouse: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningCollector]:
    """A collector before an empty Kafka, whose ledger holds the history."""
    address = ClickHouse(host=clickhouse.host, port=clickhouse.port, database=DATABASE)
    first = connect(address, database="default")
    migrate(first, DATABASE)
    catalog.give_ledger_id(first, DATABASE, UUID(int=1), datetime.now(UTC))
    store(history, connect(address), address)
    broker = Broker(tmp_path_factory.mktemp("questions"))
    try:
        broker.load_registry(("food-bio", OURS), ("water", THEIRS))
        broker.put_key(FOOD_KEY, "food-bio")
        broker.put_key(WATER_KEY, "water")
        made = RunningCollector(broker, ledger=address, QUESTIONS_PER_SECOND="100")
        try:
            made.wait_ready()
            yield made
        finally:
            made.child.stop(20)
        log = made.child.log.read_text(encoding="utf-8")
        assert "Traceback" not in log, log
        assert FOOD_KEY not in log
    finally:
        broker.child.stop(5)
        first.command(f"DROP DATABASE {DATABASE}")


def asked(collector: RunningCollector, path: str, key: str | None = FOOD_KEY, **parameters: str) -> Answered:
    """The answer to a question."""
    query = f"?{urlencode(parameters)}" if parameters else ""
    return collector.send(None, None, path=f"/v1/{path}{query}", method="GET", key=key)


def test_what_became_of_an_event(collector: RunningCollector, history: Published):
    """As the ledger has it; what is not there was not received, or waits."""
    good = next(one for one in history.sent if one.source == OURS and not one.codes and not one.retracts)
    bad = next(one for one in history.sent if one.source == OURS and one.codes)
    found = asked(collector, "events", source=OURS, activity=good.activity_id)
    assert (found.status, found.json["activity_id"]) == (200, good.activity_id)
    assert good.event_id in {one["event_id"] for one in found.json["versions"]}
    assert found.headers["cache-control"] == "no-store"
    said = asked(collector, "events", source=OURS, id=bad.event_id).json
    assert {one["code"] for one in said["rejected"][-1]["faults"]} == set(bad.codes)
    assert said["sentence"].startswith(f"Event {bad.event_id} was")
    assert asked(collector, "events", source=OURS, id="never sent").json["state"] == "unknown"
    assert collector.send(event(activity="new")).status == 202
    new = asked(collector, "events", source=FOOD, id="new@2018-05-03T14:05:09Z").json
    assert (new["state"], new["unread"]) == ("waiting", True)
    assert asked(collector, "events", source=OURS, activity="never sent").json["state"] == "waiting"


def test_what_arrived(collector: RunningCollector, history: Published):
    """Counts and rejected records of the key's cluster alone, and how much no worker has read."""
    first, last = (one.arrived.astimezone(DANISH).date().isoformat() for one in (history.sent[0], history.sent[-1]))
    span = {"from": first, "to": last}
    own = [one for one in history.sent if one.source == OURS]
    found = asked(collector, "clusters/food-bio/days", **span).json
    assert sum(one["records"] for one in found["arrived"]) == len(own)
    assert {one["source"] for one in found["arrived"]} == {OURS}
    assert found["unread"] is not None
    rejected = asked(collector, "clusters/food-bio/rejected", **span).json["rejected"]
    assert [one["event_id"] for one in rejected] == [one.event_id for one in reversed(own) if one.codes]
    assert asked(collector, "clusters").json["clusters"][0]["sources"] == [OURS]
    assert asked(collector, "clusters/food-bio/days", **{**span, "from": "1990-01-01"}).json["code"] == (
        "invalid_question"
    )


def test_a_list_is_compared(collector: RunningCollector, history: Published):
    """What is missing, and what is extra."""
    ids = [*dict.fromkeys(one.activity_id for one in history.sent if one.source == OURS and not one.codes)]
    listed = {"source": OURS, "ids": [*ids, "absent"]}
    found = collector.send(json.dumps(listed), "application/json", path="/v1/compare").json
    assert "absent" in {one["activity_id"] for one in found["missing"]}
    assert found["same"] > 0


def test_what_is_of_others_is_not_answered(collector: RunningCollector):
    """With another cluster's key, with none, and about a source that is nobody's."""
    span = {"from": "2018-05-01", "to": "2018-05-01"}
    assert asked(collector, "events", WATER_KEY, source=OURS, id="1").status == 403
    assert asked(collector, "events", source=SHARED, id="1").status == 403
    assert asked(collector, "clusters/food-bio/days", WATER_KEY, **span).status == 403
    assert asked(collector, "clusters/food-bio/rejected", WATER_KEY, **span).status == 403
    listed = json.dumps({"source": OURS, "ids": []})
    assert collector.send(listed, "application/json", path="/v1/compare", key=WATER_KEY).status == 403
    assert asked(collector, "clusters", None).status == 401


def test_the_examples_of_the_description_work_as_they_are(collector: RunningCollector):
    """Of every question."""
    _, text = get(collector.port, "/openapi.json") or (0, b"")
    described = json.loads(text)["paths"]
    for path, operations in described.items():
        if (operation := operations.get("get")) is not None:
            given = operation.get("parameters", [])
            slug = [one["schema"]["examples"][0] for one in given if one["in"] == "path"]
            examples = {one["name"]: one["example"] for one in given if "example" in one}
            address = path.removeprefix("/v1/").replace("{slug}", *(slug or [""]))
            assert asked(collector, address, **examples).status == 200, path
            assert set(operation["responses"]) == {"200", "400", "401", "403", "429", "503"}
    body = described["/v1/compare"]["post"]["requestBody"]["content"]["application/json"]["example"]
    assert collector.send(json.dumps(body), "application/json", path="/v1/compare").status == 200


def test_the_page_for_people(collector: RunningCollector):
    """It is served without a key, and its policy lets in nothing but its own script and style."""
    for path, (_, media_type) in FILES.items():
        found = collector.send(None, None, path=path, method="GET", key=None)
        assert found.status == 200
        assert found.headers["content-type"] == f"{media_type}; charset=utf-8"
        assert found.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'; ")
        assert b"http" not in found.body
        assert not re.search(rb"innerHTML|<style|style=| on\w+=|<script>|Storage|cookie", found.body)
