"""Answers about events and activities, as values and as JSON types. Instants are UTC, days are Danish."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final, Literal, NamedTuple

from schemas.addresses import RecordAddress
from schemas.classifications import Kind
from schemas.faults import CODES, Fault
from schemas.ledger import Status

State = Literal["waiting", "unknown", "accepted", "corrected", "retracted", "duplicate", "rejected"]
STATES: Final[dict[State, str]] = {
    "waiting": "it is not in the ledger, and workers have, or may have, records to read yet",
    "unknown": "it is not in the ledger, and workers have read everything",
    "accepted": "it is in the ledger, and the newest version of its activity",
    "corrected": "it is in the ledger, and another version of its activity counts in its place",
    "retracted": "it is in the ledger, and its activity was retracted",
    "duplicate": "its content had been accepted before under another id",
    "rejected": "it was rejected, and no event with its id was accepted",
}
"""State of an event or an activity -> what it means. An activity is never corrected or a duplicate itself."""
Closed = Literal["", "replayed", "discarded", "judged_again"]
CLOSED: Final[dict[Closed, str]] = {
    "": "it waits for somebody",
    "replayed": "an operator sent it again",
    "discarded": "an operator closed it",
    "judged_again": "a later version of the pipeline did not reject it",
}
"""What was done with a rejected record -> what it means."""


class Carried(NamedTuple):
    """A Kafka record, and what became of it."""

    place: RecordAddress
    log_time: datetime
    """When it arrived."""
    status: Status
    sent_on_from: RecordAddress | None = None
    """Where it was first, if a worker sent it on to the partition of its company."""

    def as_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return {
            **place_dict(self.place),
            "log_time": instant(self.log_time),
            "status": self.status,
            "sent_on_from": place_dict(self.sent_on_from) if self.sent_on_from else None,
        }


class Version(NamedTuple):
    """One version of an activity, as an event brought it."""

    event_id: str
    time: datetime
    """Of the event."""
    known_at: datetime
    retracts: bool
    company: str
    """CVR number as reported."""
    type: str
    day: date | None
    """Of the activity; None for a retraction, which has none."""
    cluster: str
    outcomes_given: bool
    reported: tuple[str, ...]
    derived: tuple[str, ...]
    membership: str
    records: tuple[Carried, ...] = ()
    """Those that carried it, in the order of arrival."""

    def as_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return {
            **self._asdict(),
            "time": instant(self.time),
            "known_at": instant(self.known_at),
            "day": self.day.isoformat() if self.day else None,
            "reported": list(self.reported),
            "derived": list(self.derived),
            "records": [record.as_dict() for record in self.records],
        }


class CountedAs(NamedTuple):
    """How an activity counts now: in which year, with which outcomes, and as which company."""

    year: int
    day: date
    cluster: str
    reported: tuple[str, ...]
    derived: tuple[str, ...]
    company: str
    """CVR number after mergers, as at the end of the year."""
    name: str
    size_band: str
    kind: Kind
    """`other` for public bodies and institutions, which are counted apart from companies."""
    in_register: bool
    """A company that the register lacks counts, with unknown size."""

    def as_dict(self) -> dict[str, Any]:
        """As JSON types."""
        lists = {"reported": list(self.reported), "derived": list(self.derived)}
        return {**self._asdict(), "day": self.day.isoformat(), **lists}


class Rejected(NamedTuple):
    """A rejected record: everything wrong with it, and what was done with it."""

    record: Carried
    event_id: str
    activity_id: str
    faults: tuple[Fault, ...]
    closed: Closed
    closed_at: datetime | None
    sent_again_to: RecordAddress | None
    superseded: bool
    """A version of the same activity was accepted that arrived after it."""

    @property
    def is_open(self) -> bool:
        """Whether somebody has to do something."""
        return not (self.closed or self.superseded)

    def as_dict(self) -> dict[str, Any]:
        """As JSON types, with what each fault means."""
        return {
            "record": self.record.as_dict(),
            "event_id": self.event_id,
            "activity_id": self.activity_id,
            "faults": [{**one._asdict(), "message": CODES.get(one.code, "")} for one in self.faults],
            "closed": self.closed or None,
            "closed_at": instant(self.closed_at) if self.closed_at else None,
            "sent_again_to": place_dict(self.sent_again_to) if self.sent_again_to else None,
            "superseded": self.superseded,
            "open": self.is_open,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of an event, or of an activity."""

    source: str
    event_id: str | None
    """That was asked for; None when the activity was."""
    activity_id: str | None
    """None where it is not known."""
    state: State
    version: Version | None = None
    """The one that the event brought, or repeated; of an activity its newest."""
    by: Version | None = None
    """The newest version, by which that one was corrected or retracted."""
    counted: CountedAs | None = None
    """How the activity counts now; None when it does not."""
    versions: tuple[Version, ...] = ()
    """All of the activity, the newest first; up to `MOST`."""
    rejected: tuple[Rejected, ...] = ()
    """Records with this event's id, or about this activity, that were rejected; the newest first, up to `MOST`."""
    duplicates: tuple[Carried, ...] = ()
    """Records with this event's id that repeated an accepted version."""
    unread: bool | None = None
    """Whether workers have records to read yet, as the caller knows it; None when it is unknown."""

    def as_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return {
            "source": self.source,
            "event_id": self.event_id,
            "activity_id": self.activity_id,
            "state": self.state,
            "version": self.version.as_dict() if self.version else None,
            "by": self.by.as_dict() if self.by else None,
            "counted": self.counted.as_dict() if self.counted else None,
            "versions": [version.as_dict() for version in self.versions],
            "rejected": [one.as_dict() for one in self.rejected],
            "duplicates": [record.as_dict() for record in self.duplicates],
            "unread": self.unread,
        }


MOST: Final = 100
"""Most versions, rejected records and duplicates of one answer: an activity has a handful."""


def place_dict(place: RecordAddress) -> dict[str, Any]:
    """A place as JSON types."""
    return place._asdict()


def instant(value: datetime) -> str:
    """An instant as RFC 3339, to the millisecond."""
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
