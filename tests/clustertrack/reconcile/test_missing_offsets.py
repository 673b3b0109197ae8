"""Offsets without a receipt: holes, expired ranges, what is pending, and at which of them Kafka delivers nothing."""

from collections.abc import Callable, Sequence

import pytest
from clickhouse_connect.driver.client import Client

from clustertrack.reconcile.account import Bound, Probe, Range
from clustertrack.reconcile.account_run import reconcile
from schemas.addresses import TopicPartition

TOPIC = "activity.events.v1"

pytestmark = pytest.mark.integration


def bound(low: int, high: int, committed: int) -> Bound:
    return Bound(TOPIC, 0, 0, low, high, committed)


def test_holes(ledger: Client, database: str, write: Callable[..., None]):
    """Offsets without a receipt are holes below the committed offset, expired below the low watermark, else pending."""
    write(dict.fromkeys((2, 4, 7, 8, 11), "accepted"))
    [account] = reconcile(ledger, database, [bound(4, 14, 10)]).partitions
    assert account.expired_unread == (Range(0, 1), Range(3, 3))
    assert account.holes == (Range(5, 6), Range(9, 9))
    assert (account.expired, account.missing, account.pending) == (3, 3, 3)
    assert account.expected == account.received + account.expired + account.missing + account.pending
    assert not account.whole


@pytest.mark.parametrize(
    ("bounds", "expired", "holes", "pending"),
    [
        pytest.param(bound(0, 6, 0), 0, (), 3, id="nothing committed"),
        pytest.param(bound(0, 6, 6), 0, (Range(1, 1), Range(4, 5)), 0, id="all committed"),
        pytest.param(bound(0, 6, 9), 0, (Range(1, 1), Range(4, 5)), 0, id="committed beyond the end"),
        pytest.param(bound(5, 6, 3), 2, (), 1, id="committed below the low watermark"),
        pytest.param(bound(0, 6, 5), 0, (Range(1, 1), Range(4, 4)), 1, id="a hole across the committed offset"),
        pytest.param(bound(6, 6, 6), 3, (), 0, id="all deleted by Kafka"),
    ],
)
def test_borders(
    ledger: Client,
    database: str,
    write: Callable[..., None],
    bounds: Bound,
    expired: int,
    holes: tuple[Range, ...],
    pending: int,
):
    """A hole is cut where the low watermark or the committed offset lies in it."""
    write({0: "accepted", 2: "accepted", 3: "rejected"})
    [account] = reconcile(ledger, database, [bounds]).partitions
    assert (account.expired, account.holes, account.pending) == (expired, holes, pending)
    assert account.expected == account.received + account.expired + account.missing + account.pending


def test_no_record(ledger: Client, database: str, write: Callable[..., None]):
    """Offsets at which Kafka delivers nothing are no holes, wherever they lie in one."""
    write({0: "accepted", 5: "accepted"})
    markers = {TopicPartition(TOPIC, 0, 0): [Range(1, 1), Range(3, 3), Range(6, 6)]}
    [account] = reconcile(
        ledger, database, [bound(0, 8, 7)], no_record=lambda place, _ranges: Probe(markers[place])
    ).partitions
    assert account.holes == (Range(2, 2), Range(4, 4))
    assert (account.no_record, account.pending) == (3, 1)


def test_what_kafka_said_is_kept(ledger: Client, database: str, write: Callable[..., None]):
    """Kafka is asked once: later, when it has deleted what lay around them, such offsets are still no loss."""
    write({0: "accepted", 5: "accepted"})
    markers = {TopicPartition(TOPIC, 0, 0): [Range(1, 2), Range(4, 4)]}
    asked = []

    def no_record(place: TopicPartition, ranges: Sequence[Range]) -> Probe:
        asked.append(ranges)
        return Probe(markers[place])

    [account] = reconcile(ledger, database, [bound(0, 6, 6)], no_record=no_record).partitions
    assert (account.holes, account.no_record) == ((Range(3, 3),), 3)
    write({3: "accepted"})
    [account] = reconcile(ledger, database, [bound(6, 6, 6)], no_record=no_record).partitions
    assert (account.expired, account.missing, account.no_record) == (0, 0, 3)
    assert account.whole
    assert asked == [[Range(1, 4)]]


# ---- more of them than are read at a time

Write = Callable[..., None]


def markers_between(ledger: Client, database: str, receipts: int) -> None:
    """Receipts at the even offsets, the first and the last, as a publisher with a transaction a record leaves them."""
    ledger.command(
        f"INSERT INTO {database}.receipt (topic, partition, offset, status, source, log_time) "
        f"SELECT '{TOPIC}', 0, number * 2, 'rejected', 'crm', '2020-01-01' FROM numbers({receipts})"
    )


def all_empty(_place: TopicPartition, ranges: Sequence[Range]) -> Probe:
    return Probe(ranges)


def test_more_markers_than_are_read_at_a_time(ledger: Client, database: str):
    """However many transactions there were, each marker is asked for once, and none is called lost."""
    receipts = 130_000
    markers_between(ledger, database, receipts)
    bounds = [bound(0, 2 * receipts - 1, 2 * receipts - 1)]
    found = reconcile(ledger, database, bounds, no_record=all_empty)
    assert found.whole
    assert (found.partitions[0].no_record, found.partitions[0].missing) == (receipts - 1, 0)

    def never(_place: TopicPartition, _ranges: Sequence[Range]) -> Probe:
        raise AssertionError("all is known")

    assert reconcile(ledger, database, bounds, no_record=never) == found


