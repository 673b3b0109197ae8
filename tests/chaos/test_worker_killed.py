"""A worker that dies at each step of delivery, as by `kill -9`."""

import pytest
from chaos import Load, conclude
from stack import wait_for

from streams.faultpoints import POINTS

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


@pytest.mark.parametrize("point", POINTS, ids=str)
def test_killed_at_each_step(load: Load, point: str) -> None:
    """It dies in the middle of a load, another one takes over: nothing lost, nothing twice, no receipt missing."""
    stack = load.stack
    dying = stack.start_worker(f"dies-at-{point}", CLUSTERTRACK_FAULT=f"{point}:3")
    load.publish(load.size(1500))
    wait_for(lambda: dying.exit_code() is not None, 60, f"the worker to die at {point}")
    assert dying.exit_code() == -9
    heir = stack.start_worker(f"after-{point}", wait=False)
    conclude(load, f"worker killed at {point}", faults=1)
    heir.stop(20)
