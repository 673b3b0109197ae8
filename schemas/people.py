r"""What in a text identifies a person: CPR numbers and e-mail addresses. Pure, and the one place for the rule.

A CPR number is six digits that are a day of the calendar, a hyphen and four digits; or its digits, also with the whole
year, with its word (`cpr`, `personnummer`) before them or right after them. Ten digits alone can be a P-number, eight a
CVR number or a telephone: these are accepted. The modulus 11 check proves nothing, because numbers given out since 2007
need not pass it. An e-mail address has a domain with a top-level domain, or an IP address in brackets. Names cannot be
recognised.

A text is first searched as it is for signs that it may hold something (`worth_a_look`), and is spelt out in plain
digits, hyphens and letters only where there is one. All expressions are bounded: work grows with the text, no faster.
"""

import re
import unicodedata
from calendar import monthrange
from collections.abc import Iterator
from typing import Final

from pydantic_core import SchemaValidator, core_schema

from schemas.bounded_cache import Remembered
from schemas.visible import NOTHING_TO_SEE

MASK: Final = "***"

_PUNCTUATION: Final = r"\u2013\u2014\u2018\u2019\u201c\u201d\u2026\u20ac"
"""Of what is neither ASCII nor a letter of Western Europe, what is common in titles and hides nothing."""
_NO_ALNUM: Final = rf"(?:^|[ -/:-@\[-`{{-~\xd7\xf7{_PUNCTUATION}])"
_WORDS: Final = r"cpr|person[ ._-]{0,2}(?:nr|no|num|id)"
_SPACED: Final = r"c[._-] ?p[._-] ?r|c p r"
_NAMED: Final = rf"{_WORDS}|(?:{_SPACED})(?![^\W\d_])"
"""The word for a CPR number, in any case; with dots also where it is no name, as C.P. Rohde is."""
_AT: Final = r"%(?:25){0,3}40|&(?:amp;){0,3}(?:#0{0,5}64|#x0{0,5}40|commat);?"
"""How URLs and HTML write the sign of an address, in any case."""
_SIGNS: Final = "|".join(
    (
        rf"@[!-?A-~\xc0-\xff\u2013\u2014]*[.][A-Za-z\xc0-\xff]|@\[|(?i-u:{_AT})",
        rf"(?i-u:{_WORDS}|{_SPACED})",
        rf"{_NO_ALNUM}[0-9]{{6}} {{0,2}}[\u2013\u2014-][ \u2013\u2014-]{{0,3}}[0-9]{{4}}",
        rf"[^ -~\xc0-\xff{_PUNCTUATION}]",
        r"\\[bfnrtu]",
    )
)
"""An address; the word before a number; a number; odd characters, which are other digits, hyphens, blanks or unseen;
those that JSON wrote as an escape."""
worth_a_look: Final = SchemaValidator(core_schema.str_schema(pattern=_SIGNS)).isinstance_python
"""Whether a text of whole characters may hold a CPR number or an address: cheap, and never wrong in saying no.

Every event passes here. Rust's regular expressions, which pydantic has, look for all signs at once; those of Python
take ten times as long."""
_UNSEEN: Final = re.compile(r"[\0-\x08\x0e-\x1f\x7f]|\\u")
_CPR: Final = re.compile(r"(?<![^\W_])([0-9]{6})\s{0,2}-[\s-]{0,3}([0-9]{4})(?![^\W_])")
"""A letter or digit directly next to it makes it another kind of id."""
_NUMBER: Final = re.compile(
    r"(?<![0-9])([0-9]{1,2}[ .-]?[0-9]{2}[ .-]?(?:18|19|20)?[0-9]{2})[ ./-]{0,3}([0-9]{4})(?![0-9])"
)
"""Any number of as many digits: it needs the word."""
_WORD: Final = re.compile(rf"(?s:.*)(?:{_NAMED})([^0-9]{{0,24}})\Z", re.IGNORECASE)
_WORD_AFTER: Final = re.compile(rf"[ (\[/:=_-]{{0,4}}(?:{_NAMED})(?![^0-9]{{0,24}}[0-9]{{6}})", re.IGNORECASE)
"""The word right after a number, unless another number follows: then it is that one's."""
_NEAR: Final = 48
"""Characters before a number in which its word can be."""
_OTHER: Final = re.compile(r"p[ ._-]?n|prod|cvr|tlf|tel", re.IGNORECASE)
"""Between the word and a number, or near before one with the word after it: it is another number."""
_SUBJECT: Final = re.compile(r"subject[\"'\s:=]{0,8}(?P<number>(?:[0-9][ -]?){8,9}[0-9](?![0-9]))", re.IGNORECASE)
"""A subject of 9 or 10 digits is not a CVR number, and is masked."""
_ADDRESS: Final = re.compile(
    rf"(?:@|{_AT})(?:(?:[\w-]{{1,63}}[.\u3002]){{1,8}}(?:xn--[a-z0-9-]{{2,59}}|[^\W\d_]{{2,63}})(?![^\W_])"
    r"|\[(?:ipv6:)?[0-9a-f:.]{2,45}\])",
    re.IGNORECASE,
)
_NOT_LOCAL: Final = re.compile(r"""[^\w.+%'!#$&*^`{|}~-]""")
"""What cannot be in the part before the @."""
_LONGEST: Final = 128
"""Characters of that part that are looked at: mail knows 64."""
_ESCAPE: Final = re.compile(r"\\u[0-9a-fA-F]{4}|.", re.DOTALL)
_HYPHENS: Final = "\u00ad\u02d7\u2043\u2212"
"""Hyphens by their looks only; the others are of Unicode's category Pd."""


