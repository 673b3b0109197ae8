"""Places where a test can harm the worker, at a step of its choice.

`CLUSTERTRACK_FAULT=insert:3` ends the process, as `kill -9` would, when it comes to the point `insert` for the third
time. `CLUSTERTRACK_FAULT=insert:3:block` blocks the event loop there forever; `insert:3:cancel` silently ends the task
that comes there, `insert:3:raise` fails there as by a bug. `CLUSTERTRACK_FAULT=record:TOPIC/PARTITION/OFFSET` does its
harm whenever that record is to be decided on, like a record that no worker survives. It is for tests and drills; unset,
as it is in production, a point costs one comparison.
"""

import asyncio
import os
import signal
import time
from collections.abc import Collection, Iterable
from typing import Final, Protocol

import structlog

VARIABLE: Final = "CLUSTERTRACK_FAULT"
POINTS: Final = ("decide", "decided", "insert", "receipts", "produce", "mark", "ack", "acked")
"""In the order of delivery: before and after steps 1 to 4, before the rows and before the receipts of step 5, before
steps 6, 7 and 8, and after the acks, when the offsets are not yet committed."""
FETCH: Final = "fetch"
"""Before each fetch; no step of delivery."""
RECORD: Final = "record"
"""Before the decision on one record, every time."""
HARMS: Final = ("kill", "block", "cancel", "raise")

log = structlog.get_logger()


class DrillError(Exception):
    """What a fault point raises: an unexpected error, of no family that any `except` is meant for."""


class Numbered(Protocol):
    """A record, as far as fault points know it."""

    @property
    def offset(self) -> int:
        """Kafka's offset."""


class FaultPoints:
    """Counts arrivals at the armed point.

    Args:
        armed: `point:times:harm` or empty; raises ValueError for a point or harm that does not exist.
    """

    def __init__(self, armed: str) -> None:
        given = armed.split(":")
        self._point, times, self._harm = [*given, *("", "1", "kill")[len(given) :]]
        if self._point and self._point not in (*POINTS, FETCH, RECORD):
            raise ValueError(
                f"{VARIABLE}={armed!r}: there is no point {self._point!r}, only {', '.join((*POINTS, FETCH, RECORD))}"
            )
        if self._harm not in HARMS:
            raise ValueError(f"{VARIABLE}={armed!r}: there is no harm {self._harm!r}, only {', '.join(HARMS)}")
        self._record = times if self._point == RECORD else None
        self._left = 1 if self._record else int(times)

    def reach(self, point: str) -> None:
        """Do the harm when the armed point is reached as often as asked for."""
        if point != self._point:
            return
        self._left -= 1
        if self._left != 0:
            return
        self._harm_is_done(point)

    def reach_record(self, topic: str, partition: int, records: Iterable[Numbered], condemned: Collection[int]) -> None:
        """Do the harm when the armed record is one of these, and not rejected unread."""
        if self._record is None:
            return
        for record in records:
            if record.offset not in condemned and f"{topic}/{partition}/{record.offset}" == self._record:
                self._harm_is_done(self._record)

    def _harm_is_done(self, point: str) -> None:
        log.warning("harm is done, as asked for", point=point, harm=self._harm)
        match self._harm:
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "block":
                while True:
                    time.sleep(3600)
            case "cancel":
                raise asyncio.CancelledError
            case "raise":
                raise DrillError(f"{VARIABLE} is set, this error at {point!r} was asked for")


_armed: Final = FaultPoints(os.environ.get(VARIABLE, ""))
reach = _armed.reach
reach_record = _armed.reach_record
