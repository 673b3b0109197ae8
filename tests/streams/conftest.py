"""A stack for the worker's tests: one Kafka, one ClickHouse, migrated."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from stack import Stack

# How long one example takes says nothing when Kafka starts beside it; how often one fails does.
settings.register_profile("busy machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy machine")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Kafka and ClickHouse for one module; tests tell their records apart by activity_id."""
    made = Stack(tmp_path_factory.mktemp("stack"))
    yield made
    made.close()
