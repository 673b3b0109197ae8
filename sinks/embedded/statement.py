"""Reads just enough of a SQL text to serve it: where the data of an INSERT begins, where a SELECT ends.

The engine does all real parsing. What is read here is the first words, the FORMAT clause outside of parentheses,
strings and comments, and the names of functions that reach outside the data folder.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from sinks.embedded.faults import ACCESS_DENIED, NOT_IMPLEMENTED, SYNTAX_ERROR, EngineFault

_TOKEN = re.compile(
    rb"""
      (?P<space>  \s+ | --[^\n]* | \#[ !][^\n]* | /\*.*?(?:\*/|\Z) )
    | (?P<quoted> '(?:[^'\\]|\\.|'')*' | "(?:[^"\\]|\\.|"")*" | `(?:[^`\\]|\\.|``)*` )
    | (?P<heredoc> \$(?P<tag>\w*)\$.*?\$(?P=tag)\$ )
    | (?P<word>   [A-Za-z_][A-Za-z0-9_]* )
    | (?P<other>  . )
    """,
    re.VERBOSE | re.DOTALL,
)
_PART = rb"(?:\{[^{}]*\}|`(?:[^`\\]|\\.|``)*`|\"(?:[^\"\\]|\\.)*\"|\w+)"
_NAME = re.compile(_PART + rb"(?:\s*\.\s*" + _PART + rb")?")
_DATA_START = re.compile(rb"[ \t\f]*(?:\r?\n)?")

# Functions, table engines and sources that read or write files and processes of the user who runs the server, or
# Python objects inside it. A ClickHouse server confines these to a folder; the embedded engine does not.
_OUTSIDE = frozenset(
    {
        b"FILE", b"FILECLUSTER", b"FILELOG", b"FILESYSTEM", b"DISK", b"URL", b"URLCLUSTER",
        b"PYTHON", b"ARROWSTREAM", b"EXECUTABLE", b"EXECUTABLEPOOL", b"LIBRARY", b"CATBOOSTEVALUATE",
        b"SQLITE", b"JDBC", b"ODBC", b"DELTALAKELOCAL", b"PAIMONLOCAL", b"ICEBERGLOCAL", b"ICEBERGLOCALCLUSTER",
    }
)  # fmt: skip
_OUTSIDE_ENGINES = frozenset({b"FILESYSTEM", b"OVERLAY"})
_STOPS = frozenset({b"SHUTDOWN", b"KILL", b"SUSPEND"})


class Kind(Enum):
    """How a statement is run."""

    ROWS = "rows"  # a SELECT: its rows are streamed
    DATA = "data"  # an INSERT with data in a format
    PLAIN = "plain"  # everything else: DDL, INSERT ... VALUES, INSERT ... SELECT, SHOW, DESCRIBE


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


@dataclass(frozen=True, slots=True)
class _Token:
    start: int
    end: int
    text: bytes  # upper case for words; a quoted name without its quotes
    depth: int
    bare: bool  # a word that is not quoted


def _tokens(sql: bytes) -> Iterator[_Token]:
    depth = 0
    for match in _TOKEN.finditer(sql):
        group = match.lastgroup
        if group == "space":
            continue
        text = match[0]
        if group == "word":
            yield _Token(match.start(), match.end(), text.upper(), depth, bare=True)
            continue
        if text in (b"(", b"[", b"{"):
            yield _Token(match.start(), match.end(), text, depth, bare=False)
            depth += 1
            continue
        if text in (b")", b"]", b"}"):
            depth -= 1
        if text[:1] in (b"`", b'"'):
            text = text[1:-1].upper()
        yield _Token(match.start(), match.end(), text, depth, bare=False)


def read_statement(sql: bytes, body: bytes = b"") -> Statement:
    """Cut `sql` (from the URL, or the whole body) and add the `body` that follows it.

    Raises EngineFault: SYNTAX_ERROR for an empty query, ACCESS_DENIED for what reaches outside the data folder,
    NOT_IMPLEMENTED for INTO OUTFILE and FROM INFILE.
    """
    first = next(_tokens(sql), None)
    if first is None:
        if body:
            return read_statement(body)
        raise EngineFault(SYNTAX_ERROR, "Empty query")
    if first.text == b"INSERT" and first.bare:
        return _read_insert(sql, body)
    if body:
        sql = sql + b"\n" + body
    return _read_query(sql)


def _read_insert(sql: bytes, body: bytes) -> Statement:
    previous = None
    before_format = None
    target = b""
    for token in _tokens(sql):
        if before_format is not None:
            start = _DATA_START.match(sql, token.end)
            data = sql[token.end if start is None else start.end() :]
            name = sql[token.start : token.end].decode(errors="replace")
            head = sql[: before_format.start]
            return Statement(Kind.DATA, head, format=name, data=_joined(data, body), target=target)
        _refuse_outside(previous, token)
        if not target and previous is not None and previous.text in (b"INTO", b"TABLE") and token.text != b"TABLE":
            target = _name(sql, token.start)
        if token.bare and token.depth == 0:
            if token.text == b"FORMAT":
                before_format = token
            elif token.text == b"INFILE":
                raise EngineFault(NOT_IMPLEMENTED, "FROM INFILE is for clickhouse-client; send the data in the body")
            elif token.text == b"VALUES":
                return _read_values(sql, body, token, target)
            elif token.text in (b"SELECT", b"WITH"):
                return _read_query(sql + b"\n" + body if body else sql)
        previous = token
    if body:
        # As a ClickHouse server does: INSERT without a format, data in the body.
        return Statement(Kind.DATA, sql, format="Values", data=body, target=target)
    return Statement(Kind.PLAIN, sql)


def _read_values(sql: bytes, body: bytes, token: _Token, target: bytes) -> Statement:
    inline = sql[token.end :]
    if body and not inline.strip():
        return Statement(Kind.DATA, sql[: token.start], format="Values", data=body, target=target)
    return Statement(Kind.PLAIN, sql + b"\n" + body if body else sql, target=target)


def _name(sql: bytes, start: int) -> bytes:
    """A table's name as written, with its database."""
    found = _NAME.match(sql, start)
    return b"" if found is None or found[0].upper() == b"FUNCTION" else found[0]


