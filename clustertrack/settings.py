"""The settings of every process, from environment variables under the names that people expect.

Variables of Kafka and ClickHouse carry their own names (`KAFKA_BOOTSTRAP_SERVERS`, `CLICKHOUSE_HOST`); ours begin with
`CLUSTERTRACK_`. A secret can also be given as a file: `KAFKA_SASL_PASSWORD_FILE`, `CLICKHOUSE_PASSWORD_FILE`. The
defaults fit the stack of `clustertrack up`. All variables stand in deploy/settings.env.example.
"""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from brokers.connection import KafkaConnection
from schemas.errors import UsageFault
from schemas.own_files import TooLarge, read_within

if TYPE_CHECKING:
    from sinks.clickhouse import ClickHouse

_MAX_SECRET: Final = 64 * 1024
"""Bytes of a file with a password."""

_LARGEST_PORT = 65535
# Nothing else: a password before an @ would be printed with the address.
_HOST = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]")
_MACHINE = re.compile(r"[A-Za-z0-9._:%\[\]-]+")

Port = Annotated[int, Field(ge=1, le=_LARGEST_PORT)]


class SettingsFault(UsageFault):
    """A variable in the environment cannot be used."""


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


class _SecretFiles(PydanticBaseSettingsSource):
    """Reads a secret from the file that NAME_FILE names (container platforms mount secrets as files)."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[str | None, str, bool]:
        del field
        variable = f"{field_name.upper()}_FILE"
        place = os.environ.get(variable)
        if not place:
            return None, field_name, False
        if os.environ.get(field_name.upper()):
            raise SettingsFault(f"{field_name.upper()} and {variable} are both set: unset one of them")
        try:
            return read_within(Path(place), _MAX_SECRET).decode().rstrip("\r\n"), field_name, False
        except (OSError, TooLarge, UnicodeDecodeError) as error:
            raise SettingsFault(
                f"{variable} names {place}, which cannot be read ({error}): correct the path"
            ) from error

    def __call__(self) -> dict[str, Any]:
        found = {}
        for name in Settings.SECRETS:
            value, key, _ = self.get_field_value(Settings.model_fields[name], name)
            if value is not None:
                found[key] = value
        return found


class Settings(BaseSettings):
    """All settings of a process; read once, never changed. `Settings()` reads the environment.

    Use `load_settings()` where a user may have made a mistake: it turns faults into one sentence.
    """

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", env_ignore_empty=True, populate_by_name=True, hide_input_in_errors=True
    )

    SECRETS: ClassVar[tuple[str, ...]] = ("kafka_sasl_password", "clickhouse_password")

    kafka_bootstrap_servers: Annotated[str, AfterValidator(_servers)] = "127.0.0.1:9092"
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    kafka_sasl_username: str | None = None
    kafka_sasl_password: SecretStr | None = None
    kafka_ssl_cafile: Path | None = None
    # First part of the workers' group; the ledger's id is appended, so that a new ledger starts from the beginning.
    kafka_consumer_group: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,150}$")] = "clustertrack"

    clickhouse_host: Annotated[str, AfterValidator(_machine)] = "127.0.0.1"
    clickhouse_port: Port = 8123
    # Stands in SQL text, therefore letters, digits and underscores only.
    clickhouse_database: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$")] = "impact"
    clickhouse_user: str = "default"
    clickhouse_password: SecretStr = SecretStr("")
    clickhouse_secure: bool = False

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"
    metrics_host: str = "127.0.0.1"
    metrics_port: Port = 9100

    # Of all topics alike; fixed for the life of the topics.
    partitions: Annotated[int, Field(ge=1, le=10_000, validation_alias="CLUSTERTRACK_PARTITIONS")] = 12
    replication_factor: Annotated[int, Field(ge=1, le=100, validation_alias="CLUSTERTRACK_REPLICATION_FACTOR")] = 1
    min_insync_replicas: Annotated[int, Field(ge=1, le=100, validation_alias="CLUSTERTRACK_MIN_INSYNC_REPLICAS")] = 1
    # The worker's marks of what it has seen; one folder per worker.
    data_dir: Annotated[Path, Field(validation_alias="CLUSTERTRACK_DATA_DIR")] = Path("./data")
    # Cluster registry (TOML); None = the one that comes with the product.
    clusters: Annotated[Path | None, Field(validation_alias="CLUSTERTRACK_CLUSTERS")] = None
    # One CVR number a line: institutions that never count as companies.
    institutions: Annotated[Path | None, Field(validation_alias="CLUSTERTRACK_INSTITUTIONS")] = None
    # Faust's own transport, one record at a time: only to compare with.
    slow_mode: Annotated[bool, Field(validation_alias="CLUSTERTRACK_SLOW_MODE")] = False
    # How long a small batch waits for company before it is inserted.
    linger_ms: Annotated[int, Field(ge=0, le=60_000, validation_alias="CLUSTERTRACK_LINGER_MS")] = 300
    # After so many seconds without a sign of life a worker's partitions go to the others.
    session_seconds: Annotated[int, Field(ge=6, le=300, validation_alias="CLUSTERTRACK_SESSION_SECONDS")] = 30
    # After so many seconds without progress a worker calls itself ill; after as long again it ends.
    stalled_seconds: Annotated[int, Field(ge=4, le=3600, validation_alias="CLUSTERTRACK_STALLED_SECONDS")] = 45
    # Records that close a group, which is inserted at once; the last batch joins it whole.
    max_rows: Annotated[int, Field(ge=1, le=1_000_000, validation_alias="CLUSTERTRACK_MAX_ROWS")] = 16_000
    # Whether CPR numbers and e-mail addresses in texts are counted and kept; of all workers of a ledger alike.
    allow_personal_data: Annotated[bool, Field(validation_alias="CLUSTERTRACK_ALLOW_PERSONAL_DATA")] = False
    # How often a rejected record is sent again at most.
    replay_limit: Annotated[int, Field(ge=1, le=100, validation_alias="CLUSTERTRACK_REPLAY_LIMIT")] = 3

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Options beat the environment; no .env file is read behind the user's back."""
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, _SecretFiles(settings_cls)

    @model_validator(mode="after")
    def _belong_together(self) -> Self:
        if self.min_insync_replicas > self.replication_factor:
            raise ValueError(
                f"CLUSTERTRACK_MIN_INSYNC_REPLICAS={self.min_insync_replicas} is more than "
                f"CLUSTERTRACK_REPLICATION_FACTOR={self.replication_factor}: no record could be written"
            )
        if self.kafka_security_protocol.startswith("SASL"):
            needed = {
                "KAFKA_SASL_MECHANISM": self.kafka_sasl_mechanism,
                "KAFKA_SASL_USERNAME": self.kafka_sasl_username,
                "KAFKA_SASL_PASSWORD": self.kafka_sasl_password,
            }
            missing = [name for name, value in needed.items() if value is None]
            if missing:
                raise ValueError(
                    f"KAFKA_SECURITY_PROTOCOL={self.kafka_security_protocol} also needs {' and '.join(missing)}"
                )
        if self.kafka_ssl_cafile is not None and "SSL" in self.kafka_security_protocol:
            _check_certificates(self.kafka_ssl_cafile)
        return self

    def kafka(self) -> KafkaConnection:
        """Where Kafka is and how to log in."""
        password = self.kafka_sasl_password
        return KafkaConnection(
            bootstrap_servers=self.kafka_bootstrap_servers,
            security_protocol=self.kafka_security_protocol,
            sasl_mechanism=self.kafka_sasl_mechanism,
            sasl_username=self.kafka_sasl_username,
            sasl_password=None if password is None else password.get_secret_value(),
            ssl_cafile=self.kafka_ssl_cafile,
        )

    def clickhouse(self) -> "ClickHouse":
        """Where ClickHouse is and how to log in, as the value that `sinks.clickhouse.connect` takes."""
        from sinks.clickhouse import ClickHouse  # noqa: PLC0415  (`up` and `publish` need no ClickHouse client)

        return ClickHouse(
            host=self.clickhouse_host,
            port=self.clickhouse_port,
            database=self.clickhouse_database,
            user=self.clickhouse_user,
            password=self.clickhouse_password.get_secret_value(),
            secure=self.clickhouse_secure,
        )


def variable(field: str) -> str:
    """Name of the environment variable behind a field of `Settings`."""
    alias = Settings.model_fields[field].validation_alias
    return str(alias) if alias else field.upper()


def variables() -> list[str]:
    """The environment variables of all settings, those that name the file of a secret included."""
    return [variable(field) for field in Settings.model_fields] + [f"{name.upper()}_FILE" for name in Settings.SECRETS]


def load_settings(**options: Any) -> Settings:  # noqa: ANN401  (options carry each field's own type)
    """Read the settings; `options` are fields that were given on the command line and beat the environment.

    Raises SettingsFault: one sentence that names the variable and what is wrong with it.
    """
    try:
        return Settings(**options)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        problem = first["msg"].removeprefix("Value error, ")
        if not first["loc"]:
            raise SettingsFault(problem) from error
        place = str(first["loc"][0])
        name = variable(place) if place in Settings.model_fields else place.upper()
        # An address may hold a password where none belongs.
        shown = name.lower() not in {*Settings.SECRETS, "kafka_bootstrap_servers", "clickhouse_host"}
        given = f"={first['input']}" if shown else ""
        raise SettingsFault(f"{name}{given} cannot be used: {problem}") from error
