"""The collector's addresses: what is published, what is only judged, what became of it, and how the collector is."""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Final, Protocol

from fastapi import FastAPI, Path, Request, Response
from starlette.exceptions import HTTPException
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sources.collector import page
from sources.collector.api_description import RESPONSES, SECURITY, description_of, headers_of, request_of
from sources.collector.api_questions import CLUSTERS, COMPARE, DAYS, EVENT, REJECTED, SLUG
from sources.collector.bounded_protocol import ARRIVED, BROKEN
from sources.collector.collector import JSON_TYPE, Answer, Collector, problem_answer
from sources.collector.problems import ProblemError
from sources.collector.questions import Questions

PUBLISH: Final = "/v1/events"
VALIDATE: Final = "/v1/events:validate"
_PUBLISHES: Final = {PUBLISH: True, VALIDATE: False}
_CLIENT_GONE: Final = 499
_EVERYTHING: Final = ["GET", "HEAD"]
Slug = Annotated[str, Path(examples=[SLUG])]
"""Of a cluster."""


class State(Protocol):
    """How a check went."""

    @property
    def ok(self) -> bool:
        """Whether all is well."""

    def to_json(self) -> bytes:
        """The body of the answer."""


def web_app(
    collector: Collector, questions: Questions, health: Callable[[], State], ready: Callable[[], State], version: str
) -> ASGIApp:
    """The application.

    Args:
        collector: serves the requests to publish.
        questions: serves those about what became of it.
        health: whether the process works; asked in a thread.
        ready: whether it can publish now; asked in a thread.
        version: of the product.
    """
    app = FastAPI(
        title="clustertrack collector",
        version=version,
        # Pages for people would load their scripts from other hosts.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )

    _describe_publishing(app)
    _add_questions(app, questions)
    for path in page.FILES:
        _add_page(app, path)

    @app.api_route("/healthz", methods=_EVERYTHING, include_in_schema=False)
    async def healthz() -> Response:
        return await _state(health)

    @app.api_route("/readyz", methods=_EVERYTHING, include_in_schema=False)
    async def readyz() -> Response:
        return await _state(ready)

    app.add_exception_handler(HTTPException, _no_such_address)
    app.add_exception_handler(Exception, _defect)
    app.openapi = lambda: description_of(app)  # type: ignore[method-assign]  # as FastAPI's documentation advises
    return _PublishingFirst(app, collector)


class _PublishingFirst:
    """Answers requests to publish and to validate, and leaves all others to the application.

    FastAPI only describes these two: what it puts around each request (seven layers, routing, two exit stacks, a
    dependency solver) took a fifth of the CPU of a single event.
    """

    def __init__(self, others: ASGIApp, collector: Collector) -> None:
        self._others, self._collector = others, collector

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        publish = None
        # A slash that is percent-encoded is part of a name: a proxy's rules for paths do not see it.
        if scope["type"] == "http" and scope["method"] == "POST" and b"%2" not in scope["raw_path"]:
            publish = _PUBLISHES.get(scope["path"])
        if publish is None:
            await self._others(scope, receive, send)
            return
        arrived = scope.get(ARRIVED, False)
        try:
            answer = await self._collector.serve(
                scope["headers"], receive if arrived else _to_the_end(scope, receive), publish=publish, arrived=arrived
            )
        except Exception:
            await _send(_defect_answer(), send)
            raise  # as Starlette does: the server puts it into the log
        await _send(answer, send)


def _to_the_end(scope: Scope, receive: Receive) -> Receive:
    """Raises ProblemError where a body cannot be read to its end."""

    async def checked() -> Message:
        message = await receive()
        if (problem := scope.get(BROKEN)) is not None:
            raise problem
        return message

    return checked


async def _send(answer: Answer | None, send: Send) -> None:
    """As `_response` would."""
    if answer is None:
        answer = Answer(_CLIENT_GONE, b"", JSON_TYPE, {})
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers.items()]
    headers += (b"content-length", b"%d" % len(answer.body)), (b"content-type", answer.media_type.encode("latin-1"))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


