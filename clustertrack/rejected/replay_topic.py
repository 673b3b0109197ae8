"""The topic that records are sent to again, on a real Kafka: every record confirmed, and found again by its header."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from typing import Any, Final

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError, KafkaTimeoutError

from brokers.connection import KafkaConnection
from brokers.explain import KafkaUnreachable, await_usable, explained, is_authorization, right
from brokers.kafka_python import consumer
from brokers.record_headers import EDITED_FROM, REPLAY_OF
from clustertrack.rejected.outgoing import Outgoing
from clustertrack.rejected.replay import LEASE_SECONDS, Standing, Window
from schemas.addresses import RecordAddress
from schemas.errors import Unreachable
from sources.publisher import MAX_RECORD

_CONNECT_MS: Final = 10_000
_REQUEST_MS: Final = 10_000
_DELIVERY_MS: Final = 30_000
_READ_SECONDS: Final = 300
"""Longest time to read through what arrived while an interrupted replay can have been sent."""
_ARRIVES_MS: Final = 2 * LEASE_SECONDS * 1000 + _DELIVERY_MS + _REQUEST_MS
"""So long after the first of the intents in a window, which are noted within a lease, a record can arrive."""
_LOG_APPEND_TIME: Final = 1
_POLL_MS: Final = 500
_THEN: Final = "then repeat the command"


class KafkaTopic:
    """The real `clustertrack.rejected.replay.Topic`. Use `kafka_topic` to open one."""

    def __init__(
        self, kafka: KafkaConnection, name: str, epoch: int, producer: KafkaProducer, consumer: KafkaConsumer
    ) -> None:
        self.name = name
        self.epoch = epoch
        self._kafka = kafka
        self._producer = producer
        self._consumer = consumer

    def ends(self, partitions: Iterable[int]) -> dict[int, int]:
        """Partition -> the offset that the next record gets. Raises KafkaUnreachable."""
        with _reached(self._kafka, self.name):
            ends = self._consumer.end_offsets([TopicPartition(self.name, partition) for partition in partitions])
        return {place.partition: end for place, end in ends.items()}

    def find(self, windows: Mapping[int, Window]) -> Standing:
        """See `clustertrack.rejected.replay.Topic`.

        Raises:
            KafkaUnreachable: also when it takes longer than five minutes.
        """
        windows_at = {TopicPartition(self.name, partition): window for partition, window in windows.items()}
        standing = Standing({}, {})
        latest: dict[TopicPartition, int] = {}
        consumer = self._consumer
        deadline = time.monotonic() + _READ_SECONDS
        with _reached(self._kafka, self.name):
            consumer.assign(list(windows_at))
            first, ends = consumer.beginning_offsets(list(windows_at)), consumer.end_offsets(list(windows_at))
            standing.lows.update({place.partition: low for place, low in first.items()})
            for place, window in windows_at.items():
                consumer.seek(place, max(window.offset, first[place]))
            reading = set(windows_at)
            while reading := {place for place in reading if consumer.position(place) < ends[place]}:
                if time.monotonic() > deadline:
                    raise KafkaUnreachable(
                        f"{self.name} cannot be read to where an interrupted replay can stand within {_READ_SECONDS} "
                        "s, so that nobody knows what became of it: repeat the command when Kafka is less busy"
                    )
                for place, records in consumer.poll(timeout_ms=_POLL_MS).items():
                    # By the broker's clock too, which the first record shows: the command's own clock may be slow.
                    noted = int(windows_at[place].at.timestamp() * 1000)
                    latest.setdefault(place, max(noted, records[0].timestamp) + _ARRIVES_MS)
                    if not self._read(records, latest[place], standing):
                        consumer.pause(place)
                        reading.discard(place)
        return standing

    def _read(self, records: Sequence[Any], latest: int, standing: Standing) -> bool:
        """Look at records of one partition; returns whether what is looked for can still come after them."""
        for record in records:
            # A publisher's own time does not say when a record arrived.
            if record.timestamp_type == _LOG_APPEND_TIME and record.timestamp > latest:
                return False
            for name, value in record.headers:
                if name in (REPLAY_OF, EDITED_FROM):
                    stands = RecordAddress(self.name, self.epoch, record.partition, record.offset)
                    standing.found.setdefault((value or b"").decode("utf-8", "replace"), []).append(stands)
        return True

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
                f"Kafka did not confirm {len(records) - confirmed} of {len(records)} records "
                f"({lacks or type(error).__name__}): "
                "repeat the command when Kafka answers, it finds out which of them arrived"
            ) from error


@contextmanager
def kafka_topic(kafka: KafkaConnection, name: str, epoch: int) -> Iterator[KafkaTopic]:
    """An existing topic, to send to and to read; closed at the end.

    Args:
        kafka: where the brokers are.
        name: of the topic.
        epoch: how often it was deleted and re-created so far.

    Raises:
        KafkaUnreachable
    """
    await_usable(kafka, 0, note=_THEN)
    with _reached(kafka, name):
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
        with ExitStack() as opened:
            # Uncommitted records are read too: ours are in no transaction, and another's must not hide them.
            with _reached(kafka, name):
                reader = opened.enter_context(consumer(kafka, timeout_ms=_REQUEST_MS, auto_offset_reset="earliest"))
            yield KafkaTopic(kafka, name, epoch, producer, reader)
    finally:
        # What matters is confirmed; the next run finds out about the rest.
        with suppress(KafkaTimeoutError):
            producer.close(timeout=1)


def _reached(kafka: KafkaConnection, topic: str) -> AbstractContextManager[None]:
    """Turns Kafka's errors within the block into one sentence."""
    return explained(kafka, needs=right("Read and Write", "topic", topic), note=_THEN)
