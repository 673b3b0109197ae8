"""Runs requests on threads of their own, one connection each; rows come back through a pipe.

The engine writes a SELECT's rows into a pipe (`INTO OUTFILE '/dev/fd/N'`) while the response is sent, in every format and
with bounded memory. A client that goes away closes the pipe, which ends the query.
"""

import asyncio
import os
import time
from asyncio import Future, StreamReader
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from sinks.embedded.faults import (
    QUERY_WAS_CANCELLED,
    READONLY,
    SYNTAX_ERROR,
    TOO_MANY_SIMULTANEOUS_QUERIES,
    EngineFault,
)
from sinks.embedded.metrics import Metrics
from sinks.embedded.pool import Connection, Pool, Written
from sinks.embedded.request import Request
from sinks.embedded.statement import Kind

_CHUNK = 1 << 20
_WAIT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Done:
    """A finished statement: its whole result and what it did, in `seconds`; `rows` if its kind has a result."""

    body: bytes
    rows: bool
    written: Written
    seconds: float


@dataclass(frozen=True, slots=True)
class Rows:
    """A SELECT that still runs: `first` are the bytes so far, `rest` what follows.

    `rest` raises EngineFault when the query fails half way.
    """

    first: bytes
    rest: AsyncIterator[bytes]


class Runner:
    """Runs at most `limit` queries at once; more wait for up to a minute."""

    def __init__(self, pool: Pool, metrics: Metrics, limit: int = 32) -> None:
        self._pool = pool
        self._metrics = metrics
        self._slots = asyncio.Semaphore(limit)
        self._threads = ThreadPoolExecutor(limit, thread_name_prefix="query")
        self._running: set[Future[Done]] = set()

    async def run(self, request: Request) -> Done | Rows:
        """Run a request. Raises EngineFault."""
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                await self._slots.acquire()
        except TimeoutError:
            raise EngineFault(
                TOO_MANY_SIMULTANEOUS_QUERIES, f"No query has ended for {_WAIT_SECONDS:.0f} s; try again later"
            ) from None
        if request.statement.kind is Kind.ROWS:
            return await self._stream(request)
        return await asyncio.shield(self._start(request, None))

    def _start(self, request: Request, sink: int | None) -> "Future[Done]":
        future = asyncio.get_running_loop().run_in_executor(self._threads, self._execute, request, sink)
        self._running.add(future)
        self._metrics.in_use.inc()
        future.add_done_callback(self._ended)
        return future

    def _ended(self, future: "Future[Done]") -> None:
        self._running.discard(future)
        self._metrics.in_use.dec()
        self._slots.release()
        if not future.cancelled():
            future.exception()  # taken note of, even when the client is gone

    async def _stream(self, request: Request) -> Done | Rows:
        source, sink = os.pipe()
        reader = StreamReader(limit=_CHUNK)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(source, "rb", buffering=0)
        )
        future = self._start(request, sink)
        held: list[bytes] = []
        size = 0
        try:
            while size < _CHUNK:
                piece = await reader.read(_CHUNK)
                if not piece:
                    done = await asyncio.shield(future)
                    transport.close()
                    return Done(b"".join(held), done.rows, done.written, done.seconds)
                held.append(piece)
                size += len(piece)
        except BaseException:
            transport.close()
            raise
        return Rows(b"".join(held), _rest(reader, transport, future))

    def _execute(self, request: Request, sink: int | None) -> Done:
        """On a thread: check, run, give the connection back. Closes `sink`."""
        started = time.perf_counter()
        try:
            connection = self._pool.take(request.state)
            reusable = False
            try:
                kind = self._allowed(connection, request)
                body, written = _run(connection, request, sink)
                reusable = kind != "CONTROL"
            finally:
                self._pool.give(connection, reusable=reusable)
        finally:
            if sink is not None:
                os.close(sink)
        seconds = time.perf_counter() - started
        self._metrics.seconds.labels(request.statement.kind.value).observe(seconds)
        if request.statement.kind is not Kind.ROWS:
            self._metrics.inserted.inc(written.written_rows)
        return Done(body, kind == "READ_ONLY", written, seconds)

    @staticmethod
    def _allowed(connection: Connection, request: Request) -> str:
        kind, statements = connection.classify(request.statement.text)
        if statements > 1:
            raise EngineFault(SYNTAX_ERROR, "Multi-statements are not allowed; send one statement a request")
        # What does not parse is left to the engine, whose message names the place.
        if request.readonly and statements and kind != "READ_ONLY":
            raise EngineFault(
                READONLY, "Cannot execute query in readonly mode. Use method POST for queries that modify data"
            )
        return kind

    async def close(self, grace: float) -> bool:
        """Wait for running queries, at most `grace` seconds; False when some still run."""
        if self._running:
            await asyncio.wait(self._running, timeout=grace)
        self._threads.shutdown(wait=False)
        return not self._running


def _run(connection: Connection, request: Request, sink: int | None) -> tuple[bytes, Written]:
    statement = request.statement
    if statement.kind is Kind.DATA:
        return b"", connection.insert(statement.head, statement.format or "Values", statement.data, request.params)
    if sink is None:
        return connection.query(statement.text, request.default_format, request.params)
    tail = statement.tail or f"FORMAT {request.default_format}".encode()
    sql = b"%b\nINTO OUTFILE '/dev/fd/%d' TRUNCATE %b" % (statement.head, sink, tail)
    _, written = connection.query(sql, request.default_format, request.params)
    return b"", written


async def _rest(reader: StreamReader, transport: asyncio.ReadTransport, future: "Future[Done]") -> AsyncIterator[bytes]:
    try:
        while piece := await reader.read(_CHUNK):
            yield piece
        await asyncio.shield(future)
    finally:
        transport.close()
