"""The enriched event is the event and what is added, for any event."""

import json
from typing import Any

import pydantic_core
import pytest
from hypothesis import given
from hypothesis import strategies as st
from judging import accepted, altered, read
from samples import CVRS, event

from schemas.company import CompanyVersion
from schemas.event_time import parse_day
from streams.company_register import Register
from streams.enrichment import enriched, written

SPOT = '"company":[]'
texts = st.sampled_from([SPOT, 'a "company":[] b', '\\"company":[]', '"company":[]}}', "æ\n\u2028"])
extensions = st.dictionaries(
    st.sampled_from(["company", "basis", "zz", 'x"company":[]', '"company":[]']),
    st.none() | st.booleans() | st.integers(-5, 5) | texts,
    max_size=4,
)


@given(extensions, st.dictionaries(st.sampled_from(["title", "workshop_id"]), texts, max_size=2), st.booleans())
def test_nothing_else_changes(extra: dict[str, Any], said: dict[str, str], bare: bool):
    """Texts and extensions that look like the spot stay as they are; what is added is at the end of `data`."""
    data = {"activity_id": ..., "occurred_on": ...} if bare else said
    value = altered({"id": "E-1", **extra}, data)
    found = read(value)
    assert isinstance(found, tuple)
    activity, document = found
    result = json.loads(enriched(written(document), activity, Register()))
    sent = json.loads(value)
    added = {
        "company": {"cvr": str(CVRS[0]), "known": False, "as_at": "2018-05-03"},
        "basis": {"new_competencies": "derived"},
        "revision": str(activity.revision),
        "registry_revision": 7,
    }
    assert result == {**sent, "data": {**sent["data"], **added}}
    assert list(result["data"])[-4:] == list(added)


def test_the_bytes_of_a_company():
    """A company is written as pydantic writes the same object whole: the cut at the day leaves no trace."""
    day = parse_day("2010-01-01")
    assert day is not None
    register = Register()
    register.apply(CompanyVersion(cvr=CVRS[0], valid_from=day, revision=1, name='Æ "x" ', employees=None))
    text = register.company_as_at(CVRS[0], 17_654)
    assert pydantic_core.to_json(json.loads(text)) == text


@pytest.mark.parametrize("outcomes", [[], ["new_products", "new_ideas"]], ids=["none", "two"])
def test_the_basis_is_in_the_order_of_publication(outcomes: list[str]):
    """Each outcome has its basis, in the order of the published figures."""
    value = event(CVRS[0], data={"outcomes": outcomes})
    found = read(value)
    assert isinstance(found, tuple)
    basis = json.loads(enriched(written(found[1]), accepted(value), Register()))["data"]["basis"]
    assert list(basis.items()) == [(name, "reported") for name in sorted(outcomes)]
