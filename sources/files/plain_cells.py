"""Refused rows are opened in Excel, LibreOffice and others, where a text such as `=HYPERLINK(..)` becomes a formula.

So an apostrophe is put before anything that could be one: at the beginning of a cell, and also within it after a
separator, quotation mark or line break, because a program that splits at another separator begins a cell there. Reading
the corrected list takes exactly these apostrophes away again: `as_it_was(as_plain_text(text)) == text` for every text.
A negative number and a telephone number with + get an apostrophe too: spreadsheets would change them.
"""

import re
from collections.abc import Sequence
from typing import Final

COLUMNS: Final = ("line", "field", "reason")
"""The first columns of a list of refused rows; `refused_line` and so on where the file has such a column itself."""

_BOUNDARY: Final = r"(?:^|(?<=[,;|\"\t\r\n]))"
"""Where a cell begins, or would begin for a program that splits at another separator."""

_BLANKS: Final = (
    "[ \x00-\x08\x0b\x0c\x0e-\x1f\x7f-\xa0\xad\u061c\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff]*"
)
"""What programs pass over before a formula."""

_SIGNS: Final = "[-=+@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b\u207a\u207b\u207c\u208a\u208b\u208c\u2212]"
"""What a formula begins with: = + - @, and the forms of them that programs take for the same."""

_FORMULA: Final = rf"(?:{_BLANKS}{_SIGNS})"
_WRITING: Final = re.compile(rf"\A(?='*[\t\r\n])|{_BOUNDARY}(?='*{_FORMULA})")
_READING: Final = re.compile(rf"\A'(?='*[\t\r\n])|{_BOUNDARY}'(?='*{_FORMULA})")
_HARMLESS: Final = re.compile(r"[^\W_][^,;|\"\t\r\n]*\Z")
"""Most cells: they begin with a letter or digit and hold nothing that could begin another cell."""


def as_plain_text(text: str) -> str:
    """The text so that no spreadsheet takes it, or a part of it, for a formula."""
    return text if _HARMLESS.match(text) else _WRITING.sub("'", text)


def as_it_was(text: str) -> str:
    """What `as_plain_text` was given."""
    return _READING.sub("", text) if "'" in text else text


def is_refused_list(header: Sequence[str]) -> bool:
    """Whether a header is that of a list of refused rows."""
    return len(header) >= len(COLUMNS) and all(
        heading in {column, f"refused_{column}"} for heading, column in zip(header, COLUMNS, strict=False)
    )
