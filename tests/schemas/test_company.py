"""One version of a company: its record on Kafka, the rule of a day, chains of successors."""

import json
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas import company as company_module
from schemas import faults as faults_module
from schemas.classifications import INDUSTRY_SCHEMES, MAX_EMPLOYEES
from schemas.company import (
    LATEST_REVISION_MS,
    MOST_MERGERS,
    CompanyVersion,
    attributes_as_at,
    canonical,
    read_company,
    standing,
)
from schemas.register_dates import FIRST_DAY, LAST_DAY

CVRS = (13748136, 13585628, 10150817, 10000009, 10000017, 10000025)
START = date(2017, 12, 1)
ARRIVED = 1_600_000_000_000

cvrs = st.sampled_from(CVRS)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def industry_codes(scheme: str) -> st.SearchStrategy[tuple[str, str]]:
    length = INDUSTRY_SCHEMES[scheme] - 2
    return st.tuples(st.integers(1, 99), st.text("0123456789", min_size=length, max_size=length)).map(
        lambda parts: (scheme, f"{parts[0]:02d}{parts[1]}")
    )


@st.composite
def versions(draw: st.DrawFn) -> CompanyVersion:
    employees = draw(st.none() | st.integers(0, MAX_EMPLOYEES))
    scheme, industry = draw(st.just(("", "")) | st.sampled_from(sorted(INDUSTRY_SCHEMES)).flatmap(industry_codes))
    return CompanyVersion(
        cvr=draw(cvrs),
        valid_from=draw(st.dates(FIRST_DAY, LAST_DAY)),
        revision=draw(st.integers(0, 2**63 - 1)),
        withdrawn=draw(st.booleans()),
        name=draw(texts),
        legal_form=draw(st.sampled_from(["", "10", "80", "230"])),
        employees=employees,
        employees_is_band=employees is not None and draw(st.booleans()),
        nuts=draw(st.sampled_from(["", "DK01", "DK032", "DK050"])),
        industry_scheme=scheme,
        industry=industry,
        successor_cvr=draw(st.none() | cvrs),
        ceased_on=draw(st.none() | st.dates(FIRST_DAY, LAST_DAY)),
    )


@given(versions())
def test_a_version_survives_kafka(version: CompanyVersion):
    """What is written as key and value is read as the same version, byte for byte again."""
    read = read_company(version.key, version.to_json(), version.revision)
    assert read == version
    assert isinstance(read, CompanyVersion)
    assert read.to_json() == version.to_json()


def test_the_bytes_on_kafka():
    """Key and value are a contract: sorted fields, no spaces, UTF-8."""
    version = CompanyVersion(
        cvr=13748136, valid_from=date(1873, 1, 1), revision=5, name="Ærø", employees=10, employees_is_band=True
    )
    assert version.key == b"13748136/1873-01-01"
    assert version.to_json().decode() == (
        '{"ceased_on":null,"cvr":13748136,"employees":10,"employees_is_band":true,"industry":"",'
        '"industry_scheme":"","legal_form":"","name":"Ærø","nuts":"","revision":5,'
        '"successor_cvr":null,"valid_from":"1873-01-01","withdrawn":false}'
    )


GOOD = {"cvr": 13748136, "valid_from": "2018-01-01", "revision": 5}


