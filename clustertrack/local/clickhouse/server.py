"""The ClickHouse HTTP interface over the embedded engine: GET /ping, GET and POST /."""

import asyncio
import functools
import json
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Final

from starlette.applications import Starlette
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from clustertrack.local.clickhouse.compression import COMPRESSORS, accepted, decompress
from clustertrack.local.clickhouse.engine_errors import BAD_ARGUMENTS, NOT_IMPLEMENTED, QUERY_IS_TOO_LARGE, EngineError
from clustertrack.local.clickhouse.host_guard import Guard, Login
from clustertrack.local.clickhouse.lanes import Lane, Slot
from clustertrack.local.clickhouse.metrics import Metrics
from clustertrack.local.clickhouse.request import Request, read_request
from clustertrack.local.clickhouse.runner import ClientGoneError, FinishedStatement, Rows, Runner
from clustertrack.local.clickhouse.walls import Rights

MAX_BODY_BYTES: Final = 256 << 20
"""A batch of the worker has about 5 MB."""
MAX_READER_BODY_BYTES: Final = 512 << 10
"""A statement has at most 256 KiB, and long parameters come as a form."""
_INLINE_BYTES: Final = 64 << 10
"""Compressing less than this is quicker than handing it to a thread, and reading less than that."""
_INLINE_STATEMENT_BYTES: Final = 4 << 10