def _describe_publishing(app: FastAPI) -> None:
    """Routes for the description. Starlette also sends them addresses that end in a line end, which are others."""
    extra = {"requestBody": request_of(), "parameters": headers_of(), "security": SECURITY}

    @app.post(PUBLISH, summary="Publish events", responses=RESPONSES, openapi_extra=extra)
    async def publish() -> None:
        """Judge events and publish those that are accepted; answers when Kafka has them."""
        raise HTTPException(HTTPStatus.NOT_FOUND)

    @app.post(VALIDATE, summary="Judge events", responses=RESPONSES, openapi_extra=extra)
    async def validate() -> None:
        """Answer what publishing would, and publish nothing."""
        raise HTTPException(HTTPStatus.NOT_FOUND)


def _add_questions(app: FastAPI, questions: Questions) -> None:
    @app.get("/v1/events", summary="What became of an event or an activity", **EVENT)
    async def event(request: Request) -> Response:
        """Give `source`, and `id` or `activity`."""
        scope = request.scope
        return _response(await questions.event(scope["headers"], scope["query_string"]))

    @app.get("/v1/clusters", summary="Whose key this is", **CLUSTERS)
    async def clusters(request: Request) -> Response:
        """The cluster of the key, with its sources."""
        return _response(await questions.clusters(request.scope["headers"]))

    async def of_days(request: Request, slug: str, *, rejected: bool) -> Response:
        scope = request.scope
        return _response(await questions.of_days(scope["headers"], slug, scope["query_string"], rejected=rejected))

    @app.get("/v1/clusters/{slug}/days", summary="Counts by day", **DAYS)
    async def days(request: Request, slug: Slug) -> Response:
        """What arrived on each day, by what became of it, and what took place on each day and counts."""
        return await of_days(request, slug, rejected=False)

    @app.get("/v1/clusters/{slug}/rejected", summary="Rejected records of some days", **REJECTED)
    async def rejected(request: Request, slug: Slug) -> Response:
        """The newest that arrived on these days, up to 100, each with everything that is wrong with it."""
        return await of_days(request, slug, rejected=True)

    @app.post("/v1/compare", summary="Compare a list of activities with what counts", **COMPARE)
    async def compare(request: Request) -> Response:
        """Names what is missing, what differs, and what counts and is not in the list."""
        scope = request.scope
        arrived = scope.get(ARRIVED, False)
        receive = _to_the_end(scope, request.receive)
        return _response(await questions.compare(scope["headers"], receive, arrived=arrived))


def _add_page(app: FastAPI, path: str) -> None:
    content, media_type = page.content_of(path), page.FILES[path][1]

    @app.api_route(path, methods=_EVERYTHING, include_in_schema=False)
    async def _() -> Response:
        return Response(content, headers=dict(page.HEADERS), media_type=media_type)


def _response(answer: Answer | None) -> Response:
    if answer is None:
        return Response(status_code=_CLIENT_GONE)
    return Response(answer.body, answer.status, headers=dict(answer.headers), media_type=answer.media_type)


async def _state(check: Callable[[], State]) -> Response:
    state = await asyncio.to_thread(check)
    status = HTTPStatus.OK if state.ok else HTTPStatus.SERVICE_UNAVAILABLE
    return Response(state.to_json(), status, media_type="application/json")


async def _no_such_address(request: Request, error: Exception) -> Response:
    status = HTTPStatus(getattr(error, "status_code", HTTPStatus.NOT_FOUND))
    headers = dict(getattr(error, "headers", None) or {})
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        # Starlette names the methods of one function, and an address has several.
        headers["Allow"] = ", ".join(_methods_of(request.app, request.url.path))
        problem = ProblemError(
            status, "wrong_method", "this address takes another method: see /openapi.json", headers=headers
        )
    else:
        problem = ProblemError(
            status,
            "no_such_address",
            "there is nothing here: POST events to /v1/events, or see /openapi.json",
            headers=headers,
        )
    return _response(problem_answer(problem))


def _methods_of(app: FastAPI, path: str) -> list[str]:
    found = [route for route in app.routes if isinstance(route, Route) and route.path_regex.match(path)]
    return sorted({method for route in found for method in route.methods or ()})


async def _defect(_request: Request, _error: Exception) -> Response:
    return _response(_defect_answer())


def _defect_answer() -> Answer:
    problem = ProblemError(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "defect",
        "the collector failed at this request, which is a defect of it: tell its operator; nothing says what became of "
        "the events, and sending them again is safe",
    )
    return problem_answer(problem)
