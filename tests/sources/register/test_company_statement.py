"""The rules of the register file, one company at a time."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.company import CompanyVersion, RegisterRow, attributes_as_at, canonical, version_from_row
from sources.register.company_statement import Contradiction, Known, StatedRow, combine, describe, digest, statement

CVR, OTHER, THIRD = "13748136", "13585628", "10150817"
REVISION = 1_580_000_000_000


def stated(line: int, valid_from: str, employees: str = "10", **cells: str) -> StatedRow:
    """A sound row of the file."""
    row = version_from_row({"cvr": CVR, "valid_from": valid_from, "employees": employees, **cells}, REVISION)
    assert isinstance(row, RegisterRow), row
    return StatedRow(line, row)


def combined(*rows: StatedRow) -> list[CompanyVersion]:
    """The versions of sound rows."""
    versions = combine(rows)
    assert not isinstance(versions, Contradiction), versions
    return versions


def told(versions: Sequence[CompanyVersion]) -> list[tuple[str, int | None, str | None, str | None]]:
    """(valid_from, employees, successor, ceased_on) of each version."""
    return [
        (
            str(one.valid_from),
            one.employees,
            str(one.successor_cvr) if one.successor_cvr else None,
            str(one.ceased_on) if one.ceased_on else None,
        )
        for one in versions
    ]


def test_plain_versions_in_any_order():
    """Rows become versions by day, each the whole state."""
    assert told(combined(stated(3, "2015-01-01", "60"), stated(2, "2010-01-01", "5"))) == [
        ("2010-01-01", 5, None, None),
        ("2015-01-01", 60, None, None),
    ]


def test_successor_from_the_row_itself():
    """Without successor_from a successor counts from the row's own day, and is on no later version."""
    rows = [stated(2, "2010-01-01", successor_cvr=OTHER), stated(3, "2015-01-01")]
    assert told(combined(*rows)) == [("2010-01-01", 10, OTHER, None), ("2015-01-01", 10, None, None)]


def test_successor_on_a_day_without_a_version():
    """Where no version starts that day, one is added with the attributes in force."""
    rows = [
        stated(2, "2010-01-01", "5", successor_cvr=OTHER, successor_from="2018-12-31"),
        stated(3, "2015-01-01", "60", successor_cvr=OTHER, successor_from="2018-12-31"),
    ]
    assert told(combined(*rows)) == [
        ("2010-01-01", 5, None, None),
        ("2015-01-01", 60, None, None),
        ("2018-12-31", 60, OTHER, None),
    ]


def test_successor_on_the_day_of_another_version():
    """Where a version starts that day, it carries the successor."""
    rows = [
        stated(2, "2010-01-01", "5", successor_cvr=OTHER, successor_from="2015-01-01"),
        stated(3, "2015-01-01", "60"),
    ]
    assert told(combined(*rows)) == [("2010-01-01", 5, None, None), ("2015-01-01", 60, OTHER, None)]


def test_successor_before_the_first_version():
    """Before the first version the first one's attributes hold."""
    assert told(combined(stated(2, "2010-01-01", "5", successor_cvr=OTHER, successor_from="2009-01-01"))) == [
        ("2009-01-01", 5, OTHER, None),
        ("2010-01-01", 5, None, None),
    ]


def test_end_of_a_company():
    """The end is on the version of its day, added where there is none, and on every later one; not before."""
    rows = [stated(2, "2010-01-01", "5", ceased_on="2018-07-21"), stated(3, "2019-01-01", "7")]
    assert told(combined(*rows)) == [
        ("2010-01-01", 5, None, None),
        ("2018-07-21", 5, None, "2018-07-21"),
        ("2019-01-01", 7, None, "2018-07-21"),
    ]


def test_two_ends():
    """A company that came back and ceased again carries its latest end up to then."""
    rows = [stated(2, "2010-01-01", ceased_on="2012-01-01"), stated(3, "2015-01-01", ceased_on="2017-01-01")]
    assert [one[3] for one in told(combined(*rows))] == [None, "2012-01-01", "2012-01-01", "2017-01-01"]


@pytest.mark.parametrize(
    ("rows", "line", "field"),
    [
        pytest.param(
            [stated(2, "2010-01-01", "5"), stated(3, "2010-01-01", "6")], 3, "valid_from", id="one day, two states"
        ),
        pytest.param(
            [
                stated(2, "2010-01-01", successor_cvr=OTHER, successor_from="2018-01-01"),
                stated(5, "2015-01-01", successor_cvr=THIRD, successor_from="2018-01-01"),
            ],
            5,
            "successor_cvr",
            id="one day, two successors",
        ),
    ],
)
def test_contradictions(rows: list[StatedRow], line: int, field: str):
    """Rows that cannot both hold are found, with the line of the second and the column."""
    found = combine(rows)
    assert isinstance(found, Contradiction)
    assert (found.line, found.field) == (line, field)


