"""Progress on standard error: a bar on a terminal, a line now and then elsewhere. Standard output is the result's."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Final

from schemas.screen import is_terminal, note_reached, say
from schemas.visible import visible

_EVERY_SECONDS: Final = 5.0
"""Between two plain lines: a log of a long run stays readable."""

Reached = Callable[..., object]
"""Called with how much is done, and how much there is once that is known."""


@contextmanager
def track(what: str, total: int, unit: str = "bytes") -> Iterator[Reached]:
    """Show how much is done while the block runs.

    Args:
        what: in a few words.
        total: how much there is.
        unit: of what.
    """
    spoken = time.monotonic()
    note_reached(f"{what}: 0 % done")
    with bar(what, total, unit) if is_terminal() else nullcontext() as shown:

        def reached(done: int, of: int = total) -> None:
            nonlocal spoken
            percent = 100 * done // max(of, 1)
            note_reached(f"{what}: {percent} % done")
            if shown is not None:
                shown(done, of)
            elif (now := time.monotonic()) - spoken >= _EVERY_SECONDS:
                spoken = now
                say(f"{what}: {percent} %", err=True)

        yield reached


@contextmanager
def bar(what: str, total: int | None, unit: str) -> Iterator[Callable[..., None]]:
    """A bar, for a terminal. What is reached may also be given another name: `reached(done, of, what)`."""
    from rich.console import Console  # noqa: PLC0415  (0.1 s that scripts and logs need not pay)
    from rich.progress import (  # noqa: PLC0415  (the same)
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),  # a file may be called [red]
        BarColumn(),
        DownloadColumn() if unit == "bytes" else MofNCompleteColumn(),
    )
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(visible(what), total=total)
        yield lambda done, of=total, called=what: progress.update(
            task, completed=done, total=of, description=visible(called)
        )
