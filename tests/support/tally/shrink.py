"""Makes a history that shows a difference smaller, so that a failure is read in a minute."""

import time
from collections.abc import Callable
from typing import Any

from tally.records import History

Fails = Callable[[History], bool]
SECONDS = 60
"""How long to shrink a failure; the result by then is printed."""


def smaller(history: History, fails: Fails, seconds: float = SECONDS) -> History:
    """A part of the history that still fails: activities, then companies, then single deliveries left out."""
    deadline = time.monotonic() + seconds
    for name, key in (
        ("activities", lambda row: row.identity),
        ("companies", lambda row: row.company_id),
        ("receipts", lambda row: row[:4]),
        ("registries", lambda row: row),
        ("activities", lambda row: row),
        ("companies", lambda row: row),
    ):
        history = _smaller_in(history, name, key, fails, deadline)
    return history


def _smaller_in(history: History, name: str, key: Callable[[Any], Any], fails: Fails, deadline: float) -> History:
    """Leave out groups of rows, in halves, quarters and so on, as long as the rest still fails."""
    share = 2
    while time.monotonic() < deadline:
        groups = list(dict.fromkeys(map(key, getattr(history, name))))
        step = max(1, len(groups) // share)
        reduced = None
        for start in range(0, len(groups), step):
            left_out = set(groups[start : start + step])
            rest = [row for row in getattr(history, name) if key(row) not in left_out]
            trial = History(**{**vars(history), name: rest})
            if time.monotonic() < deadline and fails(trial):
                reduced = trial
                break
        if reduced is not None:
            history = reduced
        elif step == 1:
            break
        else:
            share *= 2
    return history


def listed(history: History, limit: int = 30) -> str:
    """The rows of a small history, one a line."""
    rows = [*history.activities, *history.companies, *history.registries, *history.receipts]
    lines = [f"  {row}" for row in rows[:limit]]
    return "\n".join(lines + ([f"  and {len(rows) - limit} more"] if len(rows) > limit else []))
