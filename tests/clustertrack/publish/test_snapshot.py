"""A snapshot without a ledger: its instant, the events that it sends, and its order among versions."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from judging import accepted, ms
from samples import CLUSTERS, SOURCE, event

from clustertrack.publish.file_index import Span
from clustertrack.publish.held import HeldActivity
from clustertrack.publish.snapshot import Plan, SourcePlan, instant_of, note, retraction, revival, spans_of
from clustertrack.publish.snapshot_text import plan_text
from schemas.errors import UsageFault
from schemas.events import read_event
from schemas.revisions import as_of_arrival
from sources.files.file_publisher import Input, open_input

NOW = ms("2020-02-01T00:00:00Z")
INSTANT = datetime(2018, 6, 1, 8, tzinfo=UTC)
YEAR = Span(17_532, 17_896)
HELD = HeldActivity(SOURCE, "WS-1", 0, 13748136, "workshop.attended", 17_654)
MAPPING = 'source = "x"\ntype = "company.joined"\n{}\n[fields]\nsubject = "CVR"\n'


def table(folder: Path, name: str, exported_at: str, given: str | None = None) -> Input:
    """A file whose mapping states an instant."""
    path = folder / name
    path.write_text("CVR\n13748136\n")
    stated = f'exported_at = "{exported_at}"' if exported_at else ""
    path.with_suffix(".mapping.toml").write_text(MAPPING.format(stated))
    return open_input(path, mapping=None, exported_at=given)


def lines(folder: Path) -> Input:
    """JSON lines, which state none."""
    path = folder / "events.jsonl"
    path.write_bytes(event())
    return open_input(path, mapping=None, exported_at=None)


def test_the_instant_of_the_export(tmp_path: Path):
    """That of the mapping, or of the command line."""
    one = table(tmp_path, "a.csv", "2020-01-15T08:00:00+01:00")
    assert instant_of([one], None, NOW) == datetime(2020, 1, 15, 7, tzinfo=UTC)
    given = "2020-01-16T08:00:00Z"
    both = [table(tmp_path, "b.csv", "2020-01-15T08:00:00Z", given), lines(tmp_path)]
    assert instant_of(both, given, NOW) == datetime(2020, 1, 16, 8, tzinfo=UTC)


def test_an_export_without_one_instant(tmp_path: Path):
    """None, two, or one in the future end the command with a sentence."""
    a, b = table(tmp_path, "a.csv", "2020-01-15T08:00:00Z"), table(tmp_path, "b.csv", "2020-01-15T08:00:01Z")
    with pytest.raises(UsageFault, match=r"needs the instant at which .*events\.jsonl was exported"):
        instant_of([lines(tmp_path)], None, NOW)
    with pytest.raises(UsageFault, match="different instants"):
        instant_of([a, b], None, NOW)
    with pytest.raises(UsageFault, match="in the future"):
        instant_of([table(tmp_path, "c.csv", "2020-02-01T00:00:00.001Z")], None, NOW)


def test_events_are_sound_and_the_same_each_time():
    """A worker accepts them; sending again is a duplicate."""
    row = accepted(event(time="2018-05-03T14:05:09Z"))
    document = {"type": "org.clustertrack.workshop.attended.v1", "data": {"title": "A"}}
    for make in (lambda: retraction(HELD, INSTANT), lambda: revival(document, row, INSTANT)):
        found = read_event(make(), None, NOW, CLUSTERS)
        assert isinstance(found, tuple), found
        assert found[0].recorded_at == ms("2018-06-01T08:00:00Z")
        assert found[0].activity_id == "WS-1"
        assert make() == make()
    again = accepted(revival(document, row, INSTANT), NOW)
    assert (again.occurred_on, again.details) == (row.occurred_on, '{"title":"A"}')


@pytest.mark.parametrize(
    ("time", "arrived", "taken_back"),
    [
        pytest.param("2018-06-01T07:59:59Z", None, True, id="before"),
        pytest.param("2018-06-01T08:00:00Z", None, True, id="at the same time"),
        pytest.param("2018-06-01T08:00:00.001Z", None, False, id="after"),
        pytest.param("2018-06-01T09:00:00Z", "2018-06-01T07:00:00Z", True, id="claimed after, arrived before"),
        pytest.param("2018-06-01T09:00:00Z", "2018-06-01T08:00:00Z", False, id="claimed after, arrived then"),
    ],
)
def test_only_what_the_retraction_is_after_is_taken_back(time: str, arrived: str | None, taken_back: bool):
    """A plan and the order of versions agree, also about versions that were dated after their arrival."""
    row = accepted(event(time=time), ms("2018-07-01T00:00:00Z"))
    revision = row.revision if arrived is None else as_of_arrival(row.revision, ms(arrived))
    found = read_event(retraction(HELD, INSTANT), None, NOW, CLUSTERS)
    assert isinstance(found, tuple)
    with Plan(INSTANT) as plan:
        one = SourcePlan(SOURCE, Span(0, 1), held=1)
        note(plan, one, HELD._replace(revision=revision))
        assert (one.retracted, one.newer) == ((1, 0) if taken_back else (0, 1))
    assert not taken_back or found[0].revision > revision


def test_a_plan_as_text():
    """Each source with its days and its share; and why nothing is retracted where a row is refused."""
    with Plan(INSTANT, sources=[SourcePlan(SOURCE, YEAR, held=40, rows=YEAR)], revived={b"x"}) as plan:
        note(plan, plan.sources[0], HELD)
        assert plan.percent == 2.5
        assert plan_text(plan).split("\n") == [
            "Snapshot of the export of 1. juni 2018 kl. 10.00:",
            f"  {SOURCE}, 1. januar 2018 to 31. december 2018: 40 counted, 1 of them absent (2.5 %)",
            "    WS-1  13748136  3. maj 2018  workshop.attended",
            "  in the export again after an earlier snapshot retracted them, and come back: 1",
        ]
        plan.refused = 1
        assert "nothing is retracted: 1 row has no activity" in plan_text(plan)


MAY = Span(17_652, 17_682)


@pytest.mark.parametrize(
    ("rows", "days", "spans"),
    [
        pytest.param({SOURCE: MAY}, (None, None), {SOURCE: MAY}, id="its rows'"),
        pytest.param({SOURCE: MAY}, (1, None), {SOURCE: Span(1, MAY.last)}, id="from"),
        pytest.param({SOURCE: MAY}, (None, 1), {SOURCE: Span(MAY.first, 1)}, id="before its rows"),
        pytest.param({SOURCE: MAY}, (1, 2), {SOURCE: Span(1, 2), "x": Span(1, 2)}, id="both"),
        pytest.param({SOURCE: MAY, "a": YEAR}, (None, None), {SOURCE: MAY, "a": YEAR}, id="each its own"),
        pytest.param({}, (None, None), {}, id="no row"),
        pytest.param({}, (1, 2), {"x": Span(1, 2)}, id="no row, but days"),
    ],
)
def test_the_days_of_each_source(
    tmp_path: Path, rows: dict[str, Span], days: tuple[int | None, int | None], spans: dict[str, Span]
):
    """Those of its own rows, or those given; a source of which there is no row is known from a mapping alone."""
    files = [table(tmp_path, "a.csv", "2020-01-15T08:00:00Z"), lines(tmp_path)]
    assert spans_of(rows, files, days) == spans


@pytest.mark.parametrize(
    ("plan", "line"),
    [
        pytest.param(Plan(INSTANT), "  nothing is compared, as no row has a day; --from and --to ", id="no row"),
        pytest.param(
            Plan(INSTANT, outside={SOURCE: MAY}),
            f"  {SOURCE}: nothing is compared, as its rows are on other days than those given, 1. maj 2018 to 31. maj",
            id="before --from or after --to",
        ),
        pytest.param(
            Plan(INSTANT, sources=[SourcePlan(SOURCE, Span(1, 1), held=0, rows=Span(MAY.first, MAY.first))]),
            f"  {SOURCE}, 2. januar 1970: 0 counted, 0 of them absent; the export has no row of it on these days, only "
            "1. maj 2018",
            id="other days",
        ),
        pytest.param(
            Plan(INSTANT, sources=[SourcePlan(SOURCE, MAY, held=2, newer=1)]),
            f"  {SOURCE}, 1. maj 2018 to 31. maj 2018: 2 counted, 0 of them absent (0.0 %); 1 was recorded after it "
            "and stays; the export has no row of it",
            id="no row of the source",
        ),
    ],
)
def test_days_without_a_row_are_said(plan: Plan, line: str):
    """A plan that compares nothing, or days on which the export has nothing, says so."""
    with plan:
        assert plan_text(plan).split("\n")[1].startswith(line)
