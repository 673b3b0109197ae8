"""The topics as AsyncAPI 3.0 (docs/contract/asyncapi.yaml): keys, headers, content types and how long each is kept.

`scripts/printed_pages.py` writes the file. Policies are those of `brokers.topics`, bodies those of the models.
"""

from collections.abc import Iterator
from typing import Any, Final

import yaml
from contract import FOLDER, plain, wire_type
from pydantic import BaseModel

from brokers.record_headers import FAULTS, LINE, ORIGIN, REASON
from brokers.topics import COMPANIES, DAY_MS, ENRICHED, EVENTS, KEYS, REGISTRY, REJECTED, topic_specs
from clustertrack import __version__
from schemas.binding import CONTENT_TYPE, STRUCTURED
from schemas.company import CompanyVersion
from schemas.indicators import EVENT_TYPES
from schemas.keys import KeyVersion
from schemas.registry_document import Registry

FILE: Final = FOLDER / "asyncapi.yaml"
_JSON: Final = "application/json"
_CVR: Final = {"type": "string", "pattern": "^[1-9][0-9]{7}$", "description": "the CVR number, 8 digits as text"}
_TEXT: Final = {"type": "string"}
_LINE: Final = {LINE: {**_TEXT, "description": "file and line that publish or companies load made the record from"}}
_ORIGIN: Final = {**_TEXT, "description": "topic/partition/offset of the record that this one comes from"}
_STRUCTURED: Final = {**_TEXT, "pattern": f"^{STRUCTURED.replace('+', '[+]')}(?: *;.*)?$"}
_REQUIRED: Final = ("specversion", "id", "source", "type", "subject", "time")

_MODELS: Final[dict[str, tuple[type[BaseModel], str, dict[str, Any]]]] = {
    COMPANIES: (CompanyVersion, "A version of a company.", {**_TEXT, "description": "CVR/valid_from"}),
    REGISTRY: (Registry, "A version of the registry.", {**_TEXT, "description": "the revision, in digits"}),
    KEYS: (KeyVersion, "A version of a key of the collector.", {**_TEXT, "description": "the key's id"}),
}
"""Topic -> the model of its records, what one is, and the key of a record."""

_CHANNELS: Final = {
    EVENTS: "CloudEvents as published: by the collector, by `clustertrack publish` and by trusted services.",
    COMPANIES: "Versions of companies, from `clustertrack companies load`.",
    REGISTRY: "Versions of the registry of clusters, from `clustertrack registry load`; the highest is in force.",
    KEYS: "Versions of the collector's keys, hashed, from `clustertrack keys`; the highest revision of each counts.",
    ENRICHED: "Accepted events with their company as at the day, the basis of each outcome and their revision.",
    REJECTED: "Records that were rejected: the original bytes and headers, and what is wrong.",
}


def asyncapi() -> str:
    """The document as YAML."""
    messages = {**dict(_event_messages()), **dict(_model_messages()), **_derived_messages()}
    document = {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Topics of clustertrack",
            "version": __version__,
            "description": "What the pipeline receives and sends over Kafka. CRMs publish over HTTP; see crm-teams.md.",
        },
        "defaultContentType": _JSON,
        "channels": {name: _channel(name, messages) for name in _CHANNELS},
        "operations": {
            f"{'send' if name in (ENRICHED, REJECTED) else 'receive'}.{name}": {
                "action": "send" if name in (ENRICHED, REJECTED) else "receive",
                "channel": {"$ref": f"#/channels/{name}"},
                "summary": meaning,
            }
            for name, meaning in _CHANNELS.items()
        },
        "components": {
            "messages": {name: message for name, (_, message) in messages.items()},
            "schemas": dict(_schemas()),
        },
    }
    head = "# Printed by scripts/printed_pages.py.\n"
    return head + yaml.dump(document, Dumper=_NoAliases, sort_keys=False, allow_unicode=True, width=119)


class _NoAliases(yaml.SafeDumper):
    """Writes what is used twice out twice."""

    def ignore_aliases(self, data: object) -> bool:
        del data
        return True


