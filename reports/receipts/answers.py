"""What became of one event, and of one activity.

An answer rests on what the ledger keeps: accepted versions and receipts permanently, rejected records with their ids
for 90 days. A record that no worker has read is not in it, so the caller says whether Kafka has such records.
"""

from collections.abc import Collection
from typing import Final

from clickhouse_connect.driver.client import Client

from reports.receipts.answer_model import MOST, Answer, State
from reports.receipts.bounds import check_source
from reports.receipts.counting import counted_as
from reports.receipts.ledger_rows import Known, activity_of, duplicates_of, rejected_with, versions_of
from schemas.errors import UsageFault
from schemas.visible import visible

LONGEST_ID: Final = 200
"""Characters of an id; events with longer ones are rejected (`schemas.envelope`)."""


def of_event(
    client: Client, sources: Collection[str], source: str, event_id: str, *, unread: bool | None = None
) -> Answer:
    """What became of the event with this id.

    Args:
        client: connected to the ledger's database.
        sources: those that the one who asks may see.
        source: of the event.
        event_id: its CloudEvents id.
        unread: whether Kafka has records that no worker has read yet; None when that is not known.

    Raises:
        UsageFault: a source that is none of these, an id that no event can have, or too much to read.
        Exception: what clickhouse-connect raises for a server that fails.
    """
    check_source(source, sources)
    check_id(event_id)
    rejected = tuple(rejected_with(client, source, event_id=event_id))
    duplicates = duplicates_of(client, source, event_id)
    activity_id = activity_of(client, source, event_id)
    repeated = duplicates[0] if activity_id is None and duplicates else None
    if repeated is not None:
        activity_id = repeated[0]
    known = [] if activity_id is None else versions_of(client, source, activity_id)
    own = next((one for one in known if event_id in one.event_ids), None)
    if repeated is not None:
        own = next((one for one in known if one.key == repeated[1]), None)
    if own is None and known:
        raise UsageFault(
            f"The event's activity {visible(activity_id or '')} has more versions than an answer reads: ask about the "
            "activity, whose newest versions say how it counts."
        )
    if own is None:
        about = next((one.activity_id for one in rejected if one.activity_id), None)
        state: State = "rejected" if rejected else "unknown" if unread is False else "waiting"
        return Answer(
            source=source, event_id=event_id, activity_id=about, state=state, rejected=rejected, unread=unread
        )
    newest = known[0]
    state = "duplicate" if own.version.event_id != event_id else _state(own, newest)
    return Answer(
        source=source,
        event_id=event_id,
        activity_id=activity_id,
        state=state,
        version=own.version,
        by=None if own is newest else newest.version,
        counted=counted_as(client, newest.version),
        versions=tuple(one.version for one in known[:MOST]),
        rejected=rejected,
        duplicates=tuple(record for _, _, record in duplicates),
        unread=unread,
    )


def of_activity(
    client: Client, sources: Collection[str], source: str, activity_id: str, *, unread: bool | None = None
) -> Answer:
    """What became of an activity: its versions, how it counts, and what was rejected. As `of_event` otherwise."""
    check_source(source, sources)
    check_id(activity_id)
    known = versions_of(client, source, activity_id)
    rejected = tuple(rejected_with(client, source, activity_id=activity_id))
    newest = known[0].version if known else None
    state: State = "rejected" if rejected else "unknown" if unread is False else "waiting"
    if newest is not None:
        state = "retracted" if newest.retracts else "accepted"
    return Answer(
        source=source,
        event_id=None,
        activity_id=activity_id,
        state=state,
        version=newest,
        counted=None if newest is None else counted_as(client, newest),
        versions=tuple(one.version for one in known[:MOST]),
        rejected=rejected,
        unread=unread,
    )


def check_id(text: str) -> None:
    """Raises UsageFault for what no accepted event has as its id."""
    if not text.strip():
        raise UsageFault("The id is empty: give the id of the event, or of the activity, as it was sent.")
    if len(text) > LONGEST_ID:
        raise UsageFault(
            f"The id has more than {LONGEST_ID} characters: events with such ids are rejected as too_long."
        )
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UsageFault("The id holds half a character, which no event can have: give it as it was sent.") from error


def _state(own: Known, newest: Known) -> State:
    if own is newest:
        return "accepted"
    return "retracted" if newest.version.retracts else "corrected"
