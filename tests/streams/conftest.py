"""A stack for the worker's tests: one Kafka, one ClickHouse, migrated."""

from collections.abc import Iterator

import pytest
from stack import Stack


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Kafka and ClickHouse for one module; tests tell their records apart by activity_id."""
    made = Stack(tmp_path_factory.mktemp("stack"))
    yield made
    made.close()
