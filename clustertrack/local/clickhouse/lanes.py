"""Slots and threads, apart for each login: what the reader sends never takes those that inserts need."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from clustertrack.local.clickhouse.engine_errors import TOO_MANY_SIMULTANEOUS_QUERIES, EngineError

_T = TypeVar("_T")
READERS_AT_ONCE: Final = 8


class Slot:
    """A place in a lane, free again when the response is sent and the query over, whichever comes last."""

    def __init__(self, slots: asyncio.Semaphore) -> None:
        self._slots = slots
        self._holders = 1

    def hold(self, query: "asyncio.Future[Any]") -> None:
        """Keep it until the query is over."""
        self._holders += 1
        query.add_done_callback(lambda _: self.release())

    def release(self) -> None:
        """One holder less."""
        self._holders -= 1
        if not self._holders:
            self._slots.release()


class Lane:
    """The requests of one login.

    Args:
        slots: Requests that are worked on at once, from before their body is read until their answer is sent.
        waiting: Requests that may wait for a slot.
        wait_seconds: How long they wait.
        seconds: The longest that a request may hold its slot, None for no limit.
        work: Threads for what is neither query nor input: reading a statement, packing an answer. None for Python's
            own number.
    """

    def __init__(
        self, *, slots: int, waiting: int, wait_seconds: float, seconds: float | None = None, work: int | None = None
    ) -> None:
        self.seconds = seconds
        self.queries = ThreadPoolExecutor(slots, thread_name_prefix="query")
        self._work = ThreadPoolExecutor(work, thread_name_prefix="work")
        self._slots = asyncio.Semaphore(slots)
        self._room = waiting
        self._wait_seconds = wait_seconds

    @contextlib.asynccontextmanager
    async def slot(self) -> AsyncIterator[Slot]:
        """Wait for a slot. Raises EngineError (TOO_MANY_SIMULTANEOUS_QUERIES)."""
        await self._acquire()
        slot = Slot(self._slots)
        try:
            yield slot
        finally:
            slot.release()

    async def work(self, function: Callable[..., _T], *arguments: Any) -> _T:  # noqa: ANN401  (passed on)
        """Run a function on a thread of the lane."""
        return await asyncio.get_running_loop().run_in_executor(self._work, function, *arguments)

    async def _acquire(self) -> None:
        if self._slots.locked() and not self._room:
            raise EngineError(TOO_MANY_SIMULTANEOUS_QUERIES, "Too many queries wait already; try again later")
        self._room -= 1
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._slots.acquire()
        except TimeoutError:
            raise EngineError(
                TOO_MANY_SIMULTANEOUS_QUERIES, f"No query has ended for {self._wait_seconds:.0f} s; try again later"
            ) from None
        finally:
            self._room += 1
