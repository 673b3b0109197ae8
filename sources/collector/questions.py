"""Questions of publishers to the ledger: who may ask what, how often, and for how long an answer is waited for."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from http import HTTPStatus
from typing import Annotated, Any, Final, NamedTuple, Protocol, TypeVar
from urllib.parse import parse_qsl

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from schemas.errors import UsageFault
from schemas.event_time import COPENHAGEN
from schemas.usage_sentences import pydantic_words
from schemas.visible import visible
from sources.collector import collector_metrics as metrics
from sources.collector.bodies import BUSY_SECONDS, DisconnectedError, Receive
from sources.collector.collector import JSON_TYPE, RETRY_SECONDS, Answer, Collector, problem_answer
from sources.collector.http_events import RawHeaders
from sources.collector.inspection import OTHER_CLUSTER, Inspector
from sources.collector.keyring import KeyHolder
from sources.collector.limits import Rate
from sources.collector.problems import ProblemError, as_json
from sources.collector.refusals import Refusal

T = TypeVar("T")

_PATH: Final = "questions"
_HEADERS: Final = {"Cache-Control": "no-store"}
_MOST_PARAMETERS: Final = 10
MOST_IDS: Final = 10_000
"""Of one list to compare, as `reports.receipts.compare` has it."""


class LedgerAwayError(Exception):
    """The ledger does not answer; the same question may be answered later."""


class NotOwnError(Exception):
    """What is asked about counts for another cluster."""


class Comparable(BaseModel):
    """A publisher's list, as it is sent."""

    model_config = ConfigDict(extra="forbid", strict=True)

    source: str
    ids: Annotated[list[str], Field(max_length=MOST_IDS)] | Annotated[dict[str, str | None], Field(max_length=MOST_IDS)]
    """Of activities; with hashes, or without."""
    first: Annotated[date | None, Field(alias="from")] = None
    last: Annotated[date | None, Field(alias="to")] = None
    """First and last day of the activities that the list has all of; both, or neither: then nothing is extra."""
    after: str = ""
    until: str = ""

    @property
    def listed(self) -> dict[str, str | None]:
        """Id -> hash; None where there is none."""
        return dict(self.ids) if isinstance(self.ids, Mapping) else dict.fromkeys(self.ids)


class Seen(NamedTuple):
    """What one who asks may see."""

    cluster: str
    """Slug; of sources that clusters share only what counts for this one."""
    sources: tuple[str, ...]
    """Of the cluster, or those of them that are asked about."""


class Ledger(Protocol):
    """What became of events. Called in threads, some at once.

    Each raises UsageFault for what cannot be asked, and LedgerAwayError.
    """

    def event(self, seen: Seen, source: str, event_id: str, *, confirmed: bool) -> Mapping[str, Any]:
        """What became of an event; `confirmed`: Kafka has it for certain. Raises NotOwnError."""

    def activity(self, seen: Seen, source: str, activity_id: str) -> Mapping[str, Any]:
        """What became of an activity. Raises NotOwnError."""

    def days(self, seen: Seen, first: date, last: date) -> Mapping[str, Any]:
        """Counts by day."""

    def rejected(self, seen: Seen, first: date, last: date) -> Mapping[str, Any]:
        """Rejected records that arrived on these days."""

    def compare(self, seen: Seen, listed: Comparable) -> Mapping[str, Any]:
        """A list compared with what counts."""


@dataclass(frozen=True, slots=True)
class QuestionLimits:
    """What questions may take."""

    at_once: int
    per_second: float
    """Of one key."""
    burst_seconds: float
    answer_seconds: float
    body_bytes: int


class _Asker(NamedTuple):
    """Whose key a question has, and what it may see."""

    holder: KeyHolder
    inspector: Inspector

    @property
    def seen(self) -> Seen:
        """What is its cluster's."""
        cluster = self.holder.cluster
        return Seen(cluster, self.inspector.sources_of(cluster))


