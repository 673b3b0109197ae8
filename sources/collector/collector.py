"""Serves requests of publishers: who they are, what they may send, the events that they sent, and the answer."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final, NamedTuple

from sources.collector import collector_metrics as metrics
from sources.collector.bodies import Body, BodyLimits, DisconnectedError, Receive, no_room
from sources.collector.confirmed import Confirmed
from sources.collector.delivery import Delivery, NotTakenError
from sources.collector.http_events import (
    BodyError,
    JsonEvents,
    LineSplitter,
    MediaError,
    Mode,
    RawHeaders,
    TooManyError,
    TooManyPartsError,
    binary_event,
    mode_of,
)
from sources.collector.inspection import Inspector
from sources.collector.keyring import KeyHolder, KeyProblem, Keyring
from sources.collector.limits import Budget, Rate
from sources.collector.problems import PROBLEM_TYPE, ProblemError
from sources.collector.refusals import Refusals
from sources.collector.work import Tools, Work

JSON_TYPE: Final = "application/json"
_CLIENT_GONE: Final = 499
_LONG: Final = 64 << 10
"""Bytes of a body that takes a while."""
_BREAK_AFTER: Final = 0.1
"""Seconds after which others come first."""
RETRY_SECONDS: Final = 5
"""When a publisher may send again what Kafka has not confirmed."""
_BEARER: Final = b"bearer "
_CHALLENGE: Final = 'Bearer realm="clustertrack"'


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request, one key and all requests together may take."""

    body_bytes: int
    lines_bytes: int
    batch_events: int
    lines_events: int
    held_bytes: int
    requests_at_once: int
    requests_per_second: float
    events_per_second: float
    burst_seconds: float
    """For so long a key may send everything at once that it did not send before."""
    idle_seconds: float
    body_seconds: float
    confirm_seconds: float


class Answer(NamedTuple):
    """What is sent back."""

    status: int
    body: bytes
    media_type: str
    headers: Mapping[str, str]


class Collector:
    """Answers requests to publish and to validate.

    Args:
        limits: of everything.
        delivery: to the events topic.
        budget: of bytes; the delivery uses the same.
        keys: those in force.
        waits_for: what is not known yet of what a request needs; empty when nothing is missing.
    """

    def __init__(
        self, limits: Limits, delivery: Delivery, budget: Budget, keys: Keyring, waits_for: Callable[[], str]
    ) -> None:
        self._limits, self._keys, self._budget, self._waits_for = limits, keys, budget, waits_for
        self.refusals = Refusals()
        self._tools = Tools(delivery, Confirmed(), self.refusals, limits.confirm_seconds)
        self._requests = Rate(limits.requests_per_second, limits.requests_per_second * limits.burst_seconds)
        self._events = Rate(limits.events_per_second, limits.events_per_second * limits.burst_seconds)
        self._in_work = 0
        self._json = JsonEvents()
        self._long = asyncio.Lock()
        """For bodies that take a while: one after the other, so that the others have their turns in between."""
        metrics.IN_WORK.set_function(lambda: self._in_work)
        metrics.HELD_BYTES.set_function(lambda: budget.held)
        self.inspector: Inspector | None = None
        """By the registry in force; None before there is one."""

    async def serve(
        self, headers: RawHeaders, receive: Receive, *, publish: bool, arrived: bool = False
    ) -> Answer | None:
        """Answer one request.

        Args:
            headers: as they came, names in lower case.
            receive: of ASGI.
            publish: False only judges.
            arrived: all of the body is there already, so nothing has to be waited for.

        Returns:
            None when nobody reads the answer.
        """
        path = "events" if publish else "validate"
        began = time.monotonic()
        self._in_work += 1
        try:
            answer = await self._serve(headers, receive, publish=publish, arrived=arrived)
        except ProblemError as problem:
            answer = problem_answer(problem)
        except DisconnectedError:
            metrics.requests(path, _CLIENT_GONE).inc()
            return None
        finally:
            self._in_work -= 1
        metrics.requests(path, answer.status).inc()
        metrics.seconds(path).observe(time.monotonic() - began)
        return answer

    async def _serve(self, headers: RawHeaders, receive: Receive, *, publish: bool, arrived: bool) -> Answer:
        holder, inspector = self.admit(headers)
        self._check_rate(holder.key_id)
        try:
            mode = mode_of(headers)
        except MediaError as error:
            raise ProblemError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", str(error)) from None
        if self._in_work > self._limits.requests_at_once:
            raise no_room()
        work = Work(self._tools, inspector, holder.cluster, publish=publish)
        size = self._limits.lines_bytes if mode is Mode.LINES else self._limits.body_bytes
        body = self.body(headers, receive, size, arrived=arrived)
        problem: ProblemError | None = None
        try:
            if mode is Mode.LINES:
                await self._take_lines(work, body)
            elif len(content := await body.whole()) > _LONG:
                async with self._long:
                    began = time.monotonic()
                    await self._take(work, mode, headers, content)
                    if (took := time.monotonic() - began) > _BREAK_AFTER:
                        await asyncio.sleep(took / 10)  # short requests need several rounds of the loop
            else:
                await self._take(work, mode, headers, content)
        except ProblemError as error:
            problem = error
        finally:
            await work.finish()
            body.release()
            work.count()
            metrics.BYTES.inc(body.received)
            # An event that takes long to judge counts as those that others judge in that time.
            cost = max(work.events, work.seconds * self._limits.events_per_second)
            self._events.use(holder.key_id, cost, time.monotonic())
        return _answer(work, problem)

    def admit(self, headers: RawHeaders) -> tuple[KeyHolder, Inspector]:
        """Whose key a request has, and the registry in force. Raises ProblemError for none that works."""
        why, inspector = self._waits_for(), self.inspector
        if why or inspector is None:
            raise ProblemError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "not_ready",
                f"the collector is not ready ({why or 'it knows no registry'}): send it again later",
                retry_after=RETRY_SECONDS,
            )
        return self._holder(headers), inspector

    def has_confirmed(self, source: str, event_id: str) -> bool:
        """Whether an event with this source and id is on Kafka, as far as this process remembers."""
        return self._tools.confirmed.has(source, event_id, time.monotonic())

    def _holder(self, headers: RawHeaders) -> KeyHolder:
        found = self._keys.find(token_of(headers), datetime.now(UTC))
        if not isinstance(found, KeyProblem):
            return found
        metrics.KEY_PROBLEMS.labels(found.value).inc()
        challenge = _CHALLENGE if found is KeyProblem.MISSING else f'{_CHALLENGE}, error="invalid_token"'
        raise ProblemError(
            HTTPStatus.UNAUTHORIZED,
            "no_valid_key",
            found.answer,
            headers={"WWW-Authenticate": challenge},
        )

    def _check_rate(self, key: str) -> None:
        now = time.monotonic()
        wait = max(self._requests.wait(key, now), self._events.wait(key, now))
        if wait:
            raise ProblemError(
                HTTPStatus.TOO_MANY_REQUESTS,
                "rate_limited",
                "this key has sent more for a while than it may in a second "
                f"(requests: {self._limits.requests_per_second:g}, events: {self._limits.events_per_second:g}): "
                f"go on in {wait} s, with several "
                "events in a request",
                retry_after=wait,
            )
        self._requests.use(key, 1, now)

    def body(self, headers: RawHeaders, receive: Receive, size: int, *, arrived: bool) -> Body:
        """The body of a request, of up to so many bytes. Raises ProblemError for one that is not read."""
        limits = self._limits
        named = dict(headers)
        encoding = named.get(b"content-encoding", b"").decode("latin-1").strip().lower()
        length = named.get(b"content-length", b"")
        return Body(
            receive,
            encoding,
            int(length) if length.isdigit() else None,
            BodyLimits(size, limits.idle_seconds, limits.body_seconds),
            self._budget,
            arrived=arrived,
        )

    async def _take(self, work: Work, mode: Mode, headers: RawHeaders, body: bytes) -> None:
        if mode is Mode.DATA:
            await work.take((binary_event(headers, body),))
        elif mode is Mode.EVENT:
            await work.take((self._json.event(body),))
        else:
            try:
                # Before any of it is published, all of it is read.
                candidates = list(self._json.batch(body, self._limits.batch_events))
            except TooManyError:
                raise _too_many(self._limits.batch_events) from None
            except TooManyPartsError:
                raise ProblemError(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                    "too_many_parts",
                    "the body has far more lists and objects than events have: correct what writes it",
                ) from None
            except BodyError as error:
                raise ProblemError(HTTPStatus.BAD_REQUEST, "unreadable_body", str(error)) from None
            await work.take(candidates)

    async def _take_lines(self, work: Work, body: Body) -> None:
        """Judge and send lines while they come; what was sent before something is wrong is answered for."""
        lines = LineSplitter()
        most = self._limits.lines_events
        async for piece in body.pieces():
            await self._take_some(work, lines.feed(piece))
            body.release()
            if lines.number > most:
                raise _too_many(most)
            await work.ease()
        await self._take_some(work, lines.rest())
        if lines.number > most:
            raise _too_many(most)

    async def _take_some(self, work: Work, lines: Sequence[bytes]) -> None:
        room = self._limits.lines_events - work.events
        async with self._long:
            await asyncio.sleep(0)  # many pieces may be there already
            await work.take(self._json.event(line) for line in lines[:room])


