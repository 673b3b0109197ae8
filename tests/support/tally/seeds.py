"""Which histories are checked: the usual few, or those of a long run."""

import os

LONG_RUN = "COUNTED_SEEDS"
"""Environment variable that names other seeds, as `7`, `1,5` or `100-199`; each of them is checked thoroughly."""


def seeds(usual: tuple[int, ...]) -> list[int]:
    """The seeds of this run.

    Raises:
        ValueError: the variable holds no numbers.
    """
    found: list[int] = []
    for part in os.environ.get(LONG_RUN, "").split(","):
        if part.strip():
            first, _, last = part.partition("-")
            found += range(int(first), int(last or first) + 1)
    return found or list(usual)
