"""Files as programs and people write them: what is not what it looks like is refused, never counted as something else.

Each test is about a kind of trouble that exports are reported to have, in several forms.
"""

import json
import re
import unicodedata
import zipfile
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook
from openpyxl.worksheet.worksheet import Worksheet

from sources.files.event_builder import Event
from sources.files.file_publisher import Table, open_input, survey
from sources.files.refused_rows import Refusal
from sources.files.source_file import FileFault

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
    sheet.append([13748136, "WS-1", date(2018, 5, 3), datetime(2018, 5, 4, 10), "Kompetencer", "Vand"])  # noqa: DTZ001
    fill(sheet)
    path = folder / "export.xlsx"
    book.save(path)
    return path


# ---- cells that are not what they look like


@pytest.mark.parametrize(
    "text", ["#N/A", "#I/T", "#VÆRDI!", "#DIV/0!", "#DIVISION/0!", "#NAVN?", "#REFERENCE!", "#SPILL!", "########"]
)
@pytest.mark.parametrize("column", ["Sag", "Udbytte", "Dato", "Titel"])
def test_errors_as_text(tmp_path: Path, column: str, text: str):
    """The text of an error is no value, in any column that is used."""
    events, [refusal] = read(csv_file(tmp_path, changed(**{column: text})))
    assert events == []
    assert f"the column {column!r} holds the error {text}" in refusal.reason


@pytest.mark.parametrize("text", ["#1", "#N/A-12", "Sag #3!", "# Noter"])
def test_what_is_no_error(tmp_path: Path, text: str):
    """A number sign alone makes no error."""
    [event], refused = read(csv_file(tmp_path, changed(Sag=text)))
    assert event["data"]["activity_id"] == f"{text}/13748136"
    assert refused == []


@pytest.mark.parametrize(("column", "text"), [("CVR-nr", "1,37E+07"), ("Sag", "1.23457E+17"), ("Sag", "4E5")])
def test_shortened_numbers(tmp_path: Path, column: str, text: str):
    """What Excel made of a long number has lost its last digits: two ids would become one."""
    events, [refusal] = read(csv_file(tmp_path, changed(**{column: text})))
    assert events == []
    assert f"holds {text}, a number that Excel has shortened" in refusal.reason


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
def test_cells_of_a_workbook(tmp_path: Path, column: str, value: object, message: str):
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
            sheet.append([company, f"WS-{number}", date(2018, 5, 3), datetime(2018, 5, 4, 10), None, "Vand"])  # noqa: DTZ001
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
     "DK-13748136", "\xa013748136"],
)  # fmt: skip
def test_cvr_numbers(tmp_path: Path, text: str):
    """The number is read with its word, as a formula that is a text, with blanks, and as a decimal number."""
    [event], _ = read(csv_file(tmp_path, changed(**{"CVR-nr": text})))
    assert (event["subject"], event["data"]["activity_id"]) == ("13748136", "WS-1/13748136")


@pytest.mark.parametrize("text", ["CVR 1374813", "13748136 25063864", "P 1003403547", "CVR 13748136 A/S"])
def test_what_is_no_cvr_number(tmp_path: Path, text: str):
    """No number is made of more or fewer digits."""
    [event], _ = read(csv_file(tmp_path, changed(**{"CVR-nr": text})))
    assert event["subject"] == text


# ---- rows


@pytest.mark.parametrize(
    "content",
    [
        pytest.param('{0};WS-1;{1};"Grøn\r\n{0};WS-2;{1};Slut"\r\n', id="two rows become one"),
        pytest.param('{0};WS-1;{1};"Grøn\r\n{0};WS-2;{1};x\r\n{0};WS-3;{1};Slut"\r\n', id="a row vanishes"),
        pytest.param('{0};"WS-1;{1};Grøn\r\n{0};WS-2";{1};Slut\r\n', id="in the middle"),
        pytest.param('"{0};WS-1;{1};Grøn\r\n{0}";WS-2;{1};Slut\r\n', id="in the first column"),
    ],
)
def test_quotation_marks_that_swallow_rows(tmp_path: Path, content: str):
    """A quoted cell that holds what looks like rows is refused, with all its lines."""
    path = tmp_path / "export.csv"
    text = content.format("13748136", "03-05-2018;04-05-2018 10:00;Kompetencer")
    path.write_bytes(f"CVR-nr;Sag;Dato;Opdateret;Udbytte;Titel\r\n{text}".encode())
    events, [refusal] = read(path)
    assert events == []
    assert "looks like other rows" in refusal.reason
    assert f"lines 2 to {text.count(chr(10)) + 1}: " in str(refusal)


