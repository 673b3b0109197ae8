"""The account of every offset: holes, expired ranges, what is pending, rows and receipts without each other."""

from collections.abc import Callable
from collections.abc import Set as AbstractSet

import pytest
from clickhouse_connect.driver.client import Client

from clustertrack.reconcile.account import Bound, LostReceipt, LostReroute, PartitionAccount, Range, Version
from clustertrack.reconcile.account_run import reconcile
from schemas.addresses import TopicPartition
from schemas.ledger import NO_PARTITION

TOPIC = "activity.events.v1"

pytestmark = pytest.mark.integration


def bound(low: int, high: int, committed: int, *, partition: int = 0, epoch: int = 0) -> Bound:
    return Bound(TOPIC, epoch, partition, low, high, committed)


def test_nothing_yet(ledger: Client, database: str):
    """An empty topic and an empty ledger are whole."""
    found = reconcile(ledger, database, [bound(0, 0, 0)])
    assert found.whole
    assert (found.partitions[0].expected, found.pending) == (0, 0)
    assert reconcile(ledger, database, []).whole


def test_every_status_is_counted(ledger: Client, database: str, write: Callable[..., None], send: Callable[..., None]):
    """Each receipt is counted under its status, and the sum is what Kafka gave out."""
    write({0: "accepted", 1: "accepted", 2: "retracted", 3: "rejected"})
    send((0, 4), to=1)
    send((1, 0), came=(0, 4))
    write({5: "duplicate"}, rows=False)
    ledger.command(
        f"INSERT INTO {database}.activity_revision (source, activity_id, revision) VALUES ('crm', '0/0/5', 6)"
    )
    write({6: "accepted"})
    account, _ = reconcile(ledger, database, [bound(0, 7, 7), bound(0, 1, 1, partition=1)]).partitions
    assert (account.expected, account.received, account.accepted, account.retracted) == (7, 7, 3, 1)
    assert (account.duplicate, account.rejected, account.rerouted) == (1, 1, 1)
    assert (account.missing, account.expired, account.pending, account.without_row) == (0, 0, 0, 0)
    assert account.whole


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


# ---- records that were sent on

Send = Callable[..., None]


@pytest.fixture
def send(ledger: Client, database: str) -> Send:
    """Writes the receipt of a record that was sent on, or of one that arrived."""

    def send(
        place: tuple[int, int], *, to: int = NO_PARTITION, came: tuple[int, int] | None = None, epoch: int = 0
    ) -> None:
        came_from = came or (NO_PARTITION, 0)
        status = "rerouted" if came is None else "rejected"
        ledger.command(
            f"INSERT INTO {database}.receipt "
            "(topic, topic_epoch, partition, offset, status, source, log_time, sent_to, origin_partition, "
            f"origin_offset) VALUES ('{TOPIC}', {epoch}, {place[0]}, {place[1]}, '{status}', 'crm', '2020-01-01', "
            f"{to}, {came_from[0]}, {came_from[1]})"
        )

    return send


def test_a_reroute_that_arrived(ledger: Client, database: str, send: Send):
    """The receipt on the right partition names the one that was sent on: all is whole, nobody is asked."""
    send((0, 0), to=1)
    send((1, 0), came=(0, 0))

    def never(_places: object) -> set[TopicPartition]:
        raise AssertionError("there is nothing to wait for")

    found = reconcile(ledger, database, [bound(0, 1, 1), bound(0, 1, 1, partition=1)], read_to_end=never)
    assert found.whole
    assert (found.reroute_not_arrived, found.reroute_pending) == (0, 0)


def test_a_reroute_that_never_arrived(ledger: Client, database: str, send: Send):
    """All of its partition is read, and no receipt names it: it is lost, with its place, source and day."""
    for offset in range(3):
        send((0, offset), to=1)
    send((1, 0), came=(0, 1))
    found = reconcile(ledger, database, [bound(0, 3, 3), bound(0, 1, 1, partition=1)])
    assert found.reroutes_not_arrived == (LostReroute(TOPIC, 0, 0, 0, 1), LostReroute(TOPIC, 0, 0, 2, 1))
    assert (found.reroute_not_arrived, found.partitions[0].not_arrived, found.days[0].not_arrived) == (2, 2, 2)
    assert not found.whole
    assert not found.partitions[0].whole


@pytest.mark.parametrize(
    ("committed", "read", "lost", "pending"),
    [
        pytest.param(1, {1}, 1, 0, id="committed, the other partition read"),
        pytest.param(1, set(), 0, 1, id="the other partition not read to its end"),
        pytest.param(0, {1}, 0, 1, id="not committed: it may not have been sent on yet"),
    ],
)
def test_a_reroute_may_still_arrive(
    ledger: Client, database: str, send: Send, committed: int, read: set[int], lost: int, pending: int
):
    """A record sent on is missed only when it was sent for certain, and all of its partition has been read since."""
    send((0, 0), to=1)
    send((2, 0), to=2)
    found = reconcile(
        ledger,
        database,
        [bound(0, 1, committed), bound(0, 0, 0, partition=1)],
        read_to_end=lambda places: {place for place in places if place.partition in read},
    )
    assert (found.partitions[0].not_arrived, found.reroute_pending) == (lost, pending)
    assert [account.whole for account in found.partitions] == [not lost, True]


