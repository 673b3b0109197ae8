"""Connections to the engine, one per running query.

A setting or `USE` lasts as long as its connection. Instead of undoing them, a connection is only ever used again for a
request with exactly the same database and settings; opening another one takes 0.3 ms.
"""

import contextlib
import json
import os
import re
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from schemas.errors import UsageFault

# The engine takes its time zone from the environment when it is loaded: UTC, wherever the machine is.
os.environ["TZ"] = "UTC"
from chdb import _chdb

from clustertrack.local.clickhouse import allowed
from clustertrack.local.clickhouse.engine_config import engine_config
from clustertrack.local.clickhouse.engine_errors import EngineError
from clustertrack.local.clickhouse.request import State
from clustertrack.local.clickhouse.unnamed import path_of, unnamed_file
from clustertrack.local.clickhouse.walls import Known
from schemas.own_folders import remove

FREE_DISK_BYTES: Final = 256 << 20
"""The engine (26.9.2) does not notice failed writes to a file: an insert that fills the disk is confirmed, and its part
cannot be read. So no insert starts on a disk that one could fill: a body has at most 256 MB."""
_BASE_SETTINGS: Final = {
    # chDB reads `sel` as SELECT sel; a server gives a syntax error.
    "implicit_select": "0",
    "min_free_disk_bytes_to_perform_insert": str(FREE_DISK_BYTES),
    # What follows VALUES is data: the engine would run expressions in it, unchecked.
    "input_format_values_interpret_expressions": "0",
}
_READ_ONLY: Final = {"readonly": "2"}
"""Nothing may be written; allowed.py lists the settings that a request may change."""
ENGINE_ERRORS: Final = (RuntimeError, ValueError, MemoryError)
"""What the engine's exceptions become in Python; ValueError when the message is no text."""
_LOST_MESSAGE: Final = (
    b"SELECT concat('Code: ', toString(code), '. DB::Exception: ', last_error_message, ' (', name, ')') "
    b"FROM system.errors WHERE NOT isValidUTF8(last_error_message) ORDER BY last_error_time DESC LIMIT 1"
)
"""The last message that is not text: Python up to 3.11.2, as in Debian 12, loses it on its way here."""
_CANONICAL: Final = b"SELECT formatQuerySingleLine({sql:String})"
_IS_VIEW: Final = (
    b"SELECT count() FROM system.tables WHERE engine = 'View' AND {name:String} IN (name, concat(database, '.', name))"
)
_SCOPE: Final = re.compile(r": In scope SELECT formatQuerySingleLine\(.*\)(?=\. \(|\Z)", re.DOTALL)
"""What the engine adds to the message about a text that it cannot read."""
FILE: Final = b"/dev/fd/" + secrets.token_hex(16).encode()
"""What the gate sees in a statement for the file that the server gives to the engine; no client can know this name."""
MOST_IDLE: Final = 16
"""Connections that stay open unused."""
_NO_SUCH_DATABASE: Final = 336
"""The engine says "Database engine must be specified for ATTACH": nothing is recorded under the name."""


_OWN: Final = State("default", frozenset())


class Written(NamedTuple):
    """What a statement did: rows and bytes read from tables, written to tables, and in the result."""

    read_rows: int = 0
    read_bytes: int = 0
    written_rows: int = 0
    written_bytes: int = 0
    result_rows: int = 0
    result_bytes: int = 0


def _connect(path: Path, options: str = "") -> Any:
    # A "?" would begin options of the engine.
    return _chdb.connect(str(path).replace("?", "%3F") + options)  # type: ignore[attr-defined]  # chDB has no types


