"""TCP ports of the loopback interface."""

import errno
import socket
from collections.abc import Iterable
from typing import Final

HOST: Final = "127.0.0.1"


def taken_ports(ports: Iterable[int]) -> list[int]:
    """Those of the ports on which something listens already."""
    return [port for port in ports if not _is_free(port)]


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
