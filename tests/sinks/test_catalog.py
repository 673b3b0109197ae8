"""The ledger's identity and the topics it knows."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from clickhouse_connect.driver.client import Client

from schemas.errors import CheckFailed
from sinks.catalog import (
    ActualTopic,
    TopicRecord,
    check_topics,
    epochs,
    find_ledger_id,
    give_ledger_id,
    ledger_id,
    next_record,
    receipts_among,
    receipts_end,
    record_topic,
    topics,
    withdraw_ledger_id,
)

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
FIRST = UUID("00000000-0000-4000-8000-00000000000f")
SECOND = UUID("00000000-0000-4000-8000-000000000001")
PLACES = [(0, 0, 0), (0, 0, 9), (1, 0, 1), (1, 1, 4), (1, 1, 5)]
"""Epoch, partition, offset."""
POLICY = {"cleanup.policy": "delete", "retention.ms": "1000"}
RECORD = TopicRecord(topic="events", topic_epoch=0, topic_id="id-1", partitions=4, config=POLICY)
ACTUAL = ActualTopic(topic="events", topic_id="id-1", partitions=4, config={**POLICY, "segment.ms": "7"})


@pytest.mark.integration
def test_ledger_id(ledger: Client, database: str):
    """A ledger gets one id, and keeps it."""
    assert find_ledger_id(ledger, database) is None
    with pytest.raises(CheckFailed, match="run `clustertrack migrate`"):
        ledger_id(ledger, database)
    assert give_ledger_id(ledger, database, FIRST, NOW) == str(FIRST)
    assert give_ledger_id(ledger, database, SECOND, NOW) == str(FIRST)
    assert ledger_id(ledger, database) == str(FIRST)


@pytest.mark.integration
def test_two_migrations_at_once(ledger: Client, database: str):
    """Of two ids that two migrations wrote at the same time, everybody takes the earlier one."""
    rows = [[str(FIRST), NOW], [str(SECOND), NOW + timedelta(milliseconds=1)]]
    ledger.insert("ledger", rows, column_names=["id", "created_at"], database=database)
    assert ledger_id(ledger, database) == str(FIRST)


@pytest.mark.integration
def test_an_id_is_withdrawn(ledger: Client, database: str):
    """Only the id that is named is taken away, and the next one that is offered is taken."""
    give_ledger_id(ledger, database, FIRST, NOW)
    withdraw_ledger_id(ledger, database, str(SECOND))
    assert find_ledger_id(ledger, database) == str(FIRST)
    withdraw_ledger_id(ledger, database, str(FIRST))
    assert find_ledger_id(ledger, database) is None
    assert give_ledger_id(ledger, database, SECOND, NOW) == str(SECOND)


@pytest.mark.integration
def test_receipts(ledger: Client, database: str):
    """Found by their place, in the named epoch of the named topic only."""
    rows = [["events", epoch, partition, offset, "accepted", NOW] for epoch, partition, offset in PLACES]
    columns = ["topic", "topic_epoch", "partition", "offset", "status", "log_time"]
    ledger.insert("receipt", rows, column_names=columns, database=database)
    asked = [(0, 0), (0, 1), (1, 5), (1, 6)]
    assert receipts_among(ledger, database, "events", 1, asked) == {(0, 1), (1, 5)}
    assert receipts_among(ledger, database, "others", 1, asked) == set()
    assert receipts_among(ledger, database, "events", 1, []) == set()
    ends = [receipts_end(ledger, database, "events", 1, partition) for partition in range(3)]
    assert ends == [2, 6, 0]


@pytest.mark.integration
def test_topics(ledger: Client, database: str):
    """The highest epoch of each topic counts, in its newest recording; older epochs stay readable."""
    other = replace(RECORD, topic="other", topic_epoch=3)
    changed = replace(RECORD, config={"cleanup.policy": "compact"})
    again = replace(RECORD, topic_epoch=1, topic_id="id-2")
    assert topics(ledger, database) == {}
    for seconds, record in enumerate([RECORD, other, changed]):
        record_topic(ledger, database, record, NOW + timedelta(seconds=seconds))
    assert topics(ledger, database) == {"events": changed, "other": other}
    record_topic(ledger, database, again, NOW)
    assert topics(ledger, database) == {"events": again, "other": other}
    assert epochs(ledger, database, "events") == [changed, again]


@pytest.mark.parametrize(
    ("recorded", "actual", "expected"),
    [
        pytest.param(None, ACTUAL, RECORD, id="first sight is epoch 0"),
        pytest.param(RECORD, ACTUAL, None, id="nothing new"),
        pytest.param(
            RECORD, replace(ACTUAL, topic_id="id-2"), replace(RECORD, topic_epoch=1, topic_id="id-2"), id="made again"
        ),
        pytest.param(replace(RECORD, config={}), ACTUAL, RECORD, id="another policy keeps the epoch"),
    ],
)
def test_next_record(recorded: TopicRecord | None, actual: ActualTopic, expected: TopicRecord | None):
    """Only another topic id makes another epoch."""
    assert next_record(recorded, actual, POLICY) == expected


@pytest.mark.parametrize(
    ("actual", "reasons"),
    [
        pytest.param([ACTUAL], [], id="as recorded"),
        pytest.param([], ["is missing"], id="missing"),
        pytest.param([replace(ACTUAL, topic_id="id-2")], ["was deleted and made again"], id="made again"),
        pytest.param([replace(ACTUAL, partitions=5)], ["has 5 partitions and had 4"], id="partitions"),
        pytest.param(
            [replace(ACTUAL, config={"cleanup.policy": "delete"})],
            ["has retention.ms=None instead of 1000"],
            id="policy",
        ),
        pytest.param([ACTUAL, replace(ACTUAL, topic="new")], ["Topic new is not recorded"], id="not recorded"),
    ],
)
def test_check_topics(actual: list[ActualTopic], reasons: list[str]):
    """A worker is told in sentences why it must not start, and what to do."""
    found = check_topics({"events": RECORD}, actual)
    assert len(found) == len(reasons)
    assert all(reason in sentence for reason, sentence in zip(reasons, found, strict=True))


def test_check_without_records():
    """A ledger that knows no topic lets no worker start."""
    assert check_topics({}, [ACTUAL]) == ["Topic events is not recorded: run `clustertrack migrate`."]