@pytest.mark.parametrize(
    "title",
    ["Oplæg\r\nog debat", "a;b;c;d;e;f\r\n1. dag; 2. dag; 3. dag", "- punkt\r\n- punkt; og mere\r\n- punkt"],
)
def test_line_breaks_of_people(tmp_path: Path, title: str):
    """Texts with line breaks and separators are texts."""
    [event], refused = read(csv_file(tmp_path, changed(Titel=f'"{title}"')))
    assert (event["data"]["title"], refused) == (title, [])


@pytest.mark.parametrize(
    ("header", "cells"),
    [
        pytest.param([*HEADER, ""], [*ROW[:4], "", "Kompetencer", "Vand"], id="a shift into the last separator"),
        pytest.param([*HEADER[:4], "", *HEADER[4:]], [*ROW[:4], "-", "", "Vand"], id="in the middle"),
    ],
)
def test_cells_under_no_heading(tmp_path: Path, header: list[str], cells: list[str]):
    """Such a cell has shifted, or its heading is missing: the others may be in the wrong column."""
    events, [refusal] = read(csv_file(tmp_path, cells, header=header))
    assert events == []
    assert "its column has no heading" in refusal.reason


def test_workbook_cells_under_no_heading(tmp_path: Path):
    """The same to the right of the last heading of a sheet."""

    def fill(sheet: Worksheet) -> None:
        sheet["H2"] = "Vand"

    _, [refusal] = read(workbook(tmp_path, fill))
    assert "cell 8 is filled and its column has no heading" in refusal.reason


@pytest.mark.parametrize("column", ["Udbytte", "Titel", "Dato"])
def test_rows_that_contradict_each_other(tmp_path: Path, column: str):
    """One row for each outcome, or two contents of one version: the order of rows decides nothing."""
    other = {"Udbytte": "Idéer", "Titel": "Varme", "Dato": "02-05-2018"}[column]
    events, refused = read(csv_file(tmp_path, ROW, ROW, changed(**{column: other})))
    assert events == []
    assert len(refused) == 3
    assert "has two rows of the same time that differ" in refused[0].reason


def test_equal_rows_are_harmless(tmp_path: Path):
    """A row that comes twice is the same event twice."""
    events, refused = read(csv_file(tmp_path, ROW, ROW))
    assert (len(events), events[0], refused) == (2, events[1], [])


def test_retractions_keep_nothing_else(tmp_path: Path):
    """A cancelled registration still has its day and outcome in the export; a retraction has neither."""
    mapping = MAPPING.replace(
        'type = "workshop.attended"\n[fields]',
        '[fields]\ntype = {column = "Titel", values = {"Aflyst" = "activity.retracted", "Vand" = "workshop.attended"}}',
    ).replace('title = "Titel"', 'reason = "Titel"')
    rules = tmp_path / "export.mapping.toml"
    rules.write_text(mapping, encoding="utf-8")
    table = open_input(csv_file(tmp_path, changed(Titel="Aflyst")), mapping=None, exported_at=None)
    assert isinstance(table, Table)
    [(_, record)] = table.records(lambda _: None, {}, None)
    assert isinstance(record, Event)
    assert json.loads(record.value)["data"] == {"activity_id": "WS-1/13748136", "reason": "Aflyst"}
    assert table.builder.left_out == {"occurred_on", "outcomes"}


# ---- the file as a whole


