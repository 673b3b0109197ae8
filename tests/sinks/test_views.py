"""Every view of the ledger after a migration, and the figures of a small history that is counted by hand.

The history: A (30 employees) and the unknown E are helped once; B (60) launches a product, its workshop is retracted;
the report about B's other workshop is corrected to F (40, from 2019 on 55); C is merged into A on 31 December 2018; D
is a public body.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

pytestmark = pytest.mark.integration

A, B, C, D, E, F = range(10_000_001, 10_000_007)
FIRST_SEEN = datetime(2019, 1, 10, tzinfo=UTC)
CORRECTED = datetime(2019, 3, 10, tzinfo=UTC)
NOW = "'2200-01-01 00:00:00'"
BETWEEN = "'2019-02-01 00:00:00'"
BOUNDS = "[('activity.events.v1', 0, 0, 0, 12)]"

ACTIVITY_COLUMNS = [
    "source", "activity_id", "revision", "is_deleted", "event_id", "company_id", "cluster", "event_type", "reported",
    "derived", "outcomes_given", "occurred_on", "recorded_at", "known_at",
]  # fmt: skip
COMPANY_COLUMNS = [
    "company_id", "valid_from", "revision", "legal_form", "employees", "nuts", "industry_scheme", "industry",
    "successor_id", "known_at",
]  # fmt: skip
RECEIPT_COLUMNS = ["topic", "partition", "offset", "status", "source", "log_time", "activity_id", "revision"]

VIEWS = {
    "activity_at": f"known = {NOW}",
    "company_known": f"known = {NOW}",
    "registry_known": f"known = {NOW}",
    "cluster_known": f"known = {NOW}",
    "institution_at": f"as_at = '2018-12-31', known = {NOW}",
    "collector_key_known": f"known = {NOW}",
    "company_canonical": f"as_at = '2018-12-31', known = {NOW}",
    "company_at": f"as_at = '2018-12-31', known = {NOW}",
    "fact": f"from = '2018-01-01', to = '2018-12-31', as_at = '2018-12-31', known = {NOW}",
    "impact_annual": "year = 2018",
    "impact_annual_as_known": f"year = 2018, known = {NOW}",
    "impact_annual_at_activity": "year = 2018",
    "impact_annual_figures": f"year = 2018, known = {NOW}",
    "impact_annual_by": "year = 2018",
    "impact_cluster": "year = 2018",
    "impact_rolling": "from = '2018-12-01', to = '2018-12-31', window_days = 365",
    "impact_rolling_basis": "from = '2018-12-01', to = '2018-12-31', window_days = 365, basis = 'reported'",
    "rejected_open": f"known = {NOW}",
    "receipt_hole": f"bounds = {BOUNDS}",
    "receipt_without_row": None,
    "reroute_not_arrived": None,
    "rejected_without_row": None,
    "row_without_receipt": None,
    "activity_difference": None,
    "activity_difference_within": "first = 0, last = 1000000",
    "activity_moved": None,
    "retraction_without_activity": None,
}
"""Every view with arguments for one call; None = it takes none."""

Rows = Callable[..., list[tuple[Any, ...]]]


def activity(number: int, company: int, kind: str, day: date, **more: Any) -> list[Any]:
    """One version of activity `a<number>`; revision 2 is what was known from CORRECTED on."""
    revision = more.get("revision", 1)
    known = FIRST_SEEN if revision == 1 else CORRECTED
    return [
        "crm", f"a{number}", revision, more.get("is_deleted", 0), f"e{number}", company, more.get("cluster", "food"),
        kind, more.get("reported", []), more.get("derived", []), int("reported" in more), day, known, known,
    ]  # fmt: skip


COMPETENCIES, IDEAS, PRODUCTS = ["new_competencies"], ["new_ideas"], ["new_products"]
ACTIVITIES = [
    activity(1, A, "workshop.attended", date(2018, 3, 1), derived=COMPETENCIES),
    activity(2, B, "workshop.attended", date(2018, 4, 1), reported=COMPETENCIES + IDEAS),
    activity(2, F, "workshop.attended", date(2018, 4, 1), reported=COMPETENCIES + IDEAS, revision=2),
    activity(3, E, "project.started", date(2018, 5, 1), derived=IDEAS),
    activity(4, D, "workshop.attended", date(2018, 5, 2), derived=COMPETENCIES),
    activity(5, B, "product.launched", date(2018, 12, 31), reported=PRODUCTS),
    activity(6, C, "workshop.attended", date(2018, 6, 1), derived=COMPETENCIES, cluster="energy"),
    activity(7, B, "workshop.attended", date(2018, 7, 1), derived=COMPETENCIES),
    activity(7, B, "activity.retracted", date(2018, 7, 1), revision=2, is_deleted=1),
    activity(8, A, "product.launched", date(2017, 12, 31), derived=PRODUCTS),
    activity(9, A, "activity.retracted", date(2018, 8, 1), is_deleted=1),
]
SINCE = date(2010, 1, 1)
COMPANIES = [
    [A, SINCE, 1, "80", 30, "DK011", "DB07", "620100", 0, FIRST_SEEN],
    [B, SINCE, 1, "80", 60, "DK032", "DB07", "109000", 0, FIRST_SEEN],
    [C, SINCE, 1, "80", 10, "DK042", "", "", 0, FIRST_SEEN],
    [C, date(2018, 12, 31), 1, "80", 10, "DK042", "", "", A, FIRST_SEEN],
    [D, SINCE, 1, "230", 4000, "DK011", "DB07", "854200", 0, FIRST_SEEN],
    [F, SINCE, 1, "80", 40, "DK032", "DB07", "109000", 0, FIRST_SEEN],
    [F, date(2019, 1, 1), 1, "80", 55, "DK032", "DB07", "109000", 0, FIRST_SEEN],
]


@pytest.fixture
def rows(ledger: Client) -> Rows:
    """Rows of a query on a ledger that holds the history, with one receipt for each version at offsets 0-10."""
    ledger.insert("activity_revision", ACTIVITIES, column_names=ACTIVITY_COLUMNS)
    ledger.insert("company_version", COMPANIES, column_names=COMPANY_COLUMNS)
    receipts = [
        ["activity.events.v1", 0, offset, "retracted" if row[3] else "accepted", "crm", row[-1], row[1], row[2]]
        for offset, row in enumerate(ACTIVITIES)
    ]
    ledger.insert("receipt", receipts, column_names=RECEIPT_COLUMNS)

    def query(sql: str) -> list[tuple[Any, ...]]:
        return list(ledger.query(sql).result_rows)

    return query


def annual(rows: Rows, source: str) -> dict[str, tuple[int, ...]]:
    """Outcome -> (companies, under 50, unknown size, reported, derived, public bodies)."""
    return {
        outcome: tuple(figures)
        for outcome, *figures in rows(
            "SELECT outcome, companies, companies_under_50, companies_unknown_size, reported_companies, "
            f"derived_companies, participants_other FROM {source}"
        )
    }


def test_every_view_answers(ledger: Client, database: str):
    """CREATE VIEW does not check what it names: each view is called once, on an empty ledger, and none is forgotten."""
    found = ledger.query(
        "SELECT name FROM system.tables WHERE database = {db:String} AND engine = 'View'", parameters={"db": database}
    ).result_rows
    assert {name for (name,) in found} == set(VIEWS)
    for name, arguments in VIEWS.items():
        ledger.query(f"SELECT * FROM {name}" + (f"({arguments})" if arguments else ""))


def test_every_view_answers_with_data(rows: Rows):
    """Each view is called once more on the history: some faults show only with rows."""
    for name, arguments in VIEWS.items():
        rows(f"SELECT * FROM {name}" + (f"({arguments})" if arguments else ""))


def test_annual(rows: Rows):
    """A company counts once, after mergers, corrections and retractions; public bodies and unknown sizes are apart."""
    assert annual(rows, "impact_annual(year = 2018)") == {
        "helped": (4, 2, 1, 4, 4, 1),
        "new_competencies": (2, 2, 0, 1, 1, 1),
        "new_ideas": (2, 1, 1, 1, 1, 0),
        "new_products": (1, 0, 0, 1, 0, 0),
    }


def test_neighbouring_years(rows: Rows):
    """31 December belongs to its own year, and a year without activity has no rows."""
    assert annual(rows, "impact_annual(year = 2017)") == {
        "helped": (1, 1, 0, 1, 1, 0),
        "new_products": (1, 1, 0, 0, 1, 0),
    }
    assert annual(rows, "impact_annual(year = 2019)") == {}


def test_as_known(rows: Rows):
    """Before the correction and the retraction were known, B had the workshops and F was not helped."""
    assert annual(rows, f"impact_annual_as_known(year = 2018, known = {BETWEEN})") == {
        "helped": (3, 1, 1, 3, 3, 1),
        "new_competencies": (2, 1, 0, 1, 2, 1),
        "new_ideas": (2, 0, 1, 1, 1, 0),
        "new_products": (1, 0, 0, 1, 0, 0),
    }
    assert annual(rows, "impact_annual_as_known(year = 2018, known = '2019-01-01 00:00:00')") == {}


def test_merger(rows: Rows):
    """C counts as itself until the day before it was merged, and as A from that day on."""
    last_day = rows(f"SELECT company_id, canonical_id FROM company_canonical(as_at = '2018-12-31', known = {NOW})")
    assert last_day == [(C, A)]
    assert rows(f"SELECT * FROM company_canonical(as_at = '2018-12-30', known = {NOW})") == []
    before = rows(
        "SELECT uniqExact(company_id) FROM fact(from = '2018-01-01', to = '2018-12-31', as_at = '2018-12-30', "
        f"known = {NOW}) WHERE kind = 'company' AND outcome = 'new_competencies'"
    )
    assert before == [(3,)]


def test_size_as_at_a_day(rows: Rows):
    """F has 40 employees as at the end of 2018 and 55 a day later."""
    sizes = [
        rows(f"SELECT employees FROM company_at(as_at = '{day}', known = {NOW}) WHERE company_id = {F}")
        for day in ("2018-12-31", "2019-01-01")
    ]
    assert sizes == [[(40,)], [(55,)]]


def test_clusters(rows: Rows):
    """The sum over clusters counts A in both of its clusters, the national figure once."""
    found = rows("SELECT level, cluster, companies FROM impact_cluster(year = 2018) WHERE outcome = 'new_competencies'")
    assert sorted(found) == [
        ("cluster", "energy", 1),
        ("cluster", "food", 2),
        ("national unique", "", 2),
        ("sum over clusters", "", 3),
    ]


def test_breakdowns(rows: Rows):
    """Region and size are those of the company that counts; what the register lacks is unknown."""

    def helped(breakdown: str, column: str) -> list[tuple[Any, ...]]:
        return rows(
            f"SELECT {column}, companies, participants_other FROM impact_annual_by(year = 2018) "
            f"WHERE outcome = 'helped' AND breakdown = '{breakdown}' ORDER BY {column}"
        )

    assert helped("region", "region") == [("DK01", 1, 1), ("DK03", 2, 0), ("unknown", 1, 0)]
    assert helped("size_band", "size_band") == [
        ("1000+", 0, 1), ("20-49", 2, 0), ("50-99", 1, 0), ("unknown", 1, 0),
    ]  # fmt: skip


def test_sized_on_the_day_of_the_activity(rows: Rows):
    """C's workshop is in C's own band, counted for A."""
    found = rows(
        "SELECT size_band, companies FROM impact_annual_at_activity(year = 2018) WHERE outcome = 'new_competencies'"
    )
    assert dict(found) == {"all": 2, "10-19": 1, "20-49": 2, "1000+": 0}


def test_rolling(rows: Rows):
    """A company leaves the window on the day after it has closed."""

    def on(day: str, window: int) -> dict[str, int]:
        return dict(
            rows(
                f"SELECT outcome, companies FROM impact_rolling(from = '{day}', to = '{day}', window_days = {window}) "
                "WHERE companies > 0"
            )
        )

    assert on("2018-12-31", 365) == {"helped": 4, "new_competencies": 2, "new_ideas": 2, "new_products": 1}
    assert on("2018-03-30", 30) == {"helped": 1, "new_competencies": 1}
    assert on("2018-03-31", 30) == {}


def test_for_the_analyst(rows: Rows):
    """Activities that name several companies, and retractions of nothing, are listed."""
    assert rows("SELECT activity_id, companies FROM activity_moved") == [("a2", [B, F])]
    assert rows("SELECT source, activity_id FROM retraction_without_activity") == [("crm", "a9")]


def test_proofs(rows: Rows):
    """Offset 11 was never received: it is a hole. Every receipt has its row and every row its receipt."""
    assert rows(f"SELECT first, last, missing FROM receipt_hole(bounds = {BOUNDS})") == [(11, 11, 1)]
    assert rows(f"SELECT * FROM receipt_hole(bounds = {BOUNDS.replace('12', '11')})") == []
    for proof in ("receipt_without_row", "row_without_receipt", "activity_difference"):
        assert rows(f"SELECT * FROM {proof}") == []


def test_loaded_twice(rows: Rows, ledger: Client):
    """The same rows again, in another order, change no figure and break no proof."""
    before = annual(rows, "impact_annual(year = 2018)")
    known = annual(rows, f"impact_annual_as_known(year = 2018, known = {BETWEEN})")
    ledger.insert("activity_revision", ACTIVITIES[::-1], column_names=ACTIVITY_COLUMNS)
    ledger.insert("company_version", COMPANIES[::-1], column_names=COMPANY_COLUMNS)
    assert annual(rows, "impact_annual(year = 2018)") == before
    assert annual(rows, f"impact_annual_as_known(year = 2018, known = {BETWEEN})") == known
    assert rows("SELECT * FROM activity_difference") == []
    assert rows("SELECT * FROM row_without_receipt") == []


def test_a_replay_keeps_the_better_receipt(rows: Rows, ledger: Client):
    """A record that is seen as a duplicate when it returns stays accepted."""
    again = [["activity.events.v1", 0, 0, "duplicate", "crm", FIRST_SEEN, "a1", 1]]
    ledger.insert("receipt", again, column_names=RECEIPT_COLUMNS)
    assert rows("SELECT toString(status) FROM receipt FINAL WHERE offset = 0") == [("accepted",)]
