import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, Counter

from clustertrack.health import Health, Server, serve
from schemas.errors import UsageFault

WELL = Health(ok=True)


class Switch:
    """A check whose answer a test changes."""

    def __init__(self) -> None:
        self.answer = WELL

    def __call__(self) -> Health:
        """Answer as the test has set it."""
        return self.answer


@pytest.fixture
def health() -> Switch:
    """The check behind /healthz."""
    return Switch()


@pytest.fixture
def ready() -> Switch:
    """The check behind /readyz."""
    return Switch()


@pytest.fixture
def registry() -> CollectorRegistry:
    """A registry with one counter."""
    registry = CollectorRegistry()
    Counter("clustertrack_apples", "Apples eaten.", registry=registry).inc(3)
    return registry


@pytest.fixture
def server(registry, health, ready) -> Iterator[Server]:
    """A server on a free port."""
    server = serve(registry, "127.0.0.1", 0, health, ready)
    yield server
    server.close()


def _get(server: Server, path: str) -> tuple[int, str, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=5) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read().decode()


def test_serves_metrics_in_prometheus_format(server):
    """/metrics holds the registry's counters with a content type that Prometheus accepts."""
    status, content_type, body = _get(server, "/metrics")

    assert status == 200
    assert content_type.startswith("text/plain; version=")
    assert "clustertrack_apples_total 3.0" in body


@pytest.mark.parametrize("path", [pytest.param("/healthz", id="health"), pytest.param("/readyz", id="readiness")])
def test_green_is_200(server, path):
    """A healthy check answers 200 and says so in JSON."""
    status, content_type, body = _get(server, path)

    assert (status, content_type) == (200, "application/json; charset=utf-8")
    assert json.loads(body) == {"status": "ok", "why": ""}


def test_red_is_503_with_the_reason(server, ready):
    """A red check answers 503 and its body says why; the other check is not touched by it."""
    ready.answer = Health(ok=False, why="ClickHouse is away", facts={"since_seconds": 4})

    assert _get(server, "/readyz")[0] == 503
    assert json.loads(_get(server, "/readyz")[2]) == {
        "status": "unavailable",
        "why": "ClickHouse is away",
        "since_seconds": 4,
    }
    assert _get(server, "/healthz")[0] == 200


def test_a_failing_check_is_red(registry):
    """A check that raises an exception counts as red instead of breaking the connection."""

    def broken() -> Health:
        raise LookupError("no such thing")

    server = serve(registry, "127.0.0.1", 0, broken, lambda: WELL)
    try:
        status, _, body = _get(server, "/healthz")
    finally:
        server.close()

    assert status == 503
    assert "LookupError: no such thing" in body


def test_unknown_paths_name_the_known_ones(server):
    """A wrong path is 404 and says what there is."""
    status, _, body = _get(server, "/")

    assert status == 404
    assert "/healthz" in body


def test_close_frees_the_port(registry):
    """After close() another server can take the port at once."""
    first = serve(registry, "127.0.0.1", 0, lambda: WELL, lambda: WELL)
    port = first.port
    first.close()

    second = serve(registry, "127.0.0.1", port, lambda: WELL, lambda: WELL)

    assert second.port == port
    second.close()


def test_a_taken_port_is_a_sentence(registry):
    """A port that somebody else holds is a usage fault that names the settings to change."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(UsageFault, match=rf"127\.0\.0\.1:{port} .*METRICS_PORT"):
            serve(registry, "127.0.0.1", port, lambda: WELL, lambda: WELL)