class Questions:
    """Answers questions, each in a thread.

    Args:
        collector: knows keys, the registry, and what it has just published.
        ledger: that is asked.
        limits: of all questions.
    """

    def __init__(self, collector: Collector, ledger: Ledger, limits: QuestionLimits) -> None:
        self._collector, self._ledger, self._limits = collector, ledger, limits
        self._rate = Rate(limits.per_second, limits.per_second * limits.burst_seconds)
        self._threads = ThreadPoolExecutor(limits.at_once, "question")
        self._asked = 0

    async def event(self, headers: RawHeaders, query: bytes) -> Answer | None:
        """`GET /v1/events?source=&id=` or `?source=&activity=`."""

        async def ask() -> bytes:
            asker = self._admit(headers)
            given = parameters(query, {"source", "id", "activity"})
            source, event_id, activity_id = given.get("source"), given.get("id"), given.get("activity")
            if source is None or (event_id is None) == (activity_id is None):
                raise _bad("give source, and one of id and activity: ?source=URI&id=ID")
            seen = _own(asker, source)
            if event_id is None:
                return await self._ask(lambda: as_json(self._ledger.activity(seen, source, activity_id or "")))
            confirmed = self._collector.has_confirmed(source, event_id)
            refusal = self._collector.refusals.of_event(asker.holder.cluster, source, event_id)

            def answer() -> bytes:
                found = self._ledger.event(seen, source, event_id, confirmed=confirmed)
                return as_json(found if confirmed or refusal is None else _refused(found, refusal))

            return await self._ask(answer)

        return await self._answered(ask())

    async def clusters(self, headers: RawHeaders) -> Answer | None:
        """`GET /v1/clusters`: those of the key, which is one."""

        async def ask() -> bytes:
            asker = self._admit(headers)
            slug = asker.holder.cluster
            one = {"slug": slug, "name": asker.inspector.name_of(slug), "sources": list(asker.seen.sources)}
            return as_json({"clusters": [one]})

        return await self._answered(ask())

    async def of_days(self, headers: RawHeaders, slug: str, query: bytes, *, rejected: bool) -> Answer | None:
        """`GET /v1/clusters/{slug}/days?from=&to=[&source=]`, and `/rejected` with the same parameters."""

        async def ask() -> bytes:
            asker = self._admit(headers)
            given = parameters(query, {"from", "to", "source"})
            if slug != asker.holder.cluster:
                raise _other("the key is of another cluster: ask about its own, see /v1/clusters")
            source = given.get("source")
            seen = asker.seen
            if source is not None:
                seen = _own(asker, source)._replace(sources=(source,))
            first, last = _day(given, "from"), _day(given, "to")
            if not rejected:
                return await self._ask(lambda: as_json({"cluster": slug, **self._ledger.days(seen, first, last)}))
            refusals = [one.as_dict() for one in self._collector.refusals.of_days(slug, source, first, last)]
            return await self._ask(
                lambda: as_json({"cluster": slug, **self._ledger.rejected(seen, first, last), "refused": refusals})
            )

        return await self._answered(ask())

    async def compare(self, headers: RawHeaders, receive: Receive, *, arrived: bool) -> Answer | None:
        """`POST /v1/compare`."""

        async def ask() -> bytes:
            asker = self._admit(headers)
            content_type = dict(headers).get(b"content-type", b"").decode("latin-1").partition(";")[0].strip().lower()
            if content_type != JSON_TYPE:
                raise ProblemError(
                    HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "send the list as application/json"
                )
            body = self._collector.body(headers, receive, self._limits.body_bytes, arrived=arrived)
            try:
                content = await body.whole()
                return await self._ask(lambda: self._compared(asker, content))
            finally:
                body.release()

        return await self._answered(ask())

    def close(self) -> None:
        """Take no more questions; those in work end by themselves."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _compared(self, asker: _Asker, content: bytes) -> bytes:
        _check_names(content)
        try:
            listed = Comparable.model_validate_json(content)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"][:1])
            raise _bad(f"the list cannot be read ({visible(where or 'body', 50)}: {pydantic_words(first)})") from None
        if (listed.first is None) != (listed.last is None):
            raise _bad("give both from and to, or neither")
        return as_json(self._ledger.compare(_own(asker, listed.source), listed))

    def _admit(self, headers: RawHeaders) -> _Asker:
        holder, inspector = self._collector.admit(headers)
        now = time.monotonic()
        if wait := self._rate.wait(holder.key_id, now):
            raise ProblemError(
                HTTPStatus.TOO_MANY_REQUESTS,
                "rate_limited",
                f"this key has asked more than {self._limits.per_second:g} questions a second for a while: go on in "
                f"{wait} s, or ask about several events at once with /v1/compare",
                retry_after=wait,
            )
        self._rate.use(holder.key_id, 1, now)
        return _Asker(holder, inspector)

    async def _ask(self, question: Callable[[], T]) -> T:
        """The answer of a thread. A question that takes too long keeps its thread until the ledger gives it up."""
        if self._asked >= self._limits.at_once:
            raise ProblemError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "busy",
                "as many questions are in work as are answered at once: ask again later",
                retry_after=BUSY_SECONDS,
            )
        asked = asyncio.get_running_loop().run_in_executor(self._threads, question)
        self._asked += 1
        asked.add_done_callback(self._is_done)
        try:
            async with asyncio.timeout(self._limits.answer_seconds):
                return await asyncio.shield(asked)
        except UsageFault as error:
            raise _bad(str(error)) from None
        except NotOwnError:
            raise _other("it counts for another cluster than that of the key: ask with that one's key") from None
        except (LedgerAwayError, TimeoutError):
            raise ProblemError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "ledger_away",
                "the ledger does not answer at the moment: ask again later; events are taken meanwhile",
                retry_after=RETRY_SECONDS,
            ) from None

    def _is_done(self, asked: "asyncio.Future[Any]") -> None:
        self._asked -= 1
        if not asked.cancelled():
            asked.exception()  # nobody may wait for it any more

    @staticmethod
    async def _answered(asking: Awaitable[bytes]) -> Answer | None:
        began = time.monotonic()
        try:
            answer = Answer(HTTPStatus.OK, await asking, JSON_TYPE, _HEADERS)
        except ProblemError as problem:
            answer = problem_answer(problem)
        except DisconnectedError:
            return None
        metrics.requests(_PATH, answer.status).inc()
        metrics.seconds(_PATH).observe(time.monotonic() - began)
        return answer


def _refused(found: Mapping[str, Any], refusal: Refusal) -> Mapping[str, Any]:
    """What the ledger says of an event, and that this collector has rejected it."""
    answer = {**found, "refused": [refusal.as_dict()]}
    if found["state"] not in ("waiting", "unknown"):
        return answer
    at = refusal.at.astimezone(COPENHAGEN)
    sentence = (
        f"Event {refusal.event_id} was rejected over HTTP on {at:%Y-%m-%d at %H:%M:%S} Danish time, and is not stored: "
        "correct what its faults name, and send it again"
    )
    return {**answer, "state": "rejected", "sentence": sentence}


def parameters(query: bytes, allowed: Collection[str]) -> dict[str, str]:
    """What a question asks for, by name. Raises ProblemError for another name, one that is there twice, or no UTF-8."""
    try:
        pairs = parse_qsl(
            query.decode("ascii"),
            keep_blank_values=True,
            encoding="utf-8",
            errors="strict",
            max_num_fields=_MOST_PARAMETERS,
        )
    except ValueError:
        raise _bad("the parameters cannot be read: write them as name=value, percent-encoded as UTF-8") from None
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _bad("a parameter is there twice: give each once")
    if unknown := sorted(found.keys() - set(allowed)):
        raise _bad(f"{visible(unknown[0], 50)} is no parameter here: use {', '.join(sorted(allowed))}")
    return found


def _check_names(content: bytes) -> None:
    """Raises ProblemError where an object has a name twice: parsers differ in which of the two counts."""

    def check(pairs: list[tuple[str, Any]]) -> None:
        if len({name for name, _ in pairs}) < len(pairs):
            raise _bad("a name is in one JSON object twice: give each once")

    with suppress(ValueError, RecursionError):  # said below
        json.loads(content, object_pairs_hook=check, parse_int=str, parse_float=str)


def _day(given: Mapping[str, str], name: str) -> date:
    text = given.get(name, "")
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.isoformat() != text:
        raise _bad(f"give a day in {name}: ?from=2018-05-01&to=2018-05-31")
    return day


def _own(asker: _Asker, source: str) -> Seen:
    """What is the cluster's; raises ProblemError for the source of another one."""
    seen = asker.seen
    if source not in seen.sources:
        raise _other("the key is for the sources of its own cluster only: ask about one of them, see /v1/clusters")
    return seen


def _bad(detail: str) -> ProblemError:
    return ProblemError(HTTPStatus.BAD_REQUEST, "invalid_question", detail)


def _other(detail: str) -> ProblemError:
    return ProblemError(HTTPStatus.FORBIDDEN, OTHER_CLUSTER, detail)
