"""`publish --verify` and `--snapshot` on the whole pipeline: what became of a file, what a full export takes back."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from stack import SAMPLE, Stack

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

MAPPING = """
source = "https://crm.foodbio.example"
type = "workshop.attended"
[fields]
subject = "CVR"
activity_id = "{Nr}/{CVR}"
occurred_on = "Dato"
time = "Tid"
title = "Titel"
"""
HEADER = "Nr;CVR;Dato;Tid;Titel\n"
FIRST = """1;13748136;2018-05-03;2018-06-01T08:00:00Z;A
2;13748136;2018-05-04;2018-06-01T08:00:00Z;B
3;13585628;2018-05-05;2018-06-01T08:00:00Z;C
4;13585628;2018-05-06;2018-06-01T08:00:00Z;D
5;13585627;2018-05-06;2018-06-01T08:00:00Z;E
"""
SECOND = """1;13748136;2018-05-03;2018-06-01T08:00:00Z;A
2;13748136;2018-05-04;2018-05-01T08:00:00Z;another
3;13585628;2018-05-05;2018-06-02T08:00:00Z;newer
5;13585627;2018-05-06;2018-06-01T08:00:00Z;E
6;13748136;;2018-06-01T08:00:00Z;F
7;13585628;2018-05-07;2018-06-01T08:00:00Z;G
1;13748136;2018-05-03;2018-06-01T08:00:00Z;A
"""


class Files:
    """A stack, and a folder with files to publish."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self.stack = stack
        self.folder = folder

    def write(self, name: str, rows: str, source: str = "foodbio") -> Path:
        """A file with its mapping."""
        path = self.folder / name
        path.write_text(HEADER + rows)
        path.with_suffix(".mapping.toml").write_text(MAPPING.replace("foodbio", source))
        return path

    def publish(self, path: Path, *options: str, expect: int = 0) -> Any:
        """The JSON answer of `publish`, when everything sent is counted."""
        answer = json.loads(self.stack.run("publish", str(path), "--json", *options, expect=expect).stdout)
        self.stack.wait_counted(60)
        return answer


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Files]:
    """A stack with a worker; the first file is counted."""
    folder = tmp_path_factory.mktemp("files")
    stack = Stack(folder)
    try:
        stack.start_worker("worker")
        files = Files(stack, folder)
        files.publish(files.write("first.csv", FIRST), "--send-invalid")
        yield files
    finally:
        stack.close()


def test_what_was_just_counted(files: Files):
    """Each row is counted as it is, but the one that a worker rejected; the file lacks nothing."""
    done = files.stack.run("publish", "--verify", "--json", str(files.folder / "first.csv"), expect=1)
    (answer,) = json.loads(done.stdout)["files"]
    assert {status: number for status, number in answer["rows"].items() if number} == {"counted": 4, "rejected": 1}
    (row,) = answer["not_as_in_file"]
    assert (row["line"], row["status"]) == (6, "rejected")
    assert row["why"].startswith(
        "subject: the CVR number fails its modulus 11 check (13585627); see activity.events.v1/"
    )
    assert (answer["days"], answer["lacking"]) == ({"https://crm.foodbio.example": ["2018-05-03", "2018-05-06"]}, 0)


def test_what_became_of_each_row(files: Files):
    """Counted, counted with other content, duplicate, rejected, never arrived and refused, and what the file lacks."""
    path = files.write("second.csv", SECOND)
    done = files.stack.run("publish", "--verify", "--json", str(path), expect=1)
    (answer,) = json.loads(done.stdout)["files"]
    found = {row["line"]: (row["status"], row["why"]) for row in answer["not_as_in_file"]}
    assert answer["rows"]["counted"] == 1
    assert found[3] == ("other_content", "another version holds, this one did not arrive")
    assert found[4] == ("missing", "an older version holds")
    assert found[5][0] == "rejected"
    assert found[6] == ("refused", "occurred_on: is empty")
    assert found[7] == ("missing", "the ledger has no version of it")
    assert found[8] == ("duplicate", "says the same as line 2")
    (other,) = [row for row in answer["not_as_in_file"] if row["line"] == 3]
    assert other["differences"] == [{"field": "title", "file": "another", "ledger": "B"}]
    assert [one["activity_id"] for one in answer["lacks"]] == ["4/13585628"]
    text = files.stack.run("publish", "--verify", str(path), expect=1).stdout
    assert "line 3: 2/13748136 is counted with other content: another version holds" in text
    assert "title: another in the file, B in the ledger" in text
    assert "1 that the ledger counts in these days and the file lacks:\n    4/13585628  13585628  2018-05-06" in text


