"""What is wrong with a record, in words that a publisher can act on.

A record is rejected with all of its faults at once. A fault is three short texts: the field (a dotted path; empty for
the record as a whole), a code from the list below, and the value as received, cut to 200 characters. Values that may be
personal data are masked: those in a field that the schema does not know, those that are not a single value, and those
with the fault `personal_data`; of any other value only the CPR numbers and e-mail addresses in it.
"""

from typing import Final, NamedTuple

from schemas.people import MASK as PEOPLE_MASK
from schemas.people import masked

MASK: Final = PEOPLE_MASK

MAX_VALUE: Final = 200
"""Characters of a value that a fault keeps; the record itself is kept whole next to it."""
MAX_FAULTS: Final = 100
"""Most faults that are reported about one record: the list has to fit next to the record itself."""

SET_ASIDE: Final = "set_aside"
"""Code of a record that was not read."""

CODES: Final[dict[str, str]] = {
    "invalid_json": "the value is not one JSON object",
    "invalid_utf8": "the bytes are not UTF-8",
    "missing": "a required field is absent or null",
    "empty": "the text is empty or blank",
    "too_long": "the text, or the whole record, is longer than allowed",
    "too_many_headers": "the record has more than 1,000 headers, not counting those that the pipeline adds",
    "too_many_fields": "the event has more than 64 attributes, or its data or the register record more than 64 fields",
    "unreadable": "the record cannot be read out of the batch in which it was sent",
    "invalid_type": "the JSON type is not the one of this field",
    "extra_field": "the schema has no such field; nothing about people may enter",
    "personal_data": "a CPR number or an e-mail address is in the text",
    "not_allowed": "the field does not go with this type of event",
    "unsupported_specversion": "only CloudEvents 1.0 is read",
    "unknown_source": "the cluster registry does not list this source",
    "unknown_type": "no such type of event",
    "unknown_type_version": "the type is known, this version of it is not",
    "invalid_cvr_length": "a CVR number has 8 digits",
    "invalid_cvr_checksum": "the CVR number fails its modulus 11 check",
    "unsupported_identifier": "the number is not Danish",
    "invalid_time": "not an RFC 3339 time",
    "time_without_zone": "the time has no zone",
    "time_too_early": "the time is before 2000",
    "time_in_future": "the time is more than 24 hours after the record arrived",
    "invalid_date": "not a date YYYY-MM-DD",
    "date_too_early": "the day is before 2000",
    "date_too_late": "the day is more than 366 days after the record arrived",
    "unknown_outcome": "no such outcome",
    "unknown_membership": "membership is member or participant",
    "outside_cluster_span": "no cluster of this source existed on that day",
    "cluster_required": "the source has several clusters on that day: name one",
    "not_a_cluster_of_source": "the cluster is not one of the source's on that day",
    "unsupported_content_type": "the content type is neither a CloudEvent nor JSON",
    "invalid_header": "a CloudEvents header cannot be read",
    "tombstone": "the record has no value",
    "misrouted": "the record was sent on once and is still on the wrong partition",
    "unprocessable": "the worker cannot process this record",
    "not_storable": "the ledger cannot store this record",
    "set_aside": "an operator had this record set aside; it was not read",
}
"""Code -> meaning. Codes of the company register are in `schemas.company`."""


_LOOKED_AT: Final = 2 * MAX_VALUE
"""Characters of a value that are searched: what is shown must not be the beginning of something that is longer."""


class Fault(NamedTuple):
    """One thing that is wrong with a record."""

    field: str
    code: str
    value: str


def fault(field: str, code: str, value: object = "") -> Fault:
    """A fault whose texts are shortened, and masked where they may be personal data."""
    if code == "extra_field" or isinstance(value, dict | list):
        return Fault(_shown(field), code, MASK)
    text = value if isinstance(value, str) else repr(value)
    hidden = code == "personal_data" or (field == "subject" and _of_a_person(text))
    return Fault(_shown(field), code, MASK if hidden or text == MASK else _shown(text))


def _of_a_person(text: str) -> bool:
    """Whether the text may be a person's name or number: the latter has 10 digits, 9 where a spreadsheet cut a zero."""
    digits = sum(character.isdigit() for character in text[:MAX_VALUE])
    return digits in (9, 10) or (digits == 0 and bool(text))


def _shown(text: str) -> str:
    shown = masked(text[:_LOOKED_AT], MAX_VALUE)
    # Lone surrogates cannot be written as UTF-8 anywhere: show them escaped.
    return shown if shown.isascii() else shown.encode("utf-8", "backslashreplace").decode("utf-8")
