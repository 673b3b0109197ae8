"""CloudEvents 1.0 on Kafka, to the letter: where the parts of an event are in a record.

The mode follows the content type: `application/cloudevents+json` is structured mode, the value is the whole event; any
other one is binary mode, headers `ce_*` are the attributes and the value is the data. Headers are UTF-8 and not
percent-encoded. Beyond the letter, a record without any of these headers is read as structured: plain producers set
none.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

import pydantic_core

from schemas.faults import MASK, MAX_VALUE, Fault, fault

CONTENT_TYPE: Final = "content-type"
ATTRIBUTE: Final = "ce_"
"""How the headers of a record begin that hold an attribute of an event in binary mode."""
STRUCTURED: Final = "application/cloudevents+json"
ATTRIBUTES: Final = frozenset(
    {"specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema"}
)
"""Attributes that CloudEvents defines; all others are extensions."""
MAX_FIELDS: Final = 64
"""Attributes of an event, and fields of its data, that are looked at: CloudEvents defines eight and the schema ten, and
pydantic takes a microsecond and 800 bytes for each one that is wrong."""
_JSON: Final = ("application/json", "application/json")
_UNREADABLE: Final = "(not UTF-8)"
_ANY_FORMAT: Final = "application/cloudevents"
_JSON_TYPE: Final = re.compile(r"application/(json|[\w.!#$&^-]+\+json)(\s*;.*)?", re.ASCII | re.IGNORECASE)


class Unbound(NamedTuple):
    """An event of binary mode, put together, and what of it cannot be read."""

    event: dict[str, Any]
    faults: list[Fault]
    unread: frozenset[str]
    """Fields that are absent from `event` because they cannot be read: nothing more is reported about them."""


def unbind(value: bytes, headers: Mapping[str, bytes | None]) -> Unbound | list[Fault] | None:
    """The event of a record in binary mode.

    Args:
        value: the record's value.
        headers: its headers `ce_*` and `content-type`, names in lower case.

    Returns:
        None in structured mode; faults alone where the record is in neither mode.
    """
    if is_structured(headers):
        return None
    given = headers.get(CONTENT_TYPE)
    content_type, media_type = _JSON if given is None else _content_type(given)
    attributes = {
        name[len(ATTRIBUTE) :]: raw for name, raw in headers.items() if raw is not None and name.startswith(ATTRIBUTE)
    }
    if given is None and not attributes:
        return None  # only headers that are null, the same as unset
    if len(attributes) > MAX_FIELDS:
        return [fault("", "too_many_fields", len(attributes))]
    sound = is_json_type(content_type)
    if not sound:
        code = "invalid_header" if media_type == _UNREADABLE else "unsupported_content_type"
        refused = fault("datacontenttype", code, content_type)
        if not attributes or media_type.startswith(_ANY_FORMAT):
            return [refused]
    event: dict[str, Any] = {}
    faults: list[Fault] = []
    for name, raw in attributes.items():
        try:
            event[name] = raw.decode("utf-8")
        except UnicodeDecodeError:
            shown = repr(raw[:MAX_VALUE]) if name in ATTRIBUTES else MASK
            faults.append(fault(name, "invalid_header", shown))
    unread = {f.field for f in faults} | {"data"}
    if not sound:
        faults.append(refused)
        event.pop("datacontenttype", None)
    elif attributes:  # else it is not a CloudEvent, and the meaning of the value is unknown
        event["datacontenttype"] = content_type
        data = parse(value, "data")
        if isinstance(data, Fault):
            faults.append(data)
        else:
            event["data"] = data
            unread.discard("data")
    return Unbound(event, faults, frozenset(unread))


def is_structured(headers: Mapping[str, bytes | None]) -> bool:
    """Whether headers say that the value is the whole event: then nothing else in them counts."""
    given = headers.get(CONTENT_TYPE)
    return given is not None and _content_type(given)[1] == STRUCTURED


def is_json_type(content_type: str) -> bool:
    """Whether data of this content type is JSON that is not itself an event."""
    return _JSON_TYPE.fullmatch(content_type) is not None and not content_type.lower().startswith(_ANY_FORMAT)


@lru_cache(maxsize=16)
def _content_type(raw: bytes) -> tuple[str, str]:
    """The content type as text, and without its parameters in lower case."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return repr(raw), _UNREADABLE
    return text, text.partition(";")[0].strip().lower()


def parse(value: bytes, field: str = "") -> Any:  # noqa: ANN401  (JSON)
    """The value as JSON, or a fault: it says where, but quotes nothing, as the text may be about people."""
    try:
        return pydantic_core.from_json(value, allow_inf_nan=False)
    except ValueError as error:
        try:
            value.decode("utf-8")
        except UnicodeDecodeError as undecodable:
            return fault(field, "invalid_utf8", f"byte {undecodable.start}: 0x{value[undecodable.start]:02x}")
        return fault(field, "invalid_json", str(error))
