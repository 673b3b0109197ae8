"""What a ledger holds, as plain values: the columns of its tables, and nothing of the product's code.

The model counts over a `History`; `tally.ledger` loads the same one into ClickHouse.
"""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import NamedTuple

NOW = datetime(2200, 1, 1, tzinfo=UTC)
"""The instant that means "all that is known now"."""


class Activity(NamedTuple):
    """One delivery of one version of an activity."""

    source: str
    activity_id: str
    revision: int
    is_deleted: int
    event_id: str
    company_id: int
    cluster: str
    event_type: str
    reported: tuple[str, ...]
    derived: tuple[str, ...]
    outcomes_given: int
    membership: str
    details: str
    occurred_on: date
    recorded_at: datetime
    known_at: datetime
    registry_revision: int = 0

    @property
    def identity(self) -> tuple[str, str]:
        """What can never be corrected."""
        return self.source, self.activity_id


class Company(NamedTuple):
    """One delivery of one version of a company."""

    company_id: int
    valid_from: date
    revision: int
    is_deleted: int
    name: str
    legal_form: str
    employees: int | None
    employees_is_band: int
    nuts: str
    industry_scheme: str
    industry: str
    successor_id: int
    ceased_on: date | None
    known_at: datetime


class Registry(NamedTuple):
    """One delivery of one version of the registry."""

    revision: int
    content: str
    known_at: datetime


NOWHERE = 65535
"""No partition."""


class Receipt(NamedTuple):
    """What became of one Kafka record, as one pass of a worker saw it."""

    topic: str
    topic_epoch: int
    partition: int
    offset: int
    status: str
    reason: str
    source: str
    log_time: datetime
    activity_id: str
    revision: int
    pipeline_version: int
    sent_to: int = NOWHERE
    origin_partition: int = NOWHERE
    origin_offset: int = 0
    event_id: str = ""


class Bound(NamedTuple):
    """The offsets low <= offset < high that Kafka holds of one partition."""

    topic: str
    topic_epoch: int
    partition: int
    low: int
    high: int


@dataclass
class History:
    """Everything that was delivered, in any order and as often as it came."""

    activities: list[Activity] = field(default_factory=list)
    companies: list[Company] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    bounds: list[Bound] = field(default_factory=list)
    registries: list[Registry] = field(default_factory=list)

    def known(self, instant: datetime) -> "History":
        """What of it had arrived by then; receipts are not looked at."""
        return History(
            [row for row in self.activities if row.known_at <= instant],
            [row for row in self.companies if row.known_at <= instant],
            registries=[row for row in self.registries if row.known_at <= instant],
        )
