"""Runs requests on threads of their own, one connection each; rows come back through a pipe.

The engine writes a SELECT's rows into a pipe (`INTO OUTFILE '/dev/fd/N'`) while the response is sent: every format,
bounded memory, no copy of the result. A client that goes away closes the pipe, and its query is ended.
"""

import asyncio
import os
import secrets
import time
from asyncio import Future, StreamReader
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from clustertrack.local.clickhouse.dates import INSERT_SETTINGS, early_columns, refuse_early, with_hint
from clustertrack.local.clickhouse.engine_errors import TOO_MANY_SIMULTANEOUS_QUERIES, EngineError
from clustertrack.local.clickhouse.gate import Gate
from clustertrack.local.clickhouse.metrics import Metrics
from clustertrack.local.clickhouse.pool import FILE, Connection, Pool, Written
from clustertrack.local.clickhouse.request import Request
from clustertrack.local.clickhouse.statement import Kind, cut_settings

_CHUNK_BYTES: Final = 1 << 20
"""What is read from the pipe at once, and held before the response starts: a query that fails or ends before that gets
a proper status and its summary."""
_WAIT_SECONDS: Final = 60.0
_READER_WAIT_SECONDS: Final = 5.0
_END_SECONDS: Final = 8.0
"""A query checks now and then whether it should end; on a busy machine that takes a while."""


class ClientGoneError(Exception):
    """The client closed its connection before the response began."""


@dataclass(frozen=True, slots=True)
class Done:
    """A finished statement: its whole result and what it did, in `seconds`; `rows` if its kind has a result."""

    body: bytes
    rows: bool
    written: Written
    seconds: float


@dataclass(frozen=True, slots=True)
class Rows:
    """A SELECT that is still running: `first` are the bytes so far, `rest` what follows.

    `rest` raises EngineError when the query fails half way; closing it ends the query.
    """

    first: bytes
    rest: AsyncIterator[bytes]


class Runner:
    """Runs at most `limit` queries at once; more wait for up to a minute.

    Of those at most `readers` are of the login that only reads, so that it never keeps the operator out; more of them
    wait for a few seconds.
    """

    def __init__(self, pool: Pool, metrics: Metrics, limit: int = 32, readers: int = 8) -> None:
        self._pool = pool
        self._metrics = metrics
        self._gate = Gate(pool.known)
        self._slots = asyncio.Semaphore(limit)
        self._reader_slots = asyncio.Semaphore(readers)
        self._threads = ThreadPoolExecutor(limit, thread_name_prefix="query")
        self._running: set[Future[Done]] = set()
        self._kills: set[Future[None]] = set()

    async def run(self, request: Request, gone: Callable[[], Awaitable[object]]) -> Done | Rows:
        """Run a request; `gone` returns when the client has closed its connection.

        A SELECT of a client that is gone is ended; everything else runs to its end, as on a ClickHouse server.
        Raises EngineError and ClientGoneError.
        """
        if request.statement.kind is Kind.ROWS:
            return await self._stream(request, gone)
        await self._take_slot(request)
        return await asyncio.shield(self._start(request, None))

    async def close(self, grace: float) -> bool:
        """Let running queries end for `grace` seconds, then end them; False when some still run."""
        if self._running:
            await asyncio.wait(self._running, timeout=grace)
        if self._running:
            await asyncio.to_thread(self._pool.kill, None)
        if self._running:  # else they have ended meanwhile
            await asyncio.wait(self._running, timeout=_END_SECONDS)
        self._threads.shutdown(wait=False)
        return not self._running

    async def _take_slot(self, request: Request) -> None:
        if request.rights.writes:
            await _acquire(self._slots, _WAIT_SECONDS)
            return
        await _acquire(self._reader_slots, _READER_WAIT_SECONDS)
        try:
            await _acquire(self._slots, _WAIT_SECONDS)
        except BaseException:  # Ctrl-C and cancellation too
            self._reader_slots.release()
            raise

    def _give_slot(self, request: Request) -> None:
        self._slots.release()
        if not request.rights.writes:
            self._reader_slots.release()

    def _start(self, request: Request, sink: "_Sink | None") -> "Future[Done]":
        future = asyncio.get_running_loop().run_in_executor(self._threads, self._execute, request, sink)
        self._running.add(future)
        self._metrics.in_use.inc()
        future.add_done_callback(self._ended)
        future.add_done_callback(lambda _: self._give_slot(request))
        return future

    def _ended(self, future: "Future[Done]") -> None:
        self._running.discard(future)
        self._metrics.in_use.dec()
        if not future.cancelled():
            future.exception()  # retrieved even when the client is gone

    async def _stream(self, request: Request, gone: Callable[[], Awaitable[object]]) -> Done | Rows:
        source, writer = os.pipe()
        reader = StreamReader(limit=_CHUNK_BYTES)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(source, "rb", buffering=0)
        )
        sink = _Sink(writer, secrets.token_hex(8))
        try:
            await self._take_slot(request)
        except BaseException:  # Ctrl-C and cancellation too
            transport.close()
            os.close(writer)
            raise
        future = self._start(request, sink)
        pieces = self._pieces(reader, transport, sink, future)
        watch = asyncio.ensure_future(gone())
        held: list[bytes] = []
        try:
            while sum(map(len, held)) < _CHUNK_BYTES:
                read = asyncio.ensure_future(anext(pieces, b""))
                await asyncio.wait({read, watch}, return_when=asyncio.FIRST_COMPLETED)
                if not read.done():
                    read.cancel()
                    await asyncio.wait({read})
                    raise ClientGoneError  # noqa: TRY301  (the one exit that tidies up)
                piece = read.result()
                if not piece:
                    done = await asyncio.shield(future)
                    return Done(b"".join(held) or done.body, done.rows, done.written, done.seconds)
                held.append(piece)
        except BaseException:  # Ctrl-C and cancellation too
            await pieces.aclose()
            raise
        finally:
            watch.cancel()
        return Rows(b"".join(held), pieces)

    async def _pieces(
        self, reader: StreamReader, transport: asyncio.ReadTransport, sink: "_Sink", future: "Future[Done]"
    ) -> AsyncGenerator[bytes, None]:
        try:
            while piece := await reader.read(_CHUNK_BYTES):
                yield piece
            await asyncio.shield(future)
        finally:
            transport.close()
            if not future.done():
                # The closed pipe ends a query that writes; one that still computes has to be cancelled.
                kill = asyncio.get_running_loop().run_in_executor(None, self._pool.kill, sink.mark)
                self._kills.add(kill)
                kill.add_done_callback(self._kills.discard)

    def _execute(self, request: Request, sink: "_Sink | None") -> Done:
        """On a thread: check, run, give the connection back. Closes the sink."""
        started = time.perf_counter()
        try:
            connection = self._pool.take(request.state)
            reusable = False
            try:
                sql = _complete(request, sink)
                passed = self._gate.check(connection, sql, request)
                body, written = _run(connection, request, sql, sink)
                reusable = not passed.lasts
            finally:
                self._pool.give(connection, reusable=reusable)
        finally:
            if sink is not None:
                os.close(sink.descriptor)
        seconds = time.perf_counter() - started
        self._metrics.seconds.labels(request.statement.kind.value).observe(seconds)
        if request.statement.kind is not Kind.ROWS:
            self._metrics.inserted.inc(written.written_rows)
        return Done(body, passed.reads, written, seconds)


