"""What becomes of an event before Kafka has it: a record to send, or everything wrong with it. Pure."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from brokers.judging import Judge
from brokers.partitioning import homes
from schemas.clusters import ClusterRegistry
from schemas.faults import CODES as EVENT_CODES
from schemas.faults import MAX_FAULTS, Fault, fault
from schemas.indicators import EVENT_TYPES, OUTCOMES
from sources.collector.http_events import CODES, Candidate

OTHER_CLUSTER: Final = "other_cluster"
_KEY: Final = b"00000000"
"""As long as the key of every record that is accepted."""

_MEANING: Final = EVENT_CODES | CODES
_ADVICE: Final = {
    "invalid_json": "send one whole JSON object",
    "invalid_utf8": "encode it as UTF-8",
    "missing": "fill it in",
    "empty": "fill it in",
    "too_long": "shorten it",
    "too_many_fields": "leave out what the schema does not know",
    "invalid_type": "write it as the schema says, text in quotation marks",
    "extra_field": "leave it out",
    "personal_data": "take it out; nothing that identifies a person may be sent",
    "not_allowed": "leave it out of events of this type",
    "unsupported_specversion": 'write "1.0"',
    "unknown_source": "write the source as the registry has it, or have the registry's operator add it",
    "unknown_type": f"use org.clustertrack.TYPE.v1 with one of {', '.join(EVENT_TYPES)}",
    "unknown_type_version": "end the type in .v1",
    "invalid_cvr_length": "look the number up in the CVR register",
    "invalid_cvr_checksum": "look the number up in the CVR register; a digit is wrong, or two have changed places",
    "unsupported_identifier": "leave foreign companies out, they are not counted",
    "invalid_time": "write it as 2018-05-03T14:05:09+02:00",
    "time_without_zone": "add the zone, as in 2018-05-03T14:05:09+02:00",
    "time_too_early": "correct the year",
    "time_in_future": "correct the time, or the clock that wrote it",
    "invalid_date": "write it as 2018-05-03",
    "date_too_early": "correct the year",
    "date_too_late": "correct the year",
    "unknown_outcome": f"use {', '.join(OUTCOMES)}",
    "unknown_membership": "write member or participant",
    "outside_cluster_span": "correct the day, or have the registry's operator correct the cluster's span",
    "cluster_required": "name the cluster in data.cluster",
    "not_a_cluster_of_source": "write the cluster's slug as the registry has it",
    "unsupported_content_type": "send data as application/json",
    "invalid_header": "send the attribute once, percent-encoded, and with both quotation marks or none",
    "name_twice": "keep one of them",
    OTHER_CLUSTER: "publish it with the key of its own cluster",
}
"""Fault code -> what the publisher does about it."""


class OutRecord(NamedTuple):
    """A record of the events topic, to be sent."""

    source: str
    event_id: str
    number: int
    """Hash of the key: its remainder by the number of partitions is the partition."""
    key: bytes
    value: bytes
    headers: Sequence[tuple[str, bytes]]

    @property
    def size(self) -> int:
        """Bytes, about."""
        return len(self.value) + sum(len(name) + len(text) for name, text in self.headers)


class Inspector:
    """Judges events by one version of the registry, as workers will.

    Args:
        clusters: that version.
        allow_personal_data: whether CPR numbers and e-mail addresses in texts are no fault.
    """

    def __init__(self, clusters: ClusterRegistry, *, allow_personal_data: bool) -> None:
        self.revision: Final = clusters.revision
        self._clusters = clusters
        self._judge = Judge(clusters, allow_personal_data=allow_personal_data)

    def sources_of(self, cluster: str) -> tuple[str, ...]:
        """Sources that the cluster lists, on any day, in the order of the alphabet."""
        return tuple(sorted(one for one in self._clusters.sources if self._clusters.ever_speaks_for(one, cluster)))

    def name_of(self, cluster: str) -> str:
        """Name of a cluster; its slug where the registry has none."""
        return self._clusters.names.get(cluster, cluster)

    def inspect(self, candidate: Candidate, cluster: str, arrived: int) -> OutRecord | list[Fault]:
        """Judge one event.

        Args:
            candidate: as it was sent.
            cluster: whose key it was sent with; only what counts for it is published, and retractions by its sources.
            arrived: ms since 1970 UTC.

        Returns:
            The record to send; or its faults, at least one.
        """
        own = list(candidate.faults)
        found = self._judge.record(_KEY, candidate.value, candidate.headers, arrived)
        if isinstance(found, list):
            if self._is_of_another(candidate.source, cluster):
                own.insert(0, fault("source", OTHER_CLUSTER, candidate.source))
            fields = {one.field for one in own}
            return [*own, *(one for one in found if one.field not in fields)][:MAX_FAULTS]
        activity = found[0]
        # A retraction does not say which day its activity had.
        counts_for = "" if activity.is_deleted else activity.cluster
        if self._is_of_another(activity.source, cluster, counts_for):
            own.insert(0, fault("source", OTHER_CLUSTER, activity.source))
        if own:
            return own[:MAX_FAULTS]
        number, key = homes[activity.company_id]
        return OutRecord(activity.source, activity.event_id, number, key, candidate.value, candidate.headers)

    def _is_of_another(self, source: str | None, cluster: str, counts_for: str = "") -> bool:
        if counts_for:
            return counts_for != cluster
        clusters = self._clusters
        return source is not None and clusters.knows(source) and not clusters.ever_speaks_for(source, cluster)


def message_of(code: str) -> str:
    """What a fault code means, and what to do about it."""
    advice = _ADVICE.get(code)
    meaning = _MEANING[code]
    return f"{meaning}: {advice}" if advice else meaning
