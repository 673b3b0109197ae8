"""Slots: who waits, who is refused, and when a place is free again."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, cast

import pytest

from clustertrack.local.clickhouse.engine_errors import TOO_MANY_SIMULTANEOUS_QUERIES, EngineError
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
    except EngineError as fault:
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


@pytest.mark.parametrize("query", [b"", b"query=SELECT+1"], ids=["sends", "reads"])
def test_a_client_that_is_too_slow_is_cut_off(query: bytes):
    """After the lane's seconds its connection is ended, its query too, and the slot is free."""
    from clustertrack.local.clickhouse.host_guard import Guard, Login  # noqa: PLC0415  (loads the engine)
    from clustertrack.local.clickhouse.metrics import Metrics  # noqa: PLC0415  (the same)
    from clustertrack.local.clickhouse.runner import Rows  # noqa: PLC0415  (the same)
    from clustertrack.local.clickhouse.server import Server  # noqa: PLC0415  (the same)

    ended: list[str] = []

    async def rest() -> AsyncGenerator[bytes, None]:
        try:
            while True:
                yield b"x"
        finally:
            ended.append("query")

    async def story(lane: Lane) -> None:
        class One:
            """A runner of one endless query."""

            def lane(self, writes: bool) -> Lane:
                assert not writes
                return lane

            async def run(self, *_: object) -> Rows:
                pieces = rest()
                return Rows(await anext(pieces), pieces)

        async def wait(*_: object) -> Any:
            await asyncio.get_running_loop().create_future()

        server = Server(cast("Any", One()), Guard((Login("default", "", writes=False),)), Metrics())
        scope = {
            "type": "http", "method": "GET" if query else "POST", "path": "/", "query_string": query,
            "headers": [(b"host", b"localhost")], "abort": lambda: ended.append("connection"),
        }  # fmt: skip
        await server.app()(scope, wait, wait)
        assert not await _refused(lane)

    _run(story)
    assert ended == (["query", "connection"] if query else ["connection"])
