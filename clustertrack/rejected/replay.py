"""Sends records in place of rejected ones: note the intent, send, note the address of what was sent.

The address closes the rejected record. A command that dies before it notes it leaves an intent without a result, and
the record still open: repeating the command sends it again. Nothing looks for what had arrived, because what arrives
twice is counted once: the second record is a duplicate of the first, as with a repeated `publish`. Records that are
rejected again are listed twice, as one message. The same holds for two people who replay one record at the same
moment; the ledger keeps the actions of both.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple, Protocol
from uuid import UUID

from clustertrack.rejected.outgoing import Outgoing
from clustertrack.rejected.records import Action, RejectedRecord
from schemas.addresses import RecordAddress

_CLOSING: Final = ("replayed", "discarded")


class Book(Protocol):
    """Where intents and results are kept: `clustertrack.rejected.actions.ActionBook`."""

    def write(self, actions: Sequence[Action]) -> None:
        """Keep actions; one that is written twice is kept once."""

    def read(self, places: Sequence[RecordAddress]) -> list[Action]:
        """What was done with the records at these places, the oldest first; of each attempt its last state."""


class Topic(Protocol):
    """The topic that records are sent to: `clustertrack.rejected.replay_topic.KafkaTopic`."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def epoch(self) -> int:
        """How often it was deleted and re-created so far."""

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
    refused: list[Refused] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Run:
    """Who sends records again and why. Clock, names and plan are passed in.

    Attributes:
        acted_by: user name.
        note: why; may be empty.
        plan: what to send in place of a record, or a sentence saying why nothing is sent.
        clock: gives the present instant, UTC.
        new_attempt: gives a new UUID.
    """

    acted_by: str
    note: str
    plan: Callable[[RejectedRecord], Outgoing | str]
    clock: Callable[[], datetime]
    new_attempt: Callable[[], UUID]


def resend(records: Sequence[RejectedRecord], run: Run, topic: Topic, book: Book, results: Results) -> None:
    """Send open records of one topic again; `results` takes what becomes of them.

    Raises:
        Unreachable: what was confirmed is noted; repeat the call for the rest.
    """
    sending = list(_planned(records, run, book, results))
    book.write([intent for intent, _ in sending])
    done: list[Action] = []
    try:
        for (intent, plan), offset in zip(sending, topic.send([plan for _, plan in sending]), strict=False):
            to = RecordAddress(topic.name, topic.epoch, plan.partition, offset)
            done.append(intent._replace(action="replayed", acted_at=run.clock(), to=to))
    finally:  # also when Kafka goes away or the user interrupts: what is confirmed stays confirmed
        book.write(done)
        results.replayed.extend(done)


def _planned(
    records: Sequence[RejectedRecord], run: Run, book: Book, results: Results
) -> Iterator[tuple[Action, Outgoing]]:
    """The intent for each record, and what to send; records that were closed meanwhile are not sent."""
    actions = book.read([record.place for record in records])
    closed = {action.place: action for action in actions if action.action in _CLOSING}
    for record in records:
        if (closing := closed.get(record.place)) is not None:
            results.refused.append(Refused(record.place, f"{closing.acted_by} has {closing.action} it meanwhile"))
            continue
        plan = run.plan(record)
        if isinstance(plan, str):
            results.refused.append(Refused(record.place, plan))
            continue
        intent = Action(
            place=record.place,
            attempt=run.new_attempt(),
            action="replaying",
            acted_at=run.clock(),
            acted_by=run.acted_by,
            note=run.note,
            replays=plan.replays,
            edited=plan.edited,
        )
        yield intent, plan
