"""The events of one request: judged in portions, handed over, and answered for one by one in the order sent."""

import asyncio
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from itertools import islice
from typing import Any, Final, NamedTuple

from schemas.faults import Fault
from schemas.people import masked
from sources.collector import collector_metrics as metrics
from sources.collector.confirmed import Confirmed, digest_of, name_of
from sources.collector.delivery import Delivery, NotTakenError, Shipment
from sources.collector.http_events import Candidate
from sources.collector.inspection import OTHER_CLUSTER, Inspector, OutRecord, message_of
from sources.collector.problems import as_json
from sources.collector.refusals import Refusals

AT_ONCE: Final = 50
"""Events that are judged without a break for the event loop; the largest ones take ten times as long as usual ones."""
_PORTION: Final = 64 << 10
"""Bytes of events, likewise."""
_AHEAD: Final = 40
"""Portions of one request that may be unconfirmed before it waits for the first of them."""
_FAULTS: Final = 10_000
"""Faults that one answer lists; of further events only the first one, so that no answer grows without end."""
_SHOWN: Final = 200
"""Characters of an id or a source that an answer repeats."""


@dataclass(frozen=True)
class Tools:
    """What the work of every request shares."""

    delivery: Delivery
    confirmed: Confirmed
    refusals: Refusals
    confirm_seconds: float


class _Sent(NamedTuple):
    shipment: Shipment
    until: float
    """Of the monotonic clock."""
    parts: Sequence[tuple[dict[str, Any], bytes, int]]
    """The answer about each record, to be completed, the record's digest, and what is remembered of its id."""


