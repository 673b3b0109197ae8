"""Publishers that are not ours: the four client libraries that CRM teams use, with every codec and every mode.

Message format v2 is the only one here. A broker of Kafka 4 takes no other (KIP-724): what old clients write (v0, v1) is
refused before it is in the log. `tests/streams/test_message_formats.py` tries it.
"""

import asyncio
import base64
import json
import logging
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import confluent_kafka
from aiokafka import AIOKafkaProducer
from kafka import KafkaProducer

from clustertrack.local import java, kafka_jars

CODECS: Final = ("none", "gzip", "snappy", "lz4", "zstd")
"""In the order of their codec numbers."""
MODES: Final = ("plain", "idempotent", "transactional")

SECONDS: Final = 60
LINGER_MS: Final = 2_000
"""How long a client waits for more records of a batch; a flush ends the wait."""
AIO_LINGER_MS: Final = 200
"""The same for aiokafka, where nothing ends the wait."""
BATCH_BYTES: Final = 1_000_000
"""Size of a batch, before compression where the client counts that; the topic takes 1 MiB."""


class Sent(NamedTuple):
    """A record as it is given to a client; without a partition the client chooses one."""

    value: bytes | None
    key: bytes | None = None
    headers: Sequence[tuple[str, bytes | None]] = ()
    partition: int | None = None


class Part(NamedTuple):
    """Records that are sent and flushed together; of a transaction, how it ends."""

    records: Sequence[Sent]
    commit: bool = True


@dataclass(frozen=True)
class Job:
    """What one producer sends."""

    codec: str
    mode: str
    parts: Sequence[Part]
    level: int | None = None
    """Of the codec, for the clients whose level can be set: Java's and confluent's."""
    topic: str = "activity.events.v1"
    name: str = field(default_factory=lambda: f"crm-{uuid.uuid4()}")
    """The id of its transactions."""

    @property
    def transactional(self) -> bool:
        """Whether each part is a transaction."""
        return self.mode == "transactional"


_LOG: Final = logging.getLogger("tests.librdkafka")
"""Without it librdkafka writes to standard error."""

PartitionOffset = tuple[int, int]
"""Partition and offset."""
Client = Callable[[str, Sequence[Job]], list[list[list[PartitionOffset]]]]
"""Bootstrap servers and jobs -> for each job and part the places of its records."""


def kafka_python(bootstrap: str, jobs: Sequence[Job]) -> list[list[list[PartitionOffset]]]:
    """By kafka-python."""
    return [_kafka_python(bootstrap, job) for job in jobs]


def _kafka_python(bootstrap: str, job: Job) -> list[list[PartitionOffset]]:
    producer = KafkaProducer(
        bootstrap_servers=bootstrap,
        acks="all",
        compression_type=None if job.codec == "none" else job.codec,
        enable_idempotence=job.mode != "plain",
        transactional_id=job.name if job.transactional else None,
        linger_ms=LINGER_MS,
        batch_size=BATCH_BYTES,
        max_request_size=4 * BATCH_BYTES,
    )
    found = []
    try:
        if job.transactional:
            producer.init_transactions()
        for part in job.parts:
            if job.transactional:
                producer.begin_transaction()
            waiting = [
                producer.send(job.topic, one.value, key=one.key, headers=list(one.headers), partition=one.partition)
                for one in part.records
            ]
            producer.flush(timeout=SECONDS)
            found.append([(answer.partition, answer.offset) for answer in (f.get(timeout=SECONDS) for f in waiting)])
            if job.transactional:
                producer.commit_transaction() if part.commit else producer.abort_transaction()
    finally:
        producer.close(timeout=10)
    return found


def confluent(bootstrap: str, jobs: Sequence[Job]) -> list[list[list[PartitionOffset]]]:
    """By confluent-kafka: librdkafka, as it is in C, C++, C#, Go, PHP and Node."""
    return [_confluent(bootstrap, job) for job in jobs]


