"""Cells as programs and people write them: what is not what it looks like is refused, never counted as something else.

Each test is about a kind of trouble that exports are reported to have, in several forms.
"""

import unicodedata
import zipfile
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from exported import HEADER, MAPPING, changed, csv_file, read, workbook
from openpyxl.worksheet.worksheet import Worksheet

from sources.files.cell_texts import canonical
from sources.files.source_file import FileFault

# ---- cells that are not what they look like


@pytest.mark.parametrize(
    "text",
    ["#N/A", "#I/T", "#VÆRDI!", "#DIV/0!", "#DIVISION/0!", "#NAVN?", "#REFERENCE!", "#SPILL!", "Err:502", "Fejl:502"],
)
@pytest.mark.parametrize("column", ["Sag", "Udbytte", "Dato", "Titel"])
def test_errors_as_text(tmp_path: Path, column: str, text: str):
    """The text of an error is no value, in any column that is used."""
    events, [refusal] = read(csv_file(tmp_path, changed(**{column: text})))
    assert events == []
    assert f"the column {column!r} holds the error {text}" in refusal.reason


@pytest.mark.parametrize(
    "text", ["#NV", "#BEZUG!", "#værdi!", "#REF", "#I/T!", "#N/A N/A", "\u200b#I/T", '="#I/T"', "#NOM?", "#VERDI!"]
)
def test_errors_of_other_programs(tmp_path: Path, text: str):
    """In an id also in other languages, in lower case, without their sign, and with what nobody sees around them."""
    events, [refusal] = read(csv_file(tmp_path, changed(Sag='"' + text.replace('"', '""') + '"')))
    assert (events, refusal.field) == ([], "activity_id")
    assert "holds the error #" in refusal.reason


@pytest.mark.parametrize("text", ["####", "##########", "Loading...", "Indlæser…"])
def test_what_spreadsheets_show_instead(tmp_path: Path, text: str):
    """A column that is too narrow and a value that is not there yet are no formula to fix."""
    events, [refusal] = read(csv_file(tmp_path, changed(Udbytte=text)))
    assert events == []
    assert f"holds {text}, " in refusal.reason
    assert "formula" not in refusal.reason


@pytest.mark.parametrize(
    "text",
    [
        "NULL",
        r"\N",
        "(null)",
        "NaN",
        "nan",
        "None",
        "(tom)",
        "(blank)",
        "[Record]",
        "[object Object]",
        "undefined",
        "NA",
        "n.a.",
        "-",
        "—",
        "?",
        "{null}",
        "<none>",
        "[Tabel]",
        "(Intet)",
        "Ikke angivet",
        "Invalid Date",
        "00000000-0000-0000-0000-000000000000",
        "System.Object[]",
        "Microsoft.Xrm.Sdk.EntityReference",
        "java.lang.Object@1b2c3d",
        "Fejl 2042",
        "0000-00-00",
        "0" * 32,
        "'NULL'",
        "«tom»",
        "System.Collections.Generic.List`1[T]",
        "com.example.Case@1b2c3d",
        "<crm.Case object at 0x7f00>",
        "=A2&B2",
    ],
)
@pytest.mark.parametrize("template", ["{Sag}/{CVR-nr}", "Sag"])
def test_no_ids(tmp_path: Path, template: str, text: str):
    """What programs write where there is no value is no id, and no part of one: two activities would be one."""
    mapping = MAPPING.replace("{Sag}/{CVR-nr}", template)
    events, [refusal] = read(csv_file(tmp_path, changed(Sag=text, Titel=text)), mapping)
    assert (events, refusal.field) == ([], "activity_id")
    assert f"the column 'Sag' holds {'the formula ' * (text[0] == '=')}{text}" in refusal.reason


@pytest.mark.parametrize(
    "text",
    [
        "NULL-1",
        "Nullermand",
        "Nanna",
        "1E",
        "2018E1",
        "19E2",
        "17E10",
        "None of these",
        "A=B",
        "NA-1",
        "(1)",
        "[Tabel] 2",
        "-1-",
        "00000000-0000-0000-0000-000000000001",
        "system",
        "0",
    ],
)
def test_ids_like_those(tmp_path: Path, text: str):
    """Only the whole cell; and a semester is no number."""
    [event], refused = read(csv_file(tmp_path, changed(Sag=text)))
    assert (event["data"]["activity_id"], refused) == (f"{text}/13748136", [])


