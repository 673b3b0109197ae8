"""Every private name of Faust, aiokafka and mode that the product relies on, with what it is used for.

The three are pinned exactly. When a pin moves, this test says which of them moved with it.
"""

import inspect
from importlib.metadata import version
from typing import Any

import faust
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.conn import AIOKafkaConnection
from aiokafka.consumer import fetcher
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import _MemoryRecordsPy
from faust import stores
from faust.app.base import App
from faust.stores.rocksdb import Store
from faust.streams import Stream, _CStreamIterator
from faust.tables.recovery import Recovery
from faust.transport.consumer import Consumer as BaseConsumer
from faust.transport.consumer import Fetcher
from faust.transport.drivers import TRANSPORTS
from faust.transport.drivers import aiokafka as driver
from faust.types.tuples import ConsumerMessage
from mode import Service
from mode.worker import Worker

PINS = {"faust-streaming": "0.15.3", "aiokafka": "0.14.0", "mode-streaming": "0.7.1"}

METHODS: list[tuple[Any, str, list[str], str]] = [
    (BaseConsumer, "_drain_messages", ["self", "fetcher"], "overridden: delivers batches"),
    (BaseConsumer, "_wait_next_records", ["self", "timeout"], "overridden: a sign of life in slow mode"),
    (driver.Consumer, "_getmany", ["self", "active_partitions", "timeout"], "fetches"),
    (BaseConsumer, "_get_active_partitions", ["self"], "what to fetch from"),
    (driver.Consumer, "earliest_offsets", ["self", "partitions"], "where to begin without a committed offset"),
    (BaseConsumer, "seek", ["self", "partition", "offset"], "the same"),
    (driver.Consumer, "assignment", ["self"], "the same"),
    (BaseConsumer, "_new_offset", ["self", "tp"], "overridden: commits contiguous prefixes"),
    (BaseConsumer, "perform_seek", ["self"], "overridden: forgets what is unacked"),
    (BaseConsumer, "on_partitions_revoked", ["self", "revoked"], "overridden: drains and commits first"),
    (BaseConsumer, "wait_empty", ["self"], "overridden: bounded"),
    (BaseConsumer, "commit", ["self", "topics", "start_new_transaction"], "called at a revoke"),
    (BaseConsumer, "commit_and_end_transactions", ["self"], "called at a stop"),
    (BaseConsumer, "stop_flow", ["self"], "called at a revoke"),
    (driver.Consumer, "_to_message", ["self", "tp", "record"], "changelog records keep Faust's way"),
    (driver.Consumer, "_new_consumer_thread", ["self"], "overridden: reads committed records only"),
    (driver.AIOKafkaConsumerThread, "_create_worker_consumer", ["self", "transport"], "overridden, see above"),
    (
        driver.AIOKafkaConsumerThread,
        "_fetch_records",
        ["self", "consumer", "active_partitions", "timeout", "max_records"],
        "overridden: asks first whether the consumer is alive",
    ),
    (AIOKafkaConnection, "send", ["self", "request", "expect_response"], "overridden: closes a silent connection"),
    (AIOKafkaConnection, "close", ["self", "reason", "exc"], "the same"),
    (GroupCoordinator, "check_errors", ["self"], "the same"),
    (driver.Producer, "_settings_extra", ["self"], "overridden: idempotent producer"),
    (Store, "_db_for_partition", ["self", "partition"], "reads and writes marks in bulk"),
    (Store, "persisted_offset", ["self", "tp"], "overridden: only marks that can be trusted"),
    (Store, "set_persisted_offset", ["self", "tp", "offset"], "overridden: names the changelog too"),
    (Store, "_open_for_partition", ["self", "partition"], "overridden: damaged marks are set aside"),
    (BaseConsumer, "highwaters", ["self", "partitions"], "overridden: compares marks with their changelog"),
    (Store, "revoke_partitions", ["self", "table", "tps"], "overridden: closes databases"),
    (Store, "stop", ["self"], "overridden: closes databases"),
    (App, "crash", ["self", "reason"], "ends the worker"),
    (App, "create_event", ["self", "key", "value", "headers", "message"], "wraps a batch"),
    (Stream, "noack", ["self"], "acks are the pipeline's"),
    (Stream, "ack", ["self", "event"], "step 8"),
    (BatchBuilder, "append", ["self", "timestamp", "key", "value", "headers"], "fills a batch"),
    (AIOKafkaProducer, "create_batch", ["self"], "batches of 900 kB"),
    (AIOKafkaProducer, "send_batch", ["self", "batch", "topic", "partition"], "step 6"),
    (_DefaultRecordBatchPy, "_maybe_uncompress", ["self"], "reads a batch with a bad header name again"),
    (_MemoryRecordsPy, "next_batch", ["self", "_min_slice", "_magic_offset"], "overridden: the same"),
    (Service, "wait_first", ["self", "coros", "timeout"], "overridden: an emptied queue ends no delivery"),
    (Worker, "_setup_logging", ["self"], "overridden: logging is ours"),
    (Worker, "_enter_debugger", ["self"], "overridden: no debugger"),
    (Worker, "_schedule_shutdown", ["self", "signal"], "overridden: every stop ends"),
    (Worker, "execute_from_commandline", ["self"], "runs the process"),
]

