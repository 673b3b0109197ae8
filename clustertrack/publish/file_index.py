"""What a file holds, in bounded memory: its activities, which rows repeat each other, and the days that it spans.

Of each row 40 bytes are kept, on disk as soon as they are many. Activities are spread by CRC32 of their id, which
ClickHouse knows too: so file and ledger are compared part by part.
"""

import struct
from collections.abc import Iterator
from hashlib import blake2b
from typing import Final, NamedTuple, Self
from zlib import crc32

from schemas.events import Activity
from sources.files.buckets import BUCKETS, Buckets

_RECORD: Final = struct.Struct(">16s16sQ")
PART_ROWS: Final = 200_000
"""Rows of a part, about: some 20 MB."""
_MOST_REPEATS: Final = 200_000
"""Repeated rows that are told apart from others; those beyond are looked up like any row."""


class Span(NamedTuple):
    """Days since 1970, both included."""

    first: int
    last: int


class Part(NamedTuple):
    """Some activities of the file."""

    buckets: list[int]
    """CRC32 of an id, modulo `BUCKETS`."""
    activities: set[bytes]
    """Marks of all activities of the file whose ids are in those buckets."""


class FileIndex:
    """Filled row by row, then asked."""

    def __init__(self) -> None:
        self._buckets = Buckets()
        self.spans: dict[str, Span] = {}
        """Source -> the days of its activities."""
        self.rows = 0

    def __enter__(self) -> Self:
        self._buckets.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._buckets.__exit__(*exc)

    def add(self, line: int, activity: Activity) -> None:
        """The row on a line is this version of an activity."""
        source, activity_id, revision = activity[:3]
        name = activity_mark(source, activity_id)
        version = blake2b(name + revision.to_bytes(16, "big"), digest_size=16).digest()
        self._buckets.add(bucket_of(activity_id), _RECORD.pack(name, version, line))
        self.rows += 1
        if not activity.is_deleted:
            day = activity.occurred_on
            first, last = self.spans.get(source, (day, day))
            self.spans[source] = Span(min(first, day), max(last, day))

    def repeats(self) -> dict[int, int]:
        """Line of each row that says the same as an earlier one -> line of that one."""
        found: dict[int, int] = {}
        for bucket in self._buckets.read():
            lines: dict[bytes, int] = {}
            for _, version, line in _records(bucket.read()):
                first = lines.setdefault(version, line)
                if first != line and len(found) < _MOST_REPEATS:
                    found[line] = first
        return found

    def parts(self) -> Iterator[Part]:
        """All activities of the file, a part at a time; together the parts have every bucket."""
        part, rows = Part([], set()), 0
        for number, bucket in enumerate(self._buckets.read()):
            records = bucket.read()
            rows += len(records) // _RECORD.size
            part.buckets.append(number)
            part.activities.update(name for name, _, _ in _records(records))
            if rows >= PART_ROWS:
                yield part
                part, rows = Part([], set()), 0
        if part.buckets:
            yield part


def bucket_of(activity_id: str) -> int:
    """As ClickHouse computes CRC32(activity_id) % BUCKETS."""
    return crc32(activity_id.encode("utf-8", "surrogatepass")) % BUCKETS


def activity_mark(source: str, activity_id: str) -> bytes:
    """16 bytes for an activity."""
    return blake2b(f"{source}\0{activity_id}".encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _records(content: bytes) -> Iterator[tuple[bytes, bytes, int]]:
    return _RECORD.iter_unpack(content)
