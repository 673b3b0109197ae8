"""The interface as curl sees it: URLs, bodies, headers, encodings, logins."""

import gzip
import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import lz4.frame
import pytest
from clickhouse_connect.driver.client import Client

from clustertrack.local.clickhouse.compression import zstd  # type: ignore[attr-defined]  # by version of Python

pytestmark = [pytest.mark.integration, pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")]

_PACK = {"gzip": gzip.compress, "lz4": lz4.frame.compress, "zstd": zstd.compress}
_UNPACK = {"gzip": gzip.decompress, "lz4": lz4.frame.decompress, "zstd": zstd.decompress}


@dataclass(frozen=True)
class Answer:
    """Status, headers (names in lower case) and body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()


def curl(*arguments: str, body: bytes = b"") -> Answer:
    """Run curl; a body is given with `--data-binary @-`."""
    command = ["curl", "-s", "-i", "--max-time", "30", "-H", "Expect:", *arguments]
    done = subprocess.run(command, input=body, stdout=subprocess.PIPE, check=True)
    head, _, rest = done.stdout.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Answer(int(first.split()[1]), headers, rest)


def _query(url: str, sql: str, *arguments: str, **parameters: str) -> Answer:
    pairs = [part for pair in parameters.items() for part in ("--url-query", "=".join(pair))]
    return curl(f"{url}/", *pairs, *arguments, "--data-binary", sql)


@pytest.mark.parametrize("path", ["/ping", "/"])
def test_the_server_says_that_it_is_there(server, path: str):
    """GET /ping, and GET / without a query, answer Ok."""
    answer = curl(server.url + path)
    assert (answer.status, answer.text) == (200, "Ok.\n")


def test_a_query_may_be_in_the_url_the_body_or_both(server):
    """The query is the URL's, then the body's."""
    assert curl(f"{server.url}/?query=SELECT%201").text == "1\n"
    assert _query(server.url, "SELECT 2").text == "2\n"
    assert _query(server.url, "3, 4 FORMAT CSV", query="SELECT").text == "3,4\n"


def test_formats_are_chosen_in_three_ways(server):
    """By a FORMAT clause, default_format or a header; the answer names it and its type."""
    assert _query(server.url, "SELECT 1 AS a FORMAT JSONEachRow").text == '{"a":1}\n'
    assert _query(server.url, "SELECT 1 AS a", default_format="CSVWithNames").text == '"a"\n1\n'
    answer = _query(server.url, "SELECT 1 AS a", "-H", "X-ClickHouse-Format: JSON")
    assert json.loads(answer.text)["data"] == [{"a": 1}]
    assert answer.headers["x-clickhouse-format"] == "JSON"
    assert answer.headers["content-type"] == "application/json; charset=UTF-8"


def test_an_answer_describes_itself(server):
    """Query id, time zone and summary come as headers."""
    answer = _query(server.url, "SELECT number FROM numbers(10)", query_id="mine", session_timezone="Europe/Copenhagen")
    assert answer.headers["x-clickhouse-query-id"] == "mine"
    assert answer.headers["x-clickhouse-timezone"] == "Europe/Copenhagen"
    assert json.loads(answer.headers["x-clickhouse-summary"])["result_rows"] == "10"
    assert _query(server.url, "SELECT timezone()").text == "UTC\n"


def test_an_error_has_a_status_a_code_and_a_message(server):
    """An error is the server's own text."""
    answer = _query(server.url, "SELECT * FROM nowhere")
    assert (answer.status, answer.headers["x-clickhouse-exception-code"]) == (404, "60")
    assert answer.text.startswith("Code: 60. DB::Exception: Unknown table")
    assert "(UNKNOWN_TABLE)" in answer.text


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        pytest.param("CREATE TABLE t (a Int8) ENGINE = Memory", "164", id="create"),
        pytest.param("INSERT INTO t VALUES (1)", "164", id="insert"),
        pytest.param("DROP DATABASE {database}", "164", id="drop"),
        pytest.param("KILL QUERY WHERE 1", "164", id="kill"),
        pytest.param("SET max_threads = 1", "164", id="set"),
        pytest.param("SELECT 1; DROP DATABASE {database}", "62", id="hidden"),
    ],
)
@pytest.mark.parametrize("readonly", ["0", "2"])
def test_get_changes_nothing(server, database: str, statement: str, code: str, readonly: str):
    """A GET may only read."""
    sql = statement.format(database=database)
    answer = curl(
        "-G", f"{server.url}/", "--data-urlencode", f"query={sql}", "-d", f"readonly={readonly}&database={database}"
    )
    assert answer.headers["x-clickhouse-exception-code"] == code
    assert _query(server.url, f"EXISTS DATABASE {database}").text == "1\n"
    assert _query(server.url, f"SHOW TABLES FROM {database}").text == ""


