"""Random histories of a ledger: everything that may happen to an activity, and the receipts of how it arrived.

A seed always gives the same history. Days and sizes are on the edges where figures change: New Year, the days on
which a version of a company begins or a company ceases, 49 and 50 employees.
"""

import hashlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

from tally.records import NOWHERE, Activity, Bound, Company, History, Receipt
from tally.registers import random_register, random_registries

EDGES = (
    date(2016, 12, 31), date(2017, 1, 1), date(2017, 12, 31), date(2018, 1, 1), date(2018, 6, 30), date(2018, 7, 1),
    date(2018, 12, 30), date(2018, 12, 31), date(2019, 1, 1), date(2020, 2, 29),
)  # fmt: skip
YEARS = (2016, 2017, 2018, 2019, 2020)
"""Years with activity, the first and the last with little."""
SOURCES = ("https://crm.food.example", "https://crm.energy.example", "urn:crm:life")
CLUSTERS = ("food-bio", "energy", "life", "")
OUTCOMES = ("new_competencies", "new_ideas", "new_products")
DERIVED: dict[int, dict[str, tuple[str, ...]]] = {
    1: {"workshop.attended": OUTCOMES[:1], "project.started": OUTCOMES[1:2], "product.launched": OUTCOMES[2:]},
    2: {"workshop.attended": OUTCOMES[:2], "product.launched": OUTCOMES[2:], "company.joined": OUTCOMES[:1]},
}
"""Pipeline version -> what it derives from a type of event."""
TYPES = ("company.joined", "workshop.attended", "project.started", "product.launched")
FIRST_KNOWN = datetime(2019, 1, 1, tzinfo=UTC)
RELEASED = datetime(2020, 6, 1, tzinfo=UTC)
"""Release of pipeline version 2: nothing that it wrote was known before."""
TOPICS = (("activity.events.v1", 0), ("activity.events.v1", 1), ("activity.old.v1", 0))
PARTITIONS = 3
MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True)
class Content:
    """What an event says of an activity."""

    company_id: int
    occurred_on: date
    event_type: str
    cluster: str
    outcomes: tuple[str, ...] | None
    membership: str
    details: str


@dataclass(frozen=True)
class Delivery:
    """One version on one place of Kafka."""

    row: Activity
    log_time: datetime


NOISE, LOST = "noise", "lost"
"""Records without a version; those without a receipt too."""
FIRST_OFFSET = 5
"""Of every partition; offsets before it were deleted by Kafka."""


