"""What goes wrong on purpose is really there, as often as promised."""

import json
import re
from collections import defaultdict
from datetime import date
from itertools import pairwise
from typing import Any, Protocol

import pytest


class Exports(Protocol):
    """The files of a scenario as conftest.py reads them."""

    truth: dict[str, Any]
    events: list[Any]
    register: Any
    clusters: list[dict[str, Any]]
    folder: Any


def _by_version(exports: Exports) -> dict[Any, list[Any]]:
    found: dict[Any, list[Any]] = defaultdict(list)
    for event in exports.events:
        found[event.version].append(event)
    return found


@pytest.fixture(scope="module")
def histories(published: Exports) -> list[list[Any]]:
    """The distinct versions of each activity that has several, or a retraction, by time."""
    found: dict[Any, dict[Any, Any]] = defaultdict(dict)
    for event in published.events:
        found[event.activity].setdefault(event.version, event)
    return [
        sorted(versions.values(), key=lambda event: event.time)
        for versions in found.values()
        if len(versions) > 1 or any(event.type == "activity.retracted" for event in versions.values())
    ]


def test_duplicates(published: Exports):
    """About 5 % of the records are exact duplicates; many are in another file and another format."""
    copies = [events for events in _by_version(published).values() if len(events) > 1]
    number = sum(len(events) - 1 for events in copies)
    assert 0.045 < number / len(published.events) < 0.055
    across = {frozenset(event.file.rpartition(".")[2] for event in events) for events in copies}
    assert {frozenset(pair) for pair in (("jsonl", "csv"), ("jsonl", "xlsx"), ("csv", "xlsx"))} <= across
    danish = [events for events in copies if {"activity-danish.csv", "activity-iso.csv"} <= {e.file for e in events}]
    assert danish


@pytest.mark.parametrize("what", ["cvr", "day", "outcomes", "cluster"])
def test_corrections(histories: list[list[Any]], what: str):
    """Hundreds of activities were corrected in their company, day, outcomes or cluster."""
    corrected = 0
    for versions in histories:
        told = [event for event in versions if event.type != "activity.retracted"]
        corrected += len({getattr(event, what) for event in told}) > 1
    assert corrected >= 300


def test_retractions(histories: list[list[Any]]):
    """Hundreds of activities were retracted, some revived, and a few retractions name no activity at all."""
    kinds = {"retracted": 0, "revived": 0, "of nothing": 0}
    for versions in histories:
        gone = [event.type == "activity.retracted" for event in versions]
        if all(gone):
            kinds["of nothing"] += 1
        elif gone[-1]:
            kinds["retracted"] += 1
        elif any(gone):
            kinds["revived"] += 1
    assert kinds == {"retracted": 650, "revived": 80, "of nothing": 10}


def test_later_versions_come_first(published: Exports, histories: list[list[Any]]):
    """Hundreds of corrections and retractions come before their original in the same file."""
    first: dict[Any, dict[Any, int]] = defaultdict(dict)
    several = {versions[0].activity for versions in histories}
    for event in published.events:
        if event.activity in several:
            lines = first[event.file, event.activity]
            lines[event.time] = min(event.line, lines.get(event.time, event.line))
    early = sum(1 for lines in first.values() if lines[max(lines)] < lines[min(lines)])
    assert early > 300


def test_disorder(published: Exports):
    """Neither times nor days rise from line to line, and every file reaches over three years."""
    for file in published.truth["records"]:
        events = [event for event in published.events if event.file == file]
        falling = sum(1 for one, two in pairwise(events) if two.time < one.time)
        assert falling > len(events) / 10
        assert {event.day.year for event in events if event.day} == {2017, 2018, 2019}


def test_the_same_company_in_several_clusters(published: Exports):
    """Thousands of companies are helped by more than one cluster in 2018."""
    clusters: dict[int, set[str]] = defaultdict(set)
    for event in published.events:
        if event.day and event.day.year == 2018:
            clusters[event.cvr].add(event.cluster)
    assert sum(1 for slugs in clusters.values() if len(slugs) > 1) > 1000


def test_cvr_numbers_as_people_type_them(published: Exports):
    """Every kind of file has CVR numbers written with prefix and spaces."""
    typed = {event.file for event in published.events if re.fullmatch(r"DK \d\d \d\d \d\d \d\d", event.subject)}
    assert typed == set(published.truth["records"])


