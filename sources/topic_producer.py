"""kafka-python's idempotent producer (acks=all) of one topic, whose records are appended below its `send`."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from time import monotonic
from typing import Any, Final, NamedTuple

from kafka import KafkaProducer
from kafka.errors import KafkaTimeoutError
from kafka.producer.future import FutureProduceResult
from kafka.structs import TopicPartition

from brokers.admin import CONNECT_MS, NOTHING_SENT, require_topic
from brokers.connection import KafkaConnection
from brokers.explain import explained, is_authorization, right
from brokers.kafka_python import close_producer
from schemas.errors import first_line

MAX_RECORD: Final = 1024 * 1024
"""Bytes of one record batch that the events topic takes (`max.message.bytes`)."""
REQUEST_MS: Final = 15_000
DELIVERY_MS: Final = 60_000
"""A broker that restarts is back within seconds; after a minute a person should know."""
LINGER_MS: Final = 50

_BATCH: Final = 512 * 1024
"""Large batches: a third of the broker's work, and the client's cost is per batch, too. Must stay below MAX_RECORD."""
_REQUEST: Final = 4 * MAX_RECORD


class Place(NamedTuple):
    """Where a record is in its topic."""

    partition: int
    offset: int


class Confirmation:
    """What we use of kafka-python's future of a record: it is done when its batch is.

    The library's own has a lock, callbacks and metadata, which take a third of the time of sending.
    """

    __slots__ = ("_batch", "_index", "_then")

    def __init__(self, batch: FutureProduceResult, index: int, then: Callable[[object], None] | None = None) -> None:
        self._batch, self._index, self._then = batch, index, then
        if then is not None:
            batch._add_cb_eb(then, then)

    def rebind(self, batch: FutureProduceResult, index: int) -> None:
        """The record is in another batch now: the broker took none as large as the first, so it was split."""
        before, self._batch, self._index = self._batch, batch, index
        if self._then is not None:  # the first batch never calls it
            batch._add_cb_eb(self._then, self._then)
        before._latch.set()  # who waits for the first goes on to the next

    @property
    def is_done(self) -> bool:
        """Whether the record is confirmed, or has failed."""
        return bool(self._batch.is_done)

    @property
    def exception(self) -> Exception | None:
        """Why it has failed, if it is done."""
        _, _, failures = self._batch.value
        return None if failures is None else failures(self._index)

    def failed(self) -> bool:
        """Whether it has failed, if it is done."""
        return self._batch.value[2] is not None

    @property
    def value(self) -> Place:
        """Where the record is, if it is done and has not failed."""
        return Place(self._batch.topic_partition.partition, self._batch.value[0] + self._index)

    def get(self, timeout: float) -> None:
        """Wait for so many seconds; raises KafkaError when it failed, or nothing is known by then."""
        end = monotonic() + timeout
        while not self.is_done:
            if not self._batch.wait(max(0.0, end - monotonic())):
                raise KafkaTimeoutError(f"Timeout after waiting for {timeout} secs.")
        if error := self.exception:
            raise error


class TopicProducer:
    """Use `open_producer` to open one. It has no limit on what it holds (kafka-python 3 has lost its `buffer_memory`):
    the caller needs one.
    """

    def __init__(self, producer: KafkaProducer) -> None:
        self._producer = producer
        self.topic = ""
        self._partitions: list[tuple[TopicPartition, Any, Any]] = []
        """Each with what the accumulator keeps for it: its lock, and its batches."""

    def use(self, topic: str) -> None:
        """Send to this topic from now on; its number of partitions is fixed for life."""
        self.topic = topic
        accumulator = self._producer._accumulator
        places = [TopicPartition(topic, number) for number in range(len(self._producer.partitions_for(topic)))]
        self._partitions = [(place, accumulator._tp_lock(place), accumulator._batches[place]) for place in places]

    def append(
        self,
        number: int,
        key: bytes | None,
        value: bytes,
        headers: Sequence[tuple[str, bytes]],
        then: Callable[[object], None] | None = None,
    ) -> Any:  # noqa: ANN401  (kafka-python carries no types)
        """Hand over a record, to the partition that is the remainder of `number`.

        What `KafkaProducer.send` does with bytes for a partition that is known, without serializers, types, its
        partitioner, a size estimate and a line of debug output that is never written: a third of the time of sending.
        The accumulator opens a batch, and we append to that as it would; returned is a `Confirmation`, or for the first
        record of a batch the library's future, which has all of its methods.

        Args:
            number: hash of the key.
            key: of the record.
            value: of the record.
            headers: of the record.
            then: is called once when the record is confirmed or has failed, mostly in the producer's thread.
        """
        place, lock, batches = self._partitions[number % len(self._partitions)]
        with lock:  # the sender takes batches away under it
            if batches and (written := batches[-1].records.append(None, key, value, headers)) is not None:
                confirmation = Confirmation(batches[-1].produce_future, written.offset, then)
                batches[-1]._record_futures.append(confirmation)
                return confirmation
        future, *_ = self._producer._accumulator.append(place, None, key, value, headers)
        self._producer._sender.wakeup()
        if then is not None:
            future._add_cb_eb(then, then)
        return future

    def flush(self, seconds: float) -> None:
        """Wait until everything is confirmed or has failed; raises KafkaTimeoutError."""
        self._producer.flush(timeout=seconds)

    def close(self) -> None:
        """Close at once: what was not flushed may be lost, or arrive."""
        close_producer(self._producer)

    @property
    def trouble(self) -> str:
        """Why it will never send anything again; empty while it may."""
        if not self._producer._sender.is_alive():
            return "the producer's thread has ended"
        state = self._producer._transaction_manager
        if state is not None and state.has_fatal_error():
            return f"Kafka refuses the producer: {first_line(state.last_error)}"
        return ""


def why_not_sent(topic: str, error: BaseException) -> str:
    """Why Kafka did not take a record, short enough for a sentence."""
    return (
        f"the user lacks the right {right('Write', 'topic', topic)}" if is_authorization(error) else first_line(error)
    )


def open_producer(
    kafka: KafkaConnection,
    topic: str,
    *,
    connect_ms: int = CONNECT_MS,
    request_ms: int = REQUEST_MS,
    delivery_ms: int = DELIVERY_MS,
    linger_ms: int = LINGER_MS,
) -> TopicProducer:
    """A producer of `topic`, to be closed.

    Args:
        kafka: where the brokers are.
        topic: must exist.
        connect_ms: how long to try to reach a broker, and to learn of the topic.
        request_ms: how long one request may take before it is repeated.
        delivery_ms: how long a record may take, repetitions included; at least `request_ms`.
        linger_ms: how long a record waits for others.

    Raises:
        KafkaUnreachable, CheckFailed, Unreachable
    """
    require_topic(kafka, topic, needs="Write", timeout_ms=connect_ms)
    write = right("Write", "topic", topic)
    with explained(kafka, needs=write, note=NOTHING_SENT), ExitStack() as undo:
        producer = KafkaProducer(
            **kafka.for_kafka_python(),
            acks="all",
            enable_idempotence=True,
            batch_size=_BATCH,
            linger_ms=linger_ms,
            max_request_size=_REQUEST,
            allow_auto_create_topics=False,
            bootstrap_timeout_ms=connect_ms,
            max_block_ms=connect_ms,
            request_timeout_ms=request_ms,
            delivery_timeout_ms=max(delivery_ms, request_ms + linger_ms),
        )
        opened = TopicProducer(producer)
        undo.callback(opened.close)
        opened.use(topic)
        undo.pop_all()
    return opened
