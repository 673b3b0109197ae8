"""What Faust is known to get wrong, line by line: our remedy works, or the feature is not used.

docs/delivery-guarantees.md names the test of every line.
"""

import ast
import asyncio
import gc
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import faust.streams
import pytest
from faust.types import TP
from faust.types.tuples import ConsumerMessage

import streams.app
from brokers.connection import KafkaConnection
from brokers.topics import EVENTS, READ
from streams.app import QUEUED_BATCHES, TopicInfo, WorkerConfig
from streams.liveness import Vitals

SOURCES = sorted(Path(streams.app.__file__).parent.glob("*.py"))
PLACE = TP(EVENTS, 0)


def config(folder: Path) -> WorkerConfig:
    """A worker that is never started."""
    place = TopicInfo(topic_epoch=1, partitions=4)
    return WorkerConfig(
        app_id="clustertrack-test",
        kafka=KafkaConnection("127.0.0.1:1"),
        topics=dict.fromkeys(READ, place),
        changelog_id="changelog",
        data_dir=folder,
        linger=0.05,
        max_rows=100,
        session_seconds=30,
        stalled_seconds=45,
        allow_personal_data=False,
    )


def with_app(folder: Path, look: Callable[[Any], Awaitable[Any]]) -> Any:
    """Run a coroutine function on the wired app; the ledger is never asked."""

    async def run() -> Any:
        unused: Any = None
        return await look(streams.app.build(config(folder), ledger=unused).app)

    return asyncio.run(run())


def with_consumer(folder: Path, look: Callable[[Any], Awaitable[Any]]) -> Any:
    """The same on the app's consumer, which has no broker."""

    async def run(app: Any) -> Any:
        try:
            return await look(app.consumer)
        finally:
            app.consumer._thread.thread_loop.close()

    return with_app(folder, run)


def names() -> Iterator[tuple[Path, str]]:
    """Every attribute, name and keyword that the package uses."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Attribute(attr=name) | ast.Name(id=name) | ast.keyword(arg=str(name)):
                    yield path, name


AVOIDED = [
    pytest.param({"take_events", "noack_take"}, id="batches of an agent"),
    pytest.param({"send_soon", "send_nowait"}, id="sends that nobody awaits"),
    pytest.param({"GlobalTable", "use_partitioner_global"}, id="global tables"),
    pytest.param({"tumbling", "hopping", "relative_to", "relative_to_stream", "relative_to_field"}, id="windows"),
    pytest.param({"exactly_once", "transactional_id"}, id="transactions of Faust"),
    pytest.param({"concurrency", "isolated_partitions"}, id="agents at once"),
]


@pytest.mark.parametrize("avoided", AVOIDED)
def test_what_loses_records_is_not_used(avoided: set[str]) -> None:
    """No file of the package names the feature."""
    assert [(path.name, name) for path, name in names() if name in avoided] == []


def test_no_stream_is_taken_in_batches() -> None:
    """`stream.take` stalls after an error; agents iterate over `stream.noack().events()` and nothing else."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    loops = [ast.unparse(node.iter) for node in nodes if isinstance(node, ast.AsyncFor)]
    assert loops == ["stream.noack().events()"]


def test_the_app_is_set_up_to_lose_nothing(tmp_path: Path) -> None:
    """At least once, from the earliest record on, one agent a topic, and no outage ends the membership."""

    async def look(app: Any) -> None:
        assert app.conf.processing_guarantee.value == "at_least_once"
        assert app.conf.consumer_auto_offset_reset == "earliest"
        assert app.conf.broker_max_poll_interval >= 24 * 3600
        assert {agent.concurrency for agent in app.agents.values()} == {1}
        assert not any(table.is_global for table in app.tables.values())

    with_app(tmp_path, look)


