"""The comparison that every chaos scenario ends with sees what it must see: each kind of damage, planted one by one."""

from collections import Counter
from typing import NamedTuple

import pytest
from verdict import arrivals, doubled, missing, named, origins, repeats, without_one_receipt

TOPIC = "activity.events.v1"
CRM = "https://crm.example"


class Kept(NamedTuple):
    """A record of a topic."""

    partition: int
    offset: int
    key: bytes | None = b"k"
    value: bytes | None = b"v"
    headers: tuple[tuple[str, bytes], ...] = ()


def came_from(partition: int, offset: int, topic: str = TOPIC) -> tuple[tuple[str, bytes], ...]:
    """Headers of a record that was produced of another one."""
    return (("ct-origin", named(topic, (partition, offset))),)


def revision(content: int, pipeline: int = 1) -> int:
    """A revision as the ledger keeps it."""
    return 1_525_000_000_000 << 64 | pipeline << 55 | content


@pytest.mark.parametrize(
    ("rows", "pipelines", "expected"),
    [
        pytest.param([(CRM, "A", revision(1), "e1"), (CRM, "A", revision(2), "e2")], 1, 0, id="two versions"),
        pytest.param(
            [(CRM, "A", revision(1), "e1"), (CRM, "A", revision(2), "e1")], 1, 1, id="an event as two versions"
        ),
        pytest.param([(CRM, "A", revision(1), "e1"), (CRM, "B", revision(1), "e1")], 1, 1, id="under two activities"),
        pytest.param([(CRM, "A", revision(1), "e1"), ("other", "A", revision(1), "e1")], 1, 1, id="under two sources"),
        pytest.param([(CRM, "A", revision(1), "e1"), (CRM, "A", revision(1, 2), "e1")], 1, 1, id="of two pipelines"),
        pytest.param([(CRM, "A", revision(1), "e1"), (CRM, "A", revision(1, 2), "e1")], 2, 0, id="both have read it"),
        pytest.param([(CRM, "A", revision(1), "e1"), (CRM, "A", revision(1), "e1")], 1, 1, id="the same row twice"),
    ],
)
def test_doubled(rows: list[tuple[str, str, int, str]], pipelines: int, expected: int) -> None:
    """A version that is there twice, or an event that is there as two versions, is counted twice."""
    assert doubled(rows, pipelines) == expected


@pytest.mark.parametrize(
    ("receipts", "expected"),
    [
        pytest.param([(0, 0), (0, 1)], 0, id="one each"),
        pytest.param([(0, 0)], 1, id="none for a record"),
        pytest.param([(0, 0), (0, 1), (0, 1)], 1, id="two for a record"),
        pytest.param([(0, 0), (0, 1), (1, 7)], 1, id="one for no record"),
    ],
)
def test_without_one_receipt(receipts: list[tuple[int, int]], expected: int) -> None:
    """Each record has one receipt, and each receipt a record."""
    assert without_one_receipt([Kept(0, 0), Kept(0, 1)], receipts, {0: 0, 1: 7}) == expected
    assert without_one_receipt([Kept(0, 0), Kept(0, 1)], receipts, {0: 0, 1: 8}) == expected - ((1, 7) in receipts)


def test_origins_and_repeats() -> None:
    """Records of one origin are repeats of each other; what comes from another topic is none of the events."""
    produced = [Kept(0, 0, headers=came_from(0, 3)), Kept(0, 1, headers=came_from(0, 3))]
    produced += [Kept(0, 2, headers=came_from(0, 4)), Kept(0, 3, headers=came_from(0, 4, "companies.v1"))]
    found = origins(produced, TOPIC)
    assert found == Counter({named(TOPIC, (0, 3)): 2, named(TOPIC, (0, 4)): 1})
    assert repeats(found) == 1


def test_arrivals() -> None:
    """A record that was sent on arrives as it was; one that only claims to come from there is not counted."""
    records = [
        Kept(0, 0, b"a", b"1"),
        Kept(0, 1, b"b", b"2"),
        Kept(1, 0, b"a", b"1", came_from(0, 0)),
        Kept(1, 1, b"a", b"1", came_from(0, 0)),
        Kept(1, 2, b"a", b"forged", came_from(0, 0)),
        Kept(1, 3, b"b", b"2", came_from(0, 1)),
    ]
    found = arrivals(records, TOPIC, [(0, 0)])
    assert found == Counter({named(TOPIC, (0, 0)): 2})
    assert repeats(found) == 1


def test_missing() -> None:
    """Each receipt's record must have arrived where its status says; a duplicate has none."""
    statuses = {(0, 0): "accepted", (0, 1): "retracted", (0, 2): "rejected", (0, 3): "rerouted", (0, 4): "duplicate"}
    enriched = Counter({named(TOPIC, (0, 0)): 1, named(TOPIC, (0, 1)): 1})
    whole = {
        "accepted": enriched,
        "retracted": enriched,
        "rejected": Counter({named(TOPIC, (0, 2)): 1}),
        "rerouted": Counter({named(TOPIC, (0, 3)): 2}),
    }
    assert missing(TOPIC, statuses, whole) == 0
    for status in whole:
        assert missing(TOPIC, statuses, {**whole, status: Counter()}) == 1
