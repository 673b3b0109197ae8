"""The comparison leaves no view of the ledger out."""

import re
from pathlib import Path

from tally.calls import WINDOWS, calls, rolling
from tally.histories import YEARS, random_history

import sinks.migrator

VIEW = re.compile(r"^CREATE (?:MATERIALIZED )?VIEW IF NOT EXISTS \$\{DATABASE\}\.(\w+)", re.MULTILINE)
NOT_COUNTED = {
    "activity_fill",  # fills activity: `activity_difference` proves what it did
    "collector_key_known",  # no figure rests on keys: see tests/clustertrack/test_keys.py
    "activity_difference_within",  # see tests/clustertrack/reconcile/test_account_run.py
    "rejected_open",  # rests on what people did, in tests/clustertrack/rejected/test_store.py
    "rejected_without_row",  # looks at the present day, in tests/clustertrack/reconcile/test_account_run.py
}


def test_every_view_is_compared():
    """Each view of the migrations is asked and has its model, apart from five that have tests of their own."""
    migrations = sorted(Path(sinks.migrator.__file__).with_name("migrations").glob("*.sql"))
    views = {name for path in migrations for name in VIEW.findall(path.read_text(encoding="utf-8"))}
    called = {call.view for call in calls(random_history(1, activities=60), 1, YEARS)}
    assert views - NOT_COUNTED == called
    assert views >= NOT_COUNTED


def test_every_window_is_asked():
    """Through the whole pipeline too: each of the five windows, by both of the rolling views."""
    wanted = rolling(calls(random_history(1, activities=60), 1, YEARS))
    assert {(call.view, int(call.arguments.split("window_days = ")[1].split(",")[0])) for call in wanted} >= {
        (view, window) for view in ("impact_rolling", "impact_rolling_basis") for window in WINDOWS
    }
