"""The enriched event: the CloudEvent with its company as at the day, the basis of each outcome, and its place among the
versions. What is added stands at the end of `data`.

An event is written as JSON at once when it was read, while its parts are at hand; only the text waits for the decision.
"""

from functools import lru_cache
from typing import Any, Final

import pydantic_core

from schemas.events import Activity
from streams.register import Register

_SPOT: Final = b'"company":[]'
"""Holds the place of what is added. Nothing else reads so: inside a text quotes are escaped, and neither an extension
nor a field of `data` named company may be a list."""


def written(document: dict[str, Any]) -> bytes:
    """A sound event as JSON, with a spot for what `enriched` adds."""
    document["data"]["company"] = ()
    return pydantic_core.to_json(document)


def enriched(text: bytes, activity: Activity, register: Register) -> bytes:
    """The value of an enriched record.

    Args:
        text: the event as `written`.
        activity: its row.
        register: the company register as known now.
    """
    company = register.company_as_at(activity.company_id, activity.occurred_on)
    # The revision is text: JSON numbers of 128 bits lose digits in most readers.
    added = b'"company":%b,"basis":%b,"revision":"%d"' % (
        company,
        _basis(activity.reported, activity.derived),
        activity.revision,
    )
    return text.replace(_SPOT, added, 1)


@lru_cache(maxsize=64)  # as many as there are combinations of outcomes
def _basis(reported: tuple[str, ...], derived: tuple[str, ...]) -> bytes:
    return pydantic_core.to_json({**dict.fromkeys(reported, "reported"), **dict.fromkeys(derived, "derived")})
