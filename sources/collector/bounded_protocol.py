"""HTTP as uvicorn reads it, with bounds that it lacks: of heads, of time, of connections."""

import asyncio
from http import HTTPStatus
from typing import ClassVar, Final

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from sources.collector.problems import PROBLEM_TYPE, ProblemError

MAX_HEAD_BYTES: Final = 64 << 10
"""Of a request's line and headers, as in uvicorn's slower protocol."""


ARRIVED: Final = "clustertrack.arrived"
"""In the scope of a request whose body is there as a whole."""


class BoundedProtocol(HttpToolsProtocol):
    """Cuts off a request whose head is too long, and lets a request end its connection: `scope["abort"]`."""

    HEAD_BYTES: ClassVar[int] = MAX_HEAD_BYTES
    _head = 0

    def data_received(self, data: bytes) -> None:
        """Count what is neither body nor a head that is complete."""
        self._head += len(data)
        super().data_received(data)
        if self._head > self.HEAD_BYTES and not self.transport.is_closing():
            self.head_too_long()

    def head_too_long(self) -> None:
        """Answer a request whose head is too long."""
        self.send_400_response(f"The head of the request is longer than {self.HEAD_BYTES} bytes.")

    def on_headers_complete(self) -> None:
        """The head is read."""
        self._head = 0
        super().on_headers_complete()
        self.scope["abort"] = self.transport.abort  # type: ignore[typeddict-unknown-key]  # ASGI lets servers add keys

    def on_body(self, body: bytes) -> None:
        """So is this; headers may follow after the last piece."""
        self._head = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The next request begins."""
        self._head = 0
        super().on_message_complete()


class CollectorProtocol(BoundedProtocol):
    """Also bounds headers, connections and every time that a client may take; refuses with problem details."""

    HEAD_BYTES = 32 << 10
    HEADERS: ClassVar[int] = 128
    """An event has at most 64 attributes, and a request needs some ten headers besides."""
    CONNECTIONS: ClassVar[int] = 2_000
    HEAD_SECONDS: ClassVar[float] = 10.0
    """From the first byte of a request, or from the connection, until its head is complete."""
    LINGER_SECONDS: ClassVar[float] = 5.0
    """How long the rest of a body may still come after its answer. Closing at once would make the client's system drop
    the answer before it is read."""
    WRITE_SECONDS: ClassVar[float] = 20.0
    """How long a client may leave an answer unread."""

    _problem: ProblemError | None = None
    """Why the request that is being read is refused."""
    _refused = False
    _in_body = False
    _headers = 0
    _waiting: asyncio.TimerHandle | None = None
    """Cuts the connection off when a head, or the rest of a body, does not come."""
    _writing: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in the base class
        """A client is there."""
        super().connection_made(transport)
        if len(self.connections) > self.CONNECTIONS:
            self._refuse(
                HTTPStatus.SERVICE_UNAVAILABLE, "busy", "too many connections are open: connect again later", 1
            )
        else:
            self._wait(self.HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._wait(None)
        self._unset_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, unless the connection is being closed."""
        if self._refused:
            return
        super().data_received(data)
        if self._head and not self._in_body and self._waiting is None and not self.transport.is_closing():
            self._wait(self.HEAD_SECONDS)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, also one after the body."""
        self._headers += 1
        if self._headers > self.HEADERS:
            self._problem = ProblemError(
                HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
                "too_many_headers",
                f"the request has more than {self.HEADERS} headers: leave some out",
            )
            raise httptools.HttpParserError
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is read."""
        self._wait(None)
        self._in_body, self._headers = True, 0
        super().on_headers_complete()
        if not self.cycle.keep_alive:
            self.cycle.transport = _ClosesLate(self)  # type: ignore[assignment]  # what uvicorn uses of a transport

    def on_message_complete(self) -> None:
        """All of the request is read."""
        self._in_body = False
        self._wait(None)
        self.scope[ARRIVED] = True  # type: ignore[typeddict-unknown-key]  # ours
        super().on_message_complete()
        if self.cycle.response_complete and self.timeout_keep_alive_task is None:
            # The rest of a body came after its answer, and ended the wait for another request.
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def on_response_complete(self) -> None:
        """The rest of a body that nobody reads may still come, for a moment."""
        super().on_response_complete()
        if self._in_body and self.cycle.response_complete and not self.transport.is_closing():
            self._wait(self.LINGER_SECONDS)

    def close_late(self) -> None:
        """The answer is written, and was the last; the rest of the body may still come."""
        if self._in_body:
            self._refused = True
            self._end_writing()
        else:
            self.transport.close()

    def eof_received(self) -> bool | None:  # type: ignore[override]  # asyncio keeps the connection open where it is true
        """The client sends no more; it may still read."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            return None
        if self._in_body:
            if not cycle.response_started:
                self._refuse(HTTPStatus.BAD_REQUEST, "cut_off", "the request ends within its body: send all of it")
            return None
        cycle.keep_alive = False
        return True

    def pause_writing(self) -> None:
        """The client reads more slowly than the answer comes."""
        super().pause_writing()
        self._writing = self.loop.call_later(self.WRITE_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """It has read on."""
        self._unset_writing()
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """Nothing came on an open connection for long."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()  # the last answer is still unread: closing would wait for it
        else:
            super().timeout_keep_alive_handler()

    def head_too_long(self) -> None:
        """Answer a request whose head is too long."""
        self._refuse(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
            "head_too_long",
            f"the address and the headers of the request have more than {self.HEAD_BYTES} bytes: shorten them",
        )

    def send_400_response(self, msg: str) -> None:
        """Answer what cannot be read."""
        del msg
        found = self._problem
        if found is not None:
            self._refuse(found.status, found.code, found.detail)
        else:
            self._refuse(HTTPStatus.BAD_REQUEST, "no_http", "this is not HTTP: correct the request")

    def _refuse(self, status: HTTPStatus, code: str, detail: str, retry_after: int | None = None) -> None:
        """Answer without the application, and close: what else comes is not read."""
        problem = ProblemError(status, code, detail, retry_after=retry_after)
        body = problem.body()
        head = [STATUS_LINE[int(status)]]
        fields = {**problem.headers, "content-type": PROBLEM_TYPE, "content-length": len(body), "connection": "close"}
        head += [f"{name}: {value}\r\n".encode() for name, value in fields.items()]
        self._refused = True
        self._wait(None)
        self.transport.write(b"".join([*head, b"\r\n", body]))
        self._end_writing()

    def _end_writing(self) -> None:
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.resume_reading()
        self._wait(self.LINGER_SECONDS)

    def _wait(self, seconds: float | None) -> None:
        """Cut the connection off after `seconds`; None: not any more."""
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
        if seconds is not None:
            self._waiting = self.loop.call_later(seconds, self._cut)

    def _cut(self) -> None:
        self._waiting = None
        if self._refused or self._in_body:
            self.transport.abort()
        elif not self._head:
            self.transport.close()
        else:
            self._refuse(
                HTTPStatus.REQUEST_TIMEOUT,
                "too_slow",
                f"the head of the request did not come within {self.HEAD_SECONDS:g} s: send it again",
            )

    def _unset_writing(self) -> None:
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None


class _ClosesLate:
    """The transport of a connection that ends with its answer, without cutting off a body that is still being sent."""

    def __init__(self, protocol: CollectorProtocol) -> None:
        self.write = protocol.transport.write
        self.is_closing = protocol.transport.is_closing
        self.close = protocol.close_late
