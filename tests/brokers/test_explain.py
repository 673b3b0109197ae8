"""Each way in which Kafka cannot be used has its true cause in the sentence, whichever verb meets it."""

import http.server
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from kafka.errors import KafkaTimeoutError
from secured import LOST, SASL, TLS, Secured

from brokers.connection import KafkaConnection
from brokers.explain import KafkaUnreachable, await_usable, explain, probe

pytestmark = pytest.mark.integration


def _without_ours() -> dict[str, str]:
    ours = ("KAFKA_", "CLICKHOUSE_", "CLUSTERTRACK_", "METRICS_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


TROUBLES = {
    "wrong password": (SASL, {"KAFKA_SASL_PASSWORD": "hunter2"}, "refuses the login of user 'publisher'"),
    "unknown user": (SASL, {"KAFKA_SASL_USERNAME": "eve"}, "refuses the login of user 'eve'"),
    "mechanism": (SASL, {"KAFKA_SASL_MECHANISM": "SCRAM-SHA-512"}, "does not log in by SCRAM-SHA-512, only by PLAIN"),
    "login without TLS": (TLS, {"KAFKA_SECURITY_PROTOCOL": "PLAINTEXT"}, "expects TLS"),
    "no login": (SASL, {"KAFKA_SECURITY_PROTOCOL": "PLAINTEXT"}, "expects a login without TLS"),
    "TLS to plain text": (LOST, {"KAFKA_SECURITY_PROTOCOL": "SSL"}, "does not speak TLS on that port"),
    "unknown authority": (TLS, {"KAFKA_SSL_CAFILE": ""}, "certificate of 127.0.0.1 is not accepted (self-signed"),
    "advertised name": (LOST, {}, "sends clients on to kafka-internal.invalid:"),
}


@pytest.mark.parametrize(("listener", "changes", "cause"), TROUBLES.values(), ids=TROUBLES)
def test_the_true_cause_is_said_at_once(secured: Secured, listener, changes, cause, tmp_path):
    """Wrong logins, protocols, certificates and names are distinguished, within seconds and without the password."""
    (tmp_path / "events.jsonl").write_text('{"specversion": "1.0"}\n')
    settings = {**secured.settings("publisher", listener), **changes}
    started = time.monotonic()
    answer = subprocess.run(
        [sys.executable, "-m", "clustertrack", "publish", "events.jsonl"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=tmp_path,
        env={**_without_ours(), **settings},
    )

    assert answer.returncode == 3, answer.stderr
    assert answer.stderr.count("\n") == 1
    assert cause in answer.stderr
    assert "hunter2" not in answer.stderr
    assert time.monotonic() - started < 15


def test_every_listener_is_usable_as_documented(secured: Secured):
    """With the right settings the probe finds nothing: plain text, TLS, a login, both."""
    tls = KafkaConnection(secured.address(TLS), security_protocol="SSL", ssl_cafile=secured.authority)
    login = secured.client("worker")

    assert probe(secured.admin) is None
    assert probe(tls) is None
    assert probe(login) is None
    assert probe(replace(login, bootstrap_servers=f"127.0.0.1:1,{secured.address(SASL)}")) is None


@pytest.fixture
def silent() -> Iterator[str]:
    """An address that takes connections and says nothing."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def web() -> Iterator[str]:
    """An HTTP server, which is not Kafka."""
    server = http.server.HTTPServer(("127.0.0.1", 0), _Blunt)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


class _Blunt(http.server.BaseHTTPRequestHandler):
    def handle(self) -> None:
        self.connection.recv(1)
        self.wfile.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def test_what_listens_is_not_kafka(silent: str, web: str):
    """Something else on the port is not called a Kafka that is down."""
    assert "does not answer as Kafka within 0.5 s" in (probe(KafkaConnection(silent), 0.5) or "")
    assert f"what listens on {web} is not Kafka" in (probe(KafkaConnection(web)) or "")


def test_a_name_that_does_not_resolve():
    """The name itself is in the sentence, and nothing waits for it where waiting would not help."""
    with pytest.raises(KafkaUnreachable, match=r"the name kafka\.invalid does not resolve"):
        await_usable(KafkaConnection("kafka.invalid:9092"), 60)


def test_a_login_that_is_refused_is_not_waited_for(secured: Secured):
    """Only what can pass with time is waited for."""
    started = time.monotonic()
    with pytest.raises(KafkaUnreachable, match="refuses the login of user 'worker'"):
        await_usable(replace(secured.client("worker"), sasl_password="wrong"), 60)  # noqa: S106  (not the right one)
    assert time.monotonic() - started < 10


def test_a_broker_that_only_was_slow(secured: Secured):
    """When the probe finds nothing, the client's own reason is in the sentence, and no false cause."""
    error = explain(secured.admin, KafkaTimeoutError("no answer within 10000 ms"), note="nothing was sent")

    assert isinstance(error, KafkaUnreachable)
    assert "it answers, but not this request in time (KafkaTimeoutError: no answer within 10000 ms)" in str(error)
    assert str(error).endswith("Nothing was sent.")
