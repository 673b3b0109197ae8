"""What the rules make of Kafka's records: rows and receipts, computed over the whole topic in plain Python.

Only the forms of events that `tally.stories` writes are judged; every rule of the format has its own tests elsewhere.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from kafka.partitioner.default import murmur2
from tally.records import Activity, Bound, Company, History, Receipt, Registry

from schemas.indicators import PIPELINE_RELEASED, PIPELINE_VERSION

COPENHAGEN = ZoneInfo("Europe/Copenhagen")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
PREFIX, SUFFIX = "org.clustertrack.", ".v1"
OUTCOMES = ("new_competencies", "new_ideas", "new_products")
DETAILS = ("product_id", "project_id", "reason", "title", "workshop_id")
WEIGHTS = (2, 7, 6, 5, 4, 3, 2, 1)


@dataclass(frozen=True)
class Cluster:
    """A line of the cluster registry."""

    slug: str
    first: date
    last: date
    source: str


@dataclass(frozen=True)
class Pipeline:
    """A version of the pipeline: nothing that it wrote was known before its release."""

    version: int
    released: datetime
    derived: Mapping[str, tuple[str, ...]]
    """Outcomes that follow from a type of event; none from a type that is not listed."""


FIRST = Pipeline(
    PIPELINE_VERSION,
    PIPELINE_RELEASED,
    {
        "workshop.attended": ("new_competencies",),
        "project.started": ("new_ideas",),
        "product.launched": ("new_products",),
    },
)
TYPES = ("company.joined", "workshop.attended", "project.started", "product.launched", "activity.retracted")

Pass = tuple[Pipeline, Sequence[Any]]
"""Records that a pipeline read, each partition in the order of its offsets."""
Hash = Callable[[Activity], int]
"""The 55 bits that put versions of the same millisecond in order: arbitrary, but always alike."""


class Refused(Exception):
    """An event that breaks a rule; its text is the code of the rule."""


def is_cvr(number: str) -> bool:
    """Eight digits whose weighted sum is a multiple of 11."""
    return len(number) == 8 and sum(w * int(d) for w, d in zip(WEIGHTS, number, strict=True)) % 11 == 0


def read(value: bytes, arrived: datetime, clusters: Sequence[Cluster], tie: Hash, pipeline: Pipeline) -> Activity:
    """The row of a valid event; raises Refused."""
    event = _document(value)
    data = event["data"]
    event_type = event["type"].removeprefix(PREFIX).removesuffix(SUFFIX)
    company = event["subject"].removeprefix("DK").replace(" ", "")
    if event["source"] not in {cluster.source for cluster in clusters}:
        raise Refused("unknown_source")
    if event_type not in TYPES:
        raise Refused("unknown_type")
    if not is_cvr(company):
        raise Refused("invalid_cvr_checksum")
    recorded = datetime.fromisoformat(event["time"])
    if recorded.tzinfo is None:
        raise Refused("time_without_zone")
    recorded = recorded.astimezone(UTC)
    recorded -= timedelta(microseconds=recorded.microsecond % 1000)
    retracted = event_type == "activity.retracted"
    if retracted and "reason" not in data:
        raise Refused("missing")
    if any(outcome not in OUTCOMES for outcome in data.get("outcomes", ())):
        raise Refused("unknown_outcome")
    day = date.fromisoformat(data["occurred_on"]) if "occurred_on" in data else recorded.astimezone(COPENHAGEN).date()
    given = "outcomes" in data
    details = {name: data[name] for name in DETAILS if name in data}
    row = Activity(
        source=event["source"],
        activity_id=data.get("activity_id", event["id"]),
        revision=0,
        is_deleted=int(retracted),
        event_id=event["id"],
        company_id=int(company),
        cluster=_cluster(event["source"], day, data.get("cluster"), clusters, retracted=retracted),
        event_type=event_type,
        reported=tuple(outcome for outcome in OUTCOMES if outcome in data.get("outcomes", ())),
        derived=() if given else pipeline.derived.get(event_type, ()),
        outcomes_given=int(given),
        membership=data.get("membership", ""),
        details=json.dumps(details, sort_keys=True, separators=(",", ":"), ensure_ascii=False),
        occurred_on=day,
        recorded_at=recorded,
        known_at=max(arrived, pipeline.released),
    )
    milliseconds = (recorded - EPOCH) // MILLISECOND
    return row._replace(revision=milliseconds * 2**64 + retracted * 2**63 + pipeline.version * 2**55 + tie(row))


def in_place(row: Activity, arrived: datetime) -> Activity:
    """The same as of its arrival, if it is dated later; among those of one millisecond the stated time decides."""
    if row.recorded_at <= arrived:
        return row
    pipeline, content = row.revision // 2**55 % 2**8, row.revision % 2**27
    ahead = (row.recorded_at - arrived) // MILLISECOND * 2 + row.is_deleted
    order = ((arrived - EPOCH) // MILLISECOND * 2 + 1) * 2**63
    return row._replace(revision=order + pipeline * 2**55 + ahead * 2**27 + content)


def _document(value: bytes) -> dict[str, Any]:
    try:
        return dict(json.loads(value))
    except ValueError as error:
        raise Refused("invalid_json") from error


def _cluster(source: str, day: date, wanted: str | None, clusters: Sequence[Cluster], *, retracted: bool) -> str:
    """The cluster that lists the source on the day; a retraction is never checked against it."""
    found = [c.slug for c in clusters if c.source == source and c.first <= day <= c.last]
    if wanted in found or (wanted is None and len(found) == 1):
        return wanted or found[0]
    if retracted:
        return ""
    if not found:
        raise Refused("outside_cluster_span")
    raise Refused("cluster_required" if wanted is None else "not_a_cluster_of_source")


def instant(record: Any) -> datetime:
    """LogAppendTime."""
    return EPOCH + timedelta(milliseconds=record.timestamp)


def partition_of(company: int, partitions: int) -> int:
    """Where Java's clients put the key of a company."""
    return int(murmur2(b"%08d" % company) & 0x7FFFFFFF) % partitions


