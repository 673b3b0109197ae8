"""The formats of dates that a mapping states: what they may say, what is advised instead, and how they are read. Pure.

A format is strptime's, read by rules of our own: the same on every machine and in every language, and without a guess.
Fields that touch need all their digits, since a lost zero would move the others; month names are Danish or English;
and a zone that is written as a mere text would be passed over, so no such text is taken.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Final

from sources.files.cell_texts import canonical

_PARTS: Final = {
    "Y": "year", "y": "year", "m": "month", "b": "month", "B": "month", "d": "day", "H": "hour", "I": "hour",
    "p": "half of the day", "M": "minute", "S": "second", "f": "fraction", "z": "offset",
}  # fmt: skip
"""What a directive of a format reads. Others mean something else on another machine (`%x`, `%c`, `%Z`), or nothing."""
_KNOWN: Final = ", ".join(f"%{directive}" for directive in _PARTS)
_NEEDS: Final = {"minute": "hour", "second": "minute", "fraction": "second", "offset": "hour"}
_CLOCK: Final = frozenset("HIMSf")

_MONTHS: Final = {
    name: number
    for number, names in enumerate(
        (
            "januar january jan", "februar february feb", "marts march mar", "april apr", "maj may", "juni june jun",
            "juli july jul", "august aug", "september sept sep", "oktober october okt oct", "november nov",
            "december dec",
        ),
        1,
    )
    for name in names.split()
}  # fmt: skip
"""Danish and English, full and short."""
_DATED: Final = ("Y", "m", "d", "H", "M", "S")
"""In the order of datetime's arguments."""
_WIDE: Final = frozenset("YymdHIMSf")
"""What reads digits."""
_DIGITS: Final = {"Y": "[0-9]{4}", "y": "[0-9]{2}", "M": "[0-9]{2}", "S": "[0-9]{2}"}
"""Day, month and hour are written with one digit too, where nothing touches them."""
_TEXTS: Final = {
    "b": "|".join(sorted(_MONTHS, key=len, reverse=True)),
    "p": r"[ap]\.?\s?m\.?",
    "z": r"Z|(?:UTC|GMT)?[+-](?:0[0-9]|1[0-4])(?::?[0-5][0-9])?|(?:UTC|GMT)(?:[+-][0-9])?",
}
_TEXTS["B"] = _TEXTS["b"]
_OFFSETS: Final = "%z reads Z, UTC, GMT and +02:00"
_INSTEAD: Final = {
    "Z": f"{_OFFSETS}; times without a zone have that of `timezone`",
    **dict.fromkeys("-#e", "%d and %m read one digit too"),
    "F": "write %Y-%m-%d",
    "T": "write %H:%M:%S",
}
_CENTURY: Final = 69
"""Of two digits from here on: 1969 to 2068, as POSIX has it."""
_NOON: Final = 12

_HALF: Final = re.compile(r"(?<![^\W\d_])[ap]\.?\s?m(?![^\W\d_])", re.IGNORECASE)
_WORD: Final = re.compile(r"[^\W\d_]+")
_OFFSET: Final = re.compile(r"[-+\u2212]\s?\d")
_NO_CLOCK: Final = re.compile(r"\D*0+(?:[:.]0+)*\D*")
"""Midnight as a text: the day is that day."""
_ZONES: Final = frozenset({
    "z", "utc", "gmt", "ut", "zulu", "cet", "cest", "met", "mest", "mez", "mesz", "wet", "west", "eet", "eest", "bst",
    "msk", "est", "edt", "cst", "cdt",
})  # fmt: skip
_CLOCK_WORDS: Final = frozenset({
    "t", "h", "m", "s", "d", "den", "kl", "klokken", "uhr", "hrs", "time", "timer", "min", "minut", "minutter", "sek",
    "sekunder", "sec", "i", "on", "at", "of", "the", "um", "af", "o",
})  # fmt: skip
"""What people write around a time of day, and is no zone."""

_EXCEL_LITERAL: Final = re.compile(r"\[\$[^\]]*\]|;@$|\\(?=.)")
_LETTERS: Final = re.compile(
    r"AM/PM|[AP]M(?![a-z])|'[^']*'|\"[^\"]*\"|HH24|HH12|MI(?![a-z])|MON(?:TH)?|([^\W\d_])\1*|.",
    re.IGNORECASE | re.DOTALL,
)
_LETTER_DIRECTIVES: Final = {
    "yyyy": "%Y", "åååå": "%Y", "yy": "%y", "åå": "%y", "dd": "%d", "d": "%d", "ss": "%S", "s": "%S", "mmm": "%b",
    "mmmm": "%B", "mon": "%b", "month": "%B", "hh24": "%H", "hh12": "%I", "mi": "%M", "f": "%f", "ff": "%f",
    "fff": "%f", "ffffff": "%f", "fffffff": "%f", "sss": "%f", "z": "%z", "zz": "%z", "zzz": "%z", "x": "%z",
    "xx": "%z", "xxx": "%z", "a": "%p", "am": "%p", "pm": "%p", "am/pm": "%p", "t": "T",
}  # fmt: skip
"""The letters of Excel (English and Danish), Java, .NET and SQL, besides hours and the m of months and minutes."""


