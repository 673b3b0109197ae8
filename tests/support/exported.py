"""An export, as CSV and as a workbook, and what `publish` makes of it."""

import json
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import date, datetime
from pathlib import Path
from typing import Any

from openpyxl import Workbook
from openpyxl.worksheet.worksheet import Worksheet

from sources.files.event_builder import Event
from sources.files.file_publisher import Table, open_input, survey
from sources.files.refused_rows import Refusal

HEADER = ("CVR-nr", "Sag", "Dato", "Opdateret", "Udbytte", "Titel")
ROW = ("13748136", "WS-1", "03-05-2018", "04-05-2018 10:00", "Kompetencer", "Vand")
MAPPING = """
source = "https://crm.foodbio.example"
type = "workshop.attended"
[fields]
subject = "CVR-nr"
activity_id = "{Sag}/{CVR-nr}"
occurred_on = {column = "Dato", format = "%d-%m-%Y"}
time = {column = "Opdateret", format = "%d-%m-%Y %H:%M"}
outcomes = {column = "Udbytte", separator = "|", values = {"Kompetencer" = "new_competencies", "Idéer" = "new_ideas"}}
title = "Titel"
"""


def read(path: Path, mapping: str = MAPPING) -> tuple[list[dict[str, Any]], list[Refusal]]:
    """The events of a file and its refused rows."""
    rules = path.with_suffix(".mapping.toml")
    rules.write_text(mapping, encoding="utf-8")
    table = open_input(path, mapping=rules, exported_at=None)
    assert isinstance(table, Table)
    conflicts = survey([table], lambda _: nullcontext(lambda _: None))
    records = [record for _, record in table.records(lambda _: None, conflicts, None)]
    events = [json.loads(record.value) for record in records if isinstance(record, Event)]
    return events, [record for record in records if isinstance(record, Refusal)]


def csv_file(folder: Path, *rows: Sequence[str], header: Sequence[str] = HEADER, encoding: str = "utf-8") -> Path:
    """A CSV file with semicolons."""
    path = folder / "export.csv"
    path.write_bytes("".join(";".join(row) + "\r\n" for row in (header, *rows)).encode(encoding))
    return path


def changed(**cells: str) -> list[str]:
    """The sound row with other cells."""
    return [cells.get(name, cell) for name, cell in zip(HEADER, ROW, strict=True)]


def workbook(folder: Path, fill: Callable[[Worksheet], object]) -> Path:
    """A workbook with the header and the sound row, changed by `fill`."""
    book = Workbook()
    sheet = book.active
    assert isinstance(sheet, Worksheet)
    sheet.append(HEADER)
    sheet.append([13748136, "WS-1", date(2018, 5, 3), datetime(2018, 5, 4, 10), "Kompetencer", "Vand"])
    fill(sheet)
    path = folder / "export.xlsx"
    book.save(path)
    return path