def _joined(inline: bytes, body: bytes) -> bytes:
    """Data behind the INSERT in the URL, then the body; seldom both."""
    if not inline.strip():
        return body or inline
    return inline + body


def _read_query(sql: bytes) -> Statement:
    first: _Token | None = None
    previous: _Token | None = None
    before: _Token | None = None
    format_at: _Token | None = None
    name: bytes | None = None
    end = len(sql)
    for token in _tokens(sql):
        first = first or token
        _refuse_outside(previous, token)
        if token.bare and token.depth == 0 and token.text == b"OUTFILE" and previous and previous.text == b"INTO":
            raise EngineFault(NOT_IMPLEMENTED, "INTO OUTFILE is for clickhouse-client; read the response instead")
        if token.text == b";" and token.depth == 0:
            end = token.start
            break
        if format_at is not None and name is not None and token.text != b"SETTINGS" and before is format_at:
            # A word "format" that is no clause: an alias or a column.
            format_at = name = None
        if previous is not None and previous.bare and previous.text == b"FORMAT" and token.bare and token.depth == 0:
            format_at, name = previous, sql[token.start : token.end]
        before, previous = previous, token
    if sql[end + 1 :].strip(b" \t\r\n;"):
        # Several statements, or a comment after the last one: the engine tells them apart.
        return Statement(Kind.PLAIN, sql)
    kind = Kind.ROWS if first and first.text in (b"SELECT", b"WITH", b"FROM", b"(") else Kind.PLAIN
    if format_at is None or name is None:
        return Statement(kind, sql[:end])
    return Statement(kind, sql[: format_at.start], sql[format_at.start : end], name.decode(errors="replace"))


def _refuse_outside(previous: _Token | None, token: _Token) -> None:
    if previous is None:
        return
    if token.text == b"(" and previous.text in _OUTSIDE:
        name = previous.text.decode().lower()
        raise EngineFault(ACCESS_DENIED, f"{name}() reaches outside the data folder and is switched off")
    if token.text in _OUTSIDE_ENGINES and previous.text in (b"=", b"ENGINE"):
        raise EngineFault(ACCESS_DENIED, "This engine reaches outside the data folder and is switched off")
    if token.bare and token.text in _STOPS and previous.bare and previous.text == b"SYSTEM":
        raise EngineFault(ACCESS_DENIED, "Stop the server with SIGTERM")
