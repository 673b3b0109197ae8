"""What is needed to repeat a run of tests/chaos; set by scripts/chaos, else the short form of scripts/test."""

import os

import pytest

SEED = int(os.environ.get("CHAOS_SEED", "20181231"))
"""Of every load, of when faults strike, and of which are drawn."""
SCALE = float(os.environ.get("CHAOS_SCALE", "1"))
"""Factor for the records and faults of each scenario."""
NODES = int(os.environ.get("CHAOS_NODES", "1"))
"""Brokers: 1 or 3."""
OUTAGE = float(os.environ.get("CHAOS_OUTAGE", "30"))
"""Seconds that ClickHouse is down under back-pressure."""
ALONE = "CHAOS_OUTCOMES" in os.environ
"""Whether no other tests run on the machine at the same time, so that times mean something."""
LONG_FORM = pytest.mark.skipif(not ALONE, reason="in the long form (scripts/chaos)")
"""On a scenario that takes minutes, or that others come close to: `scripts/test` stays short without it."""
