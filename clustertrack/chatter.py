"""What libraries log, cut down to what explains.

aiokafka repeats an error for each of its attempts, a hundred times a second while a broker is away. Of that a person
needs: since when, what was said first, that it still lasts, and when it is over. Ours is logged as it is.
"""

import logging
import re
import threading
from collections.abc import Callable
from typing import Final

AGAIN_SECONDS: Final = 60.0
"""Between two lines that say the same."""
QUIET_SECONDS: Final = 5.0
"""So long without a complaint after an answer means that all brokers answer: attempts are never further apart."""
_TALKERS: Final = ("aiokafka", "kafka", "faust", "mode", "asyncio")
"""Libraries; their errors are warnings to us, who go on. What ends the worker is its last line."""
_CLIENTS: Final = ("aiokafka", "kafka")
_AWAY: Final = re.compile(
    "connect|abort|notready|coordinator|metadata|timed out|timeout|session expired|heartbeatrequest|failed fetch"
    "|network data|sending request|bootstrap",
    re.IGNORECASE,
)
"""Words of a client about a broker that cannot be reached."""
_NEVER: Final = ("mode.timers",)
"""Loggers that speak of a library's own clockwork: what it waited for has said so."""


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
        self._answered_at: float | None = None
        self._back_at: float | None = None
        self._complained_at = self._told_at = 0.0
        self._last_told: dict[object, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is logged; an error of a library becomes a warning."""
        if self._verbose or isinstance(record.msg, dict):  # structlog's: one of ours
            return True
        if record.levelno < logging.WARNING:
            return False
        library = record.name.partition(".")[0]
        broke = library in _CLIENTS and record.exc_info and isinstance(record.exc_info[1], OSError)
        if broke and record.exc_info:
            # A connection that broke: where in the client it was noticed explains nothing.
            record.msg, record.args, record.exc_info = f"{record.getMessage()}: {record.exc_info[1]}", (), None
        if library not in _TALKERS or record.exc_info or record.levelno == logging.CRITICAL:
            return True
        if record.name in _NEVER:
            return False
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        with self._lock:
            away = self._away_since is not None  # then all that a client says is about it
            if library in _CLIENTS and (away or broke or _AWAY.search(record.getMessage())):
                return self._complaint(record)
            return self._due((record.name, record.msg), self._clock())

    def answered(self) -> None:
        """Kafka answered a request."""
        with self._lock:
            self._answered_at = self._clock()
            if self._back_at is None:
                self._back_at = self._answered_at

    def over(self) -> float | None:
        """For how many seconds Kafka was away, once when it is over, else None. To be asked now and then.

        A broker that is frozen is silent, and so is its client while it waits: only an answer ends it.
        """
        with self._lock:
            quiet = self._clock() - self._complained_at >= QUIET_SECONDS
            if self._away_since is None or self._back_at is None or not quiet:
                return None
            lasted, self._away_since = self._back_at - self._away_since, None
            return lasted

    def _complaint(self, record: logging.LogRecord) -> bool:
        now = self._complained_at = self._clock()
        self._back_at = None
        if self._away_since is None:
            # Who waits for an answer complains late.
            self._away_since = now if self._answered_at is None else self._answered_at
            self._told_at = now
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
    """What the client said; some of its errors have a name and no words."""
    if isinstance(record.args, tuple):
        record.args = tuple(_named(one) if isinstance(one, BaseException) else one for one in record.args)
    return record.getMessage()[:300]


def _named(error: BaseException) -> str:
    return str(error) or ("no answer in time" if isinstance(error, TimeoutError) else type(error).__name__)
