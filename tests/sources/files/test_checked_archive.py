"""Workbooks that are small and would cost much: each is refused, in proportion to an ordinary one."""

import io
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest
from openpyxl import Workbook

from sources.files import checked_archive
from sources.files.source_file import FileFault
from sources.files.spreadsheet import Row
from sources.files.workbook import MOST_COLUMNS, XlsxSheet

SHEET = "xl/worksheets/sheet1.xml"
ROWS_END = "</sheetData>"
CHILD = """
import resource, sys, time
from pathlib import Path
from sources.files.source_file import FileFault
from sources.files.workbook import XlsxSheet

start = time.process_time()
try:
    rows = sum(1 for _ in XlsxSheet(Path(sys.argv[1]), sheet=None).rows(lambda _: None))
    said = f"{rows} rows"
except FileFault as fault:
    said = str(fault)
print(time.process_time() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, said, sep="\\t")
"""


class Cost(NamedTuple):
    """What a child process took to read a workbook, and what it said."""

    cpu: float
    peak: float
    said: str


def cost(path: Path) -> Cost:
    """Read it in a process of its own."""
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(path)], capture_output=True, text=True, check=True, timeout=240, cwd=root
    )
    cpu, peak, said = done.stdout.rstrip("\n").split("\t", 2)
    return Cost(float(cpu), float(peak), said)


def workbook(path: Path, *changes: tuple[str, str, str], rows: int = 1) -> Path:
    """An ordinary workbook in whose parts texts were replaced."""
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["CVR", "Nr"])
    for number in range(rows):
        sheet.append(["13748136", str(number)])
    saved = io.BytesIO()
    book.save(saved)
    with zipfile.ZipFile(saved) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            text = source.read(name).decode()
            for part, old, new in changes:
                if name == part:
                    assert old in text
                    text = text.replace(old, new, 1)
            target.writestr(name, text)
    return path


@pytest.fixture(scope="module")
def ordinary(tmp_path_factory: pytest.TempPathFactory) -> Cost:
    """What a workbook of 20,000 rows costs."""
    found = cost(workbook(tmp_path_factory.mktemp("ordinary") / "ordinary.xlsx", rows=20_000))
    assert found.said == "20000 rows"
    return found


NASTY = {
    "cell formats": ("xl/styles.xml", "</cellXfs>", "<xf/>" * 1_000_000 + "</cellXfs>", "cell formats"),
    "fonts": ("xl/styles.xml", "</fonts>", "<font/>" * 1_000_000 + "</fonts>", "formats, links"),
    "cells": (SHEET, ROWS_END, '<row r="3">' + "<c/>" * 3_000_000 + "</row>" + ROWS_END, "cells in row"),
    "merged cells": (SHEET, ROWS_END, ROWS_END + '<mergeCell ref="A1:B2"/>' * 1_000_000, "merged cells"),
    "attribute": (SHEET, "<sheetData>", f'<sheetData x="{"a" * 30_000_000}">', "tag of more than"),
    "depth": (SHEET, "<sheetData>", "<a>" * 100_000 + "</a>" * 100_000 + "<sheetData>", "within each other"),
    "texts outside": (SHEET, "<sheetData>", "<t/>" * 10_000_000 + "<sheetData>", "pieces"),
    "rich text": (
        SHEET,
        ROWS_END,
        '<row><c t="inlineStr"><is>' + "<r><rPr><b/></rPr><t>x</t></r>" * 500_000 + f"</is></c></row>{ROWS_END}",
        "pieces",
    ),
    "long cell": (
        SHEET,
        ROWS_END,
        f'<row><c t="inlineStr"><is><t>{"xy" * 15_000_000}</t></is></c></row>{ROWS_END}',
        "characters in row 3, cell 1",
    ),
    "sheets": ("xl/workbook.xml", "</sheets>", '<sheet name="s" sheetId="1"/>' * 100_000 + "</sheets>", "sheets"),
    "names": (
        "xl/workbook.xml",
        "</sheets>",
        "</sheets><definedNames>" + '<definedName name="a">A1</definedName>' * 500_000 + "</definedNames>",
        "names",
    ),
    "relations": (
        "xl/_rels/workbook.xml.rels",
        "</Relationships>",
        '<Relationship Id="x" Type="y" Target="z"/>' * 500_000 + "</Relationships>",
        "formats, links",
    ),
    "types": (
        "[Content_Types].xml",
        "</Types>",
        '<Override PartName="/x" ContentType="y"/>' * 500_000 + "</Types>",
        "formats, links",
    ),
    "document type": (SHEET, "<worksheet", '<!DOCTYPE a [<!ENTITY b "c">]><worksheet', "document type"),
    "ratio": (SHEET, "<sheetData>", " " * 100_000_000 + "<sheetData>", "times its size"),
}