def test_a_former_epoch(ledger: Client, database: str, write: Callable[..., None], send: Send):
    """What a topic's former life left must have its rows and its arrivals; nothing of it can still come."""
    write({0: "accepted", 1: "rejected"}, epoch=0)
    write({2: "retracted"}, epoch=0, rows=False)
    send((1, 0), to=3, epoch=0)
    send((3, 0), came=(1, 0), epoch=1)
    write({0: "accepted"}, epoch=1)
    found = reconcile(ledger, database, [bound(0, 1, 1, epoch=1), bound(0, 1, 1, epoch=1, partition=3)])
    assert [(a.place, a.received, a.without_row, a.not_arrived) for a in found.former] == [
        (TopicPartition(TOPIC, 0, 0), 3, 1, 0),
        (TopicPartition(TOPIC, 0, 1), 1, 0, 1),
    ]
    assert found.reroutes_not_arrived == (LostReroute(TOPIC, 0, 1, 0, 3),)
    assert all(account.whole for account in found.partitions)
    assert not found.whole


# ---- sources and days


def test_sources_and_days(ledger: Client, database: str, write: Callable[..., None]):
    """Receipts are counted by source and UTC day; an offset without one, whose source is unknown, by partition only."""
    write({0: "accepted", 3: "retracted"})
    ledger.command(
        f"INSERT INTO {database}.receipt (topic, partition, offset, status, source, log_time) VALUES "
        f"('{TOPIC}', 0, 6, 'rejected', '', '2020-01-02 23:59:59.999'), "
        f"('{TOPIC}', 0, 7, 'rejected', 'erp', '2020-01-03 00:00:00')"
    )
    found = reconcile(ledger, database, [bound(1, 8, 8)])
    assert [(day.source, str(day.day), day.received) for day in found.days] == [
        ("crm", "2020-01-01", 2),
        ("erp", "2020-01-03", 1),
        ("unknown", "2020-01-02", 1),
    ]
    [account] = found.partitions
    assert account.received == sum(day.received for day in found.days)
    assert (account.missing, account.expired) == (4, 0)


# ---- while traffic flows


def test_a_row_whose_record_is_in_work(ledger: Client, database: str, write: Callable[..., None]):
    """A row without a receipt is no fault while records are uncommitted: its own may be one of them."""
    write({0: "accepted"})
    ledger.command(f"INSERT INTO {database}.activity_revision (source, activity_id, revision) VALUES ('crm', 'x', 9)")
    found = reconcile(ledger, database, [bound(0, 1, 1)], read_to_end=lambda _places: set())
    assert (found.row_without_receipt, found.unsettled, found.whole) == (0, 1, True)


def test_a_receipt_that_comes_meanwhile(ledger: Client, database: str, write: Callable[..., None]):
    """What is written while others are waited for is seen."""
    ledger.command(
        f"INSERT INTO {database}.activity_revision (source, activity_id, revision) VALUES ('crm', '0/0/0', 1)"
    )

    def written(places: AbstractSet[TopicPartition]) -> AbstractSet[TopicPartition]:
        write({0: "accepted"})
        return places

    found = reconcile(ledger, database, [bound(0, 1, 0)], read_to_end=written)
    assert found.whole
    assert (found.row_without_receipt, found.unsettled) == (0, 0)


# ---- receipts that must not be there


def test_receipts_behind_the_end(ledger: Client, database: str, write: Callable[..., None]):
    """A receipt of an offset that Kafka has not given out is a fault: the topic is not the one that was read."""
    write(dict.fromkeys((0, 1, 2, 5), "rejected"))
    found = reconcile(ledger, database, [bound(0, 2, 2)])
    assert (found.partitions[0].beyond, found.faults["beyond"], found.whole) == (2, 2, False)
    assert (found.partitions[0].received, found.pending) == (2, 0)
    assert not found.partitions[0].whole


@pytest.mark.parametrize(
    ("end", "beyond"), [pytest.param(6, 0, id="all of them"), pytest.param(5, 1, id="all but the last")]
)
def test_receipts_of_records_that_came_meanwhile(
    ledger: Client, database: str, write: Callable[..., None], end: int, beyond: int
):
    """Behind the bound, but not behind what Kafka says later: that is traffic; it is asked for such partitions only."""
    write(dict.fromkeys((0, 1, 2, 5), "rejected"))
    write({0: "rejected"}, partition=1)
    asked = []

    def ends(places: AbstractSet[TopicPartition]) -> dict[TopicPartition, int]:
        asked.append(places)
        write({9: "rejected"})  # one that comes after the answer is no fault either
        return dict.fromkeys(places, end)

    found = reconcile(ledger, database, [bound(0, 2, 2), bound(0, 1, 1, partition=1)], ends=ends)
    assert (found.faults["beyond"], found.whole) == (beyond, beyond == 0)
    assert asked == [{TopicPartition(TOPIC, 0, 0)}]


