"""Ports for the servers of tests, which bind them a moment later."""

import errno
import os
import socket
from contextlib import ExitStack
from random import SystemRandom
from typing import Final

from clustertrack.local.ports import HOST

_NEVER_GIVEN: Final = range(20_000, 32_768)
"""Below those that systems give to outgoing connections (on Linux from 32768 on): one of those could take a port before
it is used."""
_PROCESSES: Final = 8
"""Of pytest-xdist that get ports of their own."""
_given: Final = set[int]()
"""What this process has got before: perhaps not used yet, or in use again soon."""


def free_ports(count: int) -> list[int]:
    """Ports that are free now; none is given twice, nor to two processes of pytest-xdist."""
    process = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    draw, found = SystemRandom(), list[int]()
    with ExitStack() as held:
        while len(found) < count:
            port = draw.choice(_NEVER_GIVEN[process % _PROCESSES :: _PROCESSES])
            if port in _given:
                continue
            _given.add(port)
            attempt = held.enter_context(socket.socket())
            try:
                attempt.bind((HOST, port))
            except OSError as error:
                if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                    raise
            else:
                found.append(port)
    return found
