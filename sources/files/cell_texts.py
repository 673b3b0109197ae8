"""What a cell of an export says before it becomes a field: its canonical text, or why it says nothing. Pure.

Spreadsheets write errors, shortened numbers and formulas without a value where a value was, and programs write one id
in several ways (composed or decomposed letters, odd blanks, characters that nobody sees). An id has one form here.
"""

import re
import string
import unicodedata
from typing import Final, Self

from pydantic_core import SchemaValidator, core_schema

from schemas.visible import NOTHING_TO_SEE
from sources.files.no_values import BARE_ERRORS, ERRORS, LOADING, NO_IDS, NO_IDS_IN_BRACKETS, PRINTED_OBJECTS

_LINE_CONTROLS: Final = "\t\n\v\f\r\x85"
"""Control characters that are blanks."""
_NO_CHARACTER: Final = 0xFFFE
"""The last two code points of each plane are no characters."""
_BLANKS: Final = re.compile(r"\s+")
_FIRST: Final = (" ", "=")
_HYPHENS: Final = str.maketrans("\u2010\u2011", "--")
"""The hyphen of Unicode and the one that does not break: they look like the one on the keyboard."""
_AS_TEXT: Final = re.compile(r'="([^"]*)"')
"""How exports keep Excel from reading a text as a number."""
_NUMBERED: Final = re.compile(r"(?:err|fejl|feil|fel|fehler|erreur|error) ?: ?[0-9]{3}", re.IGNORECASE)
"""LibreOffice's other errors."""
_TOO_NARROW: Final = re.compile(r"##+")
_SHORTENED: Final = re.compile(r"[-+]?[0-9](?:[.,][0-9]+)?E[-+][0-9]{2,3}", re.IGNORECASE)
"""As Excel shortens: one digit before the comma, a sign and two digits after the E. `2018E1` is a semester."""
may_be_unreadable: Final = SchemaValidator(
    core_schema.str_schema(pattern=r"#|[0-9][eE][-+][0-9]|[.]{3}|…|[eErRlL] ?: ?[0-9]{3}")
).isinstance_python
"""Whether there can be a cell that holds no value among texts that are joined; they must be whole characters. Every row
passes here: Rust's regular expressions, which pydantic has, take a tenth of the time of Python's."""
_CVR: Final = re.compile(
    r"(?:DK[ .:-]{0,2})?(?:CVR[ ._-]{0,2}(?:(?:nr|no|nummer|number)[ .]{0,2})?[ :-]{0,2})?(?:DK[ .:-]{0,2})?"
    r"([0-9]{2}(?:[0-9]{6}|([ .-])[0-9]{2}\2[0-9]{2}\2[0-9]{2}|([ .,-])[0-9]{3}\3[0-9]{3})"
    r"|[0-9]{4}[ .-][0-9]{4}|[0-9]{3}([ .-])[0-9]{3}\4[0-9]{2})(?:[.,]0{1,6})?",
    re.IGNORECASE,
)
_BETWEEN: Final = str.maketrans("", "", " .,-")

FREE_TEXT: Final = ("reason", "title")
"""Fields that people wrote, kept as they wrote them; all others are ids and words."""

MOST_DIGITS: Final = 15
"""Digits that Excel keeps of a number."""


class Unreadable(str):
    """The text of a cell whose value is not known."""

    __slots__ = ("mild", "why")

    def __new__(cls, text: str, why: str, *, mild: bool = False) -> Self:
        """A text as the cell shows it.

        Args:
            text: what is there.
            why: why it is no value: a part of a sentence, after the name of the column.
            mild: a title may be so all the same.
        """
        made = super().__new__(cls, text)
        made.why = why
        made.mild = mild
        return made

    why: str
    mild: bool


def canonical(text: str) -> str:
    """The one form of an id or a word: composed letters, single blanks, nothing that nobody sees."""
    if text.isascii() and text.isprintable() and "  " not in text and text[:1] not in _FIRST and text[-1:] != " ":
        return text  # nearly every cell
    text = unicodedata.normalize("NFC", _BLANKS.sub(" ", _seen(text)).strip()).translate(_HYPHENS)
    wrapped = _AS_TEXT.fullmatch(text)
    return wrapped[1].strip() if wrapped else text


def _seen(text: str) -> str:
    if text.isprintable() and NOTHING_TO_SEE.isdisjoint(text):
        return text
    return "".join(
        character
        for character in text
        if character in _LINE_CONTROLS
        or (
            character not in NOTHING_TO_SEE
            and unicodedata.category(character) not in ("Cc", "Cf")
            and ord(character) & _NO_CHARACTER != _NO_CHARACTER
        )
    )


def why_unreadable(text: str, *, free: bool = False) -> str:
    """Why the text of a cell is not the value that it had; empty when it may be.

    Args:
        text: as it is written.
        free: it is a title or a reason, which may be anything but an error as Excel writes it.
    """
    text = canonical(text)
    folded = text.casefold()
    error = folded in ERRORS and text == text.upper() if free else folded.rstrip("!?") in BARE_ERRORS
    if error or _NUMBERED.fullmatch(text):
        return f"holds the error {text}: fix the formula in the spreadsheet"
    if folded in LOADING:
        return f"holds {text}, which a spreadsheet shows before it has the value: export it again"
    if _TOO_NARROW.fullmatch(text):
        return f"holds {text}, as a column shows that is too narrow: widen it, and export it again"
    if not free and _SHORTENED.fullmatch(text):
        return f"holds {text}, a number that Excel has shortened: format the column as text, and export it again"
    return ""


def why_no_id(text: str) -> str:
    """Why a canonical text is no id, or part of one; empty when it may be, as always unless it begins like NO_ID."""
    if text.startswith("="):
        return f"holds the formula {text[:_SHOWN]}: export the values of the cells"
    folded = text.casefold()
    if not any(map(str.isalnum, text)) or (
        len(text) <= _LONGEST
        and (
            folded in NO_IDS
            or (folded[0] in _OPEN and folded[1:-1].strip() in NO_IDS_IN_BRACKETS)
            or PRINTED_OBJECTS.fullmatch(folded)
        )
    ):
        return f"holds {text[:_SHOWN]}, which programs write where there is no value: fill in the id"
    return ""


_OPEN: Final = "([{<'\"\xab"
NO_ID: Final = frozenset(string.punctuation + "\xab\u2013\u2014\u2026\xb7").union(
    *((word[0], word[0].upper()) for word in (*NO_IDS, "system", "microsoft", "java", "org", "com", "error", "fejl"))
)
"""First characters of what is no id."""
_LONGEST: Final = 100
"""Characters of the longest text of a program that is looked for."""
_SHOWN: Final = 40


def cvr_text(text: str) -> str:
    """The 8 digits of a CVR number in one of the forms that are read; else the text.

    They are together, in pairs or threes; `DK`, `CVR`, `CVR-nr.` may be before them, the `.0` of a number after them.
    """
    found = _CVR.fullmatch(text)
    return found[1].translate(_BETWEEN) if found else text
