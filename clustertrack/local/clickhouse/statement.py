"""Reads just enough of a SQL text to serve it: where the data of an INSERT begins, where a SELECT ends.

The engine does all real parsing. Only the first words are read here, and the FORMAT clause outside of parentheses,
strings and comments.
"""

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from clustertrack.local.clickhouse.engine_errors import QUERY_IS_TOO_LARGE, SYNTAX_ERROR, EngineError
from clustertrack.local.clickhouse.tokens import Token, tokens

_PART: Final = rb"(?:\{[^{}]*\}|`(?:[^`\\]|\\.|``)*`|\"(?:[^\"\\]|\\.)*\"|\w+)"
_NAME: Final = re.compile(_PART + rb"(?:\s*\.\s*" + _PART + rb")?")
MAX_STATEMENT_BYTES: Final = 256 << 10
"""Of a statement's text, without the data of an INSERT: the engine's own max_query_size, but before any work."""
_DATA_START: Final = re.compile(rb"[ \t\f]*(?:\r?\n)?")


class Kind(Enum):
    """How a statement is run."""

    ROWS = "rows"  # a SELECT: its rows are streamed
    DATA = "data"  # an INSERT with data in a format, or after VALUES
    PLAIN = "plain"  # everything else: DDL, INSERT ... SELECT, SHOW, DESCRIBE


@dataclass(frozen=True, slots=True)
class Statement:
    """One SQL statement, cut where the server needs it.

    `head` is the SQL up to the FORMAT clause, `tail` from there on (empty without one), `format` the name in that
    clause, `data` what follows an INSERT's FORMAT clause. `target` is the table of an INSERT that carries data, as
    written (empty for the others, and for INSERT INTO FUNCTION).
    """

    kind: Kind
    head: bytes
    tail: bytes = b""
    format: str | None = None
    data: bytes = b""
    target: bytes = b""

    @property
    def text(self) -> bytes:
        """The SQL without an INSERT's data."""
        return self.head + self.tail

    @property
    def own(self) -> bytes:
        """What the client has sent, for its messages."""
        return self.text if self.kind is not Kind.DATA else self.head + b" FORMAT " + (self.format or "").encode()


def read_statement(sql: bytes, body: bytes = b"") -> Statement:
    """Cut `sql` (from the URL, or the whole body) and add the `body` that follows it.

    Raises:
        EngineError: SYNTAX_ERROR for an empty query and for several statements, QUERY_IS_TOO_LARGE.
    """
    first = next(tokens(sql[:MAX_STATEMENT_BYTES]), None)
    if first is None:
        _check_length(len(sql))
        if body:
            return read_statement(body)
        raise EngineError(SYNTAX_ERROR, "Empty query")
    if first.text == b"INSERT" and first.bare:
        return _read_insert(sql, body)
    return _read_query(sql, body)


def _check_length(length: int) -> None:
    if length > MAX_STATEMENT_BYTES:
        raise EngineError(
            QUERY_IS_TOO_LARGE,
            f"The statement is longer than {MAX_STATEMENT_BYTES} bytes; send long values as parameters",
        )


def _lines(sql: bytes, body: bytes) -> bytes:
    return sql + b"\n" + body if body else sql


def _read_insert(sql: bytes, body: bytes) -> Statement:
    previous = None
    clause = None
    target = b""
    for token in tokens(sql[: MAX_STATEMENT_BYTES + 1]):
        _check_length(token.end)
        if clause is not None:
            return _read_data(sql, body, clause, token, target)
        if not target and previous is not None and previous.text in (b"INTO", b"TABLE") and token.text != b"TABLE":
            target = _name(sql, token.start)
        if token.bare and token.depth == 0:
            if token.text == b"FORMAT":
                clause = token
            elif token.text == b"VALUES":
                return _read_values(sql, body, token, target)
            elif token.text in (b"SELECT", b"WITH"):
                return _read_query(sql, body)
        previous = token
    _check_length(len(sql))
    if not body:
        return Statement(Kind.PLAIN, sql)
    # As a ClickHouse server does: INSERT without a format, data in the body.
    return Statement(Kind.DATA, sql, format="Values", data=body, target=target)


def cut_settings(head: bytes) -> tuple[bytes, bytes]:
    """The head of an INSERT before its SETTINGS clause, and that clause; empty without one."""
    previous = b""
    for token in tokens(head):
        if (
            token.text == b"SETTINGS"
            and token.bare
            and not token.depth
            and previous not in (b"INTO", b"TABLE", b"FUNCTION", b".")
        ):
            return head[: token.start], head[token.start :]
        previous = token.text
    return head, b""


def _read_data(sql: bytes, body: bytes, clause: Token, name: Token, target: bytes) -> Statement:
    start = _DATA_START.match(sql, name.end)
    data = sql[name.end if start is None else start.end() :]
    if body:
        # In the URL and in the body; seldom both, and a large body is not copied.
        data = data + body if data.strip() else body
    text = sql[name.start : name.end].decode(errors="replace")
    return Statement(Kind.DATA, sql[: clause.start], format=text, data=data, target=target)


def _read_values(sql: bytes, body: bytes, token: Token, target: bytes) -> Statement:
    inline = sql[token.end :]
    data = body if body and not inline.strip() else _lines(inline, body)
    return Statement(Kind.DATA, sql[: token.start], format="Values", data=data, target=target)


def _name(sql: bytes, start: int) -> bytes:
    """A table's name as written, with its database."""
    found = _NAME.match(sql, start)
    return b"" if found is None or found[0].upper() == b"FUNCTION" else found[0]


def _read_query(sql: bytes, body: bytes) -> Statement:
    _check_length(len(sql) + len(body))
    sql = _lines(sql, body)
    first = previous = clause = name = end = None
    for token in tokens(sql):
        first = first or token
        if token.text == b";" and token.depth == 0:
            end = token.start if end is None else end
            continue
        if end is not None:
            raise EngineError(SYNTAX_ERROR, "Syntax error (Multi-statements are not allowed)")
        if previous is not None and previous is name and token.text != b"SETTINGS":
            # The word "format" was no clause: a column or an alias, and the query goes on.
            clause = name = None
        if previous is not None and previous.bare and previous.text == b"FORMAT" and token.bare and token.depth == 0:
            clause, name = previous, token
        previous = token
    end = len(sql) if end is None else end
    kind = Kind.ROWS if first is not None and first.text in (b"SELECT", b"WITH", b"FROM", b"(") else Kind.PLAIN
    if clause is None or name is None:
        return Statement(kind, sql[:end])
    text = sql[name.start : name.end].decode(errors="replace")
    return Statement(kind, sql[: clause.start], sql[clause.start : end], text)
