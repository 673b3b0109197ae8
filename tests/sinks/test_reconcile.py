"""The account of every offset: holes, expired ranges, what is pending, rows and receipts without each other."""

from collections.abc import Callable

import pytest
from clickhouse_connect.driver.client import Client

from sinks.reconcile import Bound, LostReceipt, Place, Range, Version, reconcile

TOPIC = "activity.events.v1"

pytestmark = pytest.mark.integration


@pytest.fixture
def write(ledger: Client, database: str) -> Callable[..., None]:
    """Writes receipts, and the rows of those that have one."""

    def write(receipts: dict[int, str], *, partition: int = 0, epoch: int = 0, rows: bool = True) -> None:
        lines = [
            f"('{TOPIC}', {epoch}, {partition}, {offset}, '{status}', 'crm', '2020-01-01 00:00:00', "
            + (f"'{epoch}/{partition}/{offset}', {offset + 1})" if status not in {"rejected", "rerouted"} else "'', 0)")
            for offset, status in receipts.items()
        ]
        ledger.command(
            f"INSERT INTO {database}.receipt "
            "(topic, topic_epoch, partition, offset, status, source, log_time, activity_id, revision) VALUES "
            + ", ".join(lines)
        )
        named = [
            f"('crm', '{epoch}/{partition}/{offset}', {offset + 1}, 'e', 10, '2020-01-01')"
            for offset, status in receipts.items()
            if status not in {"rejected", "rerouted"}
        ]
        if rows and named:
            ledger.command(
                f"INSERT INTO {database}.activity_revision "
                "(source, activity_id, revision, event_id, company_id, occurred_on) VALUES " + ", ".join(named)
            )

    return write


def bound(low: int, high: int, committed: int, *, partition: int = 0, epoch: int = 0) -> Bound:
    return Bound(TOPIC, epoch, partition, low, high, committed)


def test_nothing_yet(ledger: Client, database: str):
    """An empty topic and an empty ledger are whole."""
    found = reconcile(ledger, database, [bound(0, 0, 0)])
    assert found.whole
    assert (found.partitions[0].expected, found.pending) == (0, 0)
    assert reconcile(ledger, database, []).whole


def test_every_status_is_counted(ledger: Client, database: str, write: Callable[..., None]):
    """Each receipt is counted under its status, and the sum is what Kafka gave out."""
    write({0: "accepted", 1: "accepted", 2: "retracted", 3: "rejected", 4: "rerouted"})
    write({5: "duplicate"}, rows=False)
    ledger.command(
        f"INSERT INTO {database}.activity_revision (source, activity_id, revision) VALUES ('crm', '0/0/5', 6)"
    )
    write({6: "accepted"})
    [account] = reconcile(ledger, database, [bound(0, 7, 7)]).partitions
    assert (account.expected, account.received, account.accepted, account.retracted) == (7, 7, 3, 1)
    assert (account.duplicate, account.rejected, account.rerouted) == (1, 1, 1)
    assert (account.missing, account.expired, account.pending, account.without_row) == (0, 0, 0, 0)
    assert account.whole


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
    markers = {Place(TOPIC, 0, 0): [Range(1, 1), Range(3, 3), Range(6, 6)]}
    [account] = reconcile(ledger, database, [bound(0, 8, 7)], no_record=markers).partitions
    assert account.holes == (Range(2, 2), Range(4, 4))
    assert (account.no_record, account.pending) == (3, 1)


def test_partitions_and_epochs_apart(ledger: Client, database: str, write: Callable[..., None]):
    """Receipts of another partition or of a topic's former life fill no hole."""
    write({0: "accepted", 1: "accepted"}, epoch=0)
    write({0: "accepted"}, epoch=1)
    write({1: "rejected"}, epoch=1, partition=1)
    found = reconcile(ledger, database, [bound(0, 2, 2, epoch=1, partition=1), bound(0, 2, 2, epoch=1)])
    assert [(account.partition, account.holes) for account in found.partitions] == [
        (0, (Range(1, 1),)),
        (1, (Range(0, 0),)),
    ]


def test_receipt_without_row(ledger: Client, database: str, write: Callable[..., None]):
    """An accepted receipt whose row is gone is found with its place, also in a former epoch."""
    write({0: "accepted", 1: "rejected"})
    write({2: "accepted"}, rows=False)
    write({3: "retracted"}, rows=False, epoch=7)
    found = reconcile(ledger, database, [bound(0, 3, 3)])
    assert found.partitions[0].without_row == 1
    assert found.receipt_without_row == 2
    assert found.receipts_without_row == (
        LostReceipt(TOPIC, 0, 0, 2, "accepted"),
        LostReceipt(TOPIC, 7, 0, 3, "retracted"),
    )
    assert not found.whole


def test_row_without_receipt(ledger: Client, database: str, write: Callable[..., None]):
    """A row that no receipt names is found with its key."""
    write({0: "accepted"})
    ledger.command(f"INSERT INTO {database}.activity_revision (source, activity_id, revision) VALUES ('crm', 'x', 9)")
    found = reconcile(ledger, database, [bound(0, 1, 1)])
    assert (found.row_without_receipt, found.rows_without_receipt) == (1, (Version("crm", "x", 9),))
    assert found.partitions[0].whole
    assert not found.whole


def test_activity_difference(ledger: Client, database: str, write: Callable[..., None]):
    """A present state that lacks what the history has is counted."""
    write({0: "accepted", 1: "accepted"})
    ledger.command(f"TRUNCATE TABLE {database}.activity")
    found = reconcile(ledger, database, [bound(0, 2, 2)])
    assert (found.activity_difference, found.whole) == (2, False)


def test_large_offsets(ledger: Client, database: str, write: Callable[..., None]):
    """Offsets beyond 32 bits and revisions of 128 bits pass unharmed."""
    far = 2**40
    write({far: "accepted"})
    revision = 2**127 + 5
    ledger.command(
        f"INSERT INTO {database}.activity_revision (source, activity_id, revision) VALUES ('crm', 'x', {revision})"
    )
    found = reconcile(ledger, database, [bound(far, far + 2, far + 2)])
    assert found.partitions[0].holes == (Range(far + 1, far + 1),)
    assert found.partitions[0].expired_unread == (Range(0, far - 1),)
    assert found.rows_without_receipt == (Version("crm", "x", revision),)
