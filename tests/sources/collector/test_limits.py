"""Rates of keys, and bytes of all requests."""

import pytest

from sources.collector.confirmed import SECONDS, Confirmed, digest_of, name_of
from sources.collector.inspection import OutRecord
from sources.collector.limits import Budget, Rate
from sources.topic_producer import Place


def test_a_rate_has_a_reserve_and_comes_back():
    """A key that was quiet may send its reserve at once, and then as much as comes back."""
    rate = Rate(2, 10)
    for _ in range(10):
        assert rate.wait("a", 0) == 0
        rate.use("a", 1, 0)
    assert rate.wait("a", 0) == 1
    assert rate.wait("b", 0) == 0
    assert rate.wait("a", 0.5) == 0
    assert rate.wait("a", 1000) == 0
    rate.use("a", 10, 1000)
    assert rate.wait("a", 1000) == 1


def test_a_batch_may_take_more_than_there_is():
    """What follows waits for as long as it takes to come back."""
    rate = Rate(2, 10)
    rate.use("a", 110, 0)
    assert rate.wait("a", 0) == 51
    assert rate.wait("a", 50.5) == 0


def test_the_key_that_was_used_longest_ago_is_forgotten(monkeypatch: pytest.MonkeyPatch):
    """So that many keys take no more memory."""
    monkeypatch.setattr("sources.collector.limits._KEYS", 2)
    rate = Rate(1, 1)
    for key in "abc":
        rate.use(key, 5, 0)
    assert [rate.wait(key, 0) for key in "abc"] == [0, 5, 5]


def test_a_budget():
    """What does not fit is not held."""
    budget = Budget(10)
    assert budget.take(6)
    assert not budget.take(5)
    assert budget.take(4)
    budget.give(10)
    assert budget.held == 0


def out(value: bytes = b"v", headers: tuple[tuple[str, bytes], ...] = (("h", b"x"),)) -> OutRecord:
    return OutRecord("s", "1", 0, b"k", value, headers)


def test_confirmed_events_are_remembered_for_a_while(monkeypatch: pytest.MonkeyPatch):
    """Those with the same bytes and headers; not for long, and not without bound."""
    digests = [digest_of(one) for one in (out(), out(b"w"), out(headers=(("h", b"y"),)), out(headers=(("hx", b""),)))]
    assert len(set(digests)) == 4
    assert digest_of(out()) == digests[0]
    known = Confirmed()
    known.add(digests[0], Place(1, 2), 0, name_of("s", "0"))
    assert known.find(digests[0], SECONDS - 1) == Place(1, 2)
    assert known.find(digests[0], SECONDS + 1) is None
    assert known.find(digests[1], 0) is None
    assert [known.has("s", "0", now) for now in (0, SECONDS + 1)] == [True, False]
    monkeypatch.setattr("sources.collector.confirmed._MOST", 2)
    known.add(digests[1], Place(1, 3), 0, name_of("s", "1"))
    known.add(digests[2], Place(1, 4), 0, name_of("s", "2"))
    assert known.find(digests[0], 0) is None
    assert [known.has("s", name, 0) for name in "012"] == [False, True, True]
