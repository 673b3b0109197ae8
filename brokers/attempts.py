"""The one way to ask Kafka again: at intervals, for a time."""

import time
from collections.abc import Iterator


def attempts(seconds: float, pause: float) -> Iterator[bool]:
    """One item for each attempt: whether there is time for another one after it. There is always a first."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield True
        time.sleep(pause)
    yield False
