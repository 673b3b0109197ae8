"""kafka-python's idempotent producer (acks=all) of one topic, whose records are appended below its `send`."""

from collections.abc import Sequence
from contextlib import ExitStack, suppress
from typing import Any, Final

from kafka import KafkaProducer
from kafka.errors import KafkaTimeoutError
from kafka.structs import TopicPartition

from brokers.admin import CONNECT_MS, NOTHING_SENT, require_topic
from brokers.connection import KafkaConnection
from brokers.explain import explained, is_authorization, right

MAX_RECORD: Final = 1024 * 1024
"""Bytes of one record batch that the events topic takes (`max.message.bytes`)."""
REQUEST_MS: Final = 15_000
DELIVERY_MS: Final = 60_000
"""A broker that restarts is back within seconds; after a minute a person should know."""
LINGER_MS: Final = 50

_CLOSE_SECONDS: Final = 1
_BATCH: Final = 512 * 1024
"""Large batches: a third of the broker's work, and the client's cost is per batch, too. Must stay below MAX_RECORD."""
_REQUEST: Final = 4 * MAX_RECORD


class TopicProducer:
    """Use `open_producer` to open one. It has no limit on what it holds (kafka-python 3 has lost its `buffer_memory`):
    the caller needs one.
    """

    def __init__(self, producer: KafkaProducer) -> None:
        self._producer = producer
        self.topic = ""
        self._partitions: list[TopicPartition] = []

    def use(self, topic: str) -> None:
        """Send to this topic from now on; its number of partitions is fixed for life."""
        self.topic = topic
        self._partitions = [TopicPartition(topic, n) for n in range(len(self._producer.partitions_for(topic)))]

    def append(self, number: int, key: bytes | None, value: bytes, headers: Sequence[tuple[str, bytes]]) -> Any:  # noqa: ANN401  (kafka-python carries no types)
        """Hand over a record, to the partition that is the remainder of `number`; returns kafka-python's future.

        What `KafkaProducer.send` does with bytes for a partition that is known: it and we append to its accumulator.
        `send` itself takes a third of the time of sending: for serializers, types, its partitioner, a size estimate and
        a line of debug output that is never written.
        """
        producer, partitions = self._producer, self._partitions
        place = partitions[number % len(partitions)]
        future, full, opened, _ = producer._accumulator.append(place, None, key, value, headers)
        if full or opened:
            producer._sender.wakeup()
        return future

    def flush(self, seconds: float) -> None:
        """Wait until everything is confirmed or has failed; raises KafkaTimeoutError."""
        self._producer.flush(timeout=seconds)

    def close(self) -> None:
        """Close at once: what was not flushed may be lost, or arrive."""
        producer = self._producer
        try:
            producer.close(timeout=_CLOSE_SECONDS)
        except KafkaTimeoutError:
            # kafka-python 3.0 gives up here with its thread running, and tries again, noisily, when the object is
            # collected.
            producer._sender.force_close()
            producer._sender.join(_CLOSE_SECONDS)
            with suppress(KafkaTimeoutError):
                producer.close(timeout=_CLOSE_SECONDS)

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


def first_line(error: BaseException) -> str:
    """What an error says, short enough for a sentence."""
    return (str(error).split("\n", 1)[0].strip() or type(error).__name__)[:200]


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
