"""One activity event: from the bytes of a CloudEvent to a row of the ledger, or to everything wrong with it.

`read_event` is pure: what it needs to know of the world (the cluster registry, when the record arrived) is passed
in, so that a replay decides like the first time. Structure is pydantic's work (`schemas.envelope`), meaning is judged
here, field by field in `schemas.field_rules`; both report together. Where the parts of an event are in a record is in
`schemas.binding`.

If a name is in one JSON object twice, the last one counts, as in most parsers; finding the other one would cost every
event 0.4 us.
"""

import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date
from operator import itemgetter
from typing import Any, Final, NamedTuple, Protocol

from pydantic import ValidationError

from schemas.binding import MAX_FIELDS, Unbound, is_json_type, parse, unbind
from schemas.envelope import structure_faults, too_many_fields, validate_json, validate_python
from schemas.event_time import EPOCH_ORDINAL, copenhagen_day, to_ms
from schemas.faults import MASK, MAX_FAULTS, Fault, fault
from schemas.field_rules import (
    details_of,
    judge_day,
    judge_membership,
    judge_outcomes,
    judge_people,
    judge_retraction,
    judge_subject,
    judge_time,
)
from schemas.indicators import DERIVED, EVENT_TYPES, PIPELINE_RELEASED, TYPE_PREFIX, TYPE_SUFFIX
from schemas.people import worth_a_look
from schemas.revisions import revision_of

RETRACTION: Final = "activity.retracted"

_LONG: Final = 16 << 10
"""Bytes from which the fields of an event are counted before it is validated."""
_RELEASED_MS: Final = to_ms(PIPELINE_RELEASED)
_TYPES: Final[dict[str | None, str]] = {f"{TYPE_PREFIX}{name}{TYPE_SUFFIX}": name for name in EVENT_TYPES}
_OTHER_VERSION: Final = re.compile(
    re.escape(TYPE_PREFIX) + "(" + "|".join(map(re.escape, EVENT_TYPES)) + r")\.v\d+", re.ASCII
)
_PARTS: Final = itemgetter("specversion", "id", "source", "type", "subject", "time", "data")
_ONLY_PARTS: Final = 7
_PARTS_AND_TYPE: Final = 8
"""Fields of an event that has nothing besides `_PARTS`; with a datacontenttype."""


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
    registry_revision: int
    """Of the registry by which the cluster was found."""


class Clusters(Protocol):
    """What an event is judged against: the dated cluster registry (`schemas.clusters.ClusterRegistry`)."""

    @property
    def revision(self) -> int:
        """Of this version of the registry."""

    def knows(self, source: str) -> bool:
        """Whether any cluster lists the source."""

    def slugs_of(self, source: str, day: date) -> Sequence[str]:
        """Clusters that the source speaks for on a day."""

    def resolve(self, source: str, day: date, wanted: str | None) -> str | Fault:
        """Slug of the cluster that the source speaks for on a day."""


def read_event(
    value: bytes | None,
    headers: Mapping[str, bytes | None] | None,
    arrived: int,
    clusters: Clusters,
    allow_personal_data: bool = False,
) -> tuple[Activity, dict[str, Any]] | list[Fault]:
    """Judge one record.

    Args:
        value: the record's value as received.
        headers: the record's CloudEvents headers (names in lower case, `ce_*` and `content-type`), None without any.
        arrived: when the record arrived, ms since 1970 UTC: LogAppendTime on Kafka, time of receipt over HTTP.
        clusters: the cluster registry.
        allow_personal_data: whether CPR numbers and e-mail addresses in texts are no fault.

    Returns:
        The version of the activity and the event itself (its subject normalised), or its faults: at least one, and all
        of them up to `MAX_FAULTS`.
    """
    if value is None:
        return [fault("", "tombstone")]
    unbound: Unbound | None = None
    faults: list[Fault] = []
    if headers is not None:
        found = unbind(value, headers)
        if isinstance(found, list):
            return found
        unbound = found
    elif len(value) > _LONG:
        counted = _counted(value)
        if isinstance(counted, list):
            return counted
        unbound = Unbound(counted, faults, frozenset())
    try:
        if unbound is None:
            event = validate_json(value)
        elif (too_many := too_many_fields(unbound.event)) is not None:
            return [too_many]
        else:
            event, faults = validate_python(unbound.event), unbound.faults
    except ValidationError as error:
        found = _diagnose(value, unbound, error, arrived, clusters, allow_personal_data)
        return found[:MAX_FAULTS]
    if len(event) > MAX_FIELDS:
        return [fault("", "too_many_fields", len(event))]
    activity = _judge(event, arrived, clusters, faults, allow_personal_data)
    return faults[:MAX_FAULTS] if activity is None else (activity, event)


def judge_event(
    event: dict[str, Any], arrived: int, clusters: Clusters, allow_personal_data: bool = False
) -> tuple[Activity, dict[str, Any]] | list[Fault]:
    """Judge an event that is at hand as an object, exactly as `read_event` judges it written as JSON.

    Args and what is returned are those of `read_event`; `event` is not changed.
    """
    if (too_many := too_many_fields(event)) is not None:
        return [too_many]
    try:
        checked = validate_python(event)
    except ValidationError as error:
        unbound = Unbound(event, [], frozenset())
        return _diagnose(b"", unbound, error, arrived, clusters, allow_personal_data)[:MAX_FAULTS]
    faults: list[Fault] = []
    activity = _judge(checked, arrived, clusters, faults, allow_personal_data)
    return faults[:MAX_FAULTS] if activity is None else (activity, checked)


