"""The migration runner: splitting, order, record, check, faults."""

import hashlib
import re
from dataclasses import replace
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from schemas.errors import UsageFault
from sinks.clickhouse import ClickHouse, ClickHouseRefused, ClickHouseUnreachable, connect
from sinks.migrator import ONE_NODE, Migration, MigrationFault, SchemaDiffers, applied, load, migrate, split

NOWHERE = ClickHouse(host="127.0.0.1", port=1, database="none")


REFERENCE_OBJECTS = {
    "activity", "activity_at", "activity_difference", "activity_fill", "activity_moved", "activity_revision",
    "company_at", "company_canonical", "company_known", "company_version", "fact", "impact_annual_figures",
    "impact_annual", "impact_annual_as_known", "impact_annual_at_activity", "impact_annual_by", "impact_cluster",
    "impact_rolling", "impact_rolling_basis", "receipt", "receipt_hole", "receipt_without_row", "rejected",
    "retraction_without_activity", "row_without_receipt",
}  # fmt: skip
OWN_OBJECTS = {
    "schema_migration",
    "ledger",
    "topic",
    "rejected_action",
    "set_aside",
    "rejected_open",
    "no_record",
    "reroute_not_arrived",
    "rejected_without_row",
    "activity_difference_within",
}


def migration(file: str, text: str) -> Migration:
    return Migration(file=file, text=text, sha256=hashlib.sha256(text.encode()).hexdigest())


@pytest.mark.parametrize(
    ("script", "statements"),
    [
        pytest.param("SELECT 1;\nSELECT 2;\n", ["SELECT 1", "SELECT 2"], id="two statements"),
        pytest.param("SELECT 1", ["SELECT 1"], id="no semicolon at the end"),
        pytest.param("SELECT ';', 'it''s; so', 'a\\';b';", ["SELECT ';', 'it''s; so', 'a\\';b'"], id="strings"),
        pytest.param('SELECT 1 AS "a;b", 2 AS `c;d`;', ['SELECT 1 AS "a;b", 2 AS `c;d`'], id="quoted names"),
        pytest.param("-- a; b\nSELECT 1 -- c; d\n, 2;", ["SELECT 1 -- c; d\n, 2"], id="line comments"),
        pytest.param("/* a;\n ' */ SELECT /* ; */ 1;", ["SELECT /* ; */ 1"], id="block comments"),
        pytest.param("# a; b\n#! c; d\nSELECT 1;", ["SELECT 1"], id="comments with a number sign"),
        pytest.param("SELECT $x$ ; ' $x$;SELECT 2", ["SELECT $x$ ; ' $x$", "SELECT 2"], id="heredoc"),
        pytest.param(";;\n -- nothing\n;", [], id="empty statements"),
        pytest.param("SELECT '-- no comment';", ["SELECT '-- no comment'"], id="comment within a string"),
    ],
)
def test_split(script: str, statements: list[str]):
    """Only semicolons outside of strings, names, heredocs and comments end a statement."""
    assert list(split(script)) == statements


@pytest.mark.parametrize("script", ["SELECT 'a;", "SELECT 1 /* a;", 'SELECT "a', "SELECT `a"])
def test_split_unclosed(script: str):
    """A string or comment that is never closed is an error, not a statement."""
    with pytest.raises(ValueError, match="never closed"):
        list(split(script))


def test_files_in_order():
    """The package's files come in the order of their numbers, without gaps."""
    numbers = [int(item.file[:4]) for item in load()]
    assert numbers == list(range(1, len(numbers) + 1))


def test_database_name_is_a_variable():
    """No file names a database: comments and statements alike carry the variable."""
    for item in load():
        assert not re.search(r"\bimpact\b", item.text), item.file
        assert set(re.findall(r"\$\{(\w+)\}", item.text)) <= {"DATABASE", *ONE_NODE}
        assert all(
            "elsewhere." in text or "elsewhere" in text
            for text in item.statements({"DATABASE": "elsewhere", **ONE_NODE})
        )


