import pytest

from clustertrack.local.clickhouse.engine_errors import QUERY_IS_TOO_LARGE, SYNTAX_ERROR, EngineError
from clustertrack.local.clickhouse.statement import MAX_STATEMENT_BYTES, Kind, read_statement


@pytest.mark.parametrize(
    ("sql", "head", "data_format", "data"),
    [
        pytest.param(b"INSERT INTO t FORMAT CSV\n1,2\n", b"INSERT INTO t ", "CSV", b"1,2\n", id="line"),
        pytest.param(b"INSERT INTO t FORMAT CSV \r\n1,2", b"INSERT INTO t ", "CSV", b"1,2", id="crlf"),
        pytest.param(b"insert into t format RowBinary\n\1\2'", b"insert into t ", "RowBinary", b"\1\2'", id="binary"),
        pytest.param(b"INSERT INTO t (`format`) FORMAT TSV 1", b"INSERT INTO t (`format`) ", "TSV", b"1", id="name"),
        pytest.param(b"-- FORMAT X\nINSERT INTO t FORMAT A", b"-- FORMAT X\nINSERT INTO t ", "A", b"", id="comment"),
        pytest.param(
            b"INSERT INTO t SETTINGS async_insert=0 FORMAT TSV\n\n",
            b"INSERT INTO t SETTINGS async_insert=0 ", "TSV", b"\n", id="settings",
        ),
    ],
)  # fmt: skip
def test_insert_data_begins_after_the_format_line(sql: bytes, head: bytes, data_format: str, data: bytes):
    """The data of an INSERT is what follows its FORMAT clause and one line end, byte for byte."""
    statement = read_statement(sql)
    assert (statement.kind, statement.head, statement.format, statement.data) == (Kind.DATA, head, data_format, data)


def test_the_body_is_not_copied_when_the_insert_is_in_the_url():
    """Data in the body of an INSERT in the URL is passed on as the same object."""
    body = b"1\n" * 100
    assert read_statement(b"INSERT INTO t FORMAT TSV", body).data is body


@pytest.mark.parametrize(
    ("sql", "target"),
    [
        pytest.param(b"INSERT INTO t FORMAT CSV", b"t", id="plain"),
        pytest.param(b"INSERT INTO TABLE d.t (a) VALUES (1)", b"d.t", id="values"),
        pytest.param(b"INSERT INTO `d` . `t u` (a) FORMAT CSV", b"`d` . `t u`", id="quoted"),
        pytest.param(b"INSERT INTO FUNCTION null('a Int8') FORMAT CSV", b"", id="function"),
        pytest.param(b"INSERT INTO t SELECT 1", b"", id="select"),
    ],
)
def test_the_table_of_an_insert_with_data_is_known(sql: bytes, target: bytes):
    """The table is read as written; an INSERT from a SELECT has none."""
    assert read_statement(sql).target == target


@pytest.mark.parametrize(
    ("sql", "kind", "head", "name"),
    [
        pytest.param(b"SELECT 1", Kind.ROWS, b"SELECT 1", None, id="none"),
        pytest.param(b"SELECT 1 FORMAT JSON", Kind.ROWS, b"SELECT 1 ", "JSON", id="format"),
        pytest.param(
            b"WITH 1 AS x SELECT x\nFORMAT JSON;\n", Kind.ROWS, b"WITH 1 AS x SELECT x\n", "JSON", id="semicolon"
        ),
        pytest.param(b"SELECT 1 FORMAT CSV SETTINGS max_threads=1", Kind.ROWS, b"SELECT 1 ", "CSV", id="settings"),
        pytest.param(b"SELECT 1 AS format", Kind.ROWS, b"SELECT 1 AS format", None, id="alias"),
        pytest.param(b"SELECT format FROM t", Kind.ROWS, b"SELECT format FROM t", None, id="column"),
        pytest.param(b"SELECT 'x FORMAT CSV'", Kind.ROWS, b"SELECT 'x FORMAT CSV'", None, id="string"),
        pytest.param(b"SELECT 1 -- FORMAT CSV", Kind.ROWS, b"SELECT 1 -- FORMAT CSV", None, id="comment"),
        pytest.param(b"SELECT $$it's$$ FORMAT CSV", Kind.ROWS, b"SELECT $$it's$$ ", "CSV", id="heredoc"),
        pytest.param(
            b"(SELECT 1) UNION ALL (SELECT 2)", Kind.ROWS, b"(SELECT 1) UNION ALL (SELECT 2)", None, id="union"
        ),
        pytest.param(b"SHOW TABLES FORMAT CSV", Kind.PLAIN, b"SHOW TABLES ", "CSV", id="show"),
        pytest.param(b"CREATE TABLE t (a Int8)", Kind.PLAIN, b"CREATE TABLE t (a Int8)", None, id="ddl"),
        pytest.param(b"SELECT 1 FORMAT CSV; -- x\n;", Kind.ROWS, b"SELECT 1 ", "CSV", id="comment after the end"),
    ],
)
def test_the_format_clause_of_a_query_is_found(sql: bytes, kind: Kind, head: bytes, name: str | None):
    """Only a FORMAT clause at the end, outside of strings, comments and parentheses, names the format."""
    statement = read_statement(sql)
    assert (statement.kind, statement.head, statement.format) == (kind, head, name)


