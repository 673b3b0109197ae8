"""Activities that name two companies at one time, found among more rows than memory would hold."""

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import UsageFault
from sources.files import conflicts
from sources.files.buckets import Buckets
from sources.files.conflicts import COMPANIES, CONTENTS, digest, find_conflicts, mark, note

ROWS = st.lists(
    st.tuples(
        st.sampled_from("ab"), st.sampled_from(["1", "2"]), st.integers(0, 2), st.integers(1, 2),
        st.sampled_from(["x", "y"]),
    ),
    max_size=40,
)  # fmt: skip
SAME = digest(["x"])


@given(ROWS)
def test_versions_that_contradict_themselves(rows: list[tuple[str, str, int, int, str]]):
    """Exactly the versions with two companies, or with two contents, in any order and with repetitions."""
    companies, contents = defaultdict(set), defaultdict(set)
    with Buckets() as buckets:
        for source, activity, time, cvr, text in rows:
            version = mark(source, activity, time)
            companies[version].add(cvr)
            contents[version].add(text)
            note(buckets, version, cvr, digest([text]))
        found = find_conflicts(buckets)
    two = {version for version, named in companies.items() if len(named) > 1}
    assert {version for version, why in found.items() if why == COMPANIES} == two
    differ = {version for version, said in contents.items() if len(said) > 1}
    assert {version for version, why in found.items() if why == CONTENTS} == differ - two


def test_many_rows():
    """A hundred thousand rows go through files on disk, and the one conflict among them is found."""
    with Buckets() as buckets:
        for number in range(100_000):
            note(buckets, mark("s", str(number), 0), 13748136, SAME)
        note(buckets, mark("s", "77777", 0), 13585628, SAME)
        assert find_conflicts(buckets) == {mark("s", "77777", 0): COMPANIES}


def test_mapping_that_is_wrong_throughout(monkeypatch: pytest.MonkeyPatch):
    """Conflicts everywhere are reported as one mistake in the mapping."""
    monkeypatch.setattr(conflicts, "MOST", 10)
    with Buckets() as buckets:
        for number in range(100):
            note(buckets, mark("s", str(number), 0), 13748136, SAME)
            note(buckets, mark("s", str(number), 0), 13585628, SAME)
        with pytest.raises(UsageFault, match="the mapping must build activity_id"):
            find_conflicts(buckets)
