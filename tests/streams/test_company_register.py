"""The register in memory: which version counts, and what enrichment says of a company."""

import json
import time
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from itertools import islice, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import CVRS

from schemas.company import MOST_MERGERS, CompanyVersion
from schemas.cvr import CvrError, parse_cvr
from schemas.registry_document import Institution
from streams import company_register as register_module
from streams.company_register import Register

COMPANY, OTHER, THIRD, FOURTH = CVRS[:4]
START = date(2018, 1, 1)


def version(day: int = 0, *, cvr: int = COMPANY, revision: int = 1, **fields: Any) -> CompanyVersion:
    """A version that begins a number of days after 2018-01-01."""
    return CompanyVersion(cvr=cvr, valid_from=START + timedelta(day), revision=revision, **fields)


def filled(*versions: CompanyVersion) -> Register:
    """A register that read the versions, in this order."""
    register = Register()
    for one in versions:
        register.apply(one)
    return register


def on(register: Register, day: int, cvr: int = COMPANY) -> Mapping[str, Any]:
    """The company a number of days after 2018-01-01."""
    told: dict[str, Any] = json.loads(register.company_as_at(cvr, (START + timedelta(day) - date(1970, 1, 1)).days))
    return told


def test_everything_that_is_said():
    """A reader of an enriched event has every attribute as at the day, with its band and region."""
    company = version(
        name="Æblegården",
        legal_form="80",
        employees=49,
        nuts="DK032",
        industry_scheme="DB07",
        industry="620100",
    )
    assert on(filled(company), 3) == {
        "cvr": "13748136",
        "known": True,
        "as_at": "2018-01-04",
        "name": "Æblegården",
        "kind": "company",
        "legal_form": "80",
        "employees": 49,
        "size_band": "20-49",
        "nuts": "DK032",
        "region": "DK03",
        "industry_scheme": "DB07",
        "industry": "620100",
    }


def test_unknown_attributes_are_said_to_be_unknown():
    """A company whose row is empty has no size, never a small one."""
    company = on(filled(version()), 0)
    assert (company["known"], company["employees"], company["size_band"], company["region"]) == (
        True,
        None,
        "unknown",
        "",
    )


def test_a_company_without_a_row():
    """A company that the register lacks is counted and given, with its number alone."""
    assert on(Register(), 0) == {"cvr": "13748136", "known": False, "as_at": "2018-01-01"}


@pytest.mark.parametrize(
    ("day", "name"),
    [
        pytest.param(-400, "first", id="before the first"),
        pytest.param(0, "first", id="first day"),
        pytest.param(9, "first", id="last day"),
        pytest.param(10, "second", id="next version"),
        pytest.param(4000, "second", id="long after"),
    ],
)
def test_the_version_of_the_day(day: int, name: str):
    """A version holds until the next one begins, and the first one before that."""
    register = filled(version(10, name="second"), version(0, name="first"))
    assert on(register, day)["name"] == name


def test_who_is_no_company():
    """A public body by its legal form, an institution on the days on which it is listed, also after a merger."""
    listed = [
        Institution(cvr=COMPANY, valid_from=START + timedelta(2), valid_to=START + timedelta(3), reason="university"),
        Institution(cvr=COMPANY, valid_from=START + timedelta(5), reason="university"),
        Institution(cvr=THIRD, valid_from=START, reason="school"),
    ]
    register = filled(
        version(legal_form="90"),
        version(cvr=OTHER, legal_form="230"),
        version(cvr=THIRD, legal_form="90"),
        version(4, cvr=FOURTH, successor_cvr=COMPANY),
    )
    for _ in range(2):  # the first time it is made, then it is kept
        assert [on(register, day)["kind"] for day in range(7)] == ["company"] * 7
        register.list_institutions(listed)
        kinds = ["company", "company", "other", "other", "company", "other", "other"]
        assert [on(register, day)["kind"] for day in range(7)] == kinds
        assert [on(register, day, FOURTH)["kind"] for day in (4, 5)] == ["company", "other"]
        assert [on(register, 0, cvr)["kind"] for cvr in (OTHER, THIRD)] == ["other", "other"]
        register.list_institutions([])


