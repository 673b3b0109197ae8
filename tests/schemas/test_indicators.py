"""The mapping from events to figures is complete and ordered."""

from datetime import UTC, timedelta

from schemas.indicators import (
    DERIVED,
    HELPED,
    LABELS,
    OUTCOMES,
    PIPELINE_RELEASED,
    PIPELINE_VERSION,
)


def test_every_outcome_is_derived_from_one_type():
    """Each published outcome follows from exactly one type of event, and no type proves anything else."""
    assert sorted(outcome for outcomes in DERIVED.values() for outcome in outcomes) == sorted(OUTCOMES)


def test_derived_outcomes_are_in_order():
    """Derived outcomes are in the order of publication, so that equal sets are equal tuples."""
    for outcomes in DERIVED.values():
        assert list(outcomes) == sorted(outcomes, key=OUTCOMES.index)


def test_types_that_prove_nothing():
    """Joining and retracting prove nothing. That the types are the published ones: tests/docs/test_tables.py."""
    assert DERIVED["company.joined"] == DERIVED["activity.retracted"] == ()


def test_every_figure_has_a_label():
    """Reports find a name for the base figure and every outcome, in the order of publication."""
    assert tuple(LABELS) == (HELPED, *OUTCOMES)


def test_the_pipeline_version_fits():
    """The version has 8 bits in a revision, its release is an instant in UTC."""
    assert 1 <= PIPELINE_VERSION <= 255
    assert PIPELINE_RELEASED.tzinfo is UTC
    assert PIPELINE_RELEASED.utcoffset() == timedelta(0)
