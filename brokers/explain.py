"""Why Kafka cannot be used, in one sentence with the true cause. Every verb and the worker ask here.

    ClustertrackError
    ├── Unreachable
    │   └── KafkaUnreachable    no broker can be used: none listens, another protocol, a login that is refused, ...
    └── CheckFailed             Kafka answers, and the user lacks a right, which is named with its resource; or any
                                other error that waiting does not fix

Clients report nearly every problem as a time-out. So when one has failed, its steps are repeated one by one over a
connection of our own, and the first that fails is the cause: name, connection, TLS, login, advertised names.
"""

import re
import socket
import ssl
import struct
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final

from kafka.errors import (
    AuthorizationError,
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaError,
    RetriableError,
    SaslAuthenticationFailedError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailedError,
    for_code,
)
from kafka.net.sasl import get_sasl_mechanism
from kafka.protocol.metadata import MetadataRequest, MetadataResponse
from kafka.protocol.sasl import (
    SaslAuthenticateRequest,
    SaslAuthenticateResponse,
    SaslHandshakeRequest,
    SaslHandshakeResponse,
)

from brokers.attempts import attempts
from brokers.connection import KafkaConnection
from schemas.errors import CheckFailed, Unreachable, first_line

PROBE_SECONDS: Final = 3.0
"""For each step of a probe: a broker that can be used takes milliseconds."""
LEAST_SECONDS: Final = 0.5
PAUSE: Final = 0.1
"""Seconds between two probes."""
LARGEST_ANSWER: Final = 16 * 1024 * 1024
"""Bytes; what announces more is no Kafka."""
TLS_ALERT: Final = b"\x15\x03"
"""How a TLS server begins its answer to something else."""
METADATA_VERSION: Final = 4
"""Every broker since 1.0 knows it; from 1 on, no topics in the question means none in the answer."""
UNSUPPORTED_MECHANISM: Final = 33
ILLEGAL_SASL_STATE: Final = 34


class KafkaUnreachable(Unreachable):
    """No broker can be used."""


class _TroubleError(Exception):
    """The first step that does not work, as the end of a sentence; `passes`: waiting may be enough."""

    def __init__(self, cause: str, *, passes: bool = False) -> None:
        super().__init__(cause)
        self.passes = passes


def explain(
    kafka: KafkaConnection, error: BaseException, *, needs: str = "", note: str = ""
) -> KafkaUnreachable | CheckFailed:
    """The error of a client as one of ours.

    Args:
        kafka: where the brokers are.
        error: what kafka-python or aiokafka raised.
        needs: the right that the request asked for, as `right` writes it, unless the error says (`needing`).
        note: what else the user should know, such as "nothing was sent".
    """
    if is_authorization(error):
        return not_allowed(kafka, getattr(error, "needs", needs) or _resource(error), note)
    if isinstance(error, RetriableError | OSError) or _is_retriable(error):
        return unreachable(kafka, note=note, otherwise=error)
    return CheckFailed(f"Kafka at {kafka.address} refuses: {said(error)}.{_also(note)}")


@contextmanager
def explained(kafka: KafkaConnection, *, needs: str = "", note: str = "") -> Iterator[None]:
    """Turns the errors of a client within the block into those of this module; arguments as of `explain`."""
    try:
        yield
    except (KafkaError, OSError) as error:
        raise explain(kafka, error, needs=needs, note=note) from error


def unreachable(kafka: KafkaConnection, *, note: str = "", otherwise: BaseException | None = None) -> KafkaUnreachable:
    """Probe the brokers, and say why none can be used; `otherwise` is the client's reason, if the probe finds none."""
    cause = probe(kafka)
    if cause is None:
        cause_said = f" ({said(otherwise)})" if otherwise is not None else ""
        cause = f"it answers, but not this request in time{cause_said}: try again, and look at its load and its log"
    return KafkaUnreachable(f"Kafka at {kafka.address} cannot be used: {cause}.{_also(note)}")


