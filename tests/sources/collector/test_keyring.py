"""The keys in memory: whom a key belongs to, and why it is not taken."""

import hmac
import logging
from datetime import UTC, date, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.keys import RANDOM_BYTES, KeyVersion, hash_of, id_of, make_key
from sources.collector.keyring import KeyHolder, KeyProblem, Keyring

NOW = datetime(2027, 6, 1, 12, tzinfo=UTC)


def text_of(number: int) -> str:
    """The text of a key, always the same."""
    return make_key(bytes([number]) * RANDOM_BYTES).get_secret_value()


def version_of(text: str, cluster: str = "food-bio", **fields: object) -> KeyVersion:
    """A version of the key with this text."""
    made = {"id": id_of(text), "cluster": cluster, "hash": hash_of(text), "created": 1, "revision": 1, **fields}
    return KeyVersion.model_validate(made)


def keyring(*versions: KeyVersion) -> Keyring:
    """A keyring that was fed with these."""
    made = Keyring()
    for version in versions:
        made.take(version)
    return made


FIRST, SECOND, OTHER = text_of(1), text_of(2), text_of(3)
SAME_ID = make_key(bytes([1]) * 5 + bytes([9]) * 20).get_secret_value()
"""Another secret under the id of the first."""
EXPIRED = text_of(4)
REVOKED = text_of(5)
RING = keyring(
    version_of(FIRST),
    version_of(SECOND, "clean", expires=date(2027, 6, 1)),
    version_of(EXPIRED, expires=date(2027, 5, 31)),
    version_of(REVOKED, revoked=1),
)


@pytest.mark.parametrize(
    ("token", "found"),
    [
        pytest.param(FIRST, KeyHolder(id_of(FIRST) or "", "food-bio"), id="never expires"),
        pytest.param(SECOND, KeyHolder(id_of(SECOND) or "", "clean"), id="its last day"),
        pytest.param("", KeyProblem.MISSING, id="none"),
        pytest.param("hunter2", KeyProblem.MALFORMED, id="no key"),
        pytest.param(FIRST[:-1], KeyProblem.MALFORMED, id="not all of it"),
        pytest.param(FIRST[:-1] + ("a" if FIRST[-1] != "a" else "b"), KeyProblem.MALFORMED, id="mistyped"),
        pytest.param("\ud800\0é" * 17, KeyProblem.MALFORMED, id="no text"),
        pytest.param(OTHER, KeyProblem.UNKNOWN, id="unknown id"),
        pytest.param(SAME_ID, KeyProblem.WRONG, id="wrong secret"),
        pytest.param(EXPIRED, KeyProblem.EXPIRED, id="expired"),
        pytest.param(REVOKED, KeyProblem.REVOKED, id="revoked"),
    ],
)
def test_find(token: str, found: KeyHolder | KeyProblem):
    """A key that works has a holder; any other has the reason why not."""
    assert RING.find(token, NOW) == found


def test_a_wrong_secret_learns_nothing():
    """Only who holds a key hears that it has expired or was revoked, and an unknown one is answered as a wrong one."""
    ring = keyring(
        version_of(FIRST, expires=date(2027, 5, 31)),
        version_of(REVOKED, revoked=1),
    )
    wrong = make_key(bytes([5]) * 5 + bytes([9]) * 20).get_secret_value()
    assert [ring.find(token, NOW) for token in (SAME_ID, wrong)] == [KeyProblem.WRONG] * 2
    assert KeyProblem.UNKNOWN.answer == KeyProblem.WRONG.answer
    assert len({problem.answer for problem in KeyProblem}) == len(KeyProblem) - 1


def test_days_are_danish():
    """A key works until midnight in Copenhagen, in summer and in winter."""
    for last, midnight in (
        (date(2027, 6, 1), datetime(2027, 6, 1, 22, tzinfo=UTC)),
        (date(2027, 12, 31), datetime(2027, 12, 31, 23, tzinfo=UTC)),
    ):
        ring = keyring(version_of(FIRST, expires=last))
        assert isinstance(ring.find(FIRST, midnight - timedelta(milliseconds=1)), KeyHolder)
        assert ring.find(FIRST, midnight) is KeyProblem.EXPIRED


@given(st.permutations([1, 2, 3, 4]))
def test_the_highest_revision_counts(order: list[int]):
    """In any order of arrival, and however often they come."""
    versions = [version_of(FIRST, f"c-{revision}", revision=revision) for revision in order]
    ring = keyring(*versions, *versions)
    assert ring.find(FIRST, NOW) == KeyHolder(id_of(FIRST) or "", "c-4")
    assert len(ring) == 1
    assert [version.revision for version in ring.versions] == [4]


def test_of_equal_revisions_the_first_counts():
    """As in the ledger, which keeps the one that was known first."""
    for one, other in permutations(["a", "b"]):
        ring = keyring(version_of(FIRST, one), version_of(FIRST, other))
        assert ring.find(FIRST, NOW) == KeyHolder(id_of(FIRST) or "", one)


def test_a_key_is_revoked_while_it_is_used():
    """The next look-up knows."""
    ring = keyring(version_of(FIRST))
    assert isinstance(ring.find(FIRST, NOW), KeyHolder)
    ring.take(version_of(FIRST, revision=2, revoked=2))
    assert ring.find(FIRST, NOW) is KeyProblem.REVOKED


def test_comparisons_take_the_same_time(monkeypatch):
    """Every well-formed key is compared once, in constant time, with a hash; also one with an unknown id."""
    lengths = []

    def compare(one: str, other: str) -> bool:
        lengths.append((len(one), len(other)))
        return one == other

    monkeypatch.setattr(hmac, "compare_digest", compare)
    for token in (FIRST, OTHER, SAME_ID, EXPIRED, REVOKED):
        RING.find(token, NOW)
    assert lengths == [(64, 64)] * 5


def test_nothing_is_shown(caplog):
    """Neither a key nor a hash is in what is printed of a keyring, a holder or a problem, and nothing is logged."""
    with caplog.at_level(logging.DEBUG):
        found = [RING.find(token, NOW) for token in (FIRST, OTHER, SAME_ID, EXPIRED, REVOKED)]
    shown = f"{RING!r} {found!r} {[one.answer for one in KeyProblem]} {list(RING.versions)!r} {caplog.text}"
    for text in (FIRST, SECOND, OTHER, SAME_ID, EXPIRED, REVOKED):
        assert text not in shown
        assert text.split("_")[2] not in shown
        assert hash_of(text) not in shown
