"""Values through clickhouse-connect's own client: what is inserted comes back."""

import datetime as dt
import decimal
import ipaddress
import uuid
from typing import Any

import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, DataError

pytestmark = pytest.mark.integration

_EARLY = dt.date(1955, 6, 7)

_VALUES = [
    pytest.param("Int8", [-128, 127], id="Int8"),
    pytest.param("UInt64", [0, 2**64 - 1], id="UInt64"),
    pytest.param("UInt128", [0, 2**128 - 1], id="UInt128"),
    pytest.param("Int256", [-(2**255), 2**255 - 1], id="Int256"),
    pytest.param("Float64", [0.1, -1e300], id="Float64"),
    pytest.param("Decimal(38, 10)", [decimal.Decimal("1.0123456789")], id="Decimal"),
    pytest.param("Bool", [True, False], id="Bool"),
    pytest.param("String", ["", "æøå 🍎", "a\tb\nc\\'\"`", "x" * 100_000], id="String"),
    pytest.param("FixedString(3)", [b"abc", b"\x00\x01\xff"], id="FixedString"),
    pytest.param("LowCardinality(String)", ["workshop", "workshop", ""], id="LowCardinality"),
    pytest.param("LowCardinality(Nullable(String))", ["a", None], id="LowCardinality Nullable"),
    pytest.param("Nullable(Int32)", [None, 0, -5], id="Nullable"),
    pytest.param("Nullable(String)", [None, "", "x"], id="Nullable String"),
    pytest.param("Array(String)", [[], ["a", ""], ["new_ideas"] * 100], id="Array"),
    pytest.param("Array(Nullable(UInt8))", [[None, 1], []], id="Array Nullable"),
    pytest.param("Array(Array(LowCardinality(String)))", [[[], ["a"]], []], id="Array Array"),
    pytest.param("Map(String, UInt64)", [{"a": 1}, {}], id="Map"),
    pytest.param("Tuple(UInt8, String)", [(1, "a")], id="Tuple"),
    pytest.param("Enum8('a' = 1, 'b' = -2)", ["a", "b"], id="Enum"),
    pytest.param("UUID", [uuid.UUID(int=0), uuid.UUID(int=2**128 - 1)], id="UUID"),
    pytest.param("IPv4", [ipaddress.IPv4Address("127.0.0.1")], id="IPv4"),
    pytest.param("IPv6", [ipaddress.IPv6Address("::1")], id="IPv6"),
    pytest.param("Date", [dt.date(1970, 1, 1), dt.date(2149, 6, 6)], id="Date"),
    pytest.param("Date32", [dt.date(1900, 1, 1), _EARLY, dt.date(2299, 12, 31)], id="Date32"),
    pytest.param("DateTime", [dt.datetime(1970, 1, 1), dt.datetime(2106, 2, 7, 6, 28, 15)], id="DateTime"),
    pytest.param("DateTime64(3)", [dt.datetime(1900, 1, 1), dt.datetime(2018, 12, 31, 23, 59)], id="DateTime64"),
    pytest.param("Nullable(DateTime64(6))", [None, dt.datetime(2200, 1, 1, 0, 0, 0, 1)], id="Nullable DateTime64"),
]  # fmt: skip


@pytest.mark.parametrize("compress", [False, "lz4", "zstd", "gzip"], ids=str)
@pytest.mark.parametrize(("kind", "values"), _VALUES)
def test_values_come_back(client: Client, kind: str, values: list[Any], compress: str | bool):
    """Every type survives a Native insert and query, with every compression."""
    client.command(f"CREATE TABLE t (n UInt32, v {kind}) ENGINE = MergeTree ORDER BY n")
    context = client.create_insert_context("t", ["n", "v"], column_type_names=["UInt32", kind])
    context.compression = compress or None
    context.data = list(enumerate(values))
    assert client.data_insert(context).written_rows == len(values)
    headers = {"Accept-Encoding": str(compress)} if compress else None
    settings = {"enable_http_compression": 1}
    result = client.query("SELECT v FROM t ORDER BY n", settings=settings, transport_settings=headers)
    assert [row[0] for row in result.result_rows] == values


def test_arrow_tables_come_back(client: Client):
    """An Arrow insert with revisions of 16 bytes, lists, dictionaries and nulls equals what is read."""
    client.command(
        "CREATE TABLE t (n UInt32, revision UInt128, day Date32, outcomes Array(LowCardinality(String)),"
        " kind LowCardinality(String), at DateTime64(3, 'UTC'), employees Nullable(UInt32))"
        " ENGINE = MergeTree ORDER BY n"
    )
    table = pa.table(
        {
            "n": pa.array([1, 2], pa.uint32()),
            "revision": pa.array([(2**100 + 7).to_bytes(16, "little"), bytes(16)], pa.binary(16)),
            "day": pa.array([_EARLY, dt.date(2018, 12, 31)]),
            "outcomes": pa.array([["new_ideas", "new_products"], []]),
            "kind": pa.array(["company", "other"]).dictionary_encode(),
            "at": pa.array([dt.datetime(1960, 1, 1, tzinfo=dt.UTC)] * 2, pa.timestamp("ms", "UTC")),
            "employees": pa.array([None, 49], pa.uint32()),
        }
    )
    assert client.insert_arrow("t", table).written_rows == 2
    rows = client.query(
        "SELECT n, revision, day, outcomes, kind, toUnixTimestamp64Milli(at), employees FROM t"
    ).result_rows
    at = int(dt.datetime(1960, 1, 1, tzinfo=dt.UTC).timestamp()) * 1000
    assert rows == [
        (1, 2**100 + 7, _EARLY, ["new_ideas", "new_products"], "company", at, None),
        (2, 0, dt.date(2018, 12, 31), [], "other", at, 49),
    ]
    back = client.query_arrow("SELECT n, day, outcomes FROM t ORDER BY n", use_strings=True)
    assert back.to_pylist()[0] == {"n": 1, "day": _EARLY, "outcomes": ["new_ideas", "new_products"]}


