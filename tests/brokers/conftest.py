from collections.abc import Iterator
from typing import Any

import pytest
from secured import Secured, running


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory, wait_until: Any) -> Iterator[Secured]:
    """A real Kafka with TLS, logins and ACLs, started once for the module."""

    def ready(child: Any, check: Any) -> None:
        wait_until(lambda: child.exit_code() is not None or check(), 90, "the secured broker")
        assert child.exit_code() is None, child.last_words()

    with running(tmp_path_factory.mktemp("secured"), ready) as broker:
        yield broker
