"""What a collector remembers of the events that it rejected."""

from datetime import UTC, date, datetime, timedelta

from sources.collector.refusals import Refusals

NOW = datetime(2026, 11, 30, 22, 30, tzinfo=UTC)
FAULTS = [{"field": "id", "code": "missing"}]


def test_the_newest_of_an_event_is_found():
    """By its source and id, and for the cluster of its key alone."""
    refusals = Refusals()
    for seconds in (0, 1):
        refusals.add("kelp", "urn:crm", "7", FAULTS, NOW + timedelta(seconds=seconds))
    found = refusals.of_event("kelp", "urn:crm", "7")
    assert found is not None
    assert found.as_dict() == {
        "at": "2026-11-30T22:30:01.000+00:00",
        "source": "urn:crm",
        "event_id": "7",
        "faults": FAULTS,
    }
    assert refusals.of_event("kelp", "urn:crm", "8") is None
    assert refusals.of_event("wool", "urn:crm", "7") is None


def test_days_are_danish_and_the_newest_comes_first():
    """A day begins at midnight in Denmark; sources can be asked about one by one."""
    refusals = Refusals()
    for number, source in enumerate(("urn:a", "urn:b", None)):
        refusals.add("kelp", source, str(number), FAULTS, NOW + timedelta(minutes=20 * number))
    last = date(2026, 11, 30)
    assert [one.event_id for one in refusals.of_days("kelp", None, last, last)] == ["1", "0"]
    assert [one.event_id for one in refusals.of_days("kelp", None, last, date(2026, 12, 1))] == ["2", "1", "0"]
    assert [one.event_id for one in refusals.of_days("kelp", "urn:a", last, last)] == ["0"]


def test_memory_is_bounded():
    """A hundred events of a cluster, twenty faults of an event, a thousand clusters."""
    refusals = Refusals()
    for number in range(1_100):
        refusals.add("kelp", "urn:a", str(number), FAULTS * 30, NOW)
    kept = refusals.of_days("kelp", None, date(2026, 11, 30), date(2026, 11, 30))
    assert [one.event_id for one in kept] == [str(number) for number in range(1_099, 999, -1)]
    assert {len(one.faults) for one in kept} == {20}
    for number in range(1_000):
        refusals.add(f"cluster-{number}", "urn:a", "1", FAULTS, NOW)
    assert refusals.of_event("kelp", "urn:a", "1099") is None
