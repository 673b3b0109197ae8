"""How accepted events reach Kafka: handed over at once, and answered for when the broker has confirmed them.

    Delivery (Protocol)
    └── KafkaDelivery     kafka-python's idempotent producer, acks=all

Its twin in memory is in tests/support.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from itertools import count
from typing import Any, Final, Protocol

import structlog
from kafka.errors import KafkaError

from schemas.errors import ClustertrackError
from sources.collector.inspection import OutRecord
from sources.collector.limits import Budget
from sources.topic_producer import Place, TopicProducer, why_not_sent

_LOOK_SECONDS: Final = 1.0
"""Between two looks at a producer, or two tries to open one."""
_FLUSH_SECONDS: Final = 2.0
"""At the end, when every request is answered: what is left then was answered as unconfirmed."""
_COLLECT_SECONDS: Final = 0.002
"""How long records wait for those of other requests."""
_RECORD_BYTES: Final = 1_000
"""What a record takes besides its bytes while it is unconfirmed, about."""

log = structlog.get_logger()


class Shipment(Protocol):
    """Records that were handed over together."""

    async def confirmed(self, seconds: float) -> Sequence[Place | None]:
        """Where each of them is, after at most `seconds`; None of what is not confirmed by then, and may still
        arrive.
        """


class NotTakenError(Exception):
    """Nothing was sent; `away`: because Kafka does not confirm, else because too much is unconfirmed."""

    def __init__(self, *, away: bool) -> None:
        super().__init__()
        self.away = away


class Delivery(Protocol):
    """Takes records for Kafka."""

    @property
    def topic(self) -> str:
        """Where they go."""

    def hand_over(self, records: Sequence[OutRecord]) -> Shipment:
        """Send records, at least one; raises NotTakenError."""


class KafkaDelivery:
    """Sends by a producer in a thread of its own; results come back to the event loop.

    A producer that did not confirm in time is given up for a new one: kafka-python 3.0 may never send again once a
    record of it has expired. Until there is one, nothing is taken.

    Args:
        open_producer: of the events topic; is called in a thread, and raises ClustertrackError.
        budget: the bytes that may be unconfirmed, shared with the bodies of requests.
    """

    def __init__(self, open_producer: Callable[[], TopicProducer], budget: Budget) -> None:
        self._open, self._budget = open_producer, budget
        self._producer: TopicProducer | None = open_producer()
        self.topic = self._producer.topic
        self._distrusted = asyncio.Event()
        self._under_way: set[KafkaShipment] = set()
        self._collected: list[KafkaShipment] = []
        self._returned = _Returned()

    @property
    def waits_for(self) -> str:
        """What has to come before anything is taken; empty while it is."""
        return "" if self._producer is not None else "Kafka does not confirm what is sent"

    def hand_over(self, records: Sequence[OutRecord]) -> Shipment:
        """Send records; raises NotTakenError."""
        producer = self._producer
        if producer is None:
            raise NotTakenError(away=True)
        size = sum(record.size + _RECORD_BYTES for record in records)
        if not self._budget.take(size):
            raise NotTakenError(away=False)
        loop = asyncio.get_running_loop()
        shipment = KafkaShipment(records, self._returned, loop, partial(self._distrust, producer))
        self._under_way.add(shipment)
        shipment.done.add_done_callback(lambda _: self._settled(shipment, producer, size))
        if not self._collected:
            loop.call_later(_COLLECT_SECONDS, self._append, producer)
        self._collected.append(shipment)
        return shipment

    def _append(self, producer: TopicProducer) -> None:
        """Records of several requests at once: the producer's thread and ours take turns, and each turn costs."""
        collected, self._collected = self._collected, []
        for shipment in collected:
            for record in shipment.records:
                try:
                    sent = producer.append(record.number, record.key, record.value, record.headers, shipment.one)
                except KafkaError as error:
                    shipment.refuse(error)
                else:
                    shipment.futures.append(sent)

    def _settled(self, shipment: "KafkaShipment", producer: TopicProducer, size: int) -> None:
        """All of it is confirmed or given up: in the event loop."""
        self._under_way.discard(shipment)
        self._budget.give(size)
        if (error := shipment.error) is not None:
            self._distrust(producer, why_not_sent(self.topic, error))

    def _distrust(self, producer: TopicProducer, why: str) -> None:
        if producer is self._producer:  # else it is being replaced
            self._producer = None
            log.warning("Kafka does not confirm, publishers are asked to send again", error=why)
            self._distrusted.set()

    async def run(self) -> None:
        """Replace producers that are given up, forever."""
        producer = self._producer
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._distrusted.wait(), _LOOK_SECONDS)
            if producer is not None and (why := producer.trouble):
                self._distrust(producer, why)
            if self._distrusted.is_set() and producer is not None:
                given_up = tuple(self._under_way)
                await asyncio.to_thread(producer.close)
                for shipment in given_up:
                    shipment.finish()
                producer = self._producer = await self._opened()
                self._distrusted.clear()
                log.info("Kafka confirms again")

    async def _opened(self) -> TopicProducer:
        while True:
            try:
                return await asyncio.to_thread(self._open)
            except ClustertrackError as error:
                log.debug("Kafka cannot be used yet", error=str(error))
                await asyncio.sleep(_LOOK_SECONDS)

    def close(self) -> None:
        """Send what is left, and close."""
        if self._producer is not None:
            with suppress(KafkaError):
                self._producer.flush(_FLUSH_SECONDS)
            self._producer.close()


