"""A broker and a collector as processes, for the tests of one module."""

from collections.abc import Iterator

import pytest
from collecting import CLUSTERS, FOOD_KEY, WATER_KEY, Broker, RunningCollector


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker of the module's own: some tests freeze it."""
    made = Broker(tmp_path_factory.mktemp("collector"))
    try:
        made.load_registry(*CLUSTERS)
        made.put_key(FOOD_KEY, "food-bio")
        made.put_key(WATER_KEY, "water")
        yield made
    finally:
        made.child.stop(5)


@pytest.fixture(scope="module")
def collector(broker: Broker) -> Iterator[RunningCollector]:
    """One collector for the module, impatient."""
    made = RunningCollector(broker, IDLE_SECONDS="1", CONFIRM_SECONDS="3", MAX_CONNECTIONS="1500")
    try:
        made.wait_ready()
        yield made
    finally:
        made.child.stop(20)
    assert made.child.exit_code() == 0
    log = made.child.log.read_text(encoding="utf-8")
    assert "Traceback" not in log, log
    assert "WS-" not in log, "an event is in the log"
    assert FOOD_KEY not in log
    assert FOOD_KEY[-39:] not in log
