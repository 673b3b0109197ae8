"""Large results, and clients that go away."""

import contextlib
import http.client
import io
import json
import struct
from collections.abc import Callable, Iterator

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import StreamFailureError

pytestmark = pytest.mark.integration

_HALF_A_GIGABYTE = 500_000_000


@contextlib.contextmanager
def _answer(server, sql: str) -> Iterator[http.client.HTTPResponse]:
    with contextlib.closing(http.client.HTTPConnection(server.host, server.port, timeout=60)) as connection:
        connection.request("POST", "/", sql)
        with connection.getresponse() as answer:
            yield answer


def test_a_large_result_needs_little_memory(start, tmp_path):
    """500 MB pass through in chunks: the server grows by less than half of that.

    What the engine's threads hold meanwhile differs from run to run, by 80 to 150 MB as measured.
    """
    with start(tmp_path / "data") as server:
        with _answer(server, "SELECT number, toString(number) FROM numbers(300000)") as answer:
            answer.read()
        before = server.memory("VmHWM")
        size = 0
        sql = f"SELECT randomPrintableASCII(92), number FROM numbers({_HALF_A_GIGABYTE // 100})"
        with _answer(server, sql) as answer:
            while piece := answer.read(1 << 20):
                size += len(piece)
        assert size > _HALF_A_GIGABYTE * 0.95
        assert server.memory("VmHWM") - before < _HALF_A_GIGABYTE // 2


_READERS: dict[str, Callable[[bytes], list[int]]] = {
    "Arrow": lambda data: pa.ipc.open_file(data).read_all()["n"].to_pylist(),
    "ArrowStream": lambda data: pa.ipc.open_stream(data).read_all()["n"].to_pylist(),
    "Parquet": lambda data: pq.read_table(io.BytesIO(data))["n"].to_pylist(),
    "JSONCompact": lambda data: [int(row[0]) for row in json.loads(data)["data"]],
    "CSVWithNames": lambda data: [int(line) for line in data.splitlines()[1:]],
    "RowBinary": lambda data: list(struct.unpack(f"<{len(data) // 8}Q", data)),
}


@pytest.mark.parametrize("data_format", sorted(_READERS))
def test_large_results_are_whole_in_every_format(admin: Client, data_format: str):
    """A streamed result is one document, with one header and one footer."""
    answer = admin.raw_query("SELECT number * 1000003 AS n FROM numbers(1000000)", fmt=data_format)
    assert len(answer) > 1 << 20
    assert _READERS[data_format](answer) == list(range(0, 1_000_003_000_000, 1_000_003))


@pytest.mark.parametrize("compress", [False, "lz4", "zstd", "gzip"], ids=str)
def test_blocks_are_streamed(server, compress: str | bool):
    """clickhouse-connect reads a large result block by block, with every compression."""
    with server.connect(compress=compress) as client:
        rows = total = 0
        with client.query_row_block_stream("SELECT number, toString(number) FROM numbers(1000000)") as stream:
            for block in stream:
                rows += len(block)
                total += sum(row[0] for row in block)
    assert (rows, total) == (1_000_000, 499_999_500_000)


@pytest.mark.parametrize("compress", [False, "lz4", "zstd", "gzip"], ids=str)
def test_a_failure_half_way_is_reported(server, compress: str | bool):
    """A query that fails after the response began ends it with the message, which the client raises."""
    query = (
        "SELECT number, throwIf(number = 5000000, 'half way') FROM numbers(10000000) SETTINGS max_block_size = 65536"
    )
    with server.connect(compress=compress) as client:
        with pytest.raises(StreamFailureError, match="half way"), client.query_row_block_stream(query) as stream:
            for _ in stream:
                pass
        assert client.command("SELECT 1") == 1


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("SELECT number FROM numbers(100000000000)", id="while rows come"),
        pytest.param("SELECT count() FROM numbers(10000000000000) WHERE sipHash64(number) = 1", id="before any row"),
    ],
)
def test_a_client_that_goes_away_ends_its_query(
    server,
    admin: Client,
    wait_until: Callable[..., None],
    query: str,
):
    """A query whose client closes the connection is ended and its connection to the engine is free again."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=60)
    connection.request("POST", "/", query)

    def running() -> int:
        count = "SELECT count() FROM system.processes WHERE query LIKE 'SELECT%numbers(1000%'"
        return int(admin.command(count + " AND query_id != queryID()"))

    wait_until(lambda: running() == 1, what="the query to run")
    connection.close()
    wait_until(lambda: running() == 0, what="the query to end")


def test_slow_readers_do_not_hold_others_up(server, admin: Client):
    """While one client does not read, the server answers the next."""
    with _answer(server, "SELECT number FROM numbers(1000000000)") as slow:
        slow.read(1000)
        for _ in range(20):
            assert admin.command("SELECT 1") == 1