def token_of(headers: RawHeaders) -> str:
    """The key that a request has, empty without one: `Authorization: Bearer KEY` or `X-API-Key: KEY`."""
    given = [value for name, value in headers if name == b"authorization"]
    if given:
        token = given[0].strip()
        return token[len(_BEARER) :].decode("latin-1").strip() if token[: len(_BEARER)].lower() == _BEARER else ""
    return next((value for name, value in headers if name == b"x-api-key"), b"").decode("latin-1").strip()


def problem_answer(problem: ProblemError, events: Mapping[str, Any] | None = None) -> Answer:
    """The answer that a problem is."""
    metrics.PROBLEMS.labels(problem.code).inc()
    return Answer(int(problem.status), problem.body(events), PROBLEM_TYPE, problem.headers)


def _answer(work: Work, problem: ProblemError | None) -> Answer:
    if problem is not None:
        return problem_answer(problem, work.document() if work.events else None)
    status = work.status
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        found = _unconfirmed() if work.not_taken is None else _not_taken(work.not_taken)
        return problem_answer(found, work.document())
    if status is HTTPStatus.FORBIDDEN:
        found = ProblemError(
            status, "other_cluster", "the key publishes for the sources of its own cluster only: use that cluster's key"
        )
        return problem_answer(found, work.document())
    return Answer(int(status), work.to_json(), JSON_TYPE, {})


def _not_taken(error: NotTakenError) -> ProblemError:
    if not error.away:
        return no_room()
    return ProblemError(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "kafka_away",
        "Kafka does not confirm anything at the moment: send all that is not accepted again later",
        retry_after=RETRY_SECONDS,
    )


def _unconfirmed() -> ProblemError:
    return ProblemError(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "unconfirmed",
        "Kafka did not confirm all events in time: those that are accepted are kept, send those that are unconfirmed "
        "again; what arrives twice is counted once",
        retry_after=RETRY_SECONDS,
    )


def _too_many(most: int) -> ProblemError:
    return ProblemError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "too_many_events",
        f"the body has more events or lines than the {most:,} of one request: send them in several requests",
    )
