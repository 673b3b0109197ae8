"""Files -> publisher: two rounds, refused rows next to the file, and repetition."""

import csv
import json
import re
import unicodedata
from contextlib import nullcontext
from pathlib import Path

import pytest
from samples import CLUSTERS, event

from schemas.errors import UsageFault
from sources.files import refused_rows as refusals_module
from sources.files.file_publisher import Outcome, Table, accepts_any, open_input, send, survey
from sources.files.jsonlines import JsonLines
from sources.files.judged_rows import FileJudge
from sources.files.refused_rows import Refusal
from sources.files.source_file import FileFault
from sources.publisher import DeliveryFailed, MemoryPublisher, SourceLine

ARRIVED = 1_793_000_000_000
EXAMPLES = Path(__file__).parents[3] / "examples"
SPREADSHEETS = sorted(path for path in EXAMPLES.glob("activity-*") if path.suffix in (".csv", ".xlsx"))
MAPPING = """
source = "https://crm.foodbio.example"
type = "workshop.attended"
exported_at = "2020-01-15T08:00:00+01:00"
encoding = "cp1252"
[fields]
subject = "CVR"
activity_id = "Nr"
occurred_on = "Dato"
title = "Titel"
"""


def publish(
    *paths: Path, publisher: MemoryPublisher | None = None, send_rejected: bool = True
) -> tuple[list[Outcome], list[Refusal]]:
    """Both rounds, as the command goes through them."""
    publisher = publisher or MemoryPublisher()
    inputs = [open_input(path, mapping=None, exported_at=None) for path in paths]
    refusals: list[Refusal] = []
    conflicts = survey(inputs, lambda _: nullcontext(lambda _: None))
    outcomes = [
        send(
            one,
            publisher,
            judge=FileJudge(CLUSTERS, ARRIVED, allow_personal_data=False),
            conflicts=conflicts,
            progress=lambda _: None,
            on_refusal=refusals.append,
            examples=2,
            write_refused=True,
            send_rejected=send_rejected,
        )
        for one in inputs
    ]
    return outcomes, refusals


def export(folder: Path, rows: str, name: str = "export.csv") -> Path:
    """A cp1252 export with its mapping."""
    path = folder / name
    path.write_bytes(f"Nr;CVR;Dato;Titel\r\n{rows}".encode("cp1252"))
    path.with_suffix(".mapping.toml").write_text(MAPPING)
    return path


@pytest.mark.parametrize("path", SPREADSHEETS, ids=[path.name for path in SPREADSHEETS])
def test_examples_are_refused_as_their_truth_says(path: Path, tmp_path: Path):
    """Of every example exactly the rows that its truth lists are refused, at the field that it names."""
    truth = json.loads((EXAMPLES / "truth.json").read_text())
    for file in (path, path.with_name(f"{path.stem}.mapping.toml")):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (outcome,), refusals = publish(tmp_path / path.name)
    expected = {(one["line"], one["field"]) for one in truth["refused"] if one["file"] == path.name}
    assert {(refusal.line, refusal.field) for refusal in refusals if not refusal.code} == expected
    assert outcome.events == truth["records"][path.name]
    assert outcome.refused == len(expected)


def test_refused_rows_are_next_to_the_file(tmp_path: Path):
    """Refused rows are in FILE.refused.csv with line, field and reason, in the file's own encoding, bytes kept."""
    path = export(tmp_path, "1;13748136;2018-05-03;Æble\r\n2;13585628;;Ø\r\n3;10150817;2018-05-03;")
    path.write_bytes(path.read_bytes() + b"x\x81y\r\n")
    (outcome,), refusals = publish(path)
    assert (outcome.events, outcome.refused) == (1, 2)
    assert outcome.refused_file == tmp_path / "export.csv.refused.csv"
    assert (
        outcome.refused_file.read_bytes()
        == (
            "line;field;reason;Nr;CVR;Dato;Titel\r\n"
            "3;occurred_on;is empty;2;13585628;;Ø\r\n"
            "4;title;the column 'Titel' cannot be decoded: not the file's encoding;3;10150817;2018-05-03;x"
        ).encode("cp1252")
        + b"\x81y\r\n"
    )
    assert str(refusals[0]) == f"{path} line 3: occurred_on: is empty"


