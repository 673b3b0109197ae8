"""Cells of workbooks as programs write their XML: one without a value of its own is a refused row, and no more."""

import zipfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest
from exported import HEADER, MAPPING, read, workbook
from openpyxl.worksheet.worksheet import Worksheet

from sources.files.source_file import FileFault

NAMESPACE = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
SOUND = ("13748136", "WS-1", "2018-05-03", "2018-05-04 10:00", "Kompetencer", "Vand")
PLAIN = MAPPING.replace(', format = "%d-%m-%Y"', "").replace(', format = "%d-%m-%Y %H:%M"', "")


def cell(place: str, text: str) -> str:
    """A cell with its text in it."""
    return f'<c r="{place}" t="inlineStr"><is><t>{text}</t></is></c>'


def cells(line: int, texts: Sequence[str] = SOUND, **others: str) -> list[str]:
    """The cells of a row; `others` as XML by their column, in which `@` is the attribute with the place."""
    return [
        others[column].replace("@", f'r="{column}{line}"') if column in others else cell(f"{column}{line}", text)
        for column, text in zip("ABCDEF", texts, strict=True)
    ]


def row(line: int, *parts: str) -> str:
    """A row with these cells."""
    return f'<row r="{line}">{"".join(parts)}</row>'


def written(folder: Path, *rows: str, after: str = "", recalculated: bool = False) -> Path:
    """A workbook with these rows below its header."""
    whole, path = workbook(folder, lambda _: None), folder / "written.xlsx"
    sheet = (
        f"<worksheet {NAMESPACE}><sheetData>{row(1, *cells(1, HEADER))}{''.join(rows)}</sheetData>{after}</worksheet>"
    )
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name.endswith("sheet1.xml"):
                content = sheet.encode()
            elif name == "xl/workbook.xml" and not recalculated:
                content = content.replace(b'fullCalcOnLoad="1"', b"")
            new.writestr(name, content)
    return path


def fault(path: Path, column: str) -> str:
    """What is said about the only row, which is refused."""
    events, [refusal] = read(path, PLAIN)
    assert events == []
    heading = HEADER["ABCDEF".index(column)]
    assert refusal.reason.startswith(f"the column {heading!r} ")
    return refusal.reason


# ---- formulas


@pytest.mark.parametrize("value", ["<v>0</v>", "<v>0.0</v>", "<v/>", ""])
@pytest.mark.parametrize("column", "ABCDEF")
def test_formulas_that_were_never_calculated(tmp_path: Path, column: str, value: str):
    """XlsxWriter stores a 0 for each formula, and has Excel calculate them when it opens the workbook."""
    line = cells(2, **{column: f"<c @><f>A1&amp;B1</f>{value}</c>"})
    reason = fault(written(tmp_path, row(2, *line), recalculated=True), column)
    assert "open " in reason
    assert "save it" in reason


def test_formulas_that_were_calculated(tmp_path: Path):
    """A workbook that Excel or LibreOffice saved has their values; a formula may give an empty text."""
    known = {
        "A": "<c @><f>A9</f><v>13748136</v></c>",
        "B": '<c @ t="str"><f>"WS-"&amp;1</f><v>WS-1</v></c>',
        "E": '<c @ t="str"><f>IF(TRUE,"","")</f><v></v></c>',
        "F": "<c @><f>1-1</f><v>0</v></c>",
    }
    [event], _ = read(written(tmp_path, row(2, *cells(2, **known))), PLAIN)
    assert event["data"] == {"activity_id": "WS-1/13748136", "occurred_on": "2018-05-03", "title": "0"}


@pytest.mark.parametrize("kind", ["", 't="str"', 't="s"', 't="b"', 't="inlineStr"'])
def test_formulas_without_a_value(tmp_path: Path, kind: str):
    """Of any kind: an empty text is a value that is there and empty."""
    line = cells(2, E=f"<c @ {kind}><f>X1</f></c>")
    assert "holds a formula without a value" in fault(written(tmp_path, row(2, *line)), "E")


@pytest.mark.parametrize("content", ["", "<v/>", "<f>X1</f>"])
def test_errors_without_their_name(tmp_path: Path, content: str):
    """Such a cell is an error all the same."""
    line = cells(2, E=f'<c @ t="e">{content}</c>')
    reason = fault(written(tmp_path, row(2, *line)), "E")
    assert reason == "the column 'Udbytte' holds an error: fix the formula in the spreadsheet"


