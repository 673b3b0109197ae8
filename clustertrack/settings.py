"""The settings of every process, from environment variables under the names that people expect.

Variables of Kafka and ClickHouse carry their own names (`KAFKA_BOOTSTRAP_SERVERS`, `CLICKHOUSE_HOST`); ours begin with
`CLUSTERTRACK_`. A secret can also be given as a file: `KAFKA_SASL_PASSWORD_FILE`, `CLICKHOUSE_PASSWORD_FILE`. The
defaults fit the stack of `clustertrack up`. `scripts/printed_pages.py` prints the descriptions into
deploy/settings.env.example and docs/operators.md.
"""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self, TypeVar

from pydantic import AfterValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import SettingsConfigDict

from brokers.connection import KafkaConnection
from clustertrack.former_settings import GONE
from clustertrack.settings_group import SettingsGroup
from schemas.errors import UsageFault
from schemas.screen import say
from schemas.similar import closest
from schemas.usage_sentences import pydantic_words
from schemas.visible import visible

if TYPE_CHECKING:
    from sinks.clickhouse import ClickHouse

LAPTOP_PARTITIONS: Final = 4
"""Partitions of `clustertrack up`: a laptop has few cores, and every partition costs Kafka and each worker a little."""

_LARGEST_PORT: Final = 65535
_HOST: Final = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]")
"""Nothing else: a password before an @ would be printed with the address."""
_MACHINE: Final = re.compile(r"[A-Za-z0-9._:%\[\]-]+")

Port = Annotated[int, Field(ge=1, le=_LARGEST_PORT)]
Options = Mapping[str, Any]
"""Fields of a group that were given on the command line."""


def _servers(text: str) -> str:
    """Check a comma-separated list of host:port; returns it without blanks."""
    servers = [part.strip() for part in text.split(",") if part.strip()]
    for server in servers:
        host, _, port = server.rpartition(":")
        if not (_HOST.fullmatch(host) and port.isdecimal() and 0 < int(port) <= _LARGEST_PORT):
            shown = server.rpartition("@")[2]
            raise ValueError(f"{shown!r} is not host:port (without protocol, user or password)")
    if not servers:
        raise ValueError("no host:port in it")
    return ",".join(servers)


def _machine(text: str) -> str:
    """Check that there is no more than the name or address of a machine."""
    if not _MACHINE.fullmatch(text):
        raise ValueError("this is not the name or address of a machine (without protocol, user or password)")
    return text


def _check_certificates(file: Path) -> None:
    """Raise ValueError when the file cannot be read, or holds no certificate."""
    import ssl  # noqa: PLC0415  (slow, and most brokers of laptops have no TLS)

    try:
        ssl.create_default_context(cafile=str(file))
    except ssl.SSLError as error:
        raise ValueError(f"KAFKA_SSL_CAFILE={file} holds no certificates in PEM form: correct the path") from error
    except OSError as error:
        raise ValueError(f"KAFKA_SSL_CAFILE={file} cannot be read ({error.strerror}): correct the path") from error


class KafkaSettings(SettingsGroup):
    """Kafka"""

    model_config = SettingsConfigDict(env_prefix="KAFKA_")
    SECRET = "sasl_password"  # noqa: S105  (the field's name)
    HIDDEN = frozenset({"bootstrap_servers", "sasl_password"})

    bootstrap_servers: Annotated[str, AfterValidator(_servers)] = Field(
        "127.0.0.1:9092", description="host:port; separate several with commas"
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="`PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`"
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        None, description="`PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`"
    )
    sasl_username: str | None = Field(None, description="user who logs in")
    sasl_password: SecretStr | None = Field(None, description="their password; secret")
    ssl_cafile: Path | None = Field(None, description="certificates (PEM) of the authority that signed the brokers'")
    consumer_group: str = Field(
        "clustertrack",
        pattern=r"^[A-Za-z0-9._-]{1,150}$",
        description="first part of the workers' consumer group; the ledger's id is appended",
    )

    @model_validator(mode="after")
    def _belong_together(self) -> Self:
        if self.security_protocol.startswith("SASL"):
            needed = {field: getattr(self, field) for field in ("sasl_mechanism", "sasl_username", "sasl_password")}
            missing = [self.variable(field) for field, value in needed.items() if value is None]
            if missing:
                raise ValueError(f"KAFKA_SECURITY_PROTOCOL={self.security_protocol} also needs {' and '.join(missing)}")
        if self.ssl_cafile is not None and "SSL" in self.security_protocol:
            _check_certificates(self.ssl_cafile)
        return self

    def connection(self) -> KafkaConnection:
        """Where Kafka is and how to log in."""
        return KafkaConnection(
            bootstrap_servers=self.bootstrap_servers,
            security_protocol=self.security_protocol,
            sasl_mechanism=self.sasl_mechanism,
            sasl_username=self.sasl_username,
            sasl_password=None if self.sasl_password is None else self.sasl_password.get_secret_value(),
            ssl_cafile=self.ssl_cafile,
        )


