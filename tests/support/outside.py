"""Statements that name something outside of the embedded engine: files, hosts and programs, in every place of SQL."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

CALLS: Final = (
    "{f}('{canary}')",
    "{f}('{canary}', 'LineAsString')",
    "{f}('{canary}', 'CSV', 'a String')",
    "{f}('{url}', 'CSV', 'a String')",
    "{f}('{address}', system, one)",
    "{f}('{address}', 'd', 't', 'u', 'p')",
    "{f}('{program}', 'TSV', 'a String')",
    "{f}('{program}', TabSeparated, 'a String', (SELECT 1))",
    "{f}('default', '{url}', 'k', 's', 'CSV')",
    "{f}('all_groups.default', '{address}', system.one)",
    "{f}(SELECT * FROM file('{canary}'))",
    "{f}('SELECT * FROM file(''{canary}'')')",
    "{f}(file('{canary}'))",
    "{f}(a, file('{canary}'))",
    "{f}('{folder}', 't')",
    "{f}(system, '.*')",
    "{f}(os)",
    "{f}()",
)
"""How functions, engines and sources are given an address."""

PLACES: Final = (
    "SELECT {x}",
    "SELECT * FROM {x}",
    "SELECT count(*) FROM (SELECT * FROM {x}) AS q",
    "DESCRIBE TABLE {x}",
    "WITH q AS (SELECT * FROM {x}) SELECT * FROM q",
    "WITH (SELECT * FROM {x}) AS q SELECT q",
    "WITH {x} AS q SELECT q",
    "SELECT 1 AS one FROM system.one AS s CROSS JOIN {x} AS j",
    "SELECT 1 WHERE 'a' IN (SELECT * FROM {x})",
    "SELECT 1 WHERE 'a' IN {x}",
    "SELECT 1 UNION ALL SELECT * FROM {x}",
    "(SELECT 1) EXCEPT (SELECT {x})",
    "EXPLAIN SELECT * FROM {x}",
    "EXPLAIN PLAN SELECT {x}",
    "SELECT * FROM (EXPLAIN SYNTAX SELECT * FROM {x})",
    "SELECT arrayMap(e -> {x}, [1])",
    "SELECT 1 ORDER BY {x}",
    "SELECT 1 LIMIT {x}",
    "SELECT count() OVER (ORDER BY {x})",
    "SELECT * FROM view(SELECT * FROM {x})",
    "SELECT * FROM viewExplain('EXPLAIN', '', (SELECT * FROM {x}))",
    "SELECT * FROM numbers({x})",
    "SELECT * FROM values('a String', ({x}))",
    "SELECT CAST({x} AS String)",
    "FROM {x} SELECT *",
    "SELECT * FROM {db}.t PREWHERE a = {x}",
    "SELECT COLUMNS('a') APPLY(c -> {x}) FROM {db}.t",
    "SELECT * REPLACE ({x} AS a) FROM {db}.t",
    "SELECT 1 PARALLEL WITH SELECT * FROM {x}",
    "SELECT * FROM {db}.p(a = {x})",
    "INSERT INTO {db}.t SELECT * FROM {x}",
    "INSERT INTO {db}.t VALUES ({x})",
    "INSERT INTO {db}.t FORMAT Values ({x})",
    "INSERT INTO FUNCTION {x} SELECT 'written'",
    "INSERT INTO TABLE FUNCTION {x} VALUES ('written')",
    "INSERT INTO {db}.t VALUES ('a'); SELECT * FROM {x}",
    "INSERT INTO {db}.t FORMAT CSV\na\n; SELECT * FROM {x}",
    "CREATE TABLE {db}.n ENGINE = {x}",
    "CREATE TABLE {db}.n (a String) ENGINE = {x}",
    "CREATE TABLE {db}.n AS {x}",
    "CREATE TABLE {db}.n ENGINE = Memory AS SELECT * FROM {x}",
    "CREATE TABLE {db}.n (a String DEFAULT {x}) ENGINE = Memory",
    "CREATE TABLE {db}.n (a String, CONSTRAINT c CHECK a = {x}) ENGINE = Memory",
    "CREATE TABLE {db}.n (a String, b String ALIAS {x}) ENGINE = Memory",
    "CREATE TABLE {db}.n (a String) ENGINE = MergeTree ORDER BY ({x}, a)",
    "CREATE TABLE {db}.n (a Date) ENGINE = MergeTree ORDER BY a TTL a + INTERVAL 1 DAY DELETE WHERE {x} = ''",
    "CREATE TABLE {db}.n (a String) ENGINE = MergeTree ORDER BY a SETTINGS disk = {x}",
    "CREATE TEMPORARY TABLE n (a String) ENGINE = {x}",
    "CREATE VIEW {db}.n AS SELECT * FROM {x}",
    "CREATE VIEW {db}.n AS SELECT {x} AS a WHERE {{p:UInt8}}",
    "CREATE MATERIALIZED VIEW {db}.n TO {db}.t AS SELECT * FROM {x}",
    "CREATE MATERIALIZED VIEW {db}.n ENGINE = {x} AS SELECT a FROM {db}.t",
    "CREATE MATERIALIZED VIEW {db}.n REFRESH EVERY 1 SECOND ENGINE = Memory AS SELECT * FROM {x}",
    "CREATE WINDOW VIEW {db}.n AS SELECT {x}",
    "CREATE DATABASE n ENGINE = {x}",
    "ATTACH DATABASE n ENGINE = {x}",
    "CREATE DICTIONARY {db}.n (k UInt64, a String) PRIMARY KEY k SOURCE({x}) LAYOUT(FLAT()) LIFETIME(0)",
    "CREATE FUNCTION n AS () -> {x}",
    "CREATE ROW POLICY n ON {db}.t USING {x} = '' TO ALL",
    "CREATE NAMED COLLECTION n AS url = '{url}'",
    "ALTER TABLE {db}.t ADD COLUMN b String DEFAULT {x}",
    "ALTER TABLE {db}.t UPDATE a = {x} WHERE 1",
    "ALTER TABLE {db}.t DELETE WHERE a = {x}",
    "ALTER TABLE {db}.v MODIFY QUERY SELECT * FROM {x}",
    "ALTER TABLE {db}.t MODIFY TTL today() DELETE WHERE {x} = ''",
    "DELETE FROM {db}.t WHERE a = {x}",
    "UPDATE {db}.t SET a = {x} WHERE 1",
    "KILL QUERY WHERE query = {x}",
    "BACKUP TABLE {db}.t TO {x}",
    "RESTORE TABLE {db}.t AS {db}.r FROM {x}",
    "ATTACH TABLE {db}.n FROM '{folder}' (a String) ENGINE = {x}",
    "SET max_threads = {x}",
    "SELECT 1 SETTINGS max_threads = {x}",
    "SHOW TABLES WHERE name = {x}",
    "SHOW CREATE TABLE {x}",
    "EXISTS TABLE {x}",
    "TRUNCATE TABLE {x}",
    "OPTIMIZE TABLE {x}",
    "DROP TABLE {x}",
    "RENAME TABLE {db}.t TO {x}",
    "CHECK TABLE {x}",
    "COPY {db}.t TO {x}",
    "EXECUTE AS default SELECT * FROM {x}",
    "SYSTEM RELOAD FUNCTION {x}",
)
"""Where an expression, a table, an engine or a source can be written; `{x}` is the call."""

NAMED: Final = (
    "SELECT arrayMap({f}, ['{own}'])",
    "SELECT arrayMap(({f}), ['{own}'])",
    "SELECT arrayMap({f} AS g, ['{own}'])",
    "WITH {f} AS g SELECT arrayMap(g, ['{own}'])",
    "SELECT arrayMap({{t:Identifier}}, ['{own}'])",
    "SELECT arrayFilter({f}, ['{own}'])",
    "SELECT arraySort({f}, ['{own}'])",
    "SELECT arrayFold({f}, ['{own}'], '')",
    "SELECT arrayMap(e -> arrayMap({f}, [e]), ['{own}'])",
    "SELECT arrayReduce('{f}', ['{own}'])",
    "SELECT * APPLY({f}) FROM (SELECT '{own}' AS a)",
    "SELECT * APPLY {f} FROM (SELECT '{own}' AS a)",
    "SELECT q.* APPLY(toString) APPLY({f}) FROM (SELECT '{own}' AS a) AS q",
    "SELECT COLUMNS('a') APPLY {f} FROM (SELECT '{own}' AS a)",
    "SELECT COLUMNS(a) APPLY(e -> arrayMap({f}, [e])) FROM (SELECT '{own}' AS a)",
    "SELECT * REPLACE (arrayMap({f}, [a]) AS a) FROM (SELECT '{own}' AS a)",
    "SELECT 1 AS n, [''] AS a ORDER BY n WITH FILL TO 3 INTERPOLATE (a AS arrayMap({f}, ['{own}']))",
    "SELECT 1 WHERE arrayMap({f}, ['{own}']) = [throwIf(1, arrayMap({f}, ['{own}'])[1])]",
    "SELECT * FROM format(JSONEachRow, 'a Int8, y String DEFAULT {f}(''{own}'')', '{{\"a\":1}}')",
    "SELECT * FROM format(JSONEachRow, 'a Int8, y String MATERIALIZED {f}(''{own}'')', '{{\"a\":1}}')",
    "SELECT y FROM format(JSONEachRow, 'a Int8, y String ALIAS {f}(''{own}'')', '{{\"a\":1}}')",
    "SELECT y FROM values('a Int8, y String ALIAS {f}(''{own}'')', (1))",
    "SELECT y FROM generateRandom('a Int8, y String ALIAS {f}(''{own}'')') LIMIT 1",
    "SELECT y FROM null('a Int8, y String ALIAS {f}(''{own}'')')",
    "INSERT INTO {db}.t SELECT y FROM input('a Int8, y String DEFAULT {f}(''{own}'')') FORMAT CSV\n1\n",
    "CREATE VIEW {db}.n AS SELECT arrayMap({f}, ['{own}']) AS a",
    "CREATE TABLE {db}.n (a Array(String)) ENGINE = Memory AS SELECT arrayMap({f}, ['{own}']) AS a",
    "CREATE TABLE {db}.n (a Array(String) DEFAULT arrayMap({f}, ['{own}'])) ENGINE = Memory",
    "CREATE TABLE {db}.n (a String, CONSTRAINT c CHECK has(arrayMap({f}, ['{own}']), a)) ENGINE = Memory",
    "CREATE TABLE {db}.n (a String, INDEX i arrayMap({f}, [a]) TYPE set(1)) ENGINE = MergeTree ORDER BY a",
    "CREATE TABLE {db}.n (a String, PROJECTION p (SELECT arrayMap({f}, [a]))) ENGINE = MergeTree ORDER BY a",
    "ALTER TABLE {db}.t UPDATE a = arrayMap({f}, ['{own}'])[1] WHERE 1",
)
"""Where the name of a function, without a parenthesis, or a text makes the engine call it."""

WHOLE: Final = (
    "SELECT * FROM `{canary}`",
    "SELECT * FROM default.`{canary}`",
    "SELECT 'written' INTO OUTFILE '{folder}/out'",
    "SELECT 'written' INTO OUTFILE '{canary}' TRUNCATE FORMAT CSV",
    "SHOW TABLES INTO OUTFILE '{folder}/out'",
    "DESCRIBE TABLE system.one INTO OUTFILE '{folder}/out' FORMAT CSV",
    "EXISTS TABLE t INTO OUTFILE '{folder}/out'",
    "EXPLAIN SELECT 1 INTO OUTFILE '{folder}/out'",
    "SHOW CREATE TABLE {db}.t INTO OUTFILE '{folder}/out' AND STDOUT",
    "SELECT 1 FORMAT CSV INTO OUTFILE '{folder}/out'",
    "SELECT 1 INTO OUTFILE '/dev/fd/1'",
    "SELECT $$a INTO OUTFILE '{folder}/out'",
    "INSERT INTO {db}.t FROM INFILE '{canary}' FORMAT LineAsString",
    "INSERT INTO {db}.t FROM INFILE '{canary}' FORMAT CSV // ",
    "INSERT INTO {db}.t FROM INFILE '{canary}' COMPRESSION 'none' FORMAT LineAsString --",
    "INSERT INTO {db}.t FROM INFILE '{folder}/*' FORMAT LineAsString /*",
    "// c\nINSERT INTO {db}.t FROM INFILE '{canary}' FORMAT LineAsString",
    "INSERT INTO {db}.t FORMAT LineAsString // \n; SELECT file('{canary}')",
    "SELECT 1 // '\n FROM file('{canary}') // '",
    "/* /* */ SELECT 1; */ SELECT file('{canary}')",
    "SELECT $a$ '$a$, file('{canary}') --'",
    "SELECT a$$ FROM file('{canary}') AS a$$",
    "SELECT 1 SETTINGS format_schema = '{canary}:m'",
    "SELECT 1 FORMAT Protobuf SETTINGS format_schema = '{canary}:m'",
    "SELECT 1 FORMAT CapnProto SETTINGS format_schema = 'x:m', output_format_schema = '{folder}/out'",
    "SELECT 1 FORMAT Template SETTINGS format_template_row = '{canary}'",
    "SELECT * FROM format(Protobuf, 'a String', 'x') SETTINGS format_schema = '{canary}:m'",
    "SELECT 1 SETTINGS dialect = 'prql'",
    "SET dialect = 'kusto'",
    "SET readonly = 0",
    "SELECT 1 SETTINGS readonly = 0",
    "SET profile = 'default'",
    (
        "CREATE TABLE {db}.n (a String) ENGINE = MergeTree ORDER BY a SETTINGS disk = disk(type = 'local', "
        "path = '{folder}/d/')"
    ),
    (
        "CREATE TABLE {db}.n (a String) ENGINE = MergeTree ORDER BY a SETTINGS disk = disk(type = s3, "
        "endpoint = '{url}b/')"
    ),
    "CREATE TABLE {db}.n (a String SETTINGS (disk = '{folder}')) ENGINE = MergeTree ORDER BY a",
    (
        "CREATE DICTIONARY {db}.n (k UInt64, a String) PRIMARY KEY k SOURCE(EXECUTABLE_POOL(COMMAND "
        "'{program}' FORMAT TSV)) LAYOUT(FLAT()) LIFETIME(0)"
    ),
    (
        "CREATE DICTIONARY {db}.n (k UInt64, a String) PRIMARY KEY k SOURCE(FILE(PATH '{canary}' FORMAT "
        "CSV)) LAYOUT(FLAT()) LIFETIME(0)"
    ),
    (
        "CREATE DICTIONARY {db}.n (k UInt64, a String) PRIMARY KEY k SOURCE(HTTP(URL '{url}' FORMAT CSV)) "
        "LAYOUT(FLAT()) LIFETIME(0)"
    ),
    (
        "CREATE DICTIONARY {db}.n (k UInt64, a String) PRIMARY KEY k SOURCE(CLICKHOUSE(HOST '127.0.0.1' PORT "
        "{port} DB 'd' TABLE 't')) LAYOUT(FLAT()) LIFETIME(0)"
    ),
    "CREATE FUNCTION n LANGUAGE executable AS '{program}'",
    "CREATE FUNCTION n AS x -> file(x)",
    "CREATE NAMED COLLECTION n AS url = '{url}'",
    "BACKUP TABLE {db}.t TO File('{folder}/b')",
    "BACKUP DATABASE {db} TO Disk('default', '../../out')",
    "BACKUP ALL TO S3('{url}b', 'k', 's')",
    "RESTORE TABLE {db}.t FROM File('{canary}')",
    "ATTACH TABLE {db}.n FROM '{folder}' (a String) ENGINE = MergeTree ORDER BY a",
    "ALTER TABLE {db}.t FETCH PARTITION ID 'all' FROM '/x'",
    "ALTER TABLE {db}.t FREEZE WITH NAME '../../../out'",
    "ALTER TABLE {db}.t MOVE PARTITION ID 'all' TO DISK 'd'",
    "ALTER TABLE {db}.t EXPORT PARTITION ID 'all' TO TABLE FUNCTION file('{folder}/out')",
    "ALTER TABLE {db}.t EXPORT PART 'all_1_1_0' TO TABLE {db}.t",
    "SYSTEM SHUTDOWN",
    "SYSTEM KILL",
    "SYSTEM SUSPEND FOR 60 SECOND",
    "SYSTEM STOP LISTEN HTTP",
    "SYSTEM RELOAD CONFIG",
    "SYSTEM LOAD PRIMARY KEY",
    "SYSTEM FLUSH LOGS",
    "SYSTEM DROP FILESYSTEM CACHE",
    "SYSTEM ENABLE FAILPOINT x",
    "SYSTEM JEMALLOC FLUSH PROFILE",
    "SYSTEM UNFREEZE WITH NAME 'x'",
    "SYSTEM RESET COVERAGE",
    "CREATE USER n",
    "GRANT ALL ON *.* TO default",
    "SET ROLE ALL",
    "CREATE QUOTA n",
    "CREATE WORKLOAD n",
    "CREATE RESOURCE n (READ DISK d)",
    "EXECUTE AS default SELECT 1",
    "SELECT * FROM system.one SETTINGS additional_table_filters = {{'system.one': 'file(\\'{canary}\\') = 1'}}",
    "SELECT * FROM {{t:Identifier}}",
    "SELECT {{t:Identifier}}('{canary}')",
)
"""Whole statements that have no place for a call, or are written to deceive a parser of SQL."""


@dataclass(frozen=True)
class Targets:
    """What must not be touched: a file, a folder, a program and a listener."""

    canary: Path
    folder: Path
    program: Path
    port: int
    database: str

    def filled(self, template: str, **more: str) -> str:
        """A template with the addresses of the targets."""
        return template.format(
            canary=self.canary, folder=self.folder, program=self.program, port=self.port, db=self.database,
            own="/proc/self/cmdline", url=f"http://127.0.0.1:{self.port}/", address=f"127.0.0.1:{self.port}", **more,
        )  # fmt: skip


def statements(targets: Targets, names: list[str], seed: int, number: int) -> Iterator[str]:
    """The whole statements, and `number` others that are put together at random from the engine's own names."""
    for template in WHOLE:
        yield targets.filled(template)
    for template in NAMED:
        yield targets.filled(template, f="file")
    dice = random.Random(seed)  # the same ones in every run
    for index in range(number):
        if index % 8 == 0:
            yield targets.filled(dice.choice(NAMED), f=_spelled(dice, dice.choice(names)))
            continue
        call = targets.filled(dice.choice(CALLS), f=_spelled(dice, dice.choice(names)))
        yield targets.filled(dice.choice(PLACES), x=_disguised(dice, call))


def _spelled(dice: random.Random, name: str) -> str:
    """A name as the engine may read it, hidden from a plain search for it."""
    escaped = "".join(dice.choice((sign, f"\\x{ord(sign):02x}")) for sign in name)
    return dice.choice(
        (name, name, name.upper(), name.lower(), f"`{name}`", f'"{name}"', f"`{escaped}`", f'"{escaped}"')
    )


def _disguised(dice: random.Random, call: str) -> str:
    """Spaces, comments and nonsense before a call's parenthesis."""
    name, sign, rest = call.partition("(")
    between = dice.choice(
        ("", "", "", " ", "\n", "/* x */", "/* /* */ */", "-- x\n", "# x\n", "// x\n", "\t", "\u00a0")
    )
    return f"{name}{between}{sign}{rest}"