def written(**changes: object) -> bytes:
    return json.dumps({**GOOD, **changes}).encode()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(None, [("", "tombstone")], id="tombstone"),
        pytest.param(b"", [("", "invalid_json")], id="empty"),
        pytest.param(b"{", [("", "invalid_json")], id="broken JSON"),
        pytest.param(b"[]", [("", "invalid_json")], id="no object"),
        pytest.param(b'"\xff"', [("", "invalid_utf8")], id="no UTF-8"),
        pytest.param(
            b"{}", [("cvr", "missing"), ("valid_from", "missing"), ("revision", "missing")], id="nothing in it"
        ),
        pytest.param(written(cvr=None), [("cvr", "missing")], id="null for a required field"),
        pytest.param(written(cvr="13748136"), [("cvr", "invalid_type")], id="number as text"),
        pytest.param(written(cvr=12345678), [("cvr", "invalid_cvr_checksum")], id="checksum"),
        pytest.param(written(cvr=-13748136), [("cvr", "invalid_cvr_length")], id="negative"),
        pytest.param(written(cvr=1), [("cvr", "invalid_cvr_length")], id="too small"),
        pytest.param(written(successor_cvr=12345678), [("successor_cvr", "invalid_cvr_checksum")], id="successor"),
        pytest.param(written(valid_from="01-01-2018"), [("valid_from", "invalid_date")], id="Danish date"),
        pytest.param(written(valid_from="0018-01-01"), [("valid_from", "date_too_early")], id="year 18"),
        pytest.param(written(ceased_on="9999-12-31"), [("ceased_on", "date_too_late")], id="no end"),
        pytest.param(written(revision=-1), [("revision", "invalid_type")], id="negative revision"),
        pytest.param(written(employees=-1), [("employees", "invalid_employees")], id="negative employees"),
        pytest.param(written(employees=1.5), [("employees", "invalid_type")], id="half an employee"),
        pytest.param(
            written(employees=None, employees_is_band=True),
            [("employees_is_band", "invalid_employees")],
            id="band without bound",
        ),
        pytest.param(written(nuts="dk01"), [("nuts", "unknown_region")], id="region in lower case"),
        pytest.param(written(legal_form="080"), [("legal_form", "invalid_legal_form")], id="padded legal form"),
        pytest.param(written(kind="company"), [("kind", "extra_field")], id="kind, which follows when read"),
        pytest.param(written(industry="620100"), [("industry", "unknown_industry_scheme")], id="industry alone"),
        pytest.param(
            written(industry="14620", industry_scheme="DB07"), [("industry", "invalid_industry")], id="lost zero"
        ),
        pytest.param(written(name="x" * 501), [("name", "too_long")], id="long name"),
        pytest.param(written(email="a@b.example"), [("email", "extra_field")], id="a field of our own"),
        pytest.param(
            written(cvr=1, name=3, nuts="X"),
            [("cvr", "invalid_cvr_length"), ("name", "invalid_type"), ("nuts", "unknown_region")],
            id="several at once",
        ),
    ],
)
def test_faults_of_a_record(value: bytes | None, expected: list[tuple[str, str]]):
    """A record that cannot be read gives every fault with its field."""
    faults = read_company(b"13748136/2018-01-01", value, ARRIVED)
    assert isinstance(faults, list)
    assert [(fault.field, fault.code) for fault in faults] == expected


def test_unknown_fields_are_masked():
    """A field that the schema does not know may be about a person."""
    faults = read_company(b"13748136/2018-01-01", written(email="a@b.example"), ARRIVED)
    assert isinstance(faults, list)
    assert "a@b.example" not in repr(faults)


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(None, id="none"),
        pytest.param(b"13748136", id="number alone"),
        pytest.param(b"13748136/2018-01-02", id="another day"),
        pytest.param(b"13585628/2018-01-01", id="another company"),
        pytest.param(b"\xff", id="no UTF-8"),
    ],
)
def test_the_key_must_name_the_version(key: bytes | None):
    """Compaction goes by the key, so a key that names another version would delete it."""
    faults = read_company(key, written(), ARRIVED)
    assert isinstance(faults, list)
    assert [(fault.field, fault.code) for fault in faults] == [("", "key_mismatch")]


@pytest.mark.parametrize(
    ("revision", "code"),
    [
        pytest.param(ARRIVED + LATEST_REVISION_MS, None, id="a clock that is a minute fast"),
        pytest.param(ARRIVED + LATEST_REVISION_MS + 1, "revision_in_future", id="just too late"),
        pytest.param(2**63 - 1, "revision_in_future", id="the last of all"),
        pytest.param(2**63, "invalid_type", id="beyond the column"),
        pytest.param(-1, "invalid_type", id="negative"),
    ],
)
def test_a_revision_is_not_later_than_its_arrival(revision: int, code: str | None):
    """A later one would keep every later statement of the company out."""
    read = read_company(b"13748136/2018-01-01", written(revision=revision), ARRIVED)
    assert [(one.field, one.code) for one in read if isinstance(one, faults_module.Fault)] == (
        [] if code is None else [("revision", code)]
    )


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(
    st.none() | st.binary(max_size=30),
    st.binary(max_size=60)
    | st.dictionaries(st.sampled_from(sorted(CompanyVersion.model_fields)), json_values).map(
        lambda fields: json.dumps({**GOOD, **fields}).encode()
    ),
)
def test_reading_never_raises(key: bytes | None, value: bytes):
    """Any bytes give a version or faults with documented codes."""
    read = read_company(key, value, ARRIVED)
    if isinstance(read, list):
        assert read
        assert all(fault.code in faults_module.CODES | company_module.CODES for fault in read)


