import datetime as dt
import io

import pyarrow as pa
import pytest

from clustertrack.local.clickhouse.dates import early_columns, refuse_early, with_hint
from clustertrack.local.clickhouse.engine_errors import EngineError

_EARLY = dt.date(1955, 6, 7)


def _arrow(table: pa.Table, *, stream: bool = False) -> bytes:
    sink = io.BytesIO()
    with (pa.ipc.new_stream if stream else pa.ipc.new_file)(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


@pytest.mark.parametrize("stream", [pytest.param(False, id="file"), pytest.param(True, id="stream")])
def test_early_instants_are_found(stream: bool):
    """Columns of Arrow types that the engine would wrap or clamp are named when they hold a day before 1970."""
    table = pa.table(
        {
            "day32": pa.array([_EARLY]),
            "day64": pa.array([_EARLY], pa.date64()),
            "instant": pa.array([dt.datetime(1955, 6, 7)], pa.timestamp("us")),
            "later": pa.array([dt.date(1970, 1, 1)], pa.date64()),
            "none": pa.array([None], pa.timestamp("ms")),
            "number": pa.array([-1]),
        }
    )
    data = _arrow(table, stream=stream)
    assert early_columns("ArrowStream" if stream else "Arrow", data) == ["day64", "instant"]


@pytest.mark.parametrize(
    ("data_format", "data"),
    [pytest.param("Arrow", b"no arrow", id="broken"), pytest.param("CSV", b"1955-06-07", id="other format")],
)
def test_other_data_is_left_to_the_engine(data_format: str, data: bytes):
    """Data that is not Arrow, or cannot be read, has no early columns."""
    assert early_columns(data_format, data) == []


@pytest.mark.parametrize("kind", ["Date", "Nullable(Date)", "DateTime", "DateTime('UTC')", "Array(Date)"])
def test_early_days_do_not_fit(kind: str):
    """A column that starts in 1970 refuses earlier days and says what to use."""
    with pytest.raises(EngineError, match=r"Column d .* use Date32 or DateTime64"):
        refuse_early(["d"], {"d": kind})


@pytest.mark.parametrize("kind", ["Date32", "Nullable(Date32)", "DateTime64(3, 'UTC')", "Int64", "String"])
def test_early_days_fit(kind: str):
    """A column that starts in 1900, or is not a date, takes them."""
    refuse_early(["d", "not in the table"], {"d": kind})


def test_other_faults_get_no_hint():
    """Only a day out of range is explained."""
    fault = EngineError.from_engine(RuntimeError("Code: 60. DB::Exception: no table Date. (UNKNOWN_TABLE)"))
    assert with_hint(fault).text == "Code: 60. DB::Exception: no table Date. (UNKNOWN_TABLE)"
