"""Metrics of the collector. No label holds anything of a request but the cluster of a key that was found."""

from functools import lru_cache
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

EVENTS: Final = Counter(
    "clustertrack_collector_events",
    "Events by what was answered: accepted, duplicate, rejected, other_cluster, unconfirmed.",
    ["cluster", "outcome"],
)
REQUESTS: Final = Counter("clustertrack_collector_requests", "Requests that were answered.", ["path", "status"])
PROBLEMS: Final = Counter(
    "clustertrack_collector_problems", "Requests that were refused as a whole, by the code of the answer.", ["code"]
)
KEY_PROBLEMS: Final = Counter("clustertrack_collector_key_problems", "Keys that were not accepted.", ["problem"])
BYTES: Final = Counter("clustertrack_collector_received_bytes", "Bytes of bodies as they came.")
SECONDS: Final = Histogram(
    "clustertrack_collector_request_seconds",
    "From the head of a request until its answer.",
    ["path"],
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
)
HELD_BYTES: Final = Gauge(
    "clustertrack_collector_held_bytes", "Bytes of bodies in work and of events that are not confirmed."
)
IN_WORK: Final = Gauge("clustertrack_collector_requests_in_work", "Requests in work.")
REGISTRY_REVISION: Final = Gauge(
    "clustertrack_collector_registry_revision", "Revision of the registry that events are judged by; 0 = none."
)


@lru_cache(1_000)
def events(cluster: str, outcome: str) -> Counter:
    """The series of `EVENTS`: finding one takes prometheus-client longer than counting."""
    return EVENTS.labels(cluster, outcome)


@lru_cache(1_000)
def requests(path: str, status: int) -> Counter:
    """The series of `REQUESTS`."""
    return REQUESTS.labels(path, str(status))


@lru_cache(10)
def seconds(path: str) -> Histogram:
    """The series of `SECONDS`."""
    return SECONDS.labels(path)
