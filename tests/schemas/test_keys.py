"""Keys of publishers: their text, what is kept of them, and the record about them."""

import json
import re
import secrets
import string
from datetime import date
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas import company, faults, keys
from schemas.keys import MAX_BYTES, MAX_NOTE, RANDOM_BYTES, KeyVersion, hash_of, id_of, make_key, read_key

RANDOM = st.binary(min_size=RANDOM_BYTES, max_size=RANDOM_BYTES)
ARRIVED = 1_800_000_000_000
TEXT = make_key(bytes(range(RANDOM_BYTES))).get_secret_value()
VERSION = KeyVersion(
    id=id_of(TEXT) or "",
    cluster="food-bio",
    hash=hash_of(TEXT),
    created=ARRIVED - 5,
    expires=date(2027, 12, 31),
    note="CRM, tæst",
    revision=ARRIVED - 5,
)


@given(RANDOM)
def test_the_text_of_a_key(random: bytes):
    """A prefix, a public id, 160 bits and a checksum: one word to a double click, and to shells and URLs as it is."""
    text = make_key(random).get_secret_value()
    assert re.fullmatch(r"ct_[a-z2-7]{8}_[a-z2-7]{39}", text, re.ASCII)
    assert set(text) <= {*string.ascii_lowercase, *string.digits, "_"}
    assert id_of(text) == text.split("_")[1]
    assert hash_of(text) == sha256(text.encode()).hexdigest()


def test_a_known_key():
    """The form is a contract: what was once issued stays a key."""
    assert TEXT == "ct_aaaqeaye_audaocajbifqydiob4ibceqtcqkrmfyywvcvrfy"
    assert id_of(TEXT) == "aaaqeaye"


def test_all_random_bytes_are_used():
    """Each byte changes the key, 20 of them its secret part; fewer bytes make no key."""
    texts = {make_key(bytes(n == at for n in range(RANDOM_BYTES))).get_secret_value() for at in range(RANDOM_BYTES)}
    assert len(texts) == RANDOM_BYTES
    assert len({text[:11] for text in texts}) == RANDOM_BYTES - 20 + 1
    with pytest.raises(ValueError, match="25 random bytes, not 24"):
        make_key(bytes(24))


@given(RANDOM, st.integers(0, 50), st.sampled_from(string.ascii_lowercase + "234567"))
def test_a_mistyped_key_is_none(random: bytes, at: int, letter: str):
    """Another letter anywhere, two letters swapped, and a part that was not copied are seen without a lookup."""
    text = make_key(random).get_secret_value()
    swapped = text[:at] + text[at : at + 2][::-1] + text[at + 2 :]
    for mistyped in (text[:at] + letter + text[at + 1 :], swapped, text[:at], text[at + 1 :]):
        assert (id_of(mistyped) is None) == (mistyped != text)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("ct_", id="prefix"),
        pytest.param(TEXT + "\n", id="line end"),
        pytest.param(f" {TEXT}", id="blank"),
        pytest.param(TEXT.upper(), id="capitals"),
        pytest.param("ĸ" + TEXT[1:], id="no ASCII"),
        pytest.param("\ud800" * 51, id="surrogates"),
        pytest.param("x" * 100_000, id="long"),
    ],
)
def test_what_is_no_key(text: str):
    """Any text may come, and none but a whole key is one."""
    assert id_of(text) is None


def test_the_secret_is_not_shown():
    """Neither key nor hash is in what Python prints of them, nor in the error about a record that cannot be read."""
    assert TEXT not in f"{make_key(bytes(range(RANDOM_BYTES)))!r} {make_key(bytes(range(RANDOM_BYTES)))}"
    assert VERSION.hash not in f"{VERSION!r} {VERSION}"
    with pytest.raises(ValidationError) as refused:
        KeyVersion.model_validate({**VERSION.model_dump(), "id": TEXT, "hash": VERSION.hash + "0"})
    assert TEXT not in str(refused.value)
    assert VERSION.hash not in str(refused.value)


def test_a_version_travels():
    """What is written is what is read, under the id as its key."""
    assert VERSION.key == b"aaaqeaye"
    assert json.loads(VERSION.to_json()) == {
        "id": "aaaqeaye",
        "cluster": "food-bio",
        "hash": VERSION.hash,
        "created": ARRIVED - 5,
        "expires": "2027-12-31",
        "revoked": None,
        "note": "CRM, tæst",
        "revision": ARRIVED - 5,
    }
    revoked = VERSION.model_copy(update={"revoked": ARRIVED, "revision": ARRIVED, "expires": None})
    for version in (VERSION, revoked):
        assert read_key(version.key, version.to_json(), ARRIVED) == version


