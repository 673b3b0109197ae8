"""A collector in memory, with two clusters, their keys, and small limits."""

import asyncio
import json
from collections.abc import MutableMapping
from dataclasses import replace
from datetime import date
from typing import Any

from memory_delivery import MemoryDelivery
from samples import SOURCE

from schemas.clusters import Cluster, ClusterRegistry
from schemas.keys import RANDOM_BYTES, KeyVersion, hash_of, id_of, make_key
from sources.collector.collector import Answer, Collector, Limits
from sources.collector.inspection import Inspector
from sources.collector.keyring import Keyring
from sources.collector.limits import Budget

WATER = "https://crm.water.example"
STRUCTURED, BATCH, LINES = "application/cloudevents+json", "application/cloudevents-batch+json", "application/x-ndjson"
ATTRIBUTES: dict[str, Any] = {
    "ce-specversion": "1.0",
    "ce-id": "7",
    "ce-source": SOURCE,
    "ce-type": "org.clustertrack.workshop.attended.v1",
    "ce-subject": "13748136",
    "ce-time": "2018-05-03T14:05:09Z",
}
DATA = b'{"activity_id":"WS-9","occurred_on":"2018-05-03"}'
KEY, WATER_KEY, OTHER_KEY = (make_key(bytes([n]) * RANDOM_BYTES).get_secret_value() for n in (1, 2, 3))
LIMITS = Limits(
    body_bytes=200_000,
    lines_bytes=400_000,
    batch_events=20,
    lines_events=300,
    held_bytes=1_000_000,
    requests_at_once=4,
    requests_per_second=1_000,
    events_per_second=10_000,
    burst_seconds=1,
    idle_seconds=0.1,
    body_seconds=0.3,
    confirm_seconds=1,
)


def keyring() -> Keyring:
    """Two keys."""
    made = Keyring()
    for cluster, key in (("food-bio", KEY), ("water", WATER_KEY)):
        made.take(KeyVersion(id=id_of(key), cluster=cluster, hash=hash_of(key), created=1, revision=1))
    return made


class Bench:
    """A collector, and what it was given."""

    def __init__(self, **limits: Any) -> None:
        self.delivery = MemoryDelivery()
        self.waits_for = ""
        self.budget = Budget(limits.get("held_bytes", LIMITS.held_bytes))
        self.collector = Collector(
            replace(LIMITS, **limits), self.delivery, self.budget, keyring(), lambda: self.waits_for
        )
        clusters = (("food-bio", SOURCE), ("water", WATER))
        made = tuple(Cluster(slug=s, name=s, valid_from=date(2000, 1, 1), sources=(of,)) for s, of in clusters)
        self.collector.inspector = Inspector(ClusterRegistry(made, 5), allow_personal_data=False)

    def send(self, body: bytes, content_type: str = STRUCTURED, *, publish: bool = True, **headers: Any) -> Any:
        """Status and document of the answer to a request whose body comes at once."""
        answer = self.answer(body, content_type, publish=publish, **headers)
        return answer.status, json.loads(answer.body)

    def answer(self, body: bytes, content_type: str = STRUCTURED, *, publish: bool = True, **headers: Any) -> Answer:
        """The answer to it."""
        return asyncio.run(self.serve([body], content_type, publish=publish, **headers))

    async def serve(
        self, pieces: list[bytes | None], content_type: str = STRUCTURED, *, publish: bool = True, **headers: Any
    ) -> Any:
        """Serve a request; None among the pieces is a client that goes away, an empty one the end."""
        fields = {"authorization": f"Bearer {KEY}", "content-type": content_type}
        fields |= {name.replace("_", "-"): value for name, value in headers.items()}
        left = list(pieces)

        async def receive() -> MutableMapping[str, Any]:
            if not left:
                await asyncio.Event().wait()
            piece = left.pop(0)
            if piece is None:
                return {"type": "http.disconnect"}
            return {
                "type": "http.request",
                "body": piece,
                "more_body": bool(left) or (len(pieces) > 1 and piece != b""),
            }

        raw = [(name.encode(), value.encode()) for name, value in fields.items() if value]
        answer = await self.collector.serve(raw, receive, publish=publish)
        assert self.budget.held == 0
        return answer
