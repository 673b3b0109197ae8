"""Small things about folders that several parts of the local stack need."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from schemas.errors import UsageFault


class FolderInUse(UsageFault):
    """Another process works in the folder."""


@contextmanager
def folder_lock(folder: Path, *, wait: bool) -> Iterator[None]:
    """Hold the folder's lock file; the lock ends with the process, however that ends.

    Without `wait` raises FolderInUse when another process holds it.
    """
    with (folder / ".lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as error:
            raise FolderInUse(
                f"{folder} is in use by another clustertrack: stop that one, or choose another folder with --data"
            ) from error
        yield
