"""An HTTP proxy in front of ClickHouse: a test can delay, refuse or lose its answers, and hold inserts back."""

import http.client
import threading
import time
from collections.abc import Callable
from contextlib import closing
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from clustertrack.local.ports import HOST

Fault = Callable[["Proxy"], str]
"""Says what happens to an insert: `pass`, `lose` (done, but the answer never comes), `error CODE` or
`error CODE MESSAGE`, `page STATUS` (a page of the proxy's own, not from ClickHouse), `cut STATUS` (an answer that ends
half way), `slow SECONDS`, `hold` (it goes on when the test lets it)."""


class Proxy:
    """Forwards everything to ClickHouse; inserts go through `fault` first."""

    def __init__(self, port: int) -> None:
        self.target = port
        self.fault: Fault = lambda _proxy: "pass"
        self.profile = ""
        """Settings, as of a URL, that every request meets there, as if they were in the profile of its user."""
        self.inserts = 0
        self.harmed = 0
        self.late = 0
        """Inserts that were held back and are now done."""
        self._gate = threading.Event()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._forward(b"")

            def do_POST(self) -> None:
                self._forward(self.rfile.read(int(self.headers.get("Content-Length", 0))))

            def _forward(self, body: bytes) -> None:
                is_insert = b"INSERT INTO" in body[:500] or "INSERT+INTO" in self.path or "INSERT%20INTO" in self.path
                action, _, value = (proxy.judge() if is_insert else "pass").partition(" ")
                if action == "error":
                    code, _, message = value.partition(" ")
                    text = f"Code: {code}. DB::Exception: {message or 'planned by a test'}".encode()
                    self._answer(500, text, {"X-ClickHouse-Exception-Code": code})
                    return
                if action in ("page", "cut"):
                    page = {"Content-Type": "text/html"} | ({"Content-Length": "4000"} if action == "cut" else {})
                    self._answer(int(value), b"<html><h1>Back in a minute. Code: 469.</h1></html>", page)
                    self.close_connection = True
                    return
                if action == "slow":
                    time.sleep(float(value))
                if action == "hold":
                    proxy._gate.wait()
                try:
                    status, answer, headers = self._ask(body)
                except (OSError, http.client.HTTPException):  # a test has killed ClickHouse
                    self.close_connection = True
                    return
                proxy.late += action == "hold" and status == HTTPStatus.OK
                if action == "lose":
                    self.close_connection = True
                    return
                self._answer(status, answer, headers)

            def _ask(self, body: bytes) -> tuple[int, bytes, dict[str, str]]:
                connection = http.client.HTTPConnection(HOST, proxy.target, timeout=60)
                headers = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "content-length")}
                with closing(connection):
                    base, _, query = self.path.partition("?")
                    path = f"{base}?{proxy.profile}&{query}" if proxy.profile else self.path
                    connection.request(self.command, path, body or None, headers)
                    found = connection.getresponse()
                    answer = found.read()
                kept = {k: v for k, v in found.getheaders() if k.lower().startswith(("x-clickhouse", "content-type"))}
                kept |= {k: v for k, v in found.getheaders() if k.lower() == "content-encoding"}
                return found.status, answer, kept

            def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if "Content-Length" not in headers:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Nothing: tests read the worker's log."""

        self._server = ThreadingHTTPServer((HOST, 0), Handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def judge(self) -> str:
        """What happens to an insert."""
        self.inserts += 1
        action = self.fault(self)
        self.harmed += action != "pass"
        return action

    def let_go(self) -> None:
        """Let inserts that are held back, and those to come, go on."""
        self._gate.set()

    def close(self) -> None:
        """Stop; connections that are open are cut."""
        self.let_go()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
