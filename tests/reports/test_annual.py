import itertools
import random
from datetime import UTC, date, datetime, timedelta

import pytest

from reports.annual import annual_report, published_mapping
from reports.model import FIGURES, AnnualReport, ClusterNotCounted
from schemas.errors import UsageFault

pytestmark = pytest.mark.integration

TODAY = date(2026, 11, 23)
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
EARLY = datetime(2019, 1, 15, 12, tzinfo=UTC)
"""When records of the fixture become known unless a test says otherwise."""
LATE = datetime(2020, 2, 1, tzinfo=UTC)


def report(ledger, year: int = 2018, as_known_on: date | datetime | None = None) -> AnnualReport:
    """The report of a ledger."""
    return annual_report(ledger.client, year, now=NOW, mapping=published_mapping(), as_known_on=as_known_on)


def test_an_empty_ledger_gives_zeros(ledger):
    """A year without data is a report full of zeros, not an error."""
    empty = report(ledger, 2031)
    assert {figures.companies for figures in empty.figures().values()} == {0}
    assert empty.clusters == ()
    assert empty.not_counted.clusters == ()
    assert empty.provisional
    assert (empty.begun, empty.known_since, empty.previous_year) == (False, None, None)


def test_the_year_before_is_known_at_the_same_instant(ledger):
    """The companies of the year before are those of its own report, as known then; a year without any has none."""
    ledger.activity("a1", 1, "new_ideas", day=date(2017, 5, 3))
    ledger.activity("a2", 2, day=date(2017, 5, 3), known_at=LATE)
    ledger.activity("a3", 1)
    then = report(ledger, as_known_on=date(2019, 12, 31)).previous_year
    assert then is not None
    assert (then.year, then.companies["helped"], then.companies["new_ideas"]) == (2017, 1, 1)
    assert report(ledger).previous_year.companies["helped"] == 2
    assert report(ledger, 2017).previous_year is None
    assert report(ledger, 2000).previous_year is None


def test_when_the_ledger_began(ledger):
    """The report tells since when anything was known; before that it says nothing was, and keeps to that later."""
    ledger.activity("a1", 1)
    ledger.activity("a2", 1, known_at=LATE)
    assert report(ledger).known_since == EARLY
    before = report(ledger, as_known_on=date(2019, 1, 14))
    assert (before.known_since, before.ledger_begins) == (None, EARLY)
    assert "ledger_begins" not in before.as_dict()


def test_as_known_at_a_time_of_a_day(ledger):
    """A time counts what was known by then, to the millisecond."""
    ledger.activity("a1", 1)
    ledger.activity("a2", 2, known_at=LATE)
    assert report(ledger, as_known_on=LATE - timedelta(milliseconds=1)).helped.companies == 1
    made = report(ledger, as_known_on=LATE)
    assert made.helped.companies == 2
    assert made.as_dict()["as_known_on"] == "2020-02-01T00:00:00Z"


def test_figures_of_a_small_year(ledger):
    """Companies are distinct, split by size, kind and basis; another year's activity does not count."""
    ledger.company(1, 49)
    ledger.company(2, 50)
    ledger.company(3, None)
    ledger.company(4, 5, legal_form="230")
    ledger.activity("a1", 1, "new_ideas")
    ledger.activity("a2", 1, "new_ideas", cluster="water")
    ledger.activity("a3", 2, derived=("new_ideas",))
    ledger.activity("a4", 3)
    ledger.activity("a5", 4, "new_ideas")
    ledger.activity("a6", 5, day=date(2017, 12, 31))
    made = report(ledger)
    assert made.helped.model_dump() == {
        "companies": 3,
        "under_50": 1,
        "unknown_size": 1,
        "participants_other": 1,
        "reported": None,
        "derived": None,
        "sum_over_clusters": 4,
    }
    assert made.new_ideas.model_dump() == {
        "companies": 2,
        "under_50": 1,
        "unknown_size": 0,
        "participants_other": 1,
        "reported": 1,
        "derived": 1,
        "sum_over_clusters": 3,
    }
    assert made.new_products.companies == 0
    assert [(row.cluster, row.helped.companies, row.new_ideas.companies) for row in made.clusters] == [
        ("food", 3, 2),
        ("water", 1, 1),
    ]


def test_sizes_and_mergers_are_those_of_31_december(ledger):
    """A merger and a growth within the year count, those of the next day do not."""
    ledger.company(1, 10)
    ledger.company(1, 10, valid_from=date(2018, 12, 31), successor=2)
    ledger.company(2, 100)
    ledger.company(3, 10)
    ledger.company(3, 10, valid_from=date(2019, 1, 1), successor=2)
    ledger.activity("a1", 1)
    ledger.activity("a2", 2)
    ledger.activity("a3", 3)
    assert (report(ledger).helped.companies, report(ledger).helped.under_50) == (2, 1)