def test_fixed_rows_can_be_published(tmp_path: Path):
    """A corrected FILE.refused.csv is published with the mapping of FILE and gives the events of the corrected rows."""
    path = export(tmp_path, "1;13748136;;A\r\n")
    (first,), _ = publish(path)
    assert first.refused_file is not None
    fixed = first.refused_file.read_bytes().replace(b"13748136;;A", b"13748136;2018-05-03;A")
    first.refused_file.write_bytes(fixed)
    again = Table(first.refused_file, mapping=tmp_path / "export.mapping.toml", exported_at=None)
    events = list(again.records(lambda _: None, {}, None))
    path.write_bytes(path.read_bytes().replace(b"13748136;;A", b"13748136;2018-05-03;A"))
    publisher = MemoryPublisher()
    publish(path, publisher=publisher)
    assert [record[:2] for _, record in events] == [(key, value) for key, value, _ in publisher.sent]
    assert first.refused_file.read_bytes() == fixed  # somebody's work


def test_old_list_disappears(tmp_path: Path):
    """When nothing is refused any more, the FILE.refused.csv of an earlier run is removed."""
    path = export(tmp_path, "1;13748136;;A\r\n")
    (first,), _ = publish(path)
    assert first.refused_file is not None
    assert first.refused_file.exists()
    (outcome,), _ = publish(export(tmp_path, "1;13748136;2018-05-03;A\r\n"))
    assert outcome.refused_file is None
    assert sorted(file.name for file in tmp_path.iterdir()) == ["export.csv", "export.mapping.toml"]


def test_two_companies_across_files(tmp_path: Path):
    """An activity with two companies at one time is refused in every file of the command, the first row included."""
    one = export(tmp_path, "1;13748136;2018-05-03;A\r\n2;13748136;2018-05-03;B\r\n", "one.csv")
    two = export(tmp_path, "1;13585628;2018-05-03;A\r\n3;13585628;2018-05-03;C\r\n", "two.csv")
    outcomes, refusals = publish(one, two)
    assert [(outcome.events, outcome.refused) for outcome in outcomes] == [(1, 1), (1, 1)]
    assert [(refusal.file, refusal.line, refusal.field) for refusal in refusals] == [
        (str(one), 2, "activity_id"),
        (str(two), 2, "activity_id"),
    ]


def test_repetition_gives_the_same_bytes(tmp_path: Path):
    """Publishing a file twice sends the same records twice: nothing in them comes from a clock or from chance."""
    path = export(tmp_path, "1;13748136;2018-05-03;A\r\n2;DK-13585628;2018-05-04;B\r\n")
    first, second = MemoryPublisher(), MemoryPublisher()
    publish(path, publisher=first)
    publish(path, publisher=second)
    assert first.sent == second.sent
    assert [place for _, _, place in first.sent] == [SourceLine(str(path), 2), SourceLine(str(path), 3)]


class _Failing(MemoryPublisher):
    """Kafka that stops confirming at its second record."""

    def send(self, key: bytes | None, value: bytes, place: SourceLine) -> None:
        """Fail, or keep."""
        if self.sent:
            raise DeliveryFailed(place=place, confirmed=self.confirmed, records=1, cause="gone")
        super().send(key, value, place)


def test_failure_leaves_no_half_list(tmp_path: Path):
    """When Kafka fails midway, no half FILE.refused.csv is left, and the error names the last confirmed line."""
    path = export(tmp_path, "0;13748136;;A\r\n1;13748136;2018-05-03;A\r\n2;13748136;2018-05-03;B\r\n")
    with pytest.raises(DeliveryFailed, match=r"line 3 of .*export\.csv is the last confirmed"):
        publish(path, publisher=_Failing())
    assert sorted(file.name for file in tmp_path.iterdir()) == ["export.csv", "export.mapping.toml"]


def test_unusable_files_are_found_before_anything_is_sent(tmp_path: Path):
    """A file of another kind, a missing column, an instant that is a day: each is refused when it is opened."""
    good = export(tmp_path, "1;13748136;2018-05-03;A\r\n")
    (tmp_path / "export.pdf").write_bytes(b"%PDF")
    with pytest.raises(FileFault, match=r"not a kind of file that can be published \(\.csv"):
        open_input(tmp_path / "export.pdf", mapping=None, exported_at=None)
    with pytest.raises(UsageFault, match="--exported-at: '2020-01-15' is a day"):
        open_input(good, mapping=None, exported_at="2020-01-15")
    good.with_suffix(".mapping.toml").write_text(MAPPING.replace('"Titel"', '"Overskrift"'))
    with pytest.raises(UsageFault, match="no column 'Overskrift'"):
        open_input(good, mapping=None, exported_at=None)
    good.with_suffix(".mapping.toml").write_text('sheet = "x"\n' + MAPPING)
    with pytest.raises(UsageFault, match="is not a workbook"):
        open_input(good, mapping=None, exported_at=None)