def not_allowed(kafka: KafkaConnection, needs: str, note: str = "") -> CheckFailed:
    """The sentence about a missing right."""
    return CheckFailed(
        f"Kafka at {kafka.address} answers, but {user(kafka)} lacks the right {needs}: "
        f"give it an ACL for that (docs/operators.md lists them).{_also(note)}"
    )


def right(operation: str, kind: str, name: str) -> str:
    """A right in words, as an ACL names it."""
    return f"{operation} on {kind} {name!r}"


def is_authorization(error: BaseException) -> bool:
    """Whether the user lacks a right. aiokafka has errors of its own, and producers report some of them as text."""
    return (
        isinstance(error, AuthorizationError)
        or type(error).__name__.endswith("AuthorizationFailedError")
        or "AuthorizationFailedError" in str(error)
    )


def needing(error: KafkaError, operation: str, kind: str, name: str) -> KafkaError:
    """The error, with the right that would have been needed, for `explain`."""
    error.needs = right(operation, kind, name)
    return error


def user(kafka: KafkaConnection) -> str:
    """Who asks, for a sentence."""
    return f"user {kafka.sasl_username!r}" if kafka.has_login else "a client that does not log in"


def said(error: BaseException) -> str:
    """What an error says, short enough for a sentence."""
    name = type(error).__name__
    text = first_line(error).removeprefix(f"{name}: ")
    return (f"{name}: {text}" if text and text != name else name)[:200]


def failed(code: int, message: str | None = None) -> KafkaError | None:
    """The error of an answer's code, None for 0."""
    return for_code(code)(message or "") if code else None


def probe(kafka: KafkaConnection, seconds: float = PROBE_SECONDS) -> str | None:
    """Why none of the brokers can be used; None if one can. Of several causes, the first that is more than silence."""
    trouble = _trouble(kafka, seconds)
    return None if trouble is None else str(trouble)


def known_brokers(kafka: KafkaConnection, seconds: float = PROBE_SECONDS) -> int:
    """Number of live brokers, as reported by the first one that can be used; 0 if none can."""
    for server in kafka.servers:
        with suppress(_TroubleError):
            return _probe_server(server.rpartition("@")[2], kafka, seconds)
    return 0


def await_usable(kafka: KafkaConnection, seconds: float, *, note: str = "") -> None:
    """Wait until a broker can be used, so that a client finds one; for up to `seconds` if the cause can pass.

    Checked first, because clients use up their whole time limit regardless of the cause, and kafka-python leaks its
    thread and its sockets when it gives up. Raises KafkaUnreachable.
    """
    for more in attempts(seconds, PAUSE):
        trouble = _trouble(kafka, min(PROBE_SECONDS, max(seconds, LEAST_SECONDS)))
        if trouble is None:
            return
        if not (trouble.passes and more):
            raise KafkaUnreachable(f"Kafka at {kafka.address} cannot be used: {trouble}.{_also(note)}")


def _trouble(kafka: KafkaConnection, seconds: float) -> _TroubleError | None:
    found: list[_TroubleError] = []
    for server in kafka.servers:
        try:
            _probe_server(server.rpartition("@")[2], kafka, seconds)
        except _TroubleError as trouble:
            found.append(trouble)
        else:
            return None
    return min(found, key=lambda trouble: trouble.passes, default=None)


