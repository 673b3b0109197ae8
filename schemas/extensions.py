"""Extension attributes of a CloudEvent: which are kept, and what else is in an event besides its data.

Known names only: anything can be written into an extension, and nothing here reads it. What is not listed is
left out of the enriched event; the event itself is counted.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from schemas.binding import ATTRIBUTES

KEPT: Final = frozenset(
    {
        "causationid",
        "correlationid",
        "dataclassification",
        "partitionkey",
        "recordedtime",
        "sequence",
        "sequencetype",
        "traceparent",
        "tracestate",
    }
)
"""Of the extensions that CloudEvents documents, those that trace, order or classify an event. None names a person."""
_REQUIRED: Final = 7
"""Parts that every sound event has: six attributes and `data`."""


def extensions_of(event: Mapping[str, Any]) -> Iterable[str]:
    """Names of what an event has besides the attributes of CloudEvents and its data."""
    if len(event) <= _REQUIRED + ("datacontenttype" in event):
        return ()
    return [name for name in event if name not in ATTRIBUTES and name != "data"]


def drop_extensions(event: dict[str, Any]) -> int:
    """Take out of a sound event what is not on the list. Returns how many had a value."""
    dropped = [event.pop(name) for name in extensions_of(event) if name not in KEPT]
    return sum(value is not None for value in dropped)
