"""Questions to a child over HTTP on the loopback interface. Proxies of the environment are not asked."""

import http.client
import json
from collections.abc import Callable
from typing import Final

from clustertrack.local.ports import HOST
from clustertrack.local.watch import Sign

_TIMEOUT_SECONDS: Final = 2
_OK: Final = 200


def get(port: int, path: str) -> tuple[int, bytes] | None:
    """Status and body of the answer; None when there is none within two seconds."""
    connection = http.client.HTTPConnection(HOST, port, timeout=_TIMEOUT_SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def ready_at(port: int, path: str) -> Callable[[], str | None]:
    """A readiness check: the path answers 200. Otherwise returns the reason that the answer gives."""

    def ready() -> str | None:
        answer = get(port, path)
        if answer is None:
            return f"no answer on port {port}"
        status, body = answer
        return None if status == _OK else _why(status, body)

    return ready


def sign_at(port: int, path: str) -> Callable[[], Sign]:
    """A health check: 200 is healthy, any other answer is red, no answer is silent."""

    def sign() -> Sign:
        answer = get(port, path)
        if answer is None:
            return Sign.SILENT
        return Sign.WELL if answer[0] == _OK else Sign.RED

    return sign


def _why(status: int, body: bytes) -> str:
    try:
        reason = json.loads(body)["why"]
    except (ValueError, KeyError, TypeError):
        reason = ""
    return str(reason) or f"HTTP status {status}"