_DAY_COLUMNS = (
    "n UInt8, day Date DEFAULT 0, moment DateTime DEFAULT 0, day32 Date32 DEFAULT 0, moment64 DateTime64(3) DEFAULT 0"
)


@pytest.fixture
def days(client: Client) -> Client:
    """A table `days` with a column of each kind of date."""
    client.command(f"CREATE TABLE days ({_DAY_COLUMNS}) ENGINE = MergeTree ORDER BY n")
    return client


@pytest.mark.parametrize("column", ["day", "moment"])
def test_the_client_refuses_early_days_in_native_inserts(days: Client, column: str):
    """A Native insert of a day before 1970 into Date or DateTime ends in an error, and nothing is written."""
    value = _EARLY if column == "day" else dt.datetime(1955, 6, 7)
    with pytest.raises(DataError, match="native array"):
        days.insert("days", [[1, dt.date(2018, 1, 1) if column == "day" else dt.datetime(2018, 1, 1)], [2, value]],
                    column_names=["n", column])  # fmt: skip
    assert days.command("SELECT count() FROM days") == 0


@pytest.mark.parametrize("column", ["day", "moment"])
@pytest.mark.parametrize(
    "kind",
    [pa.date32(), pa.date64(), pa.timestamp("s"), pa.timestamp("ns")],
    ids=str,
)
def test_early_days_are_refused_in_arrow_inserts(days: Client, column: str, kind: pa.DataType):
    """An Arrow insert of a day before 1970 into Date or DateTime is refused with code 321 and what to do."""
    table = pa.table({"n": pa.array([1], pa.uint8()), column: pa.array([_EARLY]).cast(kind)})
    with pytest.raises(DatabaseError, match="use Date32 or DateTime64") as caught:
        days.insert_arrow("days", table)
    assert caught.value.code == 321
    assert days.command("SELECT count() FROM days") == 0


@pytest.mark.parametrize("column", ["day32", "moment64"])
@pytest.mark.parametrize("kind", [pa.date32(), pa.timestamp("ms")], ids=str)
def test_early_days_fit_into_the_wider_types_by_arrow(days: Client, column: str, kind: pa.DataType):
    """Date32 and DateTime64 keep a day before 1970."""
    table = pa.table({"n": pa.array([1], pa.uint8()), column: pa.array([_EARLY]).cast(kind)})
    days.insert_arrow("days", table)
    assert days.command(f"SELECT toString(toDate32({column})) FROM days") == "1955-06-07"


@pytest.mark.parametrize("column", ["day", "moment"])
@pytest.mark.parametrize(
    ("data_format", "line"),
    [
        pytest.param("CSV", "1,{}\n", id="CSV"),
        pytest.param("TabSeparated", "1\t{}\n", id="TSV"),
        pytest.param("JSONEachRow", '{{"n":1,"{column}":"{}"}}', id="JSON"),
        pytest.param("Values", "(1,'{}')", id="Values"),
    ],
)
def test_early_days_are_refused_in_text(days: Client, column: str, data_format: str, line: str):
    """A text insert of a day before 1970 into Date or DateTime is refused with code 321 and what to do."""
    text = line.format("1955-06-07" if column == "day" else "1955-06-07 00:00:00", column=column)
    with pytest.raises(DatabaseError, match="use Date32 or DateTime64") as caught:
        days.raw_insert("days", ["n", column], text, fmt=data_format)
    assert caught.value.code == 321
    days.raw_insert("days", ["n", column], text.replace("1955", "2018"), fmt=data_format)
    wide = {"day": "day32", "moment": "moment64"}[column]
    days.raw_insert("days", ["n", wide], text.replace(f'"{column}"', f'"{wide}"'), fmt=data_format)
    assert days.command("SELECT count() FROM days") == 2


def test_early_days_are_refused_in_values(days: Client):
    """INSERT ... VALUES in the SQL itself does not get around it."""
    with pytest.raises(DatabaseError, match="use Date32"):
        days.command("INSERT INTO days (n, day) VALUES (1, '1955-06-07')")
    days.command("INSERT INTO days (n, day32) VALUES (1, '1955-06-07')")
    assert days.command("SELECT toString(day32) FROM days") == "1955-06-07"


def test_a_client_that_asks_for_clamping_gets_it(days: Client):
    """The setting of the request is stronger than the server's."""
    settings = {"date_time_overflow_behavior": "saturate"}
    days.raw_insert("days", ["n", "day"], "1,1955-06-07\n", fmt="CSV", settings=settings)
    table = pa.table({"n": pa.array([2], pa.uint8()), "day": pa.array([_EARLY]).cast(pa.timestamp("ms"))})
    days.insert_arrow("days", table, settings=settings)
    assert days.query("SELECT DISTINCT toString(day) FROM days").result_rows == [("1970-01-01",)]
