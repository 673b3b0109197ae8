"""How to reach Kafka: one value that every client is made from. Why it cannot be reached: `brokers.explain`."""

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import ssl

_LOG: Final = logging.getLogger("kafka")
"""kafka-python has a line for every attempt, and warns of members of a group that it cannot decode, which are Faust's.
Our sentence replaces them; its errors still arrive where logging is set up."""
_LOG.addHandler(logging.NullHandler())
_LOG.setLevel(logging.ERROR)


@dataclass(frozen=True)
class KafkaConnection:
    """Where the brokers are and who asks. The password never shows in `repr`."""

    bootstrap_servers: str
    """host:port, several with commas."""
    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str | None = None
    sasl_username: str | None = None
    sasl_password: str | None = field(default=None, repr=False)
    ssl_cafile: Path | None = None

    @property
    def servers(self) -> list[str]:
        """host:port of each broker."""
        return self.bootstrap_servers.split(",")

    @property
    def address(self) -> str:
        """The brokers' addresses for messages, without credentials that someone may have put before an @."""
        return ",".join(server.rpartition("@")[2] for server in self.servers)

    @property
    def has_tls(self) -> bool:
        """Whether connections are encrypted."""
        return "SSL" in self.security_protocol

    @property
    def has_login(self) -> bool:
        """Whether a user logs in."""
        return self.security_protocol.startswith("SASL") and self.sasl_password is not None

    def for_kafka_python(self) -> dict[str, Any]:
        """Keyword arguments of kafka-python's clients."""
        arguments = self._common()
        if self.ssl_cafile is not None:
            arguments["ssl_cafile"] = str(self.ssl_cafile)
        return arguments

    def for_aiokafka(self) -> dict[str, Any]:
        """Keyword arguments of aiokafka's clients."""
        return {**self._common(), "ssl_context": self._ssl_context()}

    def for_faust(self, scheme: str) -> dict[str, Any]:
        """Keyword arguments of a Faust app; `scheme` names the transport in the brokers' URLs."""
        import faust  # noqa: PLC0415  (slow, and only workers need it)

        context = self._ssl_context()
        credentials = faust.SSLCredentials(context) if context else None
        if self.has_login:
            credentials = faust.SASLCredentials(
                username=self.sasl_username,
                password=self.sasl_password,
                mechanism=self.sasl_mechanism,
                ssl_context=context,
            )
        return {"broker": [f"{scheme}://{server}" for server in self.servers], "broker_credentials": credentials}

    def _common(self) -> dict[str, Any]:
        """What both client libraries call the same."""
        common: dict[str, Any] = {
            "bootstrap_servers": self.servers,
            "security_protocol": self.security_protocol,
        }
        if self.has_login:
            common |= {
                "sasl_mechanism": self.sasl_mechanism,
                "sasl_plain_username": self.sasl_username,
                "sasl_plain_password": self.sasl_password,
            }
        return common

    def _ssl_context(self) -> "ssl.SSLContext | None":
        if not self.has_tls:
            return None
        from aiokafka.helpers import create_ssl_context  # noqa: PLC0415  (slow, and only workers need it)

        context: ssl.SSLContext = create_ssl_context(cafile=str(self.ssl_cafile) if self.ssl_cafile else None)
        return context
