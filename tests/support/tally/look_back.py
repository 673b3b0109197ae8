"""The model of everything in Kafka, and the comparison of the ledger with it.

The model reads Kafka's records as they are and shares nothing with the product but the order of versions of the same
millisecond: that is arbitrary, and taken from the ledger once it is seen to be a function of what the versions say.
"""

from collections.abc import Sequence
from datetime import UTC
from typing import Any

from stack import Stack
from tally.calls import Call, Model
from tally.compare import Difference, differences
from tally.judge import FIRST, Cluster, Pass, judged, version_of
from tally.records import Activity, Company

EVENTS, COMPANIES, REGISTRY = "activity.events.v1", "companies.v1", "registry.v1"
PIPELINE_BITS = 0xFF << 55


def look_back(stack: Stack, clusters: Sequence[Cluster], passes: Sequence[Pass] = ()) -> Model:
    """The model of everything in Kafka, read once, or as it was read."""
    known = ties(stack)
    read = passes or [(FIRST, stack.read(EVENTS))]
    companies = stack.read(COMPANIES)
    (registry,) = stack.read(REGISTRY)
    return Model(
        judged(read, companies, registry, clusters, stack.partitions, lambda row: known.get(version_of(row), 0))
    )


def disagreements(stack: Stack, model: Model, wanted: Sequence[Call] = ()) -> list[Difference]:
    """Where the tables, or what the calls give, are not what the model says; smallest difference first."""
    client = stack.client()
    try:
        return differences(client, model, [*tables(model), *wanted])
    finally:
        client.close()


def ties(stack: Stack) -> dict[tuple[Any, ...], int]:
    """The ledger's order of versions of the same millisecond, after looking at what each revision is made of."""
    rows = [Activity(*row) for row in stack.query("SELECT * FROM activity_revision")]
    found: dict[tuple[Any, ...], int] = {}
    for raw in rows:
        row = raw._replace(reported=tuple(raw.reported), recorded_at=raw.recorded_at.astimezone(UTC))
        assert found.setdefault(version_of(row), row.revision % 2**55) == row.revision % 2**55, row
    versions = {(*row.identity, row.revision & ~PIPELINE_BITS) for row in rows}
    assert len(versions) == len(found), "different versions, one revision"
    return found


def tables(model: Model) -> list[Call]:
    """The tables themselves, every column."""
    first: dict[Any, Company] = {}
    for row in sorted(model.history.companies, key=lambda row: row.known_at):
        first.setdefault(row[:3], row)
    return [
        Call("activity_revision FINAL", "", lambda model: [row._asdict() for row in model.history.activities]),
        Call("company_version FINAL", "", lambda _: [row._asdict() for row in first.values()]),
        Call("registry_version FINAL", "", lambda model: [row._asdict() for row in model.history.registries]),
        Call("receipt FINAL", "", lambda model: model.proofs.receipt()),
    ]
