"""Places where a test can harm the worker, at a step of its choice.

`CLUSTERTRACK_FAULT=insert:3` ends the process, as `kill -9` would, when it comes to the point `insert` for the third
time. `CLUSTERTRACK_FAULT=insert:3:block` holds the event loop up there, for ever; `insert:3:cancel` ends the task that
comes there without a word, `insert:3:raise` fails there as by a bug. It is for tests and drills; unset, as it is in
production, a point costs one comparison.
"""

import asyncio
import os
import signal
import time
from typing import Final

import structlog

VARIABLE: Final = "CLUSTERTRACK_FAULT"
POINTS: Final = ("decide", "decided", "insert", "receipts", "produce", "mark", "ack", "acked")
"""In the order of delivery: before and after steps 1 to 4, before the rows and before the receipts of step 5, before
steps 6, 7 and 8, and after the acks, when the offsets are not yet committed."""
FETCH: Final = "fetch"
"""Before each fetch; no step of delivery."""
HARMS: Final = ("kill", "block", "cancel", "raise")

log = structlog.get_logger()


class DrillError(Exception):
    """What a fault point raises: an error that nobody expects, of no family that any `except` is meant for."""


class FaultPoints:
    """Counts arrivals at the armed point."""

    def __init__(self, armed: str) -> None:
        """Args: armed: `point:times:harm` or empty; raises ValueError for a point or harm that does not exist."""
        given = armed.split(":")
        self._point, times, self._harm = [*given, *("", "1", "kill")[len(given) :]]
        if self._point and self._point not in (*POINTS, FETCH):
            raise ValueError(
                f"{VARIABLE}={armed!r}: there is no point {self._point!r}, only {', '.join(POINTS)}, {FETCH}"
            )
        if self._harm not in HARMS:
            raise ValueError(f"{VARIABLE}={armed!r}: there is no harm {self._harm!r}, only {', '.join(HARMS)}")
        self._left = int(times)

    def reach(self, point: str) -> None:
        """Do the harm when the armed point is reached as often as asked for."""
        if point != self._point:
            return
        self._left -= 1
        if self._left != 0:
            return
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


reach = FaultPoints(os.environ.get(VARIABLE, "")).reach
