"""The enriched event: the CloudEvent with its company as at the day, the basis of each outcome, and its place among the
versions, and the registry by which it was decided. What is added is at the end of `data`.

An event is written as JSON right after it was read, while its parts are at hand; only the text waits for the decision.
"""

from typing import Any, Final

import pydantic_core

from schemas.bounded_cache import Remembered
from schemas.events import Activity
from streams.company_register import Register

_SPOT: Final = b'"company":[]'
"""Placeholder for what is added. Nothing else can look like this: inside a text quotes are escaped, and neither an
extension nor a field of `data` named company may be a list."""


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
    head, _, tail = text.partition(_SPOT)
    # The revision is text: JSON numbers of 128 bits lose digits in most readers.
    return b'%b"company":%b,"basis":%b,"revision":"%d","registry_revision":%d%b' % (
        head,
        register.company_as_at(activity.company_id, activity.occurred_on),
        _bases[activity.reported, activity.derived],
        activity.revision,
        activity.registry_revision,
        tail,
    )


def _basis(outcomes: tuple[tuple[str, ...], tuple[str, ...]]) -> bytes:
    reported, derived = outcomes
    return pydantic_core.to_json({**dict.fromkeys(reported, "reported"), **dict.fromkeys(derived, "derived")})


_bases: Final = Remembered(_basis, 64)
"""As many as there are combinations of reported and derived outcomes."""
