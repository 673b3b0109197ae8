"""HTTP as uvicorn reads it, with bounds that it lacks: of heads, of time, of connections."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import Any, ClassVar, Final

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from sources.collector.problems import PROBLEM_TYPE, ProblemError

MAX_HEAD_BYTES: Final = 64 << 10
"""Of a request's line and headers, as in uvicorn's slower protocol."""


PIPELINE: Final = 8
"""Requests that may wait for the answer to one before them on the same connection."""
ARRIVED: Final = "clustertrack.arrived"
"""In the scope of a request whose body is there as a whole."""
BROKEN: Final = "clustertrack.broken"
"""In the scope of a request whose body cannot be read to its end: why, as a `ProblemError`."""


class BoundedProtocol(HttpToolsProtocol):
    """Cuts off a request whose head is too long, and lets a request end its connection: `scope["abort"]`."""

    HEAD_BYTES: ClassVar[int] = MAX_HEAD_BYTES
    _head = 0
    """Bytes that came since the last head or piece of a body was complete."""
    _fields = 0
    """Bytes of the head, and of headers after the body, as they were read: a whole head may come at once."""
    _served: RequestResponseCycle | None = None
    """The request that is being answered, or was the last; uvicorn's `cycle` is the one that was read last."""

    def data_received(self, data: bytes) -> None:
        """Count what is neither body nor a head that is complete."""
        self._head += len(data)
        super().data_received(data)
        if self._head > self.HEAD_BYTES and not self.transport.is_closing():
            self.head_too_long()

    def head_too_long(self) -> None:
        """Answer a request whose head is too long."""
        self.send_400_response(f"The head of the request is longer than {self.HEAD_BYTES} bytes.")

    def on_message_begin(self) -> None:
        """A request begins."""
        self._fields = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """The address, or a part of it."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, also one after the body."""
        self._count(len(name) + len(value) + 4)
        super().on_header(name, value)

    def _count(self, size: int) -> None:
        self._fields += size
        if self._fields > self.HEAD_BYTES:
            self.too_much()
            raise httptools.HttpParserError

    def too_much(self) -> None:
        """The head is too long: the request is refused when this returns."""

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:  # noqa: ANN401  (uvicorn's type)
        self._served = cycle
        super()._start_asgi_task(cycle, app)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone: nobody reads what would still be answered."""
        self.pipeline.clear()
        if self._served is not None:
            self._served.disconnected = True
            self._served.message_event.set()
        super().connection_lost(exc)

    def on_headers_complete(self) -> None:
        """The head is read."""
        self._head = 0
        if len(self.pipeline) >= PIPELINE:
            raise httptools.HttpParserError
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
        self._refused = True
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

    def too_much(self) -> None:
        """The head is too long."""
        self._problem = _head_too_long(self.HEAD_BYTES)

    def on_headers_complete(self) -> None:
        """The head is read."""
        self._wait(None)
        self._problem = problem_of(self.parser.get_http_version(), self.headers)
        if self._problem is not None:
            raise httptools.HttpParserError
        super().on_headers_complete()
        self._in_body, self._headers = True, 0
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
        """The answer is written, and was the last; something that is not read any more may still come."""
        if self._in_body or self._refused:
            self._refused = True
            self._end_writing()
            return
        self._refused = True
        self.transport.close()
        if self.transport.get_write_buffer_size():
            self._wait(self.WRITE_SECONDS)  # closing waits until the client has read the answer

    def eof_received(self) -> bool | None:  # type: ignore[override]  # asyncio keeps the connection open where it is true
        """The client sends no more; it may still read."""
        served = self._served
        if self._refused:
            return served is not None and not served.response_complete
        if served is None or served.response_complete:
            return None
        if self._in_body:
            problem = ProblemError(
                HTTPStatus.BAD_REQUEST, "cut_off", "the request ends within its body: send all of it"
            )
            self._end_reading(served, problem)
        else:
            served.keep_alive = False
        return True

    def _end_reading(self, served: RequestResponseCycle, problem: ProblemError) -> None:
        """Nothing more can be read of this connection: answer the request that is being served, and close.

        What became of a body whose end cannot be read is answered by the application. Requests that wait for their turn
        are dropped before anything of them is published.
        """
        is_broken = self._in_body and self.cycle is served and not served.response_started
        self._refused = True
        self._wait(None)
        self.pipeline.clear()
        served.keep_alive = False
        served.transport = _ClosesLate(self)  # type: ignore[assignment]  # what uvicorn uses of a transport
        if is_broken:
            served.scope[BROKEN] = problem  # type: ignore[typeddict-unknown-key]  # ours
            served.more_body = False
            served.message_event.set()

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
        self._problem = _head_too_long(self.HEAD_BYTES)
        self.send_400_response("")

    def send_400_response(self, msg: str) -> None:
        """Answer what cannot be read, unless something before it is still being answered."""
        del msg
        if self._refused:
            return
        problem = self._problem
        if problem is None:
            problem = ProblemError(HTTPStatus.BAD_REQUEST, "no_http", "this is not HTTP: correct the request")
        if self._served is not None and not self._served.response_complete:
            self._end_reading(self._served, problem)
        elif self._in_body:  # of a request that was answered before its end
            self._refused = True
            self._end_writing()
        else:
            self._refuse(problem.status, problem.code, problem.detail)

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
        if self.transport.can_write_eof() and not self.transport.is_closing():
            with suppress(OSError):  # the client is gone, which asyncio has not noticed yet
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


def problem_of(version: str, headers: Sequence[tuple[bytes, bytes]]) -> ProblemError | None:
    """What a head says that would be read in two ways (RFC 9110, RFC 9112), if anything.

    Args:
        version: of HTTP.
        headers: names in lower case.
    """
    if version not in ("1.0", "1.1"):
        return _bad(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "the request is not HTTP/1.1: send it as that")
    given: dict[bytes, int] = {}
    for name, value in headers:
        if name not in _ONCE:
            continue
        given[name] = given.get(name, 0) + 1
        if given[name] > 1:
            return _bad(HTTPStatus.BAD_REQUEST, f"the request has several {name.decode()} headers: send one")
        if name == b"transfer-encoding" and value.strip().lower() != b"chunked":
            return _bad(HTTPStatus.BAD_REQUEST, "the Transfer-Encoding is not chunked: send the body so, or its length")
        if name == b"expect" and value.strip().lower() != b"100-continue":
            return _bad(HTTPStatus.EXPECTATION_FAILED, "only 100-continue can be expected: leave Expect out")
    if version == "1.1" and b"host" not in given:
        return _bad(HTTPStatus.BAD_REQUEST, "the request has no Host header: send one")
    if b"authorization" in given and b"x-api-key" in given:
        return _bad(HTTPStatus.BAD_REQUEST, "the request has a key in two headers: send Authorization alone")
    return None


_ONCE: Final = frozenset(
    (b"host", b"transfer-encoding", b"expect", b"authorization", b"x-api-key", b"content-encoding", b"content-length")
)
"""Headers that are read, and mean something else when they are there twice; http_events.py has the other ones."""


def _bad(status: HTTPStatus, detail: str) -> ProblemError:
    return ProblemError(status, "bad_head", detail)


def _head_too_long(most: int) -> ProblemError:
    return ProblemError(
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        "head_too_long",
        f"the address and the headers of the request have more than {most} bytes: shorten them",
    )


class _ClosesLate:
    """The transport of a connection that ends with its answer, without cutting off a body that is still being sent."""

    def __init__(self, protocol: CollectorProtocol) -> None:
        self.write = protocol.transport.write
        self.is_closing = protocol.transport.is_closing
        self.close = protocol.close_late
