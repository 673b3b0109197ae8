"""Files as programs and people write them: what is not what it looks like is refused, never counted as something else.

Each test is about a kind of trouble that exports are reported to have, in several forms.
"""

import json
import re
from datetime import date, datetime
from pathlib import Path

import pytest
from exported import HEADER, MAPPING, ROW, changed, csv_file, read, workbook
from openpyxl.worksheet.worksheet import Worksheet

from sources.files.event_builder import Event
from sources.files.file_publisher import Table, open_input
from sources.files.refused_rows import Refusal
from sources.files.source_file import FileFault

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


def test_rows_that_say_the_same(tmp_path: Path):
    """What is written in two ways and means one thing is one version: here the time of day of a day."""
    mapping = MAPPING.replace('format = "%d-%m-%Y"}', 'format = "%d-%m-%Y %H:%M"}')
    rows = [changed(Dato=f"03-05-2018 {hour}:30", Sag="WS\u00a01" if hour == "09" else "WS 1") for hour in ("09", "23")]
    events, refused = read(csv_file(tmp_path, *rows), mapping)
    assert (len(events), events[0]["data"], refused) == (2, events[1]["data"], [])


def test_a_retraction_at_the_time_of_its_activity(tmp_path: Path):
    """The order of versions decides: the retraction holds. It is not refused."""
    mapping = MAPPING.replace(
        'type = "workshop.attended"\n[fields]',
        '[fields]\ntype = {column = "Titel", values = {"Aflyst" = "activity.retracted", "Vand" = "workshop.attended"}}',
    ).replace('title = "Titel"', 'reason = "Titel"')
    events, refused = read(csv_file(tmp_path, ROW, changed(Titel="Aflyst")), mapping)
    assert (len(events), refused) == (2, [])


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


@pytest.mark.parametrize(
    ("pattern", "text", "day"),
    [
        ("%Y-%d-%m", "2018-05-03", "2018-03-05"),
        ("%d-%m-%Y", "03-05-2018", "2018-05-03"),
        ("%Y%d%m", "20180503", "2018-03-05"),
    ],
)
def test_dates_of_a_list_are_read_as_in_its_file(tmp_path: Path, pattern: str, text: str, day: str):
    """A day of the list is the day that it was in the file, also where ISO 8601 would read another one."""
    mapping = MAPPING.replace('"Dato", format = "%d-%m-%Y"', f'"Dato", format = "{pattern}"')
    path = tmp_path / "export.csv.refused.csv"
    path.write_text(f"line;field;reason;{';'.join(HEADER)}\n2;x;y;{';'.join(changed(Dato=text))}\n", encoding="utf-8")
    for file in (csv_file(tmp_path, changed(Dato=text)), path):
        [event], _ = read(file, mapping)
        assert event["data"]["occurred_on"] == day


@pytest.mark.parametrize("pattern", ["%Y-%d-%m", "%Y-%m-%d", "%d. %B %Y", "%d-%m-%Y"])
def test_days_of_a_workbook_in_a_list(tmp_path: Path, pattern: str):
    """The list of a workbook keeps the days of its cells, also where the mapping has a format for texts."""
    mapping = MAPPING.replace('"Dato", format = "%d-%m-%Y"', f'"Dato", format = "{pattern}"')
    path = workbook(tmp_path, lambda sheet: sheet.append([13748136, "", date(2018, 5, 3), datetime(2018, 5, 4, 10)]))
    rules = path.with_suffix(".mapping.toml")
    rules.write_text(mapping, encoding="utf-8")
    table = open_input(path, mapping=rules, exported_at=None)
    assert isinstance(table, Table)
    refused = table.refused_rows()
    assert len(list(table.records(lambda _: None, {}, refused))) == 2
    listed = refused.finish()
    assert listed is not None
    fixed = tmp_path / "fixed.csv"
    fixed.write_text(listed.read_text("utf-8-sig").replace("13748136;;", "13748136;WS-2;"), encoding="utf-8")
    [event], refusals = read(fixed, mapping)
    assert refusals == []
    assert (event["data"]["occurred_on"], event["time"]) == ("2018-05-03", "2018-05-04T10:00:00+02:00")


def quoted(text: str) -> str:
    """A cell as CSV writes it."""
    doubled = text.replace('"', '""')
    return f'"{doubled}"'


@pytest.mark.parametrize("blank", ["", "\xa0", "\u200e", '=""'])
def test_days_that_say_nothing(tmp_path: Path, blank: str):
    """Without an activity_id the day is that of `time`, also where the cell only looks filled."""
    mapping = MAPPING.replace('activity_id = "{Sag}/{CVR-nr}"', 'id = "{Sag}/{CVR-nr}"')
    [event], refused = read(csv_file(tmp_path, changed(Dato=quoted(blank))), mapping)
    assert refused == []
    assert "occurred_on" not in event["data"]


@pytest.mark.parametrize("day", ['="03-05-2018"', "\u200e03-05-2018", "03-05-2018\xa0"])
def test_days_and_times_in_two_columns(tmp_path: Path, day: str):
    """Each of the columns is read in its canonical form."""
    mapping = MAPPING.replace('"Opdateret", format', '"{Dato} {Titel}", format')
    [event], _ = read(csv_file(tmp_path, changed(Dato=quoted(day), Titel="9:05")), mapping)
    assert event["time"] == "2018-05-03T09:05:00+02:00"


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


@pytest.mark.parametrize("template", ["{Sag}/{CVR-nr}", "{CVR-nr}/{Sag}", "Sag"])
def test_bytes_of_another_encoding_in_an_id(tmp_path: Path, template: str):
    """It is one refused row, in any kind of id."""
    path = csv_file(tmp_path, *[changed(Sag=f"WS-ø{number}") for number in range(30)], changed(Sag="@"))
    path.write_bytes(path.read_bytes().replace(b"@", b"\xe6"))
    events, [refusal] = read(path, MAPPING.replace("{Sag}/{CVR-nr}", template))
    assert len(events) == 30
    assert "the column 'Sag' cannot be decoded" in refusal.reason
