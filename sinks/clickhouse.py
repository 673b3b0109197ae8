"""How to reach ClickHouse: one frozen value, one function that connects, and sentences for what goes wrong.

ClustertrackError
├── Unreachable
│   └── ClickHouseUnreachable    nothing answers, or no longer
├── UsageFault                   a name that cannot be a database's
│   └── ClickHouseRefused        user, password or database are not accepted
└── CheckFailed                  it answers, without the ledger or a part of it
    └── ClickHouseFault          the server answered with an error
"""

import ipaddress
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from clickhouse_connect.driver.httputil import default_pool_manager

from schemas.errors import CheckFailed, Unreachable, UsageFault, first_line
from sinks.pinned_settings import PINNED

DATABASE_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}", re.ASCII)
"""Identifiers cannot be bound as parameters of DDL, so the one name from outside is held to these characters."""

CONNECT_TIMEOUT: Final = 5
"""Seconds to wait for the TCP connection."""

RECEIVE_TIMEOUT: Final = 300
"""Seconds to wait for an answer; the slowest views take a few seconds on millions of rows."""

UNKNOWN_DATABASE: Final = 81
NOT_ALLOWED: Final = frozenset({192, 193, 194, 291, 497, 516})
"""Codes: unknown user, wrong password, password required, no access to database, access denied, not authenticated."""

_NOT_MIGRATED: Final = frozenset({46, 60})
"""Codes: a parameterised view is missing (an unknown function to ClickHouse), a table is missing."""

# Our sentence replaces the driver's log line about the same error; where logging is set up, that line still arrives.
logging.getLogger("clickhouse_connect").addHandler(logging.NullHandler())


class ClickHouseUnreachable(Unreachable):
    """Nothing answers at the address, or it stopped answering."""


class ClickHouseRefused(UsageFault):
    """The server answers, but not to this user, or not about this database."""


class ClickHouseFault(CheckFailed):
    """The server answered with an error; `code` is ClickHouse's number for it, None if it gave none."""

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, kw_only=True)
class ClickHouse:
    """Where the ledger is and who asks. The password never shows in `repr`."""

    host: str
    port: int
    database: str
    user: str = "default"  # ClickHouse's own
    password: str = field(default="", repr=False)
    secure: bool = False

    @property
    def address(self) -> str:
        """`host:port`, for messages."""
        return f"{self.host}:{self.port}"


def check_database_name(name: str) -> str:
    """The name itself; raises UsageFault when it holds anything but ASCII letters, digits and _."""
    if DATABASE_NAME.fullmatch(name) is None:
        raise UsageFault(
            f"CLICKHOUSE_DATABASE is {name!r}: use up to 63 letters a-z or A-Z, digits and underscores, no digit first."
        )
    return name


def connect(config: ClickHouse, *, database: str | None = None, **options: Any) -> Client:
    """A client of clickhouse-connect's HTTP driver, safe to use from several threads.

    `database` replaces `config.database` as the default one: `migrate` connects before the ledger's exists. `options`
    go to `clickhouse_connect.get_client`. Raises ClickHouseUnreachable, ClickHouseRefused or ClickHouseFault.
    """
    name = check_database_name(database or config.database)
    defaults: dict[str, Any] = {
        "connect_timeout": CONNECT_TIMEOUT,
        "send_receive_timeout": RECEIVE_TIMEOUT,
        # Compressing what never leaves the machine costs more than it saves.
        "compress": not _is_local(config.host),
        # One session takes one query at a time; without sessions a client may be shared.
        "autogenerate_session_id": False,
        "client_name": "clustertrack",
        # Given, so that the driver does not look for HTTP_PROXY and HTTPS_PROXY: SQL and password would go there.
        # urllib3 itself reads no environment.
        "pool_mgr": default_pool_manager(),
        "settings": PINNED,
    }
    with explained(config):
        return clickhouse_connect.get_client(
            host=config.host,
            port=config.port,
            username=config.user,
            password=config.password,
            secure=config.secure,
            database=name,
            **{**defaults, **options},
        )


@contextmanager
def explained(config: ClickHouse) -> Iterator[None]:
    """Turns the driver's errors within the block into the ones of this module, each of them one sentence."""
    try:
        yield
    except ClickHouseError as error:
        raise _explain(config, error) from error


@contextmanager
def open_ledger(config: ClickHouse) -> Iterator[Client]:
    """A client for the ledger's database.

    Within the block errors of ClickHouse become ClickHouseUnreachable, ClickHouseRefused, CheckFailed or
    ClickHouseFault.
    """
    try:
        with explained(config):
            client = connect(config)
            try:
                yield client
            finally:
                client.close()
    except ClickHouseRefused as error:
        if getattr(error.__cause__, "code", None) != UNKNOWN_DATABASE:
            raise
        raise _not_migrated(config) from error
    except ClickHouseFault as error:
        if error.code not in _NOT_MIGRATED:
            raise
        raise _not_migrated(config) from error


def _not_migrated(config: ClickHouse) -> CheckFailed:
    return CheckFailed(
        f"The database {config.database!r} of ClickHouse at {config.address} is missing or incomplete: "
        "run `clustertrack migrate`, or set CLICKHOUSE_DATABASE."
    )


def _explain(config: ClickHouse, error: ClickHouseError) -> ClickHouseUnreachable | ClickHouseRefused | ClickHouseFault:
    code: int | None = getattr(error, "code", None)
    if code is None:
        return ClickHouseUnreachable(
            f"ClickHouse does not answer at {config.address}: start it (`clustertrack up` runs one on this machine) "
            "or set CLICKHOUSE_HOST and CLICKHOUSE_PORT."
        )
    if code in NOT_ALLOWED:
        return ClickHouseRefused(
            f"ClickHouse at {config.address} refuses user {config.user!r} (code {code}): check CLICKHOUSE_USER, "
            "CLICKHOUSE_PASSWORD and the user's rights."
        )
    if code == UNKNOWN_DATABASE:
        return ClickHouseRefused(
            f"ClickHouse at {config.address} has no database {config.database!r}: run `clustertrack migrate`, "
            "or set CLICKHOUSE_DATABASE."
        )
    return ClickHouseFault(f"ClickHouse at {config.address} answered: {first_line(error)}", code)


def _is_local(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def utc(value: datetime) -> datetime:
    """The driver gives instants of UTC columns without their zone."""
    return value if value.tzinfo else value.replace(tzinfo=UTC)
