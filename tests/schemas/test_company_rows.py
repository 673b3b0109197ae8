"""Rows of a register file: what an empty cell means, what spreadsheets do to codes, what is refused."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.company import (
    OPTIONAL_COLUMNS,
    REQUIRED_COLUMNS,
    CompanyVersion,
    RegisterRow,
    read_company,
    version_from_row,
)

ARRIVED = 1_600_000_000_000
ROW = {
    "cvr": "13748136",
    "valid_from": "2018-01-01",
    "name": "Ærø Værft",
    "legal_form": "80",
    "employees": "25",
    "region": "DK031",
    "industry_scheme": "DB07",
    "industry": "301100",
    "successor_cvr": "",
    "successor_from": "",
}


def read(**cells: str) -> RegisterRow:
    row = version_from_row({**ROW, **cells}, 7)
    assert isinstance(row, RegisterRow), row
    return row


def refused(**cells: str) -> list[tuple[str, str]]:
    faults = version_from_row({**ROW, **cells}, 7)
    assert isinstance(faults, list), faults
    return [(fault.field, fault.code) for fault in faults]


def test_a_full_row():
    """Every cell finds its field."""
    assert read().version == CompanyVersion(
        cvr=13748136,
        valid_from=date(2018, 1, 1),
        revision=7,
        name="Ærø Værft",
        legal_form="80",
        employees=25,
        nuts="DK031",
        industry_scheme="DB07",
        industry="301100",
    )


def test_an_empty_cell_is_unknown():
    """Only the number and the day are needed; optional columns may be absent; a short row has no cells at its end."""
    row = version_from_row({"cvr": "13748136", "valid_from": "2018-01-01", "name": None}, 7)
    assert isinstance(row, RegisterRow)
    assert row.version == CompanyVersion(cvr=13748136, valid_from=date(2018, 1, 1), revision=7)


@pytest.mark.parametrize(
    ("cells", "field", "value"),
    [
        pytest.param({"cvr": "DK 13 74 81 36"}, "cvr", 13748136, id="number as printed"),
        pytest.param({"valid_from": "1873-01-01"}, "valid_from", date(1873, 1, 1), id="an old company"),
        pytest.param({"employees": "ANTAL_20_49"}, "employees", 20, id="lower bound of an interval"),
        pytest.param({"employees": "ANTAL_20_49"}, "employees_is_band", True, id="mark of an interval"),
        pytest.param({"employees": ""}, "employees", None, id="unknown size"),
        pytest.param({"region": "", "municipality": "492"}, "nuts", "DK031", id="municipality"),
        pytest.param({"region": "DK01", "municipality": "101"}, "nuts", "DK011", id="municipality without zero"),
        pytest.param({"region": "DK03"}, "nuts", "DK03", id="NUTS 2"),
        pytest.param({"industry": "14620"}, "industry", "014620", id="industry without zero"),
        pytest.param({"industry": ""}, "industry_scheme", "", id="scheme without industry"),
        pytest.param({"ceased_on": "2019-06-30"}, "ceased_on", date(2019, 6, 30), id="ceased"),
        pytest.param({"name": "  Ærø  "}, "name", "Ærø", id="spaces round a name"),
    ],
)
def test_cells(cells: dict[str, str], field: str, value: object):
    """A cell is brought into the form in which the ledger stores it."""
    assert getattr(read(**cells).version, field) == value


@pytest.mark.parametrize(
    ("cells", "own", "other"),
    [
        pytest.param({}, None, (None, None), id="none"),
        pytest.param({"successor_cvr": "13585628"}, 13585628, (None, None), id="from the row's day"),
        pytest.param(
            {"successor_cvr": "13585628", "successor_from": "2018-01-01"},
            13585628,
            (None, None),
            id="the same day stated",
        ),
        pytest.param(
            {"successor_cvr": "13585628", "successor_from": "2018-12-31"},
            None,
            (13585628, date(2018, 12, 31)),
            id="a later day",
        ),
        pytest.param(
            {"successor_cvr": "13585628", "successor_from": "2017-12-31"},
            None,
            (13585628, date(2017, 12, 31)),
            id="an earlier day",
        ),
    ],
)
def test_successors(cells: dict[str, str], own: int | None, other: tuple[int | None, date | None]):
    """A successor that counts from another day is not named in this version, and is returned with it for the loader."""
    row = read(**cells)
    assert row.successor_cvr == row.version.successor_cvr == own
    assert (row.other_successor, row.successor_from) == other
    assert read_company(row.key, row.to_json(), ARRIVED) == row.version


@pytest.mark.parametrize(
    ("cells", "faults"),
    [
        pytest.param({"cvr": ""}, [("cvr", "missing")], id="no number"),
        pytest.param({"valid_from": " "}, [("valid_from", "missing")], id="no day"),
        pytest.param({"cvr": "12345678"}, [("cvr", "invalid_cvr_checksum")], id="checksum"),
        pytest.param({"cvr": "1374813"}, [("cvr", "invalid_cvr_length")], id="length"),
        pytest.param({"cvr": "SE5560125790"}, [("cvr", "unsupported_identifier")], id="foreign"),
        pytest.param({"valid_from": "01-01-2018"}, [("valid_from", "invalid_date")], id="Danish date"),
        pytest.param({"ceased_on": "9999-12-31"}, [("ceased_on", "date_too_late")], id="ceased never"),
        pytest.param({"name": "x" * 501}, [("name", "too_long")], id="long name"),
        pytest.param({"legal_form": "ApS"}, [("legal_form", "invalid_legal_form")], id="form in letters"),
        pytest.param({"employees": "1.200"}, [("employees", "invalid_employees")], id="thousands"),
        pytest.param({"region": "Fyn"}, [("region", "unknown_region")], id="region in words"),
        pytest.param({"municipality": "999"}, [("municipality", "unknown_municipality")], id="municipality"),
        pytest.param({"municipality": "101"}, [("municipality", "region_disagrees")], id="disagreement"),
        pytest.param({"industry_scheme": ""}, [("industry_scheme", "unknown_industry_scheme")], id="no scheme"),
        pytest.param({"industry": "3011"}, [("industry", "invalid_industry")], id="industry too short"),
        pytest.param({"successor_cvr": "1"}, [("successor_cvr", "invalid_cvr_length")], id="successor"),
        pytest.param({"successor_cvr": "DK13748136"}, [("successor_cvr", "successor_is_itself")], id="itself"),
        pytest.param({"successor_from": "2018-12-31"}, [("successor_cvr", "missing")], id="day without successor"),
        pytest.param(
            {"cvr": "1", "employees": "x", "region": "y", "industry": "z"},
            [
                ("cvr", "invalid_cvr_length"),
                ("employees", "invalid_employees"),
                ("region", "unknown_region"),
                ("industry", "invalid_industry"),
            ],
            id="several at once",
        ),
    ],
)
def test_refused_rows(cells: dict[str, str], faults: list[tuple[str, str]]):
    """A row is refused with all of its faults, each with its column."""
    assert refused(**cells) == faults


cells = st.text(max_size=12) | st.sampled_from(
    ["", "13748136", "DK13585628", "2018-01-01", "ANTAL_5_9", "12", "DK03", "101", "DB07", "14620", "80"]
)


@given(st.dictionaries(st.sampled_from(REQUIRED_COLUMNS + OPTIONAL_COLUMNS), cells))
def test_any_row_is_a_version_or_faults(row: dict[str, str]):
    """With any text in the cells, the row is refused or becomes a version that Kafka carries."""
    found = version_from_row(row, 7)
    if isinstance(found, list):
        assert found
        assert {fault.field for fault in found} <= set(REQUIRED_COLUMNS + OPTIONAL_COLUMNS)
    else:
        assert read_company(found.key, found.to_json(), ARRIVED) == found.version