def test_cluster_form():
    """The variables of the cluster form reach engines, names and clauses."""
    text = "\n".join(
        statement
        for item in load()
        for statement in item.statements(
            {
                **ONE_NODE,
                "DATABASE": "impact",
                "ON_CLUSTER": "ON CLUSTER main",
                "LOCAL": "_local",
                "REPLICATED": "Replicated",
                "EVERYWHERE": "'/all', '{replica}', ",
            }
        )
    )
    assert "impact.activity_revision_local ON CLUSTER main" in text
    assert "ReplicatedReplacingMergeTree('/all', '{replica}', earliest)" in text
    assert "${" not in text


def test_unknown_variable():
    """A variable that nobody fills in is named with its file."""
    with pytest.raises(MigrationFault, match=r"0001_a\.sql uses the unknown variable \$\{SHARD\}"):
        migration("0001_a.sql", "SELECT ${SHARD};").statements(ONE_NODE)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        pytest.param(["first.sql"], r"first\.sql is not named like", id="no number"),
        pytest.param(["0001_a.sql", "0001_b.sql"], r"0001_b\.sql has the number of 0001_a\.sql", id="number twice"),
    ],
)
def test_file_names(tmp_path: Path, names: list[str], message: str):
    """A file without a number, or with one that is taken, is refused: its place in the order would be unknown."""
    for name in names:
        (tmp_path / name).write_text("SELECT 1;")
    with pytest.raises(MigrationFault, match=message):
        load(tmp_path)


@pytest.mark.parametrize(
    "name", ["", "a b", "a;DROP", "a.b", "1a", "æ", "a`b", "a" * 64, "a\n", "system", "INFORMATION_SCHEMA"]
)
def test_database_names(name: str):
    """A name that is no plain identifier, or ClickHouse's own, is refused before any server is asked."""
    with pytest.raises(UsageFault, match="CLICKHOUSE_DATABASE"):
        migrate(None, name)


def test_password_is_masked():
    """The password of the connection shows in no representation."""
    assert "hunter2" not in repr(replace(NOWHERE, password="hunter2"))  # noqa: S106  (the test's own)


def test_unreachable():
    """A port where nothing listens gives one sentence that says what to do."""
    with pytest.raises(ClickHouseUnreachable, match=r"does not answer at 127\.0\.0\.1:1: start it"):
        connect(NOWHERE)


@pytest.mark.integration
def test_unknown_database(server: ClickHouse):
    """A database that does not exist points to migrate."""
    with pytest.raises(ClickHouseRefused, match="has no database 'nowhere_at_all': run `clustertrack migrate`"):
        connect(replace(server, database="nowhere_at_all"))


@pytest.mark.integration
def test_whole_schema(client: Client, database: str):
    """A new database gets every object of the reference and ours, each with a comment, and nothing a second time."""
    files = [item.file for item in load()]
    assert migrate(client, database, check=True) == [f"{file} is not applied to {database}." for file in files]
    assert migrate(client, database) == [f"{file} applied to {database}." for file in files]
    assert migrate(client, database) == []
    assert migrate(client, database, check=True) == []
    rows = client.query(
        "SELECT name, comment FROM system.tables WHERE database = {db:String} AND NOT startsWith(name, '.inner')",
        parameters={"db": database},
    ).result_rows
    assert {name for name, _ in rows} == REFERENCE_OBJECTS | OWN_OBJECTS
    assert [name for name, comment in rows if not comment] == []
    assert [name for name, comment in rows if re.search(r"\bimpact\.", comment) or "${" in comment] == []


@pytest.mark.integration
def test_creates_the_database(server: ClickHouse, database: str):
    """The database need not exist, and carries its comment."""
    client = connect(server)
    new = f"{database}_new"
    try:
        migrate(client, new)
        comment = client.query("SELECT comment FROM system.databases WHERE name = {db:String}", parameters={"db": new})
        assert f"database = '{new}'" in comment.result_rows[0][0]
    finally:
        client.command(f"DROP DATABASE IF EXISTS {new}")
        client.close()


