"""Workers that fail by an error that nobody expects, as by a bug."""

import pytest
from chaos import Load, conclude
from stack import wait_for

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


def test_an_unexpected_error_ends_the_worker(load: Load) -> None:
    """Out of an agent it would be a silent loss: the worker says why and ends with 1, its heir counts everything."""
    stack = load.stack
    failing = stack.start_worker("failing", wait=False, CLUSTERTRACK_FAULT="decide:2:raise")
    load.publish(load.size(1000))
    wait_for(lambda: failing.exit_code() is not None, 90, "the worker to end")
    assert failing.exit_code() == 1, failing.last_words()
    assert "a batch cannot be taken, the worker ends" in (stack.folder / "failing.log").read_text()
    heir = stack.start_worker("heir", wait=False)
    conclude(load, "unexpected error in an agent", faults=1)
    assert heir.stop(20)