def test_post_can_be_read_only_too(server, database: str):
    """readonly=1 holds for a POST."""
    answer = _query(server.url, "CREATE TABLE t (a Int8) ENGINE = Memory", database=database, readonly="1")
    assert answer.headers["x-clickhouse-exception-code"] == "164"


@pytest.mark.parametrize(
    ("url_query", "body"),
    [
        pytest.param("INSERT INTO t FORMAT CSV", b"1,a\n2,b\n", id="url and body"),
        pytest.param("INSERT INTO t VALUES", b"(1,'a'),(2,'b')", id="values in the body"),
        pytest.param("INSERT INTO t", b"(1,'a'),(2,'b')", id="no format"),
        pytest.param("", b"INSERT INTO t VALUES (1,'a'),(2,'b')", id="body alone"),
        pytest.param("", b"INSERT INTO t (b, a) SETTINGS async_insert=0 FORMAT TSV\na\t1\nb\t2\n", id="body with data"),
        pytest.param("INSERT INTO {name:Identifier} FORMAT JSONEachRow", b'{"a":1,"b":"a"}{"a":2,"b":"b"}', id="bound"),
        pytest.param("INSERT INTO t SELECT number, '' FROM numbers(1, 2)", b"", id="select"),
    ],
)
@pytest.mark.parametrize("encoding", [None, "gzip", "lz4", "zstd"], ids=str)
def test_data_come_in_many_ways(server, client: Client, url_query: str, body: bytes, encoding: str | None):
    """The data of an INSERT may follow in the URL's or the body's statement, compressed or not."""
    client.command("CREATE TABLE t (a UInt8, b String) ENGINE = Memory")
    header = ["-H", f"Content-Encoding: {encoding}"] if encoding else []
    data = _PACK[encoding](body) if encoding else body
    pairs = [f"query={url_query}", f"database={client.database}", "param_name=t"]
    query = [part for pair in pairs for part in ("--url-query", pair)]
    answer = curl(f"{server.url}/", *query, *header, "--data-binary", "@-", body=data)
    assert answer.status == 200, answer.text
    assert json.loads(answer.headers["x-clickhouse-summary"])["written_rows"] == "2"
    assert client.command("SELECT sum(a) FROM t") == 3


@pytest.mark.parametrize("encoding", ["gzip", "lz4", "zstd"])
@pytest.mark.parametrize("rows", [3, 300_000], ids=["whole", "streamed"])
def test_answers_are_compressed_when_asked_for(server, encoding: str, rows: int):
    """With enable_http_compression=1 the answer has the encoding that Accept-Encoding names, else none."""
    sql = f"SELECT number FROM numbers({rows})"
    header = ["-H", f"Accept-Encoding: {encoding}"]
    packed = _query(server.url, sql, *header, "--raw", enable_http_compression="1")
    assert packed.headers["content-encoding"] == encoding
    body = _unchunked(packed.body) if "chunked" in packed.headers.get("transfer-encoding", "") else packed.body
    plain = _query(server.url, sql, *header)
    assert "content-encoding" not in plain.headers
    assert _UNPACK[encoding](body) == plain.body == b"".join(b"%d\n" % n for n in range(rows))


