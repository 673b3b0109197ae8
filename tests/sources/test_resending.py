"""Each record is sent once, whatever happens in between. Kafka is real, the ledger's actions are a list."""

import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from samples import CVRS, event

from schemas.faults import Fault
from schemas.replays import Action, RecordPlace, RejectedRecord
from sources.brokers import KafkaUnreachable
from sources.replay import Outgoing, as_replay
from sources.resender import KafkaTopic, kafka_topic
from sources.resending import LEASE_SECONDS, NotConfirmed, Results, Run, resend

PARTITIONS = 3
START = datetime(2026, 11, 1, 12, tzinfo=UTC)

pytestmark = pytest.mark.integration


@dataclass
class MemoryBook:
    """Actions by attempt, as the table keeps them after a merge; `before_read` happens before the next readings."""

    rows: dict[tuple[RecordPlace, uuid.UUID], Action] = field(default_factory=dict)
    before_read: list[Callable[[], None]] = field(default_factory=list)

    def write(self, actions: Sequence[Action]) -> None:
        """The later state of an attempt stays."""
        rank = ("replaying", "abandoned", "replayed", "discarded")
        for action in actions:
            key = (action.place, action.attempt)
            if key not in self.rows or rank.index(action.action) >= rank.index(self.rows[key].action):
                self.rows[key] = action

    def read(self, places: Sequence[RecordPlace]) -> list[Action]:
        """The oldest first."""
        if self.before_read:
            self.before_read.pop(0)()
        return sorted((row for row in self.rows.values() if row.place in places), key=lambda row: row.acted_at)

    def states(self) -> list[str]:
        """States of all attempts, the oldest first."""
        return [row.action for row in sorted(self.rows.values(), key=lambda row: row.acted_at)]


@dataclass
class Person:
    """Somebody who replays, with a clock that only moves when told to, or while sleeping."""

    name: str = "anna"
    now: datetime = START
    said: list[str] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        """Time passes."""
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)

    def run(self, plan: Callable[[RejectedRecord], Outgoing | str] | None = None) -> Run:
        """A run of this person; every look at the clock takes a millisecond."""

        def clock() -> datetime:
            self.now += timedelta(milliseconds=1)
            return self.now

        return Run(
            acted_by=self.name,
            note="mended",
            plan=plan or (lambda record: as_replay(record, partitions=PARTITIONS, limit=3, can_return=True)),
            clock=clock,
            sleep=self.sleep,
            new_attempt=uuid.uuid4,
            say=self.said.append,
        )


class Crash(BaseException):
    """The process dies."""


class Dying:
    """A topic whose process dies when `survives` records are confirmed; what it sent has arrived all the same."""

    def __init__(self, topic: KafkaTopic, survives: int) -> None:
        self.name, self.epoch, self.ends, self.find = topic.name, topic.epoch, topic.ends, topic.find
        self._topic, self._survives = topic, survives

    def send(self, records: Sequence[Outgoing]) -> Iterator[int]:
        """All are sent."""
        offsets = list(self._topic.send(records))
        yield from offsets[: self._survives]
        raise Crash


@pytest.fixture
def topic(kafka) -> Iterator[KafkaTopic]:
    """A topic of the test's own."""
    name = f"replays-{uuid.uuid4().hex[:12]}"
    admin = KafkaAdminClient(bootstrap_servers=[kafka.bootstrap])
    admin.create_topics({name: {"num_partitions": PARTITIONS, "replication_factor": 1}})
    admin.wait_for_topics([name])
    admin.close()
    with kafka_topic({"bootstrap_servers": [kafka.bootstrap]}, name, 0) as opened:
        yield opened


def record(topic: KafkaTopic, offset: int = 7, **changes: object) -> RejectedRecord:
    """A rejected record of the topic."""
    fields = {
        "place": RecordPlace(topic.name, topic.epoch, 1, offset),
        "log_time": START,
        "source": "",
        "faults": (Fault("", "unknown_source", ""),),
        "headers": (("x-crm", b"\xff"),),
        "key": b"\x00",
        "payload": event(CVRS[offset % len(CVRS)], f"WS-{offset}"),
    }
    return RejectedRecord(**{**fields, **changes})


