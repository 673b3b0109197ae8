"""What a worker tells Prometheus. Names and labels are part of the product: docs/operators.md lists them.

Labels are few and bounded: `pipeline` is `events`, `companies`, `registry` or `keys`; outcomes and reasons are the
codes of receipts and faults. Event-to-stored time is measured from the record's LogAppendTime by the worker's clock.
"""

from collections import Counter as Count
from time import time
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from schemas.ledger import Rows

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

EVENTS: Final = Counter(
    "clustertrack_events_total", "Records by result (receipt status and reason)", ["outcome", "reason"]
)
COMPANIES: Final = Counter("clustertrack_company_versions_total", "Company versions carried into the ledger")
REGISTRIES: Final = Counter("clustertrack_registry_versions_total", "Registry versions carried into the ledger")
KEYS: Final = Counter("clustertrack_key_versions_total", "Versions of publishers' keys carried into the ledger")
REJECTED: Final = Counter("clustertrack_rejected_total", "Rejected records by topic and reason", ["topic", "reason"])
BATCH_RECORDS: Final = Histogram(
    "clustertrack_batch_records", "Records in a delivered group", ["pipeline"], buckets=(1, 10, 100, 1000, 5000, 20000)
)
STEP_SECONDS: Final = Histogram(
    "clustertrack_step_seconds", "Time of one delivery step of one batch", ["pipeline", "step"], buckets=SECONDS
)
DELIVERY_SECONDS: Final = Histogram(
    "clustertrack_delivery_seconds", "Time to store, produce, mark and ack a group", ["pipeline"], buckets=SECONDS
)
END_TO_END_SECONDS: Final = Histogram(
    "clustertrack_end_to_end_seconds",
    "Time from a record's arrival in Kafka until its group is acked (youngest and oldest record of each group)",
    ["pipeline"],
    buckets=(*SECONDS, 300, 3600),
)
RETRIES: Final = Counter("clustertrack_retries_total", "Failed attempts that were repeated", ["pipeline", "step"])
DROPPED: Final = Counter(
    "clustertrack_dropped_total", "Records dropped unacked at a rebalance; they are read again", ["pipeline"]
)
DROPPED_EXTENSIONS: Final = Counter(
    "clustertrack_dropped_extensions_total", "Extension attributes that are on no list and were left out of events"
)
OLDEST_UNACKED: Final = Gauge(
    "clustertrack_oldest_unacked_seconds", "Age of the oldest record taken and not yet acked", ["pipeline"]
)
LOOP_LATE_SECONDS: Final = Histogram(
    "clustertrack_loop_late_seconds",
    "How late the event loop's heartbeat came, four times a second: what blocks the loop makes it late",
    buckets=SECONDS,
)
LAG: Final = Gauge(
    "clustertrack_lag_records", "Records between the committed offset and the end", ["topic", "partition"]
)
REGISTER_COMPANIES: Final = Gauge("clustertrack_register_companies", "Companies in the register in memory")
REGISTRY_REVISION: Final = Gauge(
    "clustertrack_registry_revision", "Revision of the registry by which the worker decides, ms since 1970; 0 = none"
)


def observe(pipeline: str, rows: Rows, size: int, seconds: float) -> None:
    """Count a delivered group."""
    BATCH_RECORDS.labels(pipeline).observe(size)
    DELIVERY_SECONDS.labels(pipeline).observe(seconds)
    for (status, reason), number in Count((r.status, r.reason) for r in rows.receipts).items():
        EVENTS.labels(status, reason).inc(number)
    for (topic, reason), number in Count((r.topic, r.faults[0].code) for r in rows.rejected).items():
        REJECTED.labels(topic, reason).inc(number)
    if rows.companies:
        COMPANIES.inc(len(rows.companies))
    if rows.registries:
        REGISTRIES.inc(len(rows.registries))
    if rows.keys:
        KEYS.inc(len(rows.keys))
    if rows.receipts:
        now = time()
        for receipt in (rows.receipts[0], rows.receipts[-1]):
            END_TO_END_SECONDS.labels(pipeline).observe(max(0.0, now - receipt.log_time / 1000))