@pytest.mark.parametrize("text", ["#DIGITALISERING!", "#METOO?", "#python!", "19E2", "1,5E+03", "None", "(tom)", "#1"])
def test_titles_are_texts(tmp_path: Path, text: str):
    """A title is what people wrote, unless it is exactly an error."""
    [event], refused = read(csv_file(tmp_path, changed(Titel=text)))
    assert (event["data"]["title"], refused) == (text, [])


def test_errors_in_lists(tmp_path: Path):
    """Each of several outcomes in a cell is looked at."""
    events, [refusal] = read(csv_file(tmp_path, changed(Udbytte="Kompetencer| #I/T ")))
    assert events == []
    assert refusal.reason == "the column 'Udbytte' holds the error #I/T: fix the formula in the spreadsheet"


@pytest.mark.parametrize(
    ("text", "outcomes"),
    [
        ("Ingen", []),
        ("Ved ikke", None),
        ("-", []),
        ("|", None),
        (" | | ", None),
        ("Ved ikke|Kompetencer", ["new_competencies"]),
    ],
)
def test_words_for_none(tmp_path: Path, text: str, outcomes: list[str] | None):
    """A mapping says "none" with `-`, as a cell does, and "says nothing" with an empty text."""
    mapping = MAPPING.replace("values = {", 'values = {"Ingen" = "-", "Ved ikke" = "", ')
    [event], _ = read(csv_file(tmp_path, changed(Udbytte=text)), mapping)
    assert event["data"].get("outcomes") == outcomes


@pytest.mark.parametrize(
    ("word", "value", "text"), [("SAND", "new_ideas", True), ("TRUE", "new_ideas", True), ("FALSK", "", False)]
)
def test_booleans(tmp_path: Path, word: str, value: str, text: bool):
    """A mapping names true and false as Excel shows them, in Danish or in English."""

    def fill(sheet: Worksheet) -> None:
        sheet["E2"] = text

    mapping = MAPPING.replace("values = {", f'values = {{"{word}" = "{value}", ')
    [event], _ = read(workbook(tmp_path, fill), mapping)
    assert event["data"].get("outcomes") == ([value] if value else None)


@pytest.mark.parametrize("text", ["#1", "#N/A-12", "Sag #3!", "# Noter"])
def test_what_is_no_error(tmp_path: Path, text: str):
    """A number sign alone makes no error."""
    [event], refused = read(csv_file(tmp_path, changed(Sag=text)))
    assert event["data"]["activity_id"] == f"{text}/13748136"
    assert refused == []


@pytest.mark.parametrize(
    ("column", "text"), [("CVR-nr", "1,37E+07"), ("Sag", "1.23457E+17"), ("Sag", "4E+05"), ("Sag", "\ufeff1,37E+07")]
)
def test_shortened_numbers(tmp_path: Path, column: str, text: str):
    """What Excel made of a long number has lost its last digits: two ids would become one."""
    events, [refusal] = read(csv_file(tmp_path, changed(**{column: text})))
    assert events == []
    assert f"holds {canonical(text)}, a number that Excel has shortened" in refusal.reason


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        pytest.param("E", '=IF(TRUE,"-","")', "a formula without a value", id="formula"),
        pytest.param("B", '=CONCATENATE("a","b")', "a formula without a value", id="formula in an id"),
        pytest.param("B", "#N/A", "the error #N/A", id="error"),
        pytest.param("E", "#DIV/0!", "the error #DIV/0!", id="another error"),
        pytest.param("B", 123456789012345678, "of which Excel keeps 15 digits", id="long number"),
        pytest.param("B", 1.2345678901234e17, "of which Excel keeps 15 digits", id="long decimal number"),
    ],
)
def test_cells_of_a_workbook(tmp_path: Path, column: str, value: Any, message: str):
    """A cell without a value of its own is not taken for an empty one, or for its text."""

    def fill(sheet: Worksheet) -> None:
        sheet[f"{column}2"] = value

    events, [refusal] = read(workbook(tmp_path, fill))
    assert events == []
    assert message in refusal.reason


