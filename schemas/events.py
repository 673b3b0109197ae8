"""One activity event: from the bytes of a CloudEvent to a row of the ledger, or to everything wrong with it.

`read_event` is pure: what it needs to know of the world (the cluster registry, when the record arrived) is passed
in, so that a replay decides like the first time. Structure is pydantic's work, meaning is judged here; both report together.

Identity, in three widths:

* the *activity* is (source, activity_id);
* a *version* of it is (source, activity_id, revision without its pipeline bits), see `version_key`;
* the *revision* orders the versions: time in ms << 64 | retracted << 63 | pipeline version << 55 | 55 bits of a hash of
  the content. What the pipeline derives is no part of the content, so a new mapping reorders nothing.
"""

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from typing import Annotated, Any, Final, NamedTuple, Protocol
from zoneinfo import ZoneInfo

import pydantic_core
from pydantic import ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from schemas.cvr import CvrFault, parse_cvr
from schemas.faults import Fault, fault
from schemas.indicators import (
    DERIVED,
    EVENT_TYPES,
    OUTCOMES,
    PIPELINE_RELEASED,
    PIPELINE_VERSION,
    TYPE_PREFIX,
    TYPE_SUFFIX,
)

COPENHAGEN: Final = ZoneInfo("Europe/Copenhagen")
RETRACTION: Final = "activity.retracted"
MEMBERSHIPS: Final = ("member", "participant")
FIRST_DAY: Final = date(2000, 1, 1)
LATEST_TIME: Final = timedelta(hours=24)
"""How far ahead of its arrival an event may claim to have been recorded: clocks and zones of CRMs differ."""
LATEST_DAY: Final = 366
"""Days that an activity may lie ahead of the arrival of its record: projects are entered before they start."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()
_FIRST_MS: Final = (datetime(2000, 1, 1, tzinfo=UTC) - _EPOCH) // _MILLISECOND
_LATEST_MS: Final = LATEST_TIME // _MILLISECOND
_RELEASED_MS: Final = (PIPELINE_RELEASED - _EPOCH) // _MILLISECOND
_HASH_BITS: Final = 55
_HASH_MASK: Final = (1 << _HASH_BITS) - 1
_PIPELINE_BITS: Final = 0xFF << _HASH_BITS
_RFC3339: Final = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)
_WITHOUT_ZONE: Final = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?", re.ASCII)
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_JSON_TYPE: Final = re.compile(r"application/(json|[\w.!#$&^-]+\+json)(\s*;.*)?", re.ASCII | re.IGNORECASE)
_TYPES: Final = {f"{TYPE_PREFIX}{name}{TYPE_SUFFIX}": name for name in EVENT_TYPES}
_OTHER_VERSION: Final = re.compile(
    re.escape(TYPE_PREFIX) + "(" + "|".join(map(re.escape, EVENT_TYPES)) + r")\.v\d+", re.ASCII
)
_OUTCOME_SETS: Final[dict[tuple[str, ...], tuple[str, ...]]] = {}

_Id = Annotated[str, StringConstraints(max_length=200, pattern=r"\S")]
_Text = Annotated[str, StringConstraints(max_length=500)]


class EventData(TypedDict, total=False):
    """The `data` of an event. Nothing else may stand in it; null is the same as unset."""

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)  # type: ignore[misc]

    activity_id: _Id | None
    occurred_on: str | None
    outcomes: list[str] | None
    cluster: str | None
    membership: str | None
    reason: _Text | None
    workshop_id: _Text | None
    project_id: _Text | None
    product_id: _Text | None
    title: _Text | None


class Envelope(TypedDict):
    """A CloudEvent 1.0. Extension attributes pass through."""

    __pydantic_config__ = ConfigDict(extra="allow", strict=True)  # type: ignore[misc]

    specversion: str
    id: _Id
    source: Annotated[str, Field(min_length=1)]
    type: Annotated[str, Field(min_length=1)]
    subject: Annotated[str, Field(min_length=1)]
    time: str
    data: EventData


_ENVELOPE: Final = TypeAdapter(Envelope)
_validate_json: Final = _ENVELOPE.validator.validate_json
_validate_python: Final = _ENVELOPE.validator.validate_python
_DETAILS: Final = ("product_id", "project_id", "reason", "title", "workshop_id")
"""Fields kept as canonical JSON in the ledger's `details`, in the order of their names."""


