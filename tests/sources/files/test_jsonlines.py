"""JSON lines: byte for byte, with the key that the subject gives."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources.files.event_builder import Event
from sources.files.jsonlines import JsonLines, subject_key
from sources.files.refused_rows import Refusal, RefusedLines
from sources.files.source_file import FileFault
from sources.publisher import MAX_VALUE


def records(path: Path, content: bytes) -> list[tuple[int, Event | Refusal]]:
    """The records of the lines."""
    path.write_bytes(content)
    return list(JsonLines(path).records(lambda _: None, None))


@pytest.mark.parametrize(
    ("line", "key"),
    [
        pytest.param(b'{"subject": "13748136"}', b"13748136", id="as it should be"),
        pytest.param(b'{"subject": "DK 13 74 81 36"}', b"13748136", id="normalised"),
        pytest.param(b'{"subject": "13585627"}', None, id="checksum fails"),
        pytest.param(b'{"subject": 13748136}', None, id="a number"),
        pytest.param(b'{"subject": null}', None, id="null"),
        pytest.param(b"{}", None, id="none"),
        pytest.param(b'["13748136"]', None, id="a list"),
        pytest.param(b'"13748136"', None, id="a text"),
        pytest.param(b'{"subject": "13748136"', None, id="broken JSON"),
        pytest.param(b"\xff\xfe", None, id="no UTF-8"),
        pytest.param(b"[" * 100_000, None, id="deeply nested"),
    ],
)
def test_keys(line: bytes, key: bytes | None):
    """The key is the CVR number of the subject where one can be read; anything else has no key and does no harm."""
    assert subject_key(line) == key


@given(st.lists(st.binary(max_size=30).filter(lambda line: not set(line) & {10, 13}), max_size=10), st.booleans())
def test_lines_are_sent_byte_for_byte(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], ends: bool):
    """Every line that is not blank is a record of exactly its bytes, with or without a newline at the end."""
    first = b'{"a": 1}'
    content = b"\n".join([first, *lines]) + (b"\n" if ends else b"")
    sent = records(tmp_path_factory.mktemp("lines") / "events.jsonl", content)
    expected = [(number, line) for number, line in enumerate([first, *lines], 1) if line.strip()]
    assert [(number, record.value) for number, record in sent if isinstance(record, Event)] == expected


def test_line_ends_and_byte_order_mark(tmp_path: Path):
    """The mark belongs to the file and CR LF to the line's end; blanks within a line are kept, empty lines are none."""
    content = b'\xef\xbb\xbf{"a":1}\r\n\r\n {"b":2} \n\n{"c":3}'
    sent = records(tmp_path / "events.jsonl", content)
    assert [(number, record.value) for number, record in sent if isinstance(record, Event)] == [
        (1, b'{"a":1}'),
        (3, b' {"b":2} '),
        (5, b'{"c":3}'),
    ]


def test_lines_that_are_too_long(tmp_path: Path):
    """A line that Kafka cannot take is refused and kept whole in FILE.refused; the longest that fits is sent."""
    path = tmp_path / "events.jsonl"
    fits, over, huge = b"x" * MAX_VALUE, b"y" * (MAX_VALUE + 1), b"z" * (4 * MAX_VALUE)
    path.write_bytes(b"{}\n" + fits + b"\r\n" + over + b"\n" + huge + b"\n{}\n" + over)
    refused = RefusedLines(path)
    found = list(JsonLines(path).records(lambda _: None, refused))
    assert [number for number, record in found if isinstance(record, Event)] == [1, 2, 5]
    assert found[1] == (2, Event(None, fits))
    refusals = [record for _, record in found if isinstance(record, Refusal)]
    assert [(refusal.file, refusal.line) for refusal in refusals] == [(str(path), 3), (str(path), 4), (str(path), 6)]
    assert "more than Kafka takes" in refusals[0].reason
    assert refused.finish() == tmp_path / "events.jsonl.refused"
    assert (tmp_path / "events.jsonl.refused").read_bytes() == over + b"\n" + huge + b"\n" + over


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"", "is empty", id="empty"),
        pytest.param(b"\n\r\n", "is empty", id="blank"),
        pytest.param('{"a": 1}\n'.encode("utf-16"), "is UTF-16: save it as UTF-8", id="UTF-16"),
        pytest.param(b"PK\x03\x04", "is not JSON lines but a ZIP archive", id="archive"),
        pytest.param(bytes(range(256)), "is not JSON lines", id="binary"),
    ],
)
def test_files_that_are_no_json_lines(tmp_path: Path, content: bytes, message: str):
    """A file that evidently is something else is refused in one sentence, before anything is sent."""
    with pytest.raises(FileFault, match=message):
        records(tmp_path / "events.jsonl", content)