def test_a_version_cannot_be_changed():
    """Versions are values: caches and registers may share them."""
    with pytest.raises(ValidationError):
        read_company(b"13748136/2018-01-01", written(), ARRIVED).name = "x"  # type: ignore[misc, union-attr]  # it is frozen: that is what is shown


# ---- what holds on a day

offsets = st.integers(0, 6)


@st.composite
def histories(draw: st.DrawFn, cvr: int = CVRS[0], *, withdrawals: bool = True) -> list[CompanyVersion]:
    """Versions of one company within a week, by valid_from, one for each."""
    days = sorted(draw(st.sets(offsets, max_size=5)))
    return [
        CompanyVersion(
            cvr=cvr,
            valid_from=START + timedelta(day),
            revision=1,
            employees=number,
            withdrawn=withdrawals and draw(st.integers(0, 4)) == 0,
            ceased_on=draw(st.none() | offsets.map(lambda n: START + timedelta(n))),
            successor_cvr=draw(st.none() | cvrs),
        )
        for number, day in enumerate(days)
    ]


@pytest.mark.parametrize(
    ("versions_of_days", "day", "expected"),
    [
        pytest.param([(1, None), (5, None)], 0, 1, id="before the first, the first"),
        pytest.param([(1, None), (5, None)], 4, 1, id="the day before the next"),
        pytest.param([(1, None), (5, None)], 5, 5, id="its first day"),
        pytest.param([(1, 9), (5, 9)], 12, 5, id="ceased, no version since"),
        pytest.param([(1, None), (5, 5)], 12, 1, id="ceased, its version of that day"),
        pytest.param([(1, None), (5, 4)], 12, 1, id="ceased, a version of a later day"),
        pytest.param([(1, None), (3, 4), (4, 4), (6, 4)], 12, 3, id="ceased, several versions since"),
        pytest.param([(1, None), (5, 1)], 12, 5, id="ceased on the first day"),
        pytest.param([(1, None), (5, 6)], 5, 5, id="ceases tomorrow"),
        pytest.param([], 5, None, id="no version"),
    ],
)
def test_what_holds(versions_of_days: list[tuple[int, int | None]], day: int, expected: int | None):
    """A version holds until the next; a company that ceased keeps the last one from before that day."""
    history = [
        CompanyVersion(
            cvr=CVRS[0],
            valid_from=date(2018, 1, valid_from),
            revision=1,
            ceased_on=None if ceased_on is None else date(2018, 1, ceased_on),
        )
        for valid_from, ceased_on in versions_of_days
    ]
    held = attributes_as_at(history, date(2018, 1, day) if day else date(2017, 12, 31))
    assert (None if held is None else held.valid_from.day) == expected


@given(histories(), st.integers(-2, 8))
def test_the_rule_of_a_day(history: list[CompanyVersion], offset: int):
    """The answer is that of the rule, written out word for word."""
    day = START + timedelta(offset)
    held = [v for v in history if not v.withdrawn]
    expected = None
    if held:
        until_then = [v for v in held if v.valid_from <= day]
        # The version with the greatest valid_from <= D; before the first, the first.
        expected = until_then[-1] if until_then else held[0]
        # A company that ceased keeps its last attributes from before that day.
        if expected.ceased_on is not None and expected.valid_from >= expected.ceased_on:
            before = [v for v in held if v.valid_from < expected.ceased_on]
            expected = before[-1] if before else expected
    assert attributes_as_at(held, day) == expected


@given(st.lists(st.tuples(offsets, st.integers(0, 3), st.booleans()), max_size=12))
def test_of_each_day_the_highest_revision_holds(drawn: list[tuple[int, int, bool]]):
    """Of one company and day the highest revision holds, of equal ones the first; a withdrawn one does not."""
    listed = [
        CompanyVersion(
            cvr=CVRS[0], valid_from=START + timedelta(day), revision=revision, withdrawn=withdrawn, employees=number
        )
        for number, (day, revision, withdrawn) in enumerate(drawn)
    ]
    expected = []
    for day in sorted({version.valid_from for version in listed}):
        of_day = [version for version in listed if version.valid_from == day]
        newest = max(of_day, key=lambda version: version.revision)  # max gives the first of equals
        if not newest.withdrawn:
            expected.append(newest)
    assert standing(listed) == expected


