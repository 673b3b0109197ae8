"""Changes a case at random, and knows what JSON is, so that most of what comes out gets past the parser."""

import json
import random
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any, Final

from fuzzing.cases import Case, Header, One, decoded, encoded
from fuzzing.words import ATTRIBUTES, COMPANY, DATA, FITTING, HEADER_VALUES, HEADERS, NUMBERS, PIECES, TEXTS

Edit = Callable[[bytes], bytes]
_MOST_CHANGES: Final = 4
_LONGEST: Final = 200_000
"""Bytes of a value that is taken apart as JSON."""


class Mutator:
    """Changes inputs; the same seed gives the same changes."""

    def __init__(self, others: Sequence[bytes], any_edit: Edit) -> None:
        """Args:
        others: inputs to take records from.
        any_edit: changes bytes somehow, as libFuzzer does.
        """
        self._others, self._any_edit = others, any_edit

    def mutate(self, data: bytes, largest: int, seed: int) -> bytes:
        """Another input made from this one, of limited size."""
        chance = random.Random(seed)
        if chance.random() < 0.03:
            return self._any_edit(data)[:largest]
        case = decoded(data)
        for _ in range(chance.randint(1, _MOST_CHANGES)):
            self._change(case, chance)
        return encoded(case)[:largest]

    def _change(self, case: Case, chance: random.Random) -> None:
        if not case.records:
            case.records.append(One(b"{}"))
        draw = chance.random()
        number = chance.randrange(len(case.records))
        one = case.records[number]
        if draw < 0.62:
            one.value = self._value(one.value, chance)
        elif draw < 0.78:
            self._headers(one, chance)
        elif draw < 0.82:
            one.key = chance.choice((None, b"", b"13748136", b"13748136/2010-01-01", self._any_edit(one.key or b"x")))
        elif draw < 0.87:
            case.records.insert(number, deepcopy(one))
        elif draw < 0.90:
            del case.records[number]
        elif draw < 0.95 and self._others:
            other = decoded(chance.choice(self._others))
            case.records[number : number + chance.randint(0, 1)] = other.records[:3]
        else:
            settings = bytearray(case.settings.ljust(12, b"\0")[:12])
            values = (0, 1, 2, 3, 4, 127, 128, 255, chance.randrange(256))
            settings[chance.randrange(len(settings))] = chance.choice(values)
            case.settings = bytes(settings)

    # ---- values

    def _value(self, value: bytes | None, chance: random.Random) -> bytes | None:
        draw = chance.random()
        if value is None or draw < 0.02:
            return chance.choice((None, b"", b"{}", b"null"))
        if draw < 0.12:
            return _pieces(value, chance)
        if draw < 0.2 or len(value) > _LONGEST:
            return self._any_edit(value)
        try:
            document = json.loads(value)
        except (ValueError, RecursionError):
            return _pieces(value, chance)
        for _ in range(chance.randint(1, 3)):
            document = _json_change(document, chance)
        try:
            text = json.dumps(document, ensure_ascii=chance.random() < 0.5)
            if chance.random() < 0.05:
                text = _twice(text, chance)
            return text.encode("utf-8", chance.choice(("surrogatepass", "backslashreplace")))
        except (ValueError, RecursionError):
            return value

    # ---- headers

    def _headers(self, one: One, chance: random.Random) -> None:
        draw = chance.random()
        if not one.headers or draw < 0.3:
            where = chance.randint(0, len(one.headers))
            one.headers.insert(where, Header(chance.choice(HEADERS), chance.choice((None, *HEADER_VALUES))))
            return
        number = chance.randrange(len(one.headers))
        header = one.headers[number]
        if draw < 0.4:
            del one.headers[number]
        elif draw < 0.5:
            header.times = chance.choice((0, 1, 2, 3, 63, 64, 65, 999, 1000, 1001, 9999))
        elif draw < 0.6:
            one.headers.insert(chance.randint(0, len(one.headers)), deepcopy(header))
        elif draw < 0.7:
            header.name = chance.choice((header.name.upper(), self._any_edit(header.name), chance.choice(HEADERS)))
        elif draw < 0.85:
            header.value = chance.choice((None, chance.choice(HEADER_VALUES)))
        elif draw < 0.95:
            header.value = _pieces(header.value or b"", chance)
        else:
            header.value = self._any_edit(header.value or b"x")


