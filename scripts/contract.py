"""JSON Schemas (2020-12) of the types of events, and an example of each: what docs/contract holds for programs.

Structure is what pydantic says of `schemas.envelope`; what a schema can say of the meaning is added here, type by type.
A schema refuses nothing that `schemas.events` accepts, and its descriptions say what it cannot judge;
tests/scripts/test_contract.py compares the two. `scripts/printed_pages.py` writes the files.
"""

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter

from schemas.binding import MAX_FIELDS
from schemas.envelope import Envelope
from schemas.events import RETRACTION
from schemas.extensions import KEPT
from schemas.field_rules import LATEST_DAY, MEMBERSHIPS, NOT_RETRACTED
from schemas.indicators import DERIVED, EVENT_TYPES, OUTCOMES, TYPE_PREFIX, TYPE_SUFFIX

FOLDER: Final = Path(__file__).parents[1] / "docs" / "contract"
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

_BLANKS: Final = r"\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""White space of Unicode, as the engine of pydantic's patterns knows it; dialects differ in what `\\s` means."""
NOT_BLANK: Final = f"[^{_BLANKS}]"
_NOT_STRIPPED: Final = rf"[^\u001c-\u001f{_BLANKS}]"
"""The same as Python strips it."""
_BETWEEN: Final = "[ ,./:-]*"
_AROUND: Final = r"[\t-\r\u001c-\u001f ,./:-]*"
_SUBJECT: Final = (
    rf"^{_AROUND}(?:[Dd]{_BETWEEN}[Kk]{_BETWEEN})?[1-9](?:{_BETWEEN}[0-9]){{7}}{_AROUND}$|[^\u0000-\u007f]"
)
"""Other signs than ASCII are not judged: many of them are read as a digit or a separator."""
_LONGEST_SUBJECT: Final = 64
_DAYS: Final = (
    "(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|[12][0-9]))"
)
_DAY: Final = f"^[2-9][0-9]{{3}}-{_DAYS}$"
_TIME: Final = (
    f"^(?:1999|[2-9][0-9]{{3}})-{_DAYS}[Tt](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    r"(?:\.[0-9]+)?(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])$"
)
"""1999 in a zone that is behind UTC may be 2000."""

_DATA: Final[dict[str, Any]] = {"activity_id": "WS-113/13748136", "occurred_on": "2018-05-03"}
_EXAMPLES: Final[dict[str, dict[str, Any]]] = {
    "company.joined": {"activity_id": "member/13748136", "occurred_on": "2018-05-03", "membership": "member"},
    "workshop.attended": {
        **_DATA,
        "workshop_id": "WS-113",
        "title": "Digital twins in food production",
        "outcomes": ["new_competencies"],
    },
    "project.started": {**_DATA, "activity_id": "P-7/13748136", "project_id": "P-7", "title": "Protein from grass"},
    "product.launched": {**_DATA, "activity_id": "P-7/product/13748136", "product_id": "P-7", "outcomes": []},
    RETRACTION: {"activity_id": "WS-113/13748136", "reason": "entered twice"},
}
"""Data of the example of a type; any other type has `_DATA`."""

_MEANINGS: Final = {
    "specversion": "CloudEvents 1.0.",
    "id": "This publication. Not judged here: personal data in it.",
    "source": "Your CRM. Not judged here: whether the cluster registry lists it.",
    "type": "The type of the event, with its version.",
    "subject": "CVR number, 8 digits; DK 13 74 81 36 is read too. Not judged here: its modulus 11 check, and whether "
    "a text with other signs than ASCII is a number.",
    "time": "When your CRM recorded this version of the record, RFC 3339 with zone. Not judged here: 29 February, "
    "the first instant of 2000, and that it is at most 24 hours later than its arrival.",
    "datacontenttype": "application/json, or left out.",
    "dataschema": "The address of a schema of data; nothing follows from it.",
    "data_base64": "Data is JSON: never used.",
    "activity_id": "This company's part in the activity; left out, it is the id of the event. Not judged here: "
    "personal data in it.",
    "occurred_on": "The day of the activity. Not judged here: 29 February, that it is at most "
    f"{LATEST_DAY} days later than its arrival, and that it is required where activity_id differs from id.",
    "outcomes": "What the company reported. Left out, outcomes follow from the type; an empty list says that there "
    "were none.",
    "cluster": "Only where the source speaks for several clusters on that day. Not judged here: whether it is one of "
    "the source's.",
    "membership": "Only of a company that joins.",
    "reason": "Why an activity is retracted; required there.",
}
_TEXT: Final = "A text that is kept, and that nothing counts. Not judged here: personal data in it."
_EXTENSIONS: Final = (
    f"Extension attributes; kept are {', '.join(sorted(KEPT))}. Not judged here: personal data in them, and that a "
    "number is written without a fraction (1, not 1.0)."
)
_WHOLE: Final = (
    "A CloudEvent in the JSON format, as the value of a record or the body of a request. Null is the same as unset. "
    "What a schema cannot judge is said at each field; the whole is judged by POST /v1/events:validate of the "
    "collector."
)


