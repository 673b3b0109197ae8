"""Which cluster a key publishes for: all keys in memory, by their ids. Pure; the caller feeds it from the topic.

Looking a key up takes the same time whether its id is known or not, and what a client is told does not distinguish an
unknown key from a wrong one.
"""

import hmac
from collections.abc import Collection
from datetime import datetime
from enum import Enum
from typing import Final, NamedTuple

from schemas.event_time import copenhagen_day, to_ms
from schemas.keys import KeyVersion, hash_of, id_of

_NO_HASH: Final = hash_of("")
"""What a key with an unknown id is compared with; no key has it."""
_NOT_KNOWN: Final = "this key is not known: ask the operator of the pipeline for another one"


class KeyHolder(NamedTuple):
    """Whom a key belongs to."""

    key_id: str
    cluster: str
    """Slug of the cluster whose sources it publishes for."""


class KeyProblem(Enum):
    """Why a key is not taken. The value is for logs and metrics; `answer` is what a client is told."""

    MISSING = "missing"
    MALFORMED = "malformed"
    UNKNOWN = "unknown"
    WRONG = "wrong"
    EXPIRED = "expired"
    REVOKED = "revoked"

    @property
    def answer(self) -> str:
        """One sentence for who sent the key; the same for an unknown and a wrong one."""
        return _ANSWERS[self]


_ANSWERS: Final = {
    KeyProblem.MISSING: "no key was sent: send it as `Authorization: Bearer KEY`",
    KeyProblem.MALFORMED: "this is no key, or not all of it, or a mistyped one: copy it again, from its ct_ to its end",
    KeyProblem.UNKNOWN: _NOT_KNOWN,
    KeyProblem.WRONG: _NOT_KNOWN,
    KeyProblem.EXPIRED: "this key has expired: ask the operator of the pipeline for another one",
    KeyProblem.REVOKED: "this key was revoked: ask the operator of the pipeline for another one",
}


class Keyring:
    """The newest version of every key. Its `repr` names none."""

    def __init__(self) -> None:
        self._versions: dict[str, KeyVersion] = {}

    def take(self, version: KeyVersion) -> None:
        """Take a version in; of one key the highest revision counts, of equal ones the first."""
        known = self._versions.get(version.id)
        if known is None or version.revision > known.revision:
            self._versions[version.id] = version

    @property
    def versions(self) -> Collection[KeyVersion]:
        """The newest version of each key, in the order in which their ids became known."""
        return self._versions.values()

    def __len__(self) -> int:
        return len(self._versions)

    def find(self, token: str, now: datetime) -> KeyHolder | KeyProblem:
        """Whom a key belongs to, or why it is not taken.

        Args:
            token: what a client sent as its key; empty if it sent none.
            now: an aware time.
        """
        if not token:
            return KeyProblem.MISSING
        key_id = id_of(token)
        if key_id is None:
            return KeyProblem.MALFORMED
        version = self._versions.get(key_id)
        is_right = hmac.compare_digest(hash_of(token), _NO_HASH if version is None else version.hash)
        if version is None:
            return KeyProblem.UNKNOWN
        if not is_right:
            return KeyProblem.WRONG
        match version.state(copenhagen_day(to_ms(now))):
            case "revoked":
                return KeyProblem.REVOKED
            case "expired":
                return KeyProblem.EXPIRED
        return KeyHolder(key_id, version.cluster)
