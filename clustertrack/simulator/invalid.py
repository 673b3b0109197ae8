"""Records that a worker must reject, each with the codes that it must be rejected with.

Each names a company that no true event is about, and claims every outcome: accepting one would show in the figures.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Final

from clustertrack.simulator.final import Desk, State
from clustertrack.simulator.history import Version
from clustertrack.simulator.layouts import CellValue
from clustertrack.simulator.scenario import OUTCOMES, YEAR
from clustertrack.simulator.simulated_clusters import Source
from clustertrack.simulator.wire import cloudevent
from clustertrack.simulator.world import World

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Invalid:
    """One record: its exact bytes, and the codes of all its faults, sorted."""

    kind: str
    codes: tuple[str, ...]
    payload: bytes


@dataclass(frozen=True, slots=True)
class InvalidRow:
    """One row of a spreadsheet from which an event can be built that a worker must reject; `cells` by field."""

    kind: str
    codes: tuple[str, ...]
    version: Version
    cells: dict[str, CellValue] = field(default_factory=dict)


def _at(path: str, value: object) -> Callable[[Event], Event]:
    """Set one field of the event, or with None take it out."""

    def change(event: Event) -> Event:
        *parents, name = path.split(".")
        target = event["data"] if parents else event
        if value is None:
            del target[name]
        else:
            target[name] = value
        return event

    return change


def _several(*changes: Callable[[Event], Event]) -> Callable[[Event], Event]:
    def change(event: Event) -> Event:
        for one in changes:
            event = one(event)
        return event

    return change


def _retraction(**data: object) -> Callable[[Event], Event]:
    def change(event: Event) -> Event:
        kept = {"activity_id": event["data"]["activity_id"], "reason": "Syntetisk"} | data
        return event | {
            "type": "org.clustertrack.activity.retracted.v1",
            "data": {name: value for name, value in kept.items() if value is not None},
        }

    return change


KINDS: Final[tuple[tuple[str, tuple[str, ...], Callable[[Event], Event] | str], ...]] = (
    ("truncated", ("invalid_json",), "truncated"),
    ("wrong check digit", ("invalid_cvr_checksum",), _at("subject", "12345678")),
    ("no zone", ("time_without_zone",), _at("time", "2018-05-03T14:05:09")),
    ("e-mail address", ("extra_field",), _at("data.email", "nogen@syntetisk.example")),
    ("unknown outcome", ("unknown_outcome",), _at("data.outcomes", ["new_competencies", "more_turnover"])),
    ("foreign company", ("unsupported_identifier",), _at("subject", "SE556036079301")),
    ("no activity", ("missing",), _at("data.occurred_on", None)),
    ("unknown source", ("unknown_source",), _at("source", "https://crm.ukendt.example")),
    ("before the cluster", ("outside_cluster_span",), _at("data.occurred_on", "2014-05-05")),
    ("single quotes", ("invalid_json",), "single quotes"),
    ("trailing comma", ("invalid_json",), "trailing comma"),
    ("line of a log", ("invalid_json",), "line of a log"),
    ("latin-1", ("invalid_utf8",), "latin-1"),
    ("seven digits", ("invalid_cvr_length",), _at("subject", "1374813")),
    ("number as subject", ("invalid_type",), _at("subject", 13748136)),
    ("outcomes as text", ("invalid_type",), _at("data.outcomes", "new_ideas")),
    ("data as text", ("invalid_type",), _at("data", "WS-1")),
    ("no subject", ("missing",), _at("subject", None)),
    ("no time", ("missing",), _at("time", None)),
    ("no data", ("missing",), _at("data", None)),
    ("empty id", ("empty",), _at("id", "")),
    ("blank activity", ("empty",), _at("data.activity_id", "   ")),
    ("long id", ("too_long",), _at("id", "x" * 201)),
    ("long title", ("too_long",), _at("data.title", "Syntetisk " * 51)),
    ("person number", ("extra_field",), _at("data.cpr", "000000-0000")),
    ("membership of a workshop", ("not_allowed",), _at("data.membership", "member")),
    ("old version of CloudEvents", ("unsupported_specversion",), _at("specversion", "0.3")),
    ("unknown type", ("unknown_type",), _at("type", "org.clustertrack.meeting.held.v1")),
    ("unknown version", ("unknown_type_version",), _at("type", "org.clustertrack.workshop.attended.v9")),
    ("no such time", ("invalid_time",), _at("time", "2018-13-45T14:05:09Z")),
    ("time of another world", ("time_too_early",), _at("time", "1999-12-31T12:00:00Z")),
    ("time to come", ("time_in_future",), _at("time", "2099-01-01T12:00:00Z")),
    ("no such day", ("invalid_date",), _at("data.occurred_on", "2018-02-30")),
    ("day to come", ("date_too_late",), _at("data.occurred_on", "2099-05-05")),
    ("no such membership", ("unknown_membership",), "joined"),
    ("cluster of another source", ("not_a_cluster_of_source",), _at("data.cluster", "syn-findes-ikke")),
    ("which cluster?", ("cluster_required",), "shared"),
    ("day of another world", ("date_too_early",), "old cluster"),
    ("retraction without reason", ("missing",), _retraction(reason=None)),
    ("retraction with a day", ("not_allowed",), _retraction(occurred_on="2018-05-05")),
    ("retraction with outcomes", ("not_allowed",), _retraction(outcomes=[])),
    (
        "several faults",
        ("invalid_cvr_checksum", "time_without_zone", "unknown_outcome"),
        _several(
            _at("subject", "12345678"), _at("time", "2018-05-03T14:05:09"), _at("data.outcomes", ["more_turnover"])
        ),
    ),
)
"""The first ones are those of a small scenario. Text that is no JSON, or not UTF-8, is made in `_payload`."""

_ROWS: Final[tuple[tuple[str, tuple[str, ...], str, dict[str, CellValue]], ...]] = (
    ("wrong check digit", ("invalid_cvr_checksum",), "workshop.attended", {"subject": "12345678"}),
    ("unknown outcome", ("unknown_outcome",), "workshop.attended", {"outcomes": "Omsætning"}),
    ("no company", ("empty",), "workshop.attended", {"subject": ""}),
    ("unknown type", ("unknown_type",), "workshop.attended", {"type": "Netværksmøde"}),
    ("foreign company", ("unsupported_identifier",), "workshop.attended", {"subject": "SE556036079301"}),
    ("no such membership", ("unknown_membership",), "company.joined", {"membership": "sponsor"}),
    ("seven digits", ("invalid_cvr_length",), "project.started", {"subject": "1374813"}),
    ("long title", ("too_long",), "product.launched", {"title": "Syntetisk " * 51}),
    ("unknown source", ("unknown_source",), "workshop.attended", {"source": "https://crm.ukendt.example"}),
    (
        "cluster of another source",
        ("not_a_cluster_of_source",),
        "workshop.attended",
        {"cluster": "syn-findes-ikke"},
    ),
    ("membership of a workshop", ("not_allowed",), "workshop.attended", {"membership": "member"}),
)
"""(kind, codes, event type, cells by field); a field that the spreadsheet lacks leaves the kind out."""


class InvalidRecords:
    """Makes invalid records; each is about another company and has an id of its own."""

    def __init__(self, world: World, desk: Desk, rng: Random, version: Callable[[State, Source, str], Version]) -> None:
        self._world = world
        self._desk = desk
        self._rng = rng
        self._version = version

    def records(self, kinds: int, each: int) -> Iterator[Invalid]:
        """So many of each kind."""
        for kind, codes, change in KINDS[:kinds]:
            for _ in range(each):
                yield self._record(kind, codes, change)

    def without_key(self, number: int) -> Iterator[Invalid]:
        """Some for the file of the plain producer, which holds text only."""
        kinds = [kind for kind in KINDS if kind[1] != ("invalid_utf8",)]
        for index in range(number):
            yield self._record(*kinds[index * 7 % len(kinds)])

    def rows(self, source: Source, fields: frozenset[str], number: int, first: int) -> Iterator[InvalidRow]:
        """Rows of one spreadsheet, of the kinds that its columns can express, beginning with kind number `first`."""
        kinds = [kind for kind in _ROWS if kind[3].keys() <= fields]
        for index in range(number):
            kind, codes, event_type, cells = kinds[(first + index) % len(kinds)]
            state = self._state(event_type, source)
            yield InvalidRow(kind, codes, self._version(state[0], source, state[1]), cells)

    def _state(self, event_type: str, source: Source) -> tuple[State, str]:
        cvr = self._rng.choice(self._world.never)
        outcomes = OUTCOMES if event_type != "company.joined" else None
        activity = self._desk.activity(cvr, YEAR, event_type, outcomes, source)
        return activity.state, activity.activity_id

    def _record(self, kind: str, codes: tuple[str, ...], change: Callable[[Event], Event] | str) -> Invalid:
        shared = change == "shared"
        old = self._world.clusters[-1].slug  # was there long before the others
        if change == "old cluster":
            sources = [source for source in self._world.sources if source.clusters == (old,)]
        else:
            sources = [
                one for one in self._world.sources if (len(one.clusters) > 1) is shared and old not in one.clusters
            ]
        source = self._rng.choice(sources)
        state, activity_id = self._state("workshop.attended", source)
        if change == "joined":
            state = replace(state, type="company.joined", membership="sponsor", object_id=None)
        event = cloudevent(self._version(state, source, activity_id), self._rng)
        if shared:
            del event["data"]["cluster"]
        elif change == "old cluster":
            event["data"]["occurred_on"] = "1998-05-05"
        if callable(change):
            event = change(event)
        return Invalid(kind, codes, _payload(event, change if isinstance(change, str) else ""))


def _payload(event: Event, how: str) -> bytes:
    text = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
    if how == "truncated":
        text = text[: len(text) * 2 // 3]
    elif how == "single quotes":
        text = str(event)
    elif how == "trailing comma":
        text = text[:-1] + ",}"
    elif how == "line of a log":
        text = f"ERROR 2018-05-03 14:05:09 syntetisk eksport afbrudt ved {event['id']}"
    if how == "latin-1":
        return text.replace("Syntetisk", "Syntetisk på").encode("latin-1")
    return text.encode()
