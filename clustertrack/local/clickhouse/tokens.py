"""The words of a SQL text, as far as cutting it takes. What may run is decided on the engine's own reading."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_TOKEN: Final = re.compile(
    rb"""
      (?P<space>   [\s\x80-\xff]++ | --[^\n]* | \#[ !][^\n]* | /\*.*?(?:\*/|\Z) )
    | (?P<quoted>  '(?:[^'\\]++|\\.|'')*+(?:'|\\?\Z)
                 | "(?:[^"\\]++|\\.|"")*+(?:"|\\?\Z)
                 | `(?:[^`\\]++|\\.|``)*+(?:`|\\?\Z) )
    | (?P<heredoc> \$(?P<tag>\w*)\$.*?(?:\$(?P=tag)\$|\Z) )
    | (?P<word>    [A-Za-z_][A-Za-z0-9_$]* )
    | (?P<other>   . )
    """,
    re.VERBOSE | re.DOTALL,
)
"""As the engine reads them: what is not closed goes to the end, and an unquoted name has only ASCII letters."""


@dataclass(frozen=True, slots=True)
class Token:
    """A word, a quoted name or string, or a sign.

    `text` is in upper case for words and without quotes for names; `bare` is a word outside of quotes; `depth` counts
    the open parentheses.
    """

    start: int
    end: int
    text: bytes
    depth: int
    bare: bool


def tokens(sql: bytes) -> Iterator[Token]:
    """The tokens of a SQL text, without spaces and comments."""
    depth = 0
    for match in _TOKEN.finditer(sql):
        group = match.lastgroup
        if group == "space":
            continue
        text = match[0]
        if group == "word":
            yield Token(match.start(), match.end(), text.upper(), depth, bare=True)
            continue
        if text in (b")", b"]", b"}"):
            depth -= 1
        if text[:1] in (b"`", b'"'):
            text = text[1:-1].upper()
        yield Token(match.start(), match.end(), text, depth, bare=False)
        if text in (b"(", b"[", b"{"):
            depth += 1