def test_a_query_goes_on_in_the_body():
    """A query may begin in the URL and end in the body."""
    assert read_statement(b"SELECT", b"1 FORMAT CSV").head == b"SELECT\n1 "


@pytest.mark.parametrize("sql", [b"", b" -- nothing\n"], ids=["empty", "comment"])
def test_nothing_is_no_query(sql: bytes):
    """An empty text is a syntax error."""
    with pytest.raises(EngineError) as caught:
        read_statement(sql)
    assert caught.value.code == SYNTAX_ERROR


@pytest.mark.parametrize(
    ("sql", "body", "data"),
    [
        pytest.param(b"INSERT INTO t VALUES (1)", b"", b" (1)", id="inline"),
        pytest.param(b"INSERT INTO t VALUES", b"(1)", b"(1)", id="body"),
        pytest.param(b"INSERT INTO t VALUES (1),", b"(2)", b" (1),\n(2)", id="both"),
    ],
)
def test_what_follows_values_is_data(sql: bytes, body: bytes, data: bytes):
    """The engine never reads it as SQL."""
    statement = read_statement(sql, body)
    assert (statement.kind, statement.head, statement.format, statement.data) == (
        Kind.DATA, b"INSERT INTO t ", "Values", data,
    )  # fmt: skip


@pytest.mark.parametrize("sign", [b"'", b'"', b"`", b"/*", b"$$", b"'\\"], ids=ascii)
def test_unclosed_text_is_read_once(sign: bytes):
    """A long text that is never closed is read in no time."""
    assert read_statement(b"SELECT " + sign * 120_001).kind is Kind.ROWS


def test_several_statements_are_refused():
    """Only the first would be read here."""
    with pytest.raises(EngineError) as caught:
        read_statement(b"SELECT 1; -- x\nSELECT 2")
    assert caught.value.code == SYNTAX_ERROR


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(b"SELECT '", b"'", id="select"),
        pytest.param(b"", b"SELECT 1", id="blanks"),
        pytest.param(b"INSERT INTO t (", b") FORMAT CSV\n1", id="columns"),
        pytest.param(b"INSERT INTO t SETTINGS a = '", b"' VALUES (1)", id="settings"),
        pytest.param(b"INSERT INTO t FORMAT /*", b"*/ CSV\n1", id="before the format"),
        pytest.param(b"INSERT INTO t SELECT '", b"'", id="insert from a select"),
        pytest.param(b"INSERT INTO t ", b"", id="no end"),
    ],
)
def test_a_statement_has_a_limit(before: bytes, after: bytes):
    """One that is longer is refused; only up to the limit it is read at all."""
    room = MAX_STATEMENT_BYTES - len(before + after)
    read_statement(before + b" " * room + after)
    with pytest.raises(EngineError) as caught:
        read_statement(before + b" " * (room + MAX_STATEMENT_BYTES) + after)
    assert caught.value.code == QUERY_IS_TOO_LARGE


@pytest.mark.parametrize("sql", [b"INSERT INTO t FORMAT CSV\n", b"INSERT INTO t VALUES "], ids=["format", "values"])
def test_data_have_no_such_limit(sql: bytes):
    """Nor are they read."""
    data = b"(1)," * MAX_STATEMENT_BYTES
    assert read_statement(sql + data).data.strip() == data
    assert read_statement(sql, data).data.strip() == data
