"""Places where a test can end the worker as `kill -9` would, at a step of its choice.

`CLUSTERTRACK_FAULT=insert:3` kills the process when it comes to the point `insert` for the third time. It is for tests
and drills; unset, as it is in production, a point costs one comparison a group.
"""

import os
import signal
from typing import Final

VARIABLE: Final = "CLUSTERTRACK_FAULT"
POINTS: Final = ("decide", "decided", "insert", "receipts", "produce", "mark", "ack", "acked")
"""In the order of delivery: before and after steps 1 to 4, before the rows and before the receipts of step 5, before
steps 6, 7 and 8, and after the acks, when the offsets are not yet committed."""


class FaultPoints:
    """Counts arrivals at the armed point."""

    def __init__(self, armed: str) -> None:
        """Args: armed: `point:times` or empty; raises ValueError for a point that does not exist."""
        self._point, _, times = armed.partition(":")
        if self._point and self._point not in POINTS:
            raise ValueError(f"{VARIABLE}={armed!r}: there is no point {self._point!r}, only {', '.join(POINTS)}")
        self._left = int(times or 1)

    def reach(self, point: str) -> None:
        """End the process when the armed point is reached as often as asked for."""
        if point != self._point:
            return
        self._left -= 1
        if self._left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)


reach = FaultPoints(os.environ.get(VARIABLE, "")).reach
