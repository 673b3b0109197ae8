"""What our HTTP servers have in common: how they listen, and that signals are left to us."""

import contextlib
import errno
import socket
from collections.abc import Iterator

import uvicorn

from schemas.errors import UsageFault


class QuietServer(uvicorn.Server):
    """Leaves signals to us: uvicorn raises them again when it is done, before everything is closed."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Nothing is captured."""
        yield


def listen(host: str, port: int, *, advice: str = "choose another port") -> socket.socket:
    """A socket that listens; port 0 takes a free one. Raises UsageFault."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named asyncio sets TCP_NODELAY; without it every answer waits 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise taken(host, port, error, advice=advice) from None
    return listener


def taken(host: str, port: int, error: OSError, *, advice: str = "choose another port") -> UsageFault:
    """Why an address cannot be listened on."""
    if error.errno == errno.EADDRINUSE:
        return UsageFault(f"port {port} on {host} is taken; stop what listens there or {advice}")
    return UsageFault(f"cannot listen on {host}:{port}: {error.strerror}")
