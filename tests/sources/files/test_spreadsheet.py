"""CSV as a stream of rows: encodings, separators, line numbers, and files that are none."""

import gc
import gzip
import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources.files.source_file import FileFault
from sources.files.spreadsheet import CsvSheet, Row


def sheet(path: Path, content: bytes, **options: str) -> CsvSheet:
    """The CSV file of these bytes."""
    path.write_bytes(content)
    return CsvSheet(
        path,
        encoding=options.get("encoding"),
        separator=options.get("separator"),
        wanted=options.get("wanted", "CVR Titel").split(),
    )


def rows(path: Path, content: bytes, **options: str) -> list[Row]:
    """Its rows."""
    return list(sheet(path, content, **options).rows(lambda _: None))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The path of the test's file."""
    return tmp_path / "export.csv"


@pytest.mark.parametrize(
    ("content", "encoding", "found"),
    [
        pytest.param("CVR;Titel\n1;Blåbær\n".encode(), None, "utf-8", id="UTF-8 is recognised"),
        pytest.param("CVR;Titel\n1;Blåbær\n".encode("utf-8-sig"), None, "utf-8-sig", id="UTF-8 with mark"),
        pytest.param("CVR;Titel\n1;Blåbær\n".encode("utf-16"), None, "utf-16", id="UTF-16 with mark"),
        pytest.param("CVR;Titel\n1;Blåbær\n".encode("cp1252"), "cp1252", "cp1252", id="stated"),
        pytest.param("CVR;Titel\n1;Blåbær\n".encode("utf-8-sig"), "cp1252", "utf-8-sig", id="mark beats statement"),
    ],
)
def test_encodings(path: Path, content: bytes, encoding: str | None, found: str):
    """What is certain is recognised; what the mapping states is used."""
    path.write_bytes(content)
    opened = CsvSheet(path, encoding=encoding, separator=None, wanted=["CVR", "Titel"])
    assert opened.encoding == found
    assert opened.header == ["CVR", "Titel"]
    assert list(opened.rows(lambda _: None)) == [Row(2, ["1", "Blåbær"])]


@pytest.mark.parametrize("stated", ["iso-8859-1", "latin-1", "iso-8859-15"])
def test_windows_characters_in_iso_8859(path: Path, stated: str):
    """A dash of cp1252 would be dropped as a control character, and two ids would be one."""
    with pytest.raises(FileFault, match=rf'line 3 has the byte 0x96.*{stated}.*encoding = "cp1252"'):
        sheet(path, b"CVR;Titel\n1;Bl\xe5b\xe6r\n2;Modul 1\x962\n", encoding=stated)
    assert sheet(path, b"CVR;Titel\n1;Bl\xe5b\xe6r\n", encoding=stated).encoding == stated


def test_unknown_encoding_is_refused(path: Path):
    """A cp1252 file is never guessed: the error names the line and the key to write."""
    with pytest.raises(FileFault, match=r'line 3 is not UTF-8.*encoding = "cp1252"'):
        sheet(path, b"CVR;Titel\n1;a\n2;Bl\xe5b\xe6r\n")


def test_few_bad_bytes_do_not_condemn_utf8(path: Path):
    """Where nearly everything beyond ASCII is UTF-8, it is UTF-8, and the broken row is kept apart by its bytes."""
    read = rows(path, b"CVR;Titel\n" + "1;æøåæøåæøåæøå\n".encode() + b"2;x\xff\n")
    assert read[1] == Row(3, ["2", "x\udcff"])


@pytest.mark.parametrize("separator", [";", ",", "\t", "|"])
def test_separators_are_found_by_the_headings(path: Path, separator: str):
    """The separator is the one that yields the wanted headings, even if others are more frequent."""
    content = f"CVR{separator}Titel,; |mere{separator}Titel\n1{separator}a{separator}b\n"
    assert sheet(path, content.encode()).separator == separator


def test_separator_line_of_excel(path: Path):
    """Excel's own first line `sep=;` is understood, and counts as a line."""
    opened = sheet(path, b"sep=|\r\nCVR|Titel\r\n1|a\r\n")
    assert opened.header == ["CVR", "Titel"]
    assert list(opened.rows(lambda _: None)) == [Row(3, ["1", "a"])]


def test_lines_of_multi_line_cells(path: Path):
    """The line of a row is the one on which it begins, also after cells with line breaks and blank lines."""
    content = b'CVR;Titel\r\n1;"two\r\nlines"\r\n\r\n2;b\r\n;\r\n"3";"a ""quoted"" word"\r\n'
    assert rows(path, content) == [
        Row(2, ["1", "two\r\nlines"], last=3),
        Row(5, ["2", "b"]),
        Row(7, ["3", 'a "quoted" word']),
    ]


