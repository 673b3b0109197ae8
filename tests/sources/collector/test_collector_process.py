"""The collector as a process, before a real Kafka: what it answers, what it stores, and what it survives."""

import json
import os
import signal
import socket
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from collecting import CLUSTERS, FOOD, FOOD_KEY, WATER_KEY, Broker, RunningCollector
from samples import CVRS, event
from stack import wait_for

from clustertrack.local.ports import HOST
from clustertrack.local.probes import get, ready_at
from schemas.keys import RANDOM_BYTES, make_key
from sources.collector.bounded_protocol import PIPELINE

pytestmark = pytest.mark.integration

BATCH, LINES = "application/cloudevents-batch+json", "application/x-ndjson"


def batch(name: str, number: int = 20) -> bytes:
    events = [event(company=CVRS[n % len(CVRS)], activity=f"{name}-{n}") for n in range(number)]
    return b"[" + b",".join(events) + b"]"


def stored(broker: Broker, name: str) -> list[Any]:
    """Records whose activity has this name."""
    return [record for record in broker.read() if f'"{name}-'.encode() in record.value]


def test_events_of_every_mode_are_stored(broker: Broker, collector: RunningCollector):
    """Each where the answer says, byte for byte, under the company's number."""
    one = event(activity="mode-1")
    data = b'{"activity_id":"mode-2","occurred_on":"2018-05-03"}'
    attributes = {
        "ce_specversion": "1.0",
        "ce_id": "Euro%20%E2%82%AC",
        "ce_source": FOOD,
        "ce_type": "org.clustertrack.workshop.attended.v1",
        "ce_subject": "13748136",
        "ce_time": "2018-05-03T14:05:09Z",
    }
    listed = [event(company=company, activity=f"mode-{company}") for company in CVRS]
    answers = [
        collector.send(one, "application/cloudevents+json; charset=utf-8"),
        collector.send(data, "application/json", **attributes),
        collector.send(b"[" + b",".join(listed) + b"]", BATCH),
        collector.send(b"\r\n".join(event(activity=f"mode-line-{n}") for n in range(3)), LINES),
    ]
    assert [answer.status for answer in answers] == [202] * 4
    places = [(e["partition"], e["offset"]) for answer in answers for e in answer.json["events"]]
    records = {(record.partition, record.offset): record for record in stored(broker, "mode")}
    assert set(places) == records.keys()
    assert records[places[0]].value == one
    assert [records[place].value for place in places[2:10]] == listed
    assert [records[place].key for place in places[2:10]] == [b"%08d" % company for company in CVRS]
    binary = records[places[1]]
    assert binary.value == data
    assert ("ce_id", "Euro €".encode()) in binary.headers


def test_the_examples_of_the_description_work_as_they_are(collector: RunningCollector):
    """/openapi.json needs no key, names no other host, and its examples are accepted."""
    _, text = get(collector.port, "/openapi.json") or (0, b"")
    described = json.loads(text)
    for path in ("/v1/events", "/v1/events:validate"):
        content = described["paths"][path]["post"]["requestBody"]["content"]
        for media_type in ("application/cloudevents+json", BATCH, LINES):
            example = content[media_type]["example"]
            body = example if isinstance(example, str) else json.dumps(example)
            assert collector.send(body, media_type, path=path).status == 202
        attributes = described["paths"][path]["post"]["parameters"]
        headers = {one["name"].replace("-", "_"): one["example"] for one in attributes}
        data = json.dumps(content["application/json"]["example"])
        assert collector.send(data, "application/json", path=path, **headers).status == 202
    assert set(described["paths"]) == {
        "/v1/events",
        "/v1/events:validate",
        "/v1/clusters",
        "/v1/clusters/{slug}/days",
        "/v1/clusters/{slug}/rejected",
        "/v1/compare",
    }