def standing(kafka, topic: KafkaTopic) -> dict[RecordPlace, tuple[bytes | None, bytes | None, list]]:
    """Everything on the topic."""
    consumer = KafkaConsumer(bootstrap_servers=[kafka.bootstrap], auto_offset_reset="earliest")
    partitions = [TopicPartition(topic.name, partition) for partition in range(PARTITIONS)]
    consumer.assign(partitions)
    ends = consumer.end_offsets(partitions)
    found = {}
    while any(consumer.position(partition) < ends[partition] for partition in partitions):
        for records in consumer.poll(timeout_ms=200).values():
            found |= {RecordPlace(topic.name, 0, r.partition, r.offset): (r.key, r.value, r.headers) for r in records}
    consumer.close()
    return found


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


def noise(kafka, topic: KafkaTopic) -> None:
    """Other traffic on all partitions."""
    producer = KafkaProducer(bootstrap_servers=[kafka.bootstrap])
    for number in range(30):
        producer.send(topic.name, b"%d" % number, partition=number % PARTITIONS)
    producer.flush(timeout=10)
    producer.close(timeout=5)


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


def test_an_intent_of_a_former_topic_is_abandoned(kafka, topic: KafkaTopic):
    """Where the topic was made anew, what an interrupted replay sent is gone with the old one."""
    old = record(topic)
    intent = Action(old.place, uuid.uuid4(), "replaying", START, "anna", replays=1, to=RecordPlace(topic.name, 0, 1, 0))
    book, results = MemoryBook(), Results()
    book.write([intent])
    topic.epoch = 1
    resend([old], Person(now=START + timedelta(hours=1)).run(), topic, book, results)
    assert book.states() == ["abandoned", "replayed"]
    assert [action.to.topic_epoch for action in results.replayed] == [1]
    assert len(standing(kafka, topic)) == 1


def test_a_replay_that_may_be_at_work_is_waited_for(topic: KafkaTopic):
    """A fresh intent may be somebody's who is sending just now: wait until that must be over, and look again."""
    book, results = MemoryBook(), Results()
    other = Action(record(topic).place, uuid.uuid4(), "replaying", START, "ben", replays=1)
    book.write([other])
    anna = Person(now=START + timedelta(seconds=20))
    sent = other._replace(action="replayed", to=RecordPlace(topic.name, 0, 0, 0))
    book.before_read = [lambda: None, lambda: book.write([sent])]
    resend([record(topic)], anna.run(), topic, book, results)
    assert anna.slept == [pytest.approx(LEASE_SECONDS - 20, abs=0.1)]
    assert anna.said == ["a replay of 1 of these records, by ben, may be at work: waiting 40 s for it"]
    assert [(r.place, r.why) for r in results.refused] == [(record(topic).place, "ben has replayed it meanwhile")]
    assert results.replayed == []


@pytest.mark.parametrize("action", ["replaying", "replayed", "discarded"])
def test_two_people_at_the_same_moment(kafka, topic: KafkaTopic, action: str):
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
            raise NotConfirmed("Kafka did not confirm 1 of 3 records (KafkaTimeoutError)")

    records = [record(topic, offset) for offset in range(3)]
    book, first, second = MemoryBook(), Results(), Results()
    with pytest.raises(NotConfirmed):
        resend(records, Person().run(), Failing(topic, 2), book, first)
    assert [a.place for a in first.replayed] == [r.place for r in records[:2]]
    resend(records[2:], Person(now=START + timedelta(hours=1)).run(), topic, book, second)
    assert [a.place for a in second.replayed] == [records[2].place]
    assert len(standing(kafka, topic)) == 3


def test_kafka_refuses_a_record(topic: KafkaTopic):
    """A record that the broker does not take is not confirmed, and says why."""
    large = Outgoing(0, None, b"x" * 3_000_000, (), 1, edited=False)
    with pytest.raises(NotConfirmed, match=r"did not confirm 2 of 2 records \(Message"):
        list(topic.send([large, large]))


def test_no_broker():
    """One sentence, no traceback of the client."""
    with (
        pytest.raises(KafkaUnreachable, match="KAFKA_BOOTSTRAP_SERVERS"),
        kafka_topic({"bootstrap_servers": ["127.0.0.1:1"]}, "topic", 0),
    ):
        pytest.fail("nothing answers there")
