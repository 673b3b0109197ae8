"""Every private name of Faust, aiokafka and mode that the product relies on, with what it is used for.

The three are pinned exactly. When a pin moves, this test says which of them moved with it.
"""

import ast
import inspect
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import faust
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.conn import AIOKafkaConnection
from aiokafka.consumer import fetcher
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.memory_records import _MemoryRecordsPy
from faust import stores
from faust.app.base import App
from faust.stores.rocksdb import Store
from faust.streams import Stream, _CStreamIterator
from faust.tables.recovery import Recovery
from faust.transport.conductor import Conductor
from faust.transport.consumer import Consumer as BaseConsumer
from faust.transport.consumer import Fetcher
from faust.transport.drivers import TRANSPORTS
from faust.transport.drivers import aiokafka as driver
from faust.types.tuples import ConsumerMessage
from mode import Service
from mode.worker import Worker

import streams.app
from clustertrack.commands import worker

PINS = {"faust-streaming": "0.15.3", "aiokafka": "0.14.0", "mode-streaming": "0.7.1"}

METHODS: list[tuple[Any, str, list[str], str]] = [
    (BaseConsumer, "_drain_messages", ["self", "fetcher"], "overridden: delivers batches"),
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
    (BatchBuilder, "close", ["self"], "a full batch"),
    (AIOKafkaProducer, "create_batch", ["self"], "batches of 900 kB"),
    (AIOKafkaProducer, "send_batch", ["self", "batch", "topic", "partition"], "step 6"),
    (fetcher.PartitionRecords, "_consumer_record", ["self", "tp", "record"], "overridden: records are not copied"),
    (_MemoryRecordsPy, "next_batch", ["self", "_min_slice", "_magic_offset"], "overridden: batches are read in bounds"),
    (fetcher.FetchResult, "getall", ["self", "max_records"], "overridden: the same"),
    (fetcher.FetchResult, "check_assignment", ["self", "tp"], "the same"),
    (fetcher.FetchResult, "_update_position", ["self"], "the same"),
    (fetcher.Fetcher, "fetched_records", ["self", "partitions", "timeout", "max_records"], "wrapped: the same"),
    (Service, "wait_first", ["self", "coros", "timeout"], "overridden: an emptied queue ends no delivery"),
    (Worker, "_setup_logging", ["self"], "overridden: logging is ours"),
    (Worker, "_enter_debugger", ["self"], "overridden: no debugger"),
    (Worker, "_schedule_shutdown", ["self", "signal"], "overridden: every stop ends"),
    (Worker, "_on_sigint", ["self"], "overridden: Ctrl-C has an exit code of its own"),
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
    (Service, "_stopped", "end of the fetch loop"),
    (Conductor, "_tp_index", "the agents' channels of a partition"),
    (driver.Producer, "_producer", "the producer that Faust runs, for whole batches"),
    (AIOKafkaConsumer, "_isolation_level", "set: reads committed records only"),
    (AIOKafkaConsumer, "_fetch_max_wait_ms", "set: short fetches"),
    (AIOKafkaConsumer, "_fetcher", "whether the consumer is alive"),
    (AIOKafkaConsumer, "_coordinator", "the same"),
    (AIOKafkaConsumer, "_closed", "the same"),
    (GroupCoordinator, "_pending_exception", "why the group refuses the worker"),
    (GroupCoordinator, "_coordination_task", "the same"),
    (fetcher.Fetcher, "error_future", "the same"),
    (App, "consumer_generation_id", "tells stale batches"),
    (App, "flow_control", "tells stale batches"),
    (App, "in_recovery", "readiness"),
    (App, "rebalancing", "readiness"),
    (_MemoryRecordsPy, "_next_slice", "bytes of the next batch"),
    (fetcher.PartitionRecords, "_records_iterator", "what is left of a fetch"),
    (fetcher.Fetcher, "PartitionRecords", "made of each fetch"),
    (fetcher.PartitionRecords, "_records", "the batches of a fetch"),
    (fetcher.PartitionRecords, "next_fetch_offset", "set back where a batch pauses"),
    (fetcher.FetchResult, "_partition_records", "the records of a fetch"),
    (fetcher.FetchResult, "_topic_partition", "whose they are"),
    (fetcher.Fetcher, "_records", "what was fetched"),
    (fetcher.Fetcher, "FetchResult", "made of each fetch"),
    (BatchBuilder, "_builder", "filled without aiokafka's own detour"),
    (BatchBuilder, "_build", "what a batch holds, to write it again"),
    (BatchBuilder, "_relative_offset", "set: the records of a batch that was filled so"),
    (Store, "offset_key", "how far the changelog is applied"),
    (Store, "_dbs", "open databases"),
    (Recovery, "active_offsets", "where a changelog is read from"),
    (Fetcher, "_fetcher", "calls _drain_messages"),
]