def test_health_and_metrics(collector: RunningCollector):
    """Health is on both ports, metrics on the one that is not for publishers."""
    assert ready_at(collector.port, "/readyz")() is None
    assert ready_at(collector.port, "/healthz")() is None
    assert (get(collector.port, "/metrics") or (0,))[0] == 404
    before = collector.metric('clustertrack_collector_events_total{cluster="water",outcome="other_cluster"}')
    assert collector.send(event(), key=WATER_KEY).status == 403
    assert (
        collector.metric('clustertrack_collector_events_total{cluster="water",outcome="other_cluster"}') == before + 1
    )
    assert collector.send(event(), key=None).status == 401
    assert collector.metric('clustertrack_collector_key_problems_total{problem="missing"}') == 1


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        pytest.param("GET", "/v1", 404, id="part"),
        pytest.param("GET", "/docs", 404, id="pages for people"),
        pytest.param("PUT", "/v1/events", 405, id="method"),
        pytest.param("POST", "/v1/events/", 404, id="slash"),
        pytest.param("POST", "/v1/events%0A", 404, id="line end"),
    ],
)
def test_other_addresses(collector: RunningCollector, method: str, path: str, status: int):
    """Problem details too, and no way to elsewhere."""
    answer = collector.send(None, None, method=method, path=path)
    assert (answer.status, answer.json["status"]) == (status, status)
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.headers.get("allow") == "GET, POST") == (status == 405)


def test_the_registry_is_followed(broker: Broker, collector: RunningCollector):
    """A source that another registry lists is accepted without a restart."""
    added = event(activity="followed-1", source="https://crm.new.example")
    assert collector.send(added).json["events"][0]["faults"][0]["code"] == "unknown_source"
    revision = broker.load_registry(*CLUSTERS, ("food-bio-2", "https://crm.new.example"))
    wait_for(lambda: collector.metric("clustertrack_collector_registry_revision") == revision, 10, "the registry")
    assert collector.send(added).json["code"] == "other_cluster"


def test_keys_are_followed(broker: Broker, collector: RunningCollector):
    """A new key works at once, a revoked one no longer; a wrong one is answered as an unknown one."""
    key = make_key(bytes(range(RANDOM_BYTES))).get_secret_value()
    unknown = collector.send(event(), key=key)
    broker.put_key(key, "food-bio")
    wait_for(lambda: collector.send(event(activity="keys-1"), key=key).status == 202, 10, "the key to work")
    broker.put_key(key, "food-bio", revoked=True)
    wait_for(lambda: collector.send(event(activity="keys-1"), key=key).status == 401, 10, "the key to be revoked")
    assert collector.send(event(), key=key[:-1] + "2").status == 401
    assert "not known" in unknown.json["detail"]
    assert unknown.headers["www-authenticate"] == 'Bearer realm="clustertrack", error="invalid_token"'


def exchange(collector: RunningCollector, *parts: bytes, end: bool = False) -> bytes:
    """What comes back over a plain connection until it is closed; with `end` we send no more, and still read."""
    with socket.create_connection((HOST, collector.port), 10) as connection:
        for part in parts:
            connection.sendall(part)
        if end:
            connection.shutdown(socket.SHUT_WR)
        found = b""
        while part := connection.recv(65536):
            found += part
    return found


def request(body: bytes, *headers: bytes, length: int | None = None) -> bytes:
    lines = [
        b"POST /v1/events HTTP/1.1",
        b"host: x",
        b"authorization: Bearer " + FOOD_KEY.encode(),
        b"content-type: application/cloudevents+json",
        b"content-length: %d" % (len(body) if length is None else length),
        *headers,
    ]
    return b"\r\n".join([*lines, b"", body])


def chunked(*chunks: bytes, encoding: bytes = b"chunked") -> bytes:
    """A request with JSON lines, each chunk as it is given: its size, a line end, its content."""
    head = request(b"").replace(b"content-length: 0", b"transfer-encoding: " + encoding)
    head = head.replace(b"application/cloudevents+json", LINES.encode())
    return head + b"".join(chunk + b"\r\n" for chunk in chunks)


def chunk_of(content: bytes) -> bytes:
    """One that can be read."""
    return b"%x\r\n" % len(content) + content