def _counted(value: bytes) -> dict[str, Any] | list[Fault]:
    """The JSON object that a value is, its fields counted; or what is wrong with it as a whole."""
    event = parse(value)
    if isinstance(event, Fault):
        return [event]
    if not isinstance(event, dict):
        return [fault("", "invalid_json", "not an object")]
    too_many = too_many_fields(event)
    return event if too_many is None else [too_many]


def _diagnose(
    value: bytes,
    unbound: Unbound | None,
    error: ValidationError,
    arrived: int,
    clusters: Clusters,
    allowed: bool,
) -> list[Fault]:
    """Every fault of an event whose structure is wrong: pydantic's, then those that the sound fields still show."""
    event = _counted(value) if unbound is None else unbound.event
    if isinstance(event, list):
        return event
    found, bad, sound = structure_faults(error, event)
    faults: list[Fault] = []
    unread: AbstractSet[str] = frozenset()
    if unbound is not None:
        faults, unread = unbound.faults, unbound.unread
    faults += [one for one in found if one.field not in unread]
    _judge(sound, arrived, clusters, faults, allowed, bad)
    return faults


def _judge(  # noqa: PLR0912  (each call more costs every event)
    event: dict[str, Any],
    arrived: int,
    clusters: Clusters,
    faults: list[Fault],
    allowed: bool,
    bad: AbstractSet[str] = frozenset(),
) -> Activity | None:
    """What the fields mean; adds to `faults`, None when there is any.

    Fields named in `bad` are not judged: those of the envelope are None, those of `data` are absent.
    """
    specversion, event_id, source, full_type, subject, time, data = _PARTS(event)
    content_type = event.get("datacontenttype")
    if specversion != "1.0" or content_type != "application/json" or "data_base64" in event:
        _judge_envelope(event, faults)
    if source is not None and not clusters.knows(source):
        faults.append(fault("source", "unknown_source", source))
        source = None
    event_type = _TYPES.get(full_type)
    if event_type is None and full_type is not None:
        code = "unknown_type_version" if _OTHER_VERSION.fullmatch(full_type) else "unknown_type"
        faults.append(fault("type", code, full_type))
    company = 0 if subject is None else judge_subject(subject, faults)
    recorded_at = None if time is None else judge_time(time, arrived, faults)
    retracted = event_type == RETRACTION
    day: date | None = None
    outcomes, membership = data.get("outcomes"), data.get("membership")
    reported: tuple[str, ...] = ()
    said = "-"
    if "data" in bad:
        pass
    elif retracted:
        judge_retraction(data, faults, bad)
        # A row needs a day; the ledger never counts that of a retraction.
        day = None if recorded_at is None else copenhagen_day(recorded_at)
    else:
        day = judge_day(event, event_type, recorded_at, arrived, faults, bad)
        if outcomes is not None:
            reported, said = judge_outcomes(outcomes, faults)
        if membership is not None:
            judge_membership(membership, event_type, faults)
    cluster = ""
    if source is not None and day is not None and "data.cluster" not in bad:
        resolved = clusters.resolve(source, day, data.get("cluster"))
        if isinstance(resolved, str):
            cluster = resolved
        elif not retracted:  # a retraction is never checked against the cluster's span
            faults.append(resolved)
    activity_id = data.get("activity_id")
    details = "" if bad else details_of(data)
    if not allowed and (
        faults
        or bad
        or len(event) != (_PARTS_AND_TYPE if content_type == "application/json" else _ONLY_PARTS)
        or worth_a_look(f" {event_id} {activity_id} {details}")
    ):
        judge_people(event, faults)
    if faults or bad or source is None or event_type is None or day is None or recorded_at is None:
        return None
    event["subject"] = str(company)  # no CVR number begins with 0
    given = outcomes is not None
    membership = membership or ""
    days = day.toordinal() - EPOCH_ORDINAL
    # Only the details are free text, and JSON holds no NUL: the parts cannot run into each other.
    named = data.get("cluster")
    if named is not None and len(clusters.slugs_of(source, day)) == 1:
        named = None  # what goes without saying
    # Not the cluster that the registry has for the source: a corrected registry makes no other version of an event.
    content = f"{company}\0{days}\0{event_type}\0{named or ''}\0{said}\0{membership}\0{details}"
    # A whole tuple at once: the constructor of a NamedTuple takes twice as long.
    return tuple.__new__(
        Activity,
        (
            source,
            event_id if activity_id is None else activity_id,
            revision_of(recorded_at, retracted, content.encode()),
            1 if retracted else 0,
            event_id,
            company,
            cluster,
            event_type,
            reported,
            () if given else DERIVED[event_type],
            1 if given else 0,
            membership,
            details,
            days,
            recorded_at,
            max(arrived, _RELEASED_MS),
            clusters.revision,
        ),
    )


def _judge_envelope(event: dict[str, Any], faults: list[Fault]) -> None:
    specversion, content_type = event.get("specversion"), event.get("datacontenttype")
    if specversion is not None and specversion != "1.0":
        faults.append(fault("specversion", "unsupported_specversion", specversion))
    if content_type is not None and content_type != "application/json" and not is_json_type(content_type):
        faults.append(fault("datacontenttype", "unsupported_content_type", content_type))
    if event.get("data_base64") is not None:
        faults.append(fault("data_base64", "not_allowed", MASK))
