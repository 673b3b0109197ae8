"""Workers that die at each step of delivery, as by `kill -9`."""

import pytest
from chaos import Load, conclude
from stack import wait_for

from streams.faultpoints import POINTS

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


def test_killed_at_each_step(load: Load) -> None:
    """Eight workers, each the heir of the one before, die at one step each in the middle of a load."""
    stack = load.stack
    for point in POINTS:
        dying = stack.start_worker(f"dies-at-{point}", wait=False, CLUSTERTRACK_FAULT=f"{point}:3")
        load.publish(load.size(1000))
        wait_for(lambda dying=dying: dying.exit_code() is not None, 90, f"the worker to die at {point}")
        assert dying.exit_code() == -9, dying.last_words(20)
    heir = stack.start_worker("heir", wait=False)
    conclude(load, "worker killed at each of the eight steps", faults=len(POINTS))
    heir.stop(20)


def test_killed_again_and_again(load: Load) -> None:
    """Two workers share the load; every few seconds one of them dies at a moment that the seed draws."""
    stack, kills = load.stack, load.size(4)
    publishing = load.background(rate=400, seconds=3.0 * kills)
    workers = [stack.start_worker(f"mortal-{n}", wait=False) for n in range(2)]
    for n in range(kills):
        stack.wait_ready(workers[n % 2])
        load.pause(0.0, 3.0)
        stack.kill(workers[n % 2])
        workers[n % 2] = stack.start_worker(f"mortal-{n + 2}", wait=False)
    publishing.join(120)
    conclude(load, "worker killed at random moments", faults=kills)
    for worker in workers:
        worker.stop(20)
