"""A pipeline with twins in memory of ledger, outbox and dedupe state."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from samples import CLUSTERS
from twins import MemoryLedger, MemoryOutbox, MemorySeen, Record

from streams.company_register import Register
from streams.decide import Batch, PartitionInfo, process_batch
from streams.deliver import Pipeline

PARTITIONS = 1
PLACE = PartitionInfo("activity.events.v1", 0, 0, PARTITIONS)


class Bench:
    """A pipeline with its twins, and what was acked and crashed."""

    def __init__(self, *, linger: float = 0.0, max_rows: int = 1000) -> None:
        self.ledger, self.outbox, self.seen = MemoryLedger(), MemoryOutbox(), MemorySeen()
        self.acked: list[int] = []
        self.crashes: list[BaseException] = []
        self.poison: set[bytes] = set()
        self.pipeline = Pipeline(
            name="events",
            step=self.step,
            seen=self.seen,
            ledger=self.ledger,
            outbox=self.outbox,
            crash=self.crash,
            linger=linger,
            max_rows=max_rows,
            retry_delays=(0.001, 0.002),
            patience=0.01,
        )

    def step(self, place: PartitionInfo, records: Sequence[Any], condemned: Mapping[int, str]) -> Batch:
        if any(r.value in self.poison and r.offset not in condemned for r in records):
            raise ArithmeticError("poison")
        return process_batch(
            place,
            records,
            seen=partial(self.pipeline.seen, place.partition),
            register=Register(),
            clusters=CLUSTERS,
            condemned=condemned,
        )

    async def crash(self, error: BaseException) -> None:
        self.crashes.append(error)

    async def add(self, *records: Record) -> None:
        async def ack() -> None:
            self.acked.append(records[-1].offset)

        await self.pipeline.add(PLACE, list(records), ack)

    async def until(self, condition: Callable[[], Any], seconds: float = 5) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.005)

    def statuses(self) -> list[str]:
        return [self.ledger.receipts[key].status for key in sorted(self.ledger.receipts)]


def run(test: Callable[[Bench], Awaitable[None]], **options: Any) -> Bench:
    """Run a test next to the pipeline's own loop."""

    async def main() -> Bench:
        bench = Bench(**options)
        loop = asyncio.create_task(bench.pipeline.run())
        try:
            await test(bench)
        finally:
            loop.cancel()
        return bench

    return asyncio.run(main())
