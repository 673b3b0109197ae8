"""Step 6 of delivery: records produced in large batches, every one confirmed."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from schemas.ledger import Header
from streams.batch import Output

Entry = tuple[bytes | None, bytes | None, list[Header]]


class KafkaOutbox:
    """Produces through the aiokafka producer that Faust runs."""

    def __init__(self, producer: Callable[[], Any], topics: Mapping[str, str], changelog: str | None) -> None:
        """Args:
        producer: gives the started `AIOKafkaProducer`.
        topics: `Output.to` -> topic.
        changelog: the changelog topic of the dedupe state; None without one.
        """
        self._producer, self._topics, self._changelog = producer, topics, changelog

    async def send(self, outputs: Sequence[Output], marks: Mapping[int, Mapping[bytes, bytes]]) -> dict[int, int]:
        """Produce outputs and the changelog of marks.

        Returns:
            Partition -> offset of its last changelog record.

        Raises:
            KafkaError: not everything is confirmed; repeat the whole call (repeats carry the same `ct-origin`).
        """
        grouped: dict[tuple[str, int], list[Entry]] = defaultdict(list)
        topics = self._topics
        for to, partition, key, value, headers in outputs:
            grouped[topics[to], partition].append((key, value, headers))
        # All batches enter the producer before the first is awaited, so that they travel together.
        queued = [await self._queue(topic, partition, entries) for (topic, partition), entries in grouped.items()]
        marked, no_headers = {}, list[Header]()
        if self._changelog is not None:
            for partition, keys in marks.items():
                entries = [(key, mark, no_headers) for key, mark in keys.items()]
                marked[partition] = await self._queue(self._changelog, partition, entries)
        futures = [future for batches in (*queued, *marked.values()) for future, _ in batches]
        confirmed = await asyncio.gather(*futures, return_exceptions=True)
        failed = [result for result in confirmed if isinstance(result, BaseException)]
        if failed:
            raise failed[0]
        return {
            partition: batches[-1][0].result().offset + batches[-1][1] - 1
            for partition, batches in marked.items()
            if batches
        }

    async def _queue(self, topic: str, partition: int, entries: Sequence[Entry]) -> list[tuple[Any, int]]:
        """Hand records of one partition to the producer as ready-made batches; returns (future, records) of each."""
        producer = self._producer()
        futures: list[tuple[Any, int]] = []
        batch, number = producer.create_batch(), 0
        append = batch.append
        for key, value, headers in entries:
            if append(key=key, value=value, timestamp=None, headers=headers) is None:
                futures.append((await producer.send_batch(batch, topic, partition=partition), number))
                batch, number = producer.create_batch(), 0
                append = batch.append
                if append(key=key, value=value, timestamp=None, headers=headers) is None:
                    # Larger than a batch: it travels alone.
                    sent = await producer.send(topic, value, key, partition=partition, headers=headers)
                    futures.append((sent, 1))
                    continue
            number += 1
        if number:
            futures.append((await producer.send_batch(batch, topic, partition=partition), number))
        return futures
