"""The engine's own configuration: what its one user may do, no matter which login asks.

A ClickHouse server would have users; the embedded engine only knows `default`, and takes its rights from here. Nothing
that reads files, talks to other machines or runs programs is granted, and no right to give oneself more.
"""

import contextlib
from collections.abc import Iterator
from typing import Final

from clustertrack.local.clickhouse.unnamed import path_of, unnamed_file

GRANTS: Final = (
    "SELECT, INSERT, ALTER, CREATE DATABASE, CREATE TABLE, CREATE VIEW, CREATE TEMPORARY TABLE, DROP DATABASE, "
    "DROP TABLE, DROP VIEW, TRUNCATE, OPTIMIZE, SHOW, CHECK, KILL QUERY, SYSTEM MERGES"
)

_USERS: Final = f"""\
<clickhouse>
 <profiles><default/></profiles>
 <quotas><default/></quotas>
 <users><default>
  <password/>
  <networks><ip>127.0.0.1</ip><ip>::1</ip></networks>
  <profile>default</profile>
  <quota>default</quota>
  <grants><query>GRANT {GRANTS} ON *.*</query></grants>
 </default></users>
</clickhouse>
"""

_ENGINE: Final = """\
<clickhouse>
 <users_config>{users}</users_config>
 <user_files_path>/dev/null/</user_files_path>
 <user_scripts_path>/dev/null/</user_scripts_path>
 <format_schema_path>/dev/null/</format_schema_path>
 <dictionaries_config/>
 <user_defined_executable_functions_config/>
</clickhouse>
"""


@contextlib.contextmanager
def engine_config() -> Iterator[str]:
    """The path of the configuration; the engine reads it when it opens its folder, and not again."""
    with (
        unnamed_file(_USERS.encode()) as users,
        unnamed_file(_ENGINE.format(users=path_of(users)).encode()) as engine,
    ):
        yield path_of(engine)
