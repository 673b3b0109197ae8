"""Events judged with a registry that has a cluster of each kind: always there, ended, one of two."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

from samples import SOURCE, event

from schemas.clusters import Cluster, ClusterRegistry
from schemas.events import Activity, read_event
from schemas.faults import Fault

ENDED, SHARED = "https://crm.ended.example", "urn:crm:shared"
CLUSTERS = ClusterRegistry(
    (
        Cluster(slug="food-bio", name="Food", valid_from=date(2000, 1, 1), sources=(SOURCE,)),
        Cluster(slug="ended", name="E", valid_from=date(2016, 1, 1), valid_to=date(2018, 5, 2), sources=(ENDED,)),
        Cluster(slug="kelp", name="Kelp", valid_from=date(2017, 1, 1), sources=(SHARED,)),
        Cluster(slug="wool", name="Wool", valid_from=date(2018, 1, 1), sources=(SHARED,)),
    ),
    revision=7,
)
TYPE = "org.clustertrack.{}.v1"
RETRACTED = TYPE.format("activity.retracted")


def ms(text: str) -> int:
    """Milliseconds since 1970 UTC of a time with zone."""
    return round((datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1))


ARRIVED = ms("2018-05-04T00:00:00Z")


def read(value: bytes | None, arrived: int = ARRIVED) -> tuple[Activity, dict[str, Any]] | list[Fault]:
    return read_event(value, None, arrived, CLUSTERS)


def accepted(value: bytes, arrived: int = ARRIVED) -> Activity:
    """The row of an event that must be sound."""
    found = read(value, arrived)
    assert isinstance(found, tuple), found
    return found[0]


def refused(value: bytes | None, arrived: int = ARRIVED) -> list[tuple[str, str]]:
    """Field and code of each fault of an event that must have some."""
    found = read(value, arrived)
    assert isinstance(found, list), found
    return [(one.field, one.code) for one in found]


def retraction(**fields: Any) -> bytes:
    """A sound retraction; `data` replaces or leaves out fields as in `event`."""
    data = {"occurred_on": ..., "reason": "entered twice", **fields.pop("data", {})}
    return event(**{"type": RETRACTED, **fields}, data=data)


def altered(envelope: dict[str, Any], data: dict[str, Any]) -> bytes:
    """A sound event with other fields, left out where the value is ...; unlike in `event`, `data` may be anything."""
    base = json.loads(event())
    document = base | {"data": {k: v for k, v in (base["data"] | data).items() if v is not ...}} | envelope
    return json.dumps({name: value for name, value in document.items() if value is not ...}).encode()
