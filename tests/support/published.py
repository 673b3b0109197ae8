"""What publishers sent, as a random history: written into a ledger by the worker's own decisions, and remembered here.

The memory is the model: it never asks the product what became of a record. A step of a history is one record; the model
notes what it is (`Sent`) from how it was made.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from clickhouse_connect.driver.client import Client
from deciding import PARTITIONS, home
from samples import CVRS
from twins import Record

from clustertrack.rejected.actions import ActionBook
from clustertrack.rejected.records import Action
from schemas.addresses import RecordAddress
from schemas.clusters import Cluster
from schemas.company import CompanyVersion
from schemas.ledger import CompanyRow, RegistryRow, Rows
from schemas.registry_document import Institution, Registry
from sinks.clickhouse import ClickHouse
from sinks.writer import LedgerWriter
from streams.company_register import Register
from streams.decide import PartitionInfo, process_batch

TOPIC = "activity.events.v1"
TABLES = ("activities", "companies", "registries", "rejected", "receipts")
OURS, SHARED, THEIRS = "https://crm.foodbio.example", "urn:crm:second", "https://crm.energy.example"
SOURCES = (OURS, SHARED, THEIRS)
DANISH = ZoneInfo("Europe/Copenhagen")
SMALL, LARGE, BODY, LISTED, UNKNOWN, MERGED, UNSIZED, OTHER = CVRS
REGISTRY = Registry(
    revision=1,
    clusters=tuple(
        Cluster(slug=slug, name=slug, valid_from=date(2000, 1, 1), sources=sources)
        for slug, sources in (("food-bio", (OURS, SHARED)), ("energy", (THEIRS,)))
    ),
    institutions=(Institution(cvr=LISTED, valid_from=date(2000, 1, 1), reason="a university"),),
)
DERIVED = {
    "company.joined": (),
    "workshop.attended": ("new_competencies",),
    "project.started": ("new_ideas",),
    "product.launched": ("new_products",),
}


def _company(cvr: int, name: str, employees: int | None, **more: Any) -> CompanyVersion:
    return CompanyVersion(
        cvr=cvr, valid_from=more.pop("valid_from", date(2001, 1, 1)), revision=1, name=name, employees=employees, **more
    )


COMPANIES = (
    _company(SMALL, "Small", 12),
    _company(LARGE, "Large", 1200),
    _company(BODY, "Body", 900, legal_form="230"),
    _company(LISTED, "RejectedSummary", 3),
    _company(MERGED, "Merged", 7),
    _company(MERGED, "Merged", 7, valid_from=date(2019, 3, 1), successor_cvr=LARGE),
    _company(UNSIZED, "Unsized", None),
    _company(OTHER, "Other", 49),
)
_SEEN = {
    SMALL: (SMALL, "Small", "10-19", "company", True),
    LARGE: (LARGE, "Large", "1000+", "company", True),
    BODY: (BODY, "Body", "500-999", "other", True),
    LISTED: (LISTED, "RejectedSummary", "2-4", "other", True),
    UNKNOWN: (UNKNOWN, "", "unknown", "company", False),
    UNSIZED: (UNSIZED, "Unsized", "unknown", "company", True),
    OTHER: (OTHER, "Other", "20-49", "company", True),
}


def seen_as(company: int, day: date) -> tuple[str, str, str, str, bool]:
    """CVR number, name, size band, kind and whether the register has it, as at the end of the day's year, by hand."""
    if company == MERGED:
        found = _SEEN[LARGE] if day.year >= 2019 else (MERGED, "Merged", "5-9", "company", True)
    else:
        found = _SEEN[company]
    return (f"{found[0]:08d}", *found[1:])


