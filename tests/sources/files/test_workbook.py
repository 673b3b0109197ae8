"""Workbooks as a stream of rows."""

import inspect
import unicodedata
import zipfile
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook, load_workbook
from openpyxl.worksheet._reader import WorkSheetParser

from sources.files import checked_archive
from sources.files.source_file import FileFault
from sources.files.spreadsheet import Row
from sources.files.workbook import XlsxSheet


def saved(folder: Path, rows: list[list[Any]], *, name: str = "Aktiviteter", before: str | None = None) -> Path:
    """A workbook with one sheet, or with another one before it."""
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    if before:
        sheet.title = before
        sheet.append(["something else"])
        sheet = book.create_sheet(name)
    else:
        sheet.title = name
    for row in rows:
        sheet.append(row)
    path = folder / "export.xlsx"
    book.save(path)
    return path


def read(path: Path, sheet: str | None = None) -> list[Row]:
    """Its rows."""
    return list(XlsxSheet(path, sheet=sheet).rows(lambda _: None))


def test_cells_of_all_kinds(tmp_path: Path):
    """Numbers lose no digit and gain no point; days and times stay what the workbook says they are."""
    row = [13748136, 1.5, " text ", True, datetime(2018, 5, 3, 14, 5), date(2018, 5, 3), time(9, 30), None, "z"]
    (found,) = read(saved(tmp_path, [["a", "b", "c", "d", "e", "f", "g", "h", "i"], row]))
    assert found.line == 2
    assert found.cells == [
        "13748136",
        "1.5",
        "text",
        "TRUE",
        datetime(2018, 5, 3, 14, 5),
        date(2018, 5, 3),
        "09:30:00",
        "",
        "z",
    ]
    assert type(found.cells[5]) is date


def test_midnight_is_a_time_where_the_cell_shows_one(tmp_path: Path):
    """Midnight in a cell that shows hours is a time; in one that does not it is a day."""
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["time", "day"])
    sheet.append([datetime(2018, 5, 3), datetime(2018, 5, 3)])
    sheet["A2"].number_format = "dd-mm-yyyy hh:mm"
    sheet["B2"].number_format = "dd-mm-yyyy"
    path = tmp_path / "export.xlsx"
    book.save(path)
    (found,) = read(path)
    assert found.cells is not None
    assert [type(cell) for cell in found.cells] == [datetime, date]


def test_row_numbers_and_blank_rows(tmp_path: Path):
    """A row keeps the number that Excel shows, blank rows before the header and between count."""
    path = saved(tmp_path, [[], ["a", "b"], ["1", "2"], [], [None, "3"]])
    assert XlsxSheet(path, sheet=None).header == ["a", "b"]
    assert read(path) == [Row(3, ["1", "2"]), Row(5, ["", "3"])]


def test_sheet_by_name(tmp_path: Path):
    """The mapping can name the sheet; one that is missing is answered with those that exist."""
    path = saved(tmp_path, [["a"], ["1"]], before="Læs mig")
    assert read(path, "Aktiviteter") == [Row(2, ["1"])]
    with pytest.raises(FileFault, match=r"no sheet 'Ark1'; its sheets are 'Læs mig', 'Aktiviteter'"):
        read(path, "Ark1")


@pytest.mark.parametrize(("name", "wanted"), [("Data ", "Data"), (unicodedata.normalize("NFD", "Årsdata"), "Årsdata")])
def test_names_of_sheets_have_one_form(tmp_path: Path, name: str, wanted: str):
    """A blank at the end, or another form of an accent, is seen by nobody."""
    assert read(saved(tmp_path, [["a"], ["1"]], name=name, before="Skjult"), wanted) == [Row(2, ["1"])]


def test_size_is_checked_before_opening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A workbook that unpacks to too much is refused by its directory alone."""
    path = saved(tmp_path, [["a"], ["x" * 1000]])
    monkeypatch.setattr(checked_archive, "MAX_UNPACKED", 6000)
    with pytest.raises(FileFault, match=r"unpacks to .* save the sheet as CSV"):
        XlsxSheet(path, sheet=None)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"", "is empty", id="empty"),
        pytest.param(b"CVR;Titel\n", r"is not an \.xlsx workbook", id="text"),
        pytest.param(b"\xd0\xcf\x11\xe0" + bytes(100), r"old \.xls or has a password", id="old or encrypted"),
        pytest.param(b"PK\x03\x04" + bytes(100), r"is not an \.xlsx workbook", id="broken archive"),
    ],
)
def test_files_that_are_no_workbook(tmp_path: Path, content: bytes, message: str):
    """A file that is not a workbook is refused in one sentence."""
    path = tmp_path / "export.xlsx"
    path.write_bytes(content)
    with pytest.raises(FileFault, match=message):
        XlsxSheet(path, sheet=None)


@pytest.mark.parametrize("damage", ["another archive", "broken sheet"])
def test_archives_that_are_no_workbook(tmp_path: Path, damage: str):
    """An archive without a workbook in it, or with a broken sheet, is refused in one sentence."""
    good, path = saved(tmp_path, [["a"], ["1"]]), tmp_path / "broken.xlsx"
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            if damage == "another archive":
                target.writestr("x" + name.replace("/", "-"), b"?")
            else:
                content = source.read(name)
                target.writestr(name, content[:200] if name.endswith("sheet1.xml") else content)
    with pytest.raises(FileFault, match="is a broken workbook"):
        read(path)


def test_what_we_use_of_openpyxl(tmp_path: Path):
    """Names of openpyxl that it does not promise: a new version that lacks one fails here, not on somebody's file."""
    book = Workbook()
    book.save(tmp_path / "book.xlsx")
    opened: Any = load_workbook(tmp_path / "book.xlsx", read_only=True)
    sheet = opened.worksheets[0]
    for name in ("_shared_strings", "_get_source", "_get_row", "sheet_state"):
        assert hasattr(sheet, name), name
    for name in ("_date_formats", "_timedelta_formats", "epoch"):
        assert hasattr(opened, name), name
    assert list(inspect.signature(WorkSheetParser.parse_cell).parameters) == ["self", "element"]
    assert {"source", "row_counter"} <= set(vars(WorkSheetParser(None, [])))
    opened.close()
