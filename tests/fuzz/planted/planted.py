"""A fault that none of the fuzzer's first inputs shows: an accepted event with an unknown outcome."""

from typing import Any

from schemas import events

_read = events.read_event


def _faulty(value: Any, *others: Any) -> Any:
    found = _read(value, *others)
    if isinstance(found, tuple):
        row, event = found
        if row.reported and event["specversion"] == "1.0":
            raise RuntimeError("the planted fault was found")
    return found


events.read_event = _faulty  # type: ignore[assignment]  # it hands its arguments on