def test_the_longest_record_fits():
    """A note of the longest characters, escaped, is far below the limit."""
    longest = VERSION.model_copy(update={"note": "\U0001f600" * MAX_NOTE, "cluster": "c" * 60})
    assert len(json.dumps(json.loads(longest.to_json()))) < MAX_BYTES
    assert read_key(longest.key, json.dumps(json.loads(longest.to_json())).encode(), ARRIVED) == longest


def changed(**fields: Any) -> bytes:
    """The record with other fields; `...` leaves one out."""
    document = {**json.loads(VERSION.to_json()), **fields}
    return json.dumps({name: value for name, value in document.items() if value is not ...}).encode()


@pytest.mark.parametrize(
    ("value", "found"),
    [
        pytest.param(None, [("", "tombstone")], id="tombstone"),
        pytest.param(b"", [("", "invalid_json")], id="empty"),
        pytest.param(b"{", [("", "invalid_json")], id="broken"),
        pytest.param(b"[]", [("", "invalid_json")], id="no object"),
        pytest.param(b'"\xff"', [("", "invalid_utf8")], id="no UTF-8"),
        pytest.param(b"[" * 3000, [("", "invalid_json")], id="deep"),
        pytest.param(changed(note="x" * MAX_BYTES), [("", "too_long")], id="large"),
        pytest.param(changed(hash=...), [("hash", "missing")], id="no hash"),
        pytest.param(changed(hash="0" * 63), [("hash", "invalid_key")], id="short hash"),
        pytest.param(changed(hash=TEXT), [("hash", "invalid_key")], id="the key as hash"),
        pytest.param(changed(id=TEXT), [("id", "invalid_key")], id="the key as id"),
        pytest.param(changed(cluster="Food"), [("cluster", "invalid_key")], id="no slug"),
        pytest.param(changed(cluster=None), [("cluster", "invalid_key")], id="null"),
        pytest.param(changed(note="a\nb"), [("note", "invalid_key")], id="two lines"),
        pytest.param(changed(note="x" * (MAX_NOTE + 1)), [("note", "invalid_key")], id="long note"),
        pytest.param(changed(created="1"), [("created", "invalid_key")], id="instant as text"),
        pytest.param(changed(created=ARRIVED), [("created", "invalid_key")], id="created after its revision"),
        pytest.param(changed(revoked=ARRIVED), [("revoked", "invalid_key")], id="revoked after its revision"),
        pytest.param(changed(expires="2027-02-30"), [("expires", "invalid_key")], id="no such day"),
        pytest.param(changed(expires="9999-12-31"), [("expires", "invalid_key")], id="no day of the ledger"),
        pytest.param(changed(revision=ARRIVED + 60_001), [("revision", "revision_in_future")], id="pins the key"),
        pytest.param(changed(revision=2**63), [("revision", "invalid_key")], id="beyond the ledger"),
        pytest.param(changed(id="bbbbbbbb"), [("", "key_mismatch")], id="another key"),
        pytest.param(changed(owner="A", note=5), [("note", "invalid_key"), ("owner", "extra_field")], id="two faults"),
    ],
)
def test_what_cannot_be_read(value: bytes | None, found: list[tuple[str, str]]):
    """Every fault is named, and none quotes a key or a hash."""
    said = read_key(VERSION.key, value, ARRIVED)
    assert isinstance(said, list)
    assert [(one.field, one.code) for one in said] == found
    assert {one.code for one in said} <= {*keys.CODES, *faults.CODES, *company.CODES}
    assert TEXT not in str(said)
    assert VERSION.hash[:20] not in str(said)


@given(
    st.binary(max_size=200) | st.dictionaries(st.text(max_size=9), st.integers()).map(lambda d: json.dumps(d).encode())
)
def test_anything_may_come(value: bytes):
    """What others write to the topic is read or has faults; nothing is raised."""
    assert isinstance(read_key(None, value, ARRIVED), list)


@pytest.mark.parametrize(
    ("version", "day", "state"),
    [
        pytest.param(VERSION, date(2027, 12, 31), "active", id="last day"),
        pytest.param(VERSION, date(2028, 1, 1), "expired", id="day after"),
        pytest.param(VERSION.model_copy(update={"expires": None}), date(2100, 1, 1), "active", id="never expires"),
        pytest.param(
            VERSION.model_copy(update={"revoked": 1}), date(2028, 1, 1), "revoked", id="revoked, then expired"
        ),
    ],
)
def test_state(version: KeyVersion, day: date, state: str):
    """A key works on its last day, and never again once it is revoked."""
    assert version.state(day) == state


def test_keys_differ():
    """Keys of the system's randomness share neither id nor secret."""
    made = [make_key(secrets.token_bytes(RANDOM_BYTES)).get_secret_value() for _ in range(1000)]
    assert len({text[:11] for text in made}) == len({text[12:] for text in made}) == 1000
