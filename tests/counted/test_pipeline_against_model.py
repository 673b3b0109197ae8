"""Kafka, workers, the ledger and the report against what a look back over the topics says they must hold."""

import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.structs import OffsetAndMetadata
from stack import Stack
from tally.calls import Call, Model, calls, one_of_each, rolling
from tally.judge import FIRST, TYPES, Pipeline
from tally.look_back import disagreements, look_back
from tally.report import expected_report, printed
from tally.seeds import LONG_RUN, seeds
from tally.stories import CLUSTERS, YEARS, random_story, registry_file, some_companies

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

SEEDS = (1,)
EVENTS, COMPANIES = "activity.events.v1", "companies.v1"
COMPANIES_OF_A_STORY = 40
SMALL: dict[str, Any] = {"CLUSTERTRACK_MAX_ROWS": "23", "CLUSTERTRACK_LINGER_MS": "20"}
"""Batches are cut small, so that what belongs together is apart."""
NEXT_MAPPING = {"workshop.attended": ("new_ideas", "new_products"), "company.joined": ("new_competencies",)}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A pipeline with a worker; every story adds to what the ones before it left."""
    folder = tmp_path_factory.mktemp("counted")
    listed = [cvr for seed in seeds(SEEDS) for cvr in some_companies(seed, COMPANIES_OF_A_STORY)]
    (folder / "registry.toml").write_text(registry_file(listed), encoding="utf-8")
    made = Stack(folder, registry=folder / "registry.toml")
    try:
        made.start_worker(**SMALL)
        yield made
    finally:
        made.close()


def _agree(stack: Stack, model: Model, wanted: Sequence[Call], what: str) -> None:
    found = disagreements(stack, model, wanted)
    if found:
        pytest.fail(f"{what} ({LONG_RUN}): {len(found)} calls differ from the model\n{found[0]}", pytrace=False)


def _refused(stack: Stack, model: Model) -> list[tuple[Any, ...]]:
    """The messages that were refused, as often as they came: in binary mode an event is in the headers, too."""
    at = {(record.partition, record.offset): record for record in stack.read(EVENTS)}
    places = [(r["partition"], r["offset"]) for r in model.proofs.receipt() if r["status"] == "rejected"]
    return [(at[place].key, at[place].value, _attributes(at[place].headers)) for place in places]


def _attributes(headers: Sequence[tuple[str, bytes | None]]) -> tuple[tuple[str, bytes | None], ...]:
    return tuple((name, value) for name, value in headers if name.lower().startswith("ce_"))


def test_the_ledger_holds_what_was_published(stack: Stack, seed: int, *, thorough: bool):
    """Published in two phases, out of order and repeated: every table, view and report is what the model says.

    In the end each rolling window is asked; a long run asks everything after each phase.
    """
    story = random_story(
        seed, activities=300 if thorough else 120, companies=COMPANIES_OF_A_STORY, partitions=stack.partitions
    )
    for number, phase in enumerate(story):
        stack.send(COMPANIES, phase.companies)
        stack.send(EVENTS, phase.events)
        stack.wait_counted()
        model = look_back(stack, CLUSTERS)
        wanted = calls(model.history, seed, YEARS, thorough=thorough)
        if not thorough:
            last = number == len(story) - 1
            wanted = [*one_of_each(random.Random(seed), wanted), *rolling(wanted)] if last else []
        _agree(stack, model, wanted, f"seed {seed}, phase {number}")
    for year in YEARS if thorough else YEARS[2:3]:
        said = printed(stack.report(year))
        expected = expected_report(model, year, _refused(stack, model))
        different = {name: (said[name], expected[name]) for name in expected if said[name] != expected[name]}
        assert not different, f"seed {seed}, report of {year}"


def test_sent_on_records_are_the_same_records(stack: Stack):
    """Each record on the wrong partition comes once more, on the right one, with its bytes and its origin."""
    at = {(record.partition, record.offset): record for record in stack.read(EVENTS)}
    receipts = look_back(stack, CLUSTERS).proofs.receipt()
    sent_on = {(r["partition"], r["offset"]) for r in receipts if r["status"] == "rerouted"}
    assert sent_on
    came: list[tuple[int, int]] = []
    for record in at.values():
        origin = dict(record.headers).get("ct-origin")
        if origin is not None:
            _, partition, offset = origin.decode().split("/")
            came.append((int(partition), int(offset)))
            assert record.value == at[came[-1]].value
    assert sorted(came) == sorted(sent_on)


def test_the_next_pipeline_reads_half_of_it_again(stack: Stack, *, thorough: bool):
    """Another mapping, from its release on: two partitions are read again, and what comes then is read once."""
    seed = seeds(SEEDS)[0]
    assert stack.workers.pop().stop(20)
    before = stack.read(EVENTS)
    released = datetime.now(UTC).replace(microsecond=0)
    pipeline = Pipeline(FIRST.version + 1, released, NEXT_MAPPING)
    _read_again(stack, partitions=(0, 1))
    stack.start_worker(**SMALL, PYTHONPATH=str(_newer(stack.folder, pipeline)))
    (phase, _) = random_story(seed + 10_000, activities=40, companies=10, partitions=stack.partitions)
    stack.send(EVENTS, phase.events)
    stack.wait_counted()
    known = {(record.partition, record.offset) for record in before}
    after = [r for r in stack.read(EVENTS) if r.partition in (0, 1) or (r.partition, r.offset) not in known]
    model = look_back(stack, CLUSTERS, [(FIRST, before), (pipeline, after)])
    wanted = calls(model.history, seed, YEARS, thorough=thorough)
    _agree(stack, model, wanted if thorough else one_of_each(random.Random(seed), wanted), f"seed {seed}")


def _read_again(stack: Stack, partitions: Sequence[int]) -> None:
    """What an operator does with Kafka's own tools: the group's offsets of some partitions back to the beginning."""
    (ledger,) = stack.query("SELECT id FROM ledger")[0]
    places = {TopicPartition(EVENTS, partition): OffsetAndMetadata(0, "", -1) for partition in partitions}
    consumer = KafkaConsumer(
        bootstrap_servers=stack.bootstrap, group_id=f"clustertrack-{ledger}", enable_auto_commit=False
    )
    try:
        consumer.assign(list(places))
        consumer.commit(places)
    finally:
        consumer.close(autocommit=False)


def _newer(folder: Path, pipeline: Pipeline) -> Path:
    """A folder for PYTHONPATH with which a worker is the next version of the pipeline."""
    place = folder / f"pipeline-{pipeline.version}"
    place.mkdir(exist_ok=True)
    mapping: Mapping[str, Any] = {name: pipeline.derived.get(name, ()) for name in TYPES}
    (place / "sitecustomize.py").write_text(
        "from datetime import datetime\nfrom schemas import indicators\n"
        f"indicators.PIPELINE_VERSION = {pipeline.version}\n"
        f"indicators.PIPELINE_RELEASED = datetime.fromisoformat({pipeline.released.isoformat()!r})\n"
        f"indicators.DERIVED = {mapping!r}\n",
        encoding="utf-8",
    )
    return place
