"""Activities that name two companies at one time, found among more rows than memory would hold."""

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import UsageFault
from sources.files import conflicts
from sources.files.buckets import Buckets
from sources.files.conflicts import find_conflicts, mark, note

ROWS = st.lists(
    st.tuples(st.sampled_from("ab"), st.sampled_from(["1", "2", "3"]), st.integers(0, 3), st.integers(1, 3)),
    max_size=40,
)


@given(ROWS)
def test_conflicts_are_those_with_two_companies(rows: list[tuple[str, str, int, int]]):
    """Exactly the versions with more than one company are found, whatever the order and the repetitions."""
    companies = defaultdict(set)
    with Buckets() as buckets:
        for source, activity, time, cvr in rows:
            companies[mark(source, activity, time)].add(cvr)
            note(buckets, mark(source, activity, time), cvr)
        assert find_conflicts(buckets) == {version for version, named in companies.items() if len(named) > 1}


def test_many_rows():
    """A hundred thousand rows go through files on disk, and the one conflict among them is found."""
    with Buckets() as buckets:
        for number in range(100_000):
            note(buckets, mark("s", str(number), 0), 13748136)
        note(buckets, mark("s", "77777", 0), 13585628)
        assert find_conflicts(buckets) == {mark("s", "77777", 0)}


def test_mapping_that_is_wrong_throughout(monkeypatch: pytest.MonkeyPatch):
    """Conflicts everywhere are one mistake in the mapping, and said so."""
    monkeypatch.setattr(conflicts, "MOST", 10)
    with Buckets() as buckets:
        for number in range(100):
            note(buckets, mark("s", str(number), 0), 13748136)
            note(buckets, mark("s", str(number), 0), 13585628)
        with pytest.raises(UsageFault, match="the mapping must build activity_id"):
            find_conflicts(buckets)
