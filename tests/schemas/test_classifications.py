"""Size bands, regions, industries, legal forms: every form that registers and spreadsheets write."""

import csv
from collections.abc import Callable
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.classifications import (
    INDUSTRY_SCHEMES,
    MAX_EMPLOYEES,
    SIZE_BANDS,
    ClassificationError,
    kind_of,
    municipality_nuts,
    parse_employees,
    parse_industry,
    parse_legal_form,
    parse_region,
    region_of,
    size_band,
)


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(ClassificationError) as caught:
        call()
    return caught.value.code


@given(st.integers(0, 2_000))
def test_a_number_lies_in_its_band(employees: int):
    """The band of a number begins at or below it and ends at or above it."""
    band = size_band(employees)
    first, _, last = band.rstrip("+").partition("-")
    assert band in SIZE_BANDS
    assert int(first) <= employees
    assert employees <= (int(last) if last else 10**9 if band.endswith("+") else int(first))


def test_an_unknown_number_has_the_band_unknown():
    """A company of unknown size is shown as such and never as small."""
    assert size_band(None) == "unknown"


@pytest.mark.parametrize("band", [pytest.param(band, id=band) for band in SIZE_BANDS])
def test_every_interval_code_falls_into_its_band(band: str):
    """An interval code of the CVR register is kept as the lower bound of the band of the same name."""
    first, _, last = band.rstrip("+").partition("-")
    code = "ANTAL_1000_" if band.endswith("+") else f"ANTAL_{first}_{last or first}"
    employees, is_band = parse_employees(code)
    assert size_band(employees) == band
    assert is_band


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", (None, False), id="empty"),
        pytest.param("  ", (None, False), id="blank"),
        pytest.param("0", (0, False), id="none"),
        pytest.param(" 25 ", (25, False), id="number with spaces"),
        pytest.param("0025", (25, False), id="padded"),
        pytest.param("antal_20_49", (20, True), id="lower case"),
        pytest.param("ANTAL_1000", (1000, True), id="largest, bare"),
        pytest.param("ANTAL_1000_999999", (1000, True), id="largest, with an end"),
        pytest.param(str(MAX_EMPLOYEES), (MAX_EMPLOYEES, False), id="largest number"),
    ],
)
def test_employees(text: str, expected: tuple[int | None, bool]):
    """A number is exact, an interval is its lower bound with a mark, nothing is unknown."""
    assert parse_employees(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("-1", id="negative"),
        pytest.param("1.200", id="thousands or decimals"),
        pytest.param("25,0", id="decimal comma"),
        pytest.param("10-19", id="range in words"),
        pytest.param("ANTAL_10_99", id="no such interval"),
        pytest.param("ANTAL_10000", id="no such largest"),
        pytest.param("13748136", id="a CVR number"),
        pytest.param("٢٥", id="other digits"),
        pytest.param("²", id="superscript"),
    ],
)
def test_employees_refused(text: str):
    """Text that could mean two things, or nothing, is refused."""
    assert code_of(lambda: parse_employees(text)) == "invalid_employees"


def table() -> list[dict[str, str]]:
    text = (files("schemas") / "municipality_nuts3.csv").read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


def test_the_municipalities_are_complete():
    """98 municipalities and Christiansø, each in the NUTS 2 region of its NUTS 3 code."""
    rows = table()
    assert sum(row["er_kommune"] == "true" for row in rows) == 98
    assert [row["kommune_navn"] for row in rows if row["er_kommune"] == "false"] == ["Christiansø"]
    assert all(row["nuts3"].startswith(row["nuts2"]) for row in rows)


def test_every_municipality_is_found_with_and_without_zero():
    """A municipality number that lost its zero in a spreadsheet is the same municipality."""
    for row in table():
        assert municipality_nuts(row["kommunekode_4"]) == municipality_nuts(row["kommunekode"]) == row["nuts3"]


@pytest.mark.parametrize(
    "code",
    ["", "0999", "København", "10101", "-101", "101.0"],
    ids=["empty", "unused", "a name", "too long", "negative", "a spreadsheet's decimal"],
)
def test_municipalities_refused(code: str):
    """A number that no municipality has is refused."""
    assert code_of(lambda: municipality_nuts(code)) == "unknown_municipality"


@pytest.mark.parametrize(
    ("region", "municipality", "nuts"),
    [
        pytest.param("", "", "", id="nothing"),
        pytest.param("DK03", "", "DK03", id="NUTS 2"),
        pytest.param(" dk032 ", "", "DK032", id="NUTS 3, lower case"),
        pytest.param("", "461", "DK031", id="municipality"),
        pytest.param("DK03", "0461", "DK031", id="municipality in its NUTS 2"),
        pytest.param("DK031", "461", "DK031", id="municipality in its NUTS 3"),
        pytest.param("DK05", "851", "DK050", id="Nordjylland"),
    ],
)
def test_region_of(region: str, municipality: str, nuts: str):
    """The most detailed code of what is given."""
    assert region_of(region, municipality) == nuts