def test_repeated_row():
    """The same row twice counts once; two successors on two days are two statements."""
    assert len(combined(stated(2, "2010-01-01"), stated(3, "2010-01-01"))) == 1
    rows = [
        stated(2, "2010-01-01", successor_cvr=OTHER, successor_from="2018-01-01"),
        stated(3, "2010-01-01", successor_cvr=THIRD, successor_from="2019-01-01"),
    ]
    assert [one[2] for one in told(combined(*rows))] == [None, OTHER, THIRD]


DAYS = [f"20{year}-{month}-01" for year in (14, 15, 16) for month in ("01", "07")]
ROWS = st.lists(
    st.tuples(st.sampled_from(DAYS), st.integers(0, 300), st.sampled_from(["", OTHER]), st.sampled_from(["", *DAYS])),
    min_size=1,
    max_size=4,
    unique_by=lambda row: row[0],
)


@given(ROWS)
def test_added_versions_change_no_attribute(drawn: list[tuple[str, int, str, str]]):
    """On every day the company has the attributes of its rows and the successor in force, added versions or not."""
    rows = [
        stated(line, day, str(employees), successor_cvr=successor, successor_from=start if successor else "")
        for line, (day, employees, successor, start) in enumerate(drawn, 2)
    ]
    versions = combined(*rows)
    plain = sorted((one.row for one in rows), key=lambda row: row.valid_from)
    day = date(2013, 12, 1)
    while day < date(2017, 1, 1):
        expected, found = attributes_as_at(plain, day), attributes_as_at(versions, day)
        assert expected is not None
        assert found is not None
        assert found.employees == expected.employees
        merged = any(row.successor_cvr is not None and row.valid_from <= day for row in plain) or any(
            row.successor_from is not None and row.successor_from <= day for row in plain
        )
        assert canonical(int(CVR), day, lambda cvr: versions if cvr == int(CVR) else [])[0] == int(
            OTHER if merged else CVR
        )
        day += timedelta(days=31)


def known(version: CompanyVersion, **changed: Any) -> Known:
    """The topic's state of a version."""
    return Known(**{"revision": version.revision, "withdrawn": False, "digest": digest(version), **changed})


VERSIONS = combined(stated(2, "2010-01-01", "5"), stated(3, "2015-01-01", "60"))
FIRST, SECOND = VERSIONS


def test_first_load():
    """On an empty topic every version is sent and counts as new."""
    sent = statement(VERSIONS, {})
    assert (list(sent.records), sent.changed, sent.withdrawn) == (VERSIONS, 2, 0)


def test_versions_that_the_file_lacks_are_withdrawn():
    """What the topic has beyond the file is withdrawn, once; what is unchanged is sent again, as newly stated."""
    gone, withdrawn = date(2012, 1, 1), date(2013, 1, 1)
    sent = statement(
        VERSIONS,
        {
            FIRST.valid_from: known(FIRST, revision=REVISION - 5),
            gone: Known(REVISION - 5, withdrawn=False, digest=b""),
            withdrawn: Known(REVISION - 5, withdrawn=True, digest=b""),
        },
    )
    assert list(sent.records[:2]) == VERSIONS
    (withdrawal,) = sent.records[2:]
    assert (withdrawal.cvr, withdrawal.valid_from, withdrawal.revision, withdrawal.withdrawn) == (
        int(CVR),
        gone,
        REVISION,
        True,
    )
    assert (sent.changed, sent.withdrawn) == (1, 1)


def test_older_extract_never_wins():
    """One newer record of the company on the topic, a withdrawal too, keeps an older extract out altogether."""
    for withdrawn in (False, True):
        newer = Known(REVISION + 1, withdrawn=withdrawn, digest=b"")
        sent = statement(VERSIONS, {date(1999, 1, 1): newer})
        assert sent.outdated
        assert not sent.records


def test_repetition_is_taken():
    """The same extract again, or after it was broken off, is sent again."""
    withdrawn = Known(REVISION, withdrawn=True, digest=b"")
    for topic in ({FIRST.valid_from: known(FIRST), date(1999, 1, 1): withdrawn}, {SECOND.valid_from: known(SECOND)}):
        assert list(statement(VERSIONS, topic).records) == VERSIONS


@pytest.mark.parametrize(
    "topic",
    [
        pytest.param({FIRST.valid_from: known(FIRST, digest=b"other")}, id="another state"),
        pytest.param({FIRST.valid_from: known(FIRST, withdrawn=True)}, id="withdrawn"),
        pytest.param({date(1999, 1, 1): known(FIRST)}, id="another version"),
    ],
)
def test_two_extracts_of_one_instant(topic: dict[date, Known]):
    """Two different extracts with one as-of instant cannot be distinguished later: the second is not sent."""
    sent = statement(VERSIONS, topic)
    assert sent.clash
    assert not sent.records


def test_faults_in_words():
    """All faults of a row are reported, and the first one's column is the place."""
    faults = version_from_row({"cvr": CVR, "valid_from": "1.1.2010", "employees": "many"}, REVISION)
    assert isinstance(faults, list)
    field, words = describe(faults)
    assert field == "valid_from"
    assert "valid_from '1.1.2010'" in words
    assert "employees 'many'" in words
