"""Dates and times of a workbook are those that its cells hold."""

import re
import zipfile
from datetime import date, datetime
from pathlib import Path

import pytest
from exported import read, workbook

from sources.files.workbook_moments import restore_moment


@pytest.mark.parametrize(
    ("kind", "stored", "value", "held"),
    [
        pytest.param(
            "d", "2018-12-31T23:30:00Z", datetime(2018, 12, 31, 23, 30), "2018-12-31T23:30:00+00:00", id="UTC"
        ),
        pytest.param(
            "d", "2018-12-31T23:30:00-05:00", datetime(2018, 12, 31, 23, 30), "2018-12-31T23:30:00-05:00", id="offset"
        ),
        pytest.param("d", "2018-12-31T23:30:00.000", datetime(2018, 12, 31, 23, 30), "2018-12-31T23:30:00", id="local"),
        pytest.param("d", "2018-12-31", date(2018, 12, 31), "2018-12-31", id="day"),
        pytest.param("n", "43465.99999999537", datetime(2019, 1, 1), "2018-12-31T23:59:59.999000", id="end of a year"),
        pytest.param("n", "43466", datetime(2019, 1, 1), "2019-01-01T00:00:00", id="beginning of a year"),
        pytest.param("n", "43466.000000001", datetime(2019, 1, 1), "2019-01-01T00:00:00", id="a little after it"),
    ],
)
def test_moments_are_what_the_cell_holds(kind: str, stored: str, value: date, held: str):
    """A zone is kept, and no fraction carries a time into the next day."""
    cell = {"value": value}
    restore_moment(cell, kind, stored)
    assert cell["value"].isoformat() == held


def test_instants_of_a_workbook(tmp_path: Path):
    """The day of an instant that a cell holds is its day in Denmark."""
    path = workbook(tmp_path, lambda _: None)
    with zipfile.ZipFile(path) as book:
        parts = {name: book.read(name) for name in book.namelist()}
    name = "xl/worksheets/sheet1.xml"
    parts[name] = re.sub(
        rb'<c r="C2"[^>]*><v>[^<]*</v></c>', b'<c r="C2" t="d"><v>2018-12-31T23:30:00Z</v></c>', parts[name]
    )
    with zipfile.ZipFile(path, "w") as book:
        for part, content in parts.items():
            book.writestr(part, content)
    [event], _ = read(path)
    assert event["data"]["occurred_on"] == "2019-01-01"
