"""A fault that a search finds in a minute only if it is guided by coverage: each condition is one step further."""

from typing import Any

from schemas import events

_read = events.read_event


def _faulty(value: Any, *others: Any) -> Any:
    found = _read(value, *others)
    if isinstance(found, tuple):
        row, event = found
        if row.reported:  # noqa: SIM102  (the same)
            if event["data"].get("cluster"):  # noqa: SIM102  (each is a branch of its own)
                if event["data"].get("product_id"):
                    raise RuntimeError("the planted fault was found")
    return found


events.read_event = _faulty