def judged(
    passes: Sequence[Pass],
    companies: Iterable[Any],
    registry: Any,
    clusters: Sequence[Cluster],
    partitions: int,
    tie: Hash,
) -> History:
    """Everything that the ledger must hold for the records of all topics, after each pass over some of them.

    There is one version of the registry, `registry`; it lists `clusters`.
    """
    history = History(companies=[_company(record) for record in companies])
    revision = json.loads(registry.value)["revision"]
    history.registries.append(Registry(revision, registry.value.decode(), instant(registry)))
    first: dict[tuple[Any, ...], tuple[Any, int, datetime]] = {}
    for pipeline, records in passes:
        for record in records:
            place = (record.topic, 0, record.partition, record.offset)
            log_time, written = instant(record), pipeline.version
            try:
                row = read(record.value, log_time, clusters, tie, pipeline)
            except Refused as refused:
                source = _claimed(record.value)
                receipt = Receipt(*place, "rejected", str(refused), source, log_time, "", 0, written)
                history.receipts.append(_with_origin(receipt, record))
                continue
            occurrence, by, arrived = first.get(version_of(row), (place, written, log_time))
            row = in_place(row, arrived)
            receipt = Receipt(*place, "accepted", "", row.source, log_time, row.activity_id, row.revision, written)
            if (home := partition_of(row.company_id, partitions)) != record.partition:
                receipt = Receipt(*place, "rerouted", "wrong_partition", row.source, log_time, "", 0, written, home)
            elif occurrence != place:
                first_one = row.revision + (by - written) * 2**55
                receipt = receipt._replace(status="duplicate", revision=first_one, event_id=row.event_id)
            else:
                first[version_of(row)] = (occurrence, by, arrived)
                history.activities.append(row._replace(registry_revision=revision))
                receipt = receipt._replace(status="retracted" if row.is_deleted else "accepted")
            history.receipts.append(_with_origin(receipt, record))
    places = {(record.topic, record.partition, record.offset) for _, records in passes for record in records}
    for topic in {place[0] for place in places}:
        for partition in range(partitions):
            high = sum(place[:2] == (topic, partition) for place in places)
            history.bounds.append(Bound(topic, 0, partition, 0, high))
    return history


def _with_origin(receipt: Receipt, record: Any) -> Receipt:
    """The receipt of a record that was sent on names the place where it was first."""
    for name, value in record.headers:
        if name == "ct-origin":
            _, partition, offset = value.decode().split("/")
            receipt = receipt._replace(origin_partition=int(partition), origin_offset=int(offset))
    return receipt


def version_of(row: Activity) -> tuple[Any, ...]:
    """What makes two events the same version: source, activity, company, time and content."""
    said = row._asdict()
    for name in ("revision", "event_id", "derived", "known_at", "registry_revision"):
        said.pop(name)
    return tuple(said.values())


def _claimed(value: bytes) -> str:
    """The source that a refused record names, if it can be read."""
    try:
        return str(json.loads(value).get("source", ""))
    except ValueError:
        return ""


def _company(record: Any) -> Company:
    said = json.loads(record.value)
    return Company(
        company_id=said["cvr"],
        valid_from=date.fromisoformat(said["valid_from"]),
        revision=said["revision"],
        is_deleted=int(said["withdrawn"]),
        name=said["name"],
        legal_form=said["legal_form"],
        employees=said["employees"],
        employees_is_band=int(said["employees_is_band"]),
        nuts=said["nuts"],
        industry_scheme=said["industry_scheme"],
        industry=said["industry"],
        successor_id=said["successor_cvr"] or 0,
        ceased_on=date.fromisoformat(said["ceased_on"]) if said["ceased_on"] else None,
        known_at=instant(record),
    )
