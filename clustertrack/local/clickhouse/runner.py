"""Runs requests on threads of their own, one connection each; rows come back through a pipe.

The engine writes a SELECT's rows into a pipe (`INTO OUTFILE '/dev/fd/N'`) while the response is sent: every format,
bounded memory, no copy of the result. A client that goes away closes the pipe, and its query is ended.
"""

import asyncio
import os
import secrets
import time
from asyncio import Future, StreamReader
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from clustertrack.local.clickhouse.dates import INSERT_SETTINGS, early_columns, refuse_early, with_hint
from clustertrack.local.clickhouse.engine_errors import EngineError
from clustertrack.local.clickhouse.gate import Gate
from clustertrack.local.clickhouse.lanes import READERS_AT_ONCE, Lane, Slot
from clustertrack.local.clickhouse.metrics import Metrics
from clustertrack.local.clickhouse.pool import FILE, Connection, Pool, Written
from clustertrack.local.clickhouse.request import Request
from clustertrack.local.clickhouse.statement import Kind, cut_settings

_CHUNK_BYTES: Final = 1 << 20
"""What is read from the pipe at once, and held before the response starts: a query that fails or ends before that gets
a proper status and its summary."""
_END_SECONDS: Final = 8.0
"""A query checks now and then whether it should end; on a busy machine that takes a while."""


class ClientGoneError(Exception):
    """The client closed its connection before the response began."""


@dataclass(frozen=True, slots=True)
class FinishedStatement:
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
    rest: AsyncGenerator[bytes, None]


class Runner:
    """Runs 32 queries of the operator at once; more wait for up to a minute.

    The login that only reads has 8 more, and threads of its own; more of its queries wait for a few seconds. Nothing
    of it takes longer than two minutes, however slowly its client sends or reads.
    """

    def __init__(self, pool: Pool, metrics: Metrics) -> None:
        self._pool = pool
        self._metrics = metrics
        self._gate = Gate(pool.known)
        self._writers = Lane(slots=32, waiting=10_000, wait_seconds=60)
        self._readers = Lane(slots=READERS_AT_ONCE, waiting=32, wait_seconds=5, seconds=120, work=1)
        self._running: set[Future[FinishedStatement]] = set()
        self._kills: set[Future[None]] = set()

    def lane(self, writes: bool) -> Lane:
        """Where the requests of a login get their slots and threads."""
        return self._writers if writes else self._readers

    async def run(
        self, request: Request, slot: Slot, gone: Callable[[], Awaitable[object]]
    ) -> FinishedStatement | Rows:
        """Run a request in a slot of its lane; `gone` returns when the client has closed its connection.

        A SELECT of a client that is gone is ended; everything else runs to its end, as on a ClickHouse server.
        Raises EngineError and ClientGoneError.
        """
        if request.statement.kind is Kind.ROWS:
            return await self._stream(request, slot, gone)
        return await asyncio.shield(self._start(request, slot, None))

    async def close(self, grace: float) -> bool:
        """Let running queries end for `grace` seconds, then end them; False when some still run."""
        if self._running:
            await asyncio.wait(self._running, timeout=grace)
        if self._running:
            await asyncio.to_thread(self._pool.kill, None)
        if self._running:  # else they have ended meanwhile
            await asyncio.wait(self._running, timeout=_END_SECONDS)
        for lane in (self._writers, self._readers):
            lane.queries.shutdown(wait=False)
        return not self._running

    def _start(self, request: Request, slot: Slot, sink: "_Sink | None") -> "Future[FinishedStatement]":
        threads = self.lane(request.rights.writes).queries
        future = asyncio.get_running_loop().run_in_executor(threads, self._execute, request, sink)
        slot.hold(future)
        self._running.add(future)
        self._metrics.in_use.inc()
        future.add_done_callback(self._ended)
        return future

    def _ended(self, future: "Future[FinishedStatement]") -> None:
        self._running.discard(future)
        self._metrics.in_use.dec()
        if not future.cancelled():
            future.exception()  # retrieved even when the client is gone

    async def _stream(
        self, request: Request, slot: Slot, gone: Callable[[], Awaitable[object]]
    ) -> FinishedStatement | Rows:
        source, writer = os.pipe()
        reader = StreamReader(limit=_CHUNK_BYTES)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(source, "rb", buffering=0)
        )
        sink = _Sink(writer, secrets.token_hex(8))
        future = self._start(request, slot, sink)
        pieces = self._pieces(request, reader, transport, sink, future)
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
                    return FinishedStatement(b"".join(held) or done.body, done.rows, done.written, done.seconds)
                held.append(piece)
        except BaseException:  # Ctrl-C and cancellation too
            await pieces.aclose()
            raise
        finally:
            watch.cancel()
        return Rows(b"".join(held), pieces)

    async def _pieces(
        self,
        request: Request,
        reader: StreamReader,
        transport: asyncio.ReadTransport,
        sink: "_Sink",
        future: "Future[FinishedStatement]",
    ) -> AsyncGenerator[bytes, None]:
        try:
            while piece := await reader.read(_CHUNK_BYTES):
                yield piece
            await asyncio.shield(future)
        finally:
            transport.close()
            if not future.done():
                # The closed pipe ends a query that writes; one that still computes has to be cancelled.
                kill = asyncio.ensure_future(self.lane(request.rights.writes).work(self._pool.kill, sink.mark))
                self._kills.add(kill)
                kill.add_done_callback(self._kills.discard)

    def _execute(self, request: Request, sink: "_Sink | None") -> FinishedStatement:
        """On a thread: check, run, give the connection back. Closes the sink."""
        started = time.perf_counter()
        try:
            connection = self._pool.take(request.state)
            reusable = False
            try:
                passed = self._gate.check(connection, _complete(request, sink, FILE), request)
                body, written = _run(connection, request, sink)
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
        return FinishedStatement(body, passed.reads, written, seconds)