class MomentError(ValueError):
    """The cell cannot be read as wanted; the message says why, in words for the owner of the file."""


def check_format(pattern: str, *, clock: bool) -> None:
    """Make sure that a format reads one instant, or day, and the same one on every machine.

    Args:
        pattern: the format as the mapping states it.
        clock: whether it needs a time of day.

    Raises:
        MomentError: with what to write instead.
    """
    directives = re.findall(r"%(.?)", pattern.replace("%%", ""), re.DOTALL)
    if not directives:
        raise MomentError(f"the format {pattern!r} has no %: {_advice(pattern, clock=clock)}")
    read: list[str] = []
    for directive in directives:
        part = _PARTS.get(directive)
        if part is None:
            advice = f" ({_INSTEAD[directive]})" if directive in _INSTEAD else ""
            raise MomentError(f"the format {pattern!r} has %{directive}, which is not read{advice}; known are {_KNOWN}")
        if part in read:
            raise MomentError(f"the format {pattern!r} has the {part} twice")
        read.append(part)
    for part in ("year", "month", "day"):
        if part not in read:
            raise MomentError(f"the format {pattern!r} has no {part}")
    for part, larger in _NEEDS.items():
        if part in read and larger not in read:
            article = "an" if part == "offset" else "a"
            raise MomentError(f"the format {pattern!r} has {article} {part} and no {larger}")
    _check_texts(pattern)
    if ("I" in directives) != ("half of the day" in read):
        raise MomentError(f"the format {pattern!r} needs %I and %p for twelve hours, or %H for 24")
    if clock and "hour" not in read:
        raise MomentError(
            f"the format {pattern!r} has no hour: the time of a version needs a time of day; without such a column "
            "leave fields.time out and give exported_at"
        )


def _check_texts(pattern: str) -> None:
    """What is between the directives says nothing that the time of day depends on."""
    begun = False
    for text in _split(pattern):
        if text[:1] == "%" and text != "%%":
            begun = begun or text[1] in _CLOCK
            continue
        if half := _HALF.search(text):
            raise MomentError(f"the format {pattern!r} has {half[0]!r} as a text: write %I for the hour and %p for it")
        begun = begun or bool(re.search(r"\d", text))
        zone = next((word for word in _WORD.findall(text) if _is_zone(word, begun=begun)), "")
        if not zone and begun and (offset := _OFFSET.search(text)):
            zone = text[offset.start() :].strip()
        if zone in {"Z", "UTC", "GMT"} or (zone[:1] in "-+" and zone):
            advice = (
                "write %z in its place" if {"%H", "%I"} & {*_split(pattern)} else "write %H:%M and %z, or a day alone"
            )
            raise MomentError(f"the format {pattern!r} has {zone!r} as a text, which reads no zone: {advice}")
        if zone:
            raise MomentError(
                f"the format {pattern!r} has {zone!r} as a text with the time, which may be a zone and is not read: "
                f"export the time without it, or with its offset ({_OFFSETS})"
            )
        if re.search(r"\d", text) and not _NO_CLOCK.fullmatch(text):
            raise MomentError(
                f"the format {pattern!r} has the digits {''.join(re.findall('[0-9]+', text))!r} as a text: write %Y "
                "for the year, %H:%M:%S for the time"
            )


def _is_zone(word: str, *, begun: bool) -> bool:
    """Whether a word of a format can be a zone, or half of the day in another language."""
    return word.lower() in _ZONES or (begun and word.lower() not in _CLOCK_WORDS)


def _advice(pattern: str, *, clock: bool) -> str:
    """What to write instead of a format of another program; only what passes all the checks."""
    if "iso" in pattern.lower():
        return "ISO 8601 needs none, leave it out"
    found = _translated(pattern)
    if found is None or not {"%d", "%Y", "%y"} & {*_split(found)}:
        return (
            "known are %Y or %y, %m or %b, %d, %H or %I with %p, %M, %S, %f and %z, as in "
            f"{'%d-%m-%Y %H:%M' if clock else '%d-%m-%Y'!r}"
        )
    try:
        check_format(found, clock=clock)
    except MomentError as fault:
        return str(fault).replace(f"the format {found!r}", f"written as {found!r} it", 1)
    return f"write {found!r}"


def _translated(pattern: str) -> str | None:
    """The format of Excel, Java, .NET or SQL in our directives; None when a part of it means nothing here."""
    runs = [found[0] for found in _LETTERS.finditer(_EXCEL_LITERAL.sub("", pattern))]
    lower = [run.lower() for run in runs]
    hours = {"h", "hh", "k", "kk"} & {*lower}
    # tt is half of the day in .NET, and the hour in Danish Excel.
    halved = bool({"am/pm", "am", "pm", "a"} & {*lower} or (hours and {"t", "tt"} & {*lower[-2:]}))
    parts: list[str] = []
    for index, run in enumerate(lower):
        seen = [part for part in parts if part[:1] == "%"]
        if run[0] in "'\"":
            parts.append("%z" if run[1:-1] == "z" else runs[index][1:-1])
        elif run in hours or (run in ("t", "tt") and not hours):
            parts.append("%I" if halved and runs[index] not in ("H", "HH") else "%H")
        elif run in ("t", "tt") and halved and index >= len(lower) - 2:
            parts.append("%p")
        elif run in ("m", "mm"):
            following = next((other for other in lower[index + 1 :] if other.isalpha()), "")
            minute = seen[-1:] in (["%H"], ["%I"]) or following in ("s", "ss")
            parts.append("%M" if minute else "%m")
        elif run in _LETTER_DIRECTIVES:
            parts.append(_LETTER_DIRECTIVES[run])
        elif _WORD.search(run):
            return None
        else:
            parts.append(run.replace("%", "%%"))
    return "".join(parts).strip()


