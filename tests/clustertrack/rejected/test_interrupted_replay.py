"""A replay that died half way: what it sent is found, what it did not send is sent. Kafka is real."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from replaying import PARTITIONS, START, Crash, Dying, MemoryBook, Person, noise, record, standing

from clustertrack.rejected.outgoing import Outgoing, as_replay
from clustertrack.rejected.records import Action, RejectedRecord
from clustertrack.rejected.replay import NOT_KNOWN, Results, Standing, Window, resend
from clustertrack.rejected.replay_topic import KafkaTopic
from schemas.addresses import RecordAddress

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("survives", [0, 2, 3])
def test_an_interrupted_replay_resumes(kafka, topic: KafkaTopic, survives: int):
    """Dying after sending, before noting: a later run finds what stands there and sends nothing twice."""
    noise(kafka, topic)
    records = [record(topic, offset) for offset in range(4)]
    book, first, second = MemoryBook(), Results(), Results()
    with pytest.raises(Crash):
        resend(records, Person().run(), Dying(topic, survives), book, first)
    assert len(first.replayed) == survives
    assert book.states().count("replaying") == 4 - survives
    before = standing(kafka, topic)
    noise(kafka, topic)
    later = Person("ben", START + timedelta(hours=1))
    resend(records[survives:], later.run(), topic, book, second)
    assert (len(second.found), second.replayed, later.slept) == (4 - survives, [], [])
    assert {action.acted_by for action in second.found} <= {"anna"}
    assert set(book.states()) == {"replayed"}
    named = {str(r.place).encode() for r in records}
    after = {p for p, (_, _, headers) in standing(kafka, topic).items() if dict(headers).get("ct-replay-of") in named}
    assert after == {action.to for action in book.rows.values()} == {p for p in before if before[p][2]}


def test_a_replay_that_never_left_is_sent(kafka, topic: KafkaTopic):
    """Dying between intent and sending: nothing stands there, so it is sent, and the old attempt is abandoned."""

    class DyingBefore(Dying):
        def send(self, _records: Sequence[Outgoing]) -> Iterator[int]:
            raise Crash

    book, results = MemoryBook(), Results()
    with pytest.raises(Crash):
        resend([record(topic)], Person().run(), DyingBefore(topic, 0), book, Results())
    resend([record(topic)], Person(now=START + timedelta(hours=1)).run(), topic, book, results)
    assert book.states() == ["abandoned", "replayed"]
    assert [action.to for action in results.replayed] == list(standing(kafka, topic))


class DyingAfter(Dying):
    """All is sent and nothing noted."""

    def __init__(self, topic: KafkaTopic) -> None:
        super().__init__(topic, 0)


def only_intents(topic: KafkaTopic, *records: RejectedRecord) -> MemoryBook:
    """The book of a command that died after it had sent these records."""
    book = MemoryBook()
    with pytest.raises(Crash):
        resend(list(records), Person().run(), DyingAfter(topic), book, Results())
    return book


def cut(kafka, topic: KafkaTopic, to: RecordAddress) -> None:
    """Kafka deletes what stands before this place, as retention does."""
    admin = KafkaAdminClient(bootstrap_servers=[kafka.bootstrap])
    admin.delete_records({TopicPartition(topic.name, to.partition): to.offset})
    admin.close()


@pytest.mark.parametrize(
    ("may_repeat", "copies"), [pytest.param(False, 0, id="asked"), pytest.param(True, 1, id="sent")]
)
def test_what_kafka_has_deleted_cannot_be_known(kafka, topic: KafkaTopic, may_repeat: bool, copies: int):
    """Where the record can have stood and is gone, it is not called one that never left; a person decides."""
    wanted = record(topic)
    book = only_intents(topic, wanted)
    [stood] = standing(kafka, topic)
    cut(kafka, topic, stood._replace(offset=stood.offset + 1))
    results = Results()
    resend([wanted], Person("ben", START + timedelta(days=40)).run(may_repeat=may_repeat), topic, book, results)
    assert (len(results.replayed), len(standing(kafka, topic))) == (copies, copies)
    if may_repeat:
        assert book.states() == ["abandoned", "replayed"]
        assert next(iter(book.rows.values())).note == NOT_KNOWN
    else:
        assert book.states() == ["replaying"]
        assert [refused.place for refused in results.refused] == [wanted.place]
        assert f"by anna was interrupted, and whether it arrived cannot be known: Kafka has deleted {stood}" in (
            results.refused[0].why
        )


def test_what_stands_behind_a_deleted_place_is_found(kafka, topic: KafkaTopic):
    """Kafka has deleted the first place at which it could stand, but the record itself is there."""
    wanted = record(topic)
    partition = as_replay(wanted, partitions=PARTITIONS, limit=3, can_return=True).partition
    producer = KafkaProducer(bootstrap_servers=[kafka.bootstrap])
    producer.send(topic.name, b"before", partition=partition).get(timeout=10)
    producer.close(timeout=5)
    book = only_intents(topic, wanted)
    [(key, intent)] = book.rows.items()
    book.rows[key] = intent._replace(to=intent.to._replace(offset=0))
    cut(kafka, topic, intent.to)
    results = Results()
    resend([wanted], Person("ben", START + timedelta(days=40)).run(), topic, book, results)
    assert ([action.to for action in results.found], results.replayed) == ([intent.to], [])


def later_traffic(kafka, topic: KafkaTopic, partition: int) -> None:
    """More than is read at a time, a few milliseconds later, and at its end what looks like another replay."""
    producer = KafkaProducer(bootstrap_servers=[kafka.bootstrap])
    begun = producer.send(topic.name, b"x", partition=partition).get(timeout=10).timestamp
    while producer.send(topic.name, b"x", partition=partition).get(timeout=10).timestamp < begun + 20:
        pass
    for _ in range(3000):
        producer.send(topic.name, b"x", partition=partition)
    headers = [("ct-replay-of", b"too/0/late")]
    producer.send(topic.name, b"x", partition=partition, headers=headers).get(timeout=10)
    producer.close(timeout=5)


def test_only_what_can_have_arrived_is_read(kafka, stamped: KafkaTopic, monkeypatch: pytest.MonkeyPatch):
    """However much a busy topic holds hours later, reading ends where the record cannot stand any more.

    The clock of the command may have been far behind: the broker's tells when its record can have arrived.
    """
    wanted = record(stamped)
    [intent] = only_intents(stamped, wanted).rows.values()
    later_traffic(kafka, stamped, intent.to.partition)
    window = {intent.to.partition: Window(intent.to.offset, datetime(2000, 1, 1, tzinfo=UTC))}
    assert set(stamped.find(window).found) == {str(wanted.place), "too/0/late"}
    monkeypatch.setattr("clustertrack.rejected.replay_topic._ARRIVES_MS", 10)
    assert stamped.find(window).found == {str(wanted.place): [intent.to]}
    place = TopicPartition(stamped.name, intent.to.partition)
    assert stamped._consumer.position(place) < stamped._consumer.end_offsets([place])[place]


def test_intents_of_different_days_are_looked_for_apart(topic: KafkaTopic):
    """What arrived between them is of no interest, and would have to be read."""
    records = [record(topic, offset) for offset in range(2)]
    book, results = MemoryBook(), Results()
    for n, one in enumerate(records):
        at = START + timedelta(days=n)
        book.write([Action(one.place, uuid.uuid4(), "replaying", at, "anna", to=RecordAddress(topic.name, 0, 0, 0))])
    asked: list[Mapping[int, Window]] = []

    def find(windows: Mapping[int, Window]) -> Standing:
        asked.append(windows)
        return topic.find(windows)

    class Asked(Dying):
        def __init__(self) -> None:
            super().__init__(topic, 0)
            self.find = find

        def send(self, records: Sequence[Outgoing]) -> Iterator[int]:
            return topic.send(records)

    resend(records, Person(now=START + timedelta(days=2)).run(), Asked(), book, results)
    assert asked == [{0: Window(0, START + timedelta(days=n))} for n in range(2)]
    assert len(results.replayed) == 2


def test_an_intent_of_a_former_topic_is_abandoned(kafka, topic: KafkaTopic):
    """Where the topic was made anew, what an interrupted replay sent is gone with the old one."""
    old = record(topic)
    intent = Action(
        old.place, uuid.uuid4(), "replaying", START, "anna", replays=1, to=RecordAddress(topic.name, 0, 1, 0)
    )
    book, results = MemoryBook(), Results()
    book.write([intent])
    topic.epoch = 1
    resend([old], Person(now=START + timedelta(hours=1)).run(), topic, book, results)
    assert book.states() == ["abandoned", "replayed"]
    assert [action.to.topic_epoch for action in results.replayed] == [1]
    assert len(standing(kafka, topic)) == 1