@pytest.mark.parametrize(
    ("parts", "status", "code"),
    [
        pytest.param([b"hello\r\n\r\n"], b"400", b"no_http", id="no HTTP"),
        pytest.param([request(event(), *[b"x: y"] * 200)], b"431", b"too_many_headers", id="many headers"),
        pytest.param([b"GET / HTTP/1.1\r\nx: " + b"y" * 40_000], b"431", b"head_too_long", id="long head"),
        pytest.param([request(event(), b"x: " + b"y" * 33_000)], b"431", b"head_too_long", id="whole long head"),
        pytest.param([request(event()).replace(b"host: x\r\n", b"")], b"400", b"bad_head", id="no host"),
        pytest.param([request(event(), b"host: y")], b"400", b"bad_head", id="two hosts"),
        pytest.param([request(event(), b"authorization: Bearer x")], b"400", b"bad_head", id="two keys"),
        pytest.param([request(event(), b"x-api-key: x")], b"400", b"bad_head", id="two kinds of keys"),
        pytest.param([request(event(), b"expect: more")], b"417", b"bad_head", id="other expectations"),
        pytest.param([request(event()).replace(b"HTTP/1.1", b"HTTP/2.0")], b"505", b"bad_head", id="HTTP/2"),
        pytest.param([chunked(b"0", encoding=b"gzip, chunked")], b"400", b"bad_head", id="other transfer encoding"),
        pytest.param([chunked(b"x")], b"400", b"no_http", id="bad chunk"),
        pytest.param([b"GET / HTTP/1.1\r\nx"], b"408", b"too_slow", id="slow head"),
        pytest.param([request(b"{", length=500)], b"408", b"too_slow", id="slow body"),
    ],
)
def test_what_is_hardly_a_request(collector: RunningCollector, parts: list[bytes], status: bytes, code: bytes):
    """Each has an answer, and an end."""
    parts = [parts[0].replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n", 1)] if b"slow" in code else parts
    found = exchange(collector, *parts)
    assert found.split(b" ")[1] == status, found
    assert b'"code":"' + code in found
    assert b"application/problem+json" in found


def test_a_connection_that_says_nothing_is_closed(collector: RunningCollector):
    """It takes a place of others."""
    assert exchange(collector) == b""


def test_half_closed_connections(collector: RunningCollector):
    """A client that has sent everything may still read; one that stops within the body is told so."""
    assert exchange(collector, request(event(activity="half-1")), end=True).startswith(b"HTTP/1.1 202")
    found = exchange(collector, request(b"{", length=500), end=True)
    assert found.startswith(b"HTTP/1.1 400")
    assert b"cut_off" in found


@pytest.mark.parametrize("end", [b"x\r\n", None], ids=["bad chunk", "half-closed"])
def test_a_body_that_breaks_off(broker: Broker, collector: RunningCollector, end: bytes | None):
    """Of lines that were published before its end could not be read, the answer says where they are."""
    name = f"broken-{'chunk' if end else 'end'}"
    lines = [event(activity=f"{name}-{number}") for number in range(3)]
    first = chunk_of(b"\n".join(lines) + b"\n")
    with socket.create_connection((HOST, collector.port), 10) as connection:
        connection.sendall(chunked(first))
        wait_for(lambda: len(stored(broker, name)) == len(lines), 10, "the lines to be published")
        connection.sendall(end) if end else connection.shutdown(socket.SHUT_WR)
        found = b""
        while part := connection.recv(65536):
            found += part
    assert found.startswith(b"HTTP/1.1 400")
    answer = json.loads(found.partition(b"\r\n\r\n")[2])
    assert answer["code"] == ("no_http" if end else "cut_off")
    assert [one["status"] for one in answer["events"]] == ["accepted"] * 3


@pytest.mark.parametrize("after", [b"x", b"\0", request(b"").replace(b"host: x\r\n", b"")], ids=["x", "NUL", "no host"])
def test_what_comes_after_a_request_takes_nothing_from_it(collector: RunningCollector, after: bytes):
    """Its own answer comes, and then the end."""
    found = exchange(collector, request(event(activity=f"before-{len(after)}-{after[0]}")) + after)
    assert found.startswith(b"HTTP/1.1 202"), found
    assert b"accepted" in found


def test_requests_in_a_row(collector: RunningCollector):
    """Some may wait for their turn; of many, and where nobody reads the answers, the rest is not read."""
    last = b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    one = last.replace(b"connection: close\r\n", b"")
    assert exchange(collector, one * 5 + last).count(b"HTTP/1.1 200") == 6
    assert 1 <= exchange(collector, one * 5_000).count(b"HTTP/1.1 200") <= PIPELINE + 1


def test_a_body_of_ten_megabytes(collector: RunningCollector):
    """Its sender can read the answer, although it has not sent all, and use the connection again."""
    assert collector.send(bytes(10_000_000)).json["code"] == "body_too_large"
    small = request(event(activity="after-1")).replace(b"host: x", b"host: x\r\nconnection: close")
    found = exchange(collector, request(bytes(10_000_000)), small)
    assert found.count(b"HTTP/1.1 ") == 2
    assert b"HTTP/1.1 202" in found
    last = exchange(collector, request(bytes(10_000_000), b"connection: close"))
    assert b"body_too_large" in last


def test_a_thousand_connections_at_once(broker: Broker, collector: RunningCollector):
    """Each gets its answer, and everything that was accepted is stored."""
    found: Counter[int] = Counter()
    with ExitStack() as opened:
        crowd = []
        for number in range(1000):
            one = opened.enter_context(socket.create_connection((HOST, collector.port), 60))
            # At once: a connection that says nothing for a second is closed.
            one.sendall(request(event(company=CVRS[number % 8], activity=f"crowd-{number}"), b"connection: close"))
            crowd.append(one)
        for one in crowd:
            found[int(one.recv(65536).split(b" ")[1])] += 1
    assert set(found) <= {202, 429, 503}, found
    assert found[202] > 0
    assert len(stored(broker, "crowd")) == found[202]


def freeze(broker: Broker, number: int) -> None:
    os.killpg(broker.child.pid, number)


def test_kafka_is_frozen(broker: Broker, collector: RunningCollector):
    """Nothing is accepted meanwhile, in a bounded time and then at once; afterwards it goes on by itself."""
    freeze(broker, signal.SIGSTOP)
    try:
        first = collector.send(batch("frozen"), BATCH)
        assert (first.status, first.json["code"], first.json["unconfirmed"]) == (503, "unconfirmed", 20)
        assert first.headers["retry-after"] == "5"
        assert collector.send(event(activity="frozen-x")).json["code"] == "kafka_away"
        assert collector.send(event(activity="frozen-x"), path="/v1/events:validate").status == 202
    finally:
        freeze(broker, signal.SIGCONT)
    collector.wait_ready()
    assert collector.send(batch("frozen"), BATCH).status == 202
    assert collector.metric("clustertrack_collector_held_bytes") == 0


def test_kafka_is_killed_in_the_middle(broker: Broker, collector: RunningCollector):
    """What was answered as accepted is stored; what was not may be sent again, and is accepted then."""
    with ThreadPoolExecutor(4) as pool:
        sent = [pool.submit(collector.send, batch(f"killed-{n}", 50), BATCH) for n in range(12)]
        wait_for(lambda: sum(one.done() for one in sent) > 2, 30, "the first answers")
        broker.child.stop(0)
        answers = [one.result() for one in sent]
    broker.start()
    collector.wait_ready()
    assert {answer.status for answer in answers} <= {202, 503}
    accepted = {e["id"] for answer in answers for e in answer.json["events"] if e["status"] == "accepted"}
    for number, answer in enumerate(answers):
        if answer.status == 503:
            again = collector.send(batch(f"killed-{number}", 50), BATCH)
            assert again.status == 202
            accepted |= {e["id"] for e in again.json["events"]}
    assert len(accepted) == 600
    assert accepted == {json.loads(record.value)["id"] for record in stored(broker, "killed")}


def test_sigterm_finishes_what_was_accepted(broker: Broker, tmp_path: Path):
    """A request in work is answered, no new one is taken, and the process ends with 0."""
    del tmp_path
    own = RunningCollector(broker, "stopped", CONFIRM_SECONDS="20")
    own.wait_ready()
    freeze(broker, signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(1) as pool:
            sending = pool.submit(own.send, batch("stopped"), BATCH)
            wait_for(lambda: own.metric("clustertrack_collector_requests_in_work") == 1, 10, "the request")
            os.kill(own.child.pid, signal.SIGTERM)
            wait_for(lambda: get(own.port, "/healthz") is None, 10, "no more to be taken")
            freeze(broker, signal.SIGCONT)
            assert sending.result().status == 202
    finally:
        freeze(broker, signal.SIGCONT)
    wait_for(lambda: own.child.exit_code() is not None, 20, "the end")
    assert own.child.exit_code() == 0
    assert len(stored(broker, "stopped")) == 20
