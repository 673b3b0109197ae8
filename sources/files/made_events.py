"""The CloudEvents that are made here, of rows and of what a full export lacks. Pure."""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

from pydantic_core import to_json


def content_id(content: Sequence[object]) -> str:
    """An id that follows from what an event says: the same content is the same event."""
    return blake2b(to_json(content), digest_size=16).hexdigest()


def cloud_event(
    event_id: str, *, source: str, kind: str, subject: str, time: str, data: Mapping[str, Any]
) -> dict[str, Any]:
    """An event in the form that is sent; `kind` is its whole type."""
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": source,
        "type": kind,
        "subject": subject,
        "time": time,
        "datacontenttype": "application/json",
        "data": data,
    }