def test_records_astray(published: Exports):
    """1 % of the records go around `publish`: no key, wrong keys, CRC32 and other partitions."""
    lines = (published.folder / "raw.jsonl").read_text(encoding="utf-8").splitlines()
    ways: dict[str, int] = defaultdict(int)
    for line in map(json.loads, lines):
        known = line["key"] is not None and re.fullmatch(r"9\d{7}", line["key"])
        way = "no key" if line["key"] is None else "CVR" if known else "other key"
        ways[f"{way}, {line['partition']}"] += 1
    assert 0.009 < len(lines) / sum(published.truth["records"].values()) < 0.011
    assert set(ways) == {"no key, None", "other key, None", "CVR, None", "CVR, crc32", "CVR, 0"}
    assert min(ways.values()) > 50


def test_invalid_records(published: Exports):
    """About 200 invalid records of more than ten kinds, all different, in every file that gives them an id."""
    rejected = published.truth["rejected"]
    names = [one.get("sha256") or one["id"] for one in rejected]
    assert 190 <= len(names) <= 230
    assert len(set(names)) == len(names)
    assert len({code for one in rejected for code in one["codes"]}) >= 25
    assert sum(1 for one in rejected if one["codes"] == ["invalid_json"]) >= 10
    assert {one["file"] for one in rejected} == set(published.truth["records"]) - {"activity-danish-2.csv"}


def test_refused_rows(published: Exports):
    """Every spreadsheet has rows from which no event can be built, of many kinds."""
    refused = published.truth["refused"]
    assert {one["file"] for one in refused} == {
        name for name in published.truth["records"] if not name.endswith(".jsonl")
    }
    assert len({one["kind"] for one in refused}) >= 10
    pairs = [one["line"] for one in refused if one["kind"] == "two companies"]
    assert len(pairs) % 2 == 0 < len(pairs)


def test_register(published: Exports):
    """Mergers on both sides of the year's end; the promised numbers of every special company, all helped in 2018."""
    days = [
        row["successor_from"] or row["valid_from"]
        for rows in published.register.rows.values()
        for row in rows
        if row["successor_cvr"]
    ]
    assert len(days) == 100
    assert (days.count("2018-12-31"), days.count("2019-01-01")) == (1, 1)
    helped = {event.cvr for event in published.events if event.day and event.day.year == 2018}
    groups = {name: set(cvrs) for name, cvrs in published.truth["companies"]["groups"].items()}
    sizes = {name: len(cvrs) for name, cvrs in groups.items()}
    assert {name: sizes[name] for name in ("merged", "ceased", "without_row", "unknown_size")} == dict.fromkeys(
        ("merged", "ceased", "without_row", "unknown_size"), 100
    )
    assert (sizes["public_bodies"], sizes["institutions"]) == (50, 20)
    assert all(published.register.is_public(cvr) for cvr in groups["public_bodies"])
    assert not groups["without_row"] & set(published.register.rows)
    for name in ("ceased", "unknown_size", "crossing_during", "crossing_after", "public_bodies"):
        assert groups[name] <= helped, name
    # Of a merged company, either number may have been active.
    year_end = date(2018, 12, 31)
    after = {published.register.canonical(cvr, year_end) for cvr in helped}
    assert {published.register.canonical(cvr, year_end) for cvr in groups["merged"]} <= after
    assert groups["without_row"] <= after


def test_chains_of_mergers(published: Exports):
    """Some companies were merged twice and three times, in one year and across two."""
    lengths = set()
    for cvr in published.truth["companies"]["groups"]["merged"]:
        path = [published.register.canonical(cvr, date(year, 12, 31)) for year in (2016, 2017, 2018, 2019)]
        lengths.add(len(set(path)))
    assert max(lengths) >= 3


def test_clusters(published: Exports):
    """38 clusters, valid from 2017 to 2019; sources that speak for several clusters, clusters with several sources."""
    clusters = [cluster for cluster in published.clusters if cluster["slug"].startswith("syn-")]  # not of the examples
    assert len(clusters) == 38
    for cluster in clusters:
        assert cluster["valid_from"] <= date(2017, 1, 1)
        assert cluster.get("valid_to", date(2019, 12, 31)) >= date(2019, 12, 31)
    sources = [source for cluster in clusters for source in cluster["sources"]]
    assert len(set(sources)) < len(sources)
    assert any(len(cluster["sources"]) > 1 for cluster in clusters)


def test_times_lie_in_the_past(published: Exports):
    """No version is recorded after January 2020, so nothing is in the future whenever the files are published."""
    assert max(event.time.date() for event in published.events) < date(2020, 2, 1)


def test_the_hour_that_comes_twice(published: Exports):
    """A Danish time in the hour that comes twice has a duplicate elsewhere that states the first of the two."""
    twice = [event for event in published.events if event.time.isoformat() == "2018-10-28T00:30:00+00:00"]
    assert {event.file.rpartition(".")[2] for event in twice} == {"csv", "jsonl"}
    assert len({event.version for event in twice}) == 1