def _pieces(value: bytes, chance: random.Random) -> bytes:
    """Some bytes replaced, removed or put in."""
    start = chance.randint(0, len(value))
    piece = chance.choice((*PIECES, bytes([chance.randrange(256)])))
    times = chance.choice((1, 1, 1, 1, 2, 50, 500))
    return value[:start] + piece * times + value[start + chance.randint(0, 4) :]


def _json_change(document: Any, chance: random.Random) -> Any:
    """The document with one of its parts changed."""
    if isinstance(document, dict):
        names = list(document)
        if names and chance.random() < 0.75:
            # What is inside an object is as likely as what is next to it.
            inner = [name for name in names if isinstance(document[name], dict | list)]
            name = chance.choice(inner) if inner and chance.random() < 0.5 else chance.choice(names)
            document[name] = _fitting(name, chance) or _json_change(document[name], chance)
            return document
        draw = chance.random()
        if names and draw < 0.3:
            del document[chance.choice(names)]
        elif names and draw < 0.36:
            document |= {f"f{n}": chance.choice(NUMBERS) for n in range(chance.choice((5, 60, 70, 120)))}
        else:
            words = COMPANY if "cvr" in document else DATA if "specversion" not in document else ATTRIBUTES
            name = chance.choice((*words, chance.choice(TEXTS)))
            document[name] = _fitting(name, chance) or _leaf(chance)
        return document
    if isinstance(document, list) and document and chance.random() < 0.7:
        draw = chance.random()
        if draw < 0.2:
            return (document * chance.choice((2, 10, 100)))[:300]
        if draw < 0.4:
            return [*document, _leaf(chance)]
        number = chance.randrange(len(document))
        document[number] = _json_change(document[number], chance)
        return document
    if isinstance(document, str) and chance.random() < 0.5:
        return _text_change(document, chance)
    return _leaf(chance)


def _fitting(name: str, chance: random.Random) -> Any:
    """In half of the cases a value that the field may have; else None."""
    return deepcopy(chance.choice(FITTING[name])) if name in FITTING and chance.random() < 0.5 else None


def _leaf(chance: random.Random) -> Any:
    draw = chance.random()
    if draw < 0.65:
        return chance.choice(TEXTS)
    if draw < 0.85:
        return chance.choice(NUMBERS)
    if draw < 0.95:
        return [chance.choice(TEXTS) for _ in range(chance.choice((0, 1, 3, 100, 101)))]
    return {} if draw < 0.98 else {chance.choice((*ATTRIBUTES, *DATA)): chance.choice(TEXTS)}


def _text_change(text: str, chance: random.Random) -> str:
    start = chance.randint(0, len(text))
    draw = chance.random()
    if draw < 0.4:
        new = chance.choice((*"019-.:+TZ \0\u0661\ud800\U0001f41f", ""))
        return text[:start] + new + text[start + chance.randint(0, 1) :]
    if draw < 0.8:
        code = chance.choice((chance.randrange(0x20, 0x7F), chance.randrange(0x250), chance.randrange(0x110000)))
        return text[:start] + chr(code) + text[start + 1 :]
    if draw < 0.9:
        return text[:start] + text[start:] * chance.choice((2, 20, 200))
    return text[:start]


def _twice(text: str, chance: random.Random) -> str:
    """An object in which a name is there twice."""
    if not text.startswith("{") or len(text) < 3:
        return text
    name = json.dumps(chance.choice((*ATTRIBUTES, *DATA)))
    return text[:1] + f"{name}: {json.dumps(_leaf(chance))}, " + text[1:]
