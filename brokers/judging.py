"""Why a record is rejected: the one judgement that the worker, `publish` and `rejected replay --dry-run` share. Pure.

What an event means is judged by `schemas.events`; here are the limits of a record as a whole, its headers included.
"""

from collections.abc import Sequence
from typing import Any, Final

from brokers.batches import KEPT_HEADERS
from brokers.record_headers import NO_HEADERS, OWN, RawHeaders, read_headers
from schemas.events import Activity, Clusters, read_event
from schemas.faults import Fault, fault

LARGEST: Final = 1_000_000
"""Bytes of key, value and headers up to which a record is read, whether as it came or as JSON writes it. A larger one
could neither be sent on nor enriched within the limits of those topics, and would stop the worker there."""
MAX_HEADERS: Final = 1000
"""Headers that a record may have; CloudEvents needs some ten."""
MAX_OWN_HEADERS: Final = KEPT_HEADERS - MAX_HEADERS
MAX_OWN_BYTES: Final = 8_000
"""The pipeline's own headers, and bytes of them, that a record may have besides: a record that was right as it came is
right when it was sent on or replayed. It has at most three, and topics have room for as many bytes."""

Sound = tuple[Activity, dict[str, Any], bytes | None]
"""Of a record that is accepted: its row, its event, and where its record was before."""


def too_many(headers: RawHeaders) -> bool:
    """Whether a record has more headers than it may have, or more than that of the pipeline's own."""
    number = len(headers)
    if MAX_HEADERS < number <= MAX_HEADERS + MAX_OWN_HEADERS:
        number -= sum(name.startswith(OWN) for name, _ in headers)
    return number > MAX_HEADERS


class Judge:
    """Judges records by one cluster registry.

    Args:
        clusters: the cluster registry.
        allow_personal_data: whether CPR numbers and e-mail addresses in texts are no fault.
    """

    __slots__ = ("_allowed", "_clusters", "_last", "_read")

    def __init__(self, clusters: Clusters, *, allow_personal_data: bool) -> None:
        self._clusters, self._allowed = clusters, allow_personal_data
        self._last: RawHeaders = ()
        self._read = NO_HEADERS

    def record(self, key: bytes | None, value: bytes | None, headers: RawHeaders, arrived: int) -> Sound | list[Fault]:
        """The activity of a record, or everything wrong with it.

        Args:
            key: as it came.
            value: as it came.
            headers: as they came.
            arrived: ms since 1970 UTC.
        """
        size = len(value or b"") + len(key or b"")
        read = NO_HEADERS
        if headers:
            if too_many(headers):
                return [fault("", "too_many_headers", len(headers))]
            if headers != self._last:  # records of one publisher mostly have the same ones
                self._last, self._read = headers, read_headers(headers)
            read = self._read
            size += read.written - min(read.own, MAX_OWN_BYTES)
        if size > LARGEST:
            return [fault("", "too_long", size)]
        found = read_event(value, read.event, arrived, self._clusters, self._allowed)
        return found if isinstance(found, list) else (*found, read.origin)


def kept(headers: Sequence[tuple[str, bytes | None]]) -> Sequence[tuple[str, bytes | None]]:
    """The headers that are kept of a rejected record: all, unless they are too many."""
    return headers[:MAX_HEADERS] if too_many(headers) else headers