@dataclass(frozen=True)
class Sent:
    """One record as a publisher sent it, or an operator again."""

    document: dict[str, Any]
    codes: tuple[str, ...]
    """What is wrong with it, by how it was made."""
    place: RecordAddress
    """Where it was judged."""
    before: RecordAddress | None
    """Where it was first, if that was the wrong partition."""
    arrived: datetime

    @property
    def source(self) -> str:
        return self.document["source"]

    @property
    def event_id(self) -> str:
        return self.document["id"]

    @property
    def activity_id(self) -> str:
        return self.document["data"].get("activity_id") or self.event_id

    @property
    def company(self) -> int:
        return int(self.document["subject"])

    @property
    def retracts(self) -> bool:
        return "retracted" in self.document["type"]

    @property
    def time(self) -> datetime:
        return datetime.fromisoformat(self.document["time"])

    @property
    def day(self) -> date:
        return date.fromisoformat(self.document["data"]["occurred_on"])

    @property
    def kind(self) -> str:
        return self.document["type"].removeprefix("org.clustertrack.").removesuffix(".v1")

    @property
    def outcomes(self) -> list[str] | None:
        return self.document["data"].get("outcomes")

    @property
    def content(self) -> str:
        """All that makes it another version than one of the same activity."""
        return json.dumps({**self.document, "id": None, "data": {**self.document["data"], "activity_id": None}})


