"""Brings a ClickHouse database to the schema of `sinks/migrations`.

The files run in the order of their names, each once; which ones ran is recorded in the database with their SHA-256. DDL
is not transactional here, so every statement says IF NOT EXISTS or OR REPLACE: a file that failed half way, or whose
record was lost, is simply run again. A file is never changed after its release; a later one changes what it created.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from schemas.errors import CheckFailed, UsageFault, first_line
from sinks.clickhouse import check_database_name
from sinks.pinned_settings import OF_VIEWS, as_sql

ONE_NODE: Final[Mapping[str, str]] = {
    "ON_CLUSTER": "",
    "LOCAL": "",
    "REPLICATED": "",
    "EVERYWHERE": "",
    "PINNED": as_sql(OF_VIEWS),
}
"""The text variables of the cluster form: `ON CLUSTER ..`, the suffix of the tables behind Distributed ones, the prefix
of the engines, the replica path of tables that are whole on every node. And the settings of the views of figures."""

RESERVED: Final = frozenset({"system", "information_schema"})

FILE_NAME: Final = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
VARIABLE: Final = re.compile(r"\$\{([A-Z_]+)\}")
TOKEN: Final = re.compile(
    r"""
      (?P<comment> --[^\n]* | \#[ !][^\n]* | /\*.*?\*/ )
    | (?P<quoted> '(?:[^'\\]|\\.)*' | "(?:[^"\\]|\\.)*" | `(?:[^`\\]|\\.)*` | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$ )
    | (?P<unclosed> /\* | ['"`] )
    | (?P<end> ; )
    | (?P<space> \s+ )
    | (?P<text> . )
    """,
    re.VERBOSE | re.DOTALL,
)
"""A doubled quote within a string is two strings side by side here, which splits no statement."""


class MigrationFault(CheckFailed):
    """A migration file cannot be read or did not run; `file` is its name, `statement` counts from 1 (0 = the file)."""

    def __init__(self, message: str, *, file: str, statement: int = 0) -> None:
        super().__init__(message)
        self.file = file
        self.statement = statement


class SchemaDiffers(CheckFailed):
    """The database was migrated with other files than these; `differences` are sentences."""

    def __init__(self, differences: Sequence[str]) -> None:
        super().__init__(" ".join(differences))
        self.differences = list(differences)


@dataclass(frozen=True)
class Migration:
    """One file: its name, its text before the variables are filled in, and the SHA-256 of its bytes."""

    file: str
    text: str
    sha256: str

    def statements(self, variables: Mapping[str, str]) -> list[str]:
        """The SQL statements with their variables filled in; raises MigrationFault for an unknown variable."""

        def fill(match: re.Match[str]) -> str:
            if match[1] not in variables:
                raise MigrationFault(f"{self.file} uses the unknown variable {match[0]}.", file=self.file)
            return variables[match[1]]

        try:
            return list(split(VARIABLE.sub(fill, self.text)))
        except ValueError as error:
            raise MigrationFault(f"{self.file} cannot be split into statements: {error}.", file=self.file) from error


def split(sql: str) -> Iterator[str]:
    """Statements of a script without their semicolons; comments before a statement are left out, those within it stay.

    Semicolons in strings, quoted names, heredocs and comments end nothing. Raises ValueError for a string or comment
    that is never closed.
    """
    start: int | None = None
    stop = 0
    for token in TOKEN.finditer(sql):
        kind = token.lastgroup if token.lastgroup != "tag" else "quoted"
        if kind == "unclosed":
            line = sql.count("\n", 0, token.start()) + 1
            raise ValueError(f"what {token[0]} opens in line {line} is never closed")
        if kind == "end":
            if start is not None:
                yield sql[start:stop]
            start = None
        elif kind in {"text", "quoted"}:
            start = token.start() if start is None else start
            stop = token.end()
    if start is not None:
        yield sql[start:stop]


def load(folder: Path | None = None) -> list[Migration]:
    """The migrations of `folder` (default: this package's) in order; raises MigrationFault for a bad file name."""
    place = folder if folder is not None else resources.files("sinks") / "migrations"
    found: dict[str, Migration] = {}
    for item in sorted((item for item in place.iterdir() if item.name.endswith(".sql")), key=lambda item: item.name):
        name = FILE_NAME.fullmatch(item.name)
        if name is None:
            raise MigrationFault(f"{item.name} is not named like 0001_what_it_does.sql.", file=item.name)
        if name[1] in found:
            raise MigrationFault(f"{item.name} has the number of {found[name[1]].file}.", file=item.name)
        content = item.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        found[name[1]] = Migration(file=item.name, text=content.decode("utf-8"), sha256=digest)
    return list(found.values())


def migrate(
    client: Client,
    database: str,
    *,
    check: bool = False,
    migrations: Sequence[Migration] | None = None,
    variables: Mapping[str, str] = ONE_NODE,
) -> list[str]:
    """Applies what is pending and returns a line for each file; an empty list when there was nothing to do.

    With `check` nothing is changed and the lines are the differences: pending files, files changed after they were
    applied, files that the database knows and this version does not. Without it, the last two raise SchemaDiffers
    before anything runs. A ledger of an unreleased version raises SchemaDiffers in both cases. A failing statement
    raises MigrationFault; run again after the fix, nothing is lost.
    """
    if check_database_name(database).lower() in RESERVED:
        raise UsageFault(f"CLICKHOUSE_DATABASE is {database!r}, which belongs to ClickHouse: choose another name.")
    files = load() if migrations is None else list(migrations)
    recorded = applied(client, database)
    _refuse_unreleased(files, recorded, database)
    pending = [migration for migration in files if migration.file not in recorded]
    differing = _differing(files, recorded, database)
    if check:
        return differing + [f"{migration.file} is not applied to {database}." for migration in pending]
    if differing:
        raise SchemaDiffers(differing)
    for migration in pending:
        _apply(client, migration, {"DATABASE": database, **variables})
        client.command(
            "INSERT INTO {db:Identifier}.schema_migration (file, sha256, applied_at) "
            "SELECT {file:String}, {sha256:String}, now64(3, 'UTC')",
            parameters={"db": database, "file": migration.file, "sha256": migration.sha256},
        )
    return [f"{migration.file} applied to {database}." for migration in pending]


def applied(client: Client, database: str) -> dict[str, str]:
    """File name -> SHA-256 of what was applied; empty when the database or its record does not exist."""
    known = client.query(
        "SELECT count() FROM system.tables WHERE database = {db:String} AND name = 'schema_migration'",
        parameters={"db": database},
    ).result_rows[0][0]
    if not known:
        return {}
    rows = client.query(
        "SELECT file, toString(sha256) FROM {db:Identifier}.schema_migration FINAL ORDER BY file",
        parameters={"db": database},
    ).result_rows
    return {str(file): str(sha256) for file, sha256 in rows}


def _refuse_unreleased(files: Sequence[Migration], recorded: Mapping[str, str], database: str) -> None:
    """Raises SchemaDiffers when the number of one of our files is taken by another file: another line of history."""
    names = {migration.file[:4]: migration.file for migration in files}
    unreleased = [file for file in recorded if names.get(file[:4], file) != file]
    if unreleased:
        sentence = (
            f"Database {database} was made by an unreleased version of clustertrack ({unreleased[0]}), from which "
            "there is no upgrade: set CLICKHOUSE_DATABASE to a new name, run `clustertrack migrate`, and publish again "
            "what Kafka no longer has."
        )
        raise SchemaDiffers([sentence])


def _differing(files: Sequence[Migration], recorded: Mapping[str, str], database: str) -> list[str]:
    known = {migration.file for migration in files}
    lines = [
        f"{migration.file} was changed after it was applied to {database} (SHA-256 then {recorded[migration.file]}, "
        f"now {migration.sha256}): restore the file, and put the change into a new one."
        for migration in files
        if recorded.get(migration.file, migration.sha256) != migration.sha256
    ]
    return lines + [
        f"{file} is applied to {database} but unknown here: this is an older version of clustertrack, use a newer one."
        for file in recorded
        if file not in known
    ]


def _apply(client: Client, migration: Migration, variables: Mapping[str, str]) -> None:
    statements = migration.statements(variables)
    for number, statement in enumerate(statements, start=1):
        try:
            client.command(statement)
        except ClickHouseError as error:
            # Without a code the server is gone, which is not the file's fault.
            if getattr(error, "code", None) is None:
                raise
            raise MigrationFault(
                f"{migration.file}, statement {number} of {len(statements)} ({statement.splitlines()[0][:80]}) failed: "
                f"{first_line(error)}",
                file=migration.file,
                statement=number,
            ) from error