def test_mergers_are_followed():
    """A merged company is given as the one that it was merged into, from the day of the merger on."""
    register = filled(
        version(name="small"),
        version(10, successor_cvr=OTHER),
        version(cvr=OTHER, name="middle"),
        version(20, cvr=OTHER, successor_cvr=THIRD),
    )
    assert [on(register, day)["cvr"] for day in (9, 10, 19, 20)] == [
        f"{cvr:08d}" for cvr in (COMPANY, OTHER, OTHER, THIRD)
    ]
    assert [on(register, day)["known"] for day in (9, 10, 20)] == [True, True, False]
    assert on(register, 10)["name"] == "middle"


def test_a_cycle_leaves_the_company_as_itself():
    """Two companies that name each other are each given as themselves."""
    register = filled(version(successor_cvr=OTHER, name="a"), version(cvr=OTHER, successor_cvr=COMPANY, name="b"))
    assert [on(register, 0, cvr)["name"] for cvr in (COMPANY, OTHER)] == ["a", "b"]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)], ids=str)
def test_the_highest_revision_holds(order: tuple[int, ...]):
    """The newest extract wins in any order of arrival."""
    versions = [version(revision=number, name=f"extract {number}") for number in range(3)]
    register = filled(*(versions[number] for number in order))
    assert on(register, 0)["name"] == "extract 2"
    assert len(register.versions_of(COMPANY)) == 1


def test_of_equal_revisions_the_first_holds():
    """As in the ledger, which keeps what it knew first."""
    assert on(filled(version(name="first"), version(name="second")), 0)["name"] == "first"


def test_a_withdrawn_version_never_held():
    """A withdrawal takes out one version; an older extract does not bring it back, a newer one does."""
    register = filled(version(name="first"), version(10, name="second"), version(10, revision=5, withdrawn=True))
    assert on(register, 20)["name"] == "first"
    register.apply(version(10, revision=4, name="older"))
    assert on(register, 20)["name"] == "first"
    register.apply(version(10, revision=6, name="newer"))
    assert on(register, 20)["name"] == "newer"


def test_a_company_without_versions_is_gone():
    """The register counts companies with a version in force."""
    register = filled(version(), version(cvr=OTHER))
    assert len(register) == 2
    register.apply(version(revision=2, withdrawn=True))
    assert len(register) == 1
    assert not on(register, 0)["known"]
    assert list(register.versions_of(COMPANY)) == []


def test_answers_follow_a_change():
    """A cached answer does not outlive a change of the register, a successor's included."""
    register = filled(version(successor_cvr=OTHER))
    assert not on(register, 0)["known"]
    register.apply(version(cvr=OTHER, name="successor"))
    assert on(register, 0)["name"] == "successor"
    register.apply(version(cvr=OTHER, revision=2, name="renamed"))
    assert on(register, 0)["name"] == "renamed"


@pytest.mark.parametrize("few", [0, 16])
def test_answers_kept_ready_have_an_end(few: int, monkeypatch: pytest.MonkeyPatch):
    """However many companies and days are asked for, memory stays bounded and the answers right."""
    monkeypatch.setattr(register_module, "_CACHED", 2)
    monkeypatch.setattr(register_module, "_FEW", few)
    register = filled(version(name="first"), version(50, name="second"), version(cvr=OTHER, name="other"))
    names = [on(register, day, cvr)["name"] for day in range(100) for cvr in (COMPANY, OTHER)]
    assert names == ["first", "other"] * 50 + ["second", "other"] * 50
    assert not any(on(register, 0, cvr)["known"] for cvr in CVRS[2:])
    kept = sum(len(company.texts) for company in register._companies.values())
    kept += sum(len(texts) for _, texts in register._stories.values())
    assert kept == register._texts <= 2 + 3