def wire_type(name: str) -> str:
    """The type as events write it."""
    return f"{TYPE_PREFIX}{name}{TYPE_SUFFIX}"


def schema_of(name: str) -> dict[str, Any]:
    """The JSON Schema of a type of event; `name` is one of EVENT_TYPES."""
    made = deepcopy(_structure())
    data = made["properties"]["data"]
    fields = {**made["properties"], **data["properties"]}
    _add(fields["specversion"], const="1.0")
    _add(fields["type"], const=wire_type(name))
    _add(fields["subject"], maxLength=_LONGEST_SUBJECT, pattern=_SUBJECT)
    _add(fields["time"], pattern=_TIME, format="date-time")
    _add(fields["datacontenttype"], pattern=_json_type())
    made["properties"]["data_base64"] = {"type": "null"}
    made["maxProperties"] = MAX_FIELDS
    for field in ("id", "activity_id"):
        _add(fields[field], pattern=NOT_BLANK)
    _add(fields["occurred_on"], pattern=_DAY, format="date")
    _add(fields["outcomes"], items={"enum": [*OUTCOMES]})
    _add(fields["membership"], enum=[*MEMBERSHIPS])
    unused = NOT_RETRACTED if name == RETRACTION else () if name == "company.joined" else ("membership",)
    for field in unused:
        data["properties"][field] = {"type": "null"}
    if name == RETRACTION:
        data["required"] = ["activity_id", "reason"]
        for field in data["required"]:
            data["properties"][field] = _text_of(fields[field])
        _add(data["properties"]["reason"], pattern=_NOT_STRIPPED)
    for field, schema in (*made["properties"].items(), *data["properties"].items()):
        if field != "data":
            schema["description"] = _MEANINGS.get(field, _TEXT)
    head = {"$schema": DIALECT, "title": wire_type(name), "description": f"{_meaning(name)} {_WHOLE}"}
    return {**head, "type": made.pop("type"), **made, "examples": [example_of(name)]}


def example_of(name: str) -> dict[str, Any]:
    """An event of the type, which is accepted with the registry that comes with the product."""
    return {
        "specversion": "1.0",
        "id": f"first-{name}",
        "source": "https://crm.foodbio.example",
        "type": wire_type(name),
        "subject": "13748136",
        "time": "2018-05-03T14:05:09.120+02:00",
        "datacontenttype": "application/json",
        "data": dict(_EXAMPLES.get(name, _DATA)),
    }


def files() -> Iterator[tuple[Path, str]]:
    """Each file of schemas and examples, and what belongs into it."""
    for name in EVENT_TYPES:
        yield FOLDER / f"{wire_type(name)}.schema.json", as_json(schema_of(name))
        yield FOLDER / f"{wire_type(name)}.example.json", as_json(example_of(name))


def as_json(document: Any) -> str:  # noqa: ANN401  (JSON)
    """JSON for people and programs."""
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def plain(schema: Any) -> Any:  # noqa: ANN401  (JSON)
    """A schema of pydantic without titles that only repeat names, and without `anyOf` for what may be null."""
    if isinstance(schema, list):
        return [plain(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: plain(part) for key, part in schema.items() if key != "title" or not isinstance(part, str)}
    kinds = found.get("anyOf", [])
    if {"type": "null"} in kinds and len(kinds) == len(("a type", "null")):
        del found["anyOf"]
        [kind] = [one for one in kinds if one != {"type": "null"}]
        found |= kind | {"type": [kind["type"], "null"]}
    return found


def _structure() -> dict[str, Any]:
    made = plain(TypeAdapter(Envelope).json_schema())
    del made["description"]
    definitions = made.pop("$defs")
    reference = made["properties"]["data"].pop("$ref")
    made["properties"]["data"] = definitions[reference.rpartition("/")[2]]
    made["additionalProperties"]["description"] = _EXTENSIONS
    made["properties"]["data"]["description"] = "What happened; nothing about people, and no other field."
    return made


def _add(schema: dict[str, Any], **keywords: Any) -> None:  # noqa: ANN401  (JSON)
    """Keywords for a field; an enum keeps the null that the field allows."""
    if "enum" in keywords and "null" in schema["type"]:
        keywords["enum"].append(None)
    schema.update(keywords)


def _text_of(schema: dict[str, Any]) -> dict[str, Any]:
    """The field, which may not be null."""
    return {**schema, "type": "string"}


def _json_type() -> str:
    """Content types of JSON in any case, but none of a CloudEvent itself."""
    application, cloudevents, json_ = (
        "".join(f"[{letter.upper()}{letter}]" for letter in word) for word in ("application", "cloudevents", "json")
    )
    return (
        rf"^{application}/(?!{cloudevents})(?:{json_}|[A-Za-z0-9_.!#$&^-]+\+{json_})"
        r"(?:[ \t-\r]*;[^\n]*)?$"
    )


def _meaning(name: str) -> str:
    if name == RETRACTION:
        return "Takes an activity back."
    outcomes = ", ".join(DERIVED[name])
    return f"The company is helped{f'; where no outcomes are stated: {outcomes}' if outcomes else ''}."