class Work:
    """Takes the events of one request.

    Args:
        tools: shared with other requests.
        inspector: by the registry in force when the request began.
        cluster: whose key it has.
        publish: False only judges.
    """

    def __init__(self, tools: Tools, inspector: Inspector, cluster: str, *, publish: bool) -> None:
        self._tools, self._inspector, self._cluster, self._publish = tools, inspector, cluster, publish
        self._sent: deque[_Sent] = deque()
        self._faults_left = _FAULTS
        self._answers: list[dict[str, Any]] = []
        self._counts = dict.fromkeys(("accepted", "duplicate", "rejected", OTHER_CLUSTER, "unconfirmed"), 0)
        self.not_taken: NotTakenError | None = None
        """Why some of the events were not handed over."""
        self.seconds = 0.0
        """Of CPU that reading and judging took."""

    @property
    def events(self) -> int:
        """How many there were so far."""
        return len(self._answers)

    async def take(self, candidates: Iterable[Candidate]) -> None:
        """Judge events, and hand over those that are accepted."""
        rest = iter(candidates)
        while True:
            began = time.thread_time()
            if portion := list(islice(_by_size(rest), AT_ONCE)):  # reads them, where they are lines
                self._take_portion(portion)
            self.seconds += time.thread_time() - began
            if not portion:
                return
            if len(self._answers) > 1:
                await asyncio.sleep(0)

    async def ease(self) -> None:
        """Wait while more is unconfirmed than one request should have."""
        while len(self._sent) > _AHEAD:
            await self._confirm(self._sent.popleft())

    async def finish(self) -> None:
        """Wait until everything is confirmed, or has had its time."""
        while self._sent:
            await self._confirm(self._sent.popleft())

    def _take_portion(self, candidates: Sequence[Candidate]) -> None:
        arrived, now = int(time.time() * 1000), time.monotonic()
        to_send: list[OutRecord] = []
        parts: list[tuple[dict[str, Any], bytes, int]] = []
        for candidate in candidates:
            found = self._inspector.inspect(candidate, self._cluster, arrived)
            answer = self._answer(candidate)
            if isinstance(found, list):
                self._reject(answer, found)
            elif not self._publish:
                self._accept(answer, "accepted")
            else:
                digest = digest_of(found)
                place = self._tools.confirmed.find(digest, now)
                if place is None:
                    to_send.append(found)
                    parts.append((answer, digest, name_of(found.source, found.event_id)))
                else:
                    self._accept(answer, "duplicate")
                    self._place(answer, place)
        if to_send:
            self._hand_over(to_send, parts, now)

    def _hand_over(self, records: list[OutRecord], parts: list[tuple[dict[str, Any], bytes, int]], now: float) -> None:
        if self.not_taken is None:
            try:
                shipment = self._tools.delivery.hand_over(records)
            except NotTakenError as error:
                self.not_taken = error
            else:
                self._sent.append(_Sent(shipment, now + self._tools.confirm_seconds, parts))
                return
        for answer, _, _ in parts:
            self._unconfirmed(answer)

    async def _confirm(self, sent: _Sent) -> None:
        places = await sent.shipment.confirmed(max(0.0, sent.until - time.monotonic()))
        now = time.monotonic()
        for (answer, digest, named), place in zip(sent.parts, places, strict=True):
            if place is None:
                self._unconfirmed(answer)
            else:
                self._accept(answer, "accepted")
                self._place(answer, place)
                self._tools.confirmed.add(digest, place, now, named)

    def _answer(self, candidate: Candidate) -> dict[str, Any]:
        event_id, source = candidate.event_id, candidate.source
        answer: dict[str, Any] = {
            "index": len(self._answers),
            "id": event_id if event_id is None else event_id[:_SHOWN],
            "source": source if source is None else source[:_SHOWN],
        }
        self._answers.append(answer)
        return answer

    def _accept(self, answer: dict[str, Any], outcome: str) -> None:
        self._counts[outcome] += 1
        answer["status"] = "accepted"

    def _place(self, answer: dict[str, Any], place: tuple[int, int]) -> None:
        answer["topic"] = self._tools.delivery.topic
        answer["partition"], answer["offset"] = place

    def _unconfirmed(self, answer: dict[str, Any]) -> None:
        self._counts["unconfirmed"] += 1
        answer["status"] = "unconfirmed"

    def _reject(self, answer: dict[str, Any], faults: Sequence[Fault]) -> None:
        self._counts[OTHER_CLUSTER if faults[0].code == OTHER_CLUSTER else "rejected"] += 1
        answer["status"] = "rejected"
        answer["id"], answer["source"] = _masked(answer["id"]), _masked(answer["source"])
        listed = faults if len(faults) <= self._faults_left else faults[:1]
        self._faults_left -= len(listed)
        answer["faults"] = [
            {"field": one.field, "code": one.code, "value": one.value, "message": message_of(one.code)}
            for one in listed
        ]
        if len(listed) < len(faults):
            answer["faults_left_out"] = len(faults) - len(listed)
        if self._publish:
            refusals, now = self._tools.refusals, datetime.now(UTC)
            refusals.add(self._cluster, answer["source"], answer["id"], answer["faults"], now)

    # ---- what is answered

    @property
    def status(self) -> HTTPStatus:
        """Of the whole: 202 all accepted, 207 some, 422 none, 403 all of another cluster, 503 some not confirmed."""
        counts = self._counts
        accepted, other = counts["accepted"] + counts["duplicate"], counts[OTHER_CLUSTER]
        refused = counts["rejected"] + other
        if counts["unconfirmed"]:
            return HTTPStatus.SERVICE_UNAVAILABLE
        if not refused:
            return HTTPStatus.ACCEPTED
        if accepted:
            return HTTPStatus.MULTI_STATUS
        return HTTPStatus.FORBIDDEN if other == refused else HTTPStatus.UNPROCESSABLE_ENTITY

    def document(self) -> dict[str, Any]:
        """What became of each event, and how many there are of each kind."""
        counts = self._counts
        document: dict[str, Any] = {
            "accepted": counts["accepted"] + counts["duplicate"],
            "rejected": counts["rejected"] + counts[OTHER_CLUSTER],
            "unconfirmed": counts["unconfirmed"],
            "events": self._answers,
        }
        return document if self._publish else {"published": False, **document}

    def to_json(self) -> bytes:
        """The same as the body of an answer."""
        return as_json(self.document())

    def count(self) -> None:
        """Put what became of the events into the metrics."""
        if self._publish:
            for outcome, number in self._counts.items():
                if number:
                    metrics.events(self._cluster, outcome).inc(number)


def _masked(text: str | None) -> str | None:
    return text if text is None else masked(text)


def _by_size(candidates: Iterable[Candidate]) -> Iterable[Candidate]:
    """Events until they are as many bytes as are judged at once."""
    size = 0
    for candidate in candidates:
        yield candidate
        size += len(candidate.value)
        if size > _PORTION:
            return
