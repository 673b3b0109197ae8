"""Whether a statement may run: an allow-list on the statement as the engine itself has read it.

The engine writes what it has parsed back as SQL of one form (`formatQuerySingleLine`): no comments, no heredocs, no
escapes but the backslash's, keywords in capitals, names quoted unless they are plain words, a function's name directly
before its parenthesis. That text is what is checked here; the client's own is never interpreted.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from clustertrack.local.clickhouse import allowed
from clustertrack.local.clickhouse.engine_errors import (
    ACCESS_DENIED,
    READONLY,
    UNKNOWN_FORMAT,
    UNKNOWN_FUNCTION,
    UNKNOWN_SETTING,
    EngineError,
)
from sinks.pinned_settings import PINNED

_TOKEN: Final = re.compile(
    r"""
      (?P<space> \s+ )
    | (?P<text>  '(?:[^'\\]|\\.)*' )
    | (?P<name>  `(?:[^`\\]|\\.)*` )
    | (?P<number> [0-9][0-9A-Za-z_.]* )
    | (?P<word>  [A-Za-z_][A-Za-z0-9_]* )
    | (?P<sign>  . )
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
_SETTINGS: Final = ("SETTINGS", "SETTING", "SET")
_LITERALS: Final = frozenset({"true", "false", "NULL"})


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the engine's own text: `kind` is text, name, number, word or sign; `value` is without quotes."""

    kind: str
    value: str
    spaced: bool

    def is_word(self, *values: str) -> bool:
        """Whether it is one of these words, outside of quotes."""
        return self.kind == "word" and self.value in values

    def is_sign(self, value: str) -> bool:
        """Whether it is this sign."""
        return self.kind == "sign" and self.value == value

    @property
    def names(self) -> bool:
        """Whether it can be a name."""
        return self.kind in ("word", "name")


@dataclass(frozen=True, slots=True)
class Known:
    """What the engine has.

    `callable` are the names, in lower case, that may come before a parenthesis; `aggregates` those of them that take
    the endings in `combinators`; `others` are all other names that mean something to the engine, `functions` those of
    them that it calls without a parenthesis where it expects a function; `keywords` its words.
    """

    callable: frozenset[str]
    aggregates: frozenset[str]
    combinators: tuple[str, ...]
    others: frozenset[str]
    functions: frozenset[str]
    keywords: frozenset[str]

    def calls(self, name: str) -> bool:
        """Whether a call of this name is allowed."""
        return name.lower() in self.callable or self._aggregates(name.lower())

    def _aggregates(self, name: str) -> bool:
        return name in self.aggregates or any(
            name.endswith(ending) and self._aggregates(name[: -len(ending)]) for ending in self.combinators
        )


@dataclass(frozen=True, slots=True)
class Rights:
    """What a login may do; `any_setting` is for tests of what settings do."""

    writes: bool
    any_setting: bool = False

    @property
    def settings(self) -> frozenset[str]:
        """Names of the settings that it may give a value."""
        return allowed.WRITER_SETTINGS if self.writes else allowed.READER_SETTINGS

    @property
    def statements(self) -> tuple[str, ...]:
        """Beginnings of its statements."""
        return allowed.WRITER_STATEMENTS if self.writes else allowed.READER_STATEMENTS


def parts(canonical: str) -> Iterator[Part]:
    """The parts of a text that the engine wrote."""
    spaced = False
    for match in _TOKEN.finditer(canonical):
        kind = match.lastgroup or ""
        if kind == "space":
            spaced = True
            continue
        text = match[0]
        yield Part(kind, _ESCAPED.sub(r"\1", text[1:-1]) if kind in ("text", "name") else text, spaced)
        spaced = False


def check_statement(
    canonical: str, rights: Rights, known: Known, path: str | None, is_view: Callable[[str], bool]
) -> None:
    """Refuse a statement that names anything that is not on a list.

    Args:
        canonical: The statement as the engine has written it.
        rights: Of the login that sent it.
        known: What the engine has.
        path: The one file that the server itself has put into the statement, None without one.
        is_view: Reports whether there is a view of this name; asked only about names that the engine does not have.

    Raises:
        EngineError: One sentence that names what is refused.
    """
    if not canonical.startswith(rights.statements):
        if not rights.writes:
            raise EngineError(READONLY, "This login may only read: send a SELECT, EXPLAIN, DESCRIBE, SHOW or EXISTS")
        raise _denied(f"{' '.join(canonical.split()[:2])}: this kind of statement is not served here")
    found = list(parts(canonical))
    _check_keywords(found, known, path)
    if canonical.startswith("INSERT ") and any(p.is_word("FORMAT") for p in found) != any(
        p.is_word("INFILE") for p in found
    ):
        # Data within the statement: the engine would look for another statement after them.
        raise _denied("the data of an INSERT follow in the body")
    _check_settings(found, rights)
    _check_named_functions(found, known)
    for index, part in enumerate(found):
        after = found[index + 1] if index + 1 < len(found) else None
        before = found[index - 1] if index else None
        is_engine = before is not None and before.is_sign("=") and index > 1 and found[index - 2].is_word("ENGINE")
        if is_engine:
            _check_engine(part)
        elif part.names and after is not None and after.is_sign("(") and not after.spaced:
            _check_call(part.value, known, is_view)
        if part.is_word("FORMAT") and after is not None and after.names:
            check_format(after.value)
        if not rights.writes:
            _check_table(part, found[index + 1 : index + 3])


def check_format(name: str) -> None:
    """Refuse a format that is not served."""
    if name not in allowed.FORMATS:
        raise EngineError(UNKNOWN_FORMAT, f"Unknown format {name}, or one that is not served here")


def check_setting(name: str, value: str, rights: Rights) -> None:
    """Refuse a setting that a request may not change; one that the product pins may have that value and no other.

    Some of those hold expressions, which the engine would run.
    """
    if not rights.any_setting and name not in rights.settings and str(PINNED.get(name)) != value:
        raise EngineError(UNKNOWN_SETTING, f"Unknown setting '{name}', or one that a request may not change here")


def check_database(name: str, params: Mapping[str, str], canonical: str, rights: Rights) -> None:
    """Refuse what would let a reader ask the system's tables under another name."""
    if rights.writes:
        return
    if name.lower() in allowed.SYSTEM_DATABASES:
        raise _denied(f"database {name}: this login may not ask it")
    if params and ":Identifier}" in canonical:
        raise _denied("parameters of the type Identifier are for the login that may write")


def _check_keywords(found: list[Part], known: Known, path: str | None) -> None:
    files = 0
    for index, part in enumerate(found):
        if part.is_word("OUTFILE", "INFILE"):
            files += 1
            named = found[index + 1] if index + 1 < len(found) else None
            if path is None or files > 1 or named is None or named.kind != "text" or named.value != path:
                raise _denied(f"{part.value} is for clickhouse-client; data come and go in the bodies here")
        elif path is not None and part.is_word("COMPRESSION"):
            continue
        elif part.kind == "word" and part.value in known.keywords and part.value not in allowed.KEYWORDS:
            raise _denied(f"{part.value} is not served here (quote it if it is a name)")


def _check_settings(found: list[Part], rights: Rights) -> None:
    for index, part in enumerate(found):
        if not part.is_word(*_SETTINGS) or (part.value == "SET" and index > 0):
            continue
        if index and found[index - 1].is_word("RESET"):
            for name in found[index + 1 :]:
                if name.names:
                    check_setting(name.value, "", rights)
            continue
        place = index + 1
        while True:
            name, equals, value = [*found[place : place + 3], *[Part("sign", "", spaced=False)] * 3][:3]
            minus = value.is_sign("-")
            if minus and place + 3 < len(found):
                value = found[place + 3]
            literal = value.kind in ("text", "number") or value.is_word(*_LITERALS)
            if not (name.names and equals.is_sign("=") and literal):
                raise _denied("a setting takes one plain value here")
            check_setting(name.value, f"-{value.value}" if minus else value.value, rights)
            place += 4 if minus else 3
            if place >= len(found) or not found[place].is_sign(","):
                break
            place += 1


def _check_call(name: str, known: Known, is_view: Callable[[str], bool]) -> None:
    if known.calls(name) or name in allowed.SYNTAX:
        return
    if name.lower() in known.others:
        raise _denied(f"{name}() is not served here: it is not known to stay within the data folder")
    if not is_view(name):
        raise EngineError(UNKNOWN_FUNCTION, f"Unknown function or parameterised view '{name}'")


def _check_named_functions(found: list[Part], known: Known) -> None:
    """Refuse what the engine may call without a parenthesis: `arrayMap(file, x)`, `* APPLY file`.

    Only the arguments of a call and what follows APPLY are called like that. Elsewhere it is a column, and with a table
    before it (`t.file`) everywhere.
    """
    inside: list[bool] = []  # of each open parenthesis: whether a call is around it
    nothing = Part("sign", "", spaced=False)
    for index, part in enumerate(found):
        before = found[index - 1] if index else nothing
        after = found[index + 1] if index + 1 < len(found) else nothing
        in_call = bool(inside) and inside[-1]
        if part.is_sign("("):
            inside.append(in_call or not part.spaced)
        elif part.is_sign(")") and inside:
            inside.pop()
        elif not part.names:
            continue
        elif before.is_word("APPLY") and not known.calls(part.value):
            raise _denied(f"APPLY {part.value} is not served here: it is not known to stay within the data folder")
        elif (in_call or after.is_word("AS")) and not before.is_sign(".") and part.value.lower() in known.functions:
            raise _denied(f"{part.value} may be the function here: write table.{part.value} if it is a column")
        elif in_call and part.is_word("Identifier") and before.is_sign(":") and not _is_qualified(found, index):
            raise _denied("a parameter of the type Identifier may be a function here: write the name itself")


def _is_qualified(found: list[Part], index: int) -> bool:
    """Whether the parameter `{name:Identifier}` has a dot before or after it; `index` is that of its type."""
    around = (found[place] for place in (index - 4, index + 2) if 0 <= place < len(found))
    return any(part.is_sign(".") for part in around)


def _check_engine(part: Part) -> None:
    if part.value not in allowed.ENGINES:
        raise _denied(f"engine {part.value} is not served here: it is not known to stay within the data folder")


def _check_table(part: Part, following: list[Part]) -> None:
    if not (part.names and part.value.lower() in allowed.SYSTEM_DATABASES and following[:1]):
        return
    if following[0].is_sign(".") and not (
        part.value == "system" and len(following) > 1 and following[1].value in allowed.SYSTEM_TABLES
    ):
        raise _denied("this login may not ask that table of the system")


def _denied(message: str) -> EngineError:
    return EngineError(ACCESS_DENIED, message)