class ClickHouseSettings(SettingsGroup):
    """ClickHouse, over its HTTP interface"""

    model_config = SettingsConfigDict(env_prefix="CLICKHOUSE_")
    SECRET = "password"  # noqa: S105  (the field's name)
    HIDDEN = frozenset({"host", "password"})

    host: Annotated[str, AfterValidator(_machine)] = Field(
        "127.0.0.1",
        description="one server, not a balancer before replicas: what a lagging replica lacks looks [lost](#restore)",
    )
    port: Port = Field(8123, description="port of the HTTP interface")
    # Is part of SQL text, therefore letters, digits and underscores only.
    database: str = Field(
        "impact",
        pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$",
        description="name of the ledger's database: letters, digits, underscores",
    )
    user: str = Field("default", description="user who logs in")
    password: SecretStr = Field(SecretStr(""), description="their password; secret")
    secure: bool = Field(False, description="`true`: HTTPS")

    def connection(self) -> "ClickHouse":
        """Where ClickHouse is and how to log in, as the value that `sinks.clickhouse.connect` takes."""
        from sinks.clickhouse import ClickHouse  # noqa: PLC0415  (`up` and `publish` need no ClickHouse client)

        return ClickHouse(
            host=self.host,
            port=self.port,
            database=self.database,
            user=self.user,
            password=self.password.get_secret_value(),
            secure=self.secure,
        )


class WorkerSettings(SettingsGroup):
    """clustertrack itself"""

    model_config = SettingsConfigDict(env_prefix="CLUSTERTRACK_")

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = Field(
        "INFO", validation_alias="LOG_LEVEL", description="`DEBUG`, `INFO`, `WARNING`, `ERROR` or `CRITICAL`"
    )
    metrics_host: str = Field(
        "127.0.0.1", validation_alias="METRICS_HOST", description="where a worker serves metrics and health"
    )
    metrics_port: Port = Field(9100, validation_alias="METRICS_PORT", description="port of metrics and health")
    partitions: int = Field(
        12,
        ge=1,
        le=10_000,
        description="partitions of the topics when they are created; **fixed for life** "
        f"(`clustertrack up` creates {LAPTOP_PARTITIONS} unless this is set)",
    )
    replication_factor: int = Field(
        1, ge=1, le=100, description="replicas of the topics when they are created; 3 on a cluster"
    )
    min_insync_replicas: int = Field(
        1,
        ge=1,
        le=100,
        description="replicas that must have a record before it counts as written; 2 with three replicas",
    )
    data_dir: Path = Field(
        Path("data"),
        description="folder of a worker's marks, **one per worker**; for `clustertrack up` the folder of everything",
    )
    session_seconds: int = Field(
        30,
        ge=6,
        le=300,
        description="a worker that shows no sign of life for this many seconds loses its partitions to the others",
    )
    stalled_seconds: int = Field(
        45,
        ge=4,
        le=3600,
        description="`/healthz` of a worker that makes no progress for this many seconds turns red; after as long "
        "again the worker stops itself",
    )
    linger_ms: int = Field(
        300,
        ge=0,
        le=60_000,
        description="milliseconds that a small batch waits for more records before it is inserted",
    )
    max_rows: int = Field(
        16_000,
        ge=1,
        le=1_000_000,
        description="records that close a group; up to 2,000 more may be in its insert",
    )
    allow_personal_data: bool = Field(
        False,
        description="`true`: CPR numbers and e-mail addresses in ids and texts are accepted instead of rejected; the "
        "same for all workers, for `publish`, and for `rejected replay --dry-run`",
    )
    replay_limit: int = Field(
        3,
        ge=1,
        le=100,
        description="how many times a rejected record may be sent again, see [rejected.md](rejected.md)",
    )

    @model_validator(mode="after")
    def _belong_together(self) -> Self:
        if self.min_insync_replicas > self.replication_factor:
            raise ValueError(
                f"CLUSTERTRACK_MIN_INSYNC_REPLICAS={self.min_insync_replicas} is more than "
                f"CLUSTERTRACK_REPLICATION_FACTOR={self.replication_factor}: no record could be written"
            )
        return self