@pytest.mark.parametrize("line", ["sep=;", "SEP=;", '"sep=;"', "Sep=;;;"])
@pytest.mark.parametrize("stated", ["", 'separator = ";"\n'])
def test_the_line_that_states_the_separator(tmp_path: Path, line: str, stated: str):
    """It is no header, in any spelling, also where the mapping states the separator."""
    path = csv_file(tmp_path, ROW)
    path.write_bytes(f"{line}\r\n".encode() + path.read_bytes())
    events, _ = read(path, stated + MAPPING)
    assert len(events) == 1


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "cp1252", "UTF-8"])
def test_stated_encodings(tmp_path: Path, encoding: str):
    """What the mapping states is used, also for encodings with zero bytes and without a mark."""
    events, _ = read(
        csv_file(tmp_path, changed(Titel="Blåbær"), encoding=encoding), f'encoding = "{encoding}"\n{MAPPING}'
    )
    assert [event["data"]["title"] for event in events] == ["Blåbær"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_marks(tmp_path: Path, encoding: str):
    """A byte order mark says it all."""
    events, _ = read(csv_file(tmp_path, changed(Titel="Blåbær"), encoding=encoding))
    assert [event["data"]["title"] for event in events] == ["Blåbær"]


@pytest.mark.parametrize("stated", ["cp1252", "latin-1", "cp865"])
def test_a_stated_encoding_that_is_wrong(tmp_path: Path, stated: str):
    """A file that is all UTF-8 is not read as something else."""
    with pytest.raises(FileFault, match=f"is UTF-8, and its mapping states {stated}"):
        read(csv_file(tmp_path, changed(Titel="Blåbær")), f'encoding = "{stated}"\n{MAPPING}')


def test_long_cells_that_no_field_uses(tmp_path: Path):
    """Notes of many pages are no reason to refuse a file."""
    events, refused = read(csv_file(tmp_path, [*ROW, "x" * 300_000], header=[*HEADER, "Noter"]))
    assert (len(events), refused) == (1, [])


def test_lists_of_refused_rows(tmp_path: Path):
    """They are read with the mapping of their file: without its sheet, with dates of a workbook, and split again."""
    path = tmp_path / "export.xlsx.refused.csv"
    rows = [
        "line;field;reason;" + ";".join(HEADER),
        "3;activity_id;empty;25063864;WS-1;2018-05-03;2018-05-04 10:00:00;-;t",
        '4;;a quotation mark;"92840344;WS-2;03-05-2018;04-05-2018 10:00;-;""Ny"" titel"',
        '5;;a quotation mark;"92840344;WS-3;03-05-2018;04-05-2018 10:00;-;Ny titel"',
    ]
    path.write_text("\r\n".join(rows) + "\r\n", encoding="utf-8-sig")
    events, [refusal] = read(path, f'sheet = "Aktiviteter"\n{MAPPING}')
    assert [event["data"]["activity_id"] for event in events] == ["WS-1/25063864", "WS-3/92840344"]
    assert refusal.line == 3


def test_lists_of_refused_rows_without_a_mapping(tmp_path: Path):
    """Where the columns have the fields' own names, the list needs no mapping either."""
    path = tmp_path / "export.csv.refused.csv"
    path.write_text(
        "line;field;reason;subject;source;type;time\n"
        "2;time;is empty;13748136;https://crm.foodbio.example;company.joined;2018-05-03T14:05:09Z\n",
        encoding="utf-8",
    )
    table = open_input(path, mapping=None, exported_at=None)
    assert isinstance(table, Table)
    [(_, record)] = table.records(lambda _: None, {}, None)
    assert isinstance(record, Event)


def test_jsonlines_that_were_joined(tmp_path: Path):
    """Marks of files that were joined, and blank lines, are no part of a record."""
    path = tmp_path / "export.jsonl"
    path.write_bytes(b'{"subject":"13748136"}\n  \t \n\xef\xbb\xbf{"subject":"25063864"}\r\n\xef\xbb\xbf\n')
    source = open_input(path, mapping=None, exported_at=None)
    assert not isinstance(source, Table)
    records = [(line, record) for line, record in source.records(lambda _: None, None) if isinstance(record, Event)]
    assert [(line, record.value) for line, record in records] == [
        (1, b'{"subject":"13748136"}'),
        (3, b'{"subject":"25063864"}'),
    ]


def test_every_line_is_named_in_words():
    """A refusal names the lines of its row, from the first to the last."""
    assert str(Refusal("f.csv", 3, "", "why", 5)) == "f.csv lines 3 to 5: why"
    assert re.fullmatch("f.csv line 3: time: why", str(Refusal("f.csv", 3, "time", "why", 3)))
