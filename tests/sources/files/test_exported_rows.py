"""Rows of CSV files whose cells have shifted, were swallowed or are missing: refused; sound rows stay accepted."""

import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import pytest
from exported import HEADER, MAPPING, ROW, changed, csv_file, read

from sources.files.file_publisher import Table, open_input, survey
from sources.files.refused_rows import Refusal
from sources.files.source_file import FileFault
from sources.files.swallowed_rows import swallows

OTHER = ("25063864", "WS-2", "07-05-2018", "08-05-2018 11:00", "Idéer", "Ost")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("column", range(len(HEADER)))
def test_swallowed_rows(tmp_path: Path, column: int, end: str):
    """A quotation mark before a cell, and one after the same cell of the next row, with each kind of line end."""
    first, second = [*ROW], [*OTHER]
    first[column], second[column] = '"' + first[column], second[column] + '"'
    path = tmp_path / "export.csv"
    path.write_bytes(end.join([";".join(HEADER), ";".join(first), ";".join(second), ""]).encode())
    events, [refusal] = read(path)
    assert events == []
    assert "looks like other rows" in refusal.reason


WIDE = ("CVR", "Sag", "Dato", "Titel", "Virksomhed", "Adresse", "By", "Kontakt", "Note", "Ansvarlig", "Udbytte")


@pytest.mark.parametrize(
    ("cell", "swallowed"),
    [
        pytest.param(
            "Digital;Nord A/S;Havnegade 3, 2. tv;Aarhus C;Ole;ringer;KP;Evner\n25063864;WS-2;03-05-2018;Ost",
            True,
            id="texts that look different",
        ),
        pytest.param(
            "Digital;Nord;Havn;Aarhus;Ole;;KP;Evner\n31261430;WS-3;02-05-2018;Kød;K;Å;R;;;I;x\n2;WS-2;03-05-2018;",
            True,
            id="three rows",
        ),
        pytest.param(
            "Digital;Nord;Havnegade;Aarhus;Ole;;KP;Evner\nDK 25063864;WS-2;3-5-2018;Ost", True, id="another form"
        ),
        pytest.param(
            "Program: oplæg; frokost; debat\n1. dag; 2. dag; 3. dag\nHavnegade 3; 8000 Aarhus C; Danmark; 2. tv; x",
            False,
            id="notes",
        ),
        pytest.param("Ring til Ole; 25063864\n03-05-2018; 04-05-2018; 05-05-2018", False, id="numbers and days"),
        pytest.param(";".join("abcdefghijkl") + "\nog mere", False, id="a list"),
    ],
)
def test_wide_tables_of_texts(cell: str, *, swallowed: bool):
    """A column with a number or day that fits is enough, where the cell breaks as rows do; notes stay accepted."""
    cells = ["13748136", "WS-1", "03-05-2018", cell, "Ost", "Torvet", "Vejle", "Mette", "-", "Jens Peter", "Produkter"]
    assert swallows(cells, len(WIDE), ";") is swallowed


def test_swallowed_rows_take_linear_time():
    """Many long cells with line breaks and separators cost what they are long."""

    def seconds(lines: int) -> float:
        whole = "\n".join(["a;b;1;2;c;d"] * lines)
        cells = [f"x{';y' * (5 - column)}\n{whole}\nz{';z' * column}" for column in range(6)]
        begin = time.process_time()
        swallows(cells, 6, ";")
        return time.process_time() - begin

    assert seconds(4_000) < 32 * max(seconds(500), 0.001)


