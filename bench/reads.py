"""Seconds of the published views on ledgers of 1 M and 10 M activities, filled by SQL; no Kafka is needed.

    scripts/bench --only reads [--activities 1000000 10000000] [--repeats 5]

A seventh of the versions correct any earlier activity and move it by a day; identities come in no order, which is
what costs most: every part of a table then reaches over all of them. 18,000 companies, days spread over ten years. Each
ledger is read as loaded, with the parts that background merges left; merged, as the engine does by itself ten minutes
after the last insert (min_age_to_force_merge_seconds); and with some newer versions next to that one part.
"""

import argparse
import time
from collections.abc import Sequence
from statistics import median
from typing import Any

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from engine import engine
from ground import PYTHON, say

from sinks.migrator import migrate

BLOCK = 100_000
NEWER = 20_000  # versions that arrived since the last merge of everything
VIEWS = {
    "impact_annual": "SELECT * FROM impact.impact_annual(year = 2018)",
    "impact_annual_as_known": "SELECT * FROM impact.impact_annual_as_known(year = 2018, known = '2021-06-01 00:00:00')",
    "impact_annual_by": "SELECT * FROM impact.impact_annual_by(year = 2018)",
    "impact_cluster": "SELECT * FROM impact.impact_cluster(year = 2018)",
    "impact_rolling": (
        "SELECT * FROM impact.impact_rolling(from = '2018-01-01', to = '2019-01-01', window_days = 365)"
    ),
}
PARTS = "SELECT count() FROM system.parts WHERE database = 'impact' AND table = 'activity' AND active"
COMPANIES = """
INSERT INTO impact.company_version
    (company_id, valid_from, revision, name, legal_form, employees, nuts, industry_scheme, industry, known_at)
SELECT 10000000 + number * 3333, '2010-01-01', 1, concat('Synthetic ', toString(number)),
       if(number % 80 = 0, '230', '80'), number % 250,
       ['DK011', 'DK021', 'DK032', 'DK041', 'DK050'][number % 5 + 1], 'DB07',
       ['620100', '108900', '282900', '721900'][number % 4 + 1], '2010-01-01 00:00:00'
FROM numbers(18000)
"""
REGISTRY = """
INSERT INTO impact.registry_version (revision, content, known_at)
SELECT 1, concat('{"institutions":[', arrayStringConcat(groupArray(one), ','), ']}'), '2010-01-01 00:00:00'
FROM
(
    SELECT concat('{"cvr":', toString(10000000 + (number * 80 + 40) * 3333),
                  ',"valid_from":"2007-01-01","valid_to":null,"reason":"Synthetic"}') AS one
    FROM numbers(225)
)
"""
ACTIVITIES = """
INSERT INTO impact.activity_revision
    (source, activity_id, revision, event_id, company_id, cluster, event_type, reported, derived, outcomes_given,
     details, occurred_on, recorded_at, known_at)
SELECT concat('https://crm', toString(n % 14), '.example'), concat('WS-', lower(hex(h)), '/', toString(company)),
       bitShiftLeft(toUInt128(toUnixTimestamp64Milli(t)), 64) + bitShiftLeft(toUInt128(1), 55) + h % 36028797018963968,
       concat('e', toString(number)), company, concat('cluster-', toString(n % 14)),
       ['workshop.attended', 'project.started', 'product.launched'][n % 3 + 1],
       if(n % 3 = 0, ['new_competencies'], []), multiIf(n % 3 = 1, ['new_ideas'], n % 3 = 2, ['new_products'], []),
       n % 3 = 0, '{{"title":"Synthetic"}}',
       toDate('2014-01-01') + day + (number != n), t, t
FROM
(
    SELECT number,
           cityHash64(number, 1) % (number + 1) AS earlier,
           toUInt64(if(number % 7 = 6, toUInt64(earlier - (earlier % 7 = 6)), number)) AS n,
           cityHash64(n) AS h, cityHash64(n, 3) % 3650 AS day, 10000000 + cityHash64(n, 2) % 18000 * 3333 AS company,
           toDateTime64('2014-01-01 00:00:00', 3, 'UTC')
               + toIntervalSecond(day * 86400 + (number != n) * (999 + number % 1000)) AS t
    FROM numbers({first}, {rows})
)
"""


def main(arguments: Sequence[str]) -> list[dict[str, Any]]:
    """Returns seconds by view and number of activities."""
    parser = argparse.ArgumentParser(prog="scripts/bench --only reads", description=__doc__)
    parser.add_argument("--activities", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args(arguments)
    return [row for number in options.activities for row in _measure(number, options.repeats)]


def _measure(activities: int, repeats: int) -> list[dict[str, Any]]:
    with (
        engine(str(PYTHON)) as (port, _),
        clickhouse_connect.get_client(
            host="127.0.0.1", port=port, autogenerate_session_id=False, send_receive_timeout=3600
        ) as client,
    ):
        migrate(client, "impact")
        versions = activities * 7 // 6
        _fill(client, versions)
        found = [_read(client, "as loaded", repeats)]
        client.command("OPTIMIZE TABLE impact.activity FINAL")
        found.append(_read(client, "merged", repeats))
        client.command(ACTIVITIES.format(first=versions, rows=NEWER))
        return [*found, _read(client, f"{NEWER:,} newer", repeats)]


def _fill(client: Client, versions: int) -> None:
    began = time.monotonic()
    client.command(COMPANIES)
    client.command(REGISTRY)
    for first in range(0, versions, BLOCK):
        client.command(ACTIVITIES.format(first=first, rows=min(BLOCK, versions - first)))
    say(f"{versions:,} versions filled in {time.monotonic() - began:.0f} s")


def _read(client: Client, state: str, repeats: int) -> dict[str, Any]:
    stored = int(client.query("SELECT count() FROM impact.activity FINAL").first_row[0])
    parts = client.query(PARTS).first_row[0]
    say(f"{stored:,} activities, {state}, in {parts} parts")
    figures = {name: _time(client, name, repeats) for name in VIEWS}
    return {"activities": stored, "state": state, "parts": int(parts)} | figures


def _time(client: Client, name: str, repeats: int) -> dict[str, float]:
    seconds, rows = [], 0
    for _ in range(repeats):
        began = time.perf_counter()
        rows = len(client.query(VIEWS[name]).result_rows)
        seconds.append(time.perf_counter() - began)
    if not rows:
        raise RuntimeError(f"{name} gave no rows: its time means nothing")
    say(f"{name:24} median {median(seconds):6.2f} s, {min(seconds):.2f} to {max(seconds):.2f}, {rows:,} rows")
    return {"median_s": round(median(seconds), 3), "min_s": round(min(seconds), 3), "max_s": round(max(seconds), 3)}