def holds_personal_data(text: str) -> bool:
    """Whether there is a CPR number or an e-mail address in a text."""
    return not _is_plain(text) and any(True for _ in _found(_spelt(text)[0]))


def _is_plain(text: str) -> bool:
    """Whether a text holds nothing, seen at once. Of a text that is not ASCII, half characters may hide the signs."""
    return text.isascii() and not worth_a_look(text)


def masked(text: str, limit: int | None = None) -> str:
    r"""A text with `***` for each CPR number and e-mail address in it, also where JSON wrote them as `\u0040`.

    Args:
        text: any text, the JSON of a whole event too.
        limit: characters of `text` after which it is cut off.
    """
    if _is_plain(text) and "subject" not in text.lower():
        return text[:limit]
    spelt, origins = _spelt(text)
    spans = [*_found(spelt), *(found.span("number") for found in _SUBJECT.finditer(spelt))]
    end = len(text) if limit is None else min(limit, len(text))
    parts: list[str] = []
    done = 0
    for begins, ends in sorted(spans):
        first, last = origins[begins], origins[ends]
        if done <= first < end:
            parts += (text[done:first], MASK)
        done = max(done, last)
    return "".join((*parts, text[done:end]))[:limit]  # a mask at the cut may be longer than what it hides


def masked_bytes(value: bytes) -> bytes:
    """The same of bytes, which need not be UTF-8."""
    return masked(value.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


def _found(text: str) -> Iterator[tuple[int, int]]:
    """Where the CPR numbers and addresses of a spelt text are."""
    for found in _CPR.finditer(text):
        if _is_day(*found.groups()):
            yield found.span()
    for found in _NUMBER.finditer(text):
        if _is_named(text, *found.span()) and _is_day(*found.groups()):
            yield found.span()
    done = 0
    for found in _ADDRESS.finditer(text):
        begins = _local_part(text, done, found.start())
        done = found.end()
        if begins < found.start():
            yield begins, done


def _is_named(text: str, begins: int, ends: int) -> bool:
    """Whether the word for a CPR number is near before a number, or right after it."""
    near = max(0, begins - _NEAR)
    word = _WORD.match(text, near, begins)
    if word is not None:
        return _OTHER.search(word[1]) is None
    return _WORD_AFTER.match(text, ends) is not None and _OTHER.search(text, near, begins) is None


def _local_part(text: str, done: int, end: int) -> int:
    """Where the part of an address before its @ begins, which is at `end`; `end` if there is none."""
    least = begins = max(done, end - _LONGEST)
    for other in _NOT_LOCAL.finditer(text, least, end):
        begins = other.end()
    if begins == end and end > least and text[end - 1] == '"':
        begins = max(least, text.rfind('"', least, end - 1))
    return begins


def _is_day(text: str, serial: str) -> bool:
    """Whether the digits before the serial number are a day, of the century that it says or they say themselves.

    Replacement numbers, for people without a CPR number, have 60 added to the day.
    """
    digits = "".join(filter(str.isdigit, text))
    digits = digits.zfill(len(digits) + len(digits) % 2)
    day, month, year = int(digits[:2]), int(digits[2:4]), int(digits[4:])
    day -= 60 if day > 60 else 0  # noqa: PLR2004  (60 is added)
    if len(digits[4:]) == 2:  # noqa: PLR2004  (a year without its century)
        year += _century(serial, year)
    return 1 <= month <= 12 and 1 <= day <= monthrange(year, month)[1]  # noqa: PLR2004  (months of a year)


def _century(serial: str, year: int) -> int:
    """By the seventh digit, as the CPR office says (cpr.dk, "Personnummeret i CPR")."""
    seventh = serial[0]
    if seventh < "4":
        return 1900
    if seventh in "49":
        return 2000 if year <= 36 else 1900  # noqa: PLR2004  (as the CPR office says)
    return 2000 if year <= 57 else 1800  # noqa: PLR2004  (as the CPR office says)


def _spelt(text: str) -> tuple[str, list[int] | range]:
    """A text in plain digits, hyphens and letters, and of each of its characters, and its end, where it comes from."""
    if text.isascii() and _UNSEEN.search(text) is None:
        return text, range(len(text) + 1)
    parts: list[str] = []
    origins: list[int] = []
    for found in _ESCAPE.finditer(text):
        written = found[0]
        plain = _plain[written if len(written) == 1 else _escaped(written)]
        parts.append(plain)
        origins += [found.start()] * len(plain)
    origins.append(len(text))
    return "".join(parts), origins


def _escaped(written: str) -> str:
    return chr(int(written.removeprefix("\\u"), base=16))


def _plain_of(character: str) -> str:
    if character in _HYPHENS:
        return "-"
    return "".join(map(_spelling, unicodedata.normalize("NFKC", character)))


def _spelling(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Nd":
        return str(unicodedata.decimal(character))
    if category == "Pd":
        return "-"
    if category == "Zs" or character.isspace():
        return " "
    # Nothing is seen of these: they part no number from its other half.
    return "" if category in ("Cc", "Cf", "Mn", "Me") or character in NOTHING_TO_SEE else character


_plain: Final = Remembered(_plain_of, 4096)
