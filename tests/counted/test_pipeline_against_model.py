"""Kafka, a worker, the ledger and the report against what a look back over the topics says they must hold.

The model reads Kafka's records as they stand and shares nothing with the product but the order of versions of the same
millisecond: that is arbitrary, and taken from the ledger once it is seen to be a function of what the versions say.
"""

import random
from collections.abc import Iterator
from datetime import UTC
from typing import Any

import pytest
from stack import Stack
from tally.calls import Call, Model, calls, one_of_each
from tally.compare import differences
from tally.judge import EPOCH, judged, version_of
from tally.records import Activity, Company
from tally.report import expected_report, printed
from tally.seeds import LONG_RUN
from tally.stories import CLUSTERS, YEARS, random_story, registry_file

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

SEEDS = (1,)
EVENTS, COMPANIES = "activity.events.v1", "companies.v1"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A pipeline with a worker that cuts its batches small; every story adds to what the ones before it left."""
    folder = tmp_path_factory.mktemp("counted")
    (folder / "clusters.toml").write_text(registry_file(), encoding="utf-8")
    made = Stack(folder, clusters=folder / "clusters.toml")
    try:
        made.start_worker(CLUSTERTRACK_MAX_ROWS="23", CLUSTERTRACK_LINGER_MS="20")
        yield made
    finally:
        made.close()


def _ties(stack: Stack) -> dict[tuple[Any, ...], int]:
    """The ledger's order of versions of the same millisecond, after looking at what each revision is made of."""
    rows = [Activity(*row) for row in stack.query("SELECT * FROM activity_revision")]
    found: dict[tuple[Any, ...], int] = {}
    for raw in rows:
        row = raw._replace(
            reported=tuple(raw.reported),
            derived=tuple(raw.derived),
            recorded_at=raw.recorded_at.astimezone(UTC),
        )
        milliseconds = (row.recorded_at - EPOCH).total_seconds() * 1000
        assert (row.revision >> 64, row.revision >> 63 & 1, row.revision >> 55 & 255) == (
            round(milliseconds), row.is_deleted, 1,
        )  # fmt: skip
        assert found.setdefault(version_of(row), row.revision % 2**55) == row.revision % 2**55
    assert len({row[:3] for row in rows}) == len(found), "different versions, one revision"
    return found


def _tables(model: Model) -> list[Call]:
    """The tables themselves, every column."""
    first: dict[Any, Company] = {}
    for row in sorted(model.history.companies, key=lambda row: row.known_at):
        first.setdefault(row[:3], row)
    rows = {
        "activity_revision": model.history.activities,
        "company_version": list(first.values()),
        "receipt": model.history.receipts,
    }
    return [
        Call(f"{table} FINAL", "", lambda _, found=found: [row._asdict() for row in found])
        for table, found in rows.items()
    ]


def _look_back(stack: Stack) -> tuple[Model, list[tuple[Any, ...]]]:
    """The model of all that stands in Kafka, and the refused messages."""
    ties = _ties(stack)
    events, companies = stack.read(EVENTS), stack.read(COMPANIES)
    history = judged(events, companies, CLUSTERS, stack.partitions, lambda row: ties.get(version_of(row), 0))
    at = {(record.partition, record.offset): record for record in events}
    refused = [at[r.partition, r.offset] for r in history.receipts if r.status == "rejected"]
    return Model(history), [(record.key, record.value) for record in refused]


def test_the_ledger_holds_what_was_published(stack: Stack, seed: int, *, thorough: bool):
    """Published in two phases, out of order and repeated: every table, view and report is what the model says."""
    story = random_story(seed, activities=300 if thorough else 120, companies=40, partitions=stack.partitions)
    for number, phase in enumerate(story):
        stack.send(COMPANIES, phase.companies)
        stack.send(EVENTS, phase.events)
        stack.wait_counted()
        model, refused = _look_back(stack)
        wanted = calls(model.history, seed, YEARS, thorough=thorough)
        if not thorough:
            wanted = one_of_each(random.Random(seed), wanted) if number == len(story) - 1 else []
        client = stack.client()
        found = differences(client, model, _tables(model) + wanted)
        client.close()
        if found:
            pytest.fail(
                f"seed {seed}, phase {number}: {len(found)} calls differ; repeat with {LONG_RUN}={seed}\n{found[0]}",
                pytrace=False,
            )
    for year in YEARS if thorough else YEARS[2:3]:
        said = printed(stack.report(year))
        expected = expected_report(model, year, refused)
        different = {name: (said[name], expected[name]) for name in expected if said[name] != expected[name]}
        assert not different, f"seed {seed}, report of {year}"


def test_sent_on_records_are_the_same_records(stack: Stack, seed: int):
    """Each record on the wrong partition comes once more, on the right one, with its bytes and its origin."""
    events = stack.read(EVENTS)
    model, _ = _look_back(stack)
    at = {(record.partition, record.offset): record for record in events}
    sent_on = {(r.partition, r.offset) for r in model.history.receipts if r.status == "rerouted"}
    assert sent_on, seed
    came: list[tuple[int, int]] = []
    for record in events:
        origin = dict(record.headers).get("ct-origin")
        if origin is not None:
            _, partition, offset = origin.decode().split("/")
            came.append((int(partition), int(offset)))
            assert record.value == at[came[-1]].value
    assert sorted(came) == sorted(sent_on)
