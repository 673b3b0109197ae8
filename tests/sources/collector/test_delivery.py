"""What both deliveries promise, on both; that of Kafka with a producer whose thread does what the test says."""

import asyncio
import threading
import uuid
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from kafka import KafkaAdminClient
from kafka.admin import NewTopic
from kafka.errors import KafkaTimeoutError
from kafka.future import Future
from memory_delivery import MemoryDelivery

from brokers.connection import KafkaConnection
from schemas.errors import Unreachable
from sources.collector.delivery import Delivery, KafkaDelivery, NotTakenError
from sources.collector.inspection import OutRecord
from sources.collector.limits import Budget
from sources.topic_producer import Place, TopicProducer, open_producer


def record(number: int, size: int = 10) -> OutRecord:
    return OutRecord("https://x", f"{number}", number, b"13748136", bytes(size), ())


class Producer:
    """Confirms records in a thread of its own, as kafka-python does, when it is told to."""

    topic, trouble = "activity.events.v1", ""

    def __init__(self, *, confirms: bool = True) -> None:
        self.futures: list[Future] = []
        self.confirms, self.closed = confirms, False

    def append(self, number: int, key: bytes, value: bytes, headers: Any, then: Callable[[object], None]) -> Future:
        del key, value, headers
        future = Future().add_both(then)
        self.futures.append(future)
        if self.confirms:
            result = SimpleNamespace(partition=number % 3, offset=len(self.futures) - 1)
            threading.Thread(target=future.success, args=(result,)).start()
        return future

    def fail(self) -> None:
        """Every record that is not confirmed has expired."""
        for future in self.futures:
            if not future.is_done:
                threading.Thread(target=future.failure, args=(KafkaTimeoutError("expired"),)).start()

    def flush(self, seconds: float) -> None:
        """Nothing is left."""

    def close(self) -> None:
        self.closed = True


def kafka(*producers: Producer | None, held: int = 1_000_000) -> KafkaDelivery:
    """A delivery that opens these producers one after the other; None cannot be opened."""
    left = list(producers)

    def opened() -> TopicProducer:
        found = left.pop(0)
        if found is None:
            raise Unreachable("away")
        return cast("TopicProducer", found)

    return KafkaDelivery(opened, Budget(held))


@pytest.mark.parametrize(
    "make", [pytest.param(MemoryDelivery, id="memory"), pytest.param(lambda: kafka(Producer()), id="kafka")]
)
def test_contract_of_deliveries(make: Callable[[], Delivery]):
    """Every record has a place of its own, in the order in which they were handed over."""

    async def run() -> None:
        delivery = make()
        assert delivery.topic == "activity.events.v1"
        shipments = [delivery.hand_over([record(n), record(n + 1)]) for n in range(0, 50, 2)]
        places = [place for shipment in shipments for place in await shipment.confirmed(10)]
        assert len(set(places)) == 50
        assert None not in places
        assert [place.offset for place in places if place] == list(range(50))

    asyncio.run(run())


def test_what_is_not_confirmed_in_time():
    """It has no place, and the producer is given up for another one; meanwhile nothing is taken."""
    first, second = Producer(confirms=False), Producer()

    async def run() -> None:
        delivery = kafka(first, None, second)
        running = asyncio.create_task(delivery.run())
        late = delivery.hand_over([record(1), record(2)])
        assert await late.confirmed(0.05) == [None, None]
        with pytest.raises(NotTakenError) as caught:
            delivery.hand_over([record(3)])
        assert caught.value.away
        assert delivery.waits_for
        while delivery.waits_for:
            await asyncio.sleep(0.01)
        assert first.closed
        assert delivery._budget.held == 0, "what the first producer held is forgotten"
        assert await delivery.hand_over([record(4)]).confirmed(10) == [Place(1, 0)]
        running.cancel()

    asyncio.run(run())


def test_a_record_that_fails():
    """The others of its shipment keep their places; the producer is not trusted any more."""
    first, second = Producer(), Producer()

    async def run() -> None:
        delivery = kafka(first, second)
        running = asyncio.create_task(delivery.run())
        sent = delivery.hand_over([record(1)])
        assert await sent.confirmed(10) == [Place(1, 0)]
        first.confirms = False
        failing = delivery.hand_over([record(2), record(3)])
        while len(first.futures) < 3:
            await asyncio.sleep(0.01)
        first.futures[1].success(SimpleNamespace(partition=2, offset=7))
        first.fail()
        assert await failing.confirmed(10) == [Place(2, 7), None]
        while not delivery.waits_for:
            await asyncio.sleep(0.01)
        while delivery.waits_for:
            await asyncio.sleep(0.01)
        assert first.closed
        running.cancel()

    asyncio.run(run())


def test_what_is_unconfirmed_is_bounded():
    """By its bytes, of all requests together; what is confirmed makes room."""
    producer = Producer(confirms=False)

    async def run() -> None:
        delivery = kafka(producer, held=5_000)
        first = delivery.hand_over([record(1, 1_000), record(2, 1_000)])
        with pytest.raises(NotTakenError) as caught:
            delivery.hand_over([record(3, 1_000)])
        assert not caught.value.away
        while len(producer.futures) < 2:
            await asyncio.sleep(0.001)
        for number, future in enumerate(producer.futures):
            future.success(SimpleNamespace(partition=0, offset=number))
        await first.confirmed(10)
        assert delivery._budget.held == 0
        delivery.hand_over([record(3, 1_000)])
        delivery.close()
        assert producer.closed

    asyncio.run(run())


def test_a_producer_in_trouble_is_replaced():
    """Even if nothing is being sent."""
    first, second = Producer(), Producer()

    async def run() -> None:
        delivery = kafka(first, second)
        running = asyncio.create_task(delivery.run())
        first.trouble = "the producer's thread has ended"
        while not first.closed or delivery.waits_for:
            await asyncio.sleep(0.01)
        running.cancel()

    asyncio.run(run())


@pytest.mark.integration
def test_batches_that_the_topic_does_not_take_are_split(kafka: Any):
    """Of a topic that takes no batch as large as ours, every record has its place."""
    topic = f"delivery-{uuid.uuid4().hex[:8]}"
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    admin.create_topics([NewTopic(topic, 1, 1, topic_configs={"max.message.bytes": str(64 * 1024)})])
    admin.close()

    async def run() -> None:
        delivery = KafkaDelivery(lambda: open_producer(KafkaConnection(kafka.bootstrap), topic), Budget(1_000_000))
        try:
            sent = delivery.hand_over([record(n, 1_000) for n in range(200)])
            assert await sent.confirmed(30) == [Place(0, offset) for offset in range(200)]
            assert not delivery.waits_for, "it was noticed only after its time"
        finally:
            delivery.close()

    asyncio.run(run())
