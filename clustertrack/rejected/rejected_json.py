"""Rejected records as a machine reads them: JSON types. Bytes are Base64, and text where they are UTF-8."""

import base64
from collections.abc import Sequence
from typing import Any

from clustertrack.rejected.actions import ActionResult, Story
from clustertrack.rejected.records import Action, RejectedRecord, replays_of
from clustertrack.rejected.rejected_text import Would
from clustertrack.rejected.replay import Results
from clustertrack.rejected.store import Count, Page, RejectedSummary
from schemas.ledger import Original
from schemas.people import masked
from sinks.set_aside import Order


def list_dict(page: Page, count: Count, *, limit: int) -> dict[str, Any]:
    """The same as JSON types."""
    return {
        "open": count.records,
        "messages": count.messages,
        "records": [_listed_dict(record, limit) for record in page.records],
        "next": str(page.records[-1].place) if page.more else None,
    }


def show_dict(record: RejectedRecord, story: Story, aside: Sequence[Order] = ()) -> dict[str, Any]:
    """Everything about one record as JSON types; bytes as Base64, and as text where they are UTF-8."""
    return {
        "place": str(record.place),
        **record.place._asdict(),
        "arrived": record.log_time.isoformat(),
        "source": record.source,
        "reason": record.reason,
        "faults": [fault._asdict() for fault in record.faults],
        "headers": [{"name": name, "value": _bytes_dict(value)} for name, value in record.headers],
        "key": _bytes_dict(record.key),
        "payload": _bytes_dict(record.payload),
        "payload_of": _original_dict(record.original),
        "receipt": story.status or None,
        "replays": replays_of(record.headers),
        "replay_of": str(story.replay_of) if story.replay_of else None,
        "done": [done_dict(done) for done in story.done],
        "set_aside": [order_dict(order) for order in aside],
    }


def order_dict(order: Order) -> dict[str, Any]:
    """An order to set records aside as JSON types."""
    return {"places": str(order), **order._asdict(), "ordered_at": order.ordered_at.isoformat()}


def done_dict(done: ActionResult) -> dict[str, Any]:
    """An action and its outcome as JSON types."""
    return {**action_dict(done.action), "status": done.status, "reason": done.reason}


def action_dict(action: Action) -> dict[str, Any]:
    """An action as JSON types."""
    return {
        "place": str(action.place),
        "action": action.action,
        "at": action.acted_at.isoformat(),
        "by": action.acted_by,
        "note": action.note,
        "replays": action.replays,
        "edited": action.edited,
        "to": str(action.to) if action.to else None,
    }


def replayed_dict(results: Results, would: Sequence[Would], *, dry_run: bool) -> dict[str, Any]:
    """The same as JSON types."""
    return {
        "dry_run": dry_run,
        "replayed": [action_dict(action) for action in results.replayed],
        "would_replay": [
            {
                "place": str(w.place),
                "to": w.to,
                "replays": w.sent.replays,
                "edited": w.sent.edited,
                "faults": [fault._asdict() for fault in w.faults],
            }
            for w in would
        ],
        "refused": refused_dicts(results),
    }


def refused_dicts(results: Results) -> list[dict[str, str]]:
    """The records that stay as they are, as JSON types."""
    return [{"place": str(refused.place), "why": refused.why} for refused in results.refused]


def _listed_dict(record: RejectedSummary, limit: int) -> dict[str, Any]:
    return {
        "place": str(record.place),
        **record.place._asdict(),
        "arrived": record.log_time.isoformat(),
        "source": masked(record.source),
        "reason": record.faults[0].code if record.faults else "",
        "faults": [{name: masked(text) for name, text in fault._asdict().items()} for fault in record.faults],
        "replays": record.replays,
        "at_limit": record.replays >= limit,
        "interrupted": record.interrupted,
        "bytes": record.size,
        **{name: value or None for name, value in record.about._asdict().items()},
    }


def _original_dict(original: Original | None) -> dict[str, Any] | None:
    return None if original is None else {"bytes": original.size, "sha256": original.sha256.hex() or None}


def _bytes_dict(value: bytes | None) -> dict[str, str | None] | None:
    if value is None:
        return None
    try:
        text: str | None = value.decode("utf-8")
    except UnicodeDecodeError:
        text = None
    return {"base64": base64.b64encode(value).decode("ascii"), "text": text}
