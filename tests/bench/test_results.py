"""The pure part of the benchmark: ratios, the table, the chart, the guard against regressions."""

import copy
import xml.etree.ElementTree as ET
from typing import Any

import pytest
import results

MACHINE = {
    "cpu": "Some CPU",
    "cores": 2,
    "system": "Linux",
    "when": "2018-12-31",
    "load": 0.1,
    "versions": {"Python": "3.11.2", "Kafka": "4.3.1"},
}
RATES = {
    "clustertrack": (50_000, 60_000, 40_000),
    "faust": (2_500, 2_000, 4_000),
    "quixstreams": (20_000, 30_000, 10_000),
}


def run(contender: str, number: int, rate: float) -> dict[str, Any]:
    """One run of a tenth of a million records whose process took all of one core."""
    seconds = 100_000 / rate
    return {
        "contender": contender,
        "round": number,
        "events": 110_000,
        "counted": 100_000,
        "seconds": seconds,
        "rate": rate,
        "rate_per_cpu": rate,
        "cpu": seconds,
        "cpu_kafka": 0.2,
        "cpu_clickhouse": 0.6,
        "repeated": 0,
    }


@pytest.fixture
def report() -> dict[str, Any]:
    runs = [run(name, n, rate) for name, rates in RATES.items() for n, rate in enumerate(rates, start=1)]
    return results.report_of(runs, {"bytewax": "no build for this Python"}, MACHINE)


def test_a_ratio_is_the_median_of_the_rounds(report):
    """Runs are compared with those of their own round, so that a slow machine slows both sides of a ratio."""
    # By rounds 20, 30 and 10 for Faust; 2.5, 2 and 4 for quixstreams.
    theirs = {"faust": 20.0, "faust_tuned": None, "quixstreams": 2.5, "librdkafka": None, "bytewax": None}
    assert report["ratios"] == theirs
    assert report["ratios_spread"]["quixstreams"] == {"median": 2.5, "min": 2.0, "max": 4.0}


def test_a_round_without_ours_compares_nothing():
    """A run has no ratio to one of another round."""
    runs = [run("clustertrack", 1, 50_000), run("faust", 2, 2_500)]
    assert results.ratios_of(runs, "rate")["faust"] is None


def test_cpu_ratios_are_of_cpu_seconds(report):
    """Events per CPU-second are compared apart from events per second."""
    runs = copy.deepcopy(report["runs"])
    for one in runs:
        if one["contender"] == "faust":
            one["rate_per_cpu"] /= 2
    again = results.report_of(runs, {}, MACHINE)
    assert again["ratios"]["faust"] == 20.0
    assert again["ratios_cpu"]["faust"] == 40.0


def test_the_table_has_a_line_for_everyone(report):
    """A contender that did not run is listed with the reason."""
    lines = results.table(report).splitlines()
    assert [line.split(" | ")[0] for line in lines[2:]] == [
        "| clustertrack worker",
        "| Faust as it comes",
        "| Faust, tuned as the worker is",
        "| quixstreams",
        "| librdkafka loop (no durable state)",
        "| bytewax",
    ]
    assert "50,000 (40,000 to 60,000)" in lines[2]
    assert "**20.00** (10.00 to 30.00)" in lines[3]
    assert ">= 15" in lines[3]
    assert "20.0, 2.0, 6.0" in lines[2], "CPU seconds per million events: own, Kafka, ClickHouse"
    assert "no build for this Python" in lines[7]
    assert len({line.count("|") for line in lines}) == 1


def test_the_description_names_machine_and_versions(report):
    """The table says what it was measured on."""
    text = results.described(report)
    assert "Some CPU, 2 cores" in text
    assert "3 rounds" in text
    assert "Kafka 4.3.1" in text