class Activity(NamedTuple):
    """One version of an activity: the columns of `activity_revision`, in their order."""

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
    occurred_on: int
    """Days since 1970-01-01."""
    recorded_at: int
    """Milliseconds since 1970-01-01 UTC."""
    known_at: int
    """Milliseconds since 1970-01-01 UTC."""


class Clusters(Protocol):
    """What an event is judged against: the dated cluster registry (`schemas.clusters.ClusterRegistry`)."""

    def knows(self, source: str) -> bool:
        """Whether any cluster lists the source."""

    def resolve(self, source: str, day: date, wanted: str | None) -> str | Fault:
        """Slug of the cluster that the source speaks for on a day."""


def read_event(
    value: bytes | None,
    headers: Mapping[str, bytes | None] | None,
    arrived: int,
    clusters: Clusters,
) -> tuple[Activity, dict[str, Any]] | list[Fault]:
    """Judge one record.

    Args:
        value: the record's value as received.
        headers: the record's CloudEvents headers (names in lower case, `ce_*` and `content-type`), None without any.
        arrived: when the record arrived, ms since 1970 UTC: LogAppendTime on Kafka, time of receipt over HTTP.
        clusters: the cluster registry.

    Returns:
        The version of the activity and the event itself (its subject normalised), or all faults, at least one.
    """
    if value is None:
        return [fault("", "tombstone")]
    try:
        if headers is None:
            event = _validate_json(value)
        else:
            binding = _unbind(value, headers)
            if isinstance(binding, list):
                return binding
            event = _validate_json(value) if binding is None else _validate_python(binding)
    except ValidationError as error:
        return _diagnose(value, headers, error, arrived, clusters)
    faults: list[Fault] = []
    activity = _judge(event, arrived, clusters, faults)
    return faults if activity is None else (activity, event)


def revision_of(*, recorded_at: int, retracted: bool, content: bytes, pipeline: int = PIPELINE_VERSION) -> int:
    """Place of a version among the versions of its activity; highest wins.

    Args:
        recorded_at: the event's time, ms since 1970 UTC.
        retracted: whether the version retracts the activity.
        content: what the event says, as bytes.
        pipeline: version of the pipeline that decided, 0 to 255.
    """
    digest = int.from_bytes(blake2b(content, digest_size=8).digest(), "big") & _HASH_MASK
    return recorded_at << 64 | retracted << 63 | pipeline << _HASH_BITS | digest


def with_pipeline(revision: int, pipeline: int) -> int:
    """The same version as another pipeline wrote it."""
    return revision & ~_PIPELINE_BITS | pipeline << _HASH_BITS


def version_key(source: str, activity_id: str, revision: int) -> bytes:
    """16 bytes that name a version of an activity, whatever pipeline wrote it: the key of the dedupe state."""
    # A source comes from the registry and holds no NUL, so the three parts cannot run into each other.
    text = f"{source}\0{activity_id}".encode("utf-8", "surrogatepass")
    return blake2b((revision & ~_PIPELINE_BITS).to_bytes(16, "big") + text, digest_size=16).digest()


