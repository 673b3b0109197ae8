"""The rules of a day in Python and in the ledger's views are the same rules."""

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Protocol

import pytest
from clickhouse_connect.driver.client import Client

from schemas.classifications import OTHER_FORMS, UNKNOWN, kind_of
from schemas.clusters import Cluster
from schemas.company import MOST_MERGERS, CompanyVersion, attributes_as_at, canonical, standing
from schemas.cvr import CvrError, parse_cvr
from schemas.registry_document import Institution, Registry
from sinks.clickhouse import ClickHouse, connect
from sinks.migrator import migrate

pytestmark = pytest.mark.integration

COLUMNS = (
    "company_id", "valid_from", "revision", "is_deleted", "name", "legal_form", "employees",
    "employees_is_band", "nuts", "industry_scheme", "industry", "successor_id", "ceased_on", "known_at",
)  # fmt: skip
KNOWN = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = [date(2017, 12, 30) + timedelta(n) for n in range(6)]
LONG_AGO = [date(1873, 1, 1), date(1899, 12, 31), date(1900, 1, 1), date(1969, 12, 31)]
COMPANIES = 600


class _Address(Protocol):
    host: str
    port: int


@pytest.fixture
def ledger(clickhouse: _Address, database: str) -> Iterator[Client]:
    """A client of a migrated database of the test's own."""
    client = connect(ClickHouse(host=clickhouse.host, port=clickhouse.port, database=database))
    migrate(client, database)
    yield client
    client.close()


def _numbers(rng: random.Random) -> list[int]:
    found: set[int] = set()
    while len(found) < COMPANIES:
        try:
            found.add(parse_cvr(str(rng.randrange(10_000_000, 100_000_000))))
        except CvrError:
            continue
    return sorted(found)


def _history(rng: random.Random, cvr: int, numbers: list[int]) -> list[CompanyVersion]:
    """Up to five days with up to three revisions each, in the order of arrival."""
    versions: list[CompanyVersion] = []
    for day in rng.sample(DAYS + LONG_AGO, rng.randint(0, 5)):
        # Mergers are close together, so that chains are long and some lead back to themselves.
        successor = numbers[(numbers.index(cvr) + rng.choice([-2, -1, 1, 1, 2, 3])) % len(numbers)]
        revisions = rng.sample(range(1, 9), rng.choice([1, 1, 2, 3]))
        versions += [_version(rng, cvr, day, revision, successor) for revision in revisions]
    return versions


def _version(rng: random.Random, cvr: int, day: date, revision: int, successor: int) -> CompanyVersion:
    return CompanyVersion(
        cvr=cvr,
        valid_from=day,
        revision=revision,
        withdrawn=rng.random() < 0.15,
        name=f"{cvr} of {day} by {revision}",
        legal_form=rng.choice(["", "80", "250"]),
        employees=rng.choice([None, 0, 49, 50, 1000]),
        nuts=rng.choice(["", "DK03", "DK032"]),
        industry_scheme="DB07",
        industry=rng.choice(["014620", "620100"]),
        successor_cvr=successor if rng.random() < 0.4 else None,
        ceased_on=rng.choice([None, None, *DAYS, *LONG_AGO]),
    )


def _stored(version: CompanyVersion) -> list[object]:
    return [
        version.cvr, version.valid_from, version.revision, int(version.withdrawn), version.name, version.legal_form,
        version.employees, int(version.employees_is_band), version.nuts, version.industry_scheme,
        version.industry, version.successor_cvr or 0, version.ceased_on, KNOWN,
    ]  # fmt: skip


Row = tuple[int, int, bool, str, int | None, str, str, str, str]


