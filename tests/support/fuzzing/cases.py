"""What one input of the fuzzer is: some records of Kafka, and settings. Any bytes are an input.

The form is one of lengths and not of `FuzzedDataProvider`, so that records which people have written down can be
inputs too, and a mutator can change one field and leave the others.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from rawkafka import Raw
from twins import Record

_SIZE: Final = 3
"""Bytes of a length."""
_NULL: Final = (1 << 8 * _SIZE) - 1
MOST_RECORDS: Final = 64
MOST_HEADERS: Final = 20_000
"""Headers of a case, repeats included."""
_MOST_BYTES: Final = 256 << 10
"""Bytes of all headers of a case, repeats included."""
ARRIVED: Final = 1_525_392_000_000
"""2018-05-04T00:00:00Z, a day after the sound events."""


@dataclass
class Header:
    """A header, and how often the record has it: many of them need no large input."""

    name: bytes
    value: bytes | None
    times: int = 1


@dataclass
class One:
    """One record."""

    value: bytes | None
    key: bytes | None = None
    headers: list[Header] = field(default_factory=list)

    @property
    def raw(self) -> Raw:
        """As it is on the wire."""
        return Raw(self.value, self.key, [(h.name, h.value) for h in self.headers for _ in range(h.times)])

    @property
    def text_headers(self) -> list[tuple[str, bytes | None]]:
        """Its headers as the worker's reader gives them."""
        return [(name.decode("utf-8", "backslashreplace"), value) for name, value in self.raw.headers]


@dataclass
class Case:
    """An input, taken apart."""

    records: list[One]
    settings: bytes = b""

    def setting(self, number: int) -> int:
        """One byte of the settings; 0 where there are fewer."""
        return self.settings[number] if number < len(self.settings) else 0

    def consumed(self) -> list[Record]:
        """The records as the worker gets them."""
        return [
            Record(offset, one.value, timestamp=ARRIVED + offset, key=one.key, headers=one.text_headers)
            for offset, one in enumerate(self.records)
        ]


def encoded(case: Case) -> bytes:
    """A case as an input."""
    parts = [_sized(case.settings)]
    for one in case.records:
        parts += [_sized(one.key), _sized(one.value), bytes([min(255, len(one.headers))])]
        for header in one.headers[:255]:
            parts += [header.times.to_bytes(2, "big"), _sized(header.name), _sized(header.value)]
    return b"".join(parts)


def decoded(data: bytes) -> Case:
    """The case in an input; every input is a valid one."""
    rest = _Rest(data)
    case = Case([], rest.sized() or b"")
    left, room = MOST_HEADERS, _MOST_BYTES
    while rest.more() and len(case.records) < MOST_RECORDS:
        one = One(key=rest.sized(), value=rest.sized())
        for _ in range(rest.number(1)):
            if not rest.more():
                break
            times, name, value = rest.number(2), rest.sized() or b"", rest.sized()
            size = len(name) + len(value or b"") + 1
            times = min(times, left, max(1, room // size))
            left, room = left - times, room - times * size
            one.headers.append(Header(name, value, times))
        case.records.append(one)
    return case


def of_raw(records: Iterator[Raw] | list[Raw]) -> Case:
    """A case of given records; equal headers in a row become one with a count."""
    found = []
    for raw in records:
        one = One(raw.value, raw.key)
        for name, value in raw.headers:
            last = one.headers[-1] if one.headers else None
            if last is not None and (last.name, last.value) == (name, value) and last.times < 65_535:
                last.times += 1
            else:
                one.headers.append(Header(name, value))
        found.append(one)
    return Case(found)


def _sized(part: bytes | None) -> bytes:
    return _NULL.to_bytes(_SIZE, "big") if part is None else len(part).to_bytes(_SIZE, "big") + part


class _Rest:
    """Bytes that are read from front to back; after their end come zeros."""

    def __init__(self, data: bytes) -> None:
        self._data, self._next = data, 0

    def more(self) -> bool:
        return self._next < len(self._data)

    def number(self, size: int) -> int:
        part = self._data[self._next : self._next + size]
        self._next += size
        return int.from_bytes(part.ljust(size, b"\0"), "big")

    def sized(self) -> bytes | None:
        size = self.number(_SIZE)
        if size == _NULL:
            return None
        part = self._data[self._next : self._next + size]
        self._next += len(part)
        return part
