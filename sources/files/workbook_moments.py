"""Dates and times of a workbook where openpyxl reads another instant than the cell holds. Pure."""

from datetime import datetime, time, timedelta
from typing import Any, Final

from sources.files.cell_dates import read_iso
from sources.files.cell_texts import canonical

_HALF: Final = 0.5
"""Of a day: a midnight with a larger fraction is the end of a day, not its beginning."""


def restore_moment(cell: dict[str, Any], kind: str, stored: str) -> None:
    """Change the value of a cell where openpyxl drops the zone of a time, or rounds it up into the next day.

    Args:
        cell: as openpyxl's parser gives it.
        kind: the cell's type in the XML; `d` is ISO 8601, `n` the days since an epoch.
        stored: what the XML has.
    """
    value = cell["value"]
    if kind == "d" and value is not None:
        text = canonical(stored)
        cell["value"] = read_iso(text) or (text if isinstance(value, datetime) else value)
    elif kind == "n" and isinstance(value, datetime) and value.time() == time() and float(stored) % 1 > _HALF:
        cell["value"] = value - timedelta(milliseconds=1)