def test_a_later_version_holds(files: Files):
    """Of a row that was replaced since, the answer says by what; a retraction counts as a row that holds."""
    later = files.write("later.csv", "9;13748136;2018-07-01;2018-08-01T08:00:00Z;new\n")
    old = files.write("old.csv", "9;13748136;2018-07-02;2018-07-31T08:00:00Z;old\n")
    files.publish(old)
    files.publish(later)
    (answer,) = json.loads(files.stack.run("publish", "--verify", "--json", str(old), expect=1).stdout)["files"]
    (row,) = answer["not_as_in_file"]
    assert (row["status"], row["why"]) == ("other_content", "a later version holds")
    assert [one["field"] for one in row["differences"]] == ["occurred_on", "title"]
    files.stack.run("publish", "--verify", str(later))


def test_long_names_fit_a_request(files: Files):
    """Many ids of 200 letters that are no ASCII are looked up like any other."""
    rows = "".join(f"{'æ' * 185}{n:05};13748136;2018-05-03;2018-06-01T08:00:00Z;A\n" for n in range(1_200))
    path = files.write("long.csv", rows)
    (answer,) = json.loads(files.stack.run("publish", "--verify", "--json", str(path), expect=1).stdout)["files"]
    assert answer["rows"]["missing"] == 1_200


FULL = [f"{n};13748136;2022-05-{n:02};2022-06-01T08:00:00Z;A" for n in range(1, 31)]
AS_OF = "--exported-at=2022-07-01T08:00:00Z"


def export(files: Files, *without: int, more: str = "") -> Path:
    """A full export of 30 activities, without some of them."""
    rows = [row for number, row in enumerate(FULL, 1) if number not in without]
    return files.write("full.csv", "\n".join(rows) + "\n" + more, "made")


def counted(files: Files) -> set[int]:
    """The numbers of the activities that count."""
    rows = files.stack.query("SELECT activity_id FROM impact.activity FINAL WHERE source = 'https://crm.made.example'")
    return {int(name.split("/")[0]) for (name,) in rows}


@pytest.fixture
def full(files: Files) -> set[int]:
    """All thirty are counted."""
    files.publish(export(files))
    return set(range(1, 31))


def test_what_an_export_lacks_is_retracted(files: Files, full: set[int]):
    """With the time and the instant of the export as reason; repeated it retracts nothing more."""
    path = export(files, 7)
    answer = files.publish(path, "--snapshot", AS_OF)
    (source,) = answer["snapshot"]["sources"]
    assert (source["held"], source["retracted"], source["newer"], answer["snapshot"]["percent"]) == (30, 1, 0, 3.33)
    assert counted(files) == full - {7}
    rows = files.stack.query(
        "SELECT details, toString(recorded_at), company_id FROM impact.activity_revision WHERE is_deleted = 1 "
        "AND source = 'https://crm.made.example'"
    )
    reason = '{"reason":"absent from the export of 2022-07-01T08:00:00Z"}'
    assert rows == [(reason, "2022-07-01 08:00:00.000", 13748136)]
    again = files.publish(path, "--snapshot", AS_OF)
    assert again["snapshot"]["retracted"] == 0
    assert counted(files) == full - {7}


def test_what_is_in_a_later_export_again_comes_back(files: Files):
    """Though its own time is earlier than the retraction's; a retraction by a person stays."""
    retraction = {
        "specversion": "1.0",
        "id": "r-8",
        "source": "https://crm.made.example",
        "type": "org.clustertrack.activity.retracted.v1",
        "subject": "13748136",
        "time": "2022-06-15T08:00:00Z",
        "data": {"activity_id": "8/13748136", "reason": "entered twice"},
    }
    (files.folder / "retraction.jsonl").write_text(json.dumps(retraction))
    files.publish(files.folder / "retraction.jsonl")
    answer = files.publish(export(files), "--snapshot", "--exported-at=2022-07-02T08:00:00Z")
    assert answer["snapshot"]["revived"] == 1
    assert counted(files) == set(range(1, 31)) - {8}
    days = files.stack.query("SELECT toString(occurred_on) FROM impact.activity FINAL WHERE activity_id = '7/13748136'")
    assert days == [("2022-05-07",)]


def test_a_large_share_needs_yes(files: Files):
    """Above 5 %, or what --at-most says, nothing is sent; --yes retracts."""
    path = export(files, 8, 1, 2, 3, 30)
    before = counted(files)
    assert before == set(range(1, 31)) - {8}
    later = "--exported-at=2022-07-03T08:00:00Z"
    whole = ("--from=2022-05-01", "--to=2022-05-31")
    done = files.stack.run("publish", str(path), "--snapshot", later, *whole, expect=1)
    assert "1. maj 2022 to 31. maj 2022: 29 counted, 4 of them absent (13.8 %)" in done.stdout
    assert "13.8 % of what is counted would be retracted, more than 5 %: nothing was sent" in done.stderr
    dry = files.stack.run("publish", str(path), "--snapshot", later, *whole, "--dry-run").stdout
    assert "13.8 % is so much that it is only retracted with --yes" in dry
    assert "4 retractions would be sent" in dry
    assert dry.rstrip().endswith("--snapshot --from 2022-05-01 --to 2022-05-31")
    files.stack.wait_counted(60)
    assert counted(files) == before
    files.publish(path, "--snapshot", later, *whole, "--at-most=20")
    assert counted(files) == before - {1, 2, 3, 30}