@dataclass(frozen=True, slots=True)
class _Sink:
    """The pipe's end that the engine writes to, and a mark in the SQL by which the query can be found."""

    descriptor: int
    mark: str


def _complete(request: Request, sink: _Sink | None, file: bytes) -> bytes:
    """The SQL that the engine gets, with the file where the data go or come from."""
    statement = request.statement
    data_format = statement.format or "Values"
    if statement.kind is Kind.DATA:
        before, settings = cut_settings(statement.head)
        return b"%b FROM INFILE '%b' COMPRESSION 'none' %b FORMAT %b" % (
            before, file, settings, data_format.encode(),
        )  # fmt: skip
    if sink is None:
        return statement.text
    tail = statement.tail or f"FORMAT {request.default_format}".encode()
    return b"%b\nINTO OUTFILE '%b' TRUNCATE %b" % (statement.head, file, tail)


def _run(connection: Connection, request: Request, sink: _Sink | None) -> tuple[bytes, Written]:
    if request.statement.kind is Kind.DATA:
        return _insert(connection, request)
    if sink is None:
        return connection.query(request.statement.text, request.default_format, request.params)
    path = f"/dev/fd/{sink.descriptor}"
    sql = b"%b\n/* %b */" % (_complete(request, sink, path.encode()), sink.mark.encode())
    try:
        return connection.query(sql, request.default_format, request.params)
    except EngineError as fault:
        raise EngineError.from_engine(RuntimeError(fault.text.replace(f"'{path}'", "the answer"))) from None


def _insert(connection: Connection, request: Request) -> tuple[bytes, Written]:
    statement = request.statement
    try:
        strict = statement.target and frozenset(INSERT_SETTINGS.items()) <= request.state.settings
        if strict and (early := early_columns(statement.format or "", statement.data)):
            refuse_early(early, connection.column_types(statement.target, request.params))
        return b"", connection.insert(lambda file: _complete(request, None, file), statement.data, request.params)
    except EngineError as fault:
        raise with_hint(fault) from None