@pytest.mark.parametrize(
    "cells",
    [
        pytest.param(["a; ", "b", "x", ""], id="a separator in a text"),
        pytest.param(["a;", "b", "x", ""], id="at the end of a text"),
        pytest.param(["a", ""], id="a separator lost"),
        pytest.param(['"a; "', "x"], id="the row ends early"),
        pytest.param([' "a; "', "b", "x"], id="a blank before the mark"),
        pytest.param(['\u00a0"a"', "b", "x"], id="another blank"),
    ],
)
def test_shifted_cells(tmp_path: Path, cells: Sequence[str]):
    """A row of another number of cells is refused, also when what is too much or missing is empty."""
    header, mapping = (
        ["CVR", "Tid", "T", "U", "N"],
        'source = "s"\ntype = "company.joined"\n[fields]\nsubject = "CVR"\n',
    )
    mapping += 'time = "Tid"\ntitle = "T"\n'
    sound = ["13748136", "2018-05-03T10:00", "t", "u", "n"]
    row = [*sound[:2], *cells]
    events, refused = read(csv_file(tmp_path, sound, row, sound, header=header), mapping)
    if cells == ['"a; "', "x"]:
        assert len(events) == 3  # nothing that is used is missing, and the last cell is filled: Excel writes such rows
    else:
        assert (len(events), [one.line for one in refused]) == (2, [3])


@pytest.mark.parametrize(
    ("header", "rows"),
    [
        pytest.param(HEADER, [[*ROW, ""], [*changed(Titel=""), ""]], id="separators end the rows"),
        pytest.param(HEADER, [[*ROW, "", ""]], id="one row"),
        pytest.param([*HEADER, ""], [ROW, changed(Titel="")], id="a separator ends the header"),
        pytest.param([*HEADER, ""], [[*ROW, ""], [*ROW, ""]], id="both"),
        pytest.param([*HEADER, "Note", "Ansvarlig"], [ROW, [*ROW, "n", ""], [*ROW, "n"]], id="Excel"),
        pytest.param(HEADER, [[" "] * 6, ["\u00a0", *[""] * 5], ROW, ROW, ["\x1a"]], id="rows of blanks, and Ctrl-Z"),
        pytest.param(HEADER, [changed(Titel='"a "" ""b"""'), changed(Titel='" ""a"" b"')], id="marks within quotes"),
        pytest.param(HEADER, [changed(Titel='Rør 5" og "Ny"'), ROW], id="marks within a cell"),
    ],
)  # fmt: skip
def test_sound_rows(tmp_path: Path, header: Sequence[str], rows: list[list[str]]):
    """What programs write like this is read."""
    sound = [row for row in rows if row[0].isdigit()]
    path = csv_file(tmp_path, *rows, header=header)
    mapping = MAPPING.replace('activity_id = "{Sag}/{CVR-nr}"\n', "")
    events, refused = read(path, mapping)
    assert (len(events), refused) == (len(sound), [])


def test_one_row_that_ends_differently(tmp_path: Path):
    """The first row says how rows end only when the second one agrees."""
    _, refused = read(csv_file(tmp_path, [*ROW, ""], ROW, ROW))
    assert [one.line for one in refused] == [2]


def test_zero_bytes_anywhere(tmp_path: Path):
    """One far from the beginning is named with its line too."""
    path = csv_file(tmp_path, *[ROW] * 2_000, changed(Titel="V\0nd"))
    with pytest.raises(FileFault, match="line 2,002 has a zero byte"):
        read(path)


def test_lists_of_swallowed_rows(tmp_path: Path):
    """Two rows in one cell become two rows once their marks are right; before, they are refused."""
    path = tmp_path / "export.csv.refused.csv"
    lines = [";".join(OTHER), ";".join(changed(Sag="WS-3"))]
    wrong = [lines[0].replace("Ost", '""Ost'), lines[1].replace("Vand", 'Vand""')]
    ends = ['2;;x;"' + "\n".join(lines) + '"', '4;;x;"' + "\n".join(wrong) + '";;;;;', '6;;x;"' + lines[1] + '"']
    path.write_text("\n".join([f"line;field;reason;{';'.join(HEADER)}", *ends]), encoding="utf-8")
    events, [refusal] = read(path)
    assert [event["subject"] for event in events] == ["25063864", "13748136", "13748136"]
    assert refusal.line == 4
    assert "looks like other rows" in refusal.reason


ISO = MAPPING.replace(', format = "%d-%m-%Y %H:%M"', "")