def test_as_known_on_a_day_includes_the_whole_danish_day(ledger):
    """Known by the end of the day in Copenhagen counts, a millisecond later does not; the register is read alike."""
    ledger.company(1, 10)
    ledger.company(1, 100, known_at=LATE)
    ledger.activity("a1", 1, known_at=datetime(2019, 3, 31, 21, 59, 59, 999000, tzinfo=UTC))
    ledger.activity("a2", 2, known_at=datetime(2019, 3, 31, 22, 0, tzinfo=UTC))
    known = report(ledger, as_known_on=date(2019, 3, 31))
    assert (known.helped.companies, known.helped.under_50) == (1, 1)
    assert known.as_known_on == date(2019, 3, 31)
    now = report(ledger)
    assert (now.helped.companies, now.helped.under_50) == (2, 0)


def test_a_correction_does_not_change_what_was_known(ledger):
    """The report as known before a correction and a retraction stays the same to the last byte, clusters included."""
    ledger.activity("a1", 1, "new_ideas")
    ledger.activity("a2", 2, "new_ideas")
    before = report(ledger, as_known_on=date(2019, 12, 31))
    ledger.activity("a1", 3, cluster="water", known_at=LATE)
    ledger.activity("a2", 2, deleted=True, known_at=LATE)
    assert report(ledger, as_known_on=date(2019, 12, 31)).as_json() == before.as_json()
    assert [row.cluster for row in report(ledger).clusters] == ["water"]


def test_a_day_that_has_not_ended_is_refused(ledger):
    """Figures as known today cannot be asked for."""
    with pytest.raises(UsageFault):
        report(ledger, as_known_on=TODAY)


def test_rejected_records_wait_once_and_only_while_open(ledger):
    """The same bytes twice are listed once; what a later version accepted is not; a tombstone is."""
    ledger.activity("a1", 1)
    ledger.rejected(b"{")
    ledger.rejected(b"{")
    ledger.rejected(b"{", key=None)
    ledger.rejected(b"accepted later", status="accepted")
    ledger.rejected(None)
    ledger.rejected(b"\xff\xfe")
    ledger.rejected(b"same data", headers=(("ce_id", b"1"), ("ct-origin", b"x/0/1")))
    ledger.rejected(b"same data", headers=(("ce_id", b"1"), ("ct-origin", b"x/0/2")))
    ledger.rejected(b"same data", headers=(("ce_id", b"2"),))
    ledger.rejected(b"elsewhere", source="nobody")
    waiting = report(ledger).not_counted
    assert waiting.rejected == 7
    assert [(row.cluster, row.rejected) for row in waiting.clusters] == [("food", 6), ("unknown", 1)]
    assert report(ledger, as_known_on=date(2020, 1, 1)).not_counted.rejected == 0


@pytest.mark.parametrize(
    ("action", "waits"),
    [
        pytest.param("replayed", False, id="replayed"),
        pytest.param("discarded", False, id="discarded"),
        pytest.param("replaying", True, id="replay interrupted"),
    ],
)
def test_a_rejected_record_waits_until_somebody_closes_it(ledger, action: str, waits: bool):
    """Replayed and discarded records no longer wait, but as known before that they still do."""
    arrived = datetime.now(UTC) - timedelta(days=20)
    offset = ledger.rejected(b"{", log_time=arrived)
    ledger.action(offset, action, arrived + timedelta(days=10))
    now = arrived + timedelta(days=20)
    today = now.date()

    def waiting(as_known_on: date | None = None) -> int:
        made = annual_report(ledger.client, 2018, now=now, mapping=published_mapping(), as_known_on=as_known_on)
        return made.not_counted.rejected

    assert waiting() == int(waits)
    assert waiting(today - timedelta(days=5)) == int(waits)
    assert waiting(today - timedelta(days=15)) == 1
    assert waiting(today - timedelta(days=25)) == 0


def test_a_source_of_several_clusters_is_unknown(ledger):
    """A refused record of a source that speaks for two clusters belongs to neither."""
    ledger.activity("a1", 1)
    ledger.activity("a2", 1, cluster="water")
    ledger.rejected(b"{")
    assert [(row.cluster, row.rejected) for row in report(ledger).not_counted.clusters if row.rejected] == [
        ("unknown", 1)
    ]


def test_retractions_of_nothing_are_listed(ledger):
    """A retraction that names no activity is listed under the source's cluster until the activity is known."""
    ledger.company(1, 10)
    ledger.activity("a1", 1)
    ledger.activity("stray", 1, cluster="", deleted=True)
    ledger.activity("known", 1, day=date(2016, 1, 1))
    ledger.activity("known", 1, deleted=True)
    assert report(ledger).not_counted.clusters == (ClusterNotCounted(cluster="food", retractions_without_activity=1),)
    ledger.activity("stray", 1)
    assert report(ledger).not_counted.retractions_without_activity == 0


