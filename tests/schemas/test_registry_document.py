"""The registry as a whole: read from its file and from Kafka by the same rules, and compared with another version."""

import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.clusters import Cluster
from schemas.errors import UsageFault
from schemas.faults import MAX_VALUE
from schemas.registry_change import RegistryChange, described
from schemas.registry_document import MAX_BYTES, Institution, Registry, read_file, read_registry, read_sample

FOOD = "https://crm.foodbio.example"
ARRIVED = 1_700_000_000_000
REVISION = ARRIVED - 1000


def test_the_bundled_sample():
    """What `up` loads: the example of the documentation works in it, and every source is invented."""
    registry = read_sample().by_source
    assert registry.resolve(FOOD, date(2018, 5, 3), None) == "food-bio"
    assert len({c.slug for c in registry.clusters if c.holds(date(2021, 6, 30))}) == 14
    assert all(source.endswith(".example") for c in registry.clusters for source in c.sources)


INSTITUTION = '[[institution]]\ncvr = 13748136\nvalid_from = 2018-01-01\nreason = "university"\n'
CLUSTER = '[[cluster]]\nslug = "kelp"\nname = "Kelp"\nvalid_from = 2018-01-01\nsources = ["urn:kelp"]\n'


BIG = "".join(
    f'[[cluster]]\nslug="s{n}"\nname="n"\nvalid_from=2018-01-01\nsources=["u"]\n' for n in range(MAX_BYTES // 85)
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("", ["no cluster", "add a [[cluster]] table"], id="empty"),
        pytest.param("cluster = []", ["no cluster"], id="empty list"),
        pytest.param("cluster = 3", ["no cluster"], id="not a list"),
        pytest.param("cluster = [3]", ["cluster number 1", "[[cluster]] table"], id="not a table"),
        pytest.param("[cluster]\n", ["no cluster", "[[cluster]]"], id="one bracket"),
        pytest.param("slug = \n", ["not TOML", "line 1"], id="broken"),
        pytest.param(CLUSTER + "[other]\n", ["unknown entry 'other'"], id="other table"),
        pytest.param(CLUSTER + 'source = "x"\n', ["cluster 'kelp'", "unknown entry 'source'", "sources"], id="typo"),
        pytest.param(CLUSTER.replace('slug = "kelp"\n', ""), ["cluster number 1", "slug is missing"], id="no slug"),
        pytest.param(CLUSTER.replace('"kelp"', '"Kelp!"'), ["cluster 'Kelp!'", "a-z"], id="slug of other letters"),
        pytest.param(CLUSTER.replace('"kelp"', '"unknown"'), ["cluster 'unknown'", "another slug"], id="reserved slug"),
        pytest.param(CLUSTER.replace('"Kelp"', '""'), ["cluster 'kelp'", "name = ''"], id="empty name"),
        pytest.param(
            CLUSTER.replace("2018-01-01", '"2018-01-01"'), ["valid_from", "without quotes"], id="day in quotes"
        ),
        pytest.param(CLUSTER.replace("2018-01-01", "2018-01-01T00:00:00Z"), ["valid_from"], id="an instant"),
        pytest.param(CLUSTER.replace("2018-01-01", "2018-02-30"), ["not TOML"], id="no such day"),
        pytest.param(CLUSTER + "valid_to = 2017-12-31\n", ["cluster 'kelp'", "before valid_from"], id="ends first"),
        pytest.param(CLUSTER.replace('["urn:kelp"]', "[]"), ["cluster 'kelp'", "sources"], id="no source"),
        pytest.param(CLUSTER.replace('["urn:kelp"]', '"urn:kelp"'), ["cluster 'kelp'", "sources"], id="one source"),
        pytest.param(CLUSTER.replace("urn:kelp", "urn: kelp"), ["cluster 'kelp'", "sources"], id="space in source"),
        pytest.param(CLUSTER.replace('"urn:kelp"', '"u:a", "u:a"'), ["cluster 'kelp'", "twice"], id="source twice"),
        pytest.param(CLUSTER + CLUSTER, ["cluster 'kelp'", "no valid_to", "overlap"], id="slug twice"),
        pytest.param(
            CLUSTER + "valid_to = 2019-01-01\n" + CLUSTER.replace("2018-01-01", "2019-01-01"),
            ["cluster 'kelp'", "ends on 2019-01-01", "begins on 2019-01-01"],
            id="spans that share a day",
        ),
        pytest.param(
            CLUSTER + 'name_en = ""\n', ["cluster 'kelp'", "name_en", "leave it out"], id="empty English name"
        ),
        pytest.param(INSTITUTION, ["no cluster"], id="institutions alone"),
        pytest.param("institution = 3\n" + CLUSTER, ["[[institution]] table"], id="no list of institutions"),
        pytest.param("institution = [3]\n" + CLUSTER, ["institution number 1"], id="institution is no table"),
        pytest.param(
            CLUSTER + INSTITUTION.replace("13748136", "13748137"),
            ["institution 13748137", "cvr = 13748137", "8 digits"],
            id="wrong check digit",
        ),
        pytest.param(CLUSTER + INSTITUTION.replace("cvr = 13748136\n", ""), ["cvr is missing"], id="no CVR number"),
        pytest.param(
            CLUSTER + INSTITUTION.replace('reason = "university"\n', ""), ["reason is missing", "why"], id="no reason"
        ),
        pytest.param(CLUSTER + INSTITUTION.replace("university", " "), ["reason = ' '"], id="blank reason"),
        pytest.param(
            CLUSTER + INSTITUTION.replace("2018-01-01", "0999-01-01"),
            ["valid_from = '0999-01-01'", "correct the year"],
            id="too early",
        ),
        pytest.param(
            CLUSTER + INSTITUTION + "valid_to = 2017-12-31\n", ["institution 13748136", "swap"], id="ends before"
        ),
        pytest.param(
            CLUSTER + INSTITUTION * 2, ["institution 13748136", "overlap", "or leave one out"], id="institution twice"
        ),
        pytest.param(
            CLUSTER.replace("Kelp", "").replace("urn:", "urn: ")
            + INSTITUTION.replace("2018", "0018")
            + INSTITUTION * 2,
            ["4 mistakes: (1) cluster 'kelp': name = ''", "(2) cluster 'kelp': sources", "(3) inst", "(4) inst"],
            id="several",
        ),
        pytest.param(CLUSTER * 40, ["the first 20 mistakes: (1) ", "(20) cluster 'kelp' is listed twice"], id="many"),
        pytest.param(BIG, ["bytes as one record"], id="too large"),
    ],
)
def test_files_that_cannot_be_used(text: str, said: list[str]):
    """Each mistake ends in one sentence that names the file, the cluster and what to do."""
    with pytest.raises(UsageFault) as caught:
        read_file(text.encode(), "my/registry.toml", REVISION)
    message = str(caught.value)
    assert message.startswith("my/registry.toml: ")
    assert "\n" not in message
    assert [words for words in said if words not in message] == []


