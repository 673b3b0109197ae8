"""Reads a ClickHouse HTTP request: what to run, on which database, with which settings and parameters."""

import os
import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from clustertrack.local.clickhouse.dates import INSERT_SETTINGS
from clustertrack.local.clickhouse.engine_errors import BAD_ARGUMENTS, NOT_IMPLEMENTED, EngineError
from clustertrack.local.clickhouse.lanes import READERS_AT_ONCE
from clustertrack.local.clickhouse.statement import Kind, Statement, read_statement
from clustertrack.local.clickhouse.walls import Rights, check_format, check_setting

KEPT_LIMITS: Final = {"max_result_bytes": str(16 << 20), "max_result_rows": "0", "result_overflow_mode": "throw"}
"""Of an answer that the engine gives in one piece, which is kept in memory: all but those of SELECTs."""
_MACHINE_BYTES: Final = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
_QUERY_BYTES: Final = min(2 << 30, _MACHINE_BYTES // 2 // READERS_AT_ONCE)
READER_LIMITS: Final = {"max_execution_time": "60", "max_memory_usage": str(_QUERY_BYTES), "max_threads": "2"}
"""Of a query of the login that only reads; all of them together leave half of the machine's memory to the others."""
_SECONDS: Final = "max_execution_time"
"""The one of them that a request may lower."""
_TRANSPORT: Final = frozenset(
    {
        "query",
        "database",
        "default_format",
        "query_id",
        "session_id",
        "session_timeout",
        "session_check",
        "session_close",
        "quota_key",
        "compress",
        "decompress",
        "user",
        "password",
        "role",
        "client_protocol_version",
        "buffer_size",
        "wait_end_of_query",
        "send_progress_in_http_headers",
        "http_headers_progress_interval_ms",
        "enable_http_compression",
        "add_http_cors_header",
        "cancel_http_readonly_queries_on_client_close",
        "http_zlib_compression_level",
        "http_response_headers",
        "stacktrace",
        "http_wait_end_of_query",
        "http_response_buffer_size",
        "http_write_exception_in_output_format",
        "readonly",
    }
)
"""Parameters of the HTTP interface itself; everything else in the URL is a setting."""
"""Parameters of the HTTP interface itself; everything else in the URL is a setting."""
_QUERY_ID: Final = re.compile(r"[!-~]([ -~]{0,198}[!-~])?")
_TIME_ZONE: Final = re.compile(r"[A-Za-z0-9_+/-]{1,64}")
_ALL: Final = Rights(writes=True)
_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class State:
    """What a connection is set to: its current database, its settings, and whether it only reads."""

    database: str
    settings: frozenset[tuple[str, str]]
    readonly: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """One request, read."""

    statement: Statement
    state: State
    params: Mapping[str, str]
    default_format: str
    query_id: str
    rights: Rights
    in_session: bool
    time_zone: str

    @property
    def format(self) -> str:
        """Name of the format of the response."""
        return self.statement.format or self.default_format


def read_request(
    *,
    method: str,
    query: Iterable[tuple[str, str]],
    form: Iterable[tuple[str, str]],
    headers: Mapping[str, str],
    body: bytes,
    rights: Rights = _ALL,
) -> Request:
    """Read a request.

    `query` are the parameters of the URL, `form` the fields of a multipart body, `body` any other body, unpacked,
    `rights` are those of the login. A GET is read-only. Raises EngineError.
    """
    fields = dict(query)
    fields.update(form)
    settings: dict[str, str] = {}
    params: dict[str, str] = {}
    for name, value in fields.items():
        if name.startswith("param_"):
            params[_identifier(name, "parameter")[6:]] = value
        elif name == _SECONDS and not rights.writes:
            settings[name] = value
        elif name not in _TRANSPORT:
            check_setting(_identifier(name, "setting"), value, rights)
            settings[name] = value
    default_format = fields.get("default_format") or headers.get("x-clickhouse-format") or "TabSeparated"
    check_format(default_format)
    if fields.get("decompress", "0") not in ("0", "") or fields.get("compress", "0") not in ("0", ""):
        raise EngineError(
            NOT_IMPLEMENTED,
            "compress=1 and decompress=1 (ClickHouse's own framing) are not served here; "
            "use Accept-Encoding and Content-Encoding with lz4, zstd or gzip",
        )
    statement = read_statement(fields.get("query", "").encode("utf-8", "surrogateescape"), body)
    if statement.target:
        settings = {**INSERT_SETTINGS, **settings}
    if not rights.writes:
        settings |= READER_LIMITS | {_SECONDS: _readers_seconds(settings.get(_SECONDS, ""))}
    if statement.kind is Kind.PLAIN:
        settings |= KEPT_LIMITS
    return Request(
        statement=statement,
        state=State(
            fields.get("database") or headers.get("x-clickhouse-database") or "default",
            frozenset(settings.items()),
            readonly=not rights.writes or method != "POST" or fields.get("readonly", "0") not in ("0", ""),
        ),
        params=params,
        default_format=default_format,
        query_id=_query_id(fields.get("query_id")),
        rights=rights,
        in_session=bool(fields.get("session_id")),
        time_zone=_time_zone(settings.get("session_timezone")),
    )


def _readers_seconds(given: str) -> str:
    """Seconds of one query: as many as are given, if they are fewer than the limit."""
    most = READER_LIMITS[_SECONDS]
    return given if given.isascii() and given.isdecimal() and 0 < int(given[:9]) <= int(most) else most


def _query_id(given: str | None) -> str:
    """The client's own id, which becomes a header of the answer."""
    if given and not _QUERY_ID.fullmatch(given):
        raise EngineError(BAD_ARGUMENTS, "A query_id has up to 200 printable ASCII characters")
    return given or str(uuid.uuid4())


def _time_zone(given: str | None) -> str:
    if given and not _TIME_ZONE.fullmatch(given):
        raise EngineError(BAD_ARGUMENTS, f"{given!r} is not the name of a time zone")
    return given or "UTC"


def _identifier(name: str, what: str) -> str:
    """Names that become part of a SQL text are single words."""
    if not _IDENTIFIER.fullmatch(name):
        raise EngineError(BAD_ARGUMENTS, f"{name!r} is not the name of a {what}")
    return name