@pytest.mark.integration
def test_record(client: Client, database: str):
    """What ran is recorded with the SHA-256 of the file and the time it ended."""
    migrate(client, database)
    assert applied(client, database) == {item.file: item.sha256 for item in load()}
    [(oldest, now)] = client.query(
        f"SELECT min(applied_at), now64(3, 'UTC') FROM {database}.schema_migration"
    ).result_rows
    assert 0 <= (now - oldest).total_seconds() < 60


@pytest.mark.integration
def test_changed_file(client: Client, database: str):
    """A file that was changed after it ran is reported, and stops a migration before anything runs."""
    migrate(client, database)
    first, *rest = load()
    changed = [migration(first.file, first.text + "\n-- more"), *rest, migration("0999_new.sql", "SELECT 1;")]
    lines = migrate(client, database, check=True, migrations=changed)
    assert [line.split(" (")[0] for line in lines] == [
        f"{first.file} was changed after it was applied to {database}",
        f"0999_new.sql is not applied to {database}.",
    ]
    with pytest.raises(SchemaDiffers, match="was changed after it was applied"):
        migrate(client, database, migrations=changed)
    assert "0999_new.sql" not in applied(client, database)


@pytest.mark.integration
def test_newer_database(client: Client, database: str):
    """A database that a newer version migrated is left alone by an older one."""
    files = load()
    migrate(client, database, migrations=[*files, migration("0999_later.sql", "SELECT 1;")])
    with pytest.raises(SchemaDiffers, match=r"0999_later\.sql is applied to \w+ but unknown here"):
        migrate(client, database)


@pytest.mark.integration
@pytest.mark.parametrize("check", [pytest.param(True, id="check"), pytest.param(False, id="migrate")])
def test_unreleased_database(client: Client, database: str, *, check: bool):
    """A ledger that was made before the first release is refused with one sentence, and nothing is changed."""
    files = load()
    former = [*files[:7], migration("0008_conservation.sql", "SELECT 1;"), migration("0011_proofs.sql", "SELECT 1;")]
    migrate(client, database, migrations=former)
    recorded = applied(client, database)
    with pytest.raises(SchemaDiffers) as caught:
        migrate(client, database, check=check)
    assert str(caught.value) == (
        f"Database {database} was made by an unreleased version of clustertrack (0008_conservation.sql), from which "
        "there is no upgrade: set CLICKHOUSE_DATABASE to a new name, run `clustertrack migrate`, and publish again "
        "what Kafka no longer has."
    )
    assert caught.value.exit_code == 1
    assert applied(client, database) == recorded


@pytest.mark.integration
def test_failed_file(client: Client, database: str):
    """A statement that fails is named with its file; once mended, the file is run again as a whole."""
    files = load()
    table = "CREATE TABLE IF NOT EXISTS ${DATABASE}.extra (a UInt8) ENGINE = MergeTree ORDER BY a;\n"
    broken = migration("0999_extra.sql", table + "-- now wrong\nCREATE TABEL ${DATABASE}.b (a UInt8);")
    with pytest.raises(MigrationFault, match=r"0999_extra\.sql, statement 2 of 2 \(CREATE TABEL") as caught:
        migrate(client, database, migrations=[*files, broken])
    assert (caught.value.file, caught.value.statement) == ("0999_extra.sql", 2)
    assert "\n" not in str(caught.value)
    mended = migration("0999_extra.sql", table)
    assert migrate(client, database, migrations=[*files, mended]) == [f"0999_extra.sql applied to {database}."]


@pytest.mark.integration
def test_interrupted_before_the_record(client: Client, database: str):
    """Files whose record was lost are run again without harm: the data stays."""
    migrate(client, database)
    client.command(
        f"INSERT INTO {database}.company_version (company_id, valid_from, revision) VALUES (1, '2000-01-01', 1)"
    )
    client.command(f"TRUNCATE TABLE {database}.schema_migration")
    assert len(migrate(client, database)) == len(load())
    assert client.query(f"SELECT count() FROM {database}.company_version").result_rows == [(1,)]
