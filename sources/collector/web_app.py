"""The collector's addresses: what is published, what is only judged, what became of it, and how the collector is."""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Final, Protocol

from fastapi import FastAPI, Path, Request, Response
from starlette.exceptions import HTTPException
from starlette.routing import Route

from sources.collector import page
from sources.collector.api_description import RESPONSES, SECURITY, description_of, request_of
from sources.collector.api_questions import CLUSTERS, COMPARE, DAYS, EVENT, REJECTED, SLUG
from sources.collector.bounded_protocol import ARRIVED
from sources.collector.collector import Answer, Collector, problem_answer
from sources.collector.problems import ProblemError
from sources.collector.questions import Questions

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
) -> FastAPI:
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

    async def serve(request: Request, *, publish: bool) -> Response:
        scope = request.scope
        arrived = scope.get(ARRIVED, False)
        return _response(await collector.serve(scope["headers"], request.receive, publish=publish, arrived=arrived))

    @app.post(
        "/v1/events",
        summary="Publish events",
        responses=RESPONSES,
        openapi_extra={"requestBody": request_of(), "security": SECURITY},
    )
    async def publish(request: Request) -> Response:
        """Judge events and publish those that are accepted; answers when Kafka has them."""
        return await serve(request, publish=True)

    @app.post(
        "/v1/events:validate",
        summary="Judge events",
        responses=RESPONSES,
        openapi_extra={"requestBody": request_of(), "security": SECURITY},
    )
    async def validate(request: Request) -> Response:
        """Answer what publishing would, and publish nothing."""
        return await serve(request, publish=False)

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
    return app


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
        return _response(await questions.compare(scope["headers"], request.receive, arrived=arrived))


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
    problem = ProblemError(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "defect",
        "the collector failed at this request, which is a defect of it: tell its operator; nothing says what became of "
        "the events, and sending them again is safe",
    )
    return _response(problem_answer(problem))
