"""What became of events and activities: every answer over a random history is the one that the model gives."""

import json
from collections import Counter
from datetime import UTC, datetime

import pytest
from clickhouse_connect.driver.client import Client
from published import DERIVED, OURS, SOURCES, THEIRS, Published, Sent, seen_as

from reports.receipts.answer_model import STATES, CountedAs, Rejected, Version
from reports.receipts.answers import of_activity, of_event
from reports.receipts.sentences import sentence
from schemas.errors import UsageFault

pytestmark = pytest.mark.integration

SAMPLE = 3
"""Of each state: each answer takes some queries."""
ORDER = ("new_competencies", "new_ideas", "new_products")


def expected_counted(newest: Sent) -> tuple | None:
    """How the newest version of an activity counts."""
    if newest.retracts:
        return None
    reported = tuple(name for name in ORDER if name in (newest.outcomes or ()))
    derived = DERIVED[newest.kind] if newest.outcomes is None else ()
    cluster = "energy" if newest.source == THEIRS else "food-bio"
    return (newest.day.year, newest.day, cluster, reported, derived, *seen_as(newest.company, newest.day))


def expected_records(records: list[Sent]) -> list[tuple]:
    """Records that carried a version: the first was accepted, the others repeat it."""
    first = "retracted" if records[0].retracts else "accepted"
    return [(one.place, one.arrived, first if one is records[0] else "duplicate", one.before) for one in records]


def expected_rejected(history: Published, found: list[Sent]) -> list[tuple]:
    """Rejected records: place, codes, id, activity, what was done, superseded."""
    return [
        (one.place, set(one.codes), one.event_id, one.activity_id, history.closed(one), history.superseded(one))
        for one in found
    ]


def said_rejected(found: tuple[Rejected, ...]) -> list[tuple]:
    return [
        (
            one.record.place,
            {fault.code for fault in one.faults},
            one.event_id,
            one.activity_id,
            one.closed,
            one.superseded,
        )
        for one in found
    ]


def said_records(version: Version) -> list[tuple]:
    return [(one.place, one.log_time, one.status, one.sent_on_from) for one in version.records]


def expected_event(history: Published, source: str, event_id: str) -> tuple:
    """State, versions of the event and of its activity, rejected records, by the model."""
    carried = [one for one in history.sent if (one.source, one.event_id) == (source, event_id) and not one.codes]
    own = repeats = None
    for one in reversed(carried):  # an id that was used for several activities is that of the last
        versions = history.versions(source, one.activity_id)
        repeats = repeats or next(version for version in versions if one in version)
        if own is None and any(version[0] is one for version in versions):
            own = next(version for version in versions if version[0].event_id == event_id)
    rejected = expected_rejected(history, history.rejected(source, event_id=event_id))
    version = own or repeats
    if version is None:
        return "rejected" if rejected else "waiting", None, None, None, rejected
    newest = history.versions(source, version[0].activity_id)[0]
    state = "duplicate" if own is None else "accepted" if own == newest else "corrected"
    if state == "corrected" and newest[0].retracts:
        state = "retracted"
    by = None if version == newest else newest
    return state, version, by, expected_counted(newest[0]), rejected


def check_version(found: Version | None, records: list[Sent] | None) -> None:
    assert (found is None) == (records is None)
    if found is not None and records is not None:
        assert found.event_id == records[0].event_id
        assert said_records(found) == expected_records(records)
        assert (found.time, found.retracts, found.type) == (records[0].time, records[0].retracts, records[0].kind)


def check_counted(found: CountedAs | None, expected: tuple | None) -> None:
    assert (None if found is None else tuple(found)) == expected


def some_of_each(expected: dict[tuple[str, str], str]) -> list[tuple[str, str]]:
    """Up to SAMPLE keys of each state."""
    found: dict[str, list[tuple[str, str]]] = {}
    for key, state in expected.items():
        found.setdefault(state, []).append(key)
    return [key for keys in found.values() for key in keys[-SAMPLE:]]


def test_events_of_a_history(ledger: Client, history: Published):
    """For some ids of each state: state, version, what came after it, how it counts, and what was rejected."""
    expected = {key: expected_event(history, *key) for key in history.ids()}
    said = Counter()
    for source, event_id in some_of_each(
        {key: f"{answer[0]} {[one[4:] for one in answer[4][:1]]}" for key, answer in expected.items()}
    ):
        answer = of_event(ledger, SOURCES, source, event_id)
        state, version, by, counts, rejected = expected[source, event_id]
        assert answer.state == state, event_id
        check_version(answer.version, version)
        check_version(answer.by, by)
        check_counted(answer.counted, counts)
        assert said_rejected(answer.rejected) == rejected
        assert event_id in sentence(answer)
        assert json.loads(json.dumps(answer.as_dict()))["state"] == state
        said[state] += 1
        said.update(f"rejected: {one.closed}" for one in answer.rejected)
        said.update("superseded" for one in answer.rejected if one.superseded)
        said.update("sent on" for one in (version or []) if one.before)
    for unread in (True, False):
        said[of_event(ledger, SOURCES, OURS, "never sent", unread=unread).state] += 1
    assert set(STATES) <= set(said)
    assert {"rejected: ", "rejected: replayed", "rejected: discarded", "superseded", "sent on"} <= set(said)