def copenhagen_day(milliseconds: int) -> date:
    """The calendar day in Denmark of an instant (ms since 1970 UTC)."""
    return _day_of_hour(milliseconds // 3_600_000)


@lru_cache(maxsize=65_536)
def _day_of_hour(hours: int) -> date:
    # Offsets of the zone are whole hours since 2000, so an hour of UTC lies in one day.
    return datetime.fromtimestamp(hours * 3600, COPENHAGEN).date()


@lru_cache(maxsize=65_536)
def _parse_day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        return None


def _unbind(value: bytes, headers: Mapping[str, bytes | None]) -> dict[str, Any] | list[Fault] | None:
    """Binary mode as one object; None in structured mode. The content type decides, as CloudEvents 1.0 says."""
    try:
        content_type = _header(headers, "content-type")
        if content_type is None and "ce_specversion" not in headers:
            return None  # a plain producer: the value must be the whole event
        if content_type is not None:
            media_type = content_type.partition(";")[0].strip().lower()
            if media_type == "application/cloudevents+json":
                return None
            if not _JSON_TYPE.fullmatch(content_type) or media_type.startswith("application/cloudevents"):
                return [fault("datacontenttype", "unsupported_content_type", content_type)]
        event: dict[str, Any] = {
            name[3:]: text
            for name in headers
            if name.startswith("ce_") and (text := _header(headers, name)) is not None
        }
    except UnicodeDecodeError:
        bad = [name for name, raw in headers.items() if not _is_utf8(raw)]
        return [fault(name.removeprefix("ce_"), "invalid_header", repr(headers[name])) for name in bad]
    event["datacontenttype"] = content_type or "application/json"
    event["data"] = pydantic_core.from_json(value) if _is_json(value) else None
    if event["data"] is None:
        return [_broken(value, "data")]
    return event


def _header(headers: Mapping[str, bytes | None], name: str) -> str | None:
    raw = headers.get(name)
    return None if raw is None else raw.decode("utf-8")


def _is_utf8(raw: bytes | None) -> bool:
    try:
        return raw is None or raw.decode("utf-8") is not None
    except UnicodeDecodeError:
        return False


def _is_json(value: bytes) -> bool:
    try:
        pydantic_core.from_json(value, allow_inf_nan=False)
    except ValueError:
        return False
    return True


def _broken(value: bytes, field: str = "") -> Fault:
    if not _is_utf8(value):
        return fault(field, "invalid_utf8", value[:100].decode("utf-8", "backslashreplace"))
    return fault(field, "invalid_json", value[:200].decode("utf-8", "replace"))


_STRUCTURE: Final = {
    "missing": "missing",
    "extra_forbidden": "extra_field",
    "string_too_long": "too_long",
    "string_too_short": "empty",
    "string_pattern_mismatch": "empty",
}
"""pydantic's error types -> our codes; whatever is not listed is a wrong JSON type."""


def _diagnose(
    value: bytes, headers: Mapping[str, bytes | None] | None, error: ValidationError, arrived: int, clusters: Clusters
) -> list[Fault]:
    """Every fault of an event whose structure is wrong: pydantic's, then those that the sound fields still show."""
    errors = error.errors(include_url=False, include_context=False)
    if any(e["type"] == "json_invalid" for e in errors) or not _is_json(value):
        return [_broken(value)]
    event = pydantic_core.from_json(value)
    if headers is not None and isinstance(unbound := _unbind(value, headers), dict):
        event = unbound
    if not isinstance(event, dict):
        return [_broken(value)]
    faults: list[Fault] = []
    data = event.get("data")
    sound = {**event, "data": dict(data) if isinstance(data, dict) else {}}
    for e in errors:
        path = [str(part) for part in e["loc"]]
        name = ".".join(path)
        is_null = e["input"] is None and e["type"] != "missing"
        code = "missing" if is_null else _STRUCTURE.get(e["type"], "invalid_type")
        shown = "" if e["type"] == "missing" or is_null else e["input"]
        faults.append(fault(name, code, shown))
        if path[0] == "data" and len(path) > 1:
            sound["data"].pop(path[1], None)
        else:
            sound.pop(path[0], None)
    bad = {f.field for f in faults}
    sound.setdefault("data", {})
    _judge(sound, arrived, clusters, faults, bad)
    return faults


def _judge(
    event: dict[str, Any],
    arrived: int,
    clusters: Clusters,
    faults: list[Fault],
    bad: AbstractSet[str] = frozenset(),
) -> Activity | None:
    """What the fields mean; adds to `faults`, None when there is any. Fields named in `bad` are absent: not judged."""
    data = event["data"]
    _judge_binding(event, faults)
    source = event.get("source")
    if source is not None and not clusters.knows(source):
        faults.append(fault("source", "unknown_source", source))
        source = None
    event_type = _judge_type(event.get("type"), faults)
    company = _judge_subject(event, faults)
    recorded_at = _judge_time(event.get("time"), arrived, faults)
    retracted = event_type == RETRACTION
    if retracted:
        _judge_retraction(data, faults, bad)
        # A row needs a day; the ledger never counts that of a retraction.
        day = None if recorded_at is None else copenhagen_day(recorded_at)
        reported: tuple[str, ...] = ()
    else:
        day = _judge_day(event, recorded_at, arrived, faults, bad)
        reported = _known_outcomes(tuple(data.get("outcomes") or ()), faults)
        _judge_membership(data.get("membership"), event_type, faults)
    cluster = ""
    if source is not None and day is not None and "data.cluster" not in bad:
        resolved = clusters.resolve(source, day, data.get("cluster"))
        if isinstance(resolved, str):
            cluster = resolved
        elif not retracted:  # a retraction is never checked against the cluster's span
            faults.append(resolved)
    if faults or bad or source is None or event_type is None or day is None or recorded_at is None:
        return None
    return _activity(
        event, source, event_type, company, cluster, reported, day, recorded_at, max(arrived, _RELEASED_MS)
    )


def _activity(
    event: dict[str, Any],
    source: str,
    event_type: str,
    company: int,
    cluster: str,
    reported: tuple[str, ...],
    day: date,
    recorded_at: int,
    known_at: int,
) -> Activity:
    """The row of a sound event."""
    data = event["data"]
    activity_id = data.get("activity_id")
    given = 0 if data.get("outcomes") is None else 1
    membership = data.get("membership") or ""
    kept = {name: data[name] for name in _DETAILS if data.get(name) is not None}
    details = pydantic_core.to_json(kept).decode() if kept else "{}"
    days = day.toordinal() - _EPOCH_ORDINAL
    retracted = event_type == RETRACTION
    # Only `details` is free text, and JSON holds no NUL: the parts cannot run into each other.
    said = ",".join(reported) if given else "-"
    content = f"{company}\0{days}\0{event_type}\0{cluster}\0{said}\0{membership}\0{details}"
    return Activity(
        source=source,
        activity_id=event["id"] if activity_id is None else activity_id,
        revision=revision_of(recorded_at=recorded_at, retracted=retracted, content=content.encode()),
        is_deleted=1 if retracted else 0,
        event_id=event["id"],
        company_id=company,
        cluster=cluster,
        event_type=event_type,
        reported=reported,
        derived=() if given else DERIVED.get(event_type, ()),
        outcomes_given=given,
        membership=membership,
        details=details,
        occurred_on=days,
        recorded_at=recorded_at,
        known_at=known_at,
    )


def _judge_binding(event: dict[str, Any], faults: list[Fault]) -> None:
    specversion, content_type = event.get("specversion"), event.get("datacontenttype")
    if specversion is not None and specversion != "1.0":
        faults.append(fault("specversion", "unsupported_specversion", specversion))
    if content_type is not None and content_type != "application/json":
        if not isinstance(content_type, str):
            faults.append(fault("datacontenttype", "invalid_type", content_type))
        elif not _JSON_TYPE.fullmatch(content_type):
            faults.append(fault("datacontenttype", "unsupported_content_type", content_type))
    if event.get("data_base64") is not None:
        faults.append(fault("data_base64", "not_allowed"))


def _judge_type(full_type: str | None, faults: list[Fault]) -> str | None:
    """Short name of a type of ours, or None."""
    if full_type is None:
        return None
    event_type = _TYPES.get(full_type)
    if event_type is None:
        code = "unknown_type_version" if _OTHER_VERSION.fullmatch(full_type) else "unknown_type"
        faults.append(fault("type", code, full_type))
    return event_type


def _judge_subject(event: dict[str, Any], faults: list[Fault]) -> int:
    """The CVR number; the event's subject is normalised to it. 0 when there is none."""
    subject = event.get("subject")
    if subject is None:
        return 0
    try:
        company = parse_cvr(subject)
    except CvrFault as error:
        faults.append(fault("subject", error.code, subject))
        return 0
    event["subject"] = f"{company:08d}"
    return company


def _judge_retraction(data: dict[str, Any], faults: list[Fault], bad: AbstractSet[str]) -> None:
    """A retraction names the activity and why; it says nothing of a day, outcomes or membership."""
    faults.extend(
        fault(f"data.{name}", "missing")
        for name in ("activity_id", "reason")
        if data.get(name) is None and f"data.{name}" not in bad
    )
    if (reason := data.get("reason")) is not None and not reason.strip():
        faults.append(fault("data.reason", "empty", reason))
    faults.extend(
        fault(f"data.{name}", "not_allowed", data[name])
        for name in ("occurred_on", "outcomes", "membership")
        if data.get(name) is not None
    )


def _judge_membership(membership: str | None, event_type: str | None, faults: list[Fault]) -> None:
    if membership is None:
        return
    if membership not in MEMBERSHIPS:
        faults.append(fault("data.membership", "unknown_membership", membership))
    if event_type is not None and event_type != "company.joined":
        faults.append(fault("data.membership", "not_allowed", membership))


def _judge_day(
    event: dict[str, Any], recorded_at: int | None, arrived: int, faults: list[Fault], bad: AbstractSet[str]
) -> date | None:
    """The day of the activity: as given, else the Copenhagen day of the event's time where that is allowed."""
    data = event["data"]
    if "data.occurred_on" in bad:
        return None
    occurred_on = data.get("occurred_on")
    if occurred_on is None:
        activity_id = data.get("activity_id")
        if activity_id is not None and "id" not in bad and activity_id != event.get("id"):
            faults.append(fault("data.occurred_on", "missing"))
            return None
        return None if recorded_at is None else copenhagen_day(recorded_at)
    day = _parse_day(occurred_on)
    if day is None:
        faults.append(fault("data.occurred_on", "invalid_date", occurred_on))
    elif day < FIRST_DAY:
        faults.append(fault("data.occurred_on", "date_too_early", occurred_on))
    elif day.toordinal() - copenhagen_day(arrived).toordinal() > LATEST_DAY:
        faults.append(fault("data.occurred_on", "date_too_late", occurred_on))
    else:
        return day
    return None


def _judge_time(time: str | None, arrived: int, faults: list[Fault]) -> int | None:
    """Milliseconds since 1970 UTC of an RFC 3339 time, or None and a fault."""
    if time is None:
        return None
    if not _RFC3339.fullmatch(time):
        faults.append(fault("time", "time_without_zone" if _WITHOUT_ZONE.fullmatch(time) else "invalid_time", time))
        return None
    try:
        recorded_at = (datetime.fromisoformat(time.upper()) - _EPOCH) // _MILLISECOND
    except (ValueError, OverflowError):
        faults.append(fault("time", "invalid_time", time))
        return None
    if recorded_at < _FIRST_MS:
        faults.append(fault("time", "time_too_early", time))
        return None
    if recorded_at > arrived + _LATEST_MS:
        faults.append(fault("time", "time_in_future", time))
        return None
    return recorded_at


def _known_outcomes(outcomes: tuple[str, ...], faults: list[Fault]) -> tuple[str, ...]:
    """The outcomes in the order of the published figures, each once."""
    ordered = _OUTCOME_SETS.get(outcomes)
    if ordered is None:
        unknown = [fault("data.outcomes", "unknown_outcome", name) for name in outcomes if name not in OUTCOMES]
        if unknown:
            faults.extend(unknown)
            return ()
        ordered = tuple(name for name in OUTCOMES if name in outcomes)
        if len(outcomes) <= len(OUTCOMES):  # a bounded number of combinations is worth keeping
            _OUTCOME_SETS[outcomes] = ordered
    return ordered
