"""What every process serves on its metrics port: /metrics for Prometheus, /healthz and /readyz for its supervisor.

/healthz is red (503) when only a restart can help; /readyz is red while the process cannot do its work, for instance
because ClickHouse is down. Both answer with a JSON body that says why.
"""

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from clustertrack.local.clickhouse.host_guard import LOOPBACK, is_loopback
from schemas.errors import UsageFault
from schemas.visible import json_text

_JSON: Final = "application/json; charset=utf-8"
_TEXT: Final = "text/plain; charset=utf-8"


@dataclass(frozen=True)
class Health:
    """A health check's result: `why` is a short sentence if unhealthy; `facts` (JSON values) go into the body too."""

    ok: bool
    why: str = ""
    facts: Mapping[str, object] = field(default_factory=dict)

    def to_json(self) -> bytes:
        """The body of the answer."""
        status = "ok" if self.ok else "unavailable"
        said = json.dumps({"status": status, "why": self.why, **self.facts}, ensure_ascii=False, default=str)
        return json_text(said).encode()


class Server:
    """The HTTP server in a thread of its own; `close()` ends it and frees the port."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self._server = server
        self._thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.1}, name="metrics", daemon=True
        )
        self._thread.start()

    @property
    def port(self) -> int:
        """The port it listens on (useful after asking for port 0)."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stop answering; returns when the port is free."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    # The standard library's 5 is too few when Prometheus, a supervisor and a person ask a busy process at once.
    request_queue_size = 64


def serve(
    registry: CollectorRegistry, host: str, port: int, health: Callable[[], Health], ready: Callable[[], Health]
) -> Server:
    """Serve /metrics, /healthz and /readyz until the returned server is closed.

    `health` and `ready` are called from the server's threads, at every request; they must be quick and thread-safe.
    Raises UsageFault when the address cannot be listened on.
    """
    checks = {"/healthz": health, "/readyz": ready}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 10

        def do_GET(self) -> None:
            path = self.path.split("?", 1)[0]
            if host in LOOPBACK and not is_loopback(self.headers.get("Host", "")):
                # A web page whose name was pointed here (DNS rebinding).
                self._answer(HTTPStatus.FORBIDDEN, _TEXT, b"The Host header names another machine.\n")
            elif path == "/metrics":
                encoder, content_type = choose_encoder(self.headers.get("Accept", ""))
                self._answer(HTTPStatus.OK, content_type, encoder(registry))
            elif path in checks:
                state = _ask(checks[path])
                status = HTTPStatus.OK if state.ok else HTTPStatus.SERVICE_UNAVAILABLE
                self._answer(status, _JSON, state.to_json())
            else:
                self._answer(HTTPStatus.NOT_FOUND, _TEXT, b"Here are /metrics, /healthz and /readyz.\n")

        def do_HEAD(self) -> None:
            self.do_GET()

        def _answer(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Connection", "close")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the name is the base class's)
            """Say nothing: these requests come every few seconds."""

    try:
        return Server(_Listener((host, port), Handler))
    except OSError as error:
        raise UsageFault(
            f"metrics cannot be served on {host}:{port} ({error.strerror or error}): set METRICS_HOST and METRICS_PORT "
            "to a free address"
        ) from error


def _ask(check: Callable[[], Health]) -> Health:
    try:
        return check()
    # If the check itself fails, answer 503 instead of dropping the connection.
    except Exception as error:  # noqa: BLE001  (the state is unknown)
        return Health(ok=False, why=f"the check itself failed: {type(error).__name__}: {error}")
