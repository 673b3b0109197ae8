"""Reads a whole compacted topic: from its beginning to the end, and then on.

What events are judged and enriched by is held as plain objects in memory, filled by a consumer of their own without a
group: Faust's GlobalTable never stops recovering with several workers (faust-streaming issue 283).
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from brokers.batches import Record
from brokers.connection import KafkaConnection

POLL_MS: Final = 1000
RETRY_SECONDS: Final = 1.0
AT_ONCE: Final = 250
"""Records that are taken in without a break for the event loop."""

log = structlog.get_logger()


class TopicFeed:
    """Hands over every record. `ready` is set when it has caught up with the end that it saw at its start.

    Args:
        take: takes a record in; one that was taken before, or is older than another, must change nothing.
        topic: the compacted topic.
        partitions: how many it has.
        kafka: where the brokers are.
    """

    def __init__(self, take: Callable[[Record], None], topic: str, partitions: int, kafka: KafkaConnection) -> None:
        self._take, self._topic, self._partitions, self._kafka = take, topic, partitions, kafka
        self._failing = False
        self.ready = asyncio.Event()

    async def run(self) -> None:
        """Read forever. After a broken connection, start over from the beginning."""
        while True:
            try:
                await self._read()
            except (KafkaError, OSError) as error:
                if isinstance(error, KafkaError) and not error.retriable:
                    raise  # a missing right, say: it would be retried forever, and never reported
                if not self._failing:  # once, not for each attempt
                    log.warning("topic cannot be read, will be repeated", topic=self._topic, error=str(error))
                self._failing = True
                await asyncio.sleep(RETRY_SECONDS)

    async def _read(self) -> None:
        consumer = AIOKafkaConsumer(
            **self._kafka.for_aiokafka(),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            max_poll_records=5000,
        )
        await consumer.start()
        try:
            partitions = [TopicPartition(self._topic, number) for number in range(self._partitions)]
            consumer.assign(partitions)
            await consumer.seek_to_beginning(*partitions)
            wanted = await consumer.end_offsets(partitions)
            if self._failing:
                log.info("topic can be read again", topic=self._topic)
                self._failing = False
            while True:
                fetched = await consumer.getmany(timeout_ms=POLL_MS)
                for records in fetched.values():
                    await self._apply(records)
                if not self.ready.is_set():
                    positions = [await consumer.position(tp) >= wanted[tp] for tp in partitions]
                    if all(positions):
                        log.info("topic is read, and followed from now on", topic=self._topic)
                        self.ready.set()
        finally:
            await consumer.stop()

    async def _apply(self, records: list[Any]) -> None:
        """Take records in, with a break for the event loop after every `AT_ONCE`."""
        for first in range(0, len(records), AT_ONCE):
            for record in records[first : first + AT_ONCE]:
                self._take(record)
            await asyncio.sleep(0)