def test_a_file_that_is_no_utf8():
    """A file in another encoding is named with what to do."""
    with pytest.raises(UsageFault, match=r"my\.toml: not UTF-8 at byte 9; save the file as UTF-8"):
        read_file("name = 'Fødevarer'".encode("cp1252"), "my.toml", REVISION)


def test_what_a_file_says():
    """Names in both languages, numbers as a person writes them; a mark of an editor is passed over."""
    text = CLUSTER + 'name_en = "Sea"\n' + INSTITUTION.replace("13748136", '"DK 13 74 81 36"')
    assert read_file(b"\xef\xbb\xbf" + text.encode(), "my.toml", REVISION) == Registry(
        revision=REVISION,
        clusters=(
            Cluster(slug="kelp", name="Kelp", name_en="Sea", valid_from=date(2018, 1, 1), sources=("urn:kelp",)),
        ),
        institutions=(Institution(cvr=13748136, valid_from=date(2018, 1, 1), reason="university"),),
    )


def test_a_version_names_its_revision():
    """Who decides by a version can say by which."""
    assert read_file(CLUSTER.encode(), "my.toml", REVISION).by_source.revision == REVISION


def registry_of(text: str, revision: int = REVISION) -> Registry:
    return read_file(text.encode(), "my.toml", revision)


def test_a_record_is_the_version():
    """What was published is what workers read."""
    registry = registry_of(CLUSTER + "valid_to = 2019-01-01\n" + INSTITUTION)
    assert read_registry(registry.key, registry.to_json(), ARRIVED) == registry
    assert json.loads(registry.to_json()) == {
        "revision": REVISION,
        "clusters": [
            {
                "slug": "kelp",
                "name": "Kelp",
                "name_en": None,
                "valid_from": "2018-01-01",
                "valid_to": "2019-01-01",
                "sources": ["urn:kelp"],
            }
        ],
        "institutions": [{"cvr": 13748136, "valid_from": "2018-01-01", "valid_to": None, "reason": "university"}],
    }


