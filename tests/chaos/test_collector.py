"""Kafka that is killed while a collector publishes: what it has accepted is counted, the rest is sent again."""

import http.client
import json
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from chaos import EVENTS, Load, conclude
from free_ports import free_ports
from stack import Stack, wait_for

from clustertrack.local.child import Child, Command
from clustertrack.local.ports import HOST
from clustertrack.local.probes import ready_at

pytestmark = [pytest.mark.integration, pytest.mark.extended, pytest.mark.timeout(300)]

CONNECTIONS, BATCH, CONFIRM_SECONDS = 4, 20, 2
RETRY_SECONDS = 0.5
"""After an answer that asks to send again."""
HEADERS = {"content-type": "application/cloudevents-batch+json"}


class Collector:
    """A collector process that gives Kafka little time, and a key of the load's cluster."""

    def __init__(self, stack: Stack) -> None:
        self.port, self._metrics_port = free_ports(2)
        settings = {
            **stack.environment,
            "CLUSTERTRACK_COLLECTOR_PORT": str(self.port),
            "METRICS_PORT": str(self._metrics_port),
            "CLUSTERTRACK_COLLECTOR_CONFIRM_SECONDS": str(CONFIRM_SECONDS),
            "CLUSTERTRACK_COLLECTOR_REQUESTS_PER_SECOND": "1000000",
            "CLUSTERTRACK_COLLECTOR_EVENTS_PER_SECOND": "1000000",
        }
        self.child = Child(
            Command("collector", [sys.executable, "-m", "clustertrack", "collector"], settings), stack.folder
        )
        self.key = stack.run_here("keys", "create", "--cluster", "food-bio").stdout.strip()

    def wait_ready(self) -> None:
        """Wait until it publishes."""
        wait_for(lambda: ready_at(self._metrics_port, "/readyz")() is None, 60, "the collector")


class Publishers:
    """Draw events of a load and send them over several connections, and keep what was answered."""

    def __init__(self, load: Load, collector: Collector) -> None:
        self._load, self._collector = load, collector
        self._lock, self._stop = threading.Lock(), threading.Event()
        self.places: dict[tuple[int, int], str] = {}
        """Where each event is that was accepted, as the answer says: (partition, offset) -> id."""
        self.left: list[bytes] = []
        """What was not accepted, and may be sent again."""
        self.answers: Counter[str] = Counter()
        """By their status, or the code of a problem."""

    def run(self) -> None:
        """Send one batch after the other until `stop`."""
        connection = http.client.HTTPConnection(HOST, self._collector.port, timeout=60)
        wait = 0.0
        while not self._stop.wait(wait):
            wait = 0.0 if self.send(connection, self._draw()) else RETRY_SECONDS
        connection.close()

    def stop(self) -> None:
        """Let each connection end with the batch that it sends."""
        self._stop.set()

    def send_left(self) -> None:
        """Send again what was not accepted; all of it has to be accepted now."""
        left, self.left = self.left, []
        connection = http.client.HTTPConnection(HOST, self._collector.port, timeout=60)
        for begin in range(0, len(left), BATCH):
            self.send(connection, left[begin : begin + BATCH])
        connection.close()
        assert not self.left, f"{len(self.left)} events are not accepted although Kafka is back"

    def _draw(self) -> list[bytes]:
        with self._lock:
            drawn = self._load.draw(BATCH)
            values = [value for _, value, _ in drawn if value is not None and _is_json(value)]
            self._load.published -= len(drawn) - len(values)
            return values

    def send(self, connection: http.client.HTTPConnection, values: list[bytes]) -> bool:
        """One batch, and what becomes of each of its events; returns whether none of them has to be sent again."""
        headers = HEADERS | {"authorization": f"Bearer {self._collector.key}"}
        try:
            connection.request("POST", "/v1/events", b"[" + b",".join(values) + b"]", headers)
            answer = connection.getresponse()
            document = json.loads(answer.read())
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            document = {"code": type(error).__name__}
        else:
            document.setdefault("code", str(answer.status))
        with self._lock:
            self.answers[document["code"]] += 1
            # A batch that was refused as a whole has no answers for its events.
            events = document.get("events") or [{"status": "unconfirmed"}] * len(values)
            for value, event in zip(values, events, strict=True):
                self._note(value, event)
        return all(event["status"] != "unconfirmed" for event in events)

    def _note(self, value: bytes, event: dict[str, Any]) -> None:
        if event["status"] == "accepted":
            self.places[event["partition"], event["offset"]] = event["id"]
        elif event["status"] == "unconfirmed":
            self.left.append(value)


def _is_json(value: bytes) -> bool:
    """Whether a batch with this value can be read at all."""
    try:
        json.loads(value)
    except ValueError:
        return False
    return True


def test_kafka_is_killed_while_a_collector_publishes(load: Load) -> None:
    """Several times, in the middle of batches. Everything that was answered as accepted is where the answer says and
    in the ledger once, before anything is sent again; the rest is then sent again, and counted once too.
    """
    stack, kills = load.stack, load.size(2)
    collector = Collector(stack)
    collector.wait_ready()
    publishers = Publishers(load, collector)
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        running = [pool.submit(publishers.run) for _ in range(CONNECTIONS)]
        for _ in range(kills):
            _wait_for_more(publishers)
            load.pause(0.0, 1.0)
            for broker in stack.brokers:
                stack.kill(broker)
            load.pause(0.0, 2 * CONFIRM_SECONDS)
            stack.restart_broker(*range(stack.nodes))
        _wait_for_more(publishers)
        publishers.stop()
        for one in running:
            one.result(60)
    story = [f"{len(publishers.places)} accepted, {len(publishers.left)} not: {dict(publishers.answers)}"]
    assert publishers.answers["unconfirmed"] >= kills, story
    assert publishers.answers.keys() <= {"202", "207", "unconfirmed", "kafka_away"}, story
    # It has scenarios of its own for brokers that die.
    worker = stack.start_worker("reads-what-is-collected")
    _check_accepted(load, publishers)
    collector.wait_ready()
    publishers.send_left()
    conclude(load, "Kafka: killed in the middle of batches to the collector", faults=kills * stack.nodes, story=story)
    assert collector.child.exit_code() is None
    assert collector.child.stop(20), "a graceful stop"
    assert "Traceback" not in collector.child.log.read_text(encoding="utf-8")
    assert worker.stop(20), "a graceful stop"


def _wait_for_more(publishers: Publishers) -> None:
    before = len(publishers.places)
    wait_for(lambda: len(publishers.places) > before + 1000, 60, "the load to be under way")


def _check_accepted(load: Load, publishers: Publishers) -> None:
    """Nothing was sent again yet."""
    stack = load.stack
    records = {(record.partition, record.offset): record.value for record in stack.read(EVENTS)}
    elsewhere = [at for at, event_id in publishers.places.items() if _id_of(records.get(at)) != event_id]
    assert not elsewhere, f"{len(elsewhere)} accepted events are not where their answer says"
    stack.wait_counted(120)
    counted = Counter(event_id for (event_id,) in stack.query("SELECT event_id FROM impact.activity_revision FINAL"))
    accepted = set(publishers.places.values())
    assert not accepted - counted.keys(), "accepted events are not in the ledger"
    assert not [one for one in accepted if counted[one] != 1], "accepted events are in the ledger more than once"


def _id_of(value: bytes | None) -> str | None:
    return None if value is None else str(json.loads(value)["id"])