@dataclass
class Published:
    """A history: what was sent in the order of arrival, and what operators did."""

    seed: int
    steps: int
    begins: datetime
    """Arrival of the first record; the others follow by minutes."""
    sent: list[Sent] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)
    rows: list[Rows] = field(default_factory=list)
    """For the ledger, in the order in which workers store them."""

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._marks: dict[bytes, bytes] = {}
        self._offsets = [0] * PARTITIONS
        self._register = Register()
        known = int(self.begins.timestamp() * 1000) - 10_000
        for version in COMPANIES:
            self._register.apply(version)
        self.rows.append(
            Rows(companies=[CompanyRow(one, known) for one in COMPANIES], registries=[RegistryRow(REGISTRY, known)])
        )
        for step in range(self.steps):
            self._step(step, self.begins + timedelta(minutes=7 * step))

    def _step(self, step: int, now: datetime) -> None:
        chance = self._random.random()
        good = [one for one in self.sent if not one.codes]
        bad = [one for one in self.sent if one.codes and not any(a.place == one.place for a in self.actions)]
        if chance < 0.10 and good:
            self._deliver(self._random.choice(good).document, (), now)
        elif chance < 0.17 and good:
            again = self._random.choice(good).document
            data = {**again["data"], "activity_id": again["data"].get("activity_id") or again["id"]}
            self._deliver({**again, "id": f"other-{step}", "data": data}, (), now)
        elif chance < 0.24 and bad:
            self._act(self._random.choice(bad), now)
        else:
            self._deliver(*self._event(step), now)

    def _event(self, step: int) -> tuple[dict[str, Any], tuple[str, ...]]:
        source = self._random.choice(SOURCES)
        kind = self._random.choice([*DERIVED, *DERIVED, "activity.retracted"])
        time = datetime(2018, 1, 1, tzinfo=UTC) + timedelta(hours=self._random.randrange(9000), milliseconds=step)
        data: dict[str, Any] = {"activity_id": f"A-{self._random.randrange(self.steps // 6)}"}
        if kind == "activity.retracted":
            data["reason"] = "entered twice"
        else:
            data["occurred_on"] = str(date(2018, 6, 1) + timedelta(days=self._random.randrange(500)))
            if self._random.random() < 0.5:
                data["outcomes"] = self._random.sample(["new_ideas", "new_products"], self._random.randrange(3))
            if self._random.random() < 0.2:
                del data["activity_id"]
        document = {
            "specversion": "1.0",
            "id": f"e-{step} æ'\\",
            "source": source,
            "type": f"org.clustertrack.{kind}.v1",
            "subject": f"{self._random.choice(CVRS):08d}",
            "time": time.isoformat(),
            "data": data,
        }
        codes: list[str] = []
        if self._random.random() < 0.22:
            if old := [one for one in self.sent if one.codes and one.source == source]:
                document["id"] = self._random.choice([document["id"], self._random.choice(old).event_id])
            document["time"] = "yesterday"
            codes.append("invalid_time")
            if "outcomes" in data:
                data["outcomes"] = ["fame"]
                codes.append("unknown_outcome")
        elif self._random.random() < 0.1 and (old := [one for one in self.sent if one.codes and one.source == source]):
            document["id"] = self._random.choice(old).event_id  # fixed, and sent again
        return document, tuple(codes)

    def _act(self, one: Sent, now: datetime) -> None:
        attempt = UUID(int=self._random.getrandbits(128))
        if self._random.random() < 0.5:
            self.actions.append(Action(one.place, attempt, "discarded", now, "anna", "a test"))
            return
        self._deliver(one.document, one.codes, now)
        self.actions.append(Action(one.place, attempt, "replayed", now, "anna", to=self.sent[-1].place))

    def _deliver(self, document: dict[str, Any], codes: tuple[str, ...], now: datetime) -> None:
        """Send a record, some of them to a wrong partition, and let a worker decide."""
        value, company = json.dumps(document).encode(), int(document["subject"])
        partition, before = home(company), None
        arrived = int(now.timestamp() * 1000)
        if not codes and self._random.random() < 0.15:
            partition = (partition + 1) % PARTITIONS
            before = RecordAddress(TOPIC, 0, partition, self._offsets[partition])
            [moved] = self._decide(partition, Record(self._offsets[partition], value, arrived)).outputs
            partition, arrived = moved.partition, arrived + 1000
            self._judge(
                document,
                codes,
                partition,
                Record(self._offsets[partition], value, arrived, None, moved.headers),
                before,
            )
        else:
            self._judge(document, codes, partition, Record(self._offsets[partition], value, arrived), None)

    def _judge(
        self,
        document: dict[str, Any],
        codes: tuple[str, ...],
        partition: int,
        record: Record,
        before: RecordAddress | None,
    ) -> None:
        place = RecordAddress(TOPIC, 0, partition, record.offset)
        self._decide(partition, record)
        arrived = datetime.fromtimestamp(record.timestamp / 1000, UTC)
        self.sent.append(Sent(document, codes, place, before, arrived))

    def _decide(self, partition: int, record: Record) -> Any:
        batch = process_batch(
            PartitionInfo(TOPIC, 0, partition, PARTITIONS),
            [record],
            seen=lambda keys: [self._marks.get(key) for key in keys],
            register=self._register,
            clusters=REGISTRY.by_source,
            condemned={},
        )
        self._marks |= batch.marks
        self._offsets[partition] += 1
        self.rows.append(batch.rows)
        return batch

    # ---- the model

    def versions(self, source: str, activity_id: str) -> list[list[Sent]]:
        """Versions of an activity, the newest first: the records that carried each, in the order of arrival."""
        found: dict[tuple[datetime, str], list[Sent]] = {}
        for one in self.sent:
            if not one.codes and (one.source, one.activity_id) == (source, activity_id):
                found.setdefault((one.time, one.content), []).append(one)
        return [found[key] for key in sorted(found, reverse=True)]

    def rejected(self, source: str, *, event_id: str | None = None, activity_id: str | None = None) -> list[Sent]:
        """Rejected records with this id, or about this activity, the newest first."""
        return [
            one
            for one in reversed(self.sent)
            if one.codes and one.source == source and (one.event_id == event_id or one.activity_id == activity_id)
        ]

    def closed(self, one: Sent) -> str:
        """What was done with a rejected record."""
        return next((action.action for action in self.actions if action.place == one.place), "")

    def superseded(self, one: Sent) -> bool:
        """Whether a new version of its activity arrived after it."""
        return any(records[0].arrived > one.arrived for records in self.versions(one.source, one.activity_id))

    def ids(self) -> Iterator[tuple[str, str]]:
        """Every source with every id that it used."""
        yield from dict.fromkeys((one.source, one.event_id) for one in self.sent)

    def activities(self) -> Iterator[tuple[str, str]]:
        """Every source with every activity that it named."""
        yield from dict.fromkeys((one.source, one.activity_id) for one in self.sent)


def store(history: Published, client: Client, address: ClickHouse) -> None:
    """Write a history as workers store it: in groups, the last third twice as after a crash, and not merged."""
    writer = LedgerWriter(address)
    third = len(history.rows) // 3
    for some in (history.rows[:third], history.rows[third:], history.rows[-third:]):
        rows = Rows()
        for one in some:
            for name in TABLES:
                getattr(rows, name).extend(getattr(one, name))
        writer.insert(rows)
    writer.close()
    ActionBook(client, address.database).write(history.actions)
