"""Workers that join, leave, and sleep through their session while a load is running."""

import json
import os
import signal
import time

import pytest
from chaos import Load, conclude
from stack import Stack, wait_for

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


def members(stack: Stack) -> int:
    """Workers in the group."""
    return int(json.loads(stack.run("status", "--json").stdout)["workers"])


def test_joining_and_leaving_under_load(load: Load) -> None:
    """Partitions go to and fro between two to three workers; every stop ends by itself in under 20 s."""
    stack = load.stack
    stays = stack.start_worker("stays")
    publishing = load.background(rate=400, seconds=20)
    for turn in range(2):
        guest = stack.start_worker(f"guest-{turn}")
        other = stack.start_worker(f"other-{turn}")
        for leaving in (guest, other):
            started = time.monotonic()
            assert leaving.stop(20), f"{leaving.name} had to be killed"
            assert time.monotonic() - started < 20
    publishing.join(120)
    conclude(load, "workers join and leave", faults=8)
    stays.stop(20)


def test_a_zombie_that_wakes_up(load: Load) -> None:
    """Stopped for longer than its session with records in hand; its late writes change nothing."""
    stack = load.stack
    zombie, heir = stack.start_worker("zombie"), stack.start_worker("heir")
    publishing = load.background(rate=400, seconds=20)
    wait_for(lambda: members(stack) == 2, 30, "two workers in the group")
    os.killpg(zombie.pid, signal.SIGSTOP)
    try:
        wait_for(lambda: members(stack) == 1, 60, "the group to give the sleeping worker up")
    finally:
        os.killpg(zombie.pid, signal.SIGCONT)
    publishing.join(120)
    conclude(load, "worker asleep beyond its session", faults=1)
    zombie.stop(20)
    heir.stop(20)