WORDS: list[tuple[Any, str, str]] = [
    (BaseConsumer, "_read_offset", "what was delivered, so that a record fetched twice is not"),
    (BaseConsumer, "_acked", "acked offsets"),
    (BaseConsumer, "_acked_index", "acked offsets"),
    (BaseConsumer, "_committed_offset", "the lag"),
    (BaseConsumer, "can_resume_flow", "waits while the flow is stopped"),
    (BaseConsumer, "suspend_flow", "overridden: an emptied queue ends no delivery"),
    (BaseConsumer, "flow_active", "whether records may be delivered"),
    (BaseConsumer, "consumer_stopped_errors", "end of the fetch loop"),
    (driver.AIOKafkaConsumerThread, "_create_consumer", "calls _create_worker_consumer"),
    (AIOKafkaConsumer, "_fetcher", "whether the consumer is alive"),
    (AIOKafkaConsumer, "_coordinator", "the same"),
    (AIOKafkaConsumer, "_closed", "the same"),
    (fetcher.Fetcher, "error_future", "the same"),
    (App, "consumer_generation_id", "tells stale batches"),
    (App, "flow_control", "tells stale batches"),
    (App, "in_recovery", "readiness"),
    (App, "rebalancing", "readiness"),
    (_MemoryRecordsPy, "_next_slice", "bytes of the next batch"),
    (_DefaultRecordBatchPy, "_buffer", "bytes of a batch"),
    (Store, "offset_key", "how far the changelog is applied"),
    (Store, "_dbs", "open databases"),
    (Recovery, "active_offsets", "where a changelog is read from"),
    (Fetcher, "_fetcher", "calls _drain_messages"),
]


@pytest.mark.parametrize("package", PINS, ids=str)
def test_the_pins_are_what_is_installed(package: str) -> None:
    """Another version may have other private names."""
    assert version(package) == PINS[package]


@pytest.mark.parametrize(
    ("owner", "name", "parameters", "use"), METHODS, ids=[f"{m[0].__name__}.{m[1]}" for m in METHODS]
)
def test_methods_have_the_expected_parameters(owner: Any, name: str, parameters: list[str], use: str) -> None:
    """A method that is overridden or called takes what it took when this was written."""
    found = [p for p in inspect.signature(getattr(owner, name)).parameters if p not in ("args", "kwargs")]
    assert found == parameters, use


@pytest.mark.parametrize(("owner", "name", "use"), WORDS, ids=[f"{w[0].__name__}.{w[1]}" for w in WORDS])
def test_attributes_are_still_used(owner: Any, name: str, use: str) -> None:
    """An attribute that is read is still the library's own word for it."""
    known = hasattr(owner, name) or any(name in inspect.getsource(base) for base in owner.__mro__[:-1])
    assert known, use


def test_the_consumer_still_uses_the_seams() -> None:
    """The places where Faust calls what is overridden are still there."""
    assert "consumer._drain_messages(self)" in inspect.getsource(Fetcher)
    assert "self._new_offset(tp)" in inspect.getsource(BaseConsumer._filter_committable_offsets)
    recovery = inspect.getsource(Recovery)
    assert recovery.index("T(self._build_highwaters)") < recovery.index("T(self._build_offsets)"), (
        "compared before it is read"
    )
    assert "consumer.highwaters(*tps)" in inspect.getsource(Recovery._build_highwaters)
    assert "table.persisted_offset(tp)" in inspect.getsource(Recovery._add)
    assert "self.wait_empty()" in inspect.getsource(BaseConsumer.on_stop)
    assert "records = MemoryRecords(part_data[-1])" in inspect.getsource(fetcher)
    assert "isolation_level=self._isolation_level" in inspect.getsource(AIOKafkaConsumer.start)
    assert "fetch_max_wait_ms=self._fetch_max_wait_ms" in inspect.getsource(AIOKafkaConsumer.start)
    assert "_tp_index" in inspect.getsource(faust.transport.conductor)
    assert "**self._settings_extra()," in inspect.getsource(driver.Producer)


def test_a_message_carries_its_generation() -> None:
    """By the generation an agent tells a stale batch."""
    assert "generation_id" in inspect.signature(ConsumerMessage.__init__).parameters


def test_the_compiled_stream_is_there() -> None:
    """The pure-Python one acks messages of an old generation that it skips."""
    assert _CStreamIterator is not None


def test_the_schemes_are_registered() -> None:
    """Faust finds the transports and the store by URL."""
    import streams.app  # noqa: F401, PLC0415 - registers them

    assert {"kafkabatch", "kafkaslow"} <= set(TRANSPORTS.aliases)
    assert "clustertrackrocks" in stores.STORES.aliases