def test_the_chart_shows_who_ran(report):
    """The chart is well-formed, with one bar for each contender that was measured, as long as its rate."""
    root = ET.fromstring(results.chart(report))  # noqa: S314  (our own)
    bars = [float(r.get("width")) for r in root.iter("{http://www.w3.org/2000/svg}rect") if r.get("x")]
    assert len(bars) == len(RATES)
    assert bars[0] == pytest.approx(bars[2] * 2.5, rel=0.01)
    assert bars[0] / bars[1] == pytest.approx(20, rel=0.01)


def test_an_equal_run_passes_the_check(report):
    """Nothing fell, so nothing is reported."""
    assert results.check(report, report) == []


@pytest.mark.parametrize(
    ("part", "fails"),
    [
        pytest.param(0.76, False, id="a drop of less than a quarter passes"),
        pytest.param(0.74, True, id="a drop of more than a quarter fails"),
    ],
)
@pytest.mark.parametrize("measure", ["ratios", "ratios_cpu"])
def test_a_drop_of_a_quarter_fails_the_check(report, measure, part, fails):
    """Each ratio alone can fail it, by wall clock and per CPU-second."""
    now = copy.deepcopy(report)
    now[measure]["quixstreams"] *= part
    found = results.check(now, report)
    assert len(found) == fails
    assert all(sentence.startswith("quixstreams: ") for sentence in found)


def test_a_ratio_that_is_gone_fails_the_check(report):
    """A competitor that no longer runs must not pass for one that was not beaten."""
    now = copy.deepcopy(report)
    now["ratios"]["faust"] = None
    assert results.check(now, report) == ["faust: no ratio by wall clock now, was 20.00."]


def test_a_competitor_that_never_ran_is_not_checked(report):
    """A ratio that the stored run lacks cannot fall."""
    assert report["ratios"]["bytewax"] is None
    assert results.check(report, report) == []


def test_targets_that_are_missed_are_reported(report):
    """The run is compared with the least ratios; a contender that did not run does not miss them."""
    now = copy.deepcopy(report)
    now["ratios"]["faust"] = 14.9
    assert results.short_of_target(now) == ["faust: the ratio by wall clock is 14.90, the target is 15."]


def test_only_the_text_between_the_markers_is_replaced():
    """The rest of a document is left as it is, and a second time gives the same."""
    text = "Before\n<!-- a -->\nold\n<!-- end of a -->\nafter\n"
    once = results.between(text, "a", "new")
    assert once == "Before\n<!-- a -->\nnew\n<!-- end of a -->\nafter\n"
    assert results.between(once, "a", "new") == once


def test_a_document_without_markers_is_not_touched():
    """A table must not be lost silently because somebody removed the markers."""
    with pytest.raises(ValueError, match="no <!-- a -->"):
        results.between("text", "a", "new")


def test_what_a_cluster_would_carry(report):
    """Events a second by the CPU of the worker; brokers and ClickHouse are busy in the proportion that was measured."""
    (four,) = [line for line in results.cluster(report, [4]).splitlines() if line.startswith("| 4 ")]
    # 100,000 events cost 2 s of the worker, 0.2 of Kafka and 0.6 of ClickHouse.
    assert four == "| 4 | 200,000 | 17.3 billion | 0.4 | 1.2 |"


def test_measurements_as_tables():
    """Several rows side by side, one row as a list of its parts."""
    rows = [{"way": "kept", "s": 1.5}, {"way": "lost", "s": 1234, "more": {"mb": 2}}]
    assert results.listed(rows).splitlines()[2:] == ["| kept | 1.5 |  |", "| lost | 1,234 | 2 |"]
    assert results.listed(rows[1]).splitlines()[2:] == ["| way | lost |", "| s | 1,234 |", "| more: mb | 2 |"]


def test_seconds_with_their_spread_are_one_cell():
    """The median, and in brackets the least and the most."""
    row = {"rows": 1000, "annual": {"median_s": 1.5, "min_s": 1.0, "max_s": 2.125}}
    assert results.listed(row).splitlines()[2:] == ["| rows | 1,000 |", "| annual, s | 1.50 (1.00 to 2.12) |"]