def _probe_server(server: str, kafka: KafkaConnection, seconds: float) -> int:
    """The number of live brokers that the server knows of; raises _TroubleError."""
    host, port = _split(server)
    with _connected(host, port, seconds) as plain:
        connection = _secured(plain, host, kafka) if kafka.has_tls else plain
        with connection:
            try:
                if kafka.has_login:
                    _log_in(connection, host, kafka)
                answer = _ask(connection, MetadataRequest[METADATA_VERSION](topics=[]))
                brokers = MetadataResponse[METADATA_VERSION].decode(answer, header=True).brokers
            except TimeoutError:
                raise _TroubleError(
                    f"something takes connections on {server}, but does not answer as Kafka within {seconds:g} s: "
                    "it is busy or frozen, or something else listens there",
                    passes=True,
                ) from None
            except ConnectionError:
                raise _hung_up(host, port, kafka.security_protocol, seconds) from None
            except ssl.SSLError as error:
                raise _TroubleError(
                    f"it ended the TLS connection ({error.reason}): does it want a certificate?"
                ) from None
            except (ValueError, IndexError, KeyError, AssertionError, struct.error):
                raise _TroubleError(f"what listens on {server} is not Kafka: correct KAFKA_BOOTSTRAP_SERVERS") from None
    _probe_advertised(server, [(broker.host, broker.port) for broker in brokers], seconds)
    return len(brokers)


def _probe_advertised(server: str, brokers: Iterable[tuple[str, int]], seconds: float) -> None:
    """Clients move from the address they were given to those that the brokers advertise."""
    for host, port in brokers:
        if (host, port) == _split(server):
            continue
        try:
            _connected(host, port, seconds).close()
        except _TroubleError as trouble:
            raise _TroubleError(
                f"{server} answers, but sends clients on to {host}:{port} (its advertised.listeners), and {trouble}",
                passes=trouble.passes,
            ) from None


def _connected(host: str, port: int, seconds: float) -> socket.socket:
    try:
        return socket.create_connection((host, port), seconds)
    except socket.gaierror:
        raise _TroubleError(
            f"the name {host} does not resolve: correct it (KAFKA_BOOTSTRAP_SERVERS, or advertised.listeners of the "
            "broker), or add it to the DNS or the hosts file of this machine"
        ) from None
    except TimeoutError:
        raise _TroubleError(
            f"{host}:{port} did not accept a connection within {seconds:g} s: check for a firewall", passes=True
        ) from None
    except (OSError, OverflowError, UnicodeError):
        raise _TroubleError(
            f"nothing listens on {host}:{port}: start Kafka (`clustertrack up` runs one on this machine), or correct "
            "KAFKA_BOOTSTRAP_SERVERS",
            passes=True,
        ) from None


