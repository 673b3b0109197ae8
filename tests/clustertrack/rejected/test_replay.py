"""Each record is sent once, whatever happens in between. Kafka is real, the ledger's actions are a list."""

import uuid
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from replaying import START, Dying, MemoryBook, Person, record, standing

from brokers.connection import KafkaConnection
from brokers.explain import KafkaUnreachable
from clustertrack.rejected.outgoing import Outgoing
from clustertrack.rejected.records import Action
from clustertrack.rejected.replay import LEASE_SECONDS, Results, resend
from clustertrack.rejected.replay_topic import KafkaTopic, kafka_topic
from schemas.addresses import RecordAddress
from schemas.errors import Unreachable

pytestmark = pytest.mark.integration


def test_records_are_sent_once_and_noted_where_they_stand(kafka, topic: KafkaTopic):
    """Bytes as they came; each action names its record, who, why, the count and the place."""
    records = [record(topic, offset) for offset in range(20)]
    book, results = MemoryBook(), Results()
    resend(records, Person().run(), topic, book, results)
    found = standing(kafka, topic)
    assert {action.to for action in results.replayed} == found.keys()
    assert [action.place for action in results.replayed] == [r.place for r in records]
    for sent, action in zip(records, results.replayed, strict=True):
        key, value, headers = found[action.to]
        assert (key, value, headers[0]) == (sent.key, sent.payload, ("x-crm", b"\xff"))
        assert dict(headers)["ct-replay-of"] == str(sent.place).encode()
        assert (action.acted_by, action.note, action.replays, action.action) == ("anna", "mended", 1, "replayed")
    assert set(book.states()) == {"replayed"}
    assert (results.found, results.refused) == ([], [])


def test_a_replay_that_may_be_at_work_is_waited_for(topic: KafkaTopic):
    """A fresh intent may be somebody's who is sending just now: wait until that must be over, and look again."""
    book, results = MemoryBook(), Results()
    other = Action(record(topic).place, uuid.uuid4(), "replaying", START, "ben", replays=1)
    book.write([other])
    anna = Person(now=START + timedelta(seconds=20))
    sent = other._replace(action="replayed", to=RecordAddress(topic.name, 0, 0, 0))
    book.before_read = [lambda: None, lambda: book.write([sent])]
    resend([record(topic)], anna.run(), topic, book, results)
    assert anna.slept == [pytest.approx(LEASE_SECONDS - 20, abs=0.1)]
    assert anna.said == ["a replay of 1 of these records, by ben, may be at work: waiting 40 s for it"]
    assert [(r.place, r.why) for r in results.refused] == [(record(topic).place, "ben has replayed it meanwhile")]
    assert results.replayed == []


@pytest.mark.parametrize("action", ["replaying", "replayed", "discarded"])
def test_two_people_at_the_same_moment(kafka, topic: KafkaTopic, action: Any):
    """Who sees another's intent beside the own one steps back; the other records go on."""
    contested, alone = record(topic, 1), record(topic, 2)
    other = Action(contested.place, uuid.uuid4(), action, START, "ben", replays=1)
    book, results = MemoryBook(), Results()
    book.before_read = [lambda: None, lambda: book.write([other])]
    resend([contested, alone], Person().run(), topic, book, results)
    assert [(r.place, r.why) for r in results.refused] == [
        (contested.place, "ben replayed or discarded it at the same moment")
    ]
    assert [a.place for a in results.replayed] == [alone.place]
    assert len(standing(kafka, topic)) == 1
    assert sorted(book.states()) == sorted([action, "abandoned", "replayed"])


def test_what_was_closed_meanwhile_is_left_alone(kafka, topic: KafkaTopic):
    """Between the choice and the sending somebody may have discarded a record."""
    book, results = MemoryBook(), Results()
    book.write([Action(record(topic).place, uuid.uuid4(), "discarded", START, "ben", "a test")])
    resend([record(topic)], Person().run(), topic, book, results)
    assert [r.why for r in results.refused] == ["ben has discarded it meanwhile"]
    assert standing(kafka, topic) == {}


def test_what_must_not_be_sent_leaves_no_intent(kafka, topic: KafkaTopic):
    """A refused record is neither sent nor noted; the others are."""
    worn = record(topic, 1, headers=(("ct-replays", b"3"),))
    book, results = MemoryBook(), Results()
    resend([worn], Person().run(), topic, book, results)
    assert book.rows == {}
    resend([worn, record(topic, 2)], Person().run(), topic, book, results)
    assert [r.place for r in results.refused] == [worn.place, worn.place]
    assert len(results.replayed) == len(standing(kafka, topic)) == 1


def test_what_kafka_does_not_confirm_stays_open(kafka, topic: KafkaTopic):
    """Confirmed records are noted, the error says what to do, and the next run sends the rest."""

    class Failing(Dying):
        def send(self, records: Sequence[Outgoing]) -> Iterator[int]:
            yield from self._topic.send(records[: self._survives])
            raise Unreachable("Kafka did not confirm 1 of 3 records (KafkaTimeoutError)")

    records = [record(topic, offset) for offset in range(3)]
    book, first, second = MemoryBook(), Results(), Results()
    with pytest.raises(Unreachable):
        resend(records, Person().run(), Failing(topic, 2), book, first)
    assert [a.place for a in first.replayed] == [r.place for r in records[:2]]
    resend(records[2:], Person(now=START + timedelta(hours=1)).run(), topic, book, second)
    assert [a.place for a in second.replayed] == [records[2].place]
    assert len(standing(kafka, topic)) == 3


def test_kafka_refuses_a_record(topic: KafkaTopic):
    """A record that the broker does not take is not confirmed, and says why."""
    large = Outgoing(0, None, b"x" * 3_000_000, (), 1, edited=False)
    with pytest.raises(Unreachable, match=r"did not confirm 2 of 2 records \(Message"):
        list(topic.send([large, large]))


def test_no_broker():
    """One sentence, no traceback of the client."""
    with (
        pytest.raises(KafkaUnreachable, match="KAFKA_BOOTSTRAP_SERVERS"),
        kafka_topic(KafkaConnection("127.0.0.1:1"), "topic", 0),
    ):
        pytest.fail("nothing answers there")