def test_activities_of_a_history(ledger: Client, history: Published):
    """For some activities of each state: all versions with their records, how they count, and what was rejected."""
    expected = {}
    for key in history.activities():
        versions = history.versions(*key)
        expected[key] = ("retracted" if versions[0][0].retracts else "accepted") if versions else "rejected"
    for source, activity_id in some_of_each(expected):
        answer = of_activity(ledger, SOURCES, source, activity_id)
        versions = history.versions(source, activity_id)
        assert answer.state == expected[source, activity_id]
        assert len(answer.versions) == len(versions)
        for found, records in zip(answer.versions, versions, strict=True):
            check_version(found, records)
        check_counted(answer.counted, expected_counted(versions[0][0]) if versions else None)
        rejected = history.rejected(source, activity_id=activity_id)
        assert said_rejected(answer.rejected) == expected_rejected(history, rejected)
        assert activity_id in sentence(answer)
    assert set(expected.values()) == {"accepted", "retracted", "rejected"}


def test_a_rejected_record_is_stored_before_its_receipt(ledger: Client, history: Published):
    """Between the two it is rejected and open all the same."""
    row = next(row for rows in history.rows for row in rows.rejected if row.source == OURS)
    payload = (row.payload or b"").replace(b'"id": "', b'"id": "early ')
    early = row._replace(offset=10**6, payload=payload)
    ledger.insert(
        "rejected",
        [(early.topic, early.partition, early.offset, datetime.now(UTC), early.source, list(early.faults), payload)],
        column_names=["topic", "partition", "offset", "log_time", "source", "faults", "payload"],
    )
    answer = of_event(ledger, SOURCES, OURS, f"early {json.loads(row.payload or b'')['id']}")
    assert (answer.state, answer.rejected[0].closed, answer.rejected[0].record.sent_on_from) == ("rejected", "", None)


def test_figures_count_as_the_answers_say(ledger: Client, history: Published):
    """The view that all figures are counted from agrees with the model of how an activity counts."""
    for year in (2018, 2019):
        rows = ledger.query(
            "SELECT source, activity_id, occurred_on, company_id, size_band, kind, "
            "arraySort(groupArrayIf(outcome, reported AND outcome != 'helped')), "
            "arraySort(groupArrayIf(outcome, derived AND outcome != 'helped')) "
            f"FROM fact(from = '{year}-01-01', to = '{year}-12-31', as_at = '{year}-12-31', "
            "known = '2200-01-01 00:00:00') GROUP BY ALL"
        ).result_rows
        expected = {}
        for key in history.activities():
            versions = history.versions(*key)
            found = expected_counted(versions[0][0]) if versions else None
            if found is not None and found[0] == year:
                _, day, _, reported, derived, company, _, band, kind, _ = found
                expected[key] = (day, int(company), band, kind, list(reported), list(derived))
        assert {row[:2]: row[2:] for row in rows} == expected
        assert len(expected) > 20


def test_only_own_sources_are_asked_about(ledger: Client):
    """Another cluster's source is refused, and its ids are not found under an own source."""
    with pytest.raises(UsageFault, match=r"not one that you publish for: ask about https://crm\.foodbio"):
        of_event(ledger, [OURS], THEIRS, "e-1")
    with pytest.raises(UsageFault, match="ask about none"):
        of_activity(ledger, [], OURS, "A-1")


@pytest.mark.parametrize("text", ["", " ", "x" * 201, "\ud800"], ids=["empty", "blank", "long", "half a character"])
def test_ids_that_no_event_has(ledger: Client, text: str):
    """They are a mistake of the one who asks, in one sentence."""
    with pytest.raises(UsageFault, match="The id"):
        of_event(ledger, [OURS], OURS, text)


@pytest.mark.parametrize("text", ["a\0b", "a\nb", "a\tb", "' OR 1 --", "\\", "{id:String}", "%00"])
def test_ids_are_bound(ledger: Client, text: str):
    """An id is never a part of the query."""
    assert of_event(ledger, [OURS], OURS, text).state == "waiting"
