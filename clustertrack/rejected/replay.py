"""Sends records in place of rejected ones so that each is sent once, even if the command dies half way.

For each chunk of records, in this order:

1. **Find out** what became of replays that began and did not end: the partitions are read from the first offset at
   which the record can be to the last instant at which it can have arrived. What is found was replayed and is noted so;
   what is not was never sent, and is open. Where Kafka has deleted that offset the result is unknown, and a person
   decides.
2. **Note the intent**, with that first offset.
3. **Look again** whether anyone else has the same intent; if so, step back.
4. **Send**, and wait for the confirmation of each.
5. **Note** the address of each, which closes the rejected record.

A crash before 4 leaves an intent and no record, one after 4 an intent and a record: step 1 of a later run finds out.
A transaction would not do better: one that a dead process left open would hold up the whole pipeline for a minute. What
is left to chance is a process that is stopped for more than LEASE_SECONDS between 3 and 4 and then goes on. Its records
are sent twice: a valid one is counted once (its second receipt says `duplicate`), and the ledger keeps both actions.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple, Protocol
from uuid import UUID

from clustertrack.rejected.outgoing import Outgoing
from clustertrack.rejected.records import Action, RejectedRecord
from schemas.addresses import RecordAddress

LEASE_SECONDS: Final = 60
"""How long an intent may be in progress: longer than a record can take to be confirmed."""

_CLOSING: Final = ("replayed", "discarded")
NOT_KNOWN: Final = "whether it arrived could not be known any more, and it was sent again"
"""The note of an abandoned attempt whose outcome is unknown."""
_CANNOT_BE_KNOWN: Final = (
    "a replay of it by {who} was interrupted, and whether it arrived cannot be known: Kafka has deleted {to}. "
    "Repeat the command with --may-repeat to send it: if it did arrive, it is counted once all the same"
)


class Book(Protocol):
    """Where intents and results are kept: `clustertrack.rejected.actions.ActionBook`."""

    def write(self, actions: Sequence[Action]) -> None:
        """Keep actions; one that is written twice is kept once."""

    def read(self, places: Sequence[RecordAddress]) -> list[Action]:
        """What was done with the records at these places, the oldest first; of each attempt its last state."""


class Window(NamedTuple):
    """Where to look for a record when all we know is that someone meant to send it."""

    offset: int
    """There or after it."""
    at: datetime
    """When the last of these intents was noted, UTC."""


class Standing(NamedTuple):
    """What was found where it can be."""

    found: dict[str, list[RecordAddress]]
    """Address of a rejected record -> addresses of those that were sent in its place."""
    lows: dict[int, int]
    """Partition -> the oldest offset that Kafka still has: what was before it is unknown."""


class Topic(Protocol):
    """The topic that records are sent to: `clustertrack.rejected.replay_topic.KafkaTopic`."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def epoch(self) -> int:
        """How often it was deleted and re-created so far."""

    def ends(self, partitions: Iterable[int]) -> dict[int, int]:
        """Partition -> the offset that the next record gets."""

    def find(self, windows: Mapping[int, Window]) -> Standing:
        """Records that were sent in place of another, of those that can have arrived since: partition -> since when."""

    def send(self, records: Sequence[Outgoing]) -> Iterator[int]:
        """Send records; gives the offset of each, in their order, as soon as it is confirmed. Raises Unreachable."""


class Refused(NamedTuple):
    """A record that was not sent again, and why."""

    place: RecordAddress
    why: str


@dataclass(frozen=True, slots=True)
class Results:
    """What became of the records of a run."""

    replayed: list[Action] = field(default_factory=list)
    """Sent by this run."""
    found: list[Action] = field(default_factory=list)
    """Sent by an earlier run that was interrupted before it could say so."""
    refused: list[Refused] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Run:
    """Who sends records again and why. Clock, names and plan are passed in.

    Attributes:
        acted_by: user name.
        note: why; may be empty.
        plan: what to send in place of a record, or a sentence saying why nothing is sent.
        clock: gives the present instant, UTC.
        sleep: waits for seconds.
        new_attempt: gives a new UUID.
        say: tells the user what takes long.
        may_repeat: whether to resend records whose interrupted replay can no longer be verified.
    """

    acted_by: str
    note: str
    plan: Callable[[RejectedRecord], Outgoing | str]
    clock: Callable[[], datetime]
    sleep: Callable[[float], None]
    new_attempt: Callable[[], UUID]
    say: Callable[[str], None]
    may_repeat: bool = False


def resend(records: Sequence[RejectedRecord], run: Run, topic: Topic, book: Book, results: Results) -> None:
    """Carry open records of one topic through the five steps; `results` takes what becomes of them.

    Raises:
        Unreachable: what was confirmed is noted; repeat the call for the rest.
    """
    records = _find_out(records, run, topic, book, results)
    planned: list[tuple[RejectedRecord, Outgoing]] = []
    for record in records:
        plan = run.plan(record)
        if isinstance(plan, str):
            results.refused.append(Refused(record.place, plan))
        else:
            planned.append((record, plan))
    if not planned:
        return
    intents = _note_intents(planned, run, topic, book)
    ready = _alone(intents, book, run, results)
    sending = [(intents[record.place], plan) for record, plan in planned if record.place in ready]
    done: list[Action] = []
    try:
        for (intent, plan), offset in zip(sending, topic.send([plan for _, plan in sending]), strict=False):
            stands = RecordAddress(topic.name, topic.epoch, plan.partition, offset)
            done.append(intent._replace(action="replayed", acted_at=run.clock(), to=stands))
    finally:  # also when Kafka goes away or the user interrupts: what is confirmed stays confirmed
        book.write(done)
        results.replayed.extend(done)


