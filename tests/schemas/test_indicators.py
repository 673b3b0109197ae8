"""The mapping from events to figures is complete and ordered."""

import hashlib
import json
from datetime import UTC, timedelta
from typing import Final

from schemas.indicators import (
    DERIVED,
    HELPED,
    LABELS,
    OUTCOMES,
    PIPELINE_RELEASED,
    PIPELINE_VERSION,
)

MAPPINGS: Final = {
    1: "4ff8ec6e7e7db6ff",
}
"""Pipeline version -> the start of the SHA-256 of `DERIVED`. The line of a released version never changes."""


def test_a_mapping_has_a_version():
    """Another mapping is another version: counted under the old one, it would change what was reported."""
    found = hashlib.sha256(json.dumps([*DERIVED.items()]).encode()).hexdigest()[:16]
    assert MAPPINGS.get(PIPELINE_VERSION) == found, (
        f"DERIVED is not the mapping of version {PIPELINE_VERSION}: raise PIPELINE_VERSION unless that is not released "
        f'yet, and write into MAPPINGS the line of the version: "{found}"'
    )
    assert list(MAPPINGS) == list(range(1, PIPELINE_VERSION + 1))


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
