"""A version as the CloudEvent that a CRM would publish, with the harmless variations of real publishers."""

import json
from datetime import datetime
from random import Random
from typing import Any, Final

from clustertrack.simulator.final import OBJECT_FIELD
from clustertrack.simulator.history import COPENHAGEN, Version

TYPE: Final = "org.clustertrack.{}.v1"
RETRACTED: Final = "activity.retracted"


def subject(cvr: int, rng: Random) -> str:
    """The CVR number, mostly as it should be written."""
    text = f"{cvr:08d}"
    grouped = f"{text[:2]} {text[2:4]} {text[4:6]} {text[6:]}"
    draw = rng.random()
    if draw < 0.05:
        return f"DK {grouped}"
    if draw < 0.08:
        return f"DK{text}"
    return grouped if draw < 0.1 else text


def instant(at: datetime, rng: Random) -> str:
    """RFC 3339 with the zone of Denmark or of UTC, with milliseconds where there are some."""
    precision = "milliseconds" if at.microsecond else "seconds"
    if rng.random() < 0.3:
        return at.isoformat(timespec=precision).replace("+00:00", "Z")
    return at.astimezone(COPENHAGEN).isoformat(timespec=precision)


def cloudevent(version: Version, rng: Random) -> dict[str, Any]:
    """The event of one version. Two calls may write time and subject differently, never to another meaning."""
    state = version.state
    data: dict[str, Any] = {"activity_id": version.activity_id}
    if state is None:
        data["reason"] = version.reason
    elif version.bare:
        data = {}
    else:
        data["occurred_on"] = state.day.isoformat()
    if state is not None:
        fields = {"membership": state.membership, "title": state.title}
        if state.object_id:
            fields[OBJECT_FIELD[state.type]] = state.object_id
        data.update({name: value for name, value in fields.items() if value is not None})
        if state.outcomes is not None:
            data["outcomes"] = list(state.outcomes)
        if len(version.source.clusters) > 1:
            data["cluster"] = state.cluster
    return {
        "specversion": "1.0",
        "id": version.event_id,
        "source": version.source.uri,
        "type": TYPE.format(state.type if state else RETRACTED),
        "subject": subject(version.subject, rng),
        "time": instant(version.time, rng),
        "datacontenttype": "application/json",
        "data": data,
    }


def as_json(event: dict[str, Any], rng: Random) -> bytes:
    """One line: compact or with blanks, with or without escapes."""
    separators = (",", ":") if rng.random() < 0.7 else (", ", ": ")
    return json.dumps(event, ensure_ascii=rng.random() < 0.3, separators=separators).encode()