def test_stray_quotation_mark_spoils_one_row(path: Path):
    """A row that cannot be split comes out as text; its neighbours are untouched."""
    first, broken, last = rows(path, b'CVR;Titel\n1;a\n2;"b"c\n3;d\n')
    assert (first, last) == (Row(2, ["1", "a"]), Row(4, ["3", "d"]))
    assert (broken.line, broken.cells, broken.raw) == (3, None, '2;"b"c')


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"", "is empty", id="empty"),
        pytest.param(b" \r\n\r\n", "is empty", id="blank"),
        pytest.param(b"\n1;2\n", "line 1 has no header", id="blank header"),
        pytest.param(b"CVR;Titel\n1;\x00\x01\x02\n", "line 2 has a zero byte", id="binary"),
        pytest.param(b"PK\x03\x04rest", r"name it \.xlsx", id="workbook"),
        pytest.param(b"\xd0\xcf\x11\xe0rest", r"old \.xls", id="old workbook"),
        pytest.param(gzip.compress(b"CVR;Titel\n"), "compressed", id="gzip"),
    ],
)
def test_files_that_are_no_csv(path: Path, content: bytes, message: str):
    """A file that is not CSV is refused in one sentence that says what it is."""
    with pytest.raises(FileFault, match=message) as caught:
        sheet(path, content)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b'CVR;Titel\n1;a\n2;"never closed\n3;c\n', id="to the end of the file"),
        pytest.param(b'CVR;Titel\n1;a\n2;"never closed\n' + b"3;c\n" * 40_000, id="longer than a cell may be"),
    ],
)
def test_quotation_mark_that_is_never_closed(path: Path, content: bytes):
    """An open quotation would swallow all rows after it: the file is refused with the line where the row begins."""
    with pytest.raises(FileFault, match="line 3 begins a row with a quotation mark that is never closed"):
        rows(path, content)


def test_endless_line(path: Path):
    """A line of many megabytes is not a row: it is refused before it fills the memory."""
    with pytest.raises(FileFault, match="line 2 is longer than 4 million characters"):
        rows(path, b"CVR;Titel\n" + b"x" * 5_000_000)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"CVR" + b";" * 20_000 + b"\n1\n", "line 1 has more than 16,384 columns", id="header"),
        pytest.param(b"CVR;a\n1;2\n3" + b";" * 20_000, "line 3 has 20,001 cells", id="row"),
        pytest.param(b"CVR;a\n1;2\n" + b'"\n";' * 2_000_000, "line 3 begins a row of more than 4 mill", id="lines"),
    ],
)
def test_rows_are_bounded(path: Path, content: bytes, message: str):
    """A row of too many cells, or over too many lines, is refused."""
    with pytest.raises(FileFault, match=message):
        rows(path, content)


def test_many_bad_rows_take_no_more_time_each(path: Path):
    """Rows that cannot be split cost as much at the end of a long file as at its beginning."""

    def seconds(number: int) -> float:
        content = b"CVR;a\n" + b'1;"a"b\n' * number
        gc.collect()
        gc.disable()  # a collection walks the whole test process
        try:
            start = time.process_time()
            found = rows(path, content)
            spent = time.process_time() - start
        finally:
            gc.enable()
        assert [row.raw for row in found] == ['1;"a"b'] * number
        assert found[-1].line == number + 1
        return spent

    assert seconds(20_000) < 4 * 3 * seconds(5_000) + 0.1


def test_a_pipe_is_no_file(path: Path):
    """A pipe is refused; it is not waited for."""
    os.mkfifo(path)
    with pytest.raises(FileFault, match="it is a pipe or a device"):
        CsvSheet(path, encoding=None, separator=None, wanted=[])


def test_broken_utf16(path: Path):
    """UTF-16 that ends in the middle of a character is refused with its line."""
    with pytest.raises(FileFault, match="is not utf-16"):
        rows(path, "CVR;Titel\n1;a\n".encode("utf-16") + b"\x00")


def test_missing_file(tmp_path: Path):
    """A file that is not there is named."""
    with pytest.raises(FileFault, match="cannot be read"):
        CsvSheet(tmp_path / "none.csv", encoding=None, separator=None, wanted=[])


_TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12).map(str.strip)


@given(st.lists(st.tuples(_TEXT, _TEXT), max_size=8), st.sampled_from(["\n", "\r\n"]))
def test_what_a_writer_writes_is_read(tmp_path_factory: pytest.TempPathFactory, cells: list[tuple[str, str]], end: str):
    """Any cells that a CSV writer writes come back, blank rows aside, with the numbers of their lines."""
    lines = ["CVR;Titel", *('"{}";"{}"'.format(*(cell.replace('"', '""') for cell in row)) for row in cells)]
    path = tmp_path_factory.mktemp("csv") / "export.csv"
    read = rows(path, (end.join(lines) + end).encode(), encoding="utf-8", separator=";")
    assert read == [Row(line, list(row)) for line, row in enumerate(cells, 2) if any(row)]