MODULES = [f"streams.{path.stem}" for path in sorted(Path(streams.app.__file__).parent.glob("[!_]*.py"))]
DOCUMENTED = {"_asdict", "_replace", "_fields", "_make", "_exit"}
"""Of named tuples and of `os`: Python's manual has them."""


def private(name: str) -> bool:
    """Whether a name is private; those with two underscores at both ends are Python's."""
    return name.startswith("_") and not name.endswith("__") and name not in DOCUMENTED


def own_names(tree: ast.Module) -> set[str]:
    """Attributes that the classes of a module set themselves, and their methods."""
    made = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)}
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    for statement in [statement for one in classes for statement in one.body]:
        match statement:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.AnnAssign(target=ast.Name(id=name)):
                made.add(name)
    return made


def overridden(module: ModuleType, own: set[str]) -> set[str]:
    """Private names of a module's classes that a library's class below them has too."""
    found = set()
    for one in [one for one in vars(module).values() if inspect.isclass(one) and one.__module__ == module.__name__]:
        theirs = [base for base in one.__mro__ if base.__module__.split(".")[0] in ("faust", "aiokafka", "mode")]
        found |= {name for name in own & vars(one).keys() if private(name) and any(name in vars(b) for b in theirs)}
    return found


def private_names(module: ModuleType) -> Iterator[tuple[str, int]]:
    """Private names of others that a module reads, sets, calls, imports or overrides, and the lines."""
    tree = ast.parse(inspect.getsource(module))
    own = own_names(tree)
    theirs = overridden(module, own)
    own -= theirs
    yield from ((name, 0) for name in theirs)
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="self") | ast.Call(func=ast.Name(id="super")), attr=name):
                if private(name) and name not in own:
                    yield name, node.lineno
            case ast.Attribute(attr=name) if private(name):
                yield name, node.lineno
            case ast.ImportFrom(module=str(source), names=names) if not source.startswith("streams"):
                yield from ((alias.name, node.lineno) for alias in names if private(alias.name))


@pytest.mark.parametrize("module", [*MODULES, worker.__name__])
def test_every_private_name_is_listed(module: str) -> None:
    """Each private name of another package that we use is listed above with its use, or imported here to be checked."""
    listed = {name for _, name, *_ in (*METHODS, *WORDS)} | globals().keys()
    used = list(private_names(import_module(module)))
    assert [(name, line) for name, line in used if name not in listed] == []


def test_the_search_for_private_names_finds_them() -> None:
    """Set, read, overridden, on another's object, and imported: the search of the test above sees each."""
    found = {name for name, _ in private_names(import_module("streams.transport"))}
    assert {"_isolation_level", "_read_offset", "_new_offset", "_tp_index", "_stopped", "_drain_messages"} <= found
    assert "_pending" not in found, "our own"
    assert "_CStreamIterator" in {name for name, _ in private_names(streams.app)}
    expected = {"_setup_logging", "_enter_debugger", "_schedule_shutdown", "_on_sigint"}
    assert {name for name, _ in private_names(worker)} == expected


@pytest.mark.parametrize("package", PINS, ids=str)
def test_the_pins_are_what_is_installed(package: str) -> None:
    """Another version may have other private names."""
    assert version(package) == PINS[package]


@pytest.mark.parametrize(
    ("owner", "name", "parameters", "use"), METHODS, ids=[f"{m[0].__name__}.{m[1]}" for m in METHODS]
)
def test_methods_have_the_expected_parameters(owner: Any, name: str, parameters: list[str], use: str) -> None:
    """A method that is overridden or called still takes the same arguments."""
    found = [p for p in inspect.signature(getattr(owner, name)).parameters if p not in ("args", "kwargs")]
    assert found == parameters, use


@pytest.mark.parametrize(("owner", "name", "use"), WORDS, ids=[f"{w[0].__name__}.{w[1]}" for w in WORDS])
def test_attributes_are_still_used(owner: Any, name: str, use: str) -> None:
    """An attribute that is read still has that name in the library."""
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
    """An agent recognises a stale batch by its generation."""
    assert "generation_id" in inspect.signature(ConsumerMessage.__init__).parameters


def test_the_compiled_stream_is_there() -> None:
    """The pure-Python one acks messages of an old generation that it skips."""
    assert _CStreamIterator is not None


def test_the_schemes_are_registered() -> None:
    """Faust finds the transport and the store by URL."""
    import streams.app  # noqa: F401, PLC0415  (registers them)

    assert "kafkabatch" in TRANSPORTS.aliases
    assert "clustertrackrocks" in stores.STORES.aliases
