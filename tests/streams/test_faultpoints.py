"""Fault points: what can be armed, and when it strikes."""

import asyncio

import pytest
from twins import Record

from streams.faultpoints import DrillError, FaultPoints


def test_it_strikes_once_at_the_point_and_time_asked_for() -> None:
    """Other points do nothing, nor does the armed one before and after."""
    points = FaultPoints("insert:3:cancel")
    for _ in range(2):
        points.reach("insert")
        points.reach("produce")
    with pytest.raises(asyncio.CancelledError):
        points.reach("insert")
    points.reach("insert")


def test_it_can_fail_as_by_a_bug() -> None:
    """No retry or rejection is meant for this error, and it says where it comes from."""
    with pytest.raises(DrillError, match="at 'mark' was asked for") as raised:
        FaultPoints("mark:1:raise").reach("mark")
    assert type(raised.value).__bases__ == (Exception,)


def test_a_record_does_its_harm_every_time() -> None:
    """Unless it is rejected unread; other records, partitions and topics do none."""
    points = FaultPoints("record:events/2/17:raise")
    records = [Record(16, b""), Record(17, b"")]
    points.reach_record("events", 1, records, ())
    points.reach_record("companies", 2, records, ())
    points.reach_record("events", 2, records[:1], ())
    points.reach_record("events", 2, records, {17})
    for _ in range(2):
        with pytest.raises(DrillError, match="at 'events/2/17' was asked for"):
            points.reach_record("events", 2, records, {16})


def test_nothing_is_armed_in_production() -> None:
    """An empty variable does nothing at any point, nor for any record."""
    FaultPoints("").reach("insert")
    FaultPoints("").reach_record("events", 2, [Record(17, b"")], ())


@pytest.mark.parametrize(
    ("armed", "word"),
    [pytest.param("nowhere:1", "point 'nowhere'", id="point"), pytest.param("mark:1:hurt", "harm 'hurt'", id="harm")],
)
def test_what_does_not_exist_is_refused(armed: str, word: str) -> None:
    """A drill with a typo must not pass for a drill."""
    with pytest.raises(ValueError, match=word):
        FaultPoints(armed)
