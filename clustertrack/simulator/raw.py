"""Sends raw.jsonl as a CRM with a producer of its own would: with the keys and partitions given in it."""

import io
import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from kafka import KafkaProducer
from kafka.errors import KafkaError

from brokers.admin import NOTHING_SENT, require_topic
from brokers.connection import KafkaConnection
from brokers.explain import explained, right
from brokers.kafka_python import close_producer
from schemas.errors import Unreachable, UsageFault, first_line
from schemas.own_files import open_file

CRC32: Final = "crc32"
_TIMEOUT_S: Final = 60
_CONNECT_MS: Final = 5_000


class RawRecord(NamedTuple):
    """One line. `partition`: None = the producer's own choice, `crc32` = as librdkafka places keys, or a number."""

    key: bytes | None
    partition: int | str | None
    value: bytes


def read_raw(path: Path) -> Iterator[RawRecord]:
    """The records of a file.

    Raises:
        UsageFault: the file cannot be read, or a line is not one of ours.
    """
    try:
        with io.TextIOWrapper(open_file(path), encoding="utf-8") as stream:
            for number, line in enumerate(stream, 1):
                yield _record(json.loads(line), path, number)
    except OSError as error:
        raise UsageFault(f"{path} cannot be read ({error.strerror}); write it with `clustertrack simulate`") from error
    except ValueError as error:
        raise UsageFault(f"{path} is not JSON lines as `clustertrack simulate` writes raw.jsonl ({error})") from error


def _record(line: Any, path: Path, number: int) -> RawRecord:  # noqa: ANN401  (any JSON)
    if isinstance(line, dict) and line.keys() == {"key", "partition", "value"} and isinstance(line["value"], str):
        key, partition = line["key"], line["partition"]
        if (key is None or isinstance(key, str)) and (partition in (None, CRC32) or type(partition) is int):
            return RawRecord(None if key is None else key.encode(), partition, line["value"].encode())
    raise UsageFault(f"{path} line {number} is not {{key, partition, value}}; write it with `clustertrack simulate`")


def publish_raw(path: Path, topic: str, kafka: KafkaConnection, sent: Callable[[int], object]) -> int:
    """Send every record of a file and wait for all confirmations; returns their number.

    Args:
        path: raw.jsonl.
        topic: where to.
        kafka: where the brokers are.
        sent: called with the number of records handed over so far.

    Raises:
        UsageFault: the file cannot be used.
        KafkaUnreachable, CheckFailed, Unreachable: as `brokers.admin`; or Kafka did not confirm in time.
    """
    records = list(read_raw(path))
    require_topic(kafka, topic, needs="Write", timeout_ms=_CONNECT_MS)
    with explained(kafka, needs=right("Write", "topic", topic), note=NOTHING_SENT):
        producer = KafkaProducer(
            **kafka.for_kafka_python(),
            acks="all",
            linger_ms=20,
            bootstrap_timeout_ms=_CONNECT_MS,
            max_block_ms=_CONNECT_MS,
        )
    try:
        return _send(producer, topic, records, sent)
    except KafkaError as error:
        raise Unreachable(
            f"Kafka at {kafka.address} did not take {path} ({first_line(error)}); check that it runs, then repeat"
        ) from error
    finally:
        close_producer(producer)


def _send(producer: Any, topic: str, records: list[RawRecord], sent: Callable[[int], object]) -> int:  # noqa: ANN401  (untyped)
    partitions = len(producer.partitions_for(topic))
    futures = []
    for number, record in enumerate(records, 1):
        partition = record.partition
        if partition == CRC32:
            partition = zlib.crc32(record.key or b"") % partitions
        futures.append(producer.send(topic, key=record.key, value=record.value, partition=partition))
        sent(number)
    producer.flush(timeout=_TIMEOUT_S)
    for future in futures:
        future.get(timeout=_TIMEOUT_S)
    return len(futures)
