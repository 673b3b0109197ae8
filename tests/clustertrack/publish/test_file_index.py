"""The activities of a file in bounded memory: parts, repeats and days."""

import pytest
from judging import accepted, ms, retraction
from samples import CVRS, event

from clustertrack.publish import file_index
from clustertrack.publish.file_index import FileIndex, activity_mark, bucket_of
from schemas.event_time import DAY_MS
from sources.files.buckets import BUCKETS


def test_parts_are_together_the_file(monkeypatch: pytest.MonkeyPatch):
    """Each activity is in the part of its bucket, every bucket in one part, and no part is much larger than allowed."""
    monkeypatch.setattr(file_index, "PART_ROWS", 20)
    names = [f"WS-{number}" for number in range(200)]
    with FileIndex() as index:
        for line, name in enumerate(names, 2):
            index.add(line, accepted(event(activity=name)))
        parts = [(part.buckets, part.activities) for part in index.parts()]
    assert sorted(bucket for buckets, _ in parts for bucket in buckets) == list(range(BUCKETS))
    assert len(parts) > 5
    source = accepted(event()).source
    for name in names:
        assert [bucket_of(name) in buckets for buckets, _ in parts] == [
            activity_mark(source, name) in marks for _, marks in parts
        ]
    assert max(len(marks) for _, marks in parts) < 40


def test_repeats():
    """A row that says the same as an earlier one is its duplicate; another version of the activity is not."""
    with FileIndex() as index:
        for line, title in enumerate(["A", "B", "A", "A"], 2):
            index.add(line, accepted(event(data={"title": title})))
        index.add(9, accepted(event(CVRS[1], "WS-2")))
        assert index.repeats() == {4: 2, 5: 2}
        assert index.rows == 5


def test_days_are_those_of_activities():
    """The first and the last day; the day of a retraction is none."""
    with FileIndex() as index:
        for day in ("2018-05-03", "2017-12-31", "2018-02-01"):
            index.add(2, accepted(event(data={"occurred_on": day})))
        index.add(3, accepted(retraction(time="2016-01-01T10:00:00Z")))
        (span,) = index.spans.values()
    assert span == (ms("2017-12-31T00:00:00Z") // DAY_MS, ms("2018-05-03T00:00:00Z") // DAY_MS)