def _confluent(bootstrap: str, job: Job) -> list[list[PartitionOffset]]:
    settings = {
        "bootstrap.servers": bootstrap,
        "compression.type": job.codec,
        "enable.idempotence": job.mode != "plain",
        "partitioner": "murmur2_random",
        "linger.ms": LINGER_MS,
        "batch.size": BATCH_BYTES,
        "message.max.bytes": 4 * BATCH_BYTES,
        **({"compression.level": job.level} if job.level is not None else {}),
        **({"transactional.id": job.name} if job.transactional else {}),
    }
    producer = confluent_kafka.Producer(settings, logger=_LOG)
    found = []
    if job.transactional:
        producer.init_transactions(SECONDS)
    for part in job.parts:
        if job.transactional:
            producer.begin_transaction()
        places: list[PartitionOffset | None] = [None] * len(part.records)

        def confirmed(fault: Any, message: Any, number: int, places: list[PartitionOffset | None]) -> None:
            if fault is None:
                places[number] = message.partition(), message.offset()

        for number, one in enumerate(part.records):
            where = {} if one.partition is None else {"partition": one.partition}
            producer.produce(
                job.topic,
                one.value,
                one.key,
                headers=list(one.headers),
                on_delivery=lambda fault, message, number=number, places=places: confirmed(
                    fault, message, number, places
                ),
                **where,
            )
        producer.flush(SECONDS)
        assert None not in places, f"{job.codec} {job.mode}: not all records are confirmed"
        found.append([place for place in places if place is not None])
        if job.transactional:
            producer.commit_transaction(SECONDS) if part.commit else producer.abort_transaction(SECONDS)
    return found


def aio(bootstrap: str, jobs: Sequence[Job]) -> list[list[list[PartitionOffset]]]:
    """By aiokafka."""

    async def all_of_them() -> list[list[list[PartitionOffset]]]:
        return [await _aio(bootstrap, job) for job in jobs]

    return asyncio.run(all_of_them())


async def _aio(bootstrap: str, job: Job) -> list[list[PartitionOffset]]:
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        acks="all",
        compression_type=None if job.codec == "none" else job.codec,
        enable_idempotence=job.mode != "plain",
        transactional_id=job.name if job.transactional else None,
        linger_ms=AIO_LINGER_MS,
        max_batch_size=BATCH_BYTES,
        max_request_size=4 * BATCH_BYTES,
    )
    await producer.start()
    found = []
    try:
        for part in job.parts:
            if job.transactional:
                await producer.begin_transaction()
            waiting = [
                await producer.send(
                    job.topic, one.value, key=one.key, headers=list(one.headers), partition=one.partition
                )
                for one in part.records
            ]
            answers = await asyncio.gather(*waiting)
            found.append([(answer.partition, answer.offset) for answer in answers])
            if job.transactional:
                await (producer.commit_transaction() if part.commit else producer.abort_transaction())
    finally:
        await producer.stop()
    return found


def java_client(bootstrap: str, jobs: Sequence[Job], runtime: Path | None = None) -> list[list[list[PartitionOffset]]]:
    """Java's own producer, from the jars of the broker. All jobs share one JVM.

    Args:
        bootstrap: where the brokers are.
        jobs: what is sent.
        runtime: the folder of a Java runtime, unless it is the one that the product finds.
    """
    plan = {
        "jvm": str(_jvm(runtime or java.find_java().program.resolve().parent.parent)),
        "jars": str(kafka_jars.ensure_jars()),
        "jobs": [_java_job(bootstrap, job) for job in jobs],
    }
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("java_producer.py"))],
        input=json.dumps(plan),
        env={name: value for name, value in os.environ.items() if not name.startswith(("JAVA_", "JDK_"))},
        capture_output=True,
        text=True,
        timeout=3 * SECONDS,
        check=False,
    )
    if done.returncode:
        raise AssertionError(f"Java's producer ended with {done.returncode}\n{done.stderr}")
    return [[[(p, o) for p, o in part] for part in job] for job in json.loads(done.stdout)]


def _jvm(home: Path) -> Path:
    return home / "lib" / "server" / ("libjvm.dylib" if sys.platform == "darwin" else "libjvm.so")


def _java_job(bootstrap: str, job: Job) -> dict[str, Any]:
    settings = {
        "bootstrap.servers": bootstrap,
        "acks": "all",
        "compression.type": job.codec,
        "enable.idempotence": str(job.mode != "plain").lower(),
        "linger.ms": str(LINGER_MS),
        "batch.size": str(BATCH_BYTES),
        "max.request.size": str(4 * BATCH_BYTES),
        **({f"compression.{job.codec}.level": str(job.level)} if job.level is not None else {}),
        **({"transactional.id": job.name} if job.transactional else {}),
    }
    parts = [
        {
            "commit": part.commit,
            "records": [
                [_text(one.key), _text(one.value), [[name, _text(value)] for name, value in one.headers], one.partition]
                for one in part.records
            ],
        }
        for part in job.parts
    ]
    return {"settings": settings, "topic": job.topic, "transactional": job.transactional, "parts": parts}


def _text(content: bytes | None) -> str | None:
    return None if content is None else base64.b64encode(content).decode()


CLIENTS: Final[dict[str, Client]] = {
    "kafka-python": kafka_python,
    "confluent-kafka": confluent,
    "aiokafka": aio,
    "java": java_client,
}
