"""Asks the engine how it reads a statement, and walls.py whether that may run."""

import contextlib
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from clustertrack.local.clickhouse.allowed import READER_STATEMENTS
from clustertrack.local.clickhouse.engine_errors import (
    ACCESS_DENIED,
    NOT_IMPLEMENTED,
    READONLY,
    SYNTAX_ERROR,
    EngineError,
)
from clustertrack.local.clickhouse.pool import FILE, Connection
from clustertrack.local.clickhouse.request import KEPT_LIMITS, Request
from clustertrack.local.clickhouse.walls import Known, check_database, check_statement, parts

_REMEMBERED: Final = 512
"""Statements, by their text: the workers and the reports send the same ones again and again."""

_LONGEST: Final = 64 << 10
"""Bytes of a statement that is remembered."""

_STREAMED: Final = ("SELECT ", "WITH ", "(")

_LASTS_A_SESSION: Final = ("SET ", "USE ", "CREATE TEMPORARY ")


@dataclass(frozen=True, slots=True)
class Passed:
    """A statement that may run: whether it only reads, and whether it changes the connection it runs on."""

    reads: bool
    lasts: bool


class Gate:
    """Every statement passes here before it runs. Thread-safe."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._passed: OrderedDict[tuple[bytes, bool], str] = OrderedDict()
        self._lock = threading.Lock()
        # A long statement takes a second of Python: one of the reader's at a time, so that inserts get their turns.
        self._of_readers = threading.Lock()

    def check(self, connection: Connection, sql: bytes, request: Request) -> Passed:
        """What kind of statement it is, if it may run; `sql` is the client's own or has FILE added to it.

        Raises:
            EngineError: .
        """
        with contextlib.nullcontext() if request.rights.writes else self._of_readers:
            canonical = self._read(connection, sql, request)
        check_database(request.state.database, request.params, canonical, request.rights)
        passed = Passed(canonical.startswith(READER_STATEMENTS), canonical.startswith(_LASTS_A_SESSION))
        if request.in_session and passed.lasts:
            raise EngineError(NOT_IMPLEMENTED, "No session is kept here; send settings and database with every request")
        if request.state.readonly and not passed.reads:
            raise EngineError(
                READONLY, "Cannot execute query in readonly mode; use POST for statements that change something"
            )
        return passed

    def _read(self, connection: Connection, sql: bytes, request: Request) -> str:
        key = (sql, request.rights.writes)
        with self._lock:
            if (canonical := self._passed.get(key)) is not None:
                self._passed.move_to_end(key)
                return canonical
        own = request.statement.own
        try:
            canonical = connection.canonical(sql)
        except EngineError:
            # What is wrong with the client's own text, or what it adds to ours.
            check_statement(connection.canonical(own), request.rights, self._known, None, connection.is_view)
            raise EngineError(SYNTAX_ERROR, "Syntax error: it is not clear where the statement ends") from None
        path = None if sql == own else FILE.decode()
        check_statement(canonical, request.rights, self._known, path, connection.is_view)
        _check_answer(canonical, path)
        if len(sql) <= _LONGEST:
            with self._lock:
                self._passed[key] = canonical
                if len(self._passed) > _REMEMBERED:
                    self._passed.popitem(last=False)
        return canonical


def _check_answer(canonical: str, path: str | None) -> None:
    """The answer of a SELECT is streamed, and what is not streamed is bounded, as the engine has read the statement."""
    found = [part for part in parts(canonical) if part.names]
    words = {part.value for part in found if part.kind == "word"}
    streamed = "OUTFILE" in words and canonical.startswith(_STREAMED)
    if path is not None and not (streamed or "INFILE" in words):
        raise EngineError(SYNTAX_ERROR, "Syntax error: it is not clear where the statement ends")
    if path is None:
        if canonical.startswith(_STREAMED):
            raise EngineError(SYNTAX_ERROR, "Syntax error: a SELECT begins with that word, WITH, FROM or a parenthesis")
        limits = [part.value for part in found if part.value in KEPT_LIMITS]
        if limits and canonical.startswith(READER_STATEMENTS):
            raise EngineError(ACCESS_DENIED, f"{limits[0]} is for a SELECT")