def test_cells_that_no_field_uses(tmp_path: Path):
    """An error in another column is nobody's trouble."""

    def fill(sheet: Worksheet) -> None:
        sheet["G1"], sheet["G2"] = "Note", "#N/A"

    events, refused = read(workbook(tmp_path, fill))
    assert (len(events), refused) == (1, [])


def test_merged_down(tmp_path: Path):
    """A value that is merged over several rows holds for all of them."""

    def fill(sheet: Worksheet) -> None:
        for number, company in enumerate((25063864, 92840344), 3):
            sheet.append([company, f"WS-{number}", date(2018, 5, 3), datetime(2018, 5, 4, 10), None, "Vand"])
        sheet["E2"] = "-"
        sheet.merge_cells("E2:E4")
        sheet.merge_cells("B3:B4")

    events, refused = read(workbook(tmp_path, fill))
    assert refused == []
    assert [event["data"]["outcomes"] for event in events] == [[], [], []]
    assert [event["data"]["activity_id"] for event in events] == ["WS-1/13748136", "WS-3/25063864", "WS-3/92840344"]


def test_merged_across(tmp_path: Path):
    """A value that is merged with the column before it is in neither column for certain."""

    def fill(sheet: Worksheet) -> None:
        sheet.merge_cells("D2:E2")

    events, [refusal] = read(workbook(tmp_path, fill))
    assert events == []
    assert "'Udbytte' is merged with the column before it" in refusal.reason


def test_escaped_characters(tmp_path: Path):
    """What XML cannot hold is read as what it stands for: a carriage return at the end is a blank."""

    def fill(sheet: Worksheet) -> None:
        sheet["E2"] = "Kompetencer_x000D_"
        sheet["F2"] = "a_x005F_b"

    [event], _ = read(workbook(tmp_path, fill))
    assert (event["data"]["outcomes"], event["data"]["title"]) == (["new_competencies"], "a_b")


@pytest.mark.parametrize("text", ["Kompetencer_x000D_\nIdéer", "Kompetencer\r\n Idéer ", "Kompetencer\n\nIdéer\n"])
def test_a_line_for_each_outcome(tmp_path: Path, text: str):
    """Lines of a cell are outcomes where the mapping says so, however they end."""
    mapping = MAPPING.replace('separator = "|"', 'separator = "\\n"')

    def fill(sheet: Worksheet) -> None:
        sheet["E2"] = text

    [event], _ = read(workbook(tmp_path, fill), mapping)
    assert event["data"]["outcomes"] == ["new_competencies", "new_ideas"]


def test_hours_that_are_counted(tmp_path: Path):
    """`[h]:mm` is a time of day, before ten o'clock too."""
    mapping = MAPPING.replace('{column = "Opdateret", format = "%d-%m-%Y %H:%M"}', '"{Opdateret} {Titel}"')

    def fill(sheet: Worksheet) -> None:
        sheet["D2"], sheet["F2"] = date(2018, 5, 4), 0.375
        sheet["D2"].number_format, sheet["F2"].number_format = "dd-mm-yyyy", "[h]:mm"

    [event], _ = read(workbook(tmp_path, fill), mapping.replace('title = "Titel"', ""))
    assert event["time"] == "2018-05-04T09:00:00+02:00"


# ---- sheets


def test_hidden_sheets_are_passed_over(tmp_path: Path):
    """The first sheet that people see is the one that is read."""

    def fill(sheet: Worksheet) -> None:
        assert sheet.parent is not None
        hidden = sheet.parent.create_sheet("Liste", 0)
        hidden.append(("x",))
        hidden.sheet_state = "veryHidden"

    events, _ = read(workbook(tmp_path, fill))
    assert len(events) == 1


