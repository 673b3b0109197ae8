"""Slots: who waits, who is refused, and when a place is free again."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from clustertrack.local.clickhouse.engine_errors import TOO_MANY_SIMULTANEOUS_QUERIES, EngineFault
from clustertrack.local.clickhouse.lanes import Lane

# The server's own module loads the engine.
pytestmark = pytest.mark.integration


def _run(story: Callable[[Lane], Awaitable[None]], waiting: int = 1, wait_seconds: float = 0.05) -> None:
    async def told() -> None:
        await story(Lane(slots=1, waiting=waiting, wait_seconds=wait_seconds, seconds=0.2, work=1))

    asyncio.run(told())


async def _refused(lane: Lane) -> bool:
    try:
        async with lane.slot():
            return False
    except EngineFault as fault:
        return fault.code == TOO_MANY_SIMULTANEOUS_QUERIES


def test_a_slot_is_held_until_its_query_is_over():
    """Also after the response; then the next request has it."""

    async def story(lane: Lane) -> None:
        query = asyncio.get_running_loop().create_future()
        async with lane.slot() as slot:
            slot.hold(query)
            assert await _refused(lane)
        assert await _refused(lane)
        query.set_result(None)
        await asyncio.sleep(0)
        assert not await _refused(lane)

    _run(story)


def test_only_some_may_wait():
    """One more is refused at once."""

    async def story(lane: Lane) -> None:
        async with lane.slot():
            waiting = asyncio.ensure_future(_refused(lane))
            await asyncio.sleep(0)
            assert await asyncio.wait_for(_refused(lane), 5)
        assert not await waiting

    _run(story, wait_seconds=60)


def test_a_client_that_is_too_slow_is_cut_off():
    """Its body does not come: after the lane's seconds its connection is ended and the slot is free."""
    from clustertrack.local.clickhouse.host_guard import Guard, Login  # noqa: PLC0415  # loads the engine
    from clustertrack.local.clickhouse.metrics import Metrics  # noqa: PLC0415
    from clustertrack.local.clickhouse.server import Server  # noqa: PLC0415

    ended: list[bool] = []

    async def story(lane: Lane) -> None:
        class Idle:
            """A runner that runs nothing."""

            def lane(self, writes: bool) -> Lane:
                assert not writes
                return lane

        async def receive() -> dict[str, Any]:
            return await asyncio.get_running_loop().create_future()

        async def send(message: Any) -> None:
            raise AssertionError(message)

        server = Server(cast("Any", Idle()), Guard((Login("default", "", writes=False),)), Metrics())
        scope = {
            "type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": [(b"host", b"localhost")],
            "abort": lambda: ended.append(True),
        }  # fmt: skip
        await server.app()(scope, receive, send)
        assert not await _refused(lane)

    _run(story)
    assert ended == [True]
