"""Small things about folders that several parts of the local stack need."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from schemas.errors import UsageFault
from schemas.own_folders import locked


@contextmanager
def folder_lock(folder: Path, *, wait: bool) -> Iterator[None]:
    """Hold the folder's lock file; the lock ends with the process, however that ends.

    Without `wait` raises UsageFault when another process holds it.
    """
    with ExitStack() as held:
        try:
            held.enter_context(locked(folder / ".lock", wait=wait))
        except BlockingIOError as error:
            raise UsageFault(
                f"{folder} is in use by another clustertrack: stop that one, or choose another folder with --data"
            ) from error
        yield