def test_a_list_that_is_not_ours_stays(tmp_path: Path):
    """Somebody's FILE.refused.csv stays after a clean run, and after one with refused rows, whose list is elsewhere."""
    foreign = tmp_path / "export.csv.refused.csv"
    foreign.write_text("mine")
    publish(export(tmp_path, "1;13748136;2018-05-03;A\r\n"))
    assert foreign.read_text() == "mine"
    (outcome,), _ = publish(export(tmp_path, "1;13748136;;A\r\n"))
    assert foreign.read_text() == "mine"
    assert outcome.refused_file == tmp_path / "export.csv.refused-2.csv"
    assert outcome.list_trouble == ""


def test_no_name_next_to_the_file_is_written_through(tmp_path: Path):
    """Links under every name that could be guessed lead nowhere."""
    precious = tmp_path / "precious"
    precious.write_text("precious")
    drop = tmp_path / "drop"
    drop.mkdir()
    path = export(drop, "1;13748136;;A\r\n")
    for ending in (".refused.csv", ".refused.csv.part", ".refused", ".part", ".tmp", ".refused-2.csv"):
        (drop / f"export.csv{ending}").symlink_to(precious)
    (outcome,), _ = publish(path)
    assert outcome.refused_file == drop / "export.csv.refused-3.csv"
    assert precious.read_text() == "precious"


