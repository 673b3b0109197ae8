"""TOML files from other people (mappings, cluster registries), bounded before they are read.

The standard library's parser takes memory that grows with the square of a key's parts, and raises errors other than its
own for numbers of many digits and for deep nesting. Here all of that is a `ValueError` with a sentence.
"""

import re
import tomllib
from typing import Any, Final

MAX_BYTES: Final = 512 * 1024
"""Of a file: a table of 5,000 values has room."""

_MAX_PARTS: Final = 8
"""Parts of a key such as fields.type.values."Kursus"."""

_MAX_DEPTH: Final = 8
"""Arrays and tables within each other."""

_MAX_DIGITS: Final = 400
"""Of a number."""

_TOKEN: Final = re.compile(
    r"""
    \"{3}(?:\\.|[^\\])*?\"{3,5} | '{3}.*?'{3,5} | \"(?:\\.|[^"\\\n])*\" | '[^'\n]*'   # texts
    | \#[^\n]*
    | (?P<digits> [0-9a-fA-F_]{400,} )
    | (?P<sign> [\[\]{}=,\n.] )
    """,
    re.VERBOSE | re.DOTALL,
)


def read_toml(text: str) -> dict[str, Any]:
    """The content of a TOML file.

    Raises:
        ValueError: what is wrong and in which line, as a part of a sentence.
    """
    _check(text)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except (ValueError, OverflowError) as error:
        raise ValueError(f"a number or date in it cannot be read ({error})") from None
    except RecursionError:
        raise ValueError(f"it has more than {_MAX_DEPTH} arrays or tables within each other") from None


def _check(text: str) -> None:
    depth = dots = 0
    for token in _TOKEN.finditer(text):
        if token["digits"]:
            raise ValueError(f"{_line(text, token)} has a number of more than {_MAX_DIGITS} digits")
        sign = token["sign"]
        if sign == ".":
            dots += 1
            if dots >= _MAX_PARTS:
                raise ValueError(f"{_line(text, token)} has a key of more than {_MAX_PARTS} parts")
        elif sign:
            dots = 0
            depth = max(0, depth + (sign in "[{") - (sign in "]}"))
            if depth > _MAX_DEPTH:
                raise ValueError(f"{_line(text, token)} has more than {_MAX_DEPTH} arrays or tables within each other")


def _line(text: str, token: re.Match[str]) -> str:
    return f"line {text.count(chr(10), 0, token.start()) + 1:,}"
