"""Who may talk to the server.

No web page in the user's browser may: a request with any Origin, from another site, or for a host name that is not this
machine's is refused (the last stops DNS rebinding). Then user and password.
"""

import base64
import binascii
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from clustertrack.local.clickhouse.engine_errors import ACCESS_DENIED, AUTHENTICATION_FAILED, EngineError

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class Login:
    """A user with a password, and whether it may write; `any_setting` is for tests of what settings do."""

    user: str
    password: str = field(repr=False)
    writes: bool
    any_setting: bool = False


@dataclass(frozen=True, slots=True)
class Guard:
    """The rules of one server.

    `any_host` accepts every Host header: for a server that is reached by other names, behind a password.
    """

    logins: tuple[Login, ...]
    any_host: bool = False

    def check_origin(self, headers: Mapping[str, str]) -> None:
        """Refuse web pages. Raises EngineError (ACCESS_DENIED)."""
        if "origin" in headers or headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            raise EngineError(ACCESS_DENIED, "Requests from web pages are refused")
        if not self.any_host and not is_loopback(headers.get("host", "")):
            raise EngineError(ACCESS_DENIED, "The Host header names another machine; use 127.0.0.1 or localhost")

    def check_login(self, headers: Mapping[str, str], query: Mapping[str, str]) -> Login:
        """Check user and password: Basic authentication, X-ClickHouse-User and -Key, or user and password in the URL.

        Raises:
            EngineError: AUTHENTICATION_FAILED.
        """
        user, password = _credentials(headers, query)
        given = _bytes(user or "default"), _bytes(password)
        # Every login is compared in full, so that timing reveals nothing.
        right = [
            hmac.compare_digest(given[0], _bytes(login.user)) & hmac.compare_digest(given[1], _bytes(login.password))
            for login in self.logins
        ]
        if not any(right):
            raise EngineError(
                AUTHENTICATION_FAILED,
                f"{user}: Authentication failed: password is incorrect, or there is no user with such name.",
            )
        return self.logins[right.index(True)]


def _bytes(text: str) -> bytes:
    """Headers may hold any bytes, and URLs bytes that are not text."""
    return text.encode(errors="surrogatepass")


def is_loopback(header: str) -> bool:
    """Whether a Host header names this machine."""
    return _host_name(header) in LOOPBACK


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
            raise EngineError(AUTHENTICATION_FAILED, "The Authorization header cannot be read") from None
        return user, password
    if "x-clickhouse-user" in headers or "x-clickhouse-key" in headers:
        return headers.get("x-clickhouse-user", "default"), headers.get("x-clickhouse-key", "")
    return query.get("user", "default"), query.get("password", "")
