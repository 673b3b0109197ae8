"""Which records may be set aside; each refusal says why."""

import pytest

from brokers.offsets import Progress
from clustertrack.rejected.records import WrittenAddress
from clustertrack.rejected.set_aside_checks import MOST, check_offsets, check_place, read_range
from schemas.errors import ClustertrackError
from sinks.catalog import TopicRecord

EVENTS = "activity.events.v1"
RECORDED = TopicRecord(topic=EVENTS, topic_epoch=2, topic_id="x", partitions=4)
PLACE = WrittenAddress(EVENTS, None, 2, 17)


@pytest.mark.parametrize(
    ("text", "place", "last"),
    [
        pytest.param(f"{EVENTS}/2/17", PLACE, 17, id="one"),
        pytest.param(f"{EVENTS}@2/2/17-20", PLACE._replace(topic_epoch=2), 20, id="range"),
        pytest.param("a-1/2/17", WrittenAddress("a-1", None, 2, 17), 17, id="dash in the name"),
        pytest.param(f"{EVENTS}/2/17-{16 + MOST}", PLACE, 16 + MOST, id="as many as there may be"),
    ],
)
def test_places(text: str, place: WrittenAddress, last: int):
    """One record, or the first and the last of several."""
    assert read_range(text) == (place, last)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"{EVENTS}/2/17-16", id="backwards"),
        pytest.param(f"{EVENTS}/2/17-{17 + MOST}", id="too many"),
        pytest.param(f"{EVENTS}/2/17-{'9' * 400}", id="huge"),
        pytest.param(f"{EVENTS}/2", id="no offset"),
        pytest.param(f"{EVENTS}/2/17-x", id="no number"),
    ],
)
def test_what_is_no_place(text: str):
    """A slip of the pen must not empty a partition."""
    with pytest.raises(ClustertrackError) as refused:
        read_range(text)
    assert refused.value.exit_code == 2


@pytest.mark.parametrize(
    ("place", "words", "code"),
    [
        pytest.param(PLACE._replace(topic="companies.v1"), "Only records of activity.events.v1", 2, id="register"),
        pytest.param(PLACE._replace(topic_epoch=1), "names a former topic", 1, id="former epoch"),
        pytest.param(PLACE._replace(partition=4), "has the partitions 0 to 3", 2, id="partition"),
    ],
)
def test_where_no_worker_comes_by(place: WrittenAddress, words: str, code: int):
    """Only the events topic of today."""
    check_place(PLACE, RECORDED)
    check_place(PLACE._replace(topic_epoch=2), RECORDED)
    with pytest.raises(ClustertrackError, match=words) as refused:
        check_place(place, RECORDED)
    assert refused.value.exit_code == code


@pytest.mark.parametrize(
    ("progress", "counted", "words"),
    [
        pytest.param(Progress(0, 20, 10), None, "the partition ends before offset 20", id="not there yet"),
        pytest.param(Progress(18, 30, 10), None, "Kafka has deleted it", id="expired"),
        pytest.param(Progress(0, 30, 18), None, "they go on at offset 18", id="passed"),
        pytest.param(Progress(0, 30, None), 19, "offset 19 has its receipt", id="counted"),
    ],
)
def test_what_the_workers_do_not_have_to_pass(progress: Progress, counted: int | None, words: str):
    """Everything between what is committed and the end, as long as it has no receipt."""
    check_offsets(PLACE, 20, Progress(0, 21, 17), None)
    check_offsets(PLACE, 20, Progress(17, 21, None), None)
    with pytest.raises(ClustertrackError, match=words):
        check_offsets(PLACE, 20, progress, counted)
