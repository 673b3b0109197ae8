"""A real Kafka with TLS, logins and ACLs, as an operator would run one: everything that no ACL allows is denied."""

import ssl
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from free_ports import free_ports
from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    KafkaAdminClient,
    ResourcePattern,
    ResourcePatternFilter,
    ResourceType,
)
from quick_kafka import ready_to_start

from brokers.connection import KafkaConnection
from clustertrack.local import kafka as local_kafka
from clustertrack.local.child import Child
from clustertrack.local.ports import HOST

USERS = ("publisher", "loader", "issuer", "collector", "worker", "reader", "replayer", "migrator", "nobody")
SASL, TLS, SASL_TLS, LOST = range(4)
"""Listeners: log in without TLS, TLS alone, both, and one whose advertised name does not resolve."""
UNKNOWN_NAME = "kafka-internal.invalid"


def secret(user: str) -> str:
    """The password of a user."""
    return f"{user}-secret"


@dataclass(frozen=True)
class SecuredNode(local_kafka.KafkaNode):
    """A broker with more listeners. The one that other nodes have is the operator's own, who may do everything."""

    ports: tuple[int, ...] = (0, 0, 0, 0)
    more: Mapping[str, str] = field(default_factory=dict)

    def properties(self) -> dict[str, str]:
        base = super().properties()
        users = " ".join(f'user_{user}="{secret(user)}"' for user in USERS)
        jaas = f"org.apache.kafka.common.security.plain.PlainLoginModule required {users};"
        listeners = dict(zip(("SASLP", "TLS", "SASLS", "LOST"), self.ports, strict=True))
        return {
            **base,
            "listeners": base["listeners"] + "".join(f",{name}://{HOST}:{port}" for name, port in listeners.items()),
            "advertised.listeners": base["advertised.listeners"]
            + "".join(
                f",{name}://{UNKNOWN_NAME if name == 'LOST' else HOST}:{port}" for name, port in listeners.items()
            ),
            "listener.security.protocol.map": base["listener.security.protocol.map"]
            + ",SASLP:SASL_PLAINTEXT,TLS:SSL,SASLS:SASL_SSL,LOST:PLAINTEXT",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self.folder / "server.pem"),
            "sasl.enabled.mechanisms": "PLAIN",
            "listener.name.saslp.plain.sasl.jaas.config": jaas,
            "listener.name.sasls.plain.sasl.jaas.config": jaas,
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
            "allow.everyone.if.no.acl.found": "false",
            **self.more,
        }


@dataclass(frozen=True)
class Secured:
    """A running secured broker."""

    node: SecuredNode
    authority: Path
    """The certificate that clients must trust."""
    log: Path

    @property
    def admin(self) -> KafkaConnection:
        """The operator's connection."""
        return KafkaConnection(self.node.bootstrap)

    def address(self, listener: int) -> str:
        """host:port of a listener."""
        return f"{HOST}:{self.node.ports[listener]}"

    def settings(self, user: str, listener: int = SASL) -> dict[str, str]:
        """Environment variables with which a user reaches it."""
        protocol = {SASL: "SASL_PLAINTEXT", TLS: "SSL", SASL_TLS: "SASL_SSL", LOST: "PLAINTEXT"}[listener]
        settings = {"KAFKA_BOOTSTRAP_SERVERS": self.address(listener), "KAFKA_SECURITY_PROTOCOL": protocol}
        if "SASL" in protocol:
            settings |= {
                "KAFKA_SASL_MECHANISM": "PLAIN",
                "KAFKA_SASL_USERNAME": user,
                "KAFKA_SASL_PASSWORD": secret(user),
            }
        if "SSL" in protocol:
            settings["KAFKA_SSL_CAFILE"] = str(self.authority)
        return settings

    def client(self, user: str) -> KafkaConnection:
        """How a user reaches it."""
        return KafkaConnection(
            self.address(SASL),
            security_protocol="SASL_PLAINTEXT",
            sasl_mechanism="PLAIN",
            sasl_username=user,
            sasl_password=secret(user),
        )

    def allow(self, acls: Iterable[ACL]) -> None:
        """Add ACLs."""
        with _admin(self.admin) as admin:
            admin.create_acls(list(acls))

    def forbid_all(self) -> None:
        """Take all ACLs away."""
        with _admin(self.admin) as admin:
            every = ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY)
            admin.delete_acls([ACLFilter(None, None, ACLOperation.ANY, ACLPermissionType.ANY, every)])


def acl(user: str, operation: str, kind: str, name: str, *, prefix: bool = False) -> ACL:
    """One ACL that allows something."""
    pattern = ACLResourcePatternType.PREFIXED if prefix else ACLResourcePatternType.LITERAL
    resource = ResourcePattern(ResourceType[kind], name, pattern)
    return ACL(f"User:{user}", "*", ACLOperation[operation], ACLPermissionType.ALLOW, resource)


@contextmanager
def _admin(kafka: KafkaConnection) -> Iterator[KafkaAdminClient]:
    admin = KafkaAdminClient(**kafka.for_kafka_python())
    try:
        yield admin
    finally:
        admin.close()


@contextmanager
def running(folder: Path, ready: Any, more: Mapping[str, str] | None = None) -> Iterator[Secured]:
    """Start the broker in a folder; `ready(child, check)` waits until it serves."""
    port, controller, *ports = free_ports(6)
    node = SecuredNode(
        folder / "kafka",
        port,
        controller,
        short_lived=True,
        ports=tuple(ports),
        more=more or {},
    )
    node.folder.mkdir(parents=True)
    authority = certificates(node.folder)
    child = Child(ready_to_start(node, folder), folder)
    try:
        ready(child, lambda: local_kafka.is_ready(node.bootstrap))
        yield Secured(node, authority, child.log)
    finally:
        child.stop(20)


def certificates(folder: Path) -> Path:
    """An authority and the broker's certificate for 127.0.0.1; returns the authority's."""
    key, authority = folder / "ca.key", folder / "ca.pem"
    server = folder / "server.key"
    request, signed, names = folder / "server.csr", folder / "server.crt", folder / "names"
    names.write_text(f"subjectAltName=IP:{HOST},DNS:localhost\n")
    new = ("req", "-newkey", "rsa:2048", "-nodes")
    _openssl(*new, "-x509", "-days", "30", "-subj", "/CN=test authority", "-keyout", key, "-out", authority)
    _openssl(*new, "-subj", "/CN=broker", "-keyout", server, "-out", request)
    sign = ("x509", "-req", "-days", "30", "-CAcreateserial", "-CA", authority, "-CAkey", key, "-extfile", names)
    _openssl(*sign, "-in", request, "-out", signed)
    (folder / "server.pem").write_text(server.read_text() + signed.read_text() + authority.read_text())
    ssl.create_default_context(cafile=authority)
    return authority


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=60)
