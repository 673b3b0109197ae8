"""Events of a file, judged before they are sent as the worker will judge them, and its faults as sentences. Pure."""

from collections.abc import Sequence
from typing import Final

from brokers.judging import LARGEST, Judge
from brokers.record_headers import STRUCTURED
from schemas.events import Activity, Clusters
from schemas.faults import CODES, Fault
from schemas.indicators import EVENT_TYPES, OUTCOMES
from schemas.repeated_events import RepeatedEvents
from sources.files.event_builder import Event
from sources.files.jsonlines import subject_key
from sources.files.refused_rows import Refusal

_HEADERS: Final = (STRUCTURED,)
_KEY: Final = b"00000000"
"""As long as the key of every record that is accepted."""
_SURELY_FITS: Final = LARGEST - 1024
"""Bytes of a value that is not too long, with its key and header."""

ADVICE: Final = {
    "invalid_json": "write one whole JSON object in the line",
    "invalid_utf8": "save the file as UTF-8",
    "missing": "fill it in",
    "empty": "fill it in",
    "too_long": "shorten it",
    "too_many_fields": "leave out what the schema does not know",
    "invalid_type": "write it as the schema says, text in quotation marks",
    "extra_field": "leave it out",
    "personal_data": "take it out of the export; nothing that identifies a person may be sent",
    "not_allowed": "leave it out of events of this type",
    "unsupported_specversion": 'write "1.0"',
    "unknown_source": "write the source as the cluster registry has it, or have the registry's operator add it",
    "unknown_type": f"use one of {', '.join(EVENT_TYPES)}; a mapping's `values` translates your words",
    "unknown_type_version": "end the type in .v1",
    "invalid_cvr_length": "look the number up in the CVR register",
    "invalid_cvr_checksum": "look the number up in the CVR register; a digit is wrong, or two have changed places",
    "unsupported_identifier": "leave foreign companies out, they are not counted",
    "invalid_time": "write it as 2018-05-03T14:05:09+02:00, or state its format in the mapping",
    "time_without_zone": "add the zone, as in 2018-05-03T14:05:09+02:00",
    "time_too_early": "correct the year",
    "time_in_future": "correct the time, or the zone in which it is written",
    "invalid_date": "write it as 2018-05-03, or state its format in the mapping",
    "date_too_early": "correct the year",
    "date_too_late": "correct the year",
    "unknown_outcome": f"use {', '.join(OUTCOMES)}; a mapping's `values` translates your words",
    "unknown_membership": "write member or participant",
    "outside_cluster_span": "correct the day, or have the registry's operator correct the cluster's span",
    "cluster_required": "name the cluster in a column, and map it to `cluster`",
    "not_a_cluster_of_source": "write the cluster's slug as the cluster registry has it",
    "unsupported_content_type": "write application/json, or leave it out",
}
"""Fault code -> what the owner of the file does about it."""


class FileJudge:
    """Judges the events of files, all as if they arrived at one instant.

    What is accepted then is accepted later too: no limit moves backwards.

    Args:
        clusters: the cluster registry.
        arrived: the instant, ms since 1970 UTC.
        allow_personal_data: whether CPR numbers and e-mail addresses in texts are no fault.
    """

    def __init__(self, clusters: Clusters, arrived: int, *, allow_personal_data: bool) -> None:
        self._records = Judge(clusters, allow_personal_data=allow_personal_data)
        self._made = RepeatedEvents(clusters, arrived, allow_personal_data=allow_personal_data)
        self._arrived = arrived

    def __call__(self, event: Event) -> tuple[bytes | None, list[Fault]]:
        """Judge an event of a table, or a line of JSON.

        Returns:
            The key of its record, and why a worker will reject it: no faults when it will accept it.
        """
        key, value, document = event
        if document is not None and len(value) < _SURELY_FITS:
            return key, self._made.faults(document)
        found = self._records.record(_KEY if key is None else key, value, _HEADERS, self._arrived)
        if isinstance(found, list):
            return key or subject_key(value), found
        return b"%08d" % found[0].company_id, []

    def activity(self, event: Event) -> Activity | list[Fault]:
        """The row of the ledger that a worker makes of an event, or why it will reject it."""
        found = self._records.record(_KEY if event.key is None else event.key, event.value, _HEADERS, self._arrived)
        return found if isinstance(found, list) else found[0]


def refusals(file: str, line: int, faults: Sequence[Fault], *, sent: bool) -> list[Refusal]:
    """The faults of a row, each with its field, its value and what to do; `sent`: the row is sent all the same."""
    return [_refusal(file, line, one, sent=sent) for one in faults]


def _refusal(file: str, line: int, one: Fault, *, sent: bool) -> Refusal:
    field = one.field.removeprefix("data.")
    value = f" ({one.value})" if one.value else ""
    advice = ADVICE.get(one.code)
    reason = f"{CODES[one.code]}{value}" + (f": {advice}" if advice else "")
    return Refusal(file, line, field, reason, code=one.code, value=one.value, sent=sent)


def together(found: Sequence[Refusal]) -> Refusal:
    """All faults of a row as one, for the list of refused rows."""
    first = found[0]
    fields = dict.fromkeys(one.field for one in found if one.field)
    reasons = [f"{one.field}: {one.reason}" if len(found) > 1 and one.field else one.reason for one in found]
    return first._replace(field=", ".join(fields), reason="; ".join(reasons))