def test_a_chain_that_is_too_long_leaves_the_company_as_itself():
    """The longest chain that is followed ends at its last company; with one merger more, nobody says where it ends."""
    cvrs = sound_numbers(MOST_MERGERS + 2)
    chain = [version(cvr=cvr, successor_cvr=following, name="x") for cvr, following in pairwise(cvrs)]
    register = filled(*chain)
    assert on(register, 0, cvrs[1])["cvr"] == f"{cvrs[-1]:08d}"
    assert on(register, 0, cvrs[0])["cvr"] == f"{cvrs[0]:08d}"


def sound_numbers(count: int) -> list[int]:
    """As many CVR numbers."""
    return list(islice((cvr for cvr in range(10_000_000, 100_000_000) if is_sound(f"{cvr:08d}")), count))


def is_sound(cvr: str) -> bool:
    """Whether it is a CVR number."""
    try:
        parse_cvr(cvr)
    except CvrError:
        return False
    return True


def spent(call: Callable[[], object]) -> float:
    """The least CPU seconds of some calls."""
    found = []
    for _ in range(3):
        began = time.process_time()
        call()
        found.append(time.process_time() - began)
    return min(found)


@pytest.mark.parametrize("order", [1, -1, 7919], ids=["forwards", "backwards", "mixed"])
def test_versions_of_one_company_cost_no_more_than_those_of_many(order: int):
    """Ten times the versions of one company take about ten times as long, in any order; so does asking in between."""

    def versions(number: int) -> list[CompanyVersion]:
        days = [START + timedelta(order * place % number) for place in range(number)]
        return [version().model_copy(update={"valid_from": day, "name": "x"}) for day in days]

    def told(listed: list[CompanyVersion]) -> None:
        register = Register()
        for place, one in enumerate(listed):
            register.apply(one)
            if place % 10 == 0:
                register.company_as_at(COMPANY, 17_000 + place)

    few, many = versions(1_999), versions(19_991)
    # What grows with the square would be a hundred times.
    assert spent(lambda: told(many)) < 25 * spent(lambda: told(few))


def test_a_chain_of_any_length_costs_no_more_than_the_longest_that_is_followed():
    """Neither is the whole chain looked at for one answer, nor its days."""
    cvrs = sound_numbers(10 * MOST_MERGERS)

    def register(mergers: int) -> Register:
        links = enumerate(pairwise(cvrs[: mergers + 1]))
        return filled(*(version(day, cvr=cvr, successor_cvr=following) for day, (cvr, following) in links))

    longest, longer = register(MOST_MERGERS), register(len(cvrs) - 1)

    def ask(one: Register) -> None:
        for days in range(17_000, 17_200):
            one.company_as_at(cvrs[0], days)

    assert spent(lambda: ask(longer)) < 3 * spent(lambda: ask(longest))


changes = st.lists(
    st.builds(
        version,
        st.integers(0, 3),
        cvr=st.sampled_from([COMPANY, OTHER]),
        revision=st.integers(0, 4),
        withdrawn=st.booleans(),
        name=st.text("ab", max_size=2),
    ),
    max_size=15,
)


@given(changes, st.integers(-1, 4), st.sampled_from([COMPANY, OTHER]))
def test_any_order_of_changes(versions: list[CompanyVersion], day: int, cvr: int):
    """After any changes the register gives what a search through all of them gives."""
    register = filled(*versions)
    newest: dict[date, CompanyVersion] = {}
    for one in versions:
        if one.cvr == cvr and (one.valid_from not in newest or one.revision > newest[one.valid_from].revision):
            newest[one.valid_from] = one
    held = sorted((one for one in newest.values() if not one.withdrawn), key=lambda one: one.valid_from)
    begun = [one for one in held if one.valid_from <= START + timedelta(day)]
    assert list(register.versions_of(cvr)) == held
    told = on(register, day, cvr)
    assert told["known"] is bool(held)
    if held:
        assert told["name"] == (begun[-1] if begun else held[0]).name