def _channel(name: str, messages: dict[str, tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    [config] = [spec.config for spec in topic_specs("", partitions=1) if spec.name == name]
    policy: dict[str, Any] = {"cleanup.policy": [config["cleanup.policy"]]}
    policy |= {
        key: int(config[key]) for key in ("retention.ms", "retention.bytes", "max.message.bytes") if key in config
    }
    days = int(config.get("retention.ms", "0")) // DAY_MS
    kept = f"Kept for {days} days." if days else "Compacted: the newest record of each key is kept."
    return {
        "address": name,
        "description": f"{_CHANNELS[name]} {kept} Kafka stamps the arrival ({config['message.timestamp.type']}).",
        "messages": {
            key: {"$ref": f"#/components/messages/{key}"} for key, (channel, _) in messages.items() if channel == name
        },
        "bindings": {"kafka": {"topic": name, "topicConfiguration": policy, "bindingVersion": "0.5.0"}},
    }


def _message(
    title: str, content_type: str, key: dict[str, Any], payload: dict[str, Any], headers: dict[str, Any], *needed: str
) -> dict[str, Any]:
    return {
        "title": title,
        "contentType": content_type,
        "headers": {"type": "object", "required": [*needed], "properties": headers},
        "payload": payload,
        "bindings": {"kafka": {"key": key, "bindingVersion": "0.5.0"}},
    }


def _event_messages() -> Iterator[tuple[str, tuple[str, dict[str, Any]]]]:
    headers = {CONTENT_TYPE: {**_STRUCTURED, "description": "structured mode: the value is the whole event"}, **_LINE}
    for name in EVENT_TYPES:
        payload = {
            "schemaFormat": "application/schema+json;version=draft-2020-12",
            "schema": {"$ref": f"./{wire_type(name)}.schema.json"},
        }
        yield name, (EVENTS, _message(wire_type(name), STRUCTURED, _CVR, payload, headers, CONTENT_TYPE))
    attributes = {f"ce_{name}": {**_TEXT, "description": "UTF-8, not percent-encoded"} for name in _REQUIRED}
    headers = {CONTENT_TYPE: {**_TEXT, "description": "the content type of the data"}, **attributes}
    data = {"type": "object", "description": "the data of any of the other messages; its attributes are headers ce_*"}
    binary = _message("any of these in binary mode", _JSON, _CVR, data, headers, *attributes)
    yield "binary", (EVENTS, binary)


def _model_messages() -> Iterator[tuple[str, tuple[str, dict[str, Any]]]]:
    for topic, (model, title, key) in _MODELS.items():
        payload = {"$ref": f"#/components/schemas/{model.__name__}"}
        yield model.__name__, (topic, _message(title, _JSON, key, payload, _LINE if topic == COMPANIES else {}))


def _derived_messages() -> dict[str, tuple[str, dict[str, Any]]]:
    added = {
        "company": {"type": "object", "description": "the company as at the day of the activity"},
        "basis": {"type": "object", "additionalProperties": {"enum": ["reported", "derived"]}},
        "revision": {**_TEXT, "description": "place among the versions of the activity, up to 128 bits in digits"},
        "registry_revision": {"type": "integer", "description": "the registry by which the cluster was found"},
    }
    payload = {
        "type": "object",
        "description": "the event as published, without extensions that are not kept; what is added ends its data",
        "properties": {"data": {"type": "object", "required": [*added], "properties": added}},
    }
    enriched = _message(
        "an accepted event with its company",
        STRUCTURED,
        _CVR,
        payload,
        {CONTENT_TYPE: _STRUCTURED, ORIGIN: _ORIGIN},
        CONTENT_TYPE,
        ORIGIN,
    )
    wrong = {
        REASON: {**_TEXT, "description": "code of the first fault"},
        FAULTS: {**_TEXT, "description": "all faults as JSON, each with field, code and value"},
        ORIGIN: _ORIGIN,
    }
    rejected = _message(
        "a rejected record",
        "application/octet-stream",
        {**_TEXT, "description": "as it came"},
        {"description": "as it came; null where it is too large, and in the ledger only"},
        wrong,
        *wrong,
    )
    return {"enriched": (ENRICHED, enriched), "rejected": (REJECTED, rejected)}


def _schemas() -> Iterator[tuple[str, Any]]:
    for model, _, _ in _MODELS.values():
        made = plain(model.model_json_schema(ref_template="#/components/schemas/{model}"))
        yield from made.pop("$defs", {}).items()
        yield model.__name__, made
