"""Grouping more records than memory holds: spread them over many files by key, then look at one file at a time."""

from collections.abc import Iterator
from typing import IO, Final, Self

from schemas.own_files import nameless_file

BUCKETS: Final = 128
"""14 million rows of a 2 GB file make about 110,000 a bucket, some 20 MB while it is looked at."""

_IN_MEMORY: Final = 64 * 1024
"""Bytes that a bucket keeps before it becomes a file: together 8 MB, and no file at all for everyday exports."""


class Buckets:
    """Bytes by bucket number, 0 to BUCKETS - 1. The files have no name and disappear with the process."""

    def __init__(self) -> None:
        self._files: list[IO[bytes]] = [nameless_file(_IN_MEMORY) for _ in range(BUCKETS)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        for file in self._files:
            file.close()

    def add(self, bucket: int, record: bytes) -> None:
        """Append a record; the caller knows where it ends."""
        self._files[bucket].write(record)

    def read(self) -> Iterator[IO[bytes]]:
        """Each bucket in turn, from its beginning."""
        for file in self._files:
            file.seek(0)
            yield file
