"""The collector's interface as OpenAPI, with examples that are accepted as they are."""

import json
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from schemas.binding import STRUCTURED
from schemas.faults import CODES as EVENT_CODES
from sources.collector.http_events import BATCH_TYPE, CODES, LINES_TYPES
from sources.collector.problems import PROBLEM_TYPE

EXAMPLE: Final[dict[str, Any]] = {
    "specversion": "1.0",
    "id": "5f0c1e0e-0b7e-4a52-9d8e-0c5b9a1d7c11",
    "source": "https://crm.foodbio.example",
    "type": "org.clustertrack.workshop.attended.v1",
    "subject": "13748136",
    "time": "2018-05-03T14:05:09.120+02:00",
    "datacontenttype": "application/json",
    "data": {"activity_id": "WS-113/13748136", "occurred_on": "2018-05-03", "workshop_id": "WS-113"},
}
"""An event of the bundled registry's cluster."""
SECURITY: Final[list[dict[str, list[str]]]] = [{"bearer": []}, {"header": []}]
_BEARER: Final = {"type": "http", "scheme": "bearer", "description": "the key of the cluster that publishes"}
_HEADER: Final = {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "the same, another way"}

_SUMMARY: Final = "Takes events of CRMs, and says what became of them."

_TEXT: Final = {"type": "string"}
_NUMBER: Final = {"type": "integer", "minimum": 0}
_FAULT: Final = {
    "type": "object",
    "required": ["field", "code", "value", "message"],
    "properties": {
        "field": {**_TEXT, "description": "a dotted path; empty for the event as a whole"},
        "code": {**_TEXT, "enum": [*EVENT_CODES, *CODES]},
        "value": {**_TEXT, "description": "as received, shortened; masked where it may be personal data"},
        "message": {**_TEXT, "description": "what is wrong, and what to do"},
    },
}
_EVENT: Final = {
    "type": "object",
    "required": ["index", "id", "source", "status"],
    "properties": {
        "index": {**_NUMBER, "description": "place among the events sent, from 0"},
        "id": {"type": ["string", "null"]},
        "source": {"type": ["string", "null"]},
        "status": {**_TEXT, "enum": ["accepted", "rejected", "unconfirmed"]},
        "topic": _TEXT,
        "partition": _NUMBER,
        "offset": _NUMBER,
        "faults": {"type": "array", "items": {"$ref": "#/components/schemas/Fault"}},
        "faults_left_out": _NUMBER,
    },
}
_COUNTS: Final = {
    "accepted": _NUMBER,
    "rejected": _NUMBER,
    "unconfirmed": {**_NUMBER, "description": "may have arrived: send them again, what arrives twice is counted once"},
    "published": {"type": "boolean", "description": "false: only judged"},
    "events": {
        "type": "array",
        "items": {"$ref": "#/components/schemas/Event"},
        "description": "one for each event, in the order sent",
    },
}
_ANSWER: Final = {
    "type": "object",
    "required": ["accepted", "rejected", "unconfirmed", "events"],
    "properties": _COUNTS,
}
_PROBLEM: Final = {
    "type": "object",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": _TEXT,
        "title": _TEXT,
        "status": _NUMBER,
        "code": {**_TEXT, "description": "one word, which stays the same"},
        "detail": {**_TEXT, "description": "what happened, and what to do"},
        **_COUNTS,
    },
}

_ABOUT_EVENTS: Final = {
    HTTPStatus.ACCEPTED: "All events are accepted.",
    HTTPStatus.MULTI_STATUS: "Some events are accepted, others rejected.",
    HTTPStatus.UNPROCESSABLE_ENTITY: "All events are rejected.",
}
_PROBLEMS: Final = {
    HTTPStatus.BAD_REQUEST: "The body as a whole, or the question, cannot be read.",
    HTTPStatus.UNAUTHORIZED: "There is no key, or none that is valid.",
    HTTPStatus.FORBIDDEN: "All events, or the question, are about another cluster than that of the key.",
    HTTPStatus.REQUEST_TIMEOUT: "The request came too slowly.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body, or the number of events in it, is too large.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The content type or its encoding is none that is read.",
    HTTPStatus.TOO_MANY_REQUESTS: "The key has sent too much; Retry-After says when it may go on.",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "There are too many headers, or they are too long.",
    HTTPStatus.SERVICE_UNAVAILABLE: "Kafka or the ledger was too slow, or too much is in work; see Retry-After.",
}


def _content(media_type: str, name: str) -> dict[str, Any]:
    return {"content": {media_type: {"schema": {"$ref": f"#/components/schemas/{name}"}}}}


PROBLEM_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    int(s): {"description": text, **_content(PROBLEM_TYPE, "Problem")} for s, text in _PROBLEMS.items()
}
RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    **{int(s): {"description": text, **_content("application/json", "Answer")} for s, text in _ABOUT_EVENTS.items()},
    **PROBLEM_RESPONSES,
}


def request_of() -> dict[str, Any]:
    """The bodies that are read."""
    event = {"type": "object", "description": "a CloudEvent 1.0, see docs/crm-teams.md"}
    content: dict[str, Any] = {
        STRUCTURED: {"schema": event, "example": EXAMPLE},
        BATCH_TYPE: {"schema": {"type": "array", "items": event}, "example": [EXAMPLE]},
        **{name: {"schema": _TEXT, "example": json.dumps(EXAMPLE) + "\n"} for name in LINES_TYPES},
        "application/json": {
            "schema": {"type": "object", "description": "data alone, with the attributes as ce- headers"},
            "example": EXAMPLE["data"],
        },
    }
    return {"required": True, "content": content}


def headers_of() -> list[dict[str, Any]]:
    """The attributes of an event whose data is the body (binary mode)."""
    about = "attribute of an event whose data is the body; of no other"
    return [
        {
            "name": f"ce-{name}",
            "in": "header",
            "schema": _TEXT,
            "required": False,
            "example": value,
            "description": about,
        }
        for name, value in EXAMPLE.items()
        if isinstance(value, str) and name != "datacontenttype"
    ]


def description_of(app: FastAPI) -> dict[str, Any]:
    """The whole document; made once."""
    if app.openapi_schema is None:
        made = get_openapi(title=app.title, version=app.version, routes=app.routes, summary=_SUMMARY)
        for path in made["paths"].values():
            # FastAPI's own answer to what it has not validated here.
            for operation in path.values():
                operation["responses"].pop("200" if "202" in operation["responses"] else "422", None)
        made["components"] = {
            "schemas": {"Answer": _ANSWER, "Event": _EVENT, "Fault": _FAULT, "Problem": _PROBLEM},
            "securitySchemes": {"bearer": _BEARER, "header": _HEADER},
        }
        app.openapi_schema = made
    return app.openapi_schema
