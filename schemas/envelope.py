"""What an event is made of: its fields and their JSON types. Structure is pydantic's work; what it finds is reported
here.

Light targets (TypedDicts) because every event passes here: a whole one takes about 2 us.
"""

from typing import Annotated, Any, Final, NotRequired

from pydantic import ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from schemas.binding import ATTRIBUTES, MAX_FIELDS
from schemas.faults import MASK, Fault, fault

LONGEST_ID: Final = 200
"""Characters of an id; other texts may be longer."""
_Id = Annotated[str, StringConstraints(max_length=LONGEST_ID, pattern=r"\S")]
_Detail = Annotated[str, StringConstraints(max_length=500)] | None
"""A text that the ledger keeps, but nothing counts. A field of this kind is a line in `EventData` and nothing else:
mapping files, the ledger's `details` and the table in docs/crm-teams.md follow."""
_NotEmpty = Annotated[str, StringConstraints(min_length=1)]
_Integer = Annotated[int, Field(ge=-(2**31), lt=2**31)]


class EventData(TypedDict, total=False):
    """The `data` of an event. Nothing else may be in it; null is the same as unset."""

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)  # type: ignore[misc]  # where pydantic looks for it

    activity_id: _Id | None
    occurred_on: str | None
    outcomes: Annotated[list[str], Field(max_length=100)] | None
    cluster: str | None
    membership: str | None
    reason: _Detail
    workshop_id: _Detail
    project_id: _Detail
    product_id: _Detail
    title: _Detail


DETAILS: Final = tuple(name for name, kind in EventData.__annotations__.items() if kind == _Detail)
"""The fields that the ledger keeps as canonical JSON, in the order of the schema."""


class Envelope(TypedDict, extra_items=str | bool | _Integer | None):  # type: ignore[call-arg]  # mypy knows no extra_items
    """A CloudEvent 1.0. Extension attributes pass through; CloudEvents knows no objects, lists or fractions in them."""

    __pydantic_config__ = ConfigDict(strict=True)  # type: ignore[misc]  # where pydantic looks for it

    specversion: str
    id: _Id
    source: _NotEmpty
    type: _NotEmpty
    subject: _NotEmpty
    time: str
    datacontenttype: NotRequired[str | None]
    dataschema: NotRequired[str | None]
    data: EventData


_ENVELOPE: Final = TypeAdapter(Envelope)
validate_json: Final = _ENVELOPE.validator.validate_json
"""Bytes of an event -> the event; pydantic's ValidationError."""
validate_python: Final = _ENVELOPE.validator.validate_python
"""Parts of an event -> the event; pydantic's ValidationError."""

_CODES: Final = {
    "missing": "missing",
    "extra_forbidden": "extra_field",
    "string_too_long": "too_long",
    "too_long": "too_long",
    "string_too_short": "empty",
    "string_pattern_mismatch": "empty",
}
"""pydantic's error types -> our codes; any other is a wrong JSON type."""


def too_many_fields(event: dict[str, Any]) -> Fault | None:
    """The fault of an event that has more fields than are looked at; asked before each of them is."""
    data = event.get("data")
    most = max(len(event), len(data) if isinstance(data, dict) else 0)
    return fault("", "too_many_fields", most) if most > MAX_FIELDS else None


_UNSET: Final = dict.fromkeys(sorted(Envelope.__required_keys__))


def structure_faults(error: ValidationError, event: dict[str, Any]) -> tuple[list[Fault], set[str], dict[str, Any]]:
    """What pydantic found wrong with an event.

    Returns:
        The faults; the fields that they are about (`data.title`); and what of the event is sound in structure, with
        None for what is not.
    """
    faults: dict[str, Fault] = {}
    bad: set[str] = set()
    data = event.get("data")
    data = {**data} if isinstance(data, dict) else {}
    sound = {**_UNSET, **event, "data": data}
    for found in error.errors(include_url=False, include_context=False):
        top, *path = found["loc"]
        known = top in ATTRIBUTES or top == "data"
        if not known and str(top) in faults:
            continue  # an extension that fits none of its types has an error for each of them, and one fault
        name = ".".join(map(str, (top, *path))) if known else str(top)
        given = found["input"]
        code = _CODES.get(found["type"], "invalid_type")
        if code == "missing" or (code == "invalid_type" and given is None):  # null is unset
            faults[name] = fault(name, "missing")
        else:
            faults[name] = fault(name, code, MASK if name == "data" or not known else given)
        if top != "data":
            sound[str(top)] = None
            bad.add(name)
        elif not path:
            bad.add("data")
        elif len(path) == 1:
            bad.add(name)
            data.pop(path[0], None)
        else:  # only `outcomes` has parts: the sound ones can still be judged
            bad.add(f"data.{path[0]}")
            data[path[0]] = [part for part in data[path[0]] if isinstance(part, str)]
    return list(faults.values()), bad, sound
