"""Rejected records that a person chose, and what is sent in their place: puts ledger, Kafka and registry together."""

import getpass
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from clickhouse_connect.driver.client import Client

from brokers import topics
from brokers.judging import Judge
from clustertrack.registry import registry_in_force
from clustertrack.rejected import rejected_text as text
from clustertrack.rejected.actions import story_of
from clustertrack.rejected.outgoing import Outgoing, as_edited, as_replay
from clustertrack.rejected.records import RejectedRecord, WrittenAddress
from clustertrack.rejected.rejected_text import Would
from clustertrack.rejected.replay import Refused, Results
from clustertrack.rejected.store import Selection, find_places, known_words, open_places, read_records
from clustertrack.settings import Settings
from schemas.addresses import RecordAddress
from schemas.errors import CheckFailed, UsageFault
from schemas.fault_codes import MEANINGS
from schemas.faults import SET_ASIDE
from schemas.own_files import read_within
from schemas.similar import suggestion
from schemas.visible import visible

_MAX_EDIT: Final = 16 * 1024 * 1024
"""Bytes of an edited event; Kafka takes no more than 1 MiB."""


def check_words(client: Client, settings: Settings, wanted: Selection) -> None:
    """Raise UsageFault for a reason, source or topic that no record can have: it is misspelt, and would find none."""
    if not (wanted.reasons or wanted.sources or wanted.topics):
        return
    reasons, sources = known_words(client, settings.clickhouse.database)
    registry = registry_in_force(settings)
    sources |= {source for cluster in registry.clusters for source in cluster.sources}
    for option, given, known, where in (
        ("--reason", wanted.reasons, {*MEANINGS, *reasons}, "is no fault code"),
        ("--source", wanted.sources, sources, "is no source of a rejected record or of the cluster registry"),
        ("--topic", wanted.topics, {*topics.READ}, "is no topic that workers read"),
    ):
        for word in given:
            if word not in known:
                raise UsageFault(
                    f"{option} {visible(word)} {where}{suggestion(word, known)}: see `clustertrack rejected list`."
                )


def named(client: Client, database: str, wanted: Selection) -> tuple[Selection, Results]:
    """The same records, their epochs resolved; those among the named that are not open are refused."""
    results = Results()
    if not wanted.places:
        return wanted, results
    places = resolve(client, database, list(wanted.places))
    exact = [WrittenAddress(*place) for place in places]
    still_open = {place for chunk in open_places(client, database, Selection(places=exact)) for place in chunk}
    for place in places:
        if place not in still_open:
            story = story_of(client, database, place)
            closing = [text.outcome(d) for d in story.done if d.action.action in ("replayed", "discarded")]
            results.refused.append(Refused(place, f"it is closed: {closing[-1] if closing else story.status}"))
    return replace(wanted, places=exact), results


def resolve(client: Client, database: str, named: list[WrittenAddress]) -> list[RecordAddress]:
    """Addresses of the named records. Raises CheckFailed for a missing one, UsageFault for an ambiguous one."""
    found = find_places(client, database, named)
    for name, places in found.items():
        if not places:
            raise CheckFailed(
                f"{name} is not a rejected record; they are kept for 90 days, see `clustertrack rejected list`."
            )
        if len(places) > 1:
            choice = " or ".join(f"{p.topic}@{p.topic_epoch}/{p.partition}/{p.offset}" for p in places)
            raise UsageFault(f"{name} is ambiguous, the topic was deleted and re-created: say {choice}.")
    return [places[0] for places in found.values()]


def plan(record: RejectedRecord, *, partitions: int, limit: int, edit: Path | None) -> Outgoing | str:
    """What to send in place of a record: itself, or the event in the file `edit`; or a sentence why nothing."""
    can_return = record.place.topic == topics.EVENTS
    if edit is None and record.reason == SET_ASIDE:
        return (
            "it was set aside unread, there is nothing to send: publish it again from its source, or give --edit FILE"
        )
    if edit is None:
        return as_replay(record, partitions=partitions, limit=limit, can_return=can_return)
    return as_edited(record, read_within(edit, _MAX_EDIT), partitions=partitions, can_return=can_return)


def dry_run(
    client: Client,
    settings: Settings,
    chunks: Iterator[list[RecordAddress]],
    plan: Callable[[RejectedRecord], Outgoing | str],
    results: Results,
) -> list[Would]:
    """What would be sent, each with the faults that it would have now with the registry in force."""
    judge = Judge(registry_in_force(settings), allow_personal_data=settings.worker.allow_personal_data)
    would: list[Would] = []
    for chunk in chunks:
        for record in read_records(client, settings.clickhouse.database, chunk):
            planned = plan(record)
            if isinstance(planned, str):
                results.refused.append(Refused(record.place, planned))
                continue
            now = int(time.time() * 1000)
            judged = judge.record(planned.key, planned.value, planned.headers, now)
            found = judged if isinstance(judged, list) else []
            would.append(Would(record.place, f"{topics.EVENTS}/{planned.partition}", planned, found))
    return would


def user() -> str:
    """Who runs the command."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        return f"uid {os.getuid()}"
