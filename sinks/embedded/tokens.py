"""The words of a SQL text, and which of them are refused.

A ClickHouse server confines the functions and engines that read files to one folder; the embedded engine reads whatever
its user may read, runs programs, and knows the Python objects of the process. None of that belongs to a ledger.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from sinks.embedded.faults import ACCESS_DENIED, NOT_IMPLEMENTED, EngineFault

# As the engine reads them: what is not closed goes to the end, and an unquoted name has only ASCII letters.
_TOKEN = re.compile(
    rb"""
      (?P<space>   [\s\x80-\xff]++ | --[^\n]* | \#[ !][^\n]* | /\*.*?(?:\*/|\Z) )
    | (?P<quoted>  '(?:[^'\\]++|\\.|'')*+(?:'|\\?\Z)
                 | "(?:[^"\\]++|\\.|"")*+(?:"|\\?\Z)
                 | `(?:[^`\\]++|\\.|``)*+(?:`|\\?\Z) )
    | (?P<heredoc> \$(?P<tag>\w*)\$.*?(?:\$(?P=tag)\$|\Z) )
    | (?P<word>    [A-Za-z_][A-Za-z0-9_$]* )
    | (?P<other>   . )
    """,
    re.VERBOSE | re.DOTALL,
)

_FUNCTIONS = frozenset(
    {
        b"FILE", b"FILECLUSTER", b"FILELOG", b"FILESYSTEM", b"DISK", b"URL", b"URLCLUSTER",
        b"PYTHON", b"ARROWSTREAM", b"EXECUTABLE", b"EXECUTABLEPOOL", b"LIBRARY", b"CATBOOSTEVALUATE",
        b"SQLITE", b"JDBC", b"ODBC", b"DELTALAKELOCAL", b"PAIMONLOCAL", b"ICEBERGLOCAL", b"ICEBERGLOCALCLUSTER",
    }
)  # fmt: skip
_ENGINES = frozenset({b"FILESYSTEM", b"OVERLAY"})
_STOPS = frozenset({b"SHUTDOWN", b"KILL", b"SUSPEND"})
_SUSPECT = re.compile(rb"\b(?:" + b"|".join(sorted(_FUNCTIONS)) + rb")\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Token:
    """A word, a quoted name or string, or a sign.

    `text` is in upper case for words and without quotes for names; `bare` is a word outside of quotes; `depth` counts
    the open parentheses.
    """

    start: int
    end: int
    text: bytes
    depth: int
    bare: bool


def tokens(sql: bytes) -> Iterator[Token]:
    """The tokens of a SQL text, without spaces and comments. Raises EngineFault at what is refused."""
    before = previous = None
    for token in _scan(sql):
        if previous is not None:
            _refuse(before, previous, token)
        yield token
        before, previous = previous, token


def check_values(data: bytes) -> None:
    """Refuse what tokens() refuses in the data of VALUES, whose expressions the engine evaluates."""
    if _SUSPECT.search(data):
        for _ in tokens(data):
            pass


def _scan(sql: bytes) -> Iterator[Token]:
    depth = 0
    for match in _TOKEN.finditer(sql):
        group = match.lastgroup
        if group == "space":
            continue
        text = match[0]
        if group == "word":
            yield Token(match.start(), match.end(), text.upper(), depth, bare=True)
            continue
        if text in (b")", b"]", b"}"):
            depth -= 1
        if text[:1] in (b"`", b'"'):
            text = text[1:-1].upper()
        yield Token(match.start(), match.end(), text, depth, bare=False)
        if text in (b"(", b"[", b"{"):
            depth += 1


def _refuse(before: Token | None, previous: Token, token: Token) -> None:
    if token.text == b"(" and previous.text in _FUNCTIONS:
        name = previous.text.decode().lower()
        raise EngineFault(ACCESS_DENIED, f"{name}() reaches outside the data folder and is switched off")
    if token.text in _ENGINES:
        named = before if previous.text == b"=" else previous
        if named is not None and named.text == b"ENGINE":
            raise EngineFault(ACCESS_DENIED, "This engine reaches outside the data folder and is switched off")
    if not (token.bare and previous.bare):
        return
    if previous.text == b"SYSTEM" and token.text in _STOPS:
        raise EngineFault(ACCESS_DENIED, "Stop the server with SIGTERM")
    if (previous.text, token.text) in ((b"INTO", b"OUTFILE"), (b"FROM", b"INFILE")):
        verb = f"{previous.text.decode()} {token.text.decode()}"
        raise EngineFault(NOT_IMPLEMENTED, f"{verb} is for clickhouse-client; data come and go in the bodies here")
