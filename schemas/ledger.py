"""The rows of the ledger that a worker writes, and what it may expect of the code that stores them.

`streams` fills `Rows`, `sinks` stores them; neither knows about the other. `Ledger` is the port between the two: its
twin in memory (`tests/support/twins.py`) and the real one (`sinks.writer.LedgerWriter`) pass the same contract test.
"""

from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, Protocol

from schemas.company import CompanyVersion
from schemas.errors import ClustertrackError
from schemas.events import Activity
from schemas.faults import Fault
from schemas.keys import KeyVersion
from schemas.registry_document import Registry

Status = Literal["duplicate", "rejected", "rerouted", "accepted", "retracted"]
Header = tuple[str, bytes | None]
Headers = tuple[Header, ...]

NO_PARTITION: Final = 65535
"""In place of a partition where there is none: no Kafka topic comes near so many."""


class Receipt(NamedTuple):
    """What became of one Kafka record: a row of `receipt`."""

    topic: str
    topic_epoch: int
    partition: int
    offset: int
    status: Status
    reason: str
    source: str
    log_time: int
    """Milliseconds since 1970-01-01 UTC."""
    activity_id: str
    revision: int
    pipeline_version: int
    sent_to: int = NO_PARTITION
    """Partition that a rerouted record was sent on to."""
    origin_partition: int = NO_PARTITION
    """Where a record that was sent on was before, on the same topic."""
    origin_offset: int = 0
    event_id: str = ""
    """Of a duplicate, which may have another than the first occurrence; else empty."""


class Original(NamedTuple):
    """A payload of which only the beginning is kept."""

    size: int
    """Bytes of the whole."""
    sha256: bytes
    """Of the whole; empty where it could not be read to its end."""


class Rejection(NamedTuple):
    """A rejected record as it came, with everything wrong with it: a row of `rejected`."""

    topic: str
    topic_epoch: int
    partition: int
    offset: int
    log_time: int
    """Milliseconds since 1970-01-01 UTC."""
    source: str
    faults: tuple[Fault, ...]
    headers: Headers
    key: bytes | None
    payload: bytes | None
    pipeline_version: int
    original: Original | None = None
    """The payload as it came, where only its beginning is kept."""
    registry_revision: int = 0
    """Of the registry that it was judged by; 0 for a record that needs none."""


class CompanyRow(NamedTuple):
    """A version of a company and when it became known: a row of `company_version`."""

    version: CompanyVersion
    known_at: int
    """Milliseconds since 1970-01-01 UTC."""


class RegistryRow(NamedTuple):
    """A version of the registry and when it became known: a row of `registry_version`."""

    version: Registry
    known_at: int
    """Milliseconds since 1970-01-01 UTC."""


class KeyRow(NamedTuple):
    """A version of a publisher's key and when it became known: a row of `collector_key`."""

    version: KeyVersion
    known_at: int
    """Milliseconds since 1970-01-01 UTC."""


@dataclass(slots=True)
class Rows:
    """What a group of records adds to the ledger. Receipts are stored last: a receipt proves its row."""

    activities: list[Activity] = field(default_factory=list)
    companies: list[CompanyRow] = field(default_factory=list)
    registries: list[RegistryRow] = field(default_factory=list)
    keys: list[KeyRow] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)

    @property
    def facts(self) -> tuple[list[Any], ...]:
        """All but the receipts."""
        return self.activities, self.companies, self.registries, self.keys, self.rejected

    def extend(self, other: "Rows") -> None:
        """Append the rows of another group."""
        self.activities += other.activities
        self.companies += other.companies
        self.registries += other.registries
        self.keys += other.keys
        self.rejected += other.rejected
        self.receipts += other.receipts


class LedgerUnavailable(ClustertrackError):
    """The ledger cannot store anything right now, but can store the same rows later: retry without limit."""

    exit_code = 3


class LedgerRefused(ClustertrackError):
    """The ledger says that the content of a row cannot be stored. Once proves nothing: see `streams.deliver`."""


class Ledger(Protocol):
    """Stores rows. Blocking; called from one thread at a time."""

    def insert(self, rows: Rows) -> None:
        """Store all rows: activities, companies, registries, keys and rejections first, then receipts.

        May be repeated with the same rows, in whole or cut otherwise: the ledger's figures do not change.

        Raises:
            LedgerUnavailable: repeat the call later.
            LedgerRefused: the ledger says that a row cannot be stored; some of the others may have been.
        """

    def probe(self, rows: Rows) -> None:
        """Store nothing in the tables of these rows, to see whether they take inserts at all.

        Raises what `insert` does.
        """