@pytest.mark.parametrize("name", NASTY)
def test_small_workbooks_that_cost_much_are_refused(name: str, tmp_path: Path, ordinary: Cost):
    """Refusing takes no more time than reading an ordinary workbook, little memory, and names part and limit."""
    part, old, new, words = NASTY[name]
    found = cost(workbook(tmp_path / "nasty.xlsx", (part, old, new)))
    assert words in found.said
    assert part in found.said
    assert "save the sheet as CSV" in found.said
    assert found.cpu < 2 * ordinary.cpu + 1
    assert found.peak < 3 * ordinary.peak


def test_cells_beyond_the_headings_are_cut(tmp_path: Path, ordinary: Cost):
    """Rows end soon after the header, wherever a sheet has cells."""
    far = "".join(f'<row r="{n}"><c r="A{n}"><v>1</v></c><c r="XFD{n}"><v>1</v></c></row>' for n in range(3, 20_003))
    path = workbook(tmp_path / "far.xlsx", (SHEET, ROWS_END, far + ROWS_END))
    found = cost(path)
    assert found.said == "20001 rows"
    assert found.cpu < 3 * ordinary.cpu + 1
    sheet = XlsxSheet(path, sheet=None)
    assert sheet.header == ["CVR", "Nr"]
    assert max(len(row.cells or ()) for row in sheet.rows(lambda _: None)) < len(sheet.header) + 20


def test_a_stray_heading_far_out_is_no_heading(tmp_path: Path):
    """A cell beyond the last column that is read does not make the table wider."""
    path = tmp_path / "stray.xlsx"
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["CVR"])
    sheet.append(["1"])
    sheet["XFD1"] = "x"
    sheet.cell(1, MOST_COLUMNS, "last")
    book.save(path)
    assert XlsxSheet(path, sheet=None).header == ["CVR", *[""] * (MOST_COLUMNS - 2), "last"]


def test_one_text_in_many_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What all cells hold together is bounded, for a long text can be written once and used in every row."""
    monkeypatch.setattr("sources.files.workbook._MOST_CHARACTERS", 10_000)
    path = workbook(tmp_path / "long.xlsx", rows=2_000)
    with pytest.raises(FileFault, match=r"line \d+ has more than 10,000 characters"):
        list(XlsxSheet(path, sheet=None).rows(lambda _: None))


def test_a_directory_that_lies(tmp_path: Path):
    """A part that is larger than its directory says is not read any further than that."""
    path = workbook(tmp_path / "lies.xlsx", (SHEET, ROWS_END, "<row/>" * 100_000 + ROWS_END))
    content = bytearray(path.read_bytes())
    place = content.rindex(b"PK\x01\x02", 0, content.rindex(SHEET.encode()))
    content[place + 24 : place + 28] = (1000).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(FileFault, match="workbook"):
        list(XlsxSheet(path, sheet=None).rows(lambda _: None))


def test_a_directory_of_many_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A long list of parts is refused before it is read."""
    monkeypatch.setattr(checked_archive, "_MAX_DIRECTORY", 200)
    with pytest.raises(FileFault, match="list of parts"):
        XlsxSheet(workbook(tmp_path / "parts.xlsx"), sheet=None)


def test_a_workbook_that_changes_while_it_is_read(tmp_path: Path):
    """What was checked is sent, even if the file changes in between."""
    path = workbook(tmp_path / "a.xlsx")
    sheet = XlsxSheet(path, sheet=None)
    workbook(path, rows=5)
    assert list(sheet.rows(lambda _: None)) == [Row(2, ["13748136", "0"])]