class Connection:
    """One connection to the engine; used by one thread at a time. Every method raises EngineError."""

    def __init__(self, path: Path, state: State) -> None:
        self.state = state
        try:
            self._raw: Any = _connect(path)
        except ENGINE_ERRORS as error:
            raise EngineError.from_engine(error) from None
        settings = {**_BASE_SETTINGS, **dict(state.settings), **(_READ_ONLY if state.readonly else {})}
        try:
            self._run("SET " + ", ".join(f"{name} = {quoted(value)}" for name, value in settings.items()))
            if state.database != "default":
                self._run("USE `" + state.database.replace("\\", "\\\\").replace("`", "\\`") + "`")
        except EngineError:
            self.close()
            raise

    def _run(self, sql: str) -> None:
        self.query(sql.encode(), "Null", {})

    def query(self, sql: bytes, output_format: str, params: Mapping[str, str]) -> tuple[bytes, Written]:
        """Run a statement and keep its result in memory."""
        try:
            result = self._raw.query(sql, output_format, params=params)
        except ENGINE_ERRORS as error:
            raise EngineError.from_engine(self._told(error)) from None
        if result.has_error():
            raise EngineError.from_engine(RuntimeError(result.error_message()))
        return result.bytes() or b"", _written(result)

    def _told(self, error: Exception) -> Exception:
        """The error itself, or with the message that it has lost."""
        if str(error) or isinstance(error, MemoryError):
            return error
        try:
            found = self._raw.query(_LOST_MESSAGE, "RawBLOB").bytes() or b""
        except ENGINE_ERRORS:
            return error
        return RuntimeError(found.decode(errors="backslashreplace"))

    def insert(self, reading: Callable[[bytes], bytes], data: bytes, params: Mapping[str, str]) -> Written:
        """Run the INSERT that `reading` gives for the file with `data`.

        After a failure send all of it again, as part of it may be stored.

        Not with chDB's streaming insert (send_insert): it is silent about what fails after the data was read, such as
        too many parts, a full disk or a refused row, and the rows are lost.
        """
        with unnamed_file(data) as file:
            path = path_of(file)
            try:
                return self.query(reading(path.encode()), "Null", params)[1]
            except EngineError as fault:
                raise EngineError.from_engine(RuntimeError(fault.text.replace(path, "the request"))) from None

    def canonical(self, sql: bytes) -> str:
        """The SQL as the engine read it, in the engine's own form.

        Raises:
            EngineError: SYNTAX_ERROR for what it cannot read, and for more than one statement.
        """
        try:
            body, _ = self.query(_CANONICAL, "RawBLOB", {"sql": escaped(sql)})
        except EngineError as fault:
            raise EngineError.from_engine(RuntimeError(_SCOPE.sub("", fault.text))) from None
        return body.decode(errors="surrogateescape")

    def is_view(self, name: str) -> bool:
        """Whether any database has a view of this name; the engine writes `database.view` as one name."""
        body, _ = self.query(_IS_VIEW, "TabSeparated", {"name": escaped(name.encode(errors="surrogateescape"))})
        return body != b"0\n"

    def column_types(self, table: bytes, params: Mapping[str, str]) -> dict[str, str]:
        """Types of a table's columns by name, as DESCRIBE gives them."""
        body, _ = self.query(b"DESCRIBE TABLE " + table, "JSONCompactEachRow", params)
        return {row[0]: row[1] for row in map(json.loads, body.splitlines())}

    def close(self) -> None:
        """Give the connection back to the engine; the last one closes the data folder."""
        self._raw.close()


def _written(result: Any) -> Written:
    return Written(
        result.storage_rows_read(),
        result.storage_bytes_read(),
        result.rows_written(),
        result.bytes_written(),
        result.rows_read(),
        result.bytes_read(),
    )


def escaped(value: bytes) -> str:
    """The value of a String parameter."""
    for sign, text in ((b"\\", b"\\\\"), (b"\t", b"\\t"), (b"\n", b"\\n"), (b"\r", b"\\r"), (b"\0", b"\\0")):
        value = value.replace(sign, text)
    return value.decode(errors="surrogateescape")