@pytest.mark.parametrize("how", ["no folder", "full"])
def test_rows_are_sent_where_no_list_can_be_written(how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Where the list cannot be written, or not to its end, everything else is sent and the outcome says why."""
    path = export(tmp_path, "1;13748136;;A\r\n2;13748136;2018-05-03;B\r\n3;13748136;;C\r\n")
    if how == "full":
        monkeypatch.setattr(refusals_module, "MOST_BYTES", 100)
    else:

        def refuse(*_args: object, **_more: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(refusals_module, "Beginning", refuse)
    publisher = MemoryPublisher()
    (outcome,), refusals = publish(path, publisher=publisher)
    assert (outcome.events, outcome.refused, len(refusals), len(publisher.sent)) == (1, 2, 2, 1)
    if how == "full":
        assert "the list ends after" in outcome.list_trouble
        assert outcome.refused_file is not None
    else:
        assert outcome.list_trouble == (
            f"no list next to the file: its folder {tmp_path} cannot be written (Permission denied)"
        )
        assert outcome.refused_file is None


FORMULAS = [
    '=HYPERLINK("http://evil.example")',
    "=cmd|' /C calc'!A0",
    "+45 12 34 56 78",
    "-5",
    "@SUM(1)",
    "a,=1+1",
    "a\t=1+1",
    "a|@x",
    "a\n-1",
    'a" =1',
    "\uff1d1+1",
    "\u200b=1",
    "'=1",
    "''+1",
    "'s-Hertogenbosch",
]


@pytest.mark.parametrize("title", FORMULAS, ids=ascii)
def test_refused_rows_are_no_formulas_and_come_back(title: str, tmp_path: Path):
    """No part of a refused row begins like a formula, at any separator, and reading gives it back."""
    path = tmp_path / "export.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, delimiter=";").writerows([["Nr", "CVR", "Dato", "Titel"], ["1", "13748136", "", title]])
    path.with_suffix(".mapping.toml").write_text(MAPPING.replace('encoding = "cp1252"', ""))
    (outcome,), _ = publish(path)
    assert outcome.refused_file is not None
    text = outcome.refused_file.read_text(encoding="utf-8")
    for part in re.split(r'[,;\t|\n"]', text):
        assert unicodedata.normalize("NFKC", part.strip("\u200b ")).lstrip()[:1] not in set("=+-@"), part
    outcome.refused_file.write_text(text.replace("13748136;;", "13748136;2018-05-03;"), encoding="utf-8", newline="")
    again = Table(outcome.refused_file, mapping=path.with_suffix(".mapping.toml"), exported_at=None)
    ((_, event),) = again.records(lambda _: None, {}, None)
    assert not isinstance(event, Refusal)
    assert json.loads(event.value)["data"]["title"] == title


@pytest.mark.parametrize("alone", [True, False])
def test_conflicts_across_files(alone: bool, tmp_path: Path):
    """A file whose activities end with their companies has no conflicts in itself, but may have one with another."""
    ending = export(tmp_path, "WS-1;13748136;2018-05-03;x\r\n", "ending.csv")
    mapping = ending.with_suffix(".mapping.toml")
    mapping.write_text(MAPPING.replace('activity_id = "Nr"', 'activity_id = "{Nr}/{CVR}"'))
    files = [ending]
    if not alone:
        files.append(export(tmp_path, "WS-1/13748136;10150817;2018-05-03;x\r\n", "other.csv"))
    _, refusals = publish(*files)
    assert [(refusal.file, refusal.field) for refusal in refusals] == (
        [] if alone else [(str(file), "activity_id") for file in files]
    )


def test_what_a_worker_would_reject_is_refused(tmp_path: Path):
    """A row whose event a worker would reject is not sent but listed, with all its faults in one row of the list."""
    good, bad = "1;13748136;2018-05-03;A", "2;13748137;2038-05-03;til ane@example.dk"
    path = export(tmp_path, f"{good}\r\n{bad}\r\n")
    publisher = MemoryPublisher()
    (outcome,), refusals = publish(path, publisher=publisher, send_rejected=False)
    assert (outcome.events, outcome.accepted, outcome.rejected, outcome.refused) == (1, 1, 1, 1)
    assert [place.line for *_, place in publisher.sent] == [2]
    assert [(one.line, one.field, one.code, one.value) for one in refusals] == [
        (3, "subject", "invalid_cvr_checksum", "13748137"),
        (3, "occurred_on", "date_too_late", "2038-05-03"),
        (3, "title", "personal_data", "***"),
    ]
    assert "look the number up" in refusals[0].reason
    assert outcome.refused_file is not None
    _, row = csv.reader(outcome.refused_file.read_text("cp1252").splitlines(), delimiter=";")
    assert row[:2] == ["3", "subject, occurred_on, title"]
    assert all(one.reason in row[2] for one in refusals)
    assert ";".join(row[3:]) == bad


def test_what_a_worker_would_reject_can_be_sent(tmp_path: Path):
    """With `send_rejected` such rows are sent; each fault is still reported."""
    path = export(tmp_path, "1;13748136;2018-05-03;A\r\n2;13748137;2018-05-03;B\r\n")
    publisher = MemoryPublisher()
    (outcome,), refusals = publish(path, publisher=publisher, send_rejected=True)
    assert (outcome.events, outcome.accepted, outcome.rejected, outcome.refused) == (2, 1, 1, 0)
    assert [key for key, *_ in publisher.sent] == [b"13748136", None]
    assert [(one.line, one.code, one.sent) for one in refusals] == [(3, "invalid_cvr_checksum", True)]


def test_lines_that_a_worker_would_reject(tmp_path: Path):
    """They are in FILE.refused byte for byte, from where they can be published again when they are fixed."""
    path = tmp_path / "events.jsonl"
    path.write_bytes(event() + b"\r\n" + b"not JSON\r\n" + event(time="1999-05-03T14:05:09Z") + b"\n")
    publisher = MemoryPublisher()
    (outcome,), refusals = publish(path, publisher=publisher, send_rejected=False)
    assert [(key, value) for key, value, _ in publisher.sent] == [(b"13748136", event())]
    assert [(one.line, one.field, one.code) for one in refusals] == [
        (2, "", "invalid_json"),
        (3, "time", "time_too_early"),
    ]
    assert outcome.refused_file is not None
    assert outcome.refused_file.read_bytes() == b"not JSON\r\n" + event(time="1999-05-03T14:05:09Z") + b"\n"
    assert isinstance(open_input(outcome.refused_file, mapping=None, exported_at=None), JsonLines)


@pytest.mark.parametrize(
    ("rows", "some"), [("1;1;2018-05-03;A\r\n", False), ("1;1;;A\r\n2;13748136;2018-05-03;A\r\n", True)]
)
def test_whether_any_would_be_accepted(tmp_path: Path, rows: str, some: bool):
    """A file of which a worker would reject every event is known before it is sent."""
    judge = FileJudge(CLUSTERS, ARRIVED, allow_personal_data=False)
    source = open_input(export(tmp_path, rows), mapping=None, exported_at=None)
    assert accepts_any(source, judge, {}, lambda _: None) is some