def test_variables_of_the_environment_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Faust lets variables with names as common as PRODUCER_ACKS or TIMEZONE beat what the code says."""
    monkeypatch.setenv("PRODUCER_ACKS", "0")
    monkeypatch.setenv("BROKER_MAX_POLL_INTERVAL", "5")
    monkeypatch.setenv("CONSUMER_AUTO_OFFSET_RESET", "latest")
    monkeypatch.setenv("TIMEZONE", "Europe/Copenhagen")

    async def look(app: Any) -> None:
        assert (app.conf.producer_acks, app.conf.consumer_auto_offset_reset) == (-1, "earliest")
        assert app.conf.broker_max_poll_interval >= 24 * 3600
        assert str(app.conf.timezone) == "UTC"

    with_app(tmp_path, look)


def test_few_fetched_batches_wait_for_an_agent(tmp_path: Path) -> None:
    """`App.topic` drops its `maxsize`; with the default, 4,096 batches would be held in an outage."""

    async def look(app: Any) -> None:
        sizes = {agent.channel.clone(is_iterator=True).queue.maxsize for agent in app.agents.values()}
        assert sizes == {QUEUED_BATCHES} == {4}

    with_app(tmp_path, look)


def test_marks_take_little_memory(tmp_path: Path) -> None:
    """Of each partition Faust's table would keep up to 192 MB of what was written, and 2 GB of what was read."""

    async def look(app: Any) -> None:
        (table,) = app.tables.values()
        options = table.data.rocksdb_options
        assert options.write_buffer_size * options.max_write_buffer_number + options.block_cache_size <= 48 * 1024**2

    with_app(tmp_path, look)


def test_no_connection_is_waited_for_longer_than_a_session(tmp_path: Path) -> None:
    """Faust's producer would wait 20 minutes for an answer on a connection that died silently."""

    async def look(app: Any) -> None:
        assert app.conf.producer_request_timeout == app.conf.broker_request_timeout == 35

    with_app(tmp_path, look)


def test_without_the_compiled_stream_no_worker_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pure-Python stream acks messages of an old generation that it skips."""
    monkeypatch.setattr(faust.streams, "_CStreamIterator", None)
    unused: Any = None
    with pytest.raises(RuntimeError, match="compiled extension"):
        streams.app.build(config(tmp_path), ledger=unused)


def acked(consumer: Any, *offsets: int) -> None:
    """As after acks of the batches that end at these offsets."""
    consumer._acked[PLACE] = sorted({*consumer._acked[PLACE], *offsets})
    consumer._acked_index[PLACE] = {*consumer._acked_index[PLACE], *offsets}


def test_nothing_in_flight_is_committed_past(tmp_path: Path) -> None:
    """Batches end at 9, 19 and 29; the second is acked first: nothing may be committed before the first is."""

    async def commits(consumer: Any) -> list[int | None]:
        consumer._pending[PLACE].extend([9, 19, 29])
        acked(consumer, 19)
        found = [consumer._new_offset(PLACE)]
        acked(consumer, 9)
        found += [consumer._new_offset(PLACE), consumer._new_offset(PLACE)]
        acked(consumer, 29)
        return [*found, consumer._new_offset(PLACE)]

    assert with_consumer(tmp_path, commits) == [None, 20, None, 30]


def test_what_is_acked_is_committed_before_partitions_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The base class drops acked offsets; ours finishes and commits first, then lets go."""
    done: list[str] = []

    async def finish() -> None:
        done.append("finish")

    async def commit(*_: Any, **__: Any) -> bool:
        done.append("commit")
        return True

    async def revoked(_: Any, gone: Any) -> None:
        done.append(f"let {len(gone)} go")

    async def revoke(consumer: Any) -> None:
        consumer.delivery = SimpleNamespace(finish=finish, forget=lambda: done.append("forget"), input_topics=())
        monkeypatch.setattr(consumer, "commit", commit)
        monkeypatch.setattr(faust.transport.consumer.Consumer, "on_partitions_revoked", revoked)
        await consumer.on_partitions_revoked({PLACE})

    with_consumer(tmp_path, revoke)
    assert done == ["finish", "commit", "let 1 go", "forget"]