def quoted(text: str) -> str:
    """A SQL string literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


class Pool:
    """Idle connections by state, most recently used last.

    Thread-safe. Up to `MOST_IDLE` stay open unused.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._idle: list[Connection] = []
        self._lock = threading.Lock()
        self._closed = False
        with _engine_stderr() as said, engine_config() as config:
            try:
                # Stays open for as long as the pool: the engine closes its folder with the last connection.
                self._keeper: Any = _connect(path, f"?config-file={config}")
                _plain_default(self._keeper, path)
                self.known = _known(self._keeper)
            except RuntimeError as error:
                reason = " ".join((said() or str(error)).split())
                raise UsageFault(
                    f"cannot open the data folder {path}: the engine says {reason[:500]!r}; "
                    "restore the folder or choose another --path"
                ) from None

    def take(self, state: State) -> Connection:
        """A connection in this state. Raises EngineError for a setting or database that does not exist."""
        with self._lock:
            for index in range(len(self._idle) - 1, -1, -1):
                if self._idle[index].state == state:
                    return self._idle.pop(index)
        return Connection(self._path, state)

    def give(self, connection: Connection, *, reusable: bool) -> None:
        """Take a connection back; one that is not reusable (SET, USE, temporary tables, an error) is closed."""
        surplus: Connection | None = connection
        with self._lock:
            if reusable and not self._closed:
                self._idle.append(connection)
                surplus = self._idle.pop(0) if len(self._idle) > MOST_IDLE else None
        if surplus is not None:
            surplus.close()

    def answers(self) -> bool:
        """Whether the engine answers a query."""
        try:
            connection = self.take(_OWN)
            body, _ = connection.query(b"SELECT 1", "TabSeparated", {})
        except EngineError:
            return False
        self.give(connection, reusable=True)
        return body == b"1\n"

    def kill(self, mark: str | None) -> None:
        """End the query with this mark in its text, or all queries; returns at once, they end within a second or so."""
        condition = "1" if mark is None else f"position(query, {quoted(mark)}) > 0"
        connection = self.take(_OWN)
        connection.query(f"KILL QUERY WHERE query_id != queryID() AND {condition}".encode(), "Null", {})
        self.give(connection, reusable=True)

    def close(self) -> None:
        """Close what is idle and the data folder with it, once no query runs."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
        self._keeper.close()


def _known(keeper: Any) -> Known:
    """What the engine has, and which of it may be called."""

    def ask(sql: str) -> list[list[Any]]:
        body = keeper.query(sql, "JSONCompactEachRow").bytes() or b""
        return [json.loads(line) for line in body.splitlines()]

    def lower(names: Iterable[str]) -> frozenset[str]:
        return frozenset(name.lower() for name in names)

    functions = {
        row[0]: row[1:] for row in ask("SELECT name, alias_to, categories, is_aggregate FROM system.functions")
    }

    def is_good(name: str) -> bool:
        alias, category, _ = functions[name]
        if alias and alias in functions:
            return is_good(alias)
        return name in allowed.FUNCTIONS or category in allowed.FUNCTION_CATEGORIES

    good = {name for name in functions if is_good(name)}
    tables = {row[0] for row in ask("SELECT name FROM system.table_functions")}
    good -= tables - allowed.TABLE_FUNCTIONS  # format() is both
    types = {row[0] for row in ask("SELECT name FROM system.data_type_families")}
    places = ("table_functions", "table_engines", "database_engines", "dictionary_sources", "dictionary_layouts")
    others = {row[0] for place in places for row in ask(f"SELECT name FROM system.{place}")}  # noqa: S608  (constants)
    combinators = [row[0].lower() for row in ask("SELECT name FROM system.aggregate_function_combinators")]
    keywords = {word for row in ask("SELECT keyword FROM system.keywords") for word in row[0].split()}
    return Known(
        callable=lower([*good, *types, *allowed.TABLE_FUNCTIONS, *allowed.PARTS_OF_TABLES]),
        aggregates=lower(name for name in good if functions[name][2]),
        combinators=tuple(combinators),
        others=lower([*functions, *others]),
        functions=lower(functions) - lower(good),
        keywords=frozenset(word for word in keywords if word.isupper()),
    )


@contextlib.contextmanager
def _engine_stderr() -> Iterator[Callable[[], str]]:
    """Hold back what the engine writes to stderr; the function gives it as text."""
    with unnamed_file() as held:
        stderr = os.dup(2)
        os.dup2(held.fileno(), 2)

        def said() -> str:
            held.seek(0)
            return held.read().decode(errors="replace")

        try:
            yield said
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def _plain_default(keeper: Any, path: Path) -> None:
    """Make `default` an ordinary database.

    The engine lays one over it in which every name of a file is a table (SELECT * FROM `/etc/passwd`). Detaching that
    leaves the ordinary one, which exists after the first start.
    """
    keeper.query("DETACH DATABASE IF EXISTS default", "Null")
    try:
        keeper.query("ATTACH DATABASE default", "Null")
    except RuntimeError as error:
        never_made = EngineError.from_engine(error).code == _NO_SUCH_DATABASE
        if not never_made and path / "metadata" / "default" in (path / "metadata").iterdir():
            raise
        # Half created: a database whose folder is missing cannot be attached ("no UUID mapping"), and holds nothing.
        remove(path / "metadata" / "default.sql")
        keeper.query("CREATE DATABASE default ENGINE = Atomic", "Null")
        # The folder is created with the first table.
        keeper.query("CREATE TABLE default.first (nothing Int8) ENGINE = Memory", "Null")
        keeper.query("DROP TABLE default.first SYNC", "Null")
