"""Keys of publishers: the text that a CRM sends, and the document about it that travels on Kafka.

A key is `ct_<id>_<secret>`, letters and digits of base32 (a-z, 2-7): a double click takes all of it, and no shell, URL
or form changes it. The id is public and names the key; the secret has 160 random bits. It ends with a CRC-32 of all
before it, so a mistyped key is recognised without a lookup.

What is kept of a key is its SHA-256. Passwords need a slow hash because they can be guessed; 160 random bits cannot.

The text of a key is handed on as `SecretStr`, the hash is in no `repr`, and no fault quotes a value: a key or a hash
that somebody put into the wrong field would be in it.
"""

import re
from base64 import b32encode
from datetime import date
from hashlib import sha256
from typing import Annotated, Final, Literal
from zlib import crc32

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, StringConstraints, ValidationError

from schemas.binding import parse
from schemas.clusters import Slug
from schemas.company import LATEST_REVISION_MS
from schemas.faults import Fault, fault
from schemas.register_dates import sound_day

CODES: Final[dict[str, str]] = {
    "invalid_key": "the field breaks a rule of the record of a key; no value is shown",
}
"""Code -> meaning, in addition to those in `schemas.faults` and `schemas.company`."""

RANDOM_BYTES: Final = 25
"""Random bytes that a new key is made of."""
MAX_BYTES: Final = 4096
"""Of a record: one with the longest note has less than half of them."""
MAX_NOTE: Final = 200

_ID_BYTES: Final = 5
_ID: Final = r"[a-z2-7]{8}"
_CHECKSUM: Final = 7
"""Characters of the CRC-32."""
_KEY: Final = re.compile(rf"ct_({_ID})_[a-z2-7]{{39}}", re.ASCII)
_KEY_LENGTH: Final = 51

State = Literal["active", "expired", "revoked"]
Note = Annotated[str, StringConstraints(max_length=MAX_NOTE, pattern=r"^(\S(.*\S)?)?$")]
"""One line without blanks around it; may be empty."""
_Instant = Annotated[int, Field(ge=0, lt=2**63)]


def _base32(raw: bytes) -> str:
    return b32encode(raw).decode("ascii").rstrip("=").lower()


def _checksum(text: str) -> str:
    return _base32(crc32(text.encode("ascii")).to_bytes(4, "big"))


def make_key(random: bytes) -> SecretStr:
    """The text of a new key.

    Args:
        random: `RANDOM_BYTES` bytes from `secrets`.
    """
    if len(random) != RANDOM_BYTES:
        raise ValueError(f"a key is made of {RANDOM_BYTES} random bytes, not {len(random)}")
    text = f"ct_{_base32(random[:_ID_BYTES])}_{_base32(random[_ID_BYTES:])}"
    return SecretStr(text + _checksum(text))


def id_of(text: str) -> str | None:
    """The id of a key; None for a text that is no key, such as a mistyped one."""
    if len(text) != _KEY_LENGTH:
        return None
    found = _KEY.fullmatch(text)
    return found[1] if found and _checksum(text[:-_CHECKSUM]) == text[-_CHECKSUM:] else None


def hash_of(text: str) -> str:
    """What is kept of a key: the SHA-256 of its text, as 64 hexadecimal digits."""
    return sha256(text.encode()).hexdigest()


class KeyVersion(BaseModel):
    """What is known of one key. Immutable; of several versions the highest revision counts."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)

    id: Annotated[str, StringConstraints(pattern=rf"^{_ID}$")]
    cluster: Slug
    """Slug of the cluster whose sources the key publishes for."""
    hash: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$"), Field(repr=False)]
    """See `hash_of`."""
    created: _Instant
    """Ms since 1970 UTC, as the other instants."""
    expires: Annotated[date, AfterValidator(sound_day)] | None = None
    """The last day on which it works, in Denmark; None: it works until it is revoked."""
    revoked: _Instant | None = None
    note: Note = ""
    revision: _Instant

    @property
    def key(self) -> bytes:
        """Key on Kafka: compaction keeps the newest version."""
        return self.id.encode()

    def to_json(self) -> bytes:
        """Value on Kafka, as UTF-8."""
        return self.model_dump_json().encode()

    def state(self, day: date) -> State:
        """Whether it works on a day in Denmark, and why not."""
        if self.revoked is not None:
            return "revoked"
        return "expired" if self.expires is not None and self.expires < day else "active"


def read_key(key: bytes | None, value: bytes | None, arrived: int) -> KeyVersion | list[Fault]:
    """One record of the topic of keys, or all that is wrong with it. Never raises, and quotes no value.

    Args:
        key: the record's key.
        value: its value.
        arrived: when it arrived by the broker's clock (LogAppendTime), ms since 1970 UTC.
    """
    if value is None:
        return [fault("", "tombstone")]
    if len(value) > MAX_BYTES:
        return [fault("", "too_long", len(value))]
    document = parse(value)
    if isinstance(document, Fault):
        return [document]
    if not isinstance(document, dict):
        return [fault("", "invalid_json", "not an object")]
    try:
        version = KeyVersion.model_validate_json(value)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        return [fault(".".join(map(str, one["loc"])), _STRUCTURE.get(one["type"], "invalid_key")) for one in found]
    faults = []
    if key != version.key:
        faults.append(fault("", "key_mismatch"))
    if version.revision > arrived + LATEST_REVISION_MS:
        faults.append(fault("revision", "revision_in_future", version.revision))
    for name, instant in (("created", version.created), ("revoked", version.revoked)):
        if instant is not None and instant > version.revision:
            faults.append(fault(name, "invalid_key"))
    return faults or version


_STRUCTURE: Final = {"missing": "missing", "extra_forbidden": "extra_field"}
"""pydantic's error types -> our codes; any other is a value that breaks a rule."""