@pytest.mark.parametrize("template", ["{Sag}/{CVR-nr}", "{CVR-nr}/{Sag}"])
@pytest.mark.parametrize(
    ("one", "two", "mapping"),
    [
        pytest.param({"CVR-nr": "13748136"}, {"CVR-nr": "DK 13 74 81 36"}, MAPPING, id="company"),
        pytest.param({"Sag": "Å-1"}, {"Sag": "A\u030a-1"}, MAPPING, id="decomposed"),
        pytest.param({"Sag": "WS 1"}, {"Sag": "WS\u00a0 1\u200b"}, MAPPING, id="blanks"),
        pytest.param({}, {"Opdateret": "4-5-2018 10:00"}, MAPPING, id="short day"),
        pytest.param(
            {"Opdateret": "2018-05-04T10:00:00+02:00"}, {"Opdateret": "2018-05-04T08:00:00Z"}, ISO, id="zones"
        ),
        pytest.param(
            {"Opdateret": "2018-05-04T10:00:00.1231"}, {"Opdateret": "2018-05-04T10:00:00.1233"}, ISO, id="microseconds"
        ),
        pytest.param({"Opdateret": "28-10-2018 02:30"}, {"Opdateret": "28-10-2018 2:30"}, MAPPING, id="clocks change"),
    ],
)
def test_contradictions_written_differently(
    tmp_path: Path, one: dict[str, str], two: dict[str, str], mapping: str, template: str
):
    """One activity at one instant is that in every form of id, company and time."""
    mapping = mapping.replace("{Sag}/{CVR-nr}", template)
    events, refused = read(csv_file(tmp_path, changed(**one), changed(**two, Udbytte="Idéer")), mapping)
    assert (events, [refusal.line for refusal in refused]) == ([], [2, 3])
    assert "two rows of the same time that differ" in refused[0].reason
    events, refused = read(csv_file(tmp_path, changed(**one), changed(**two)), mapping)
    assert (len(events), refused) == (2, [])


@pytest.mark.parametrize("other", ["Idéer", "Kompetencer"])
def test_contradictions_of_two_files(tmp_path: Path, other: str):
    """Rows of all files of a command are compared, with columns in any order; the same row in two files is harmless."""
    rules = tmp_path / "export.mapping.toml"
    rules.write_text(MAPPING, encoding="utf-8")
    tables = []
    for name, columns, row in (("a", HEADER, ROW), ("b", HEADER[::-1], changed(Udbytte=other)[::-1])):
        folder = tmp_path / name
        folder.mkdir()
        table = open_input(csv_file(folder, row, header=columns), mapping=rules, exported_at=None)
        assert isinstance(table, Table)
        tables.append(table)
    conflicts = survey(tables, lambda _: nullcontext(lambda _: None))
    records = [record for table in tables for _, record in table.records(lambda _: None, conflicts, None)]
    assert [isinstance(record, Refusal) for record in records] == [other == "Idéer"] * 2


@pytest.mark.parametrize(("separator", "cell"), [("|", "|"), ("|", " | | "), (",", ","), (",", "\u200b, ,")])
def test_outcomes_of_separators_only(tmp_path: Path, separator: str, cell: str):
    """A list of nothing says nothing, as an empty cell does; "none" is a cell of its own."""
    mapping = MAPPING.replace('separator = "|"', f'separator = "{separator}"')
    [event], _ = read(csv_file(tmp_path, changed(Udbytte=cell)), mapping)
    assert "outcomes" not in event["data"]
    [event], _ = read(csv_file(tmp_path, changed(Udbytte="-")), mapping)
    assert event["data"]["outcomes"] == []


