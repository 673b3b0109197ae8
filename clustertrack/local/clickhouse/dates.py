"""Days before 1970 never land in a `Date` or `DateTime` column as another day.

Both start in 1970; `Date32` and `DateTime64` start in 1900. What happens to an earlier day depends on how it comes:

| insert | by itself | here |
|---|---|---|
| Native by clickhouse-connect | the client refuses | the same (DataError) |
| Arrow, `date32` | refused by the engine (321) | the same, and what to do |
| Arrow, `date64` and `timestamp` | wraps to 2091, or becomes 1970-01-01 | refused (321) |
| text formats and VALUES | becomes 1970-01-01 | refused (321), by the setting `date_time_overflow_behavior` |

Left to SQL, as on a server: INSERT ... SELECT, and Arrow strings or numbers into a `Date`, become 1970-01-01.
"""

from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from clustertrack.local.clickhouse.engine_errors import VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE, EngineError

INSERT_SETTINGS: Final = {"date_time_overflow_behavior": "throw"}
"""For inserts unless the client sets it: the engine's default is to wrap or clamp silently."""

_HINT: Final = "Date and DateTime columns start in 1970; use Date32 or DateTime64 (from 1900) for earlier days"
_ARROW: Final = {"Arrow": pa.ipc.open_file, "ArrowStream": pa.ipc.open_stream}


def with_hint(fault: EngineError) -> EngineError:
    """Add what to do to the engine's message about a day that does not fit."""
    if fault.code == VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE and ("Date" in fault.text or "date" in fault.text):
        fault.text = f"{fault.text.rstrip()} {_HINT}."
    return fault


def early_columns(data_format: str, data: bytes) -> list[str]:
    """Names of the `date64` and `timestamp` columns of an Arrow insert that hold an instant before 1970.

    Whether that matters depends on the table. Data that cannot be read has none: the engine will say why.
    """
    reader = _ARROW.get(data_format)
    if reader is None:
        return []
    try:
        opened = reader(pa.BufferReader(data))
        suspects = [field.name for field in opened.schema if pa.types.is_date64(field.type) or _is_instant(field.type)]
        if not suspects:
            return []
        table = opened.read_all()
    except pa.ArrowInvalid:
        return []
    return [name for name in suspects if _starts_early(table.column(name))]


def refuse_early(columns: list[str], types: dict[str, str]) -> None:
    """Raise EngineError if one of `columns` goes into a column that cannot hold days before 1970.

    `types` are the table's types by column name.
    """
    for name in columns:
        kind = types.get(name, "")
        if "Date" in kind.replace("Date32", "").replace("DateTime64", ""):
            raise EngineError(
                VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE, f"Column {name} of type {kind} got a day before 1970. {_HINT}"
            )


def _is_instant(kind: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(kind))


def _starts_early(column: pa.ChunkedArray) -> bool:
    least = pc.min(column.cast(pa.int64())).as_py()
    return least is not None and least < 0
