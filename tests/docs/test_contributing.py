"""The recipes for contributors."""

import re
from datetime import UTC, datetime

from pages import Page

from clustertrack.commands import worker

RELEASED = re.compile(r"^\+PIPELINE_RELEASED: Final = datetime\((\d+), (\d+), (\d+), tzinfo=UTC\)$", re.MULTILINE)


def test_workers_start_with_the_new_mapping_as_shown(monkeypatch):
    """The release instant of the recipe is past: a later one would stop every worker, and each test that needs one."""
    [found] = RELEASED.findall(Page("CONTRIBUTING.md").text)
    year, month, day = map(int, found)
    monkeypatch.setattr(worker, "PIPELINE_RELEASED", datetime(year, month, day, tzinfo=UTC))
    worker._require_released(datetime.now(UTC))
