"""The account of the ledger as Prometheus metrics, in a file for node_exporter's textfile collector.

The command is run by a timer and ends; the file stays. If it is not replaced, its timestamp grows old, which raises an
alert.
"""

from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from clustertrack.reconcile.account import Reconciliation
from clustertrack.reconcile.account_text import COUNTS
from schemas.errors import UsageFault
from schemas.own_files import write_whole


class ReconcileMetrics:
    """The gauges, in a registry of their own: other metrics of this process are of no interest."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.offsets = Gauge(
            "clustertrack_reconcile_offsets",
            "Offsets of the events topic by what became of them, as in the output of reconcile",
            ["topic", "partition", "state"],
            registry=self.registry,
        )
        self.holes = Gauge(
            "clustertrack_reconcile_holes",
            "Offsets that are lost: without a receipt, or with one whose row or arrival is not there",
            ["topic", "partition"],
            registry=self.registry,
        )
        self.faults = Gauge(
            "clustertrack_reconcile_faults",
            "What is wrong in the whole ledger, former epochs of the topic included",
            ["kind"],
            registry=self.registry,
        )
        self.undecided = Gauge(
            "clustertrack_reconcile_undecided",
            "What is neither proved nor a fault: it is in work, or could not be asked for",
            ["kind"],
            registry=self.registry,
        )
        self.whole = Gauge("clustertrack_reconcile_whole", "1 = every record is accounted for", registry=self.registry)
        self.timestamp = Gauge(
            "clustertrack_reconcile_timestamp_seconds",
            "When this account was made, in seconds since 1970 UTC",
            registry=self.registry,
        )
        self.seconds = Gauge("clustertrack_reconcile_duration_seconds", "How long it took", registry=self.registry)

    def fill(self, result: Reconciliation, *, now: float, seconds: float) -> None:
        """Set all of them; `now` in seconds since 1970 UTC."""
        for account in result.partitions:
            place = (account.topic, str(account.partition))
            for state in COUNTS:
                if state != "received":  # the sum of others
                    self.offsets.labels(*place, state).set(getattr(account, state))
            lost = account.missing + account.expired + account.without_row + account.not_arrived
            self.holes.labels(*place).set(lost)
        for kind, count in result.faults.items():
            self.faults.labels(kind).set(count)
        for kind, count in result.undecided.items():
            self.undecided.labels(kind).set(count)
        self.whole.set(result.whole)
        self.timestamp.set(now)
        self.seconds.set(seconds)

    def write(self, path: Path) -> None:
        """Replace the file atomically. Raises UsageFault when it cannot be written."""
        try:
            # Counts are no secret, and node_exporter is another user: the umask decides.
            write_whole(path, generate_latest(self.registry), mode=0o666)
        except OSError as error:
            raise UsageFault(f"--textfile {path} cannot be written: {error.strerror}.") from error