def test_activities_of_several_companies_are_listed_in_their_year(ledger):
    """An activity whose versions name two companies is listed under its newest cluster, in its newest year only."""
    ledger.company(1, 10)
    ledger.company(2, 10)
    ledger.activity("a1", 1)
    ledger.activity("a1", 2, cluster="water", known_at=LATE)
    ledger.activity("a2", 1)
    assert report(ledger).not_counted.clusters == (
        ClusterNotCounted(cluster="water", activities_of_several_companies=1),
    )
    assert report(ledger, 2017).not_counted.activities_of_several_companies == 0
    assert report(ledger, as_known_on=date(2019, 12, 31)).not_counted.activities_of_several_companies == 0


def test_companies_outside_the_register_are_listed(ledger):
    """A company without a row counts with unknown size and is listed per cluster, once in the whole."""
    ledger.company(1, 10)
    ledger.activity("a1", 1)
    ledger.activity("a2", 9)
    ledger.activity("a3", 9, cluster="water")
    made = report(ledger)
    assert (made.helped.companies, made.helped.unknown_size) == (2, 1)
    assert made.not_counted.companies_without_register_row == 1
    assert [(row.cluster, row.companies_without_register_row) for row in made.not_counted.clusters] == [
        ("food", 1),
        ("water", 1),
    ]


@pytest.mark.parametrize("seed", [pytest.param(seed, id=f"seed {seed}") for seed in range(3)])
def test_the_report_equals_the_views(ledger, seed: int):
    """On random histories the figures are those of impact_annual, impact_annual_as_known and impact_cluster."""
    fill(ledger, random.Random(seed))
    for year in (2017, 2018):
        made = report(ledger, year)
        assert national_of(made) == view(ledger, f"impact_annual(year = {year})")
        clusters = {
            (row.cluster, outcome): getattr(row, outcome).companies for row in made.clusters for outcome in FIGURES
        }
        assert {place: count for place, count in clusters.items() if count} == {
            (cluster, outcome): count
            for outcome, cluster, count in ledger.client.query(
                f"SELECT outcome, cluster, companies FROM impact_cluster(year = {year}) "
                "WHERE level = 'cluster' AND companies > 0"
            ).result_rows
        }
        assert {name: figures.sum_over_clusters for name, figures in made.figures().items()} == {
            **dict.fromkeys(FIGURES, 0),
            **dict(
                ledger.client.query(
                    f"SELECT outcome, companies FROM impact_cluster(year = {year}) WHERE level = 'sum over clusters'"
                ).result_rows
            ),
        }
        known = report(ledger, year, date(2019, 6, 30))
        assert national_of(known) == view(
            ledger, f"impact_annual_as_known(year = {year}, known = '2019-06-30 21:59:59.999')"
        )


def fill(ledger, rng: random.Random) -> None:
    """Forty companies, half of them in the register, and 80 activities with corrections and retractions."""
    times = [datetime(2019, month, 1, tzinfo=UTC) for month in range(1, 13)]
    outcomes = [
        combination
        for length in range(3)
        for combination in itertools.combinations(("new_competencies", "new_ideas", "new_products"), length)
    ]
    for cvr in rng.sample(range(1, 41), 25):
        for valid_from in rng.sample([date(2015, 1, 1), date(2018, 6, 1), date(2018, 12, 31)], rng.randint(1, 3)):
            ledger.company(
                cvr,
                rng.choice([None, 3, 49, 50, 800]),
                valid_from=valid_from,
                legal_form=rng.choice(["80", "60", "", "230"]),
                successor=rng.choice([0, 0, 0, rng.randint(1, 40)]),
                known_at=rng.choice(times),
            )
    for _ in range(80):
        ledger.activity(
            f"a{rng.randint(1, 50)}",
            rng.randint(1, 40),
            *rng.choice(outcomes),
            day=rng.choice([date(2017, 6, 1), date(2018, 1, 1), date(2018, 12, 31)]),
            cluster=rng.choice(["food", "water", "health", ""]),
            derived=rng.choice([(), ("new_ideas",)]),
            deleted=rng.random() < 0.15,
            known_at=rng.choice(times),
        )


def national_of(made: AnnualReport) -> dict[str, tuple[int, ...]]:
    """Outcome -> the figures that the views have too, figures without any participant left out."""
    return {
        name: row
        for name, figures in made.figures().items()
        if any(
            row := (
                figures.companies,
                figures.under_50,
                figures.unknown_size,
                figures.reported,
                figures.derived,
                figures.participants_other,
            )
        )
    }


def view(ledger, source: str) -> dict[str, tuple[int, ...]]:
    """Outcome -> the figures of a view of the annual statistics."""
    rows = ledger.client.query(
        "SELECT outcome, companies, companies_under_50, companies_unknown_size, "
        "nullIf(reported_companies, if(outcome = 'helped', reported_companies, -1)), "
        "nullIf(derived_companies, if(outcome = 'helped', derived_companies, -1)), "
        f"participants_other FROM {source}"
    ).result_rows
    return {outcome: tuple(counts) for outcome, *counts in rows}
