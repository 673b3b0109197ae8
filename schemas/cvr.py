"""The CVR number: the Danish company identifier.

8 digits that never begin with 0; weighted 2,7,6,5,4,3,2,1 their sum is divisible by 11 (Erhvervsstyrelsen,
"modulus 11"). That finds every single wrong digit and every swap of two neighbours. python-stdnum knows the checksum;
what counts as a *foreign* number is decided here.
"""

from typing import Final

from stdnum.dk import cvr as stdnum_cvr
from stdnum.exceptions import InvalidChecksum, ValidationError

from schemas.bounded_cache import Remembered

_LONGEST: Final = 64
"""Characters of the longest text that is looked at: a cache must not fill up with what a hostile publisher sends."""


class CvrError(ValueError):
    """The text is no CVR number.

    Attributes:
        code: `invalid_cvr_length` (not 8 digits, or a leading 0), `invalid_cvr_checksum`, or `unsupported_identifier`
            (letters other than the prefix DK: a foreign company).
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{text[:_LONGEST]!r}: {code}")
        self.code = code


def parse_cvr(text: str) -> int:
    """The number in `13748136`, `DK 13 74 81 36`, `dk-13.748.136`.

    Raises:
        CvrError: with the code that a rejected record carries.
    """
    parsed = read_cvr(text)
    if isinstance(parsed, str):
        raise CvrError(parsed, text)
    return parsed


def read_cvr(text: str) -> int | str:
    """Like `parse_cvr`, but returns the fault code instead of raising; exceptions are too slow on the event path."""
    return _parsed[text] if len(text) <= _LONGEST else _code(text[:_LONGEST])


def sound_cvr(cvr: int) -> int:
    """A number as it is, if it is a CVR number.

    Raises:
        CvrError
    """
    return parse_cvr(format_cvr(cvr) if cvr >= 0 else "")


def format_cvr(cvr: int) -> str:
    """8 digits, as the number is written in a subject and in a Kafka key."""
    return f"{cvr:08d}"


def _parse(text: str) -> int | str:
    """The number, or the code of what is wrong with it: bad numbers have to be remembered too."""
    try:
        return int(stdnum_cvr.validate(text))
    except InvalidChecksum:
        return "invalid_cvr_checksum"
    except ValidationError:
        return _code(text)


def _code(text: str) -> str:
    foreign = any(character.isalpha() for character in stdnum_cvr.compact(text))
    return "unsupported_identifier" if foreign else "invalid_cvr_length"


_parsed: Final = Remembered(_parse, 65_536)