@dataclass(frozen=True, slots=True)
class _Sink:
    """The pipe's end that the engine writes to, and a mark in the SQL by which the query can be found."""

    descriptor: int
    mark: str


async def _acquire(slots: asyncio.Semaphore, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await slots.acquire()
    except TimeoutError:
        raise EngineError(
            TOO_MANY_SIMULTANEOUS_QUERIES, f"No query has ended for {seconds:.0f} s; try again later"
        ) from None


def _complete(request: Request, sink: _Sink | None) -> bytes:
    """The SQL that the engine gets, with FILE where the data go or come from."""
    statement = request.statement
    data_format = statement.format or "Values"
    if statement.kind is Kind.DATA:
        before, settings = cut_settings(statement.head)
        return b"%b FROM INFILE '%b' COMPRESSION 'none' %b FORMAT %b" % (
            before, FILE, settings, data_format.encode(),
        )  # fmt: skip
    if sink is None:
        return statement.text
    tail = statement.tail or f"FORMAT {request.default_format}".encode()
    return b"%b\nINTO OUTFILE '%b' TRUNCATE %b" % (statement.head, FILE, tail)


def _run(connection: Connection, request: Request, sql: bytes, sink: _Sink | None) -> tuple[bytes, Written]:
    if request.statement.kind is Kind.DATA:
        return _insert(connection, request, sql)
    if sink is not None:
        sql = b"%b\n/* %b */" % (sql.replace(FILE, b"/dev/fd/%d" % sink.descriptor), sink.mark.encode())
    return connection.query(sql, request.default_format, request.params)


def _insert(connection: Connection, request: Request, sql: bytes) -> tuple[bytes, Written]:
    statement = request.statement
    try:
        strict = statement.target and frozenset(INSERT_SETTINGS.items()) <= request.state.settings
        if strict and (early := early_columns(statement.format or "", statement.data)):
            refuse_early(early, connection.column_types(statement.target, request.params))
        return b"", connection.insert(sql, statement.data, request.params)
    except EngineError as fault:
        raise with_hint(fault) from None
