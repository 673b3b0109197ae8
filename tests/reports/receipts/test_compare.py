"""A publisher's list compared with the ledger: what a model of a random history says."""

import hashlib
import random
from datetime import date

import pytest
from clickhouse_connect.driver.client import Client
from published import OURS, SOURCES, THEIRS, Published, Sent

from reports.receipts import compare as module
from reports.receipts.compare import Comparison, Content, compare
from schemas.errors import UsageFault

pytestmark = pytest.mark.integration

SPAN = (date(2018, 8, 1), date(2019, 6, 30))


def hash_of(event: Sent) -> str:
    """As a publisher computes it, from the event alone."""
    outcomes = "-" if event.outcomes is None else ",".join(sorted(event.outcomes))
    text = f"{event.company:08d}|{event.kind}|{event.day}|{outcomes}|"
    return hashlib.sha256(text.encode()).hexdigest()


def newest(history: Published, source: str) -> dict[str, Sent | None]:
    """Activities of a source with their newest versions; None for those of which nothing was accepted."""
    found = {}
    for one, activity_id in history.activities():
        if one == source:
            versions = history.versions(source, activity_id)
            found[activity_id] = versions[0][0] if versions else None
    return found


def in_span(one: Sent | None) -> bool:
    return one is not None and not one.retracts and SPAN[0] <= one.day <= SPAN[1]


def said(found: Comparison) -> tuple:
    return (
        {one.activity_id: one.why for one in found.missing},
        {one.activity_id: one.why for one in found.different},
        {one.activity_id for one in found.extra},
    )


def test_a_list_compared_with_a_history(ledger: Client, history: Published, monkeypatch: pytest.MonkeyPatch):
    """Everything that was changed in a true list is found, and nothing else; in parts as in one."""
    monkeypatch.setattr(module, "_CHUNK_BYTES", 300)
    of_ledger, rng = newest(history, OURS), random.Random(3)
    true = {activity_id: hash_of(one) for activity_id, one in of_ledger.items() if one and in_span(one)}
    assert compare(ledger, SOURCES, OURS, true, span=SPAN).equal
    wrong = rng.sample(sorted(true), 5)
    gone = {one for one in true if one not in wrong and rng.random() < 0.3}
    listed: dict[str, str | None] = {one: digest for one, digest in true.items() if one not in gone}
    listed |= dict.fromkeys(wrong, "0" * 64) | {"never-sent": None, "it's \\ never": "f" * 64}
    listed |= {activity_id: None for activity_id, one in of_ledger.items() if not in_span(one)}
    missing = {"never-sent": "unknown", "it's \\ never": "unknown"}
    different = dict.fromkeys(wrong, "content")
    for activity_id, one in of_ledger.items():
        if one is None or one.retracts:
            missing[activity_id] = "retracted" if one else "rejected"
        elif not in_span(one):
            different[activity_id] = "day"
    found = compare(ledger, SOURCES, OURS, listed, span=SPAN)
    assert said(found) == (missing, different, gone)
    assert found.same == len(listed) - len(missing) - len(different) > 0
    assert {"rejected", "retracted", "unknown"} == set(missing.values())
    assert {"content", "day"} == set(different.values())
    assert found.as_dict()["extra"][0]["counts_as"]["hash"] == true[found.extra[0].activity_id]
    middle = sorted(listed)[len(listed) // 2]
    parts = [
        compare(ledger, SOURCES, OURS, {one: listed[one] for one in listed if inside(one)}, span=SPAN, within=within)
        for within, inside in ((("", middle), lambda one: one <= middle), ((middle, ""), lambda one: one > middle))
    ]
    for kind in ("missing", "different", "extra"):
        assert (*getattr(parts[0], kind), *getattr(parts[1], kind)) == getattr(found, kind)


def test_without_days_nothing_is_extra(ledger: Client, history: Published):
    """A list of some ids is compared by itself; a hash may be in capitals."""
    of_ledger = newest(history, THEIRS)
    listed = {one: hash_of(event).upper() for one, event in of_ledger.items() if event and not event.retracts}
    assert compare(ledger, SOURCES, THEIRS, listed) == Comparison(
        source=THEIRS, same=len(listed), missing=(), different=(), extra=()
    )


def test_the_hash_that_publishers_compute():
    """The text that `reports.receipts.compare` gives as its example; outcomes in any order are the same."""
    content = Content("13748136", "workshop.attended", date(2018, 5, 3), ("new_products", "new_ideas"))
    text = "13748136|workshop.attended|2018-05-03|new_ideas,new_products|"
    assert content.hash == hashlib.sha256(text.encode()).hexdigest()


def test_what_cannot_be_compared(ledger: Client, monkeypatch: pytest.MonkeyPatch):
    """Lists and spans that are too long, ids out of bounds and sources of others are refused."""
    monkeypatch.setattr(module, "MOST_IDS", 2)
    monkeypatch.setattr(module, "MOST_STORED", 3)
    with pytest.raises(UsageFault, match="3 ids, and 2 are possible"):
        compare(ledger, SOURCES, OURS, dict.fromkeys("abc"))
    with pytest.raises(UsageFault, match="more than 3 activities"):
        compare(ledger, SOURCES, OURS, {}, span=SPAN)
    with pytest.raises(UsageFault, match="'c' is not among"):
        compare(ledger, SOURCES, OURS, {"c": None}, within=("", "b"))
    with pytest.raises(UsageFault, match="not one that you publish for"):
        compare(ledger, [OURS], THEIRS, {})


def test_what_counts_for_another_cluster(ledger: Client, history: Published):
    """It is as if it was not there, with days and without."""
    ids = dict.fromkeys([one for one, newest_one in newest(history, OURS).items() if in_span(newest_one)])
    assert compare(ledger, SOURCES, OURS, ids, span=SPAN, cluster="food-bio").equal
    for span in (SPAN, None):
        found = compare(ledger, SOURCES, OURS, ids, span=span, cluster="energy")
        assert (found.same, found.extra, len(found.missing)) == (0, (), len(ids))