def _unchunked(body: bytes) -> bytes:
    pieces = []
    while body:
        size, _, rest = body.partition(b"\r\n")
        pieces.append(rest[: int(size, 16)])
        body = rest[int(size, 16) + 2 :]
    return b"".join(pieces)


def test_curl_unpacks_gzip_by_itself(server):
    """`curl --compressed` works."""
    assert _query(server.url, "SELECT 1", "--compressed", enable_http_compression="1").text == "1\n"


def test_multipart_bodies_carry_query_and_parameters(server):
    """A form has the query and param_ fields; a file in it is refused."""
    form = ["-F", "query=SELECT {s:String}, {n:UInt8}", "-F", "param_s=a&b=ø", "-F", "param_n=7"]
    assert curl(f"{server.url}/?default_format=CSV", *form).text == '"a&b=ø",7\n'
    assert (
        curl(f"{server.url}/", "-F", "query=SELECT 1", "-F", "t=@-", body=b"x").headers["x-clickhouse-exception-code"]
        == "48"
    )


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        pytest.param(["-H", "Host: evil.example"], 403, "497", id="host"),
        pytest.param(["-H", "Origin: https://evil.example"], 403, "497", id="origin"),
        pytest.param(["-H", "Content-Encoding: br"], 500, "89", id="encoding"),
        pytest.param(["-H", "Content-Encoding: gzip"], 400, "117", id="not gzip"),
        pytest.param(["-H", "Content-Type: multipart/form-data"], 400, "36", id="no boundary"),
        pytest.param(["--url-query", "decompress=1"], 501, "48", id="own framing"),
        pytest.param(["-u", "somebody:wrong"], 403, "516", id="login"),
    ],
)
def test_requests_that_are_refused(server, arguments: list[str], status: int, code: str):
    """A request that is not served ends in a status and a code, never in a broken connection."""
    answer = _query(server.url, "SELECT 1", *arguments)
    assert (answer.status, answer.headers["x-clickhouse-exception-code"]) == (status, code)


def test_web_pages_cannot_even_ping(server):
    """The guard is in front of every path."""
    assert curl(f"{server.url}/ping", "-H", "Origin: https://evil.example").status == 403


def test_bodies_have_a_limit(server, tmp_path: Path):
    """A body of more than 256 MB is refused, unpacked or packed."""
    bomb = gzip.compress(bytes((256 << 20) + 1), 1)
    answer = curl(f"{server.url}/", "-H", "Content-Encoding: gzip", "--data-binary", "@-", body=bomb)
    assert (answer.status, answer.headers["x-clickhouse-exception-code"]) == (413, "223")
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate((256 << 20) + 1)
    answer = curl(f"{server.url}/", "--data-binary", f"@{large}")
    assert (answer.status, answer.headers["x-clickhouse-exception-code"]) == (413, "223")


def test_a_password_guards_everything_but_the_ping(start, tmp_path: Path):
    """With a password, requests without it are refused; it comes as Basic login, headers or in the URL."""
    secret = tmp_path / "secret"
    secret.write_text("s:cret\n")
    environ = {"CLICKHOUSE_USER": "anna", "CLICKHOUSE_PASSWORD_FILE": str(secret)}
    with start(tmp_path / "data", environ=environ) as server:
        assert curl(f"{server.url}/ping").status == 200
        assert _query(server.url, "SELECT 1").headers["x-clickhouse-exception-code"] == "516"
        assert _query(server.url, "SELECT 1", "-u", "anna:wrong").status == 403
        for login in (
            ["-u", "anna:s:cret"],
            ["-H", "X-ClickHouse-User: anna", "-H", "X-ClickHouse-Key: s:cret"],
            ["--url-query", "user=anna", "--url-query", "password=s:cret"],
        ):
            assert _query(server.url, "SELECT 1", *login).text == "1\n"
        with server.connect(username="anna", password="s:cret") as client:  # noqa: S106  (the test's own)
            assert client.command("SELECT 1") == 1
