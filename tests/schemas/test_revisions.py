"""Revisions: a total order of the versions of an activity, and the key that names a version."""

from hypothesis import given
from hypothesis import strategies as st

from schemas.indicators import PIPELINE_VERSION
from schemas.revisions import as_of_arrival, revision_of, version_key, with_pipeline

times = st.integers(946_684_800_000, 2**45)
pipelines = st.integers(1, 255)


def test_the_layout():
    """Time, retraction, pipeline and hash are where queries of the ledger expect them."""
    revision = revision_of(1_525_349_109_120, retracted=True, content=b"", pipeline=7)
    assert revision >> 64 == 1_525_349_109_120
    assert revision >> 63 & 1 == 1
    assert revision >> 55 & 0xFF == 7
    assert revision < 2**128


def test_a_known_revision():
    """Ledgers hold revisions: how one is computed can never change."""
    content = b"13748136\x0017654\x00workshop.attended\x00food-bio\x00new_competencies\x00\x00{}"
    assert (
        revision_of(1_525_349_109_120, retracted=False, content=content, pipeline=1) == 28137724638997543511651206486813
    )


def test_the_pipeline_is_this_one_unless_said():
    """A revision carries the version of the pipeline that wrote it."""
    assert revision_of(0, retracted=False, content=b"") >> 55 & 0xFF == PIPELINE_VERSION


@given(st.tuples(times, st.booleans(), pipelines), st.tuples(times, st.booleans(), pipelines), st.binary(), st.binary())
def test_the_order(one, other, content: bytes, other_content: bytes):
    """Later wins; at the same time a retraction, then the newer pipeline; the content decides the rest."""
    first = revision_of(one[0], one[1], content, one[2])
    second = revision_of(other[0], other[1], other_content, other[2])
    if one != other:
        assert (first < second) == (one < other)
    else:
        assert (first == second) == (content == other_content)


ahead = st.integers(1, 86_400_000)
claims = st.tuples(ahead, st.booleans(), st.binary(max_size=3))


@given(times, claims, claims, st.booleans(), st.binary())
def test_a_version_ahead_of_its_arrival(arrived: int, one, other, retracted: bool, content: bytes):
    """It is ordered as of its arrival: before all that is dated later, and by its claim among those like it."""
    found = [as_of_arrival(revision_of(arrived + ms, said_so, said), arrived) for ms, said_so, said in (one, other)]
    if one[:2] != other[:2]:
        assert (found[0] < found[1]) == (one < other)
    assert revision_of(arrived - 1, retracted, content) < found[0] < revision_of(arrived + 1, retracted, content)
    assert found[0] >> 64 == arrived
    assert with_pipeline(found[0], 7) == as_of_arrival(revision_of(arrived + one[0], one[1], one[2], 7), arrived)


@given(times, st.booleans(), st.binary(), pipelines, pipelines)
def test_another_pipeline_changes_only_its_own_bits(
    time: int, retracted: bool, content: bytes, pipeline: int, other: int
):
    """The same version as another pipeline would have written it, and back."""
    revision = revision_of(time, retracted, content, pipeline)
    assert with_pipeline(revision, other) == revision_of(time, retracted, content, other)
    assert with_pipeline(with_pipeline(revision, other), pipeline) == revision


@given(times, st.booleans(), st.binary(), pipelines)
def test_a_new_pipeline_does_not_make_a_new_version(time: int, retracted: bool, content: bytes, pipeline: int):
    """The key of a version is the same from every pipeline."""
    key = version_key("https://crm.example", "A-1", revision_of(time, retracted, content))
    assert key == version_key("https://crm.example", "A-1", revision_of(time, retracted, content, pipeline))
    assert len(key) == 16


@given(st.sets(st.tuples(st.text("ab/", min_size=1), st.text("ab/\0", min_size=1), times, st.booleans()), min_size=2))
def test_different_versions_have_different_keys(versions):
    """Another source, activity, time or retraction is another version, wherever a text is cut in two."""
    keys = {version_key(s, a, revision_of(time, retracted, b"")) for s, a, time, retracted in versions}
    assert len(keys) == len(versions)


def test_source_and_activity_do_not_run_into_each_other():
    """What moves from one text to the other names another activity."""
    assert version_key("urn:ab", "c", 1 << 64) != version_key("urn:a", "bc", 1 << 64)


def test_the_content_is_part_of_the_key():
    """The same record at the same time with another content is another version."""
    one, other = (version_key("s", "a", revision_of(1, retracted=False, content=c)) for c in (b"1", b"2"))
    assert one != other