@pytest.mark.parametrize(
    ("region", "municipality", "code"),
    [
        pytest.param("DK04", "461", "region_disagrees", id="another NUTS 2"),
        pytest.param("DK032", "461", "region_disagrees", id="another NUTS 3"),
        pytest.param("DK", "", "unknown_region", id="the country"),
        pytest.param("DK06", "", "unknown_region", id="no such region"),
        pytest.param("Syddanmark", "", "unknown_region", id="a name"),
        pytest.param("SE11", "", "unknown_region", id="Swedish"),
        pytest.param("DK03", "999", "unknown_municipality", id="no such municipality"),
    ],
)
def test_region_refused(region: str, municipality: str, code: str):
    """Unknown codes are refused, and so is a municipality outside its region."""
    assert code_of(lambda: region_of(region, municipality)) == code


def test_regions_of_the_table_are_known():
    """Every NUTS 2 and NUTS 3 code of the table is a region."""
    for row in table():
        assert parse_region(row["nuts3"]) == row["nuts3"]
        assert parse_region(row["nuts2"]) == row["nuts2"]


@given(st.sampled_from(sorted(INDUSTRY_SCHEMES)), st.data())
def test_industry_codes_survive_a_spreadsheet(scheme: str, data: st.DataObject):
    """A code that lost its leading zero, or came with dots, is the code that it was."""
    length = INDUSTRY_SCHEMES[scheme]
    division = data.draw(st.integers(1, 99))
    code = f"{division:02d}" + data.draw(st.text("0123456789", min_size=length - 2, max_size=length - 2))
    dotted = ".".join(code[at : at + 2] for at in range(0, length, 2))
    for written in (code, str(int(code)), dotted, f" {code} "):
        assert parse_industry(scheme.lower(), written) == (scheme, code)


@pytest.mark.parametrize(
    ("scheme", "code", "expected"),
    [
        pytest.param("DB07", "620100", ("DB07", "620100"), id="as it is"),
        pytest.param("DB25", "14620", ("DB25", "014620"), id="zero restored"),
        pytest.param("NACE2.1", "62.01", ("NACE2.1", "6201"), id="dots of NACE"),
        pytest.param("DB07", "", ("", ""), id="scheme alone"),
        pytest.param("", "", ("", ""), id="nothing"),
        pytest.param("DB07", "", ("", ""), id="unknown"),
    ],
)
def test_industry(scheme: str, code: str, expected: tuple[str, str]):
    """Scheme and code as they are stored."""
    assert parse_industry(scheme, code) == expected


@pytest.mark.parametrize(
    ("scheme", "code", "fault"),
    [
        pytest.param("", "620100", "unknown_industry_scheme", id="no scheme"),
        pytest.param("SIC", "620100", "unknown_industry_scheme", id="foreign scheme"),
        pytest.param("DB07", "6201", "invalid_industry", id="NACE code in DB07"),
        pytest.param("NACE2", "620100", "invalid_industry", id="DB07 code in NACE"),
        pytest.param("DB07", "000100", "invalid_industry", id="division 00"),
        pytest.param("DB07", "62010X", "invalid_industry", id="a letter"),
        pytest.param("DB07", "620100.0", "invalid_industry", id="a spreadsheet's decimal"),
        pytest.param("DB07", "٦٢٠١٠٠", "invalid_industry", id="other digits"),
    ],
)
def test_industry_refused(scheme: str, code: str, fault: str):
    """A code without scheme, or of the wrong length, is refused."""
    assert code_of(lambda: parse_industry(scheme, code)) == fault


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param("", "", id="unknown"),
        pytest.param(" 80 ", "80", id="spaces"),
        pytest.param("080", "80", id="padded"),
    ],
)
def test_legal_form(text: str, code: str):
    """A legal form is its number."""
    assert parse_legal_form(text) == code


@pytest.mark.parametrize(
    "text",
    ["ApS", "1234", "8.0", "-8", "٨٠"],
    ids=["letters", "too long", "a spreadsheet's decimal", "negative", "other digits"],
)
def test_legal_form_refused(text: str):
    """Names and other numbers are not codes."""
    assert code_of(lambda: parse_legal_form(text)) == "invalid_legal_form"


@pytest.mark.parametrize(
    ("legal_form", "listed", "kind"),
    [
        pytest.param("80", False, "company", id="private limited company"),
        pytest.param("", False, "company", id="unknown form"),
        pytest.param("230", False, "other", id="state"),
        pytest.param("245", False, "other", id="region"),
        pytest.param("250", False, "other", id="municipality"),
        pytest.param("90", True, "other", id="listed institution"),
        pytest.param("", True, "other", id="listed, unknown form"),
    ],
)
def test_kind(legal_form: str, listed: bool, kind: str):
    """Public bodies and listed institutions are no companies; an unknown form is one."""
    assert kind_of(legal_form, listed=listed) == kind