@pytest.mark.parametrize("page", [1, 2, 3, 100])
def test_pages_give_the_same(ledger: Client, database: str, page: int, monkeypatch: pytest.MonkeyPatch):
    """Holes behind and before the low watermark, wherever a page ends: counted once each, asked for in rising order."""
    markers_between(ledger, database, 9)
    asked: list[Range] = []

    def no_record(_place: TopicPartition, ranges: Sequence[Range]) -> Probe:
        asked.extend(ranges)
        return Probe([found for found in ranges if found.first != 11])

    monkeypatch.setattr("clustertrack.reconcile.missing_offsets.PAGE", page)
    [account] = reconcile(ledger, database, [bound(6, 20, 17)], no_record=no_record).partitions
    assert asked == [Range(offset, offset) for offset in (7, 9, 11, 13, 15)]
    assert (account.expired, account.missing, account.no_record, account.unsettled) == (3, 1, 4, 0)
    assert account.expired_unread == tuple(Range(offset, offset) for offset in (1, 3, 5)[:page])
    assert (account.holes, account.pending) == ((Range(11, 11),), 3)


@pytest.mark.parametrize("page", [2, 100])
def test_what_kafka_could_not_be_asked_for(ledger: Client, database: str, page: int, monkeypatch: pytest.MonkeyPatch):
    """Without time it is neither lost nor explained, and it is said; the next run goes on where this one ended."""
    markers_between(ledger, database, 9)
    monkeypatch.setattr("clustertrack.reconcile.missing_offsets.PAGE", page)
    asked: list[Range] = []
    answers = [2]

    def no_record(_place: TopicPartition, ranges: Sequence[Range]) -> Probe:
        asked.extend(ranges)
        left = min(len(ranges), answers[0])
        answers[0] -= left
        return Probe(ranges[:left], ranges[left:])

    bounds = [bound(2, 17, 17)]
    found = reconcile(ledger, database, bounds, no_record=no_record)
    [account] = found.partitions
    assert (account.no_record, account.unsettled, account.missing, account.expired) == (2, 5, 0, 1)
    assert account.expected == account.received + account.no_record + account.unsettled + account.expired
    assert (account.pending, found.undecided["unsettled_offsets"]) == (0, 5)
    asked.clear()
    answers[0] = 100
    [account] = reconcile(ledger, database, bounds, no_record=no_record).partitions
    assert (account.no_record, account.unsettled, account.missing) == (7, 0, 0)
    assert asked == [Range(offset, offset) for offset in (7, 9, 11, 13, 15)]


def test_unasked_offsets_are_no_fault(ledger: Client, database: str):
    """A ledger of which nothing but that is open is whole."""
    markers_between(ledger, database, 3)
    found = reconcile(ledger, database, [bound(0, 5, 5)], no_record=lambda _place, ranges: Probe((), ranges))
    assert (found.whole, found.unsettled_offsets, found.pending) == (True, 2, 0)


def test_what_is_acknowledged_is_no_fault_but_the_next_loss_is(
    ledger: Client, database: str, write: Callable[..., None]
):
    """Only what expired is acknowledged; holes that Kafka still has, and what expires later, are faults as before."""
    write(dict.fromkeys((2, 4, 7, 8, 11), "accepted"))
    bounds = [bound(4, 14, 10)]
    first = reconcile(ledger, database, bounds)
    [account] = reconcile(ledger, database, bounds, acknowledge="outage of May").partitions
    assert (account.acknowledged, account.expired, account.expired_unread) == (first.partitions[0].expired, 0, ())
    assert (account.missing, account.holes) == (first.partitions[0].missing, first.partitions[0].holes)
    assert reconcile(ledger, database, bounds).partitions == (account,)
    why = f"SELECT first, last, acknowledged FROM {database}.no_record ORDER BY ALL"
    assert ledger.query(why).result_rows == [(0, 1, "outage of May"), (3, 3, "outage of May")]

    [later] = reconcile(ledger, database, [bound(14, 14, 14)]).partitions
    assert (later.acknowledged, later.expired, later.missing, later.pending) == (3, 6, 0, 0)
    assert later.expired_unread == (Range(5, 6), Range(9, 10), Range(12, 13))
    assert not later.whole
    whole = reconcile(ledger, database, [bound(14, 14, 14)], acknowledge="outage of June")
    assert (whole.acknowledged, whole.whole, whole.faults["expired"]) == (9, True, 0)
    [account] = whole.partitions
    assert account.expected == account.received + account.acknowledged


def test_a_hole_that_grew_behind_what_is_acknowledged(ledger: Client, database: str, write: Callable[..., None]):
    """A range that only begins with acknowledged offsets is asked for from there on, and counted apart."""
    write({5: "accepted", 9: "accepted"})
    reconcile(ledger, database, [bound(3, 10, 2)], acknowledge="first")
    asked: list[Range] = []

    def no_record(_place: TopicPartition, ranges: Sequence[Range]) -> Probe:
        asked.extend(ranges)
        return Probe([Range(7, 7)])

    [account] = reconcile(ledger, database, [bound(4, 10, 10)], no_record=no_record).partitions
    assert asked == [Range(4, 4), Range(6, 8)]
    assert (account.acknowledged, account.expired, account.missing, account.no_record) == (3, 1, 3, 1)
    assert account.expired_unread == (Range(3, 3),)
    assert account.holes == (Range(4, 4), Range(6, 6), Range(8, 8))
    assert account.expected == account.received + 3 + 1 + 3 + 1


def test_a_loss_without_any_receipt_around_it_is_acknowledged(ledger: Client, database: str):
    """A partition of which nothing was ever read."""
    found = reconcile(ledger, database, [bound(7, 7, 0)], acknowledge="before the first worker")
    assert (found.acknowledged, found.whole) == (7, True)
    assert reconcile(ledger, database, [bound(7, 7, 0)]).whole
