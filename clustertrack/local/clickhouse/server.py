"""The ClickHouse HTTP interface over the embedded engine: GET /ping, GET and POST /."""

import asyncio
import functools
import json
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Final

from starlette.applications import Starlette
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request as HttpRequest
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from clustertrack.local.clickhouse.compression import COMPRESSORS, accepted, decompress
from clustertrack.local.clickhouse.engine_errors import BAD_ARGUMENTS, NOT_IMPLEMENTED, QUERY_IS_TOO_LARGE, EngineError
from clustertrack.local.clickhouse.host_guard import Guard, Login
from clustertrack.local.clickhouse.metrics import Metrics
from clustertrack.local.clickhouse.request import Request, read_request
from clustertrack.local.clickhouse.runner import ClientGoneError, Done, Rows, Runner
from clustertrack.local.clickhouse.walls import Rights

MAX_BODY_BYTES: Final = 256 << 20
"""A batch of the worker has about 5 MB."""
_INLINE_BYTES: Final = 64 << 10
"""Compressing or reading less than this is quicker than handing it to a thread."""


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

    async def _query(self, http: HttpRequest) -> Response:
        headers: dict[str, str] = {}
        try:
            self._guard.check_origin(http.headers)
            login = self._guard.check_login(http.headers, http.query_params)
            if http.method != "POST" and "query" not in http.query_params:
                return PlainTextResponse("Ok.\n")
            request = await self._read(http, login)
        except EngineError as fault:
            self._metrics.queries.labels("refused").inc()
            return _refusal(fault, headers)
        headers["X-ClickHouse-Query-Id"] = request.query_id
        headers["X-ClickHouse-Timezone"] = request.time_zone
        encoding = _answer_encoding(http)
        try:
            outcome = await self._runner.run(request, lambda: _disconnected(http))
        except ClientGoneError:
            self._metrics.queries.labels("error").inc()
            return Response(status_code=499)
        except EngineError as fault:
            self._metrics.queries.labels("error").inc()
            return _refusal(fault, headers)
        if isinstance(outcome, Done):
            self._metrics.queries.labels("ok").inc()
            return await _whole(request, outcome, encoding, headers)
        return self._streamed(request, outcome, encoding, headers)

    async def _read(self, http: HttpRequest, login: Login) -> Request:
        form: list[tuple[str, str]] = []
        body = await self._read_body(http) if http.method == "POST" else b""
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
        return await asyncio.to_thread(read) if len(body) > _INLINE_BYTES else read()

    async def _read_body(self, http: HttpRequest) -> bytes:
        pieces: list[bytes] = []
        size = 0
        async for piece in http.stream():
            size += len(piece)
            if size > self._max_body:
                raise EngineError(QUERY_IS_TOO_LARGE, f"The body is larger than the limit of {self._max_body} bytes")
            pieces.append(piece)
        body = b"".join(pieces)
        encoding = http.headers.get("content-encoding", "")
        if not encoding or not body:
            return body
        return await asyncio.to_thread(decompress, body, encoding, self._max_body)

    def _streamed(self, request: Request, rows: Rows, encoding: str | None, headers: dict[str, str]) -> Response:
        tag = secrets.token_hex(8)
        headers["X-ClickHouse-Format"] = request.format
        headers["X-ClickHouse-Exception-Tag"] = tag
        if encoding is not None:
            headers["Content-Encoding"] = encoding
        body = _marked(self._counted(rows), tag)
        return StreamingResponse(_packed(body, encoding), headers=headers, media_type=_media_type(request.format))

    async def _counted(self, rows: Rows) -> AsyncIterator[bytes]:
        outcome = "error"
        try:
            yield rows.first
            async for piece in rows.rest:
                yield piece
            outcome = "ok"
        finally:
            self._metrics.queries.labels(outcome).inc()


async def _disconnected(http: HttpRequest) -> None:
    while (await http.receive())["type"] != "http.disconnect":
        pass


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


async def _packed(pieces: AsyncIterator[bytes], encoding: str | None) -> AsyncIterator[bytes]:
    if encoding is None:
        async for piece in pieces:
            yield piece
        return
    compressor = COMPRESSORS[encoding]()
    async for piece in pieces:
        if packed := await asyncio.to_thread(compressor.compress, piece):
            yield packed
    yield compressor.flush()


async def _whole(request: Request, done: Done, encoding: str | None, headers: dict[str, str]) -> Response:
    summary = {name: str(count) for name, count in done.written._asdict().items()}
    summary["elapsed_ns"] = str(int(done.seconds * 1e9))
    headers["X-ClickHouse-Summary"] = json.dumps(summary, separators=(",", ":"))
    body = done.body
    if done.rows:
        headers["X-ClickHouse-Format"] = request.format
    if encoding is not None and body:
        headers["Content-Encoding"] = encoding
        if len(body) > _INLINE_BYTES:
            body = await asyncio.to_thread(_compressed, body, encoding)
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
