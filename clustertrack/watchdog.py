"""Ends an unhealthy worker, no matter what its event loop does.

A supervisor may kill it first. But Docker Compose and systemd restart what has ended, not what reports itself
unhealthy.
"""

import os
import threading
import time
from collections.abc import Callable
from typing import Final

import structlog

LOOK_SECONDS: Final = 1.0
EXIT_CODE: Final = 1

log = structlog.get_logger()


def watch(unhealthy: Callable[[], str | None], patience: float) -> None:
    """Start a thread that ends this process when `unhealthy` has given a reason at every look for `patience` seconds.

    Unacked records are delivered again, so exiting hard is safe.
    """
    threading.Thread(target=_watch, args=(unhealthy, patience), name="watchdog", daemon=True).start()


def _watch(unhealthy: Callable[[], str | None], patience: float) -> None:
    looks = 0
    while True:
        time.sleep(LOOK_SECONDS)
        why = unhealthy()
        # Looks are counted, not seconds: a process that slept (SIGSTOP, a suspended machine) gets time to wake up.
        looks = looks + 1 if why else 0
        if looks * LOOK_SECONDS > patience:
            log.error("the worker stops: it is unhealthy, and only a restart helps", why=why)
            os._exit(EXIT_CODE)
