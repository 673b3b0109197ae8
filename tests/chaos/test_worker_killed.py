"""Workers that die: at each step of delivery and at any moment, as by `kill -9`, or by an error that nobody expects."""

import itertools
import random

import pytest
from chaos import EVENTS, Load, conclude
from kafka import KafkaConsumer, TopicPartition
from runs import LONG_FORM, SEED
from stack import Stack, wait_for

from streams.faultpoints import POINTS

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

WHILE_STARTING, BOTH = "while it starts", "both at once"
MOMENTS = ("at work", WHILE_STARTING, BOTH)


def test_killed_at_each_step(load: Load) -> None:
    """Eight workers, one after the other, each die at another step in the middle of a load."""
    stack = load.stack
    for point in POINTS:
        dying = stack.start_worker(f"dies-at-{point}", wait=False, CLUSTERTRACK_FAULT=f"{point}:3")
        load.publish(load.size(1000))
        wait_for(lambda dying=dying: dying.exit_code() is not None, 90, f"the worker to die at {point}")
        assert dying.exit_code() == -9, dying.last_words()
    heir = stack.start_worker("heir", wait=False)
    conclude(load, "worker killed at each of the eight steps", faults=len(POINTS))
    heir.stop(20)


def test_an_unexpected_error_ends_the_worker(load: Load) -> None:
    """In an agent it would be a silent loss: the worker says why and exits with 1, and its heir counts everything."""
    stack = load.stack
    failing = stack.start_worker("failing", wait=False, CLUSTERTRACK_FAULT="decide:2:raise")
    load.publish(load.size(1000))
    wait_for(lambda: failing.exit_code() is not None, 90, "the worker to end")
    assert failing.exit_code() == 1, failing.last_words()
    assert "a batch cannot be taken, the worker stops" in (stack.folder / "failing.log").read_text()
    heir = stack.start_worker("heir", wait=False)
    conclude(load, "unexpected error in an agent", faults=1)
    assert heir.stop(20)


def waiting(stack: Stack) -> int:
    """Records that have no receipt yet."""
    ((counted,),) = stack.query("SELECT count() FROM impact.receipt FINAL WHERE topic = {t:String}", t=EVENTS)
    consumer = KafkaConsumer(bootstrap_servers=stack.bootstrap)
    try:
        places = [TopicPartition(EVENTS, partition) for partition in range(stack.partitions)]
        return int(sum(consumer.end_offsets(places).values()) - counted)
    finally:
        consumer.close()


@LONG_FORM
def test_killed_again_and_again(load: Load) -> None:
    """Two workers share the load, and die again and again at moments that the seed draws: at work, while they join or
    recover, and both at once.
    """
    stack, strikes, draw = load.stack, load.size(4), random.Random(SEED)
    publishing = load.background(rate=load.size(200), seconds=1800)
    names = (f"mortal-{n}" for n in itertools.count())
    workers = [stack.start_worker(next(names), wait=False) for _ in range(2)]
    killed, story = 0, []
    # Each kind of moment strikes, in any order.
    moments = [*MOMENTS, *draw.choices(MOMENTS, k=strikes - len(MOMENTS))]
    for moment in draw.sample(moments, strikes):
        if moment != WHILE_STARTING:
            for worker in workers:
                stack.wait_ready(worker)
        load.pause(0.0, 3.0)
        dying = workers[:] if moment == BOTH else [workers[-1] if moment == WHILE_STARTING else draw.choice(workers)]
        lag = waiting(stack)
        story.append(f"{' and '.join(worker.name for worker in dying)} killed {moment}, {lag} records waiting")
        for worker in dying:
            stack.kill(worker)
            workers.remove(worker)
            killed += 1
        assert lag > 0, story
        assert publishing.is_alive(), "the load ended too early"
        workers += [stack.start_worker(next(names), wait=False) for _ in dying]
    load.stop()
    publishing.join(120)
    conclude(load, "worker killed at random moments", faults=killed, story=story)
    for worker in workers:
        assert worker.stop(20), f"{worker.name} had to be killed"