def test_two_receipts_of_one_offset(ledger: Client, database: str, write: Callable[..., None]):
    """Where merges cannot bring them together, as on two shards, the second is a fault; no hole makes up for it."""
    write({0: "rejected", 1: "rejected", 2: "rejected"})
    ledger.command(f"RENAME TABLE {database}.receipt TO {database}.shard_1")
    ledger.command(f"CREATE TABLE {database}.shard_2 AS {database}.shard_1")
    ledger.command(f"INSERT INTO {database}.shard_2 SELECT * FROM {database}.shard_1 WHERE offset = 1")
    ledger.command(f"CREATE TABLE {database}.receipt AS {database}.shard_1 ENGINE = Merge({database}, '^shard_')")
    [account] = reconcile(ledger, database, [bound(0, 4, 3)]).partitions
    assert (account.received, account.surplus, account.missing, account.pending) == (4, 1, 0, 1)
    assert not account.whole
    [account] = reconcile(ledger, database, [bound(0, 4, 4)]).partitions
    assert (account.surplus, account.holes, account.pending) == (1, (Range(3, 3),), 0)


def test_a_surplus_is_not_set_off_against_what_is_pending():
    """A second receipt does not make a record that is still to come look as if it were there."""
    account = PartitionAccount(
        topic=TOPIC, topic_epoch=0, partition=0, low=0, high=10, committed=7, rejected=8, surplus=1
    )
    assert (account.pending, account.whole) == (3, False)


def test_a_rejected_record_that_is_not_kept(ledger: Client, database: str, write: Callable[..., None]):
    """A receipt that says rejected needs its record for as long as the ledger keeps those."""
    ledger.command(
        f"INSERT INTO {database}.receipt (topic, partition, offset, status, source, log_time) SELECT "
        f"'{TOPIC}', 0, number, 'rejected', 'crm', now64(3) - INTERVAL [0, 0, 88, 90, 95][number + 1] DAY "
        "FROM numbers(5)"
    )
    ledger.command(
        f"INSERT INTO {database}.rejected (topic, partition, offset, source, log_time, faults) "
        f"SELECT '{TOPIC}', 0, 1, 'crm', now64(3), [('', 'too_long', '')]"
    )
    write({5: "accepted"})
    found = reconcile(ledger, database, [bound(0, 6, 6)])
    assert found.rejections_without_row == (
        LostReceipt(TOPIC, 0, 0, 0, "rejected"),
        LostReceipt(TOPIC, 0, 0, 2, "rejected"),
    )
    assert (found.rejected_without_row, found.receipt_without_row, found.partitions[0].without_row) == (2, 0, 2)
    assert [day.without_row for day in found.days if day.without_row] == [1, 1]
    assert not found.whole


# ---- part by part


def test_counts_are_complete_where_lists_are_not(
    ledger: Client, database: str, write: Callable[..., None], send: Send, monkeypatch: pytest.MonkeyPatch
):
    """With more lost rows, records and arrivals than are read, each partition and day has all of its own."""
    write(dict.fromkeys(range(7), "accepted"), rows=False)
    write(dict.fromkeys(range(2), "retracted"), rows=False, partition=1)
    for offset in range(7, 12):
        send((0, offset), to=1)
    ledger.command(
        f"INSERT INTO {database}.receipt (topic, partition, offset, status, source, log_time) "
        f"SELECT '{TOPIC}', 1, number + 2, 'rejected', 'erp', now64(3) FROM numbers(4)"
    )
    bounds = [bound(0, 12, 12), bound(0, 6, 6, partition=1)]
    whole = reconcile(ledger, database, bounds)
    assert [(a.without_row, a.not_arrived) for a in whole.partitions] == [(7, 5), (6, 0)]
    assert [(day.source, day.without_row, day.not_arrived) for day in whole.days] == [("crm", 9, 5), ("erp", 4, 0)]
    monkeypatch.setattr("clustertrack.reconcile.account_run.COMPARED", 2)
    cut = reconcile(ledger, database, bounds)
    assert (cut.partitions, cut.days, cut.faults) == (whole.partitions, whole.days, whole.faults)


def test_parts_give_the_same(
    ledger: Client, database: str, write: Callable[..., None], monkeypatch: pytest.MonkeyPatch
):
    """However many parts rows and receipts are compared in, the same is found, once each."""
    write(dict.fromkeys(range(40), "accepted"))
    ledger.command(
        f"ALTER TABLE {database}.activity_revision DELETE WHERE revision % 7 = 0 SETTINGS mutations_sync = 1"
    )
    ledger.command(f"ALTER TABLE {database}.receipt DELETE WHERE offset % 5 = 0 SETTINGS mutations_sync = 1")
    whole = reconcile(ledger, database, [bound(0, 40, 40)])
    assert (whole.receipt_without_row, whole.row_without_receipt) == (4, 7)
    assert whole.activity_difference == 5
    monkeypatch.setattr("clustertrack.reconcile.account_run.PART", 3)
    assert reconcile(ledger, database, [bound(0, 40, 40)]) == whole
