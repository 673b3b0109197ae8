"""What the single fields of an event mean, and what is wrong with them: one function for each.

Each adds to `faults` what it finds. Every event passes here (`schemas.events`), so what repeats is remembered.
"""

import re
from collections.abc import Set as AbstractSet
from datetime import UTC, date, datetime, timedelta
from json.encoder import encode_basestring
from typing import Any, Final

from schemas.bounded_cache import Remembered
from schemas.cvr import read_cvr
from schemas.envelope import DETAILS
from schemas.event_time import HOUR_MS, copenhagen_day, parse_day, parse_instant, to_ms
from schemas.extensions import extensions_of
from schemas.faults import Fault, fault
from schemas.indicators import OUTCOMES
from schemas.people import holds_personal_data

NOT_RETRACTED: Final = ("occurred_on", "outcomes", "membership")
"""What a retraction has not."""
MEMBERSHIPS: Final = ("member", "participant")
FIRST_DAY: Final = date(2000, 1, 1)
LATEST_TIME: Final = timedelta(hours=24)
"""How far ahead of its arrival an event may claim to have been recorded: clocks and zones of CRMs differ."""
LATEST_DAY: Final = 366
"""Days that an activity may lie ahead of the arrival of its record: projects are entered before they start."""

_FIRST_MS: Final = to_ms(datetime(2000, 1, 1, tzinfo=UTC))
_LATEST_MS: Final = LATEST_TIME // timedelta(milliseconds=1)
_WITHOUT_ZONE: Final = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?", re.ASCII)
_ORDERED: Final[dict[tuple[str, ...], tuple[tuple[str, ...], str]]] = {}
"""Outcomes as given -> in the order of the published figures, and as text."""
_FREE: Final = ("activity_id", *sorted(DETAILS))
"""Fields of `data` in which anything can be written."""


def judge_people(event: dict[str, Any], faults: list[Fault]) -> None:
    """Nothing that identifies a person may enter: not in ids, free text or attributes that are passed on."""
    texts = {name: event.get(name) for name in ("id", "datacontenttype", "dataschema")}
    texts |= {f"data.{name}": event["data"].get(name) for name in _FREE}
    faults.extend(
        fault(name, "personal_data", text)
        for name, text in texts.items()
        if isinstance(text, str) and holds_personal_data(text)
    )
    faults.extend(
        fault(name, "personal_data", event[name])
        for name in extensions_of(event)
        if holds_personal_data(name) or holds_personal_data(f"{name} {event[name]}")
    )


def judge_subject(subject: str, faults: list[Fault]) -> int:
    """The CVR number, or 0 and a fault."""
    company = read_cvr(subject)
    if isinstance(company, str):
        faults.append(fault("subject", company, subject))
        return 0
    return company


def judge_retraction(data: dict[str, Any], faults: list[Fault], bad: AbstractSet[str]) -> None:
    """A retraction names the activity and the reason; it has no day, outcomes or membership."""
    faults.extend(
        fault(f"data.{name}", "missing")
        for name in ("activity_id", "reason")
        if data.get(name) is None and f"data.{name}" not in bad
    )
    if (reason := data.get("reason")) is not None and not reason.strip():
        faults.append(fault("data.reason", "empty", reason))
    faults.extend(
        fault(f"data.{name}", "not_allowed", data.get(name, ""))
        for name in NOT_RETRACTED
        if data.get(name) is not None or f"data.{name}" in bad
    )


def judge_membership(membership: str, event_type: str | None, faults: list[Fault]) -> None:
    """Only of a company that joins."""
    if membership not in MEMBERSHIPS:
        faults.append(fault("data.membership", "unknown_membership", membership))
    if event_type is not None and event_type != "company.joined":
        faults.append(fault("data.membership", "not_allowed", membership))


def judge_day(
    event: dict[str, Any],
    event_type: str | None,
    recorded_at: int | None,
    arrived: int,
    faults: list[Fault],
    bad: AbstractSet[str],
) -> date | None:
    """The day of the activity: as given, else the Copenhagen day of the event's time where that is allowed."""
    data = event["data"]
    if "data.occurred_on" in bad:
        return None
    occurred_on = data.get("occurred_on")
    if occurred_on is None:
        activity_id = data.get("activity_id")
        if "data.activity_id" in bad or (activity_id is not None and activity_id != event.get("id")):
            # Undecidable where the type is unknown, as it may be a retraction.
            if event_type is not None and not bad & {"id", "data.activity_id"}:
                faults.append(fault("data.occurred_on", "missing"))
            return None
        return None if recorded_at is None else copenhagen_day(recorded_at)
    day = parse_day(occurred_on)
    if day is not None and FIRST_DAY <= day <= _latest_days[arrived // HOUR_MS]:
        return day
    code = "invalid_date" if day is None else "date_too_early" if day < FIRST_DAY else "date_too_late"
    faults.append(fault("data.occurred_on", code, occurred_on))
    return None


def _latest_day(hour: int) -> date:
    """The last day that records may name which arrive in an hour (since 1970 UTC)."""
    return copenhagen_day(hour * HOUR_MS) + timedelta(days=LATEST_DAY)


_latest_days: Final = Remembered(_latest_day, 1024)


def judge_time(time: str, arrived: int, faults: list[Fault]) -> int | None:
    """Milliseconds since 1970 UTC of an RFC 3339 time, or None and a fault."""
    recorded_at = parse_instant(time)
    if recorded_at is not None and _FIRST_MS <= recorded_at <= arrived + _LATEST_MS:
        return recorded_at
    if recorded_at is None:
        code = "time_without_zone" if _WITHOUT_ZONE.fullmatch(time) else "invalid_time"
    else:
        code = "time_too_early" if recorded_at < _FIRST_MS else "time_in_future"
    faults.append(fault("time", code, time))
    return None


def judge_outcomes(outcomes: list[str], faults: list[Fault]) -> tuple[tuple[str, ...], str]:
    """The outcomes in the order of the published figures, each once; and as text."""
    key = tuple(outcomes)
    known = _ORDERED.get(key)
    if known is None:
        unknown = [fault("data.outcomes", "unknown_outcome", name) for name in outcomes if name not in OUTCOMES]
        faults.extend(unknown)
        ordered = tuple(name for name in OUTCOMES if name in outcomes)
        known = ordered, ",".join(ordered)
        if not unknown and len(key) <= len(OUTCOMES):  # a bounded number of combinations is worth keeping
            _ORDERED[key] = known
    return known


def details_of(data: dict[str, Any]) -> str:
    """What the ledger keeps of the event besides its own columns, as canonical JSON."""
    kept = ""
    for name, label in _details_in[(*data,)]:
        if (text := data[name]) is not None:
            kept = f"{kept},{label}{encode_basestring(text)}" if kept else label + encode_basestring(text)
    return f"{{{kept}}}"


def _labelled(fields: tuple[str, ...]) -> list[tuple[str, str]]:
    """Those of the fields that are details, by name, and the text before each in the JSON."""
    return [(name, f'"{name}":') for name in sorted({*DETAILS}.intersection(fields))]


_details_in: Final = Remembered(_labelled, 1024)
"""As many as there are ways to leave fields out: they always come in the order of the schema."""
