"""The benchmark's generator: what it says about its records is what the product's validation says."""

from statistics import median

import generate
import pytest

from schemas.cvr import parse_cvr
from schemas.events import read_event
from schemas.registry_document import read_sample
from schemas.revisions import version_key

ARRIVED = 1_798_000_000_000
NUMBER = 4_000


@pytest.fixture(scope="module")
def made():
    return list(generate.events(NUMBER, generate.company_numbers(500)))


def test_letters_are_the_verdicts_of_the_product(made):
    """A new version is accepted once, a repeat is one that was seen before, an invalid record has faults."""
    clusters, seen = read_sample().by_source, set[bytes]()
    for letter, value, event_id in made:
        event = read_event(value, None, ARRIVED, clusters)
        if isinstance(event, list):
            assert letter == generate.INVALID, value
            continue
        key = version_key(event[0].source, event[0].activity_id, event[0].revision)
        assert letter == (generate.REPEAT if key in seen else generate.NEW), value
        assert letter == generate.REPEAT or event[0].event_id == event_id
        seen.add(key)
    assert len(seen) == generate.truth_of(made).versions


def test_the_mixture_is_as_described(made):
    """About 5 % repeats and half a percent invalid records; sizes as CRMs send them."""
    truth = generate.truth_of(made)
    assert truth.records == NUMBER == truth.versions + truth.repeats + truth.invalid
    assert 0.03 < truth.repeats / NUMBER < 0.07
    assert 0.002 < truth.invalid / NUMBER < 0.01
    sizes = [len(value) for _, value, _ in made]
    assert min(sizes) >= 250
    assert max(sizes) <= 600
    assert 350 < median(sizes) < 450


def test_fewer_records_are_a_prefix_of_more(made):
    """Contenders that get fewer records get the same ones."""
    assert list(generate.events(100, generate.company_numbers(500))) == made[:100]


def test_records_survive_their_file(tmp_path, made):
    """The file gives the records that were written, and no more than requested."""
    path = tmp_path / "events"
    generate.write_events(path, 300)
    read = list(generate.read_events(path, 200))
    assert read == list(generate.events(200, generate.company_numbers()))
    assert {letter for letter, _, _ in read} <= {letter for letter, _, _ in made}


def test_the_key_is_the_company(made):
    """The key is the subject, however the JSON is written, so a record is on the partition of its company."""
    for _, value, _ in made[:100]:
        assert parse_cvr(generate.subject_of(value).decode())


def test_other_records_have_another_truth(made):
    """One version in place of another is noticed, although their number is the same."""
    other = [(letter, value, "f" * 32 if letter == generate.NEW else "") for letter, value, _ in made[:1]]
    assert generate.truth_of(other).versions == generate.truth_of(made[:1]).versions
    assert generate.truth_of(other).ids != generate.truth_of(made[:1]).ids
