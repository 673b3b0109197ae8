"""A hand-written loop on confluent-kafka: no state that survives, nothing overlaps but what librdkafka does itself.

After confluent-kafka's "Getting Started" (consume in batches, synchronous commits) and librdkafka's INTRODUCTION.md,
which names `linger.ms` and the queue sizes for throughput. It decides with the product's `process_batch`, a whole
partition's batch at a time: the best that such a loop could call. Marks are kept in a dict: a restart forgets them.
"""

from collections.abc import Sequence
from typing import NamedTuple

from common import Setup, read_register
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from schemas.ledger import Headers, Rows
from schemas.registry_document import read_sample
from streams.decide import PartitionInfo, process_batch

BATCH = 20_000
SECONDS = 0.3


class Record(NamedTuple):
    """A record as `process_batch` reads it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers


def record_of(message: Message) -> Record:
    """A confluent-kafka message as such a record."""
    return Record(
        message.offset(), message.timestamp()[1], message.key(), message.value(), tuple(message.headers() or ())
    )


def main() -> None:
    """Run until killed."""
    setup = Setup.read()
    register, clusters, writer = read_register(setup), read_sample().by_source, setup.writer()
    topics = {"enriched": setup.enriched, "rejected": setup.rejected, "events": setup.topic}
    known: dict[bytes, bytes] = {}

    def known_of(keys: Sequence[bytes]) -> list[bytes | None]:
        return [known.get(key) for key in keys]

    consumer = Consumer(
        {
            "bootstrap.servers": setup.bootstrap,
            "group.id": setup.group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "queued.min.messages": 2 * BATCH,
        }
    )
    producer = Producer(
        {
            "bootstrap.servers": setup.bootstrap,
            "acks": "all",
            "linger.ms": 20,
            "batch.size": 900_000,
            "queue.buffering.max.messages": 10 * BATCH,
        }
    )
    consumer.subscribe([setup.topic])
    while True:
        messages = consumer.consume(BATCH, SECONDS)
        if not messages:
            continue
        parts: dict[int, list[Record]] = {}
        for message in messages:
            parts.setdefault(message.partition(), []).append(record_of(message))
        rows = Rows()
        for partition, records in parts.items():
            place = PartitionInfo(setup.topic, 0, partition, setup.partitions)
            batch = process_batch(place, records, seen=known_of, register=register, clusters=clusters, condemned={})
            known.update(batch.marks)
            rows.extend(batch.rows)
            for output in batch.outputs:
                producer.produce(
                    topics[output.to], output.value, output.key, output.partition, headers=list(output.headers)
                )
            producer.poll(0)
        writer.insert(rows)
        producer.flush()
        ends = [TopicPartition(setup.topic, p, records[-1].offset + 1) for p, records in parts.items()]
        consumer.commit(offsets=ends, asynchronous=False)


if __name__ == "__main__":
    main()