@pytest.mark.parametrize(
    "formula",
    [
        "Ark2!B3",
        "$B$3",
        "+'Ark 2'!$B$3",
        "[1]Ark2!B3",
        "'Annes ''gamle'' ark'!B3",
        "[@[CVR-nr]]",
        "Tabel1[[#This Row],[Sag]]",
        "VLOOKUP(A2,X:Y,2,0)",
        "IFERROR(INDEX(X:X,3),0)",
        "_xlfn.XLOOKUP(1,2,3)",
    ],
)
@pytest.mark.parametrize("column", "BDE")
def test_references_to_empty_cells(tmp_path: Path, column: str, formula: str):
    """Excel gives 0 for them, which is not what the cell says."""
    line = cells(2, **{column: f"<c @><f>{formula}</f><v>0</v></c>"})
    assert "holds a formula that gives 0, as for an empty cell" in fault(written(tmp_path, row(2, *line)), column)


def test_shared_references(tmp_path: Path):
    """A formula that several cells share is written in the first of them."""
    first = cells(2, B='<c @><f t="shared" ref="B2:B3" si="0">Ark2!B3</f><v>7</v></c>')
    second = cells(3, B='<c @><f t="shared" si="0"/><v>0</v></c>')
    [event], [refusal] = read(written(tmp_path, row(2, *first), row(3, *second)), PLAIN)
    assert event["data"]["activity_id"] == "7/13748136"
    assert (refusal.line, "gives 0" in refusal.reason) == (3, True)


@pytest.mark.parametrize("formula", ["A1-A2", "SUM(A1:A2)", "ROW()-2", "COUNTIF(X:X,A2)", "[@A]-[@B]", "Ark2!B3*1"])
def test_zeros_that_are_calculated(tmp_path: Path, formula: str):
    """Any other formula may give 0."""
    line = cells(2, B=f"<c @><f>{formula}</f><v>0</v></c>")
    [event], _ = read(written(tmp_path, row(2, *line)), PLAIN)
    assert event["data"]["activity_id"] == "0/13748136"


# ---- the order of cells


def test_cells_in_any_order(tmp_path: Path):
    """A cell is where its place says."""
    line = cells(2)
    [event], _ = read(written(tmp_path, row(2, *line[5:], *reversed(line[:5]))), PLAIN)
    assert event["data"]["outcomes"] == ["new_competencies"]
    assert event["data"]["title"] == "Vand"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([row(3, *cells(3)), row(2, *cells(2))], "has row 2 after row 3"),
        ([row(2, *cells(2)), row(2, *cells(2))], "has row 2 after row 2"),
        ([row(2, *cells(2), cell("E2", "-"))], "has a cell of row 2 twice"),
        ([row(2, *cells(2)[:5], cell("F3", "Vand"))], "has a cell of another row in row 2"),
    ],
    ids=["backwards", "row twice", "cell twice", "cell of another row"],
)
def test_contradictory_order(tmp_path: Path, rows: list[str], message: str):
    """No row and no cell is dropped without a word."""
    with pytest.raises(FileFault, match=f"{message}.*: open it in Excel and save it again"):
        read(written(tmp_path, *rows), PLAIN)


def test_rows_without_cells(tmp_path: Path):
    """A row that has only a format is nobody's trouble."""
    rows = [row(2, *cells(2)), '<row r="2"/>', '<row r="1"><c r="A1" s="0"/></row>', row(3, *cells(3))]
    events, refused = read(written(tmp_path, *rows), PLAIN)
    assert (len(events), refused) == (2, [])


# ---- cells that cannot be read


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("<c @><v>1,5</v></c>", "holds 1,5, which its cell cannot hold"),
        ("<c @><v>NaN</v></c>", "holds NaN, which its cell cannot hold"),
        ('<c @ t="b"><v>yes</v></c>', "holds yes, which its cell cannot hold"),
        ('<c @ t="d"><v>in May</v></c>', "holds in May, which its cell cannot hold"),
        ('<c @ t="s"><v>999999</v></c>', "refers to a text that the workbook does not have"),
        ('<c @ t="s"><v>-1</v></c>', "refers to a text that the workbook does not have"),
        ("<c @><v>1E400</v></c>", "of which Excel keeps 15 digits"),
    ],
)
def test_one_bad_cell(tmp_path: Path, content: str, message: str):
    """It is one refused row, not a broken workbook."""
    rows = [row(2, *cells(2, B=content)), row(3, *cells(3))]
    [event], [refusal] = read(written(tmp_path, *rows), PLAIN)
    assert event["data"]["activity_id"] == "WS-1/13748136"
    assert (refusal.line, refusal.field) == (2, "activity_id")
    assert message in refusal.reason


def test_numbers_that_are_no_dates(tmp_path: Path):
    """A number beyond the last day of a spreadsheet is named, where Excel shows ####."""

    def fill(sheet: Worksheet) -> None:
        sheet["C2"] = 99_999_999
        sheet["C2"].number_format = "dd-mm-yyyy"

    _, [refusal] = read(workbook(tmp_path, fill), PLAIN)
    assert "'Dato' holds 99999999, which is no date" in refusal.reason


