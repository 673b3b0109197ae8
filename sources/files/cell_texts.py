"""What a cell of an export says before it becomes a field: its canonical text, or why it says nothing. Pure.

Spreadsheets write errors, shortened numbers and formulas without a value where a value was, and programs write one id
in several ways (composed or decomposed letters, odd blanks, characters that nobody sees). An id has one form here.
"""

import re
import unicodedata
from typing import Final, Self

from pydantic_core import SchemaValidator, core_schema

from schemas.visible import NOTHING_TO_SEE

_LINE_CONTROLS: Final = "\t\n\v\f\r\x85"
"""Control characters that are blanks."""
_NO_CHARACTER: Final = 0xFFFE
"""The last two code points of each plane are no characters."""
_BLANKS: Final = re.compile(r"\s+")
_FIRST: Final = (" ", "=")
_AS_TEXT: Final = re.compile(r'="([^"]*)"')
"""How exports keep Excel from reading a text as a number."""
_ERROR: Final = re.compile(r"#(?:N/A|I/T|#+|[A-ZÆØÅÄÖÜ][A-ZÆØÅÄÖÜ/0_ ]*[!?]|GETTING_DATA|HENTER_DATA)")
"""Excel's error values, English and Danish (`#N/A`, `#I/T`, `#VÆRDI!`, `#NAVN?`), and a column too narrow."""
_SHORTENED: Final = re.compile(r"[-+]?[0-9]+(?:[.,][0-9]+)?E[-+]?[0-9]+", re.IGNORECASE)
may_be_unreadable: Final = SchemaValidator(core_schema.str_schema(pattern=r"#|[0-9][eE][-+]?[0-9]")).isinstance_python
"""Whether there can be a cell that holds no value among texts that are joined; they must be whole characters. Every row
passes here: Rust's regular expressions, which pydantic has, take a tenth of the time of Python's."""
_CVR: Final = re.compile(
    r"(?:cvr|dk|se)?(?:[ ._-]*(?:nr|no|nummer|number))?[ .:_-]*([0-9][0-9 .-]{6,20}?)(?:[.,]0+)?", re.IGNORECASE
)

MOST_DIGITS: Final = 15
"""Digits that Excel keeps of a number."""


class Unreadable(str):
    """The text of a cell whose value is not known."""

    __slots__ = ("why",)

    def __new__(cls, text: str, why: str) -> Self:
        """A text as the cell shows it, and why it is no value: a part of a sentence, after the name of the column."""
        made = super().__new__(cls, text)
        made.why = why
        return made

    why: str


def canonical(text: str) -> str:
    """The one form of an id or a word: composed letters, single blanks, nothing that nobody sees."""
    if text.isascii() and text.isprintable() and "  " not in text and text[:1] not in _FIRST and text[-1:] != " ":
        return text  # nearly every cell
    text = unicodedata.normalize("NFC", _BLANKS.sub(" ", _seen(text)).strip())
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


def why_unreadable(text: str) -> str:
    """Why the text of a cell is not the value that it had; empty when it may be."""
    if text[:1] == "#" and _ERROR.fullmatch(text):
        return f"holds the error {text}: fix the formula in the spreadsheet"
    if "E" in text.upper() and _SHORTENED.fullmatch(text):
        return f"holds {text}, a number that Excel has shortened: format the column as text, and export it again"
    return ""


def cvr_text(text: str) -> str:
    """The digits of a CVR number that is written with its word, or as a number with decimals; else the text."""
    found = _CVR.fullmatch(text)
    return found[1] if found else text
