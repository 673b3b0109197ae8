"""The topic that records are sent to again, on a real Kafka: every record confirmed."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from kafka import KafkaProducer
from kafka.errors import KafkaError

from brokers.connection import KafkaConnection
from brokers.explain import await_usable, explained, is_authorization, right
from brokers.kafka_python import close_producer
from clustertrack.rejected.outgoing import Outgoing
from schemas.counts import counted
from schemas.errors import Unreachable
from sources.topic_producer import MAX_RECORD

_CONNECT_MS: Final = 10_000
_REQUEST_MS: Final = 10_000
_DELIVERY_MS: Final = 30_000
_THEN: Final = "then repeat the command"


class KafkaTopic:
    """The real `clustertrack.rejected.replay.Topic`. Use `kafka_topic` to open one."""

    def __init__(self, name: str, epoch: int, producer: KafkaProducer) -> None:
        self.name = name
        self.epoch = epoch
        self._producer = producer

    def send(self, records: Sequence[Outgoing]) -> Iterator[int]:
        """Send records; gives the offset of each, in their order, as soon as it is confirmed. Raises Unreachable."""
        confirmed = 0
        try:
            futures = [
                self._producer.send(
                    self.name, record.value, key=record.key, headers=list(record.headers), partition=record.partition
                )
                for record in records
            ]
            for future in futures:
                offset = future.get(timeout=(_DELIVERY_MS + _REQUEST_MS) / 1000).offset
                confirmed += 1
                yield offset
        except KafkaError as error:
            lacks = f"the user lacks the right {right('Write', 'topic', self.name)}" if is_authorization(error) else ""
            raise Unreachable(
                f"Kafka did not confirm {len(records) - confirmed} of {counted(len(records), 'record')} "
                f"({lacks or type(error).__name__}): "
                "repeat the command when Kafka answers; a record that arrives twice is counted once"
            ) from error


@contextmanager
def kafka_topic(kafka: KafkaConnection, name: str, epoch: int) -> Iterator[KafkaTopic]:
    """An existing topic, to send to; closed at the end.

    Args:
        kafka: where the brokers are.
        name: of the topic.
        epoch: how often it was deleted and re-created so far.

    Raises:
        KafkaUnreachable
    """
    await_usable(kafka, 0, note=_THEN)
    with explained(kafka, needs=right("Write", "topic", name), note=_THEN):
        producer = KafkaProducer(
            **kafka.for_kafka_python(),
            acks="all",
            enable_idempotence=True,
            max_request_size=4 * MAX_RECORD,
            allow_auto_create_topics=False,
            bootstrap_timeout_ms=_CONNECT_MS,
            max_block_ms=_CONNECT_MS,
            request_timeout_ms=_REQUEST_MS,
            delivery_timeout_ms=_DELIVERY_MS,
        )
    try:
        yield KafkaTopic(name, epoch, producer)
    finally:
        # What matters is confirmed; the rest is sent again by the next run.
        close_producer(producer)
