"""The step of reference data: records of the register and of the registry become rows, or are rejected whole."""

import json
from collections.abc import Mapping
from datetime import date

import pytest
from samples import CVRS
from twins import Record

from schemas.company import CompanyVersion
from schemas.faults import MAX_FAULTS
from schemas.keys import KeyVersion
from schemas.ledger import CompanyRow, KeyRow, RegistryRow
from schemas.registry_document import read_sample
from streams.decide import Batch, PartitionInfo
from streams.reference_step import process_companies, process_keys, process_registry

PLACE = PartitionInfo("companies.v1", 2, 1, 3)
VERSION = CompanyVersion(cvr=CVRS[0], valid_from=date(2018, 1, 1), revision=5, name="Æblegården", employees=49)


def decide(*records: Record, condemned: Mapping[int, str] | None = None) -> Batch:
    return process_companies(PLACE, records, condemned=condemned or {})


def test_a_version_becomes_a_row():
    """The row is known from when its record arrived; a compacted topic has no receipts and nothing is marked."""
    withdrawn = VERSION.model_copy(update={"withdrawn": True, "revision": 6})
    batch = decide(
        Record(0, VERSION.to_json(), key=VERSION.key, timestamp=100),
        Record(5, withdrawn.to_json(), key=withdrawn.key, timestamp=200),
    )
    assert batch.rows.companies == [CompanyRow(VERSION, 100), CompanyRow(withdrawn, 200)]
    assert batch.rows.receipts == []
    assert batch.rows.rejected == []
    assert batch.outputs == []
    assert batch.marks == {}


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        pytest.param(VERSION.key, None, "tombstone", id="tombstone"),
        pytest.param(VERSION.key, b"{", "invalid_json", id="broken"),
        pytest.param(VERSION.key, b"\xff", "invalid_utf8", id="no UTF-8"),
        pytest.param(b"13748136", VERSION.to_json(), "key_mismatch", id="wrong key"),
        pytest.param(None, VERSION.to_json(), "key_mismatch", id="no key"),
        pytest.param(VERSION.key, VERSION.to_json().replace(b'"name"', b'"owner"'), "extra_field", id="unknown field"),
        pytest.param(
            VERSION.key,
            VERSION.model_copy(update={"revision": 2**63 - 1}).to_json(),
            "revision_in_future",
            id="pins the company",
        ),
    ],
)
def test_what_cannot_be_read_is_rejected(key: bytes | None, value: bytes | None, code: str):
    """It goes to ledger and topic as it came, and the records around it go on."""
    sound = VERSION.to_json()
    batch = decide(Record(0, sound, key=VERSION.key), Record(1, value, key=key), Record(2, sound, key=VERSION.key))
    assert len(batch.rows.companies) == 2
    (rejection,) = batch.rows.rejected
    assert (rejection.topic, rejection.topic_epoch, rejection.partition, rejection.offset) == ("companies.v1", 2, 1, 1)
    assert (rejection.key, rejection.payload, rejection.source) == (key, value, "")
    assert rejection.faults[0].code == code
    (output,) = batch.outputs
    assert (output.to, output.partition, output.key, output.value) == ("rejected", 1, key, value)
    assert dict(output.headers)["ct-reason"] == code.encode()
    assert dict(output.headers)["ct-origin"] == b"companies.v1@2/1/1"


def test_the_list_of_faults_ends():
    """A record of nothing but faults must not grow many times its size."""
    batch = decide(Record(0, json.dumps({f"f{n}": 0 for n in range(500)}).encode(), key=VERSION.key))
    assert len(batch.rows.rejected[0].faults) == MAX_FAULTS
    assert len(json.loads(dict(batch.outputs[0].headers)["ct-faults"] or b"")) == MAX_FAULTS


def test_a_condemned_version_is_rejected_unread():
    """A version that cannot be stored is rejected with that reason; the others are stored."""
    records = [Record(n, VERSION.to_json(), key=VERSION.key) for n in range(3)]
    batch = decide(*records, condemned={1: "not_storable"})
    assert len(batch.rows.companies) == 2
    assert [rejection.faults for rejection in batch.rows.rejected] == [(("", "not_storable", ""),)]


def test_the_cut_changes_nothing():
    """Each record is decided on alone, so batches of any size give the same rows."""
    records = [Record(n, VERSION.to_json() if n % 3 else b"{", key=VERSION.key) for n in range(9)]
    whole, pieces = decide(*records), Batch()
    for record in records:
        piece = decide(record)
        pieces.rows.extend(piece.rows)
        pieces.outputs += piece.outputs
        pieces.weight += piece.weight
    assert pieces == whole


def test_a_version_of_the_registry_becomes_a_row():
    """It is known from when its record arrived; one that breaks a rule is rejected, and those around it go on."""
    first, second = read_sample(5), read_sample(6)
    records = [
        Record(0, first.to_json(), key=first.key, timestamp=100),
        Record(1, first.to_json(), key=second.key),
        Record(2, b'{"revision":6,"clusters":[]}', key=second.key),
        Record(3, second.to_json(), key=second.key, timestamp=200),
    ]
    batch = process_registry(PartitionInfo("registry.v1", 0, 1, 3), records, {})
    assert batch.rows.registries == [RegistryRow(first, 100), RegistryRow(second, 200)]
    assert [(row.topic, row.offset, row.faults[0].code) for row in batch.rows.rejected] == [
        ("registry.v1", 1, "key_mismatch"),
        ("registry.v1", 2, "invalid_registry"),
    ]
    assert [output.to for output in batch.outputs] == ["rejected", "rejected"]
    assert batch.rows.receipts == []


def test_a_version_of_a_key_becomes_a_row():
    """It is known from when its record arrived; one that breaks a rule is rejected, its faults without a value."""
    made = KeyVersion(id="abcdefgh", cluster="food-bio", hash="0" * 64, created=5, revision=5)
    revoked = made.model_copy(update={"revoked": 6, "revision": 6})
    broken = made.to_json().replace(b"food-bio", b"Food!")
    records = [
        Record(0, made.to_json(), key=made.key, timestamp=100),
        Record(1, broken, key=made.key),
        Record(2, None, key=made.key),
        Record(3, revoked.to_json(), key=made.key, timestamp=200),
    ]
    batch = process_keys(PartitionInfo("keys.v1", 0, 1, 3), records, {})
    assert batch.rows.keys == [KeyRow(made, 100), KeyRow(revoked, 200)]
    assert [(row.topic, row.offset, row.faults) for row in batch.rows.rejected] == [
        ("keys.v1", 1, (("cluster", "invalid_key", ""),)),
        ("keys.v1", 2, (("", "tombstone", ""),)),
    ]
    assert batch.rows.receipts == []
