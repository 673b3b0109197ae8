"""Step 6 of delivery: records produced in large batches, every one confirmed.

Outputs are written into batches as soon as they are decided on: bytes take a third of the memory of what they are made
of, and what is freed at once is still in the processor's caches.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from time import time
from typing import Any

from aiokafka.record.default_records import DefaultRecordBatch

from schemas.ledger import Header
from streams.decide import Output

Entry = tuple[bytes | None, bytes | None, list[Header]]
NewBatch = Callable[[], Any]
"""Gives an empty `aiokafka.producer.message_accumulator.BatchBuilder`."""


class Filled:
    """Records of one partition, in their order, in as many batches as they fill.

    aiokafka's own `append` of a batch takes half of its time for what these records do not need: serializers, a
    timestamp each, a count that is kept twice.
    """

    def __init__(self, new_batch: NewBatch) -> None:
        self._new_batch = new_batch
        self._batches: list[Any] = []
        self._records = 0
        """Of the last batch."""
        self._append: Callable[..., Any] = lambda *_: None
        self._given = False

    def add(self, entries: Iterable[Entry]) -> None:
        """Append records."""
        now = int(time() * 1000)  # what each record would be given; these topics keep the time of their brokers
        append, number = self._append, self._records
        for key, value, headers in entries:
            if append(number, now, key, value, headers) is None:
                self._close(number)
                self._batches.append(self._new_batch())
                append, number = self._batches[-1]._builder.append, 0  # noqa: SLF001  (see test_faust_contract)
                append(0, now, key, value, headers)  # a batch takes its first record, however large
            number += 1
        self._append, self._records = append, number

    def batches(self) -> list[Any]:
        """All of them, full; nothing is added afterwards.

        Batches that were given before are rewritten: a producer has put its number into them, and Kafka would drop a
        second one with the same number.
        """
        if self._given:
            again = Filled(self._new_batch)
            for batch in self._batches:
                again.add(_entries(batch))
            self._batches = again.batches()
        else:
            self._close(self._records)
            self._given = True
        return self._batches

    def _close(self, records: int) -> None:
        if self._batches:
            self._batches[-1]._relative_offset = records  # noqa: SLF001  (see test_faust_contract)
            self._batches[-1].close()


def _entries(batch: Any) -> list[Entry]:
    """What a batch holds."""
    built = DefaultRecordBatch(memoryview(bytes(batch._build())))  # noqa: SLF001  (see test_faust_contract)
    return [(record.key, record.value, list(record.headers)) for record in built]


class KafkaParcel:
    """Outputs of one group, as batches."""

    def __init__(self, new_batch: NewBatch) -> None:
        self._new_batch = new_batch
        self.filled: dict[tuple[str, int], Filled] = {}
        """By `Output.to` and partition."""

    def add(self, outputs: Sequence[Output]) -> None:
        """Append outputs."""
        grouped: dict[tuple[str, int], list[Entry]] = {}
        for to, partition, key, value, headers in outputs:
            place: tuple[str, int] = to, partition
            if place not in grouped:
                grouped[place] = []
            grouped[place].append((key, value, headers))
        for place, entries in grouped.items():
            if place not in self.filled:
                self.filled[place] = Filled(self._new_batch)
            self.filled[place].add(entries)


class KafkaOutbox:
    """Produces through the aiokafka producer that Faust runs.

    Args:
        producer: gives the started `AIOKafkaProducer`.
        topics: `Output.to` -> topic.
        changelog: the changelog topic of the dedupe state; None without one.
    """

    def __init__(self, producer: Callable[[], Any], topics: Mapping[str, str], changelog: str | None) -> None:
        self._producer, self._topics, self._changelog = producer, topics, changelog

    def parcel(self) -> KafkaParcel:
        """An empty one."""
        return KafkaParcel(self._new_batch)

    async def send(self, parcel: KafkaParcel, marks: Mapping[int, Mapping[bytes, bytes]]) -> dict[int, int]:
        """Produce outputs and the changelog of marks.

        Returns:
            Partition -> offset of its last changelog record.

        Raises:
            KafkaError: not everything is confirmed; repeat the whole call (repeats carry the same `ct-origin`).
        """
        # All batches enter the producer before the first is awaited, so that they travel together.
        queued = [
            await self._queue(self._topics[to], partition, filled) for (to, partition), filled in parcel.filled.items()
        ]
        marked, no_headers = {}, list[Header]()
        if self._changelog is not None:
            for partition, keys in marks.items():
                filled = Filled(self._new_batch)
                filled.add((key, mark, no_headers) for key, mark in keys.items())
                marked[partition] = await self._queue(self._changelog, partition, filled)
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

    def _new_batch(self) -> Any:
        return self._producer().create_batch()

    async def _queue(self, topic: str, partition: int, filled: Filled) -> list[tuple[Any, int]]:
        """Hand records of one partition to the producer; returns (future, records) of each batch."""
        producer = self._producer()
        return [
            (await producer.send_batch(batch, topic, partition=partition), batch.record_count())
            for batch in filled.batches()
        ]
