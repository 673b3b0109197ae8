"""What this process has lately rejected over HTTP, for publishers to look up. Pure; the time is passed in.

Its answers said so at once, and neither Kafka nor the ledger has any of it. The newest are kept until the process ends.
"""

from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final, NamedTuple

from schemas.event_time import copenhagen_day, to_ms

_MOST: Final = 100
"""Events of one cluster."""
_CLUSTERS: Final = 1_000
"""The one that was refused something longest ago is forgotten."""
_FAULTS: Final = 20
"""Of one event; 100 events of 1,000 clusters are some hundred megabytes at the very most."""


class Refusal(NamedTuple):
    """An event that was rejected, as its answer says it."""

    at: datetime
    source: str | None
    event_id: str | None
    faults: Sequence[Mapping[str, Any]]

    def as_dict(self) -> dict[str, Any]:
        """As JSON types."""
        at = self.at.isoformat(timespec="milliseconds")
        return {"at": at, "source": self.source, "event_id": self.event_id, "faults": list(self.faults)}


class Refusals:
    """The newest ones of each cluster."""

    def __init__(self) -> None:
        self._of: OrderedDict[str, deque[Refusal]] = OrderedDict()

    def add(
        self,
        cluster: str,
        source: str | None,
        event_id: str | None,
        faults: Sequence[Mapping[str, Any]],
        now: datetime,
    ) -> None:
        """An event that the cluster's key sent was rejected at an aware time."""
        kept = self._of.setdefault(cluster, deque(maxlen=_MOST))
        kept.append(Refusal(now, source, event_id, faults[:_FAULTS]))
        self._of.move_to_end(cluster)
        if len(self._of) > _CLUSTERS:
            self._of.popitem(last=False)

    def of_event(self, cluster: str, source: str, event_id: str) -> Refusal | None:
        """The newest one of an event."""
        found = (one for one in reversed(self._of.get(cluster, ())) if (one.source, one.event_id) == (source, event_id))
        return next(found, None)

    def of_days(self, cluster: str, source: str | None, first: date, last: date) -> list[Refusal]:
        """Those of some Danish days, the newest first; `source`: of this one alone."""
        return [
            one
            for one in reversed(self._of.get(cluster, ()))
            if source in (None, one.source) and first <= copenhagen_day(to_ms(one.at)) <= last
        ]
