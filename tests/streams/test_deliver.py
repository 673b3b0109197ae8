"""The last four steps of delivery, with twins in memory of ledger, outbox and dedupe state."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from aiokafka.errors import KafkaError, KafkaTimeoutError, RequestTimedOutError, UnknownError
from delivering import PARTITIONS, Bench, run
from samples import CVRS, event
from twins import Record

from brokers.partitioning import partition_of
from schemas.ledger import LedgerUnavailable
from streams.decide import Batch, PartitionInfo
from streams.deliver import AT_ONCE
from streams.interfaces import StateError


def test_samples_are_on_the_only_partition() -> None:
    """With one partition, so that no sample is sent on."""
    assert {partition_of(cvr, PARTITIONS) for cvr in CVRS} == {0}


def test_a_group_goes_through_all_steps_and_is_acked() -> None:
    """Rows, outputs, changelog and marks are there when the ack comes."""

    async def go(bench: Bench) -> None:
        await bench.add(Record(0, event()), Record(1, event(activity="WS-2")))
        await bench.until(lambda: bench.acked)

    bench = run(go)
    assert bench.statuses() == ["accepted", "accepted"]
    assert [output.to for output in bench.outbox.outputs] == ["enriched", "enriched"]
    assert bench.seen.marks[0] == dict(bench.outbox.changelog[0])
    assert bench.seen.applied[0] == 1
    assert bench.acked == [1]
    assert bench.pipeline.idle


def test_many_records_at_once_leave_the_loop_free() -> None:
    """They are decided on in parts, with other tasks between; a repeat finds its original, and one ack covers all."""
    parts: list[int] = []
    ticks: list[int] = []

    async def go(bench: Bench) -> None:
        decide = bench.pipeline._step

        def counting(place: PartitionInfo, records: Sequence[Any], condemned: Mapping[int, str]) -> Batch:
            parts.append(len(records))
            return decide(place, records, condemned)

        async def tick() -> None:
            while True:
                ticks.append(len(parts))
                await asyncio.sleep(0)

        bench.pipeline._step = counting
        ticking = asyncio.create_task(tick())
        await bench.add(*(Record(n, event(activity=f"WS-{n % (2 * AT_ONCE)}")) for n in range(3 * AT_ONCE - 1)))
        ticking.cancel()
        await bench.until(lambda: bench.acked)

    bench = run(go, max_rows=2 * AT_ONCE)
    assert parts == [AT_ONCE, AT_ONCE, AT_ONCE - 1]
    assert {1, 2} <= set(ticks)
    assert bench.statuses() == ["accepted"] * 2 * AT_ONCE + ["duplicate"] * (AT_ONCE - 1)
    assert bench.acked == [3 * AT_ONCE - 2]
    assert bench.pipeline.idle


def test_records_forgotten_between_two_parts_are_dropped() -> None:
    """The rest of them joins no group of the new assignment: all of them are read again."""

    async def go(bench: Bench) -> None:
        adding = asyncio.create_task(bench.add(*(Record(n, event(activity=f"WS-{n}")) for n in range(2 * AT_ONCE))))
        await asyncio.sleep(0)
        assert not bench.pipeline.idle
        bench.pipeline.forget()
        await adding

    bench = run(go, linger=5)
    assert bench.pipeline.idle
    assert (bench.acked, bench.statuses()) == ([], [])


def test_marks_in_flight_are_seen_by_the_next_batch() -> None:
    """A repeat that arrives before its original is stored is a duplicate."""

    async def go(bench: Bench) -> None:
        await bench.add(Record(0, event()))
        await bench.add(Record(1, event()))
        await bench.until(lambda: len(bench.acked) == 2)

    assert run(go, linger=0.05).statuses() == ["accepted", "duplicate"]


def test_an_unavailable_ledger_is_asked_again_and_nothing_is_produced_before() -> None:
    """An outage publishes nothing that would have to be published again, and the pipeline says that it waits."""
    waited = []

    async def go(bench: Bench) -> None:
        bench.ledger.failures = [LedgerUnavailable("away") for _ in range(5)]
        await bench.add(Record(0, event()))
        await bench.until(lambda: bench.ledger.inserts >= 3)
        waited.append((bench.pipeline.waiting_since is not None, list(bench.outbox.outputs)))
        await bench.until(lambda: bench.acked)

    bench = run(go)
    assert waited == [(True, [])]
    assert bench.statuses() == ["accepted"]
    assert bench.pipeline.waiting_since is None


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(RequestTimedOutError(), id="no answer in time"),
        # aiokafka's word for "the queue before a broker that is away is full"; it calls it not retriable.
        pytest.param(KafkaTimeoutError(), id="no room in the producer in time"),
    ],
)
def test_a_retriable_kafka_error_repeats_the_produce_step_only(error: KafkaError) -> None:
    """The rows are not inserted again."""

    async def go(bench: Bench) -> None:
        bench.outbox.failures = [error, error]
        await bench.add(Record(0, event()))
        await bench.until(lambda: bench.acked)

    bench = run(go)
    assert bench.ledger.inserts == 2  # rows, then receipts
    assert len(bench.outbox.outputs) == 1


def test_a_producer_that_goes_on_trying_is_waiting_and_alive() -> None:
    """The idempotent producer never gives up: until Kafka confirms, the pipeline is unready, not unhealthy."""
    waited = []

    async def go(bench: Bench) -> None:
        bench.outbox.confirms.clear()
        started = bench.pipeline.alive_at
        await bench.add(Record(0, event()))
        await bench.until(lambda: bench.pipeline.waiting_since)
        told = bench.pipeline.alive_at
        await bench.until(lambda: bench.pipeline.alive_at > told)
        waited.append((told > started, list(bench.acked)))
        bench.outbox.confirms.set()
        await bench.until(lambda: bench.acked)

    bench = run(go)
    assert waited == [(True, [])]
    assert len(bench.outbox.outputs) == 1
    assert bench.pipeline.waiting_since is None


def test_partitions_that_move_end_the_wait_for_kafka() -> None:
    """The group is dropped while Kafka does not confirm, and does not delay the next one."""

    async def go(bench: Bench) -> None:
        bench.outbox.confirms.clear()
        await bench.add(Record(0, event()))
        await bench.until(lambda: bench.pipeline.waiting_since)
        bench.pipeline.forget()
        await bench.until(lambda: bench.pipeline.idle)
        assert bench.acked == []
        bench.outbox.confirms.set()
        await bench.add(Record(0, event()))
        await bench.until(lambda: bench.acked)

    bench = run(go)
    assert bench.statuses() == ["accepted"]
    assert bench.pipeline.waiting_since is None


def test_a_kafka_error_that_time_cannot_heal_ends_the_worker() -> None:
    """It is not repeated forever: the supervisor restarts the worker."""

    async def go(bench: Bench) -> None:
        bench.outbox.failures = [UnknownError()]
        await bench.add(Record(0, event()))
        await bench.until(lambda: bench.crashes)

    bench = run(go)
    assert bench.acked == []


def test_after_forgetting_nothing_unacked_is_acked_or_marked() -> None:
    """A rebalance in the middle of an outage: the group is dropped, read again, and accepted as first occurrences."""

    async def go(bench: Bench) -> None:
        bench.ledger.failures = [LedgerUnavailable("away") for _ in range(3)]
        await bench.add(Record(0, event()))
        await bench.until(lambda: bench.ledger.inserts > 0)
        bench.pipeline.forget()
        await bench.until(lambda: bench.pipeline.idle)
        assert bench.acked == []
        assert bench.seen.marks == {}
        bench.ledger.failures = []
        await bench.add(Record(0, event()))
        await bench.until(lambda: bench.acked)

    assert run(go).statuses() == ["accepted"]


def test_a_full_group_makes_the_agent_wait() -> None:
    """Back-pressure: no more than two groups are held while the ledger is away."""

    async def go(bench: Bench) -> None:
        bench.ledger.failures = [LedgerUnavailable("away") for _ in range(400)]
        adding = [asyncio.create_task(bench.add(Record(n, event(activity=f"WS-{n}")))) for n in range(10)]
        await bench.until(lambda: bench.ledger.inserts > 20)
        assert sum(task.done() for task in adding) == 4
        bench.ledger.failures = []
        await bench.until(lambda: len(bench.acked) == 10)

    assert run(go, max_rows=2).statuses() == ["accepted"] * 10


def test_a_group_lingers_from_its_first_record_on() -> None:
    """What has waited for long enough behind another group is delivered as soon as that is done."""

    async def go(bench: Bench) -> None:
        bench.outbox.confirms.clear()
        await bench.add(Record(0, event()), Record(1, event(activity="WS-2")))
        await bench.until(lambda: bench.ledger.receipts)
        await bench.add(Record(2, event(activity="WS-3")))
        assert bench.pipeline._open is not None
        bench.pipeline._open.opened_at -= 60
        bench.outbox.confirms.set()
        await bench.until(lambda: bench.acked == [1, 2])

    run(go, linger=60, max_rows=2)


def test_draining_finishes_what_can_be_finished() -> None:
    """A group that lingers is delivered at once when partitions move."""

    async def go(bench: Bench) -> None:
        await bench.add(Record(0, event()))
        await bench.pipeline.drain(5)
        assert bench.acked == [0]

    run(go, linger=60)


def test_draining_is_bounded() -> None:
    """What the ledger does not take in time is dropped unacked."""

    async def go(bench: Bench) -> None:
        bench.ledger.failures = [LedgerUnavailable("away") for _ in range(10_000)]
        await bench.add(Record(0, event()))
        async with asyncio.timeout(2):
            await bench.pipeline.drain(0.1)
        assert bench.acked == []

    run(go)


def test_a_failing_dedupe_state_is_no_records_fault() -> None:
    """The error leaves `add`, so that the worker stops; the record is not rejected."""

    async def go(bench: Bench) -> None:
        def fail(partition: int, keys: list[bytes]) -> list[bytes | None]:
            raise StateError(f"{partition} {len(keys)}")

        bench.seen.get = fail  # type: ignore[method-assign]  # a twin that fails
        with pytest.raises(StateError):
            await bench.add(Record(0, event()), Record(1, event(activity="WS-2")))

    assert run(go).ledger.rejected == {}
