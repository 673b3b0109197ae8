"""Asks the engine how it reads a statement, and walls.py whether that may run."""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from clustertrack.local.clickhouse.allowed import READER_STATEMENTS
from clustertrack.local.clickhouse.engine_errors import NOT_IMPLEMENTED, READONLY, EngineError
from clustertrack.local.clickhouse.pool import FILE, Connection
from clustertrack.local.clickhouse.request import Request
from clustertrack.local.clickhouse.walls import Known, Rights, check_database, check_statement

_REMEMBERED: Final = 512
"""Statements, by their text: the workers and the reports send the same ones again and again."""

_LONGEST: Final = 64 << 10
"""Bytes of a statement that is remembered."""

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

    def check(self, connection: Connection, sql: bytes, request: Request) -> Passed:
        """What kind of statement it is, if it may run. Raises EngineError."""
        canonical = self._read(connection, sql, request.rights)
        check_database(request.state.database, request.params, canonical, request.rights)
        passed = Passed(canonical.startswith(READER_STATEMENTS), canonical.startswith(_LASTS_A_SESSION))
        if request.in_session and passed.lasts:
            raise EngineError(NOT_IMPLEMENTED, "No session is kept here; send settings and database with every request")
        if request.state.readonly and not passed.reads:
            raise EngineError(
                READONLY, "Cannot execute query in readonly mode; use POST for statements that change something"
            )
        return passed

    def _read(self, connection: Connection, sql: bytes, rights: Rights) -> str:
        key = (sql, rights.writes)
        with self._lock:
            if (canonical := self._passed.get(key)) is not None:
                self._passed.move_to_end(key)
                return canonical
        canonical = connection.canonical(sql)
        check_statement(canonical, rights, self._known, FILE.decode(), connection.is_view)
        if len(sql) <= _LONGEST:
            with self._lock:
                self._passed[key] = canonical
                if len(self._passed) > _REMEMBERED:
                    self._passed.popitem(last=False)
        return canonical
