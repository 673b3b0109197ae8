"""Seconds and memory of `clustertrack reconcile` on ledgers of many receipts, filled by SQL; no Kafka is needed.

    python bench/reconcile_scale.py 1000000 10000000

Starts a server of its own in a temporary folder (Linux: the peak is read from /proc). One receipt of ten is a
duplicate, one of a thousand was sent on and arrived, and in a million receipts one offset, one row and one receipt
lack: what must be found is compared.
"""

import os
import resource
import sys
import time
from pathlib import Path

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from engine import engine

from clustertrack.reconcile.account import Bound
from clustertrack.reconcile.account_run import reconcile
from sinks.migrator import migrate

_DATABASE, _TOPIC, _PARTITIONS = "impact", "activity.events.v1", 12
_BLOCK = 5_000_000
"""Receipts of one INSERT."""
# What becomes of record n, which is at offset n / 12 of partition n % 12.
_HOLE, _NO_ROW, _NO_RECEIPT = "n % 1000000 = 777", "n % 1000000 = 1777", "n % 1000000 = 2777"
_DUPLICATE, _SENT_ON, _ARRIVED = "n % 10 = 9", "n % 1000 = 500", "n % 1000 = 505"
_LOG_TIME = "toDateTime64('2018-01-01 00:00:00', 3, 'UTC') + toIntervalSecond(intDiv(n * 31536000, {all}))"
_SOURCE = "concat('https://crm', toString(v % 8), '.example')"
_ACTIVITY = "concat('WS-2018-', toString(v))"
_REVISION = (
    "bitShiftLeft(toUInt128(1514764800000 + v), 64) + bitShiftLeft(toUInt128(1), 55) "
    "+ cityHash64(v) % 36028797018963968"
)
_ROWS = f"""
INSERT INTO {_DATABASE}.activity_revision
    (source, activity_id, revision, event_id, company_id, cluster, event_type, occurred_on, recorded_at, known_at)
SELECT {_SOURCE}, {_ACTIVITY}, {_REVISION}, concat('e', toString(n)), 10000000 + n % 18000, 'food-bio',
       'workshop.attended', toDate({_LOG_TIME}), {_LOG_TIME}, {_LOG_TIME}
FROM (SELECT number AS n, n AS v FROM numbers({{first}}, {{rows}}))
WHERE NOT ({_DUPLICATE} OR {_SENT_ON} OR {_HOLE} OR {_NO_ROW})
"""
_RECEIPTS = f"""
INSERT INTO {_DATABASE}.receipt
    (topic, partition, offset, status, source, log_time, activity_id, revision,
     sent_to, origin_partition, origin_offset)
SELECT '{_TOPIC}', n % {_PARTITIONS}, intDiv(n, {_PARTITIONS}),
       multiIf({_SENT_ON}, 'rerouted', {_DUPLICATE}, 'duplicate', 'accepted') AS status, {_SOURCE}, {_LOG_TIME},
       if({_SENT_ON}, '', {_ACTIVITY}), if({_SENT_ON}, 0, {_REVISION}), if({_SENT_ON}, (n + 5) % {_PARTITIONS}, 65535),
       if({_ARRIVED}, (n - 5) % {_PARTITIONS}, 65535), if({_ARRIVED}, intDiv(n - 5, {_PARTITIONS}), 0)
FROM (SELECT number AS n, n - ({_DUPLICATE}) AS v FROM numbers({{first}}, {{rows}}))
WHERE NOT ({_HOLE} OR {_NO_RECEIPT})
"""


def _fill(client: Client, records: int) -> None:
    for first in range(0, records, _BLOCK):
        for sql in (_ROWS, _RECEIPTS):
            client.command(sql.format(first=first, rows=min(_BLOCK, records - first), all=records))


def _expected(records: int) -> tuple[int, ...]:
    """Holes, receipts without a row, rows without a receipt."""
    holes, no_row, no_receipt = (sum(1 for _ in range(at, records, 1_000_000)) for at in (777, 1777, 2777))
    return holes + no_receipt, no_row, no_receipt


def _measure(records: int) -> None:
    with (
        engine() as (port, pid),
        clickhouse_connect.get_client(
            host="127.0.0.1", port=port, autogenerate_session_id=False, send_receive_timeout=3600
        ) as client,
    ):
        migrate(client, _DATABASE)
        _fill(client, records)
        proc = Path(f"/proc/{pid}")
        (proc / "clear_refs").write_text("5")  # start counting the peak from here
        ends = [len(range(partition, records, _PARTITIONS)) for partition in range(_PARTITIONS)]
        bounds = [Bound(_TOPIC, 0, partition, 0, end, end) for partition, end in enumerate(ends)]
        started, spent = time.perf_counter(), _cpu_seconds(proc)
        found = reconcile(client, _DATABASE, bounds)
        seconds, spent = time.perf_counter() - started, _cpu_seconds(proc) - spent
        peak = next(
            int(line.split()[1]) for line in (proc / "status").read_text().splitlines() if line.startswith("VmHWM")
        )
    missing = sum(account.missing for account in found.partitions)
    counted = (missing, found.receipt_without_row, found.row_without_receipt)
    verdict = "as planted" if counted == _expected(records) and not found.reroute_not_arrived else f"WRONG: {counted}"
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"{records:>11,} receipts {seconds:>7.1f} s, {spent:>7.1f} CPU s   ClickHouse {peak / 1024:>6,.0f} MB   "
        f"Python {own / 1024:>4,.0f} MB   {verdict}",
        flush=True,
    )


def _cpu_seconds(proc: Path) -> float:
    """CPU time of a process so far."""
    times = (proc / "stat").read_text().rpartition(")")[2].split()[11:13]
    return sum(map(int, times)) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measure each number of receipts on a ledger of its own."""
    for argument in sys.argv[1:] or ["1000000", "10000000"]:
        _measure(int(argument.replace("_", "")))


if __name__ == "__main__":
    main()
