import hashlib
import json
from datetime import date

import rfc8785

from reports.annual import published_mapping
from reports.model import (
    FIGURES,
    AllNotCounted,
    AnnualReport,
    ClusterFigures,
    ClusterNotCounted,
    Figures,
    NationalFigures,
)
from schemas.indicators import HELPED

EMPTY = AnnualReport(
    year=2031, as_known_on=None, size_as_at=date(2031, 12, 31), provisional=True, mapping=published_mapping()
)
FULL = AnnualReport(
    year=2018,
    as_known_on=date(2019, 3, 31),
    size_as_at=date(2018, 12, 31),
    provisional=False,
    helped=NationalFigures(companies=3, under_50=1, unknown_size=1, sum_over_clusters=4),
    clusters=(ClusterFigures(cluster="fødevarer", helped=Figures(companies=3)),),
    mapping=published_mapping(),
    not_counted=AllNotCounted(rejected=2, clusters=(ClusterNotCounted(cluster="fødevarer", rejected=2),)),
)


def test_the_keys_of_the_contract_are_there_without_data():
    """A year without data has every key of the contract, with 0; helped has no basis."""
    report = json.loads(EMPTY.as_json())
    assert list(report) == [
        "year",
        "as_known_on",
        "size_as_at",
        "provisional",
        "begun",
        "known_since",
        *FIGURES,
        "clusters",
        "mapping",
        "not_counted",
        "previous_year",
        "sha256",
    ]
    for outcome in FIGURES:
        basis = None if outcome == HELPED else 0
        assert report[outcome] == dict.fromkeys(
            (
                "companies",
                "under_50",
                "unknown_size",
                "participants_other",
                "sum_over_clusters",
            ),
            0,
        ) | {"reported": basis, "derived": basis}
    assert report["as_known_on"] is None
    assert report["size_as_at"] == "2031-12-31"
    assert report["not_counted"] == {
        "rejected": 0,
        "retractions_without_activity": 0,
        "activities_of_several_companies": 0,
        "companies_without_register_row": 0,
        "clusters": [],
    }


def test_the_hash_can_be_checked_by_a_reader():
    """sha256 is the hash of the RFC 8785 form of the printed report without that field, in any layout."""
    report = json.loads(FULL.as_json())
    claimed = report.pop("sha256")
    assert hashlib.sha256(rfc8785.dumps(report)).hexdigest() == claimed


def test_the_hash_follows_the_figures():
    """Another figure is another hash; the same report is the same one."""
    assert FULL.sha256 == FULL.model_copy().sha256
    assert FULL.sha256 != FULL.model_copy(update={"provisional": True}).sha256


def test_letters_stay_readable():
    """Danish letters are printed as they are, not as escapes."""
    assert "fødevarer" in FULL.as_json()


def test_the_mapping_names_the_types_that_imply_an_outcome():
    """The mapping lists the types of event from which an outcome is derived, and no others."""
    derived = published_mapping().derived
    assert derived["workshop.attended"] == ("new_competencies",)
    assert "company.joined" not in derived
    assert {outcome for outcomes in derived.values() for outcome in outcomes} == {*FIGURES[1:]}