def test_a_stop_waits_no_longer_than_the_drain(tmp_path: Path) -> None:
    """With a batch in flight that is never acked, the base class would wait forever."""

    async def stop(consumer: Any) -> bool:
        nothing: Any = None
        message = ConsumerMessage(*PLACE, 9, 0.0, 0, [], nothing, nothing, nothing)
        consumer.track_message(message)
        stopping = asyncio.create_task(consumer.wait_empty())
        done, _ = await asyncio.wait({stopping}, timeout=2)
        consumer._stopped.set()  # ends the base class's wait, which cannot be cancelled
        await stopping
        return bool(done)

    assert with_consumer(tmp_path, stop)


@pytest.mark.parametrize("flowing", [True, False])
def test_a_queue_that_is_emptied_does_not_end_the_fetcher(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flowing: bool
) -> None:
    """Faust cancels a task that waits for room in a queue that it empties: what was dropped is fetched again."""
    sought: list[bool] = []

    async def seek() -> None:
        sought.append(True)

    async def look(consumer: Any) -> None:
        monkeypatch.setattr(consumer, "perform_seek", seek)
        consumer.flow_active = flowing
        consumer.app.flow_control.resume()
        queue = consumer.app.FlowControlQueue(maxsize=1, clear_on_resume=True)
        await queue.put("the agent is busy with it")
        waiting = asyncio.create_task(consumer.wait_first(queue.put("waits"), consumer.suspend_flow.wait()))
        await asyncio.sleep(0.01)
        consumer.app.flow_control.clear()
        await waiting

    with_consumer(tmp_path, look)
    assert sought == [True] * flowing


def test_a_fetcher_that_is_cancelled_ends(tmp_path: Path) -> None:
    """At a graceful stop, also while it waits for room in a queue."""

    async def look(consumer: Any) -> None:
        waiting = asyncio.create_task(consumer.wait_first(asyncio.Event().wait()))
        await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    with_consumer(tmp_path, look)


def test_a_partition_without_a_commit_goes_back_to_its_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client leaves it where it is, so that what was fetched from it in the meantime would never come again."""
    committed, never = TP(EVENTS, 1), TP(EVENTS, 2)
    sought: list[tuple[TP, int]] = []

    async def base(_: Any) -> None:
        """Faust's own, which needs a broker."""

    async def earliest(*partitions: TP) -> dict[TP, int]:
        return dict.fromkeys(partitions, 7)

    async def seek(partition: TP, offset: int) -> None:
        sought.append((partition, offset))

    async def look(consumer: Any) -> None:
        monkeypatch.setattr(faust.transport.consumer.Consumer, "perform_seek", base)
        monkeypatch.setattr(consumer, "assignment", lambda: {committed, never, TP("changelog", 2)})
        monkeypatch.setattr(consumer, "earliest_offsets", earliest)
        monkeypatch.setattr(consumer, "seek", seek)
        consumer._committed_offset[committed] = 100
        await consumer.perform_seek()

    with_consumer(tmp_path, look)
    assert sought == [(never, 7)]


def test_the_heart_beats_while_tables_are_recovered(tmp_path: Path) -> None:
    """Faust starts an app's tasks after the recovery: one of millions of marks would look like a blocked loop."""
    beats: list[bool] = []
    thresholds = gc.get_threshold()

    async def look(consumer: Any) -> None:
        async def beat() -> None:
            beats.append(consumer.app.tables.recovery.completed.is_set())

        consumer.app.heart = beat
        await consumer.app.on_start()
        await asyncio.sleep(0.05)

    try:
        with_consumer(tmp_path, look)
    finally:
        gc.unfreeze()
        gc.set_threshold(*thresholds)
    assert beats == [False]


def test_a_recovery_that_moves_is_healthy(tmp_path: Path) -> None:
    """However long it takes: marks that are applied are signs of life."""

    async def look(app: Any) -> tuple[float, float]:
        clock = [0.0]
        vitals = Vitals(
            now=lambda: clock[0],
            delivery=app.delivery,
            pipelines={},
            app=app,
            waits_for=lambda: "something",
            stalled=45,
        )
        app.delivery.recovered_at = 0.0
        clock[0] = 5000.0
        before = vitals.signs().not_flowing_for
        app.delivery.recovered_at = 4990.0
        return before, vitals.signs().not_flowing_for

    assert with_app(tmp_path, look) == (5000.0, 10.0)
