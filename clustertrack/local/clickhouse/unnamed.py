"""Files without a name, by which the engine reads what is in memory."""

import contextlib
import os
from collections.abc import Iterator
from typing import IO

from schemas.own_files import nameless_file


@contextlib.contextmanager
def unnamed_file(content: bytes = b"") -> Iterator[IO[bytes]]:
    """A file that holds the content, in memory where the system can, and is gone at the end."""
    descriptor = os.memfd_create("clustertrack") if hasattr(os, "memfd_create") else None
    with nameless_file() if descriptor is None else os.fdopen(descriptor, "w+b") as file:
        file.write(content)
        file.flush()
        file.seek(0)
        yield file


def path_of(file: IO[bytes]) -> str:
    """The path under which this process can open it."""
    return f"/dev/fd/{file.fileno()}"