@given(st.fixed_dictionaries({cvr: histories(cvr).map(standing) for cvr in CVRS[:5]}), cvrs, st.integers(-2, 8))
def test_chains_agree_with_a_walk(register: dict[int, list[CompanyVersion]], cvr: int, offset: int):
    """The end of a chain is reached in fewer steps than there are companies, or there is a cycle."""
    day = START + timedelta(offset)
    links = {
        number: named[-1]
        for number, history in register.items()
        if (named := [v.successor_cvr for v in history if v.successor_cvr and v.valid_from <= day])
    }
    end = cvr
    for _ in CVRS:
        end = links.get(end, end)
    expected = (cvr, True) if end in links else (end, False)
    assert canonical(cvr, day, lambda number: register.get(number, [])) == expected


@pytest.mark.parametrize(
    ("mergers", "expected"),
    [
        pytest.param(MOST_MERGERS, (MOST_MERGERS, False), id="the longest"),
        pytest.param(MOST_MERGERS + 1, (0, True), id="one more"),
        pytest.param(1_000_000, (0, True), id="a million"),
    ],
)
def test_a_long_chain(mergers: int, expected: tuple[int, bool]):
    """A chain is followed up to the bound; with more mergers the company counts as itself, and no more is looked at."""
    asked = []

    def versions_of(number: int) -> list[CompanyVersion]:
        asked.append(number)
        if number == mergers:
            return []
        # The numbers of this test are not CVR numbers, so the check is left out.
        return [
            CompanyVersion.model_construct(
                cvr=number, valid_from=START, revision=1, withdrawn=False, successor_cvr=number + 1, ceased_on=None
            )
        ]

    assert canonical(0, START, versions_of) == expected
    assert len(asked) == MOST_MERGERS + 1


@pytest.mark.parametrize(
    ("links", "expected"),
    [
        pytest.param({}, (CVRS[0], False), id="no successor"),
        pytest.param({0: 1}, (CVRS[1], False), id="merged"),
        pytest.param({0: 1, 1: 2}, (CVRS[2], False), id="chain"),
        pytest.param({0: 0}, (CVRS[0], True), id="into itself"),
        pytest.param({0: 1, 1: 0}, (CVRS[0], True), id="cycle"),
        pytest.param({0: 1, 1: 2, 2: 1}, (CVRS[0], True), id="runs into a cycle"),
    ],
)
def test_ends_of_chains(links: dict[int, int], expected: tuple[int, bool]):
    """A chain that runs into a cycle leaves the company counting as itself."""
    register = {
        CVRS[a]: [CompanyVersion(cvr=CVRS[a], valid_from=START, revision=1, successor_cvr=CVRS[b])]
        for a, b in links.items()
    }
    assert canonical(CVRS[0], START, lambda cvr: register.get(cvr, [])) == expected


def test_a_successor_stays_until_withdrawn():
    """A later version that names no successor does not undo a merger; withdrawing the one that named it does."""
    naming = CompanyVersion(cvr=CVRS[0], valid_from=START, revision=1, successor_cvr=CVRS[1])
    later = CompanyVersion(cvr=CVRS[0], valid_from=START + timedelta(5), revision=1)
    after = START + timedelta(9)

    def counted_as(*history: CompanyVersion) -> int:
        return canonical(CVRS[0], after, lambda cvr: standing(history) if cvr == CVRS[0] else ())[0]

    assert counted_as(naming, later) == CVRS[1]
    assert counted_as(naming.model_copy(update={"withdrawn": True}), later) == CVRS[0]
    assert canonical(CVRS[0], START - timedelta(1), lambda _: [naming]) == (CVRS[0], False)


def test_fields_of_a_record_are_counted_before_they_are_judged():
    """A record of the register with thousands of fields has one fault, not one for each."""
    value = json.dumps({f"x{number}": number for number in range(5_000)}).encode()
    assert read_company(b"k", value, 0) == [("", "too_many_fields", "5000")]
