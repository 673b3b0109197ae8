"""Is the worker alive, and is it ready? Signs of life, and the rule that judges them.

A retry is a sign of life: waiting for ClickHouse makes a worker unready, never unhealthy. Unhealthy, so that the
supervisor replaces it, is a worker whose event loop or fetcher shows none for a while, though records could be taken:
Faust consumers are known to die silently (faust-streaming issues 175, 532, 640).
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from streams import membership
from streams import worker_metrics as metrics
from streams.deliver import Pipeline
from streams.transport import Delivery

DELIVERY_TIMES: Final = 5
"""A single ledger or Kafka call may take this many times the stall limit, since its own timeouts add up."""
LONGEST_START: Final = 600.0
"""Seconds that assignment and recovery may take, without a mark that is recovered, before a worker that reads nothing
counts as stalled."""
BEAT_SECONDS: Final = 0.25
"""A late beat shows how long something has blocked the event loop, to within this much."""


@dataclass(frozen=True, kw_only=True)
class Signs:
    """Signs of life at one moment; ages in seconds."""

    loop_age: float
    fetch_age: float
    flowing: bool
    """Whether the consumer may fetch records: not during a rebalance or a recovery."""
    recovering: bool
    """Whether the consumer may fetch the changelog."""
    held: bool
    """Whether a pipeline holds records, so that the fetcher may be waiting for it."""
    delivery_age: float
    """Since the busy pipeline last showed life; a retry is life."""
    untaken_for: float
    """Since when records have been fetched that no agent took, or that were passed over by later ones."""
    not_flowing_for: float
    """Since when no record could be fetched, and no mark was recovered."""
    waits_for: str
    """What has to be known before any record is decided, and is not yet; empty when all is known."""
    joined: bool
    """Whether the consumer group has let the worker in."""
    waiting_for: float
    """How long the ledger or Kafka has refused; 0 while healthy."""
    refusal: str = ""
    """What it said."""


def unhealthy(signs: Signs, stalled: float) -> str | None:
    """Why the worker has to be replaced, or None; `stalled` is for how many seconds nothing may move."""
    if signs.loop_age > stalled:
        return f"the event loop has not run for {signs.loop_age:.0f} s"
    if signs.held and signs.delivery_age > stalled * DELIVERY_TIMES:
        return f"the records in hand have not moved for {signs.delivery_age:.0f} s"
    if signs.untaken_for > stalled:
        return f"fetched records have not been taken for {signs.untaken_for:.0f} s"
    # While agents wait their queues are full, and the fetcher waits with them.
    fetching = signs.recovering or (signs.flowing and not signs.held and not signs.waits_for)
    if fetching and signs.fetch_age > stalled:
        return f"the fetcher has shown no sign of life for {signs.fetch_age:.0f} s"
    if not signs.flowing and signs.not_flowing_for > LONGEST_START:
        return f"assignment or recovery has not moved for {signs.not_flowing_for:.0f} s"
    return None


def unready(signs: Signs) -> str | None:
    """Why the worker takes no records just now, all reasons of it, or None."""
    reasons = []
    if not signs.joined:
        reasons.append("the consumer group has not let the worker in yet")
    elif not signs.flowing:
        reasons.append("partitions are being assigned or the table is being recovered")
    if signs.waits_for:
        reasons.append(signs.waits_for)
    if signs.waiting_for > 0:
        said = f" ({signs.refusal})" if signs.refusal else ""
        reasons.append(f"the ledger or Kafka has refused for {signs.waiting_for:.0f} s; the work is repeated{said}")
    return "; ".join(reasons) or None


class Vitals:
    """Collects the signs; `run` is the loop's own heartbeat. Read by the metrics server's thread.

    Args:
        now: the monotonic clock, in seconds.
        delivery: the fetcher's signs of life.
        pipelines: topic -> pipeline.
        app: the Faust app.
        waits_for: what has to be known before any record is decided; empty when all is known.
        stalled: for how many seconds nothing may move.
    """

    def __init__(
        self,
        *,
        now: Callable[[], float],
        delivery: Delivery,
        pipelines: Mapping[str, Pipeline],
        app: Any,
        waits_for: Callable[[], str],
        stalled: float,
    ) -> None:
        self._now, self._delivery, self._app, self._stalled = now, delivery, app, stalled
        self._pipelines = pipelines
        self._waits_for = waits_for
        self._beat = self._flowed_at = self._taken_at = now()

    async def run(self) -> None:
        """Beat, and refresh the gauges that are read off the app. Raises CheckFailed."""
        due = self._now()
        while True:
            self._beat = self._now()
            metrics.LOOP_LATE_SECONDS.observe(max(0.0, self._beat - due))
            membership.check(self._delivery.client, self._app.conf.id)
            if self._flowing():
                self._flowed_at = self._beat
                self._measure_lag()
            if not self._untaken():
                self._taken_at = self._beat
            for pipeline in self._pipelines.values():
                metrics.OLDEST_UNACKED.labels(pipeline.name).set(pipeline.oldest_unacked)
            due = self._now() + BEAT_SECONDS
            await asyncio.sleep(BEAT_SECONDS)

    def signs(self) -> Signs:
        """The signs of life now."""
        now = self._now()
        pipelines = self._pipelines.values()
        busy = [pipeline for pipeline in pipelines if not pipeline.idle]
        waiting = [(p.waiting_since, p.waiting_for) for p in pipelines if p.waiting_since is not None]
        return Signs(
            loop_age=now - self._beat,
            fetch_age=now - self._delivery.fetched_at,
            flowing=self._flowing(),
            recovering=self._recovering(),
            held=bool(busy),
            delivery_age=max((now - pipeline.alive_at for pipeline in busy), default=0.0),
            # Between two beats the state is unknown.
            untaken_for=max(0.0, self._beat - self._taken_at),
            not_flowing_for=now - max(self._flowed_at, self._delivery.recovered_at),
            waits_for=self._waits_for(),
            joined=self._joined(),
            waiting_for=max((now - since for since, _ in waiting), default=0.0),
            refusal=min(waiting, default=(0.0, ""))[1],
        )

    def unhealthy(self) -> str | None:
        """See the function of the same name."""
        return unhealthy(self.signs(), self._stalled)

    def unready(self) -> str | None:
        """See the function of the same name."""
        return unready(self.signs())

    def _flowing(self) -> bool:
        return self._may_fetch() and not self._app.in_recovery

    def _recovering(self) -> bool:
        return self._may_fetch() and bool(self._app.in_recovery)

    def _may_fetch(self) -> bool:
        app = self._app  # before it has joined, `app.consumer` would make one
        return bool(self._joined() and not app.rebalancing and app.consumer.flow_active)

    def _joined(self) -> bool:
        return bool(self._app.started and self._app.consumer_generation_id > 0)

    def _untaken(self) -> bool:
        """Whether fetched records were left lying: their pipeline is idle, or has gone on to later ones."""
        if not self._flowing() or self._waits_for():
            return False
        return any(
            (open_ and pipeline.idle) or passed_over
            for topic, pipeline in self._pipelines.items()
            for open_, passed_over in [self._app.consumer.unacked(topic)]
        )

    def _measure_lag(self) -> None:
        consumer = self._app.consumer
        for tp in consumer.assignment():
            if tp.topic in self._pipelines:
                end = consumer.highwater(tp) or 0
                committed = consumer._committed_offset[tp]  # noqa: SLF001  (see test_faust_contract)
                metrics.LAG.labels(tp.topic, str(tp.partition)).set(max(0, end - (committed or 0)))