@pytest.mark.parametrize(
    "cells", [{"Dato": "aflyst i maj"}, {"Dato": "#I/T"}, {"Udbytte": "#I/T"}, {"Dato": "#I/T", "Udbytte": "#REF!"}]
)
def test_retractions_are_not_refused_for_what_they_have_not(tmp_path: Path, cells: dict[str, str]):
    """A day or outcomes that cannot be read are left out of a retraction, and refused of an activity."""
    mapping = MAPPING.replace(
        'type = "workshop.attended"\n[fields]',
        '[fields]\ntype = {column = "Titel", values = {"Aflyst" = "activity.retracted", "Vand" = "workshop.attended"}}',
    ).replace('title = "Titel"', 'reason = "Titel"')
    [event], refused = read(csv_file(tmp_path, changed(Titel="Aflyst", **cells)), mapping)
    assert (event["data"], refused) == ({"activity_id": "WS-1/13748136", "reason": "Aflyst"}, [])
    if set(cells.values()) & {"#I/T", "aflyst i maj"} and "Dato" in cells:
        events, [refusal] = read(csv_file(tmp_path, changed(**cells)), mapping)
        assert (events, refusal.field) == ([], "occurred_on")
    events, [refusal] = read(csv_file(tmp_path, changed(Titel="Aflyst", Sag="#I/T")), mapping)
    assert (events, refusal.field) == ([], "activity_id")


@pytest.mark.parametrize("stated", ["cp1252", "latin-1"])
def test_a_stated_encoding_that_is_nearly_wrong(tmp_path: Path, stated: str):
    """A few bytes that are not UTF-8 do not make a file of UTF-8 something else."""
    path = csv_file(tmp_path, *[changed(Titel="Blåbær på Ærø")] * 20)
    path.write_bytes(path.read_bytes() + ";".join(changed(Titel="Blå")).encode("cp1252"))
    with pytest.raises(FileFault, match=f"line 22 is UTF-8 but for 1 byte, and its mapping states {stated}"):
        read(path, f'encoding = "{stated}"\n{MAPPING}')


def test_encodings_that_are_mixed(tmp_path: Path):
    """Two exports joined in one file cannot be read in the encoding of one of them."""
    path = csv_file(tmp_path, *[changed(Titel="Blåbær på Ærø")] * 2)
    path.write_bytes(path.read_bytes() + ";".join(changed(Titel="Grøn æøå")).encode("cp1252"))
    with pytest.raises(FileFault, match="line 4 is not UTF-8, and 10 characters elsewhere are: it mixes encodings"):
        read(path, f'encoding = "cp1252"\n{MAPPING}')


def test_what_is_no_character(tmp_path: Path):
    """U+FFFE and U+FFFF are dropped from ids and words like all else that nobody sees."""
    [event], _ = read(csv_file(tmp_path, changed(Sag="WS\ufffe-1\uffff", Udbytte="Kompetencer\U0001ffff")))
    assert (event["data"]["activity_id"], event["data"]["outcomes"]) == ("WS-1/13748136", ["new_competencies"])


@pytest.mark.parametrize("name", ["utf-16", "utf-32"])
@pytest.mark.parametrize("order", ["le", "be"])
def test_wide_encodings_without_mark(tmp_path: Path, name: str, order: str):
    """The zero bytes show the order of the bytes."""
    path = csv_file(tmp_path, changed(Titel="Blåbær"), encoding=f"{name}-{order}")
    [event], refused = read(path, f'encoding = "{name}"\n{MAPPING}')
    assert (event["data"]["title"], refused) == ("Blåbær", [])


def test_no_optional_ids(tmp_path: Path):
    """A workshop that a database calls NULL is none; nothing counts by it, so that the row is sent without it."""
    mapping = MAPPING.replace('title = "Titel"', 'workshop_id = "Titel"')
    assert "workshop_id" in mapping
    [event], refused = read(csv_file(tmp_path, changed(Titel="NULL")), mapping)
    assert ("workshop_id" in event["data"], refused) == (False, [])


def test_a_title_of_several_columns(tmp_path: Path):
    """Half a title is left out; the activity counts all the same."""
    mapping = MAPPING.replace('title = "Titel"', 'title = "{Titel} ({Sag})"').replace("{Sag}/{CVR-nr}", "{CVR-nr}")
    [event], refused = read(csv_file(tmp_path, changed(Sag="")), mapping)
    assert ("title" in event["data"], refused) == (False, [])
