"""Step 6 of delivery: nothing counts as sent before Kafka has confirmed all of it.

The gate below takes the place of the producer to hold its confirmations back, which a real one cannot be asked for. Its
batches are aiokafka's own; how Kafka behaves is the matter of the last test, and of `tests/chaos`.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError, RequestTimedOutError
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.structs import RecordMetadata
from kafka import KafkaAdminClient

from streams.decide import Output
from streams.outbox import KafkaOutbox, KafkaParcel

TOPICS = {"events": "events.v1", "enriched": "enriched.v1", "rejected": "rejected.v1"}
CHANGELOG = "marks"
BATCH = 400
"""Bytes of a batch, so that a few records fill several."""
MARKS = {0: {b"k%d" % n: b"m" for n in range(40)}, 2: {b"x": b"y"}}
OUTPUTS = [
    *(Output("enriched", 0, b"%d" % n, b"e" * 40, [("ct-origin", b"t/0/%d" % n)]) for n in range(20)),
    Output("enriched", 1, b"one", b"e", []),
    Output("rejected", 1, None, b"r" * 4 * BATCH, []),
    Output("events", 0, b"on", b"s", []),
]
PRODUCED = {("enriched.v1", 0), ("enriched.v1", 1), ("rejected.v1", 1), ("events.v1", 0), ("marks", 0), ("marks", 2)}


class Gate:
    """Accepts what a producer accepts, and confirms on request."""

    def __init__(self) -> None:
        self.sent: list[tuple[RecordMetadata, asyncio.Future[RecordMetadata]]] = []
        """What would be confirmed, and to whom."""
        self.ends: dict[tuple[str, int], int] = {}

    def create_batch(self) -> BatchBuilder:
        """As aiokafka makes them, only smaller."""
        return BatchBuilder(BATCH, 0)

    async def send_batch(self, batch: BatchBuilder, topic: str, *, partition: int) -> asyncio.Future[RecordMetadata]:
        """Waits for `confirm` or `fail`."""
        return self._take(topic, partition, batch.record_count())

    async def send(
        self, topic: str, _value: bytes, _key: bytes | None, *, partition: int, headers: Sequence[Any]
    ) -> asyncio.Future[RecordMetadata]:
        """One record alone, waits too."""
        del headers
        return self._take(topic, partition, 1)

    def _take(self, topic: str, partition: int, records: int) -> asyncio.Future[RecordMetadata]:
        base = self.ends.get((topic, partition), 0)
        self.ends[topic, partition] = base + records
        place = TopicPartition(topic, partition)
        future: asyncio.Future[RecordMetadata] = asyncio.get_running_loop().create_future()
        self.sent.append((RecordMetadata(topic, partition, place, base, None, 1, 0), future))
        return future

    def confirm(self, number: int) -> None:
        """Confirm one of the batches, in the order in which they were sent."""
        place, future = self.sent[number]
        future.set_result(place)

    def fail(self, number: int, error: Exception) -> None:
        """The same, but Kafka refused it."""
        self.sent[number][1].set_exception(error)


async def settled(sending: "asyncio.Task[Any]") -> bool:
    """Whether `send` is over once everything that could run has run."""
    for _ in range(20):
        await asyncio.sleep(0)
    return sending.done()


def packed(outbox: KafkaOutbox, outputs: Sequence[Output]) -> KafkaParcel:
    """The outputs in a parcel, in three parts as a pipeline adds them."""
    parcel = outbox.parcel()
    for part in (outputs[:7], outputs[7:8], outputs[8:]):
        parcel.add(part)
    return parcel


def held(
    look: Callable[[Gate, "asyncio.Task[dict[int, int]]"], Awaitable[None]],
    outputs: Sequence[Output] = OUTPUTS,
    marks: Mapping[int, Mapping[bytes, bytes]] = MARKS,
) -> None:
    """Send to a gate, and look at both as soon as all there is to send is at the gate."""

    async def main() -> None:
        gate = Gate()
        outbox = KafkaOutbox(lambda: gate, TOPICS, CHANGELOG)
        sending = asyncio.ensure_future(outbox.send(packed(outbox, outputs), marks))
        assert not await settled(sending), "nothing is confirmed"
        await look(gate, sending)

    asyncio.run(main())


def batches() -> list[int]:
    """Numbers of the batches that the sample fills."""
    found: list[int] = []

    async def count(gate: Gate, sending: "asyncio.Task[dict[int, int]]") -> None:
        found.extend(range(len(gate.sent)))
        sending.cancel()

    held(count)
    return found


def test_outputs_and_marks_are_at_the_gate_together() -> None:
    """Everything is handed to the producer before the first confirmation, in several batches where one is too small."""

    async def look(gate: Gate, sending: "asyncio.Task[dict[int, int]]") -> None:
        places = [tuple(place.topic_partition) for place, _ in gate.sent]
        assert set(places) == PRODUCED
        assert places.count(("marks", 0)) > 1
        assert gate.ends["enriched.v1", 0] == 20
        assert gate.ends["rejected.v1", 1] == 1, "larger than a batch"
        sending.cancel()

    held(look)


@pytest.mark.parametrize("last", batches())
def test_it_waits_for_every_confirmation(last: int) -> None:
    """Whichever batch is confirmed last, of outputs or of marks, `send` has not returned before."""

    async def look(gate: Gate, sending: "asyncio.Task[dict[int, int]]") -> None:
        for number in range(len(gate.sent)):
            if number != last:
                gate.confirm(number)
        assert not await settled(sending)
        gate.confirm(last)
        assert await sending == {0: 39, 2: 0}

    held(look)


@pytest.mark.parametrize("lost", batches())
def test_one_that_fails_fails_all(lost: int) -> None:
    """Whichever batch Kafka refuses, of outputs or of marks, `send` raises its error once all are known."""

    async def look(gate: Gate, sending: "asyncio.Task[dict[int, int]]") -> None:
        gate.fail(lost, RequestTimedOutError())
        others = [number for number in range(len(gate.sent)) if number != lost]
        assert not await settled(sending), "what is still open may yet arrive"
        for number in others:
            gate.confirm(number)
        with pytest.raises(RequestTimedOutError):
            await sending

    held(look)


def test_a_cancelled_batch_is_no_confirmation() -> None:
    """A producer that stops cancels what it holds: that is not sent either."""

    async def look(gate: Gate, sending: "asyncio.Task[dict[int, int]]") -> None:
        gate.sent[0][1].cancel()
        for number in range(1, len(gate.sent)):
            gate.confirm(number)
        with pytest.raises(asyncio.CancelledError):
            await sending

    held(look)


def test_two_that_fail_leave_no_error_unseen() -> None:
    """The first error is raised; that of another batch does not become a warning of asyncio later."""

    async def look(gate: Gate, sending: "asyncio.Task[dict[int, int]]") -> None:
        unseen: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: unseen.append(context))
        for number in range(len(gate.sent)):
            gate.fail(number, KafkaError(f"batch {number}"))
        with pytest.raises(KafkaError, match="batch 0"):
            await sending
        gate.sent.clear()
        await settled(sending)
        assert unseen == []

    held(look)


@pytest.mark.integration
def test_what_is_returned_is_there(kafka: Any) -> None:
    """On a real Kafka, the offset that `send` gives for a partition is that of its last mark, and all of it is there.

    However often the same parcel is sent: Kafka would drop a batch that has the producer's old number.
    """
    names = {to: f"{to}-{uuid.uuid4().hex[:12]}" for to in (*TOPICS, CHANGELOG)}
    admin = KafkaAdminClient(bootstrap_servers=[kafka.bootstrap])
    admin.create_topics({name: {"num_partitions": 3, "replication_factor": 1} for name in names.values()})
    admin.wait_for_topics(list(names.values()))
    admin.close()

    async def main() -> tuple[list[dict[int, int]], dict[tuple[str, int], list[Any]]]:
        producer = AIOKafkaProducer(
            bootstrap_servers=kafka.bootstrap, acks="all", enable_idempotence=True, max_batch_size=BATCH
        )
        await producer.start()
        try:
            outbox = KafkaOutbox(lambda: producer, names, names[CHANGELOG])
            parcel = packed(outbox, OUTPUTS)
            ends = [await outbox.send(parcel, MARKS) for _ in range(3)]
        finally:
            await producer.stop()
        consumer = AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap, auto_offset_reset="earliest")
        await consumer.start()
        try:
            places = [TopicPartition(name, partition) for name in names.values() for partition in range(3)]
            consumer.assign(places)
            until = {place: end for place, end in (await consumer.end_offsets(places)).items() if end}
            found: dict[tuple[str, int], list[Any]] = {tuple(place): [] for place in until}
            async with asyncio.timeout(30):
                while any(len(found[tuple(place)]) < end for place, end in until.items()):
                    for place, records in (await consumer.getmany(timeout_ms=200)).items():
                        found[tuple(place)] += records
        finally:
            await consumer.stop()
        return ends, found

    ends, found = asyncio.run(main())
    marks = {partition: found[names[CHANGELOG], partition] for partition in MARKS}
    for partition, keys in MARKS.items():
        assert [end[partition] for end in ends] == [n * len(keys) - 1 for n in (1, 2, 3)]
        assert [(r.key, r.value) for r in marks[partition]] == 3 * list(keys.items())
    for to, partition in {(output.to, output.partition) for output in OUTPUTS}:
        wanted = [(o.key, o.value, o.headers) for o in OUTPUTS if (o.to, o.partition) == (to, partition)]
        there = [(r.key, r.value, [*r.headers]) for r in found[names[to], partition]]
        assert there == 3 * wanted
