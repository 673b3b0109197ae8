"""The end of running queries."""

import asyncio
import threading
from typing import Any, cast

import pytest

from clustertrack.local.clickhouse.metrics import Metrics
from clustertrack.local.clickhouse.pool import Pool
from clustertrack.local.clickhouse.runner import Runner

pytestmark = pytest.mark.integration


def test_queries_that_end_while_they_are_being_killed():
    """By the time that the engine learns of it, the last one may be over: that is a clean end."""

    async def close() -> bool:
        loop = asyncio.get_running_loop()
        query, over = loop.create_future(), threading.Event()

        def end() -> None:
            query.set_result(None)
            loop.call_soon(over.set)  # behind what the runner does when a query is done

        class Told:
            """A pool that tells the engine, and returns when the query is over."""

            known = None

            def kill(self, mark: str | None) -> None:
                assert mark is None
                loop.call_soon_threadsafe(end)
                assert over.wait(10)

        runner = Runner(cast("Pool", Told()), Metrics())
        running: set[Any] = runner._running
        running.add(query)
        query.add_done_callback(running.discard)
        return await runner.close(grace=0)

    assert asyncio.run(close())
