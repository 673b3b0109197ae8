"""The next version of the pipeline reads half of the topic again: stricter in one rule, looser in another."""

import json
from datetime import UTC, date, datetime
from pathlib import Path

import chaos
import pytest
from chaos import COMPANIES, EVENTS, Load, Version, conclude
from kafka import KafkaAdminClient, TopicPartition
from kafka.structs import OffsetAndMetadata
from samples import event
from stack import Stack

from schemas.indicators import PIPELINE_VERSION

pytestmark = [pytest.mark.integration, pytest.mark.extended, pytest.mark.timeout(300)]

AGAIN = (0, 1)
"""Partitions that are read again."""
VISITED, LAUNCHED = "company.visited", "product.launched"
NEXT = f"""
from schemas import indicators

indicators.PIPELINE_VERSION += 1
rules = dict(indicators.DERIVED) | {{{VISITED!r}: ()}}
del rules[{LAUNCHED!r}]
indicators.DERIVED, indicators.EVENT_TYPES = rules, tuple(rules)
"""
"""Imported by Python itself before anything else: a worker that refuses one type of event and takes a new one."""


def visits(load: Load, number: int) -> list[tuple[int, str, Version]]:
    """Publish events of the new type; returns partition, activity and version of each."""
    producer = load.stack.producer()
    sent = []
    for n in range(number):
        version = Version(f"V-{n}", datetime(2018, 5, 3, tzinfo=UTC), COMPANIES[n], date(2018, 5, 3), VISITED, False)
        fields = {"id": version.event_id, "type": f"org.clustertrack.{VISITED}.v1"}
        value = event(version.company, f"V-{n}", time=version.time.isoformat(), **fields)
        sent.append((producer.send(EVENTS, key=b"%08d" % version.company, value=value), f"V-{n}", version))
    producer.flush(timeout=60)
    producer.close(timeout=10)
    load.published += number
    return [(future.get(timeout=10).partition, activity, version) for future, activity, version in sent]


def read_again(stack: Stack) -> None:
    """Set the group back to the beginning of some partitions; no worker may run."""
    admin = KafkaAdminClient(bootstrap_servers=stack.bootstrap.split(","))
    group = json.loads(stack.run("status", "--json").stdout)["group"]
    admin.alter_group_offsets(group, {TopicPartition(EVENTS, p): OffsetAndMetadata(0, "", None) for p in AGAIN})
    admin.close()


def statuses(stack: Stack, kind: str) -> dict[tuple[str, int, bool], int]:
    """(status, pipeline version, whether the partition was read again) -> receipts of records of one type."""
    found: dict[tuple[str, int, bool], int] = {}
    answers = {
        (partition, offset): (status, version)
        for partition, offset, status, version in stack.query(
            "SELECT partition, offset, toString(status), pipeline_version FROM impact.receipt FINAL "
            "WHERE topic = 'activity.events.v1'"
        )
    }
    for record in stack.read(EVENTS):
        if f'"org.clustertrack.{kind}.v1"'.encode() in (record.value or b""):
            place = (*answers[record.partition, record.offset], record.partition in AGAIN)
            found[place] = found.get(place, 0) + 1
    return found


def test_half_of_the_topic_again(load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was accepted stays, what was rejected and is accepted now counts; one receipt for each offset."""
    stack = load.stack
    worker = stack.start_worker("this-version")
    load.publish(load.size(300))
    visited = visits(load, 40)
    monkeypatch.setitem(chaos.TYPES, VISITED, None)  # the load draws none, its truth knows it
    stack.wait_counted()
    assert worker.stop(20)
    assert {status for status, _, _ in statuses(stack, VISITED)} == {"rejected"}
    before = stack.report(2018)

    (tmp_path / "sitecustomize.py").write_text(NEXT, encoding="utf-8")
    read_again(stack)
    following = stack.start_worker("next-version", PYTHONPATH=str(tmp_path))
    load.histories |= {activity: [version] for partition, activity, version in visited if partition in AGAIN}
    conclude(load, "next pipeline version reads half of the topic again", faults=1)
    assert following.stop(20)
    assert before["new_products"] == stack.report(2018)["new_products"], "what was accepted stays"
    assert ("accepted", PIPELINE_VERSION, True) in statuses(stack, LAUNCHED), "also where it was read again"
    assert set(statuses(stack, VISITED)) == {
        ("accepted", PIPELINE_VERSION + 1, True),
        ("rejected", PIPELINE_VERSION, False),
    }
