"""Who may talk to the server.

No web page in the user's browser may: a request with any Origin, from another site, or for a host name that is not this
machine's is refused (the last stops DNS rebinding). Then user and password, if one is set.
"""

import base64
import binascii
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field

from sinks.embedded.faults import ACCESS_DENIED, AUTHENTICATION_FAILED, EngineFault

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class Guard:
    """The rules of one server. Without a password the user's name is all that is compared.

    `any_host` accepts every Host header: for a server that is reached by other names, behind a password.
    """

    user: str = "default"
    password: str = field(default="", repr=False)
    any_host: bool = False

    def check_origin(self, headers: Mapping[str, str]) -> None:
        """Refuse web pages. Raises EngineFault (ACCESS_DENIED)."""
        if "origin" in headers or headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            raise EngineFault(ACCESS_DENIED, "Requests from web pages are refused")
        if not self.any_host and _host_name(headers.get("host", "")) not in LOOPBACK:
            raise EngineFault(ACCESS_DENIED, "The Host header names another machine; use 127.0.0.1 or localhost")

    def check_login(self, headers: Mapping[str, str], query: Mapping[str, str]) -> None:
        """Check user and password: Basic authentication, X-ClickHouse-User and -Key, or user and password in the URL.

        Raises EngineFault (AUTHENTICATION_FAILED).
        """
        user, password = _credentials(headers, query)
        right = hmac.compare_digest((user or "default").encode(), self.user.encode())
        if not (hmac.compare_digest(password.encode(), self.password.encode()) and right):
            raise EngineFault(
                AUTHENTICATION_FAILED,
                f"{user}: Authentication failed: password is incorrect, or there is no user with such name.",
            )


def _host_name(header: str) -> str:
    if header.startswith("["):
        return header[1:].partition("]")[0].lower()
    return header.rpartition(":")[0].lower() if ":" in header else header.lower()


def _credentials(headers: Mapping[str, str], query: Mapping[str, str]) -> tuple[str, str]:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            user, _, password = base64.b64decode(token, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise EngineFault(AUTHENTICATION_FAILED, "The Authorization header cannot be read") from None
        return user, password
    if "x-clickhouse-user" in headers or "x-clickhouse-key" in headers:
        return headers.get("x-clickhouse-user", "default"), headers.get("x-clickhouse-key", "")
    return query.get("user", "default"), query.get("password", "")
