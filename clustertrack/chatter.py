"""What libraries log, cut down to what explains.

aiokafka repeats an error for each of its attempts, a hundred times a second while a broker is away. Of that a person
needs: since when, what was said first, that it still lasts, and when it is over. Ours is logged as it is.
"""

import logging
import threading
from collections.abc import Callable
from typing import Final

AGAIN_SECONDS: Final = 60.0
"""Between two lines that say the same."""
QUIET_SECONDS: Final = 5.0
"""So long without a complaint means that Kafka answers: attempts are never further apart."""
_TALKERS: Final = ("aiokafka", "kafka", "faust", "mode", "asyncio")
"""Libraries; their errors are warnings to us, who go on. What ends the worker is its last line."""
_CLIENTS: Final = ("aiokafka", "kafka")
_AWAY: Final = (
    "connect",
    "NotReady",
    "coordinator",
    "Coordinator",
    "metadata",
    "timed out",
    "Timeout",
    "session expired",
    "HeartbeatRequest",
    "Failed fetch",
)
"""Words of aiokafka about a broker that cannot be reached."""


class Chatter(logging.Filter):
    """Lets pass what explains. A filter of the handler, so that it sees every record.

    Args:
        clock: in seconds.
        verbose: everything passes.
    """

    def __init__(self, clock: Callable[[], float], *, verbose: bool = False) -> None:
        super().__init__()
        self._clock, self._verbose = clock, verbose
        self._lock = threading.Lock()
        self._away_since: float | None = None
        self._complained_at = self._told_at = 0.0
        self._last_told: dict[object, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is logged; an error of a library becomes a warning."""
        if self._verbose or isinstance(record.msg, dict):  # structlog's: one of ours
            return True
        if record.levelno < logging.WARNING:
            return False
        library = record.name.partition(".")[0]
        if library in _CLIENTS and record.exc_info and isinstance(record.exc_info[1], OSError):
            # A connection that broke: where in the client it was noticed explains nothing.
            record.msg, record.args, record.exc_info = f"{record.getMessage()}: {record.exc_info[1]}", (), None
        if library not in _TALKERS or record.exc_info or record.levelno == logging.CRITICAL:
            return True
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        with self._lock:
            if library == "aiokafka" and any(word in record.getMessage() for word in _AWAY):
                return self._complaint(record)
            return self._due((record.name, record.msg), self._clock())

    def over(self) -> float | None:
        """For how many seconds Kafka was away, once when it is over, else None. To be asked now and then."""
        with self._lock:
            now = self._clock()
            if self._away_since is None or now - self._complained_at < QUIET_SECONDS:
                return None
            lasted, self._away_since = self._complained_at - self._away_since, None
            return lasted

    def _complaint(self, record: logging.LogRecord) -> bool:
        now = self._complained_at = self._clock()
        if self._away_since is None:
            self._away_since = self._told_at = now
            record.msg = f"Kafka does not answer as it should, and is asked again until it does: {_said(record)}"
        elif now - self._told_at >= AGAIN_SECONDS:
            self._told_at = now
            record.msg = f"Kafka has not answered as it should for {now - self._away_since:.0f} s: {_said(record)}"
        else:
            return False
        record.args = ()
        return True

    def _due(self, what: object, now: float) -> bool:
        if now - self._last_told.get(what, -AGAIN_SECONDS) < AGAIN_SECONDS:
            return False
        self._last_told[what] = now
        return True


def _said(record: logging.LogRecord) -> str:
    return record.getMessage()[:300]