def document(**changes: Any) -> bytes:
    """A sound record with other fields; ... leaves one out."""
    fields = json.loads(registry_of(CLUSTER + INSTITUTION).to_json()) | changes
    return json.dumps({name: value for name, value in fields.items() if value is not ...}).encode()


KEY = b"%d" % REVISION


@pytest.mark.parametrize(
    ("key", "value", "found"),
    [
        pytest.param(KEY, None, ("", "tombstone"), id="tombstone"),
        pytest.param(KEY, b"{", ("", "invalid_json"), id="no JSON"),
        pytest.param(KEY, b"[]", ("", "invalid_json"), id="no object"),
        pytest.param(KEY, b'{"name":"\xff"}', ("", "invalid_utf8"), id="no UTF-8"),
        pytest.param(None, document(), ("", "key_mismatch"), id="no key"),
        pytest.param(b"\xff", document(), ("", "key_mismatch"), id="another key"),
        pytest.param(KEY, document(clusters=...), ("clusters", "invalid_registry"), id="no clusters"),
        pytest.param(KEY, document(clusters=[]), ("clusters", "invalid_registry"), id="empty"),
        pytest.param(KEY, document(clusters=[{}]), ("clusters", "invalid_registry"), id="an empty cluster"),
        pytest.param(KEY, document(institutions=None), ("institutions", "invalid_registry"), id="institutions null"),
        pytest.param(KEY, document(institutions=[1]), ("institutions", "invalid_registry"), id="no institution"),
        pytest.param(KEY, document(owner="A"), ("owner", "extra_field"), id="another field"),
        pytest.param(KEY, document(revision=...), ("revision", "missing"), id="no revision"),
        pytest.param(KEY, document(revision=True), ("revision", "invalid_type"), id="revision true"),
        pytest.param(KEY, document(revision=2**63), ("revision", "invalid_type"), id="revision too large"),
        pytest.param(
            b"%d" % (ARRIVED + 60_001),
            document(revision=ARRIVED + 60_001),
            ("revision", "revision_in_future"),
            id="of the future",
        ),
    ],
)
def test_records_that_cannot_be_used(key: bytes | None, value: bytes | None, found: tuple[str, str]):
    """Each is rejected with one fault, that of the first rule that it breaks."""
    faults = read_registry(key, value, ARRIVED)
    assert isinstance(faults, list)
    assert [(one.field, one.code) for one in faults] == [found]
    assert len(faults[0].value) <= MAX_VALUE


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from(["slug", "name", "cvr", "sources", "valid_from", "reason"]), inner)
        ),
    )
)
def test_no_record_raises(found: Any):
    """Anything in the place of the two lists is a registry or a fault."""
    for name in ("clusters", "institutions"):
        assert isinstance(read_registry(KEY, document(**{name: found}), ARRIVED), Registry | list)


def test_the_order_of_entries_changes_nothing():
    """The same entries in another order are the same content."""
    other = CLUSTER.replace("kelp", "wool")
    assert RegistryChange(registry_of(CLUSTER + other), registry_of(other + CLUSTER)).is_empty
    assert not RegistryChange(None, registry_of(CLUSTER)).is_empty


def test_what_a_change_says():
    """Entries that go and come, a changed one as both; and whose days as an institution differ."""
    before = registry_of(CLUSTER + INSTITUTION)
    after = registry_of(CLUSTER.replace('"Kelp"', '"Tang"') + INSTITUTION + "valid_to = 2020-12-31\n", REVISION + 1)
    change = RegistryChange(before, after)
    assert [described(one) for one in change.removed] == [
        "cluster kelp, Kelp, from 2018-01-01: urn:kelp",
        "institution 13748136, from 2018-01-01: university",
    ]
    assert [described(one) for one in change.added] == [
        "cluster kelp, Tang, from 2018-01-01: urn:kelp",
        "institution 13748136, from 2018-01-01 to 2020-12-31: university",
    ]
    assert change.lost == []
    assert (change.institutions, change.days_listed(13748136)) == ([13748136], ["from 2018-01-01 to 2020-12-31"])