class CollectorSettings(SettingsGroup):
    """The collector, to which CRMs send events over HTTP"""

    model_config = SettingsConfigDict(env_prefix="CLUSTERTRACK_COLLECTOR_")

    host: Annotated[str, AfterValidator(_machine)] = Field(
        "127.0.0.1", description="address on which it listens; for others put a server with TLS before it"
    )
    port: Port = Field(8080, description="port of its HTTP interface")
    max_body: int = Field(4 << 20, ge=1 << 20, le=256 << 20, description="bytes of a body, as it is sent and unpacked")
    max_lines_body: int = Field(32 << 20, ge=1 << 20, le=1 << 30, description="the same of a body of JSON lines")
    max_events: int = Field(1_000, ge=1, le=100_000, description="events of one batch")
    max_lines: int = Field(10_000, ge=1, le=1_000_000, description="events of one body of JSON lines")
    max_held: int = Field(
        128 << 20,
        ge=8 << 20,
        description="bytes of bodies in work and of unconfirmed events, of all requests together; beyond them 503",
    )
    max_requests: int = Field(1_000, ge=1, le=100_000, description="requests in work at once; beyond them 503")
    max_connections: int = Field(2_000, ge=1, le=100_000, description="open connections; beyond them 503")
    requests_per_second: float = Field(200, gt=0, description="requests that one key may send; beyond them 429")
    events_per_second: float = Field(2_000, gt=0, description="events that one key may send; beyond them 429")
    burst_seconds: float = Field(
        10, gt=0, le=3600, description="a key that was quiet may send as much at once as in this many seconds"
    )
    idle_seconds: float = Field(
        10,
        gt=0,
        le=600,
        description="seconds for the head of a request, and between two pieces of its body; beyond them 408",
    )
    body_seconds: float = Field(60, gt=0, le=3600, description="seconds for the whole of a body; beyond them 408")
    confirm_seconds: float = Field(
        10, ge=1, le=300, description="seconds that Kafka has to confirm an event; beyond them 503"
    )
    max_questions: int = Field(
        4, ge=1, le=100, description="questions about what became of events that are in work at once; beyond them 503"
    )
    questions_per_second: float = Field(5, gt=0, description="questions that one key may ask; beyond them 429")
    answer_seconds: int = Field(10, ge=1, le=300, description="seconds that ClickHouse has to answer; beyond them 503")
    keep_alive_seconds: int = Field(60, ge=1, le=3600, description="seconds that an idle connection is kept open")


GROUPS: Final[tuple[type[SettingsGroup], ...]] = (
    KafkaSettings,
    ClickHouseSettings,
    WorkerSettings,
    CollectorSettings,
)


@dataclass(frozen=True)
class Settings:
    """All settings of a process."""

    kafka: KafkaSettings
    clickhouse: ClickHouseSettings
    worker: WorkerSettings
    collector: CollectorSettings


def variables() -> list[str]:
    """The environment variables of all settings, those that name the file of a secret included."""
    named = [group.variable(field) for group in GROUPS for field in group.model_fields]
    return named + [f"{group.variable(group.SECRET)}_FILE" for group in GROUPS if group.SECRET]


_OTHERS: Final = frozenset({"CLUSTERTRACK_FAULT", *GONE})
"""Of our family, and no setting: tests end a worker with the first (`streams.faultpoints`), `clustertrack.cli` names
the others."""


def misspelt(environ: Iterable[str]) -> dict[str, str]:
    """Variables that look like ours and are not -> the one that was probably meant, empty where none is like it.

    Others have variables too: of theirs, as those of Kafka and ClickHouse, only what is nearly one of ours.
    """
    ours = variables()
    found = {}
    for name in sorted(environ):
        if name.upper() in ours or name in _OTHERS:  # names of settings are read in either case
            continue
        meant = closest(name, ours, cutoff=0.85)
        if meant or name.startswith("CLUSTERTRACK_"):
            found[name] = meant
    return found


_named: Final[set[str]] = set()
"""Misspelt variables that this process has named."""


def _name_misspelt() -> None:
    for name, meant in misspelt(name for name, value in os.environ.items() if value).items():
        if name not in _named:
            _named.add(name)
            advice = f"did you mean {meant}?" if meant else "see deploy/settings.env.example"
            say(f"note: {visible(name)} is no setting and changes nothing: {advice}", err=True)


def load_settings(*, kafka: Options | None = None, worker: Options | None = None) -> Settings:
    """Read the settings; `kafka` and `worker` are fields of these groups that beat the environment.

    Raises:
        UsageFault: one sentence that names the variable and what is wrong with it.
    """
    _name_misspelt()
    return Settings(
        _read(KafkaSettings, kafka), _read(ClickHouseSettings), _read(WorkerSettings, worker), _read(CollectorSettings)
    )


Group = TypeVar("Group", bound=SettingsGroup)


def _read(group: type[Group], options: Options | None = None) -> Group:
    try:
        return group(**(options or {}))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        problem = pydantic_words(first)
        if not first["loc"]:
            raise UsageFault(problem) from error
        place = str(first["loc"][0])
        name = group.variable(place) if place in group.model_fields else place.upper()
        given = "" if place in group.HIDDEN else f"={first['input']}"
        raise UsageFault(f"{name}{given} cannot be used: {problem}") from error