def _split(pattern: str) -> list[str]:
    """Texts and directives in turns; `%%` is a directive that reads a percent sign."""
    return [part for part in re.split(r"(%.)", pattern, flags=re.DOTALL) if part]


class Reader:
    """Reads the texts of one format, five times as fast as strptime where all parts are digits.

    Args:
        pattern: a format that has been checked.
    """

    def __init__(self, pattern: str) -> None:
        parts = _split(canonical(pattern))
        self._pattern = pattern
        self._names = [part[1] for part in parts if part[:1] == "%" and part != "%%"]
        self._regex = re.compile("".join(_expressions(parts)), re.IGNORECASE)
        wanted = [name for name in _DATED if name in self._names]
        self._plain = wanted[:3] == ["Y", "m", "d"] and len(wanted) == len(self._names)
        self._groups = tuple(self._names.index(name) + 1 for name in wanted)

    def read(self, text: str) -> datetime:
        """The time that a canonical text says; without a zone unless the format reads one.

        Raises:
            MomentError: it is written in another way, or there is no such day or time.
        """
        found = self._regex.fullmatch(text)
        if found is None:
            raise MomentError(f"{text[:40]!r} is not written as {self._pattern}{self._why(text)}")
        try:
            if self._plain:
                return datetime(*map(int, found.group(*self._groups)))  # type: ignore[arg-type]  # as many as a day has  # noqa: DTZ001  (the caller adds the zone)
            return _moment(dict(zip(self._names, found.groups(), strict=True)))
        except ValueError:
            raise MomentError(
                f"{text[:40]!r} is not written as {self._pattern}: there is no such day or time"
            ) from None

    def _why(self, text: str) -> str:
        if re.fullmatch(self._regex.pattern.replace("{2}", "{1,2}"), text, re.IGNORECASE):
            return ": minutes, seconds and parts that touch need both their digits, 05 for 5"
        return ": months are Danish or English names, full or short" if {"b", "B"} & {*self._names} else ""


@lru_cache(maxsize=64)
def reader(pattern: str) -> Reader:
    """The one reader of a format."""
    return Reader(pattern)


def _expressions(parts: Sequence[str]) -> Iterator[str]:
    """What each part of a format matches; each directive is a group."""
    for before, part, after in zip(["", *parts], parts, [*parts[1:], ""], strict=False):
        name = part[1:] if part[:1] == "%" else ""
        touches = [
            other[-1:].isdigit() or other[1:] in _WIDE for other in (before, after[:1] if after[:1] != "%" else after)
        ]
        if name in _TEXTS:
            yield f"({_TEXTS[name]})" + (r"\.?" if name in "bB" else "")
        elif name == "f":
            yield "([0-9]{6})" if touches[1] else "([0-9]{1,9})"
        elif name in _WIDE:
            yield f"({_DIGITS.get(name) or ('[0-9]{2}' if any(touches) else '[0-9]{1,2}')})"
        elif before in ("%b", "%B"):
            yield re.escape(part.removeprefix("."))  # read with the name, as maj has none
        else:
            yield "%" if name else re.escape(part)


def _moment(said: Mapping[str, str]) -> datetime:
    """The time of the parts of a text, by the letters of their directives."""
    century = 0 if "Y" in said else 1900 if int(said["y"]) >= _CENTURY else 2000
    year = century + int(said.get("Y") or said["y"])
    month = int(said["m"]) if "m" in said else _MONTHS[(said.get("b") or said["B"]).lower()]
    hour = int(said.get("H", 0))
    if "I" in said:
        hour = int(said["I"])
        if not 1 <= hour <= _NOON:
            raise ValueError("twelve hours are counted from 1")
        hour = hour % _NOON + (_NOON if said["p"][0] in "pP" else 0)
    microsecond = int(said.get("f", "0")[:6].ljust(6, "0"))
    zone = _zone(said["z"]) if "z" in said else None
    return datetime(
        year, month, int(said["d"]), hour, int(said.get("M", 0)), int(said.get("S", 0)), microsecond, tzinfo=zone
    )


def _zone(text: str) -> timezone:
    digits = re.sub("[^0-9]", "", text)
    if not digits:
        return UTC
    hours, minutes = (digits[:-2], digits[-2:]) if len(digits) > 2 else (digits, "0")  # noqa: PLR2004  (hours alone)
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    return timezone(-offset if "-" in text else offset)