@pytest.mark.parametrize(
    ("text", "shown"), [("_xD83D__xDE00_", "\U0001f600"), ("a_xD83D__xDE00_b", "a\U0001f600b"), ("_x0041_", "A")]
)
@pytest.mark.parametrize("column", "BF")
def test_characters_in_two_halves(tmp_path: Path, column: str, text: str, shown: str):
    """They are one character."""
    [event], _ = read(written(tmp_path, row(2, *cells(2, **{column: cell(f"{column}2", text)}))), PLAIN)
    assert shown in (event["data"]["title"], event["data"]["activity_id"].partition("/")[0])


@pytest.mark.parametrize("text", ["_xD83D_", "x_xDE00_", "_xDE00__xD83D_"])
@pytest.mark.parametrize("column", "BEF")
def test_half_characters(tmp_path: Path, column: str, text: str):
    """Half of one is a refused row."""
    line = cells(2, **{column: cell(f"{column}2", text)})
    assert "holds half of a character" in fault(written(tmp_path, row(2, *line)), column)


# ---- merged cells


@pytest.mark.parametrize("area", ["E1:E2", "e1:e2", "$E$1:$E$2"])
def test_merged_with_the_heading(tmp_path: Path, area: str):
    """What such a cell says is not known; the rows after it are."""
    merged = f'<mergeCells count="1"><mergeCell ref="{area}"/></mergeCells>'
    second = [text.replace("WS-1", "WS-2") for text in cells(3)]
    [event], [refusal] = read(written(tmp_path, row(2, *cells(2)), row(3, *second), after=merged), PLAIN)
    assert (refusal.line, "'Udbytte' is merged with its heading" in refusal.reason) == (2, True)
    assert event["data"]["outcomes"] == ["new_competencies"]


def test_merged_areas_in_lower_case(tmp_path: Path):
    """A value that is merged over several rows holds for all of them, however the area is written."""
    rows = [row(2, *cells(2)), row(3, *cells(3, ("25063864", *SOUND[1:4], "", "Vand")))]
    events, _ = read(written(tmp_path, *rows, after='<mergeCells><mergeCell ref="e2:e3"/></mergeCells>'), PLAIN)
    assert [event["data"]["outcomes"] for event in events] == [["new_competencies"]] * 2


# ---- numbers and dates as ids


@pytest.mark.parametrize(
    ("number", "number_format", "activity"),
    [(42, "0000", "0042"), (113, '"WS-"000', "WS-113"), (42, "General", "42"), (1234, "#,##0", "1234")],
)
def test_ids_as_they_are_shown(tmp_path: Path, number: int, number_format: str, activity: str):
    """The id is what people see; a CVR number is the number."""

    def fill(sheet: Worksheet) -> None:
        sheet["B2"], sheet["A2"].number_format = number, '"CVR "00000000'
        sheet["B2"].number_format = number_format

    [event], _ = read(workbook(tmp_path, fill), PLAIN)
    assert (event["subject"], event["data"]["activity_id"]) == ("13748136", f"{activity}/13748136")


def test_ids_in_another_form(tmp_path: Path):
    """Where that is not known, the row is refused; a title may be so."""

    def fill(sheet: Worksheet) -> None:
        sheet["B2"], sheet["F2"] = 0.5, 0.5
        sheet["B2"].number_format = sheet["F2"].number_format = "0%"

    path = workbook(tmp_path, fill)
    assert "'Sag' holds 0.5, which its cell shows in another form (0%)" in fault(path, "B")
    [event], _ = read(path, PLAIN.replace("{Sag}/{CVR-nr}", "T-{CVR-nr}"))
    assert event["data"]["title"] == "0.5"


@pytest.mark.parametrize("template", ["Sag", "{Sag}/{CVR-nr}"])
def test_dates_as_ids(tmp_path: Path, template: str):
    """Excel makes a date of `1-5`: it is no id alone."""

    def fill(sheet: Worksheet) -> None:
        sheet["B2"] = date(2018, 5, 1)

    events, [refusal] = read(workbook(tmp_path, fill), PLAIN.replace("{Sag}/{CVR-nr}", template))
    assert events == []
    assert "'Sag' holds the date 2018-05-01 where an id or a word is expected" in refusal.reason


@pytest.mark.parametrize("template", ["{Dato}/{CVR-nr}", "{Titel} {Sag}/{CVR-nr}"])
def test_dates_in_ids(tmp_path: Path, template: str):
    """The day of an activity is a part of its id in many exports, written as ISO 8601."""

    def fill(sheet: Worksheet) -> None:
        sheet["B2"] = date(2018, 5, 3)

    [event], _ = read(workbook(tmp_path, fill), PLAIN.replace("{Sag}/{CVR-nr}", template))
    assert event["data"]["activity_id"].endswith("2018-05-03/13748136")
