"""The questions of publishers in OpenAPI: parameters, examples, and what is answered."""

from http import HTTPStatus
from typing import Any, Final

from sources.collector.api_description import EXAMPLE, PROBLEM_RESPONSES, SECURITY

_OBJECT: Final = {"type": "object", "additionalProperties": True}
_DAY: Final = {"type": "string", "format": "date"}
_ID: Final = {"type": "string", "minLength": 1, "maxLength": 200}
SLUG: Final = "food-bio"
"""Of the bundled registry's cluster whose event is the example."""

_STATUSES: Final = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
_OF_BODIES: Final = (
    *_STATUSES,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
)


def _parameter(
    name: str, schema: dict[str, Any], example: str | None, description: str, *, required: bool = True
) -> dict[str, Any]:
    found = {"name": name, "in": "query", "schema": schema, "required": required, "description": description}
    return found if example is None else {**found, "example": example}


def _operation(
    description: str, properties: dict[str, Any], *parameters: dict[str, Any], body: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Arguments of FastAPI for one of the addresses."""
    schema = {"type": "object", "required": list(properties), "properties": properties, "additionalProperties": True}
    statuses = _STATUSES if body is None else _OF_BODIES
    return {
        "responses": {
            200: {"description": description, "content": {"application/json": {"schema": schema}}},
            **{int(status): PROBLEM_RESPONSES[int(status)] for status in statuses},
        },
        "openapi_extra": {
            "security": SECURITY,
            **({"parameters": list(parameters)} if parameters else {}),
            **({"requestBody": {"required": True, "content": {"application/json": body}}} if body else {}),
        },
    }


def _list_of(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": item}


_SOURCE: Final = _parameter("source", {"type": "string"}, EXAMPLE["source"], "as it was sent")
_OF_DAYS: Final = (
    _parameter("from", _DAY, "2018-05-01", "first Danish day"),
    _parameter("to", _DAY, "2018-05-31", "last Danish day, at most a year later"),
    _parameter("source", {"type": "string"}, None, "one of the cluster's sources; without it all", required=False),
)
STATE: Final = {
    "type": "string",
    "enum": ["waiting", "unknown", "accepted", "corrected", "retracted", "duplicate", "rejected"],
}

EVENT: Final = _operation(
    "What became of it, in a sentence and in detail.",
    {"sentence": {"type": "string"}, "source": {"type": "string"}, "state": STATE, "rejected": _list_of(_OBJECT)},
    _SOURCE,
    _parameter("id", _ID, EXAMPLE["id"], "of the event; or give `activity`", required=False),
    _parameter("activity", _ID, None, "activity_id, or the id of an event without one; or give `id`", required=False),
)
CLUSTERS: Final = _operation(
    "One cluster: slug, name and sources.",
    {"clusters": _list_of({"type": "object", "required": ["slug", "name", "sources"]})},
)
DAYS: Final = _operation(
    "Counts; days without any are left out.",
    {
        "cluster": {"type": "string"},
        "first": _DAY,
        "last": _DAY,
        "arrived": _list_of(_OBJECT),
        "took_place": _list_of(_OBJECT),
        "as_of": {"type": "string", "format": "date-time"},
        "unread": {
            "type": ["integer", "null"],
            "description": "events of all publishers that no worker had read by then; null where it is not known",
        },
    },
    *_OF_DAYS,
)
REJECTED: Final = _operation(
    "Rejected records, the newest first.",
    {
        "cluster": {"type": "string"},
        "first": _DAY,
        "last": _DAY,
        "rejected": _list_of(_OBJECT),
        "refused": {**_list_of(_OBJECT), "description": "what this collector rejected since it started; nowhere else"},
    },
    *_OF_DAYS,
)
COMPARE: Final = _operation(
    "What differs, each part in the order of the ids.",
    {
        "source": {"type": "string"},
        "equal": {"type": "boolean"},
        "same": {"type": "integer"},
        "missing": _list_of(_OBJECT),
        "different": _list_of(_OBJECT),
        "extra": _list_of(_OBJECT),
    },
    body={
        "schema": {
            "type": "object",
            "required": ["source", "ids"],
            "additionalProperties": False,
            "properties": {
                "source": {"type": "string"},
                "ids": {
                    "description": "activity ids; or an object of them with the hash of each, or null",
                    "anyOf": [
                        {"type": "array", "items": _ID, "maxItems": 10_000},
                        {"type": "object", "additionalProperties": {"type": ["string", "null"]}},
                    ],
                },
                "from": {**_DAY, "description": "first day of the activities that the list has all of"},
                "to": {**_DAY, "description": "last of these days; give both or neither"},
                "after": {"type": "string", "description": "the list has only ids after this one"},
                "until": {"type": "string", "description": "and only up to this one"},
            },
        },
        "example": {
            "source": EXAMPLE["source"],
            "ids": [EXAMPLE["data"]["activity_id"]],
            "from": "2018-05-01",
            "to": "2018-05-31",
        },
    },
)
