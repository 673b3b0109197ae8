"""The plain producer sends what is in the file, to the partition given there."""

import json
import uuid
import zlib
from pathlib import Path
from typing import Any, Protocol

import pytest
from kafka import KafkaConsumer
from kafka.admin import KafkaAdminClient, NewTopic
from kafka.structs import TopicPartition

from brokers.connection import KafkaConnection
from clustertrack.simulator.raw import publish_raw, read_raw
from schemas.errors import Unreachable, UsageFault

PARTITIONS = 5


class Broker(Protocol):
    """The session's Kafka."""

    bootstrap: str


def _file(folder: Path, *records: object) -> Path:
    path = folder / "raw.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def test_a_record_as_written(tmp_path: Path):
    """Key and value come out as bytes, the partition as it is."""
    path = _file(
        tmp_path, {"key": "æ", "partition": "crc32", "value": "{}"}, {"key": None, "partition": 2, "value": "x"}
    )
    assert list(read_raw(path)) == [("æ".encode(), "crc32", b"{}"), (None, 2, b"x")]


@pytest.mark.parametrize(
    "line",
    [
        pytest.param([], id="no object"),
        pytest.param({"key": None, "value": "x"}, id="no partition"),
        pytest.param({"key": 1, "partition": None, "value": "x"}, id="number as key"),
        pytest.param({"key": None, "partition": "murmur2", "value": "x"}, id="unknown partition"),
        pytest.param({"key": None, "partition": True, "value": "x"}, id="truth value as partition"),
        pytest.param({"key": None, "partition": None, "value": {}}, id="object as value"),
    ],
)
def test_a_line_of_others(tmp_path: Path, line: object):
    """A line that `simulate` would not have written is named with its number."""
    with pytest.raises(UsageFault, match="line 2 is not"):
        list(read_raw(_file(tmp_path, {"key": None, "partition": None, "value": "x"}, line)))


def test_files_that_cannot_be_read(tmp_path: Path):
    """A missing file and one that is not JSON end in a sentence."""
    with pytest.raises(UsageFault, match="cannot be read"):
        list(read_raw(tmp_path / "raw.jsonl"))
    (tmp_path / "raw.jsonl").write_text("a,b\n")
    with pytest.raises(UsageFault, match="not JSON lines"):
        list(read_raw(tmp_path / "raw.jsonl"))


@pytest.mark.integration
def test_keys_and_partitions_on_kafka(kafka: Broker, tmp_path: Path):
    """On a real broker every record has its own key, on the partition it names, by CRC32 where it says so."""
    topic = f"raw-{uuid.uuid4().hex[:8]}"
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    admin.create_topics([NewTopic(topic, PARTITIONS, 1)])
    admin.close()
    records: list[dict[str, Any]] = [
        {"key": f"{number}", "partition": "crc32", "value": f"crc {number}"} for number in range(20)
    ]
    records += [
        {"key": "13748136", "partition": 3, "value": "stated"},
        {"key": None, "partition": None, "value": "none"},
    ]
    counted: list[int] = []
    connection = KafkaConnection(kafka.bootstrap)
    assert publish_raw(_file(tmp_path, *records), topic, connection, counted.append) == len(records)
    assert counted == list(range(1, len(records) + 1))
    found = {value: (key, partition) for key, value, partition in _read(kafka.bootstrap, topic, len(records))}
    for number in range(20):
        key = f"{number}".encode()
        assert found[f"crc {number}".encode()] == (key, zlib.crc32(key) % PARTITIONS)
    assert found[b"stated"] == (b"13748136", 3)
    assert found[b"none"][0] is None


@pytest.mark.integration
def test_topic_that_is_missing(kafka: Broker, tmp_path: Path):
    """A topic that does not exist is an error that says what to do."""
    path = _file(tmp_path, {"key": None, "partition": None, "value": "x"})
    with pytest.raises(Unreachable, match="clustertrack migrate"):
        publish_raw(path, f"missing-{uuid.uuid4().hex}", KafkaConnection(kafka.bootstrap), lambda _: None)


def _read(bootstrap: str, topic: str, number: int) -> list[tuple[bytes | None, bytes, int]]:
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap, auto_offset_reset="earliest", consumer_timeout_ms=20_000, enable_auto_commit=False
    )
    try:
        consumer.assign([TopicPartition(topic, partition) for partition in range(PARTITIONS)])
        found = []
        for record in consumer:
            found.append((record.key, record.value, record.partition))
            if len(found) == number:
                break
        return found
    finally:
        consumer.close()
