"""TCP ports of the loopback interface."""

import errno
import socket
from collections.abc import Iterable
from contextlib import ExitStack

HOST = "127.0.0.1"


def taken_ports(ports: Iterable[int]) -> list[int]:
    """Those of the ports on which something listens already."""
    return [port for port in ports if not _is_free(port)]


def free_ports(count: int) -> list[int]:
    """Ports that are free now (tests): held all at once while choosing, so that they differ."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((HOST, 0))
        return [each.getsockname()[1] for each in sockets]


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
