"""Asking again for a time."""

import time

import pytest

from brokers import attempts as module
from brokers.attempts import attempts


class Clock:
    """Time that passes only while somebody sleeps."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize(
    ("seconds", "wanted"),
    [
        pytest.param(0, [False], id="once"),
        pytest.param(0.1, [True, False], id="less than a pause"),
        pytest.param(1, [True, True, True, False], id="several"),
    ],
)
def test_attempts(monkeypatch: pytest.MonkeyPatch, seconds: float, wanted: list[bool]):
    """There is always one, and the last one says so."""
    monkeypatch.setattr(module, "time", Clock())
    assert list(attempts(seconds, 0.4)) == wanted


def test_nobody_sleeps_after_success():
    """Who leaves the loop does not wait for the next attempt."""
    begun = time.monotonic()
    for _ in attempts(60, 30):
        break
    assert time.monotonic() - begun < 5
