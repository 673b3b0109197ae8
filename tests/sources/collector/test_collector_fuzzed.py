"""Requests that schemathesis makes from the collector's own OpenAPI, before a running collector and a real Kafka.

No answer is a fault of ours, each is one that the description has, and what was accepted is stored where the answer
says. `scripts/api-fuzz --minutes N` goes on for longer, with other requests each time.
"""

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from itertools import count
from typing import Any

import contract
import pytest
import schemathesis
from collecting import FOOD, FOOD_KEY, Broker, RunningCollector
from hypothesis import HealthCheck, Phase, given, seed, settings
from samples import CVRS
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from clustertrack.local.ports import HOST
from clustertrack.local.probes import get
from schemas.indicators import EVENT_TYPES

MINUTES = float(os.environ.get("API_FUZZ_MINUTES", "0"))
"""0: a short run, the same each time."""
pytestmark = [pytest.mark.integration, pytest.mark.timeout(0 if MINUTES else 300)]
EXAMPLES = 20
"""Requests of each kind in one round."""
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
NONE_OF_OURS = {500, 502, 504}
STRUCTURED, BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"
PATHS = ("/v1/events", "/v1/events:validate")


@pytest.fixture(scope="module")
def patient(broker: Broker) -> Iterator[RunningCollector]:
    """A collector whose key may send a lot."""
    made = RunningCollector(broker, "fuzzed", REQUESTS_PER_SECOND="100000", EVENTS_PER_SECOND="1000000")
    try:
        made.wait_ready()
        yield made
    finally:
        made.child.stop(20)
    assert made.child.exit_code() == 0
    assert "Traceback" not in made.child.log.read_text(encoding="utf-8")


def described(collector: RunningCollector) -> Any:
    """The collector's OpenAPI; where it has any event, here it has those of the contract, which may be accepted."""
    _, text = get(collector.port, "/openapi.json") or (0, b"{}")
    document = json.loads(text)
    schemas = [contract.schema_of(name) for name in EVENT_TYPES]
    for schema in schemas:
        schema["properties"]["subject"] = {"enum": [str(company) for company in CVRS]}
        schema["properties"]["source"] = {"enum": [FOOD]}
        schema["properties"]["time"] = {"enum": ["2018-05-03T14:05:09Z", "2019-12-31T23:59:59.999+01:00"]}
        schema["properties"] |= {"datacontenttype": {"enum": ["application/json", None]}}
        schema["properties"]["data"]["properties"]["cluster"] = {"enum": ["food-bio", None]}
        for name in ("$schema", "examples"):
            del schema[name]
    for path in PATHS:
        content = document["paths"][path]["post"]["requestBody"]["content"]
        content[STRUCTURED]["schema"] = {"oneOf": schemas}
        content[BATCH]["schema"] = {"type": "array", "maxItems": 5, "items": {"oneOf": schemas}}
    return schemathesis.openapi.from_dict(document)


class Seen:
    """What was answered."""

    def __init__(self) -> None:
        self.statuses: Counter[int] = Counter()
        self.accepted: dict[tuple[int, int], tuple[str, str]] = {}

    def answer(self, path: str, status: int, said: Any) -> None:
        """Keep one answer."""
        self.statuses[status] += 1
        if path != PATHS[0]:
            assert not any("offset" in event for event in said.get("events", ()))
            return
        for event in said.get("events", ()):
            if event["status"] == "accepted":
                self.accepted[event["partition"], event["offset"]] = event["source"], event["id"]


def one_round(collector: RunningCollector, schema: Any, seen: Seen, number: int) -> None:
    """Requests of both kinds (as described, and not) to both addresses."""
    for path in PATHS:
        for mode in GenerationMode:

            @seed(number)
            @settings(
                max_examples=EXAMPLES,
                deadline=None,
                database=None,
                phases=[Phase.generate, Phase.shrink],
                suppress_health_check=list(HealthCheck),
            )
            @given(schema[path]["POST"].as_strategy(generation_mode=mode))
            def send(case: Any) -> None:
                headers = {"Authorization": f"Bearer {FOOD_KEY}"}
                answer = case.call(base_url=f"http://{HOST}:{collector.port}", headers=headers, timeout=30)
                assert answer.status_code not in NONE_OF_OURS, answer.text
                case.validate_response(answer, checks=CHECKS)
                seen.answer(case.path, answer.status_code, answer.json() if answer.content else {})

            send()


def test_requests_that_the_description_allows_and_others(broker: Broker, patient: RunningCollector):
    """No fault of the collector's, no undescribed answer, and everything that was accepted is stored."""
    schema, seen, end = described(patient), Seen(), time.monotonic() + MINUTES * 60
    for number in count(time.time_ns() if MINUTES else 1):
        one_round(patient, schema, seen, number)
        if time.monotonic() >= end:
            break
    counts = dict(sorted(seen.statuses.items()))
    sys.stdout.write(f"{seen.statuses.total():,} requests, by status {counts}; {len(seen.accepted):,} events stored\n")
    assert {202, 422} <= seen.statuses.keys()
    stored = {(record.partition, record.offset): record for record in broker.read()}
    for place, said in seen.accepted.items():
        record = stored[place]
        headers = dict(record.headers)
        if "ce_id" in headers:
            assert (headers["ce_source"].decode(), headers["ce_id"].decode()) == said
        else:
            event = json.loads(record.value)
            assert (event["source"], event["id"]) == said