def random_history(seed: int, activities: int = 300, companies: int = 60) -> History:
    """A history of activities of registered companies and of some that the register lacks."""
    rng = random.Random(seed)
    numbers = rng.sample(range(10_000_000, 100_000_000), companies + companies // 8)
    registered = numbers[:companies]
    register = random_register(rng, registered, numbers, EDGES)
    days = sorted({*EDGES, *_days_of(register)})
    deliveries = [
        delivery
        for _ in range(activities)
        for delivery in _activity(rng, f"A-{rng.randrange(activities)}/1", numbers, days)
    ]
    rows = [delivery.row for delivery in deliveries]
    versions = {(*row.identity, row.revision): row for row in rows}
    reprocessed = [_reprocessed(row) for row in versions.values() if rng.random() < 0.2]
    receipts, bounds = _receipts(rng, deliveries)
    lost = {(*row.identity, row.revision) for row in rng.sample(rows, max(1, len(rows) // 60))}
    rows = [row for row in rows + reprocessed if (*row.identity, row.revision) not in lost]
    return History(rows, register, receipts, bounds, random_registries(rng, numbers, EDGES))


def _days_of(register: list[Company]) -> Iterator[date]:
    """Days around those on which something changes for a company, in the years of activity."""
    for row in register:
        for day in (row.valid_from, row.ceased_on):
            if day is not None and YEARS[0] <= day.year <= YEARS[-1]:
                yield from (day - timedelta(days=1), day)


# ---- activities


def _activity(rng: random.Random, activity_id: str, numbers: list[int], days: list[date]) -> list[Delivery]:
    """Versions of one activity: corrected, retracted, revived, repeated, and known in any order.

    Two sources may use the same id for what is not the same, and so may one source.
    """
    source = rng.choice(SOURCES)
    recorded = FIRST_KNOWN - timedelta(days=rng.randrange(900), milliseconds=rng.randrange(86_400_000))
    content = _content(rng, numbers, days)
    deliveries: list[Delivery] = []
    for _ in range(rng.choice((1, 1, 2, 3, 3, 6))):
        retracted = rng.random() < 0.2
        row = _row(source, activity_id, recorded, content, event_id=f"e{rng.getrandbits(40):x}", retracted=retracted)
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            log_time = _moment(rng)
            again = row._replace(event_id=rng.choice((row.event_id, f"{row.event_id}-again")), known_at=log_time)
            deliveries.append(Delivery(again, log_time))
        content = _corrected(rng, content, numbers, days)
        # Some versions share their millisecond; the next one may also have been recorded earlier.
        recorded += rng.choice((0, 0, 1, 1000, 86_400_000, -3_600_000)) * MILLISECOND
    return deliveries


def _content(rng: random.Random, numbers: list[int], days: list[date]) -> Content:
    day = rng.choice(days) if rng.random() < 0.6 else date(2017, 1, 1) + timedelta(days=rng.randrange(3 * 365))
    return Content(
        company_id=rng.choice(numbers),
        occurred_on=day,
        event_type=rng.choice((*TYPES, "")) if rng.random() < 0.1 else rng.choice(TYPES),
        cluster=rng.choice(CLUSTERS),
        outcomes=rng.choice((None, None, (), OUTCOMES[:1], OUTCOMES[1:], OUTCOMES)),
        membership=rng.choice(("", "member", "participant")),
        details=rng.choice(('{"title":"A"}', '{"title":"Æ, ø \\\\ å\'"}', "{}")),
    )


def _corrected(rng: random.Random, content: Content, numbers: list[int], days: list[date]) -> Content:
    """The same with another value in one field; sometimes unchanged."""
    name = rng.choice((*Content.__dataclass_fields__, ""))
    other = _content(rng, numbers, days)
    return replace(content, **{name: getattr(other, name)}) if name else content


def _row(
    source: str, activity_id: str, recorded: datetime, content: Content, *, event_id: str, retracted: bool
) -> Activity:
    said = () if content.outcomes is None or retracted else content.outcomes
    row = Activity(
        source=source,
        activity_id=activity_id,
        revision=0,
        is_deleted=int(retracted),
        event_id=event_id,
        company_id=content.company_id,
        cluster=content.cluster,
        event_type="activity.retracted" if retracted else content.event_type,
        reported=said,
        derived=(),
        outcomes_given=int(content.outcomes is not None and not retracted),
        membership="" if retracted else content.membership,
        details=content.details,
        occurred_on=content.occurred_on,
        recorded_at=recorded,
        known_at=recorded,
    )
    return _by_pipeline(row, 1)


def _by_pipeline(row: Activity, pipeline: int) -> Activity:
    """The row as a version of the pipeline writes it: its number in the revision, and its mapping."""
    said = (row.company_id, row.occurred_on, row.event_type, row.cluster, row.reported, row.outcomes_given)
    text = repr((*said, row.membership, row.details))
    digest = int.from_bytes(hashlib.sha256(text.encode()).digest(), "big") % 2**55
    milliseconds = (row.recorded_at - datetime(1970, 1, 1, tzinfo=UTC)) // MILLISECOND
    return row._replace(
        revision=milliseconds * 2**64 + row.is_deleted * 2**63 + pipeline * 2**55 + digest,
        derived=() if row.outcomes_given else DERIVED[pipeline].get(row.event_type, ()),
    )


def _reprocessed(row: Activity) -> Activity:
    return _by_pipeline(row, 2)._replace(known_at=max(row.known_at, RELEASED))


def _moment(rng: random.Random) -> datetime:
    return FIRST_KNOWN + timedelta(milliseconds=rng.randrange(2 * 365 * 86_400_000))


# ---- receipts


def _receipts(rng: random.Random, deliveries: list[Delivery]) -> tuple[list[Receipt], list[Bound]]:
    """A receipt for most records, some of them twice, and records that brought no version."""
    receipts: list[Receipt] = []
    bounds: list[Bound] = []
    places = [(*topic, partition) for topic in TOPICS for partition in range(PARTITIONS)]
    shares: dict[tuple[str, int, int], list[Delivery]] = {place: [] for place in places}
    homes = {delivery.row.identity: rng.choice(places[:-1]) for delivery in deliveries}
    for delivery in deliveries:
        home = homes[delivery.row.identity] if rng.random() < 0.8 else rng.choice(places[:-1])
        shares[home].append(delivery)
    forgotten = {delivery.row.revision for delivery in rng.sample(deliveries, max(1, len(deliveries) // 60))}
    for place, share in shares.items():
        records = _records(rng, share)
        seen: set[tuple[str, str, int]] = set()
        time = FIRST_KNOWN
        for offset, record in enumerate(records, FIRST_OFFSET):
            if record == LOST or rng.random() < 0.02:
                continue
            if isinstance(record, str):
                receipts += _passes(rng, _noise(rng, place, offset, time))
            elif record.row.revision not in forgotten:
                time = record.log_time
                receipts += _passes(rng, _judged(place, offset, record, seen))
        high = FIRST_OFFSET + len(records) + rng.choice((0, 0, 2))
        low = rng.choice((0, FIRST_OFFSET - 2, FIRST_OFFSET, FIRST_OFFSET + 1, high // 2))
        bounds.append(Bound(*place, min(low, high), high))
    return _sent_on(rng, receipts), bounds


def _sent_on(rng: random.Random, receipts: list[Receipt]) -> list[Receipt]:
    """Half of the rerouted records arrived somewhere on the partition that they were sent to."""
    sent: dict[tuple[str, int, int, int], int] = {}
    came: dict[tuple[str, int, int, int], tuple[int, int]] = {}
    places = sorted({receipt[:4] for receipt in receipts})
    for topic, epoch, partition, offset in sorted({r[:4] for r in receipts if r.status == "rerouted"}):
        there = [place for place in places if place[:2] == (topic, epoch) and place[2] != partition]
        arrived = rng.choice(there)
        sent[topic, epoch, partition, offset] = arrived[2]
        if rng.random() < 0.5:
            came[arrived] = (partition, offset)
    return [
        r._replace(
            sent_to=sent[r[:4]] if r.status == "rerouted" else NOWHERE,
            origin_partition=came.get(r[:4], (NOWHERE, 0))[0],
            origin_offset=came.get(r[:4], (NOWHERE, 0))[1],
        )
        for r in receipts
    ]


def _records(rng: random.Random, share: list[Delivery]) -> list[Delivery | str]:
    """The records of a partition by offset: by the broker's clock, but for some new leaders whose clock is behind."""
    records: list[Delivery | str] = [*sorted(share, key=lambda delivery: delivery.log_time)]
    for position in range(len(share) // 4):
        records.insert(rng.randrange(len(records)), NOISE)
        if position % 5 == 0:
            second = rng.randrange(1, len(records))
            records[second - 1 : second + 1] = [records[second], LOST, records[second - 1]]
    return records


def _judged(
    place: tuple[str, int, int], offset: int, delivery: Delivery, seen: set[tuple[str, str, int]]
) -> Callable[[int], Receipt]:
    row = delivery.row
    version = (*row.identity, row.revision)
    status = "duplicate" if version in seen else "retracted" if row.is_deleted else "accepted"
    seen.add(version)

    def receipt(pipeline: int) -> Receipt:
        # A duplicate names the first occurrence, from any pipeline.
        revision = row.revision if status == "duplicate" else _by_pipeline(row, pipeline).revision
        return Receipt(*place, offset, status, "", row.source, delivery.log_time, row.activity_id, revision, pipeline)

    return receipt


def _noise(rng: random.Random, place: tuple[str, int, int], offset: int, time: datetime) -> Callable[[int], Receipt]:
    status = rng.choice(("rejected", "rejected", "rerouted"))
    reason = "wrong_partition" if status == "rerouted" else "invalid_json"
    source = rng.choice((*SOURCES, ""))
    return lambda pipeline: Receipt(*place, offset, status, reason, source, time, "", 0, pipeline)


def _passes(rng: random.Random, receipt: Callable[[int], Receipt]) -> list[Receipt]:
    """What workers wrote for one offset: once; again after a crash; seen as a duplicate; by the next pipeline."""
    first = receipt(1)
    found = [first]
    chance = rng.random()
    if chance < 0.1:
        found.append(first)
    elif chance < 0.2 and first.status in ("accepted", "retracted"):
        found.append(first._replace(status="duplicate"))
    elif chance < 0.3:
        found.append(receipt(2))
    elif chance < 0.36:  # a stricter pipeline
        found.append(
            first._replace(status="rejected", reason="too_long", activity_id="", revision=0, pipeline_version=2)
        )
    return found