class _Returned:
    """Brings shipments from the producer's thread to the event loop, those of a moment together."""

    def __init__(self) -> None:
        self._shipments: deque[KafkaShipment] = deque()
        self._is_told = False

    def add(self, shipment: "KafkaShipment", loop: asyncio.AbstractEventLoop) -> None:
        """All of it is settled; called in any thread."""
        self._shipments.append(shipment)
        if not self._is_told:
            self._is_told = True
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(self._finish)

    def _finish(self) -> None:
        self._is_told = False  # before any is taken: what comes from now on is told again
        while self._shipments:
            self._shipments.popleft().finish()


class KafkaShipment:
    """Waits for the futures of the producer's thread.

    Args:
        records: that are handed over; at least one.
        returned: brings it back.
        loop: in which it is waited for.
        late: is called, with the reason, when nothing came back in time.
    """

    def __init__(
        self,
        records: Sequence[OutRecord],
        returned: _Returned,
        loop: asyncio.AbstractEventLoop,
        late: Callable[[str], None],
    ) -> None:
        self.records = records
        self._returned, self._loop, self._late = returned, loop, late
        self.futures: list[Any] = []
        """Of the records, in their order; None for those that the producer does not take."""
        self._settled = count(1)
        self.done: asyncio.Future[None] = loop.create_future()
        self._waiter: asyncio.Future[None] | None = None
        self._refused: BaseException | None = None

    def refuse(self, error: BaseException) -> None:
        """The next record, which the producer does not take."""
        self.futures.append(None)
        self._refused = error
        self.one(None)

    def one(self, _result: object) -> None:
        """One of the records is settled; called in any thread."""
        # `next` of a count is atomic, `+=` of a number is not.
        if next(self._settled) == len(self.records):
            self._returned.add(self, self._loop)

    @property
    def error(self) -> BaseException | None:
        """Why one of the records is not confirmed, if that is known."""
        failed = (one.exception for one in self.futures if one is not None and one.is_done and one.failed())
        return next(failed, self._refused)

    def finish(self) -> None:
        """Nothing more will come of it; in the event loop."""
        _wake(self.done)
        if self._waiter is not None:
            _wake(self._waiter)

    async def confirmed(self, seconds: float) -> Sequence[Place | None]:
        """Where each of the records is; see `Shipment`."""
        if not self.done.done():
            # Not asyncio.wait, which takes as long as judging an event.
            self._waiter = self._loop.create_future()
            timer = self._loop.call_later(seconds, _wake, self._waiter)
            await self._waiter
            timer.cancel()
        if not self.done.done():
            self._late(f"nothing came back in {seconds:.0f} s")
        places: list[Place | None] = []
        for future in self.futures:
            found = None if future is None or not future.is_done or future.failed() else future.value
            places.append(None if found is None else Place(found.partition, found.offset))
        return places or [None] * len(self.records)


def _wake(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
