"""Batches that other programs than the four clients write: every form of every codec, and old formats."""

import gzip
import socket
import struct
from collections.abc import Callable

import aiokafka.codec
import cramjam
import lz4.frame
import pytest
import zstandard
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.util import calc_crc32c
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.admin import NewTopic
from kafka.record.memory_records import MemoryRecords

from brokers import kafka_python
from brokers.record_batches import BoundedRecords

HEAD, LENGTH, CRC, ATTRIBUTES = 61, 8, 17, 21
"""Bytes before the records of a batch, and where its length, checksum and attributes are."""
GZIP, SNAPPY, LZ4, ZSTD = 1, 2, 3, 4
INVALID_RECORD = 87
VALUES = [b'{"specversion": "1.0", "id": "%d"}' % n for n in range(3_000)]


def windowed(log: int) -> Callable[[bytes], bytes]:
    """A stream of zstd: of no known size, with a window much longer than what is in it."""
    settings = zstandard.ZstdCompressionParameters.from_level(3, window_log=log)

    def packed(data: bytes) -> bytes:
        stream = zstandard.ZstdCompressor(compression_params=settings).compressobj()
        return stream.compress(data) + stream.flush()

    return packed


def lz4_form(**form: bool) -> Callable[[bytes], bytes]:
    """An lz4 frame with these flags."""
    return lambda data: lz4.frame.compress(data, **form)


FORMS = {
    "gzip-1": (GZIP, lambda data: gzip.compress(data, 1)),
    "gzip-9": (GZIP, lambda data: gzip.compress(data, 9)),
    "gzip-two-members": (GZIP, lambda data: gzip.compress(data[:999]) + gzip.compress(data[999:])),
    "snappy-raw": (SNAPPY, lambda data: bytes(cramjam.snappy.compress_raw(data))),
    "snappy-xerial": (SNAPPY, aiokafka.codec.snappy_encode),
    "lz4-plain": (LZ4, lz4_form(block_linked=False, store_size=False)),
    "lz4-linked": (LZ4, lz4_form(block_linked=True)),
    "lz4-checksums": (LZ4, lz4_form(block_linked=False, content_checksum=True, block_checksum=True)),
    "lz4-size": (LZ4, lz4_form(block_linked=False, store_size=True)),
    "zstd-1": (ZSTD, zstandard.ZstdCompressor(1).compress),
    "zstd-19": (ZSTD, zstandard.ZstdCompressor(19).compress),
    "zstd-22": (ZSTD, zstandard.ZstdCompressor(22).compress),
    "zstd-checksum": (ZSTD, zstandard.ZstdCompressor(write_checksum=True).compress),
    "zstd-without-size": (ZSTD, zstandard.ZstdCompressor(write_content_size=False).compress),
    "zstd-window-8-MB": (ZSTD, windowed(23)),
    "zstd-window-128-MB": (ZSTD, windowed(27)),
    "zstd-two-frames": (ZSTD, lambda data: windowed(20)(data[:999]) + windowed(20)(data[999:])),
}


def batch(codec: int, packed: Callable[[bytes], bytes]) -> bytes:
    """A batch with all values, packed in that form."""
    builder = _DefaultRecordBatchBuilderPy(2, 0, 0, -1, -1, 0, 10_000_000)
    for number, value in enumerate(VALUES):
        builder.append(number, 1_600_000_000_000, b"key", value, [("x", b"1")])
    plain = bytes(builder.build())
    data = bytearray(plain[:HEAD] + packed(plain[HEAD:]))
    struct.pack_into(">i", data, LENGTH, len(data) - 12)
    struct.pack_into(">h", data, ATTRIBUTES, codec)
    struct.pack_into(">I", data, CRC, calc_crc32c(bytes(data[ATTRIBUTES:])))
    return bytes(data)


@pytest.mark.parametrize("form", FORMS)
def test_workers_read_every_form(form: str) -> None:
    """With aiokafka, as it is made to read."""
    records = BoundedRecords(batch(*FORMS[form]))
    assert records.has_next()
    found = records.next_batch()
    assert found.validate_crc()
    assert [record.value for record in found] == VALUES


@pytest.mark.parametrize("form", FORMS)
def test_verbs_read_every_form(form: str) -> None:
    """With kafka-python, as it is made to read."""
    kafka_python.install()
    records = MemoryRecords(batch(*FORMS[form]))
    found = records.next_batch()
    assert found.validate_crc()
    assert [record.value for record in found] == VALUES


@pytest.mark.integration
@pytest.mark.parametrize(("version", "magic"), [(2, 1), (3, 1), (3, 0)], ids=["old-request", "v1", "v0"])
def test_old_formats_do_not_get_into_kafka(kafka, wait_until, version: int, magic: int) -> None:
    """A broker of Kafka 4 accepts neither the requests of old clients nor their message sets: none has to be read."""
    topic = f"formats-{version}-{magic}"
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    admin.create_topics([NewTopic(name=topic, num_partitions=1, replication_factor=1)])
    try:
        wait_until(lambda: admin.describe_topics([topic])[0]["error_code"] == 0, what="the topic")
        answer = produce(kafka.bootstrap, topic, version, message_set(magic))
        # Correlation, one topic of that name, one partition, then the code; nothing at all where it hangs up.
        code = struct.unpack_from(">h", answer, 4 + 4 + 2 + len(topic) + 4 + 4)[0] if answer else None
        assert code == (None if version == 2 else INVALID_RECORD)
        assert end_of(kafka.bootstrap, topic) == 0
    finally:
        admin.delete_topics([topic])
        admin.close()


def message_set(magic: int) -> bytes:
    """One record in an old format."""
    builder = LegacyRecordBatchBuilder(magic, 0, 10_000)
    builder.append(0, timestamp=1_600_000_000_000 if magic else None, key=b"k", value=b"v")
    return bytes(builder.build())


def produce(bootstrap: str, topic: str, version: int, records: bytes) -> bytes:
    """Send a ProduceRequest; gives the answer, empty where the broker hangs up."""
    name = topic.encode()
    body = b"" if version < 3 else struct.pack(">h", -1)  # no transaction
    body += struct.pack(">hii", -1, 5_000, 1) + struct.pack(">h", len(name)) + name
    body += struct.pack(">iii", 1, 0, len(records)) + records
    request = struct.pack(">hhih", 0, version, 7, -1) + body
    host, _, port = bootstrap.rpartition(":")
    with socket.create_connection((host, int(port)), 10) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        stream = connection.makefile("rb")
        size = stream.read(4)
        return stream.read(struct.unpack(">i", size)[0]) if size else b""


def end_of(bootstrap: str, topic: str) -> int:
    """The offset that the next record would get."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap)
    try:
        return int(consumer.end_offsets([TopicPartition(topic, 0)])[TopicPartition(topic, 0)])
    finally:
        consumer.close()
