"""Faults: what they show of a record, and what they hide."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.faults import MASK, MAX_VALUE, Fault, fault

anything = st.text(st.characters(exclude_categories=[]))


@given(anything, anything)
def test_every_fault_can_be_written_down(field: str, value: str):
    """With any texts, lone surrogates included, a fault is short and UTF-8."""
    written = fault(field, "invalid_type", value)
    for text in written:
        assert len(text.encode("utf-8")) <= 6 * MAX_VALUE


def test_a_long_value_is_cut():
    """The record is kept with its faults, so 200 characters are enough."""
    assert fault("data.title", "too_long", "x" * 10_000).value == "x" * 200


def test_a_long_field_name_is_cut():
    """A field that the schema does not know may have any name."""
    assert fault("data." + "x" * 10_000, "extra_field").field == "data." + "x" * 195


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        pytest.param(5, "5", id="number"),
        pytest.param(True, "True", id="boolean"),
        pytest.param("text", "text", id="text"),
        pytest.param("a\ud800", "a\\ud800", id="lone surrogate"),
        pytest.param({"name": "Ane"}, MASK, id="object"),
        pytest.param(["Ane"], MASK, id="list"),
    ],
)
def test_what_is_shown_of_a_value(value: object, shown: str):
    """Single values of known fields are shown; what has parts may hold anything, and is hidden."""
    assert fault("data.title", "invalid_type", value) == Fault("data.title", "invalid_type", shown)


def test_an_unknown_field_is_hidden():
    """The content of a field that the schema does not have is unknown: it is not repeated."""
    assert fault("data.email", "extra_field", "ane@example.dk") == Fault("data.email", "extra_field", MASK)


@pytest.mark.parametrize(
    ("subject", "shown"),
    [
        pytest.param("12345678", "12345678", id="a mistyped company"),
        pytest.param("1374813", "1374813", id="a digit is missing"),
        pytest.param("SE556012579001", "SE556012579001", id="a Swedish company"),
        pytest.param("", "", id="empty"),
        pytest.param("010190-1234", MASK, id="a person's number"),
        pytest.param(101901234, MASK, id="a person's number without its zero"),
        pytest.param("Ane Hansen", MASK, id="a name"),
    ],
)
def test_a_subject_that_may_be_a_person_is_hidden(subject: object, shown: str):
    """Where a company's number belongs a CRM may send the owner's."""
    assert fault("subject", "invalid_cvr_length", subject).value == shown
