"""What the server counts, and the second port that shows it.

| metric | labels | meaning |
|---|---|---|
| `clickhouse_embedded_queries_total` | `outcome`: `ok`, `refused` (guard, login), `error` | requests |
| `clickhouse_embedded_query_seconds` | `kind`: `rows`, `data`, `plain` | time in the engine |
| `clickhouse_embedded_inserted_rows_total` | | rows written |
| `clickhouse_embedded_connections_in_use` | | running queries |
"""

from collections.abc import Callable, Iterable
from threading import Thread
from typing import Any, cast
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

from clustertrack.local.clickhouse.host_guard import is_loopback


class Metrics:
    """The server's counters in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.queries = Counter("clickhouse_embedded_queries", "Requests", ["outcome"], registry=self.registry)
        self.seconds = Histogram(
            "clickhouse_embedded_query_seconds", "Time of a query", ["kind"], registry=self.registry
        )
        self.inserted = Counter("clickhouse_embedded_inserted_rows", "Rows written", registry=self.registry)
        self.in_use = Gauge("clickhouse_embedded_connections_in_use", "Running queries", registry=self.registry)


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the name is inherited)
        """A scrape every few seconds is not worth a line."""


def serve_metrics(metrics: Metrics, healthy: Callable[[], bool], host: str, port: int) -> WSGIServer:
    """Serve /metrics and /healthz (200 or 503) on a thread of their own. Raises OSError when the port is taken."""
    exposition = make_wsgi_app(metrics.registry)

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO")
        if not is_loopback(environ.get("HTTP_HOST", "")):
            # A web page whose name was pointed here (DNS rebinding).
            start_response("403 Forbidden", [("Content-Type", "text/plain; charset=utf-8")])
            return [b"the Host header names another machine; use 127.0.0.1 or localhost\n"]
        if path == "/metrics":
            return cast("Iterable[bytes]", exposition(environ, start_response))
        if path != "/healthz":
            status, text = "404 Not Found", b"only /metrics and /healthz\n"
        elif healthy():
            status, text = "200 OK", b"ok\n"
        else:
            status, text = "503 Service Unavailable", b"the engine does not answer\n"
        start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
        return [text]

    server = make_server(host, port, app, ThreadingWSGIServer, handler_class=_Quiet)
    Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server