def _secured(plain: socket.socket, host: str, kafka: KafkaConnection) -> ssl.SSLSocket:
    try:
        context = ssl.create_default_context(cafile=kafka.ssl_cafile)
        secured: ssl.SSLSocket = context.wrap_socket(plain, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        raise _TroubleError(
            f"the certificate of {host} is not accepted ({error.verify_message}): KAFKA_SSL_CAFILE must hold the "
            "certificates of the authority that signed it, and it must be made out to that name"
        ) from None
    except (ssl.SSLError, ConnectionError, TimeoutError):
        raise _TroubleError(
            f"{host} does not speak TLS on that port: correct KAFKA_SECURITY_PROTOCOL "
            f"({kafka.security_protocol}) or the port"
        ) from None
    except OSError as error:
        raise _TroubleError(
            f"the file of KAFKA_SSL_CAFILE cannot be read ({error.strerror}): correct the path"
        ) from None
    return secured


def _log_in(connection: socket.socket, host: str, kafka: KafkaConnection) -> None:
    mechanism = kafka.sasl_mechanism
    answer = _ask(connection, SaslHandshakeRequest[1](mechanism=mechanism))
    handshake = SaslHandshakeResponse[1].decode(answer, header=True)
    if handshake.error_code == UNSUPPORTED_MECHANISM:
        enabled = " or ".join(sorted(handshake.mechanisms)) or "none"
        raise _TroubleError(f"it does not log in by {mechanism}, only by {enabled}: correct KAFKA_SASL_MECHANISM")
    if handshake.error_code:
        raise _TroubleError("it expects no login on that port: correct KAFKA_SECURITY_PROTOCOL or the port")
    session = get_sasl_mechanism(mechanism)(host=host, **kafka.for_kafka_python())
    while not session.is_done():
        answer = _ask(connection, SaslAuthenticateRequest[1](session.auth_bytes()))
        step = SaslAuthenticateResponse[1].decode(answer, header=True)
        if step.error_code:
            raise _TroubleError(
                f"it refuses the login of {user(kafka)} ({step.error_message or 'no reason given'}): "
                "correct KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD"
            )
        session.receive(step.auth_bytes)


def _hung_up(host: str, port: int, protocol: str, seconds: float) -> _TroubleError:
    """Why a listener hangs up on this protocol: what does it answer to others?"""
    for other in ("SASL_PLAINTEXT", "SSL"):
        if other != protocol and _speaks(host, port, other, seconds):
            wants = "a login without TLS" if other == "SASL_PLAINTEXT" else "TLS"
            return _TroubleError(
                f"{host}:{port} expects {wants}: correct KAFKA_SECURITY_PROTOCOL ({protocol}) or the port"
            )
    return _TroubleError(f"{host}:{port} hangs up: it is starting, or stopping, or no Kafka listens there", passes=True)


def _speaks(host: str, port: int, protocol: str, seconds: float) -> bool:
    try:
        with socket.create_connection((host, port), seconds) as connection:
            if protocol == "SSL":
                context = ssl.create_default_context()
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                context.wrap_socket(connection, server_hostname=host).close()
                return True
            # A mechanism that does not exist: the answer names those that do, and no login is tried.
            handshake = SaslHandshakeResponse[1].decode(
                _ask(connection, SaslHandshakeRequest[1](mechanism="NONE")), header=True
            )
            return bool(handshake.error_code == UNSUPPORTED_MECHANISM)
    except (OSError, ValueError, IndexError, AssertionError, struct.error):
        return False


def _ask(connection: socket.socket, request: Any) -> bytes:  # noqa: ANN401  (kafka-python has no types)
    """Send a request, and return the bytes of its answer; raises ConnectionError when the other side hangs up."""
    request.with_header(correlation_id=1, client_id="clustertrack")
    connection.sendall(request.encode(header=True, framed=True))
    length = _read(connection, 4)
    size = int.from_bytes(length, "big")
    if length[:2] == TLS_ALERT:
        raise ConnectionError("a TLS alert")
    if size > LARGEST_ANSWER:
        raise ValueError("no answer of Kafka")
    return _read(connection, size)


def _read(connection: socket.socket, size: int) -> bytes:
    parts = []
    while size:
        part = connection.recv(size)
        if not part:
            raise ConnectionError("the other side hung up")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _split(server: str) -> tuple[str, int]:
    host, _, port = server.rpartition(":")
    return host.strip("[]"), int(port)


def _is_retriable(error: BaseException) -> bool:
    return bool(getattr(error, "retriable", False)) or isinstance(error, SaslAuthenticationFailedError)


_ASKED: Final[Mapping[str, str]] = {
    TopicAuthorizationFailedError.__name__: "on a topic",
    GroupAuthorizationFailedError.__name__: "Read on the consumer group",
    ClusterAuthorizationFailedError.__name__: "on the cluster",
    TransactionalIdAuthorizationFailedError.__name__: "on the transactional id",
}
_NAMED: Final = re.compile(r"(?<![A-Za-z0-9._-])(?:[A-Za-z0-9._-]+\.v1|[A-Za-z0-9._-]+-[0-9a-f-]{8,}[A-Za-z0-9._-]*)")
"""A topic or a transactional id. It begins where a word begins: to try each letter takes the square of the time."""


def _resource(error: BaseException) -> str:
    """What an authorization error names itself."""
    found = _NAMED.search(str(error))
    named = f" {found[0]!r}" if found else ""
    return _ASKED.get(type(error).__name__, "that was asked for") + named


def _also(note: str) -> str:
    return f" {note[0].upper()}{note[1:]}." if note else ""
