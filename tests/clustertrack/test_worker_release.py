"""A worker of a version that is not released yet."""

from datetime import timedelta

import pytest
from click.testing import CliRunner

from clustertrack.cli import root
from clustertrack.commands import worker
from schemas.errors import UsageFault
from schemas.indicators import PIPELINE_RELEASED, PIPELINE_VERSION


def test_a_version_that_is_not_released(monkeypatch):
    """It does not start: reports would not show what it counts before that time."""
    monkeypatch.setattr(worker, "PIPELINE_RELEASED", PIPELINE_RELEASED + timedelta(days=36_500))
    found = CliRunner().invoke(root, ["worker", "--check"]).exception
    assert isinstance(found, UsageFault)
    assert f"Version {PIPELINE_VERSION} of the pipeline is released at 2126-" in str(found)
    assert "schemas/indicators.py" in str(found)


def test_a_version_that_is_released():
    """From that instant on it does; a second before it does not."""
    worker._require_released(PIPELINE_RELEASED)
    with pytest.raises(UsageFault):
        worker._require_released(PIPELINE_RELEASED - timedelta(seconds=1))