class Server:
    """Answers requests; a body of more than `max_body` bytes, packed or unpacked, is refused."""

    def __init__(self, runner: Runner, guard: Guard, metrics: Metrics, *, max_body: int = MAX_BODY_BYTES) -> None:
        self._runner = runner
        self._guard = guard
        self._metrics = metrics
        self._max_body = max_body

    def app(self) -> Starlette:
        """The ASGI application."""
        return Starlette(
            routes=[
                Route("/ping", self._ping, methods=["GET", "HEAD"]),
                Route("/", self._query, methods=["GET", "HEAD", "POST"]),
            ]
        )

    async def _ping(self, request: HttpRequest) -> Response:
        try:
            self._guard.check_origin(request.headers)
        except EngineError as fault:
            return _refusal(fault, {})
        return PlainTextResponse("Ok.\n")

    async def _query(self, http: HttpRequest) -> ASGIApp:
        try:
            self._guard.check_origin(http.headers)
            login = self._guard.check_login(http.headers, http.query_params)
        except EngineError as fault:
            return self._refused(fault)
        if http.method != "POST" and "query" not in http.query_params:
            return PlainTextResponse("Ok.\n")
        return functools.partial(self._in_slot, http, login)

    async def _in_slot(self, http: HttpRequest, login: Login, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body, run, and send the answer, all within a slot."""
        lane = self._runner.lane(login.writes)
        try:
            async with lane.slot() as slot, asyncio.timeout(lane.seconds):
                response = await self._answer(http, login, lane, slot)
                await response(scope, receive, send)
        except EngineError as fault:
            await self._refused(fault)(scope, receive, send)
        except ClientDisconnect:
            self._metrics.queries.labels("refused").inc()
        except TimeoutError:
            # The client sends or reads too slowly.
            self._metrics.queries.labels("error").inc()
            scope["abort"]()

    def _refused(self, fault: EngineError) -> Response:
        self._metrics.queries.labels("refused").inc()
        return _refusal(fault, {})

    async def _answer(self, http: HttpRequest, login: Login, lane: Lane, slot: Slot) -> Response:
        headers: dict[str, str] = {}
        request = await self._read(http, login, lane)
        headers["X-ClickHouse-Query-Id"] = request.query_id
        headers["X-ClickHouse-Timezone"] = request.time_zone
        encoding = _answer_encoding(http)
        try:
            outcome = await self._runner.run(request, slot, lambda: _disconnected(http))
        except ClientGoneError:
            self._metrics.queries.labels("error").inc()
            return Response(status_code=499)
        except EngineError as fault:
            self._metrics.queries.labels("error").inc()
            return _refusal(fault, headers)
        if isinstance(outcome, FinishedStatement):
            self._metrics.queries.labels("ok").inc()
            return await _whole(request, outcome, encoding, headers, lane)
        return self._streamed(request, outcome, encoding, headers, lane)

    async def _read(self, http: HttpRequest, login: Login, lane: Lane) -> Request:
        form: list[tuple[str, str]] = []
        limit = self._max_body if login.writes else MAX_READER_BODY_BYTES
        body = await _read_body(http, limit, lane) if http.method == "POST" else b""
        if http.headers.get("content-type", "").startswith("multipart/form-data"):
            form, body = await _read_form(http, body), b""
        read = functools.partial(
            read_request,
            method=http.method,
            query=http.query_params.multi_items(),
            form=form,
            headers=http.headers,
            body=body,
            rights=Rights(login.writes, login.any_setting),
        )
        size = len(body) + len(http.scope["query_string"]) + sum(len(value) for _, value in form)
        return await lane.work(read) if size > _INLINE_STATEMENT_BYTES else read()

    def _streamed(
        self, request: Request, rows: Rows, encoding: str | None, headers: dict[str, str], lane: Lane
    ) -> Response:
        tag = secrets.token_hex(8)
        headers["X-ClickHouse-Format"] = request.format
        headers["X-ClickHouse-Exception-Tag"] = tag
        if encoding is not None:
            headers["Content-Encoding"] = encoding
        body = _marked(self._counted(rows), tag)
        return _Streamed(rows, _packed(body, encoding, lane), headers, _media_type(request.format))

    async def _counted(self, rows: Rows) -> AsyncIterator[bytes]:
        outcome = "error"
        try:
            yield rows.first
            async for piece in rows.rest:
                yield piece
            outcome = "ok"
        finally:
            self._metrics.queries.labels(outcome).inc()


class _Streamed(StreamingResponse):
    """Ends its query when it is cut off, at once and not when Python comes to collect the generators."""

    def __init__(self, rows: Rows, body: AsyncIterator[bytes], headers: Mapping[str, str], media_type: str) -> None:
        super().__init__(body, headers=headers, media_type=media_type)
        self._rows = rows

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._rows.rest.aclose()


async def _disconnected(http: HttpRequest) -> None:
    while (await http.receive())["type"] != "http.disconnect":
        pass


async def _read_body(http: HttpRequest, limit: int, lane: Lane) -> bytes:
    pieces: list[bytes] = []
    size = 0
    async for piece in http.stream():
        size += len(piece)
        if size > limit:
            raise EngineError(QUERY_IS_TOO_LARGE, f"The body is larger than the limit of {limit} bytes")
        pieces.append(piece)
    body = b"".join(pieces)
    encoding = http.headers.get("content-encoding", "")
    if not encoding or not body:
        return body
    return await lane.work(decompress, body, encoding, limit)


async def _read_form(http: HttpRequest, body: bytes) -> list[tuple[str, str]]:
    async def stream() -> AsyncGenerator[bytes, None]:
        yield body
        yield b""

    try:
        form = await MultiPartParser(http.headers, stream(), max_part_size=len(body)).parse()
    except MultiPartException as error:
        raise EngineError(BAD_ARGUMENTS, f"The multipart body cannot be read: {error.message}") from None
    fields: list[tuple[str, str]] = []
    for name, value in form.multi_items():
        if not isinstance(value, str):
            raise EngineError(NOT_IMPLEMENTED, "External tables in a multipart body are not served here")
        fields.append((name, value))
    return fields


async def _marked(pieces: AsyncIterator[bytes], tag: str) -> AsyncIterator[bytes]:
    """End a body whose query failed half way as a ClickHouse server does: the message between two tagged marks."""
    try:
        async for piece in pieces:
            yield piece
    except EngineError as fault:
        message = fault.text.encode()
        mark = tag.encode()
        yield b"\r\n__exception__\r\n%b\r\n%b\n%d %b\r\n__exception__\r\n" % (mark, message, len(message) + 1, mark)


async def _packed(pieces: AsyncIterator[bytes], encoding: str | None, lane: Lane) -> AsyncIterator[bytes]:
    if encoding is None:
        async for piece in pieces:
            yield piece
        return
    compressor = COMPRESSORS[encoding]()
    async for piece in pieces:
        if packed := await lane.work(compressor.compress, piece):
            yield packed
    yield compressor.flush()


async def _whole(
    request: Request, done: FinishedStatement, encoding: str | None, headers: dict[str, str], lane: Lane
) -> Response:
    summary = {name: str(count) for name, count in done.written._asdict().items()}
    summary["elapsed_ns"] = str(int(done.seconds * 1e9))
    headers["X-ClickHouse-Summary"] = json.dumps(summary, separators=(",", ":"))
    body = done.body
    if done.rows:
        headers["X-ClickHouse-Format"] = request.format
    if encoding is not None and body:
        headers["Content-Encoding"] = encoding
        if len(body) > _INLINE_BYTES:
            body = await lane.work(_compressed, body, encoding)
        else:
            body = _compressed(body, encoding)
    return Response(body, headers=headers, media_type=_media_type(request.format))


def _compressed(body: bytes, encoding: str) -> bytes:
    compressor = COMPRESSORS[encoding]()
    return compressor.compress(body) + compressor.flush()


def _refusal(fault: EngineError, headers: Mapping[str, str]) -> Response:
    return PlainTextResponse(
        fault.text.rstrip("\n") + "\n",
        fault.status,
        headers={**headers, "X-ClickHouse-Exception-Code": str(fault.code)},
    )


def _answer_encoding(http: HttpRequest) -> str | None:
    """Compress only when asked to, as a ClickHouse server: with enable_http_compression=1 and Accept-Encoding."""
    if http.query_params.get("enable_http_compression", "0") in ("0", ""):
        return None
    return accepted(http.headers.get("accept-encoding"))


def _media_type(name: str) -> str:
    if name.startswith("JSON"):
        return "application/json; charset=UTF-8"
    if name.startswith("CSV"):
        return (
            "text/csv; charset=UTF-8; header=present"
            if "WithNames" in name
            else "text/csv; charset=UTF-8; header=absent"
        )
    if name.startswith(("TabSeparated", "TSV")):
        return "text/tab-separated-values; charset=UTF-8"
    if name in ("Native", "Arrow", "ArrowStream", "Parquet", "RowBinary"):
        return "application/octet-stream"
    return "text/plain; charset=UTF-8"
