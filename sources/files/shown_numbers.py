"""What a spreadsheet shows of a number by the format of its cell, where a text is made of it. Pure.

People read `0042` and `WS-113` in cells that hold 42 and 113. Only formats that show every digit in one way are read:
placeholders, and what is written before, after and between them. Separators of thousands and decimals are how a number
is written, no part of it.
"""

import re
from functools import lru_cache
from typing import Final, NamedTuple, Self

_PLAIN: Final = frozenset({"General", "@", "", "0", "#", "#,##0", "GENERAL", "Standard"})
_TOKEN: Final = re.compile(
    r'"(?P<quoted>[^"]*)"|\\(?P<escaped>.)|(?P<blank>_.)|\*.|\[\$(?P<currency>[^\]\-]*)[^\]]*\]|\[[A-Za-z][^\]]*\]'
    r"|(?P<place>[0#])|(?P<comma>,)|(?P<point>\.)|(?P<literal>[-+ ()/:])|(?P<other>.)",
    re.DOTALL,
)
_SECTION: Final = re.compile(r'(?:"[^"]*"|\\.|\[[^\]]*\]|[^;"\\\[])*', re.DOTALL)
_DIGITS: Final = 15


class Shown(str):
    """A number as its cell shows it, for fields that are texts.

    Attributes:
        number: the number itself, for CVR numbers and dates.
        why: why it is not known what the cell shows: a part of a sentence; else empty.
    """

    __slots__ = ("number", "why")

    def __new__(cls, text: str, number: str, why: str = "") -> Self:
        """A number and its text."""
        made = super().__new__(cls, text)
        made.number = number
        made.why = why
        return made

    number: str
    why: str


class _Format(NamedTuple):
    """A section of a number format: literals and placeholders of the whole digits, and how many decimals it has."""

    parts: tuple[str, ...]
    """`0` and `#` are placeholders; a literal begins with a quotation mark."""
    decimals: int


def shown_number(value: float, number_format: str) -> str:
    """A number as a text: what the cell shows, as far as it can be known; else the number itself as `Shown`."""
    whole = int(value) if float(value).is_integer() else None
    number = f"{value:.{_DIGITS}g}" if whole is None else str(whole)
    if number_format in _PLAIN and (whole is not None or number_format not in ("0", "#", "#,##0")):
        return number
    shown = _shown(whole, value, _section(number_format, value), number)
    if shown is None:
        why = f"holds {number}, which its cell shows in another form ({number_format[:40]}): make the column a text"
        return Shown(number, number, why)
    return number if shown == number else Shown(shown, number)


def _shown(whole: int | None, value: float, section: _Format | None, number: str) -> str | None:
    if section is None:
        return None
    literals = any(part[0] == '"' for part in section.parts)
    if whole is None or section.decimals:
        same = round(value, section.decimals) == value if section.decimals else False
        return number if not literals and (whole is not None or same) and section.parts.count("0") <= 1 else None
    digits = [*str(abs(whole))] if whole else []
    places = [index for index, part in enumerate(section.parts) if part in ("0", "#")]
    if not places:
        return None
    text = []
    for index in range(len(section.parts) - 1, -1, -1):
        part = section.parts[index]
        if part[0] == '"':
            text.append(part[1:])
            continue
        if index == places[0]:
            text.append("".join(digits) or ("0" if part == "0" else ""))
        elif digits:
            text.append(digits.pop())
        elif part == "0":
            text.append("0")
    joined = "".join(reversed(text)).strip()
    return f"-{joined}" if whole < 0 else joined


def _section(number_format: str, value: float) -> _Format | None:
    """The section for a value: positive; negative; zero. A negative one of its own says how the sign is shown."""
    sections = _sections(number_format)
    if value < 0 and len(sections) > 1:
        return None
    return sections[2] if value == 0 and len(sections) > 2 else sections[0]  # noqa: PLR2004  (the third is that of zero)


@lru_cache(maxsize=1_000)
def _sections(number_format: str) -> list[_Format | None]:
    sections = []
    position = 0
    while position <= len(number_format):
        found = _SECTION.match(number_format, position)
        if found is None:
            return [None]
        sections.append(_parsed(found[0]))
        if found.end() < len(number_format) and number_format[found.end()] != ";":
            return [None]
        position = found.end() + 1
    return sections


def _parsed(section: str) -> _Format | None:
    """Literals and placeholders; None where it has anything else."""
    if section in _PLAIN - {""}:
        return _Format(("#", "0") if section == "#,##0" else ("#",) if section == "#" else ("0",), 0)
    parts: list[str] = []
    decimals = -1
    ended = False
    for found in _TOKEN.finditer(section):
        kind = found.lastgroup
        if kind == "other":
            return None
        if kind == "point":
            if decimals >= 0 or ended:
                return None
            decimals = 0
        elif kind == "comma":
            if not parts or parts[-1] not in ("0", "#") or section[found.end() : found.end() + 1] not in ("0", "#"):
                return None  # at the end it divides by a thousand
        elif kind == "place":
            if decimals >= 0:
                decimals += 1
            else:
                parts.append(found[0])
        elif kind is not None:
            literal = " " if kind == "blank" else found[kind]
            if literal:
                ended = decimals >= 0
                parts.append('"' + literal)
    return _Format(tuple(parts), max(decimals, 0)) if parts else None
