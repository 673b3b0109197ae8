"""TCP ports of the loopback interface."""

import errno
import socket
from collections.abc import Iterable
from contextlib import ExitStack
from random import SystemRandom
from typing import Final

HOST: Final = "127.0.0.1"
_NEVER_GIVEN: Final = (20_000, 32_768)


def taken_ports(ports: Iterable[int]) -> list[int]:
    """Those of the ports on which something listens already."""
    return [port for port in ports if not _is_free(port)]


def free_ports(count: int) -> list[int]:
    """Ports that are free now (tests): held all at once while choosing, so that they differ.

    Chosen from below those that systems give to outgoing connections (on Linux from 32768 on): one of those could take
    the port before it is used.
    """
    draw, found = SystemRandom(), list[int]()
    with ExitStack() as held:
        while len(found) < count:
            attempt = held.enter_context(socket.socket())
            try:
                attempt.bind((HOST, draw.randrange(*_NEVER_GIVEN)))
            except OSError as error:
                if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                    raise
            else:
                found.append(attempt.getsockname()[1])
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as attempt:
        # Connections of a stack that just stopped linger for a minute and are no reason to refuse.
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind((HOST, port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True
