"""What ends a worker whose ledger or topics were replaced: the first finding."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from schemas.errors import CheckFailed
from schemas.ledger import Rows
from sinks.guard import Belonging, GuardedLedger


def test_the_first_finding_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two pipelines and a watch look; what the first one finds it also mends, and the others would find just that."""
    unused: Any = None
    belonging = Belonging(ledger_id="an id", group="g", topic_epoch=0, topic_ids={}, changelog=("c", "id"))
    guard = GuardedLedger(unused, belonging, unused, unused)
    findings = iter(["was replaced by an older copy", "has no id any more"])

    @contextmanager
    def connected() -> Iterator[tuple[Any, Any]]:
        yield unused, unused

    def check(_: Any) -> None:
        raise CheckFailed(next(findings))

    monkeypatch.setattr(guard, "_connected", connected)
    monkeypatch.setattr(guard, "_check_topics", check)
    for _ in range(2):
        with pytest.raises(CheckFailed, match="was replaced by an older copy"):
            guard.insert(Rows())
    assert str(guard.verdict) == "was replaced by an older copy"