def test_strict_workbooks(tmp_path: Path):
    """The other dialect of Excel's format is called by its name, with what to do."""
    path = workbook(tmp_path, lambda _: None)
    strict = tmp_path / "strict.xlsx"
    names = {
        b"http://schemas.openxmlformats.org/spreadsheetml/2006/main": b"http://purl.oclc.org/ooxml/spreadsheetml/main",
    }
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(strict, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            for usual, other in names.items():
                content = content.replace(usual, other)
            new.writestr(name, content)
    with pytest.raises(FileFault, match="Strict Open XML Spreadsheet: save it as Excel Workbook"):
        read(strict)


# ---- one form of each id


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(unicodedata.normalize("NFD", "Idérør é"), id="decomposed"),
        pytest.param("Idérør\xa0é", id="blank that does not break"),
        pytest.param("Idérør  \t é", id="several blanks"),
        pytest.param("\ufeffIdé\u200brør é\u200e", id="characters that nobody sees"),
        pytest.param("\u3164Idér\ufff9ør\U000e0020 é", id="more of them"),
        pytest.param("Idérør é", id="as it is"),
        pytest.param('="Idérør é"'.replace('"', '""').join('""'), id="as a formula"),
    ],
)
def test_ids_have_one_form(tmp_path: Path, text: str):
    """A retraction hits its activity, however a program writes the letters and blanks of the id."""
    [event], _ = read(csv_file(tmp_path, changed(Sag=text)))
    assert event["data"]["activity_id"] == "Idérør é/13748136"


def test_words_have_one_form(tmp_path: Path):
    """Also where the mapping looks a word up, and where it names a column."""
    decomposed = unicodedata.normalize("NFD", "Idéer")
    header = [unicodedata.normalize("NFD", name) for name in HEADER]
    [event], _ = read(csv_file(tmp_path, changed(Udbytte=f"{decomposed}\u200b"), header=header))
    assert event["data"]["outcomes"] == ["new_ideas"]


@pytest.mark.parametrize(
    "text",
    ["CVR 13748136", "CVR-nr. 13748136", "cvr: 13 74 81 36", '"=""13748136"""', "\u200b13748136\u200b", "13748136.0",
     "DK-13748136", "\xa013748136", "dk 13.748.136", "CVR-nr.: DK 13748136", "13748136,00", "1374 8136", "137 481 36",
     "13\xa074\xa081\xa036", "13-74-81-36", "13,748,136", "CVRnr.13748136", "CVR-nummer: 13748136", "DK CVR 13748136"],
)  # fmt: skip
def test_cvr_numbers(tmp_path: Path, text: str):
    """The number is read with its word, as a formula that is a text, with blanks, and as a decimal number."""
    [event], _ = read(csv_file(tmp_path, changed(**{"CVR-nr": text})))
    assert (event["subject"], event["data"]["activity_id"]) == ("13748136", "WS-1/13748136")


@pytest.mark.parametrize(
    "text",
    [
        "CVR 1374813",
        "13748136 25063864",
        "P 1003403547",
        "CVR 13748136 A/S",
        "NO 13748136",
        "SE 13748136",
        "DE13748136",
    ],
)
def test_what_is_no_cvr_number(tmp_path: Path, text: str):
    """No number is made of more or fewer digits."""
    [event], _ = read(csv_file(tmp_path, changed(**{"CVR-nr": text})))
    assert event["subject"] == text


@pytest.mark.parametrize("text", ["-13748136", "1374813.6", "13.748,136", "1 3748136", "13748136-"])
def test_numbers_that_a_worker_would_read(tmp_path: Path, text: str):
    """A decimal or negative number is no CVR number, though a worker would find one in its digits."""
    events, [refusal] = read(csv_file(tmp_path, changed(**{"CVR-nr": text})))
    assert (events, refusal.field) == ([], "subject")
    assert f"{text!r} is not a way to write a CVR number" in refusal.reason


@pytest.mark.parametrize("text", ["WS\u20101", "WS\u20111", "W\xadS-1"])
def test_hyphens(tmp_path: Path, text: str):
    """The hyphens of Unicode are the one on the keyboard; the soft one is not there."""
    [event], _ = read(csv_file(tmp_path, changed(Sag=text)))
    assert event["data"]["activity_id"] == "WS-1/13748136"