def test_a_file_with_refused_rows_retracts_nothing(files: Files):
    """The refused row may be the one that seems to be absent."""
    before = counted(files)
    path = export(files, 8, 1, 2, 3, 30, 4, more="4;13748136;;2022-06-01T08:00:00Z;A\n")
    answer = files.publish(path, "--snapshot", "--exported-at=2022-07-04T08:00:00Z", "--yes", expect=1)
    assert (answer["refused"], answer["snapshot"]["refused"], answer["snapshot"]["retracted"]) == (1, 1, 0)
    assert counted(files) == before


def test_what_was_recorded_after_the_export_stays(files: Files):
    """An activity that was entered or corrected after the export was made cannot be in it."""
    files.publish(files.write("new.csv", "40;13748136;2022-05-20;2022-08-01T08:00:00Z;A\n", "made"))
    before = counted(files)
    path = export(files, 8, 1, 2, 3, 30)
    answer = files.publish(path, "--snapshot", "--exported-at=2022-07-05T08:00:00Z")
    (source,) = answer["snapshot"]["sources"]
    assert (source["retracted"], source["newer"]) == (0, 1)
    assert 40 in before
    assert counted(files) == before


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        pytest.param(
            "1900-01-01", "1950-01-01", "no row of it on these days, only 1. maj 2022 to 30. maj 2022", id="before 1970"
        ),
        pytest.param("2020-06-01", "9999-12-31", "1. juni 2020 to 6. juni 2149: ", id="an open end"),
        pytest.param("2023-01-01", None, "nothing is compared, as its rows are on other days", id="after its rows"),
    ],
)
def test_days_on_which_the_export_has_no_row(files: Files, first: str, last: str | None, said: str):
    """It is said that nothing of the file is on them; days that no ledger has are cut."""
    days = [f"--from={first}", *([f"--to={last}"] if last else [])]
    plan = files.stack.run("publish", str(export(files)), "--snapshot", AS_OF, *days, "--dry-run").stdout
    assert said in plan


CLEAN = 'slug = "clean"\nname = "CLEAN"'


def without_source(text: str) -> str:
    """The source has another name."""
    return text.replace("https://crm.clean.example", "https://crm.clean-new.example")


def second_cluster(text: str) -> str:
    """The source speaks for another cluster too."""
    return text.replace("https://crm.energycluster.example", "https://crm.clean.example")


def other_slug(text: str) -> str:
    """The cluster has another slug."""
    return text.replace(CLEAN, 'slug = "clean-green"\nname = "CLEAN"')


@pytest.mark.parametrize("change", [without_source, second_cluster, other_slug])
def test_what_counts_is_counted_by_any_registry(files: Files, change: Callable[[str], str]):
    """A change of the registry does not undo what was counted: the row is, by the revision that decided it, and the
    file's days are still compared.
    """
    path = files.write("clean.csv", "1;13748136;2022-05-03;2022-06-01T08:00:00Z;A\n", "clean")
    both = files.write("both.csv", path.read_text().removeprefix(HEADER) + "2;13748136;2022-05-03;;B\n", "clean")
    files.publish(path)
    ((revision,),) = files.stack.query(
        "SELECT DISTINCT registry_revision FROM activity_revision WHERE source = 'https://crm.clean.example' "
        "AND activity_id = '1/13748136'"
    )
    changed = files.folder / "changed.toml"
    changed.write_text(change(SAMPLE.read_text(encoding="utf-8")), encoding="utf-8")
    files.stack.load_registry(changed)
    try:
        (answer,) = json.loads(files.stack.run("publish", "--verify", "--json", str(path)).stdout)["files"]
        text = files.stack.run("publish", "--verify", str(both), expect=1).stdout
    finally:
        files.stack.load_registry(SAMPLE)
    assert (answer["rows"]["counted"], answer["not_as_in_file"]) == (1, [])
    assert answer["decided_by"] == [{"registry_revision": revision, "rows": 1}]
    assert answer["days"] == {"https://crm.clean.example": ["2022-05-03", "2022-05-03"]}
    assert f"1 of these was decided by revision {revision} of the registry" in text
    assert "1  counted as in the file" in text
    assert "1  row that cannot become an event" in text
