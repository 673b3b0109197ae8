"""`publish --verify` on the whole pipeline: what became of each row of a file, and what the file lacks."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from stack import Stack

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

    def write(self, name: str, rows: str) -> Path:
        """A file with its mapping."""
        path = self.folder / name
        path.write_text(HEADER + rows)
        path.with_suffix(".mapping.toml").write_text(MAPPING)
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
