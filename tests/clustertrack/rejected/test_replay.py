"""Records are sent and noted; what has no result is sent again. Kafka is real, the ledger's actions are a list."""

import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

import pytest
from replaying import START, MemoryBook, Person, record, standing

from brokers.connection import KafkaConnection
from brokers.explain import KafkaUnreachable
from clustertrack.rejected.outgoing import Outgoing
from clustertrack.rejected.records import Action
from clustertrack.rejected.replay import Results, resend
from clustertrack.rejected.replay_topic import KafkaTopic, kafka_topic
from schemas.errors import Unreachable

pytestmark = pytest.mark.integration


def test_records_are_sent_once_and_noted_with_their_address(kafka, topic: KafkaTopic):
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
        assert (action.acted_by, action.note, action.replays, action.action) == ("anna", "fixed", 1, "replayed")
    assert set(book.states()) == {"replayed"}
    assert results.refused == []


class Crash(BaseException):
    """The process dies."""


class Topic:
    """The real topic, and a `send` of a test's own."""

    def __init__(self, topic: KafkaTopic, send: Callable[[Sequence[Outgoing]], Iterator[int]]) -> None:
        self.name, self.epoch, self.send = topic.name, topic.epoch, send


@pytest.mark.parametrize("confirmed", [None, 0, 1, 2])
def test_an_interrupted_replay_is_repeated(kafka, topic: KafkaTopic, confirmed: int | None):
    """Dying before sending (None), or when so many are noted: the rest is sent again, the same in every byte."""

    def dying(records: Sequence[Outgoing]) -> Iterator[int]:
        if confirmed is not None:
            yield from list(topic.send(records))[:confirmed]
        raise Crash

    records = [record(topic, offset) for offset in range(3)]
    book, first, second = MemoryBook(), Results(), Results()
    with pytest.raises(Crash):
        resend(records, Person().run(), Topic(topic, dying), book, first)
    noted = confirmed or 0
    assert [action.place for action in first.replayed] == [r.place for r in records[:noted]]
    assert sorted(book.states()) == ["replayed"] * noted + ["replaying"] * (3 - noted)
    later = Person("ben", START + timedelta(hours=1))
    resend(records[noted:], later.run(), topic, book, second)
    assert [(action.place, action.acted_by) for action in second.replayed] == [
        (r.place, "ben") for r in records[noted:]
    ]
    assert book.states().count("replayed") == 3
    found = standing(kafka, topic)
    assert len(found) == 3 + (0 if confirmed is None else 3 - noted)
    assert len({(key, value, tuple(headers)) for key, value, headers in found.values()}) == 3


def test_two_people_at_the_same_moment(kafka, topic: KafkaTopic):
    """Both send, the same in every byte, and the actions of both are kept."""
    one = record(topic)
    book, anna, ben = MemoryBook(), Results(), Results()

    def after_ben(records: Sequence[Outgoing]) -> Iterator[int]:
        resend([one], Person("ben").run(), topic, book, ben)
        return topic.send(records)

    resend([one], Person().run(), Topic(topic, after_ben), book, anna)
    found = standing(kafka, topic)
    assert {action.to for action in anna.replayed + ben.replayed} == found.keys()
    assert len(found) == 2
    assert len({(key, value, tuple(headers)) for key, value, headers in found.values()}) == 1
    assert book.states() == ["replayed", "replayed"]


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

    def failing(records: Sequence[Outgoing]) -> Iterator[int]:
        yield from topic.send(records[:2])
        raise Unreachable("Kafka did not confirm 1 of 3 records (KafkaTimeoutError)")

    records = [record(topic, offset) for offset in range(3)]
    book, first, second = MemoryBook(), Results(), Results()
    with pytest.raises(Unreachable):
        resend(records, Person().run(), Topic(topic, failing), book, first)
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