def _institutions(rng: random.Random, numbers: list[int]) -> Registry:
    """A tenth of the companies, each in a span of days."""
    listed = [
        Institution(cvr=cvr, valid_from=min(span), valid_to=rng.choice([None, max(span)]), reason="r")
        for cvr in rng.sample(numbers, COMPANIES // 10)
        for span in [rng.sample(DAYS + LONG_AGO, 2)]
    ]
    cluster = Cluster(slug="c", name="C", valid_from=DAYS[0], sources=("s",))
    return Registry(revision=1, clusters=(cluster,), institutions=tuple(listed))


def _expected(register: dict[int, list[CompanyVersion]], registry: Registry, cvr: int, day: date) -> Row:
    counted_as, in_cycle = canonical(cvr, day, lambda number: register.get(number, []))
    company = attributes_as_at(register.get(counted_as, []), day)
    listed = any(one.cvr == counted_as and one.holds(day) for one in registry.institutions)
    if company is None:
        return cvr, counted_as, in_cycle, "", None, UNKNOWN, UNKNOWN, UNKNOWN, kind_of("", listed=listed)
    return (
        cvr, counted_as, in_cycle, company.name, company.employees, company.nuts or UNKNOWN,
        company.industry or UNKNOWN, company.legal_form or UNKNOWN, kind_of(company.legal_form, listed=listed),
    )  # fmt: skip


@pytest.mark.parametrize("seed", [pytest.param(seed, id=f"seed {seed}") for seed in range(3)])
def test_company_at(ledger: Client, seed: int):
    """On every day, the view names the same successor, cycle and attributes of every company as the functions."""
    rng = random.Random(seed)
    numbers = _numbers(rng)
    histories = {cvr: _history(rng, cvr, numbers) for cvr in numbers}
    ledger.insert("company_version", [_stored(v) for h in histories.values() for v in h], column_names=COLUMNS)
    register = {cvr: held for cvr, history in histories.items() if (held := standing(history))}
    registry = _institutions(rng, numbers)
    ledger.insert(
        "registry_version", [[1, registry.to_json(), KNOWN]], column_names=["revision", "content", "known_at"]
    )
    seen_cycles, seen_merged, seen_missing, seen_listed = 0, 0, 0, 0
    for day in [date(1970, 1, 1), *DAYS, date(2030, 1, 1)]:
        rows = ledger.query(
            "SELECT company_id, canonical_id, in_cycle, name, employees, nuts, industry, legal_form, kind "
            "FROM company_at(as_at = {as_at:Date}, known = {known:DateTime64(3, 'UTC')}) ORDER BY company_id",
            parameters={"as_at": day, "known": "2200-01-01 00:00:00"},
        ).result_rows
        found = [(cvr, counted_as, bool(in_cycle), *rest) for cvr, counted_as, in_cycle, *rest in rows]
        assert found == [_expected(register, registry, cvr, day) for cvr in sorted(register)]
        seen_cycles += sum(row[2] for row in found)
        seen_merged += sum(row[0] != row[1] for row in found)
        seen_missing += sum(row[1] not in register for row in found)
        seen_listed += sum(row[-1] == "other" and row[-2] not in OTHER_FORMS for row in found)
    assert min(seen_cycles, seen_merged, seen_missing, seen_listed) > 50, "the histories show too little"


def test_days_before_1900(ledger: Client):
    """The ledger keeps a company of 1873, and a typo in the year 1000, as they are."""
    days = [date(1000, 1, 1), date(1873, 1, 1), date(1899, 12, 31), date(1900, 1, 1), date(2149, 6, 6)]
    versions = [CompanyVersion(cvr=13748136, valid_from=day, revision=1, ceased_on=day) for day in days]
    ledger.insert("company_version", [_stored(version) for version in versions], column_names=COLUMNS)
    rows = ledger.query(
        "SELECT toString(valid_from), toString(ceased_on) FROM company_version ORDER BY valid_from"
    ).result_rows
    assert rows == [(day.isoformat(), day.isoformat()) for day in days]


def test_long_chains_of_mergers(ledger: Client):
    """A chain is followed as far as workers follow it; with one merger more the company counts as itself, marked."""
    numbers = _numbers(random.Random(0))
    versions = [
        CompanyVersion(cvr=cvr, valid_from=DAYS[0], revision=1, successor_cvr=following)
        for cvr, following in pairwise(numbers)
    ]
    ledger.insert("company_version", [_stored(version) for version in versions], column_names=COLUMNS)
    register = {version.cvr: [version] for version in versions}
    rows = ledger.query(
        "SELECT company_id, canonical_id, in_cycle FROM company_canonical(as_at = '2018-12-31', "
        "known = '2200-01-01 00:00:00') ORDER BY company_id"
    ).result_rows
    expected = [(cvr, *canonical(cvr, DAYS[0], lambda number: register.get(number, []))) for cvr in numbers[:-1]]
    assert [(cvr, end, bool(in_cycle)) for cvr, end, in_cycle in rows] == expected
    assert sum(in_cycle for _, _, in_cycle in rows) == len(versions) - MOST_MERGERS


def test_many_versions_of_one_company(ledger: Client):
    """Memory grows with the versions of a company and no faster, so no number of them stops the reports on all."""
    versions = [
        CompanyVersion(cvr=13748136, valid_from=day, revision=1, employees=n, ceased_on=day if n % 2 else None)
        for n, day in enumerate(date(1900, 1, 1) + timedelta(n) for n in range(20_000))
    ]
    ledger.insert("company_version", [_stored(version) for version in versions], column_names=COLUMNS)
    rows = ledger.query(
        "SELECT employees, length(sizes) FROM company_at(as_at = '2018-12-31', known = '2200-01-01 00:00:00')",
        # Half the versions take their attributes from others; a copy of all for each of them would be many GB.
        settings={"max_memory_usage": 500_000_000},
    ).result_rows
    assert rows == [(19_998, 20_000)]