def under_way(actions: Iterable[Action]) -> list[Action]:
    """Replays that began and whose outcome is unknown."""
    return [action for action in actions if action.action == "replaying"]


def _find_out(
    records: Sequence[RejectedRecord], run: Run, topic: Topic, book: Book, results: Results
) -> list[RejectedRecord]:
    """Step 1. Returns the records that are still to be sent."""
    places = [record.place for record in records]
    actions = book.read(places)
    begun = under_way(actions)
    unknown: set[RecordAddress] = set()
    if begun:
        last = max(action.acted_at for action in begun)
        wait = (last + timedelta(seconds=LEASE_SECONDS) - run.clock()).total_seconds()
        if wait > 0:
            who = ", ".join(sorted({action.acted_by for action in begun}))
            run.say(f"a replay of {len(begun)} of these records, by {who}, may be at work: waiting {wait:.0f} s for it")
            run.sleep(wait)
            actions = book.read(places)
            begun = under_way(actions)
        for together in _noted_together(begun):
            unknown |= _settle(together, run, topic, book, results)
    closed = {action.place: action for action in actions if action.action in _CLOSING}
    results.refused.extend(
        Refused(place, f"{action.acted_by} has {action.action} it meanwhile") for place, action in closed.items()
    )
    gone = {*closed, *(action.place for action in results.found), *unknown}
    return [record for record in records if record.place not in gone]


def _noted_together(begun: Sequence[Action]) -> Iterator[list[Action]]:
    """Intents of one command, or nearly: between those of a Monday and a Friday there is much to read in vain."""
    left = sorted(begun, key=lambda action: action.acted_at)
    while left:
        until = left[0].acted_at + timedelta(seconds=LEASE_SECONDS)
        yield [action for action in left if action.acted_at <= until]
        left = [action for action in left if action.acted_at > until]


def _settle(begun: Sequence[Action], run: Run, topic: Topic, book: Book, results: Results) -> set[RecordAddress]:
    """Note the address of each replay under way, or that it was never sent; returns those whose outcome is unknown."""
    windows: dict[int, Window] = {}
    for action in begun:
        if (to := _first_place(action, topic)) is not None:
            known = windows.get(to.partition, Window(to.offset, action.acted_at))
            windows[to.partition] = Window(min(to.offset, known.offset), max(action.acted_at, known.at))
    standing = topic.find(windows) if windows else Standing({}, {})
    claimed = {action.to for action in results.found}
    settled, unknown = [], set()
    for action in begun:
        to = _first_place(action, topic)
        candidates = [place for place in standing.found.get(str(action.place), []) if place not in claimed]
        if candidates:
            found = action._replace(action="replayed", acted_at=run.clock(), to=candidates[0])
            claimed.add(candidates[0])
            results.found.append(found)
            settled.append(found)
        elif to is None or to.offset >= standing.lows[to.partition]:
            settled.append(action._replace(action="abandoned", acted_at=run.clock(), to=None))
        elif run.may_repeat:
            settled.append(action._replace(action="abandoned", acted_at=run.clock(), to=None, note=NOT_KNOWN))
        else:
            unknown.add(action.place)
            results.refused.append(Refused(action.place, _CANNOT_BE_KNOWN.format(who=action.acted_by, to=to)))
    book.write(settled)
    return unknown


def _first_place(action: Action, topic: Topic) -> RecordAddress | None:
    """The first place at which the record can be; None if the topic was re-created since, and it is gone."""
    to = action.to
    return to if to is not None and (to.topic, to.topic_epoch) == (topic.name, topic.epoch) else None


def _note_intents(
    planned: Sequence[tuple[RejectedRecord, Outgoing]], run: Run, topic: Topic, book: Book
) -> dict[RecordAddress, Action]:
    """Step 2."""
    ends = topic.ends({plan.partition for _, plan in planned})
    intents = {
        record.place: Action(
            place=record.place,
            attempt=run.new_attempt(),
            action="replaying",
            acted_at=run.clock(),
            acted_by=run.acted_by,
            note=run.note,
            replays=plan.replays,
            edited=plan.edited,
            to=RecordAddress(topic.name, topic.epoch, plan.partition, ends[plan.partition]),
        )
        for record, plan in planned
    }
    book.write(list(intents.values()))
    return intents


def _alone(intents: dict[RecordAddress, Action], book: Book, run: Run, results: Results) -> set[RecordAddress]:
    """Step 3. Returns the places that nobody else is working on."""
    mine = {action.attempt for action in intents.values()}
    others: dict[RecordAddress, set[str]] = defaultdict(set)
    for action in book.read(list(intents)):
        if action.attempt not in mine and action.action != "abandoned":
            others[action.place].add(action.acted_by)
    if others:
        book.write([intents[p]._replace(action="abandoned", acted_at=run.clock(), to=None) for p in others])
        results.refused.extend(
            Refused(place, f"{' and '.join(sorted(names))} replayed or discarded it at the same moment")
            for place, names in others.items()
        )
    return intents.keys() - others.keys()
